"""`tenkyo index`, `status`, `repair` and `db upgrade`: what they print, and their exit codes."""

import json
import threading
from pathlib import Path

import pytest
from filelock import FileLock
from sqlalchemy import URL

from app.database import head_revision
from indexer.catalog import collection_id
from indexer.embedder import Vectors
from indexer.errors import EmbedderProblem
from indexer.identity import format_id
from indexer.ingest import Store
from indexer.tables import Collection
from tests.app.conftest import DOCUMENTS, ENGLISH, Shell
from tests.conftest import Write
from tests.fakes import HashEmbedder

REPORT_KEYS = set(
    "indexed unchanged removed renamed failed notes skipped excluded chunks embedded_chunks seconds".split()
)


def test_a_folder_is_indexed_and_reported_as_one_object(shell: Shell, folder: Path) -> None:
    (folder / "photo.jpg").write_bytes(b"\xff\xd8")
    first = shell.run("index", folder, "--collection", "team", "--json")
    assert (first.exit_code, first.stderr) == (0, "")
    report = json.loads(first.stdout)
    assert set(report) == REPORT_KEYS
    assert (report["indexed"], report["unchanged"], report["removed"], report["failed"]) == (3, 0, 0, [])
    assert report["skipped"] == 1
    assert report["chunks"] >= 3
    assert 0 < report["embedded_chunks"] < report["chunks"], "the fake embedder does not read Japanese"
    assert report["seconds"] > 0
    again = json.loads(shell.run("index", folder, "-c", "team", "--json").stdout)
    assert (again["indexed"], again["unchanged"], again["embedded_chunks"]) == (0, 3, 0)
    assert again["chunks"] == report["chunks"]


def test_a_file_that_cannot_be_read_is_reported_and_the_others_are_indexed(shell: Shell, write: Write) -> None:
    good = write("good.txt", "The limit for a hotel is 165 pounds.")
    write("broken.pdf", "this is no PDF")
    write("[red]empty.md", "")
    result = shell.run("index", good.parent, "-c", "team", "--json")
    assert result.exit_code == 3
    report = json.loads(result.stdout)
    assert report["indexed"] == 1
    assert {failure["path"] for failure in report["failed"]} == {"broken.pdf", "[red]empty.md"}
    assert all(set(failure) == {"path", "reason"} and failure["reason"] for failure in report["failed"])
    table = shell.run("index", good.parent, "-c", "team")
    assert table.exit_code == 3
    assert "[red]empty.md: the file is empty" in table.stderr
    assert "Failed" in table.stdout


def test_a_change_that_shows_in_no_stat_is_found_by_checksum(
    shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.comparison.stamp_of", lambda _: "always the same")
    monkeypatch.setattr("indexer.stamps.SETTLED_NS", 0)
    assert shell.run("index", folder, "-c", "team").exit_code == 0
    (folder / "expenses.txt").write_text("The limit for a hotel in London is 170 pounds a night.")
    seen = [
        json.loads(shell.run("index", folder, "-c", "team", "--json", *more).stdout)[
            "indexed" if run else "would_index"
        ]
        for run, *more in ((0, "--dry-run"), (1,), (0, "--dry-run", "--checksum"), (1, "--checksum"))
    ]
    assert seen == [[], 0, ["expenses.txt"], 1]


def test_a_missing_folder_is_named(shell: Shell, tmp_path: Path) -> None:
    result = shell.run("index", tmp_path / "[bold]nowhere")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "[bold]nowhere does not exist" in result.stderr
    assert "Nothing was changed" in result.stderr


def test_without_a_path_the_usage_is_shown(shell: Shell) -> None:
    result = shell.run("index")
    assert result.exit_code == 2
    assert "Usage" in result.stderr


def test_an_empty_folder_does_not_empty_a_collection_unless_told(shell: Shell, write: Write) -> None:
    file = write("hotels.txt", "The limit for a hotel is 165 pounds.")
    assert shell.run("index", file.parent, "-c", "team").exit_code == 0
    file.unlink()
    refused = shell.run("index", file.parent, "-c", "team")
    assert refused.exit_code == 2
    assert "--allow-empty" in refused.stderr
    assert json.loads(shell.run("status", "--json").stdout)[1]["documents"] == 1
    allowed = shell.run("index", file.parent, "-c", "team", "--allow-empty", "--json")
    assert (allowed.exit_code, json.loads(allowed.stdout)["removed"]) == (0, 1)


def test_a_new_collection_may_begin_empty_and_answers_nothing(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = shell.run("index", tmp_path / "empty", "-c", "team", "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert (report["indexed"], report["chunks"]) == (0, 0)
    asked = shell.run("ask", ENGLISH, "-c", "team", "--json")
    assert (asked.exit_code, json.loads(asked.stdout)["reason"]) == (4, "nothing_found")


@pytest.mark.usefixtures("permissions_count")
def test_a_folder_that_may_not_be_read_is_named(shell: Shell, folder: Path) -> None:
    folder.chmod(0)
    try:
        result = shell.run("index", folder)
    finally:
        folder.chmod(0o755)
    assert result.exit_code == 2
    assert f"{folder}' is not readable" in result.stderr


@pytest.mark.usefixtures("permissions_count")
def test_a_file_that_may_not_be_read_is_reported(shell: Shell, folder: Path) -> None:
    (folder / "leave.md").chmod(0)
    result = shell.run("index", folder, "-c", "team", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["failed"][0]["path"] == "leave.md"


def test_a_collection_name_that_cannot_be_stored_is_refused(shell: Shell, folder: Path) -> None:
    result = shell.run("index", folder, "--collection", "caf\udce9", "--json")
    assert result.exit_code == 2
    assert "collection" in result.stderr


def test_an_interrupted_run_says_that_nothing_is_lost(
    shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shell.embedder, "embed_documents", interrupt)
    result = shell.run("index", folder, "-c", "team")
    assert result.exit_code == 130
    assert "run the same command again" in result.stderr


def test_another_embedder_needs_a_rebuild(shell: Shell, documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cli_index.SentenceTransformerEmbedder", lambda _: HashEmbedder("other@1"))
    refused = shell.run("index", documents, "-c", "handbook")
    assert refused.exit_code == 5
    assert "--rebuild" in refused.stderr
    assert shell.run("index", documents, "-c", "handbook", "--rebuild").exit_code == 0
    assert json.loads(shell.run("status", "--json").stdout)[0]["embedder"] == "other@1"
    asked = shell.run("ask", ENGLISH)
    assert asked.exit_code == 5
    assert "TENKYO_EMBEDDER" in asked.stderr


def test_two_runs_on_one_collection_do_not_mix(shell: Shell, documents: Path) -> None:
    root = shell.home / "index" / format_id(collection_id("handbook"))
    with FileLock(root / ".lock"):
        for arguments in (("index", documents, "-c", "handbook"), ("repair", "-c", "handbook")):
            result = shell.run(*arguments)
            assert result.exit_code == 5
            assert "another process is indexing" in result.stderr
        assert shell.run("ask", ENGLISH).exit_code == 0, "reading goes on"


def test_a_model_that_fails_beside_the_reading_ends_the_run_with_its_reason(
    shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It embeds in a thread of its own; what was served is served."""

    def fail(_: object) -> Vectors:
        raise EmbedderProblem("the weights have gone: set TENKYO_EMBEDDER")

    monkeypatch.setattr(shell.embedder, "embed_documents", fail)
    result = shell.run("index", folder, "-c", "handbook")
    assert (result.exit_code, "the weights have gone" in result.stderr) == (5, True)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("embed")]
    assert json.loads(shell.run("status", "--json").stdout)[0]["generation"] == 1


def test_the_status_shows_every_collection(shell: Shell) -> None:
    (collection,) = json.loads(shell.run("status", "--json").stdout)
    assert (collection["name"], collection["documents"], collection["generation"]) == ("handbook", len(DOCUMENTS), 1)
    (segment,) = collection["index"]
    assert (segment["family"], segment["deleted"]) == ("Flat", 0)
    assert 0 < segment["vectors"] <= collection["chunks"]
    table = shell.run("status")
    assert table.exit_code == 0
    assert "handbook" in table.stdout
    assert f"Flat {segment['vectors']}" in table.stdout


def test_the_status_shows_what_runs_the_embedder(shell: Shell) -> None:
    assert json.loads(shell.run("status", "--json").stdout)[0]["engine"] is None
    about = shell.home / "models" / "1" / "about.json"
    about.parent.mkdir(parents=True)
    about.write_text(json.dumps({"made_for": [], "precision": "int8"}))
    assert json.loads(shell.run("status", "--json").stdout)[0]["engine"] == "OpenVINO int8"
    assert "int8" in shell.run("status").stdout
    about.write_text(json.dumps({"made_for": [], "problem": "no such operation"}))
    assert json.loads(shell.run("status", "--json").stdout)[0]["engine"] == "torch: no such operation"


def test_the_status_of_a_collection_whose_files_are_gone_says_so(shell: Shell, indexed_copy: Store) -> None:
    with indexed_copy.sessions.begin() as session:
        session.add(Collection(id=1, name="lost", embedder="e", generation=1))
    (lost,) = [c for c in json.loads(shell.run("status", "--json").stdout) if c["name"] == "lost"]
    assert lost["index"] is None
    assert "unreadable" in shell.run("status").stdout


def test_a_collection_may_have_a_name_that_looks_like_markup(shell: Shell, indexed_copy: Store) -> None:
    with indexed_copy.sessions.begin() as session:
        session.add(Collection(id=1, name="[red]team[/end]", embedder="[bold]e", generation=1))
    table = shell.run("status")
    assert table.exit_code == 0
    assert "[red]team[/end]" in table.stdout


def test_the_status_of_a_new_data_folder_says_what_to_run(shell: Shell, tmp_path: Path) -> None:
    result = shell.run("--home", tmp_path / "new", "status")
    assert result.exit_code == 0
    assert "tenkyo index" in result.stdout
    assert json.loads(shell.run("--home", tmp_path / "new", "status", "--json").stdout) == []


def test_a_damaged_index_is_repaired_from_the_database(shell: Shell) -> None:
    for file in (shell.home / "index").rglob("*.faiss"):
        file.write_bytes(b"\0" * file.stat().st_size)
    damaged = shell.run("ask", ENGLISH)
    assert damaged.exit_code == 5
    assert "tenkyo repair --collection handbook" in damaged.stderr
    before = shell.embedder.embedded_texts
    repaired = shell.run("repair", "--collection", "handbook")
    assert repaired.exit_code == 0
    assert "generation 2" in repaired.stdout
    assert shell.embedder.embedded_texts == before, "a repair embeds nothing"
    assert shell.run("ask", ENGLISH).exit_code == 0


def test_a_collection_that_does_not_exist_cannot_be_repaired(shell: Shell) -> None:
    result = shell.run("repair", "--collection", "nowhere")
    assert result.exit_code == 2
    assert "nowhere" in result.stderr


def test_a_postgresql_database_is_migrated_up_and_down(shell: Shell, postgres_url: URL) -> None:
    url = postgres_url.set(password="verysecret").render_as_string(hide_password=False)
    before = shell.run("--database-url", url, "status")
    assert before.exit_code == 5
    assert "tenkyo db upgrade" in before.stderr
    for revision in ((), (head_revision(),), ("base",), ("head",)):
        result = shell.run("--database-url", url, "db", "upgrade", *revision)
        assert result.exit_code == 0
        assert (revision or ("head",))[0] in result.stdout
        assert "verysecret" not in result.output
    assert shell.run("--database-url", url, "status").exit_code == 0
    unknown = shell.run("--database-url", url, "db", "upgrade", "nowhere")
    assert unknown.exit_code == 5
    assert "nowhere" in unknown.stderr
