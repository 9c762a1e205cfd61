"""`tenkyo forget`: what it prints, its exit codes, and what the interface says of what was forgotten."""

import json
from pathlib import Path

import pytest

from app.service import Service
from app.web import create_app
from indexer.ingest import Store
from tests.app.conftest import ENGLISH, Shell
from tests.fakes import HashEmbedder


def test_a_path_is_forgotten_for_good(shell: Shell, documents: Path) -> None:
    asked = json.loads(shell.run("ask", ENGLISH, "--json").stdout)
    assert asked["citations"][0]["path"] == "hr/leave.md"
    result = shell.run("forget", documents / "hr" / "leave.md", "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert (report["paths"], report["texts"], report["kept"]) == (1, 1, [])
    assert report["answers"] >= 1, "the data folder is a copy of one in which other tests ask too"
    assert f"{documents}/hr/leave.md still exists" in result.stderr
    text = b"45 working days of paid parental leave"
    assert text in (documents / "hr" / "leave.md").read_bytes(), "the user's own files are not touched"
    assert [path for path in shell.home.rglob("*") if path.is_file() and text in path.read_bytes()] == []
    replayed = shell.run("replay", asked["id"])
    assert replayed.exit_code == 2
    assert "it cannot be made again" in replayed.stderr
    again = shell.run("forget", documents / "hr" / "leave.md", "--json")
    assert (again.exit_code, again.stdout) == (2, "")
    assert "never indexed, or is forgotten already" in again.stderr


def test_a_text_that_other_files_hold_is_reported(shell: Shell, folder: Path) -> None:
    (folder / "[red]copy.txt").write_bytes((folder / "expenses.txt").read_bytes())
    assert shell.run("index", folder, "-c", "team").exit_code == 0
    result = shell.run("forget", "expenses.txt", "--collection", "team")
    assert result.exit_code == 3
    assert "Forgotten: 1 paths, 0 texts" in result.stdout
    assert "The text of expenses.txt stays: [red]copy.txt holds the same." in result.stderr


@pytest.mark.parametrize("arguments", [("absent.md",), ("hr", "absent.md"), ("hr", "-c", "nowhere")])
def test_what_was_never_indexed_cannot_be_forgotten(shell: Shell, arguments: tuple[str, ...]) -> None:
    result = shell.run("forget", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Nothing was forgotten" in result.stderr
    assert json.loads(shell.run("ask", ENGLISH, "--json").stdout)["status"] != "abstained"


def test_without_a_path_the_usage_is_shown(shell: Shell) -> None:
    assert shell.run("forget").exit_code == 2


def test_a_forgotten_document_is_gone_over_http(shell: Shell, indexed_copy: Store) -> None:
    asked = json.loads(shell.run("ask", ENGLISH, "--json").stdout)
    assert shell.run("forget", "hr").exit_code == 0
    client = create_app(Service(indexed_copy, HashEmbedder())).test_client()
    response = client.get(f"/documents/{asked['citations'][0]['document_id']}")
    assert (response.status_code, response.content_type) == (410, "application/problem+json")
    assert response.get_json()["type"] == "tenkyo:gone"
    assert "was forgotten on" in response.get_json()["detail"]
    record = client.get(f"/answers/{asked['id']}").get_json()
    assert record["id"] == asked["id"]
    assert "forgotten_at" in record["record"]
    assert "parental" not in str(record)
    assert client.post("/ask", json={"question": ENGLISH}).get_json()["status"] == "abstained"
