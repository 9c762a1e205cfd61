"""`tenkyo check` and `tenkyo compact`: what they find, what they leave, and their exit codes."""

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from indexer.catalog import collection_id
from indexer.check import check, check_database
from indexer.copies import ABOUT, COPIES, copy_folder, hold
from indexer.families import FamilySettings
from indexer.generation import Published, publish
from indexer.identity import file_sha256, format_id
from indexer.ingest import IngestSettings, Store, ingest
from indexer.repair import compact, reclaim_space
from tests.app.conftest import ENGLISH, Shell
from tests.conftest import Write
from tests.fakes import HashEmbedder


def findings(shell: Shell, *arguments: str) -> list[dict[str, Any]]:
    result = shell.run("check", "--json", *arguments)
    found: list[dict[str, Any]] = json.loads(result.stdout)
    assert result.exit_code == int(any(finding["level"] == "error" for finding in found))
    return found


def database(shell: Shell) -> sqlite3.Connection:
    return sqlite3.connect(shell.home / "tenkyo.sqlite3", isolation_level=None)


def texts(shell: Shell, *arguments: str) -> str:
    return "\n".join(finding["text"] for finding in findings(shell, *arguments))


def test_a_sound_data_folder_is_said_to_be_sound(shell: Shell, tmp_path: Path) -> None:
    assert findings(shell) == []
    plain = shell.run("check")
    assert (plain.exit_code, plain.stdout) == (0, "All is well with handbook.\n")
    empty = shell.run("--home", tmp_path / "new", "check")
    assert (empty.exit_code, empty.stdout) == (0, "There is no collection yet.\n")


def test_an_unknown_collection_is_named(shell: Shell) -> None:
    assert shell.run("check", "-c", "nowhere").exit_code == 2


def test_damage_to_any_file_is_found_and_nothing_is_moved(shell: Shell) -> None:
    for file in sorted((shell.home / "index").rglob("gen-*/**/*")):
        if not file.is_file() or file.name.endswith(".lock"):
            continue
        sound = file.read_bytes()
        file.write_bytes(sound[:-1])
        (finding,) = findings(shell)
        assert (finding["level"], finding["collection"]) == ("error", "handbook")
        assert "run `tenkyo repair --collection handbook`" in finding["text"]
        file.write_bytes(sound)
    assert findings(shell) == []


def test_a_question_does_not_hash_what_was_found_whole_but_a_check_does(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []

    def hash_and_note(file: Path) -> str:
        hashed.append(file)
        return file_sha256(file)

    for module in ("verified", "generation"):
        monkeypatch.setattr(f"indexer.{module}.file_sha256", hash_and_note)
    monkeypatch.setattr("indexer.stamps.SETTLED_NS", 0)
    assert shell.run("ask", ENGLISH).exit_code == 0
    assert hashed
    hashed.clear()
    assert shell.run("ask", ENGLISH).exit_code == 0
    assert hashed == []
    (vectors,) = (shell.home / "index").rglob("*.faiss")
    data, before = bytearray(vectors.read_bytes()), vectors.stat()
    data[len(data) // 2] ^= 4
    with vectors.open("r+b") as out:
        out.write(data)
    assert "missing or damaged" in shell.run("status").stderr, "a write shows in the times"
    folder = shell.home / "index" / format_id(collection_id("handbook"))
    (folder / "damaged-00000001").rename(folder / "gen-00000001")
    os.utime(vectors, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert shell.run("ask", ENGLISH).exit_code == 0, "what a disk spoils does not"
    assert f"{vectors} is missing or damaged" in texts(shell)


CHANGES: dict[str, tuple[str, str]] = {
    "a lost chunk": (
        "DELETE FROM chunks WHERE id = (SELECT min(id) FROM chunks WHERE embedding IS NOT NULL)",
        "1 chunks of the vector index are not in the database",
    ),
    "other words in a chunk": ("UPDATE chunks SET text = 'Other words.' WHERE ordinal = 0", "not the words of their"),
    "a shorter vector": (
        "UPDATE chunks SET embedding = substr(embedding, 5) "
        "WHERE id = (SELECT min(id) FROM chunks WHERE embedding IS NOT NULL)",
        "2 different lengths",
    ),
    "a chunk that no index has": (
        'INSERT INTO chunks SELECT 1, content_id, 99, start, "end", heading_path, text, embedding FROM chunks LIMIT 1',
        "are not in the term index",
    ),
    "a document without a text": ("DELETE FROM contents WHERE id = (SELECT min(id) FROM contents)", "refer to rows"),
}


@pytest.mark.parametrize(("statement", "says"), CHANGES.values(), ids=CHANGES.keys())
def test_a_database_that_does_not_fit_is_found(shell: Shell, statement: str, says: str) -> None:
    with database(shell) as connection:
        connection.execute(statement)
    connection.close()
    assert says in texts(shell)


def test_a_damaged_database_is_found_and_said_without_a_traceback(shell: Shell) -> None:
    with database(shell) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'ix_chunks_content_id_ordinal'"
        ).fetchone()
    connection.close()
    file = shell.home / "tenkyo.sqlite3"
    data = bytearray(file.read_bytes())
    data[(root - 1) * size + 8 : root * size] = b"\xa5" * (size - 8)
    file.write_bytes(data)
    result = shell.run("check")
    assert result.exit_code in (1, 5)
    assert "database" in result.stderr


def test_a_generation_before_that_could_not_serve_is_a_warning(shell: Shell, documents: Path, write: Write) -> None:
    assert shell.run("index", documents, write("more.txt", "More about leave.").parent, "-c", "handbook").exit_code == 0
    (old,) = (shell.home / "index").glob("*/gen-00000001")
    (old / "manifest.json").write_bytes(b"")
    (finding,) = findings(shell)
    assert finding["level"] == "warning"
    assert "could not stand in" in finding["text"]


def test_a_run_that_published_nothing_yet_is_a_warning(
    shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shell.embedder, "embed_documents", interrupt)
    assert shell.run("index", folder, "-c", "team").exit_code == 130
    (finding,) = findings(shell)
    assert (finding["level"], finding["collection"]) == ("warning", "team")
    assert "nothing has been published yet" in finding["text"]


def generations(shell: Shell) -> list[str]:
    return sorted(path.name for path in (shell.home / "index").glob("*/gen-*"))


@pytest.fixture
def much_changed(shell: Shell, documents: Path, tmp_path: Path) -> Path:
    """The collection after two changes of one file. Gives the folder of that file."""
    own = tmp_path / "own"
    own.mkdir()
    for version in ("first", "second"):
        (own / "rules.txt").write_text(f"The {version} version of the rules about umbrellas. " * 50)
        assert shell.run("index", documents, own, "-c", "handbook").exit_code == 0
    return own


def test_compacting_leaves_one_generation_of_one_segment_and_the_same_answers(shell: Shell, much_changed: Path) -> None:
    before = json.loads(shell.run("ask", ENGLISH, "--json").stdout)
    assert generations(shell) == ["gen-00000002", "gen-00000003"]
    result = shell.run("compact", "-c", "handbook")
    assert result.exit_code == 0
    assert "generation 4 now, in one piece.\n" in result.stdout
    assert generations(shell) == ["gen-00000004"]
    assert len(list((shell.home / "index").glob("*/gen-*/*.faiss"))) == 1
    assert findings(shell) == []
    after = json.loads(shell.run("ask", ENGLISH, "--json").stdout)
    assert [after[key] for key in ("answer", "citations")] == [before[key] for key in ("answer", "citations")]
    assert stored(shell, "first version"), "links to earlier versions still open"


def stored(shell: Shell, words: str) -> int:
    with database(shell) as connection:
        count: int = connection.execute("SELECT count(*) FROM contents WHERE text LIKE ?", [f"%{words}%"]).fetchone()[0]
    connection.close()
    return count


def test_old_versions_go_if_told_so_unless_an_answer_cites_them(shell: Shell, much_changed: Path) -> None:
    asked = json.loads(shell.run("ask", "What is the second version of the rules about umbrellas?", "--json").stdout)
    assert asked["citations"], asked
    (much_changed / "rules.txt").write_text("The third version of the rules about umbrellas.")
    assert shell.run("index", much_changed, "-c", "handbook").exit_code == 0
    result = shell.run("compact", "-c", "handbook", "--old-versions")
    assert (result.exit_code, "1 earlier versions are gone" in result.stdout) == (0, True), result.output
    assert [stored(shell, f"{version} version") for version in ("first", "second", "third")] == [0, 1, 1]
    assert findings(shell) == []


def test_a_passage_that_a_kept_answer_only_showed_stays_too(shell: Shell, much_changed: Path) -> None:
    asked = json.loads(shell.run("ask", "What is the rule about lost umbrellas in Osaka?", "--json").stdout)
    shown = {p["document_id"] for p in asked["passages"] if "umbrellas" in p["text"]}
    assert shown
    with database(shell) as connection:
        connection.execute("UPDATE answers SET record = json_set(record, '$.citations', json('[]'))")
    connection.close()
    (much_changed / "rules.txt").write_text("The third version of the rules about umbrellas.")
    assert shell.run("index", much_changed, "-c", "handbook").exit_code == 0
    assert shell.run("compact", "-c", "handbook", "--old-versions").exit_code == 0
    assert [stored(shell, f"{version} version") for version in ("first", "second", "third")] == [0, 1, 1]


@pytest.mark.parametrize("action", [("repair",), ("compact",), ("forget", "gone.txt")], ids=lambda action: action[0])
def test_the_settings_of_the_index_reach_every_command_that_builds_one(
    shell: Shell, documents: Path, write: Write, monkeypatch: pytest.MonkeyPatch, action: tuple[str, ...]
) -> None:
    gone = write("gone.txt", "Something about leave that goes.")
    assert shell.run("index", documents, gone, "-c", "handbook").exit_code == 0
    seen: list[FamilySettings] = []

    def record(root: Path, *given: object, **named: bool) -> Published:
        seen.extend(value for value in given if isinstance(value, FamilySettings))
        return publish(root, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("indexer.repair.publish", record)
    monkeypatch.setattr("indexer.forget.publish", record)
    assert shell.run("--device", "cpu", *action, "-c", "handbook").exit_code == 0
    assert seen == [FamilySettings(device="cpu")]


def test_the_space_of_what_was_deleted_is_given_back(shell: Shell, much_changed: Path) -> None:
    (much_changed / "rules.txt").write_text("\n\n".join(f"Umbrella {n} is {'very ' * 100} wet." for n in range(300)))
    assert shell.run("index", much_changed, "-c", "handbook").exit_code == 0
    (much_changed / "rules.txt").write_text("No umbrellas.")
    assert shell.run("index", much_changed, "-c", "handbook").exit_code == 0
    file = shell.home / "tenkyo.sqlite3"
    assert shell.run("compact", "-c", "handbook").exit_code == 0
    once = file.stat().st_size
    assert shell.run("compact", "-c", "handbook", "--old-versions").exit_code == 0
    assert file.stat().st_size < once
    with database(shell) as connection:
        assert connection.execute("PRAGMA freelist_count").fetchone()[0] == 0
    connection.close()


def test_an_unknown_collection_cannot_be_compacted(shell: Shell) -> None:
    result = shell.run("compact", "-c", "nowhere")
    assert result.exit_code == 2
    assert "nowhere" in result.stderr


@pytest.mark.usefixtures("quick_reader")
def test_check_and_compact_work_on_both_databases(any_store: Store, folder: Path) -> None:
    for text in ("Old rules.", "New rules."):
        (folder / "rules.txt").write_text(text)
        ingest(any_store, HashEmbedder(), "team", [folder], IngestSettings())
    assert check_database(any_store) + check(any_store, "team") == []
    assert compact(any_store, "team", lambda *_: set()).dropped == 1
    reclaim_space(any_store.sessions.kw["bind"])
    assert check(any_store, "team") == []


def test_a_degraded_index_is_told_everywhere(shell: Shell, much_changed: Path) -> None:
    (newest,) = (shell.home / "index").glob("*/gen-00000003")
    (newest / "deleted.npy").write_bytes(b"")
    answer = json.loads(shell.run("ask", ENGLISH, "--json").stdout)
    assert answer["status"] == "answered"
    assert "an older one answered" in answer["notice"]
    status = shell.run("status")
    assert status.exit_code == 0
    assert "run `tenkyo repair --collection handbook`" in status.stderr
    (collection,) = json.loads(shell.run("status", "--json").stdout)
    assert "generation 3 of collection 'handbook' is damaged" in collection["problem"]
    assert findings(shell)[0]["level"] == "error"
    assert shell.run("repair", "-c", "handbook").exit_code == 0
    assert json.loads(shell.run("status", "--json").stdout)[0]["problem"] is None
    assert json.loads(shell.run("ask", ENGLISH, "--json").stdout)["notice"] is None
    assert findings(shell) == []


def test_compacting_removes_models_that_no_collection_was_built_with(shell: Shell) -> None:
    embedder = shell.embedder.fingerprint
    for fingerprint in (embedder, "earlier@0b", "used@0c"):
        copy = copy_folder(shell.home / COPIES, fingerprint)
        copy.mkdir(parents=True)
        (copy / ABOUT).write_bytes(bytes(3_000_000))
    held = hold(shell.home / COPIES / "0c")
    assert held is not None
    done = shell.run("compact", "-c", "handbook")
    os.close(held)
    assert "Removed copies of 1 embedding models that no collection uses: 3 MB." in done.stdout
    names = sorted(path.name for path in (shell.home / COPIES).iterdir())
    assert names == sorted([copy_folder(Path(), embedder).name, "0c"])
    assert "Removed copies of 1" in shell.run("compact", "-c", "handbook").stdout
    assert "Removed copies" not in shell.run("compact", "-c", "handbook").stdout
