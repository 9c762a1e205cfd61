"""`tenkyo ask` and `tenkyo serve`: what they print, and what they say when they cannot."""

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from flask import Flask

from app.cli import cli
from tests.app.conftest import ENGLISH, JAPANESE, UNRELATED, Shell
from tests.conftest import Write


def test_an_answer_is_printed_with_its_sources(shell: Shell) -> None:
    for question, sentence, path in (
        (ENGLISH, "Each parent gets 45 working days of paid parental leave. [1]", "hr/leave.md"),
        (JAPANESE, "在宅勤務は週に3日までとする。", "hr/zaitaku.md"),
    ):
        result = shell.run("ask", question)
        assert result.exit_code == 0
        assert sentence in result.stdout
        assert f"[1] {path} [" in result.stdout


def test_the_object_is_the_one_of_the_rest_interface(shell: Shell) -> None:
    result = shell.run("ask", ENGLISH, "--collection", "handbook", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    answer = json.loads(result.stdout)
    assert set(answer) == {"id", "status", "reason", "question", "answer", "short_answer", "confidence"} | {
        "claims",
        "citations",
        "passages",
        "timings_ms",
        "rewritten_question",
        "unanswered",
        "calculations",
        "dropped",
        "notice",
    }
    assert answer["status"] == "answered"
    assert answer["citations"][0]["quote"] in answer["answer"]


@pytest.mark.parametrize(
    ("question", "reason", "says"),
    [
        (UNRELATED, "nothing_found", "hold nothing on this"),
        ("what is it?", "question_not_understood", "does not say what it is about"),
        ("Who approves parental leave in Osaka, Nagoya, Kobe and Kyoto?", "found_but_not_supporting", "none of them"),
    ],
)
def test_an_abstention_has_its_reason_and_exit_code_4(shell: Shell, question: str, reason: str, says: str) -> None:
    as_text = shell.run("ask", question)
    assert as_text.exit_code == 4
    assert says in as_text.stdout
    as_json = shell.run("ask", question, "--json")
    assert (as_json.exit_code, json.loads(as_json.stdout)["reason"]) == (4, reason)


def test_what_looks_like_markup_in_a_document_is_printed_as_it_stands(shell: Shell) -> None:
    result = shell.run("ask", "Which wiki pattern closes a block quote of bold text?")
    assert result.exit_code == 0
    assert "The wiki pattern [/end] closes a block quote of [bold] text." in result.stdout


def test_what_looks_like_the_name_of_an_emoji_is_printed_as_it_stands(shell: Shell) -> None:
    result = shell.run("ask", "Which sign stands on the yellow door? :key:")
    assert result.exit_code == 0
    assert "The sign :warning: stands on the yellow door." in result.stdout


def test_a_backslash_before_a_bracket_is_printed_as_it_stands(shell: Shell, write: Write) -> None:
    sentence = "The pattern \\[/end] and C:\\[logs] close it."
    file = write("patterns.txt", sentence)
    shell.run("index", file.parent, "--collection", "patterns")
    result = shell.run("ask", "pattern end logs close", "--collection", "patterns")
    assert result.exit_code == 0
    assert sentence in result.stdout


def test_a_path_limits_the_documents(shell: Shell) -> None:
    assert shell.run("ask", ENGLISH, "--path", "hr/*").exit_code == 0
    assert shell.run("ask", ENGLISH, "--path", "*.txt").exit_code == 4


@pytest.mark.parametrize(
    ("question", "says"), [("", "empty"), ("???", "punctuation"), ("x" * 4001, "4,000"), ("caf\udce9", "surrogate")]
)
def test_what_cannot_be_asked_is_said(shell: Shell, question: str, says: str) -> None:
    result = shell.run("ask", question)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


def test_an_unknown_collection_is_named_with_the_known_ones(shell: Shell) -> None:
    result = shell.run("ask", ENGLISH, "--collection", "[nowhere]")
    assert result.exit_code == 2
    assert "'[nowhere]'" in result.stderr
    assert "handbook" in result.stderr


def test_before_anything_is_indexed_it_says_what_to_run(shell: Shell, tmp_path: Path) -> None:
    result = shell.run("--home", tmp_path / "new", "ask", ENGLISH)
    assert result.exit_code == 2
    assert "tenkyo index" in result.stderr


@pytest.mark.parametrize(
    ("environment", "code", "says"),
    [
        ({"TENKYO_HOEM": "x"}, 2, "TENKYO_HOEM"),
        ({"TENKYO_PORT": "x"}, 2, "port"),
        ({"TENKYO_LLM": "/no/such/model"}, 5, "/no/such/model"),
        ({"TENKYO_DATABASE_URL": "nonsense"}, 2, "TENKYO_DATABASE_URL"),
        ({"TENKYO_DATABASE_URL": "postgresql://user@host:port/name"}, 2, "TENKYO_DATABASE_URL"),
        ({"TENKYO_DATABASE_URL": "postgresql://u:verysecret@127.0.0.1:1/x"}, 5, "127.0.0.1"),
    ],
)
def test_a_bad_setting_is_named(shell: Shell, environment: dict[str, str], code: int, says: str) -> None:
    result = shell.run("ask", ENGLISH, **environment)
    assert result.exit_code == code
    assert says in result.stderr
    assert "verysecret" not in result.output


def test_a_data_folder_that_is_no_database_is_named(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "tenkyo.sqlite3").write_bytes(b"no database " * 1000)
    result = shell.run("--home", tmp_path / "junk", "ask", ENGLISH)
    assert result.exit_code == 5
    assert "database" in result.stderr


def test_a_data_folder_that_is_a_file_is_named(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    result = shell.run("--home", tmp_path / "file", "status")
    assert result.exit_code == 5
    assert "cannot create" in result.stderr


Served = list[tuple[str, int, int]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    """What `tenkyo serve` would have listened on; the application is made, but not run."""
    calls: Served = []

    def fake_serve(load_app: Callable[[], Flask], host: str, port: int, threads: int) -> None:
        assert load_app().test_client().get("/readyz").status_code == 200
        calls.append((host, port, threads))

    monkeypatch.setattr("app.cli.serve_app", fake_serve)
    return calls


def test_the_server_listens_where_the_settings_say(shell: Shell, served: Served) -> None:
    result = shell.run("serve")
    assert result.exit_code == 0
    assert "http://127.0.0.1:8000" in result.stdout
    shell.run("serve", TENKYO_HOST="::1", TENKYO_PORT="1", TENKYO_THREADS="2")
    shell.run("serve", "--host", "0.0.0.0", "--port", "0", "--threads", "3", TENKYO_PORT="1")
    assert served == [("127.0.0.1", 8000, 128), ("::1", 1, 2), ("0.0.0.0", 0, 3)]


@pytest.mark.parametrize("flags", [("--port", "70000"), ("--port", "-1"), ("--threads", "0"), ("--threads", "-3")])
def test_a_flag_of_the_server_is_checked_like_the_setting(shell: Shell, served: Served, flags: tuple[str, str]) -> None:
    result = shell.run("serve", *flags)
    assert (result.exit_code, served) == (2, [])
    assert flags[0][2:] in result.stderr


def test_a_damaged_index_is_not_served(shell: Shell, served: Served) -> None:
    for file in (shell.home / "index").rglob("manifest.json"):
        file.unlink()
    result = shell.run("serve")
    assert (result.exit_code, served) == (5, [])
    assert "tenkyo repair" in result.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["-h"]])
def test_help_and_version_need_no_settings(shell: Shell, arguments: list[str]) -> None:
    result = shell.run(*arguments, TENKYO_HOEM="x")
    assert result.exit_code == 0
    assert "tenkyo" in result.stdout.lower()


def test_every_command_explains_itself(shell: Shell) -> None:
    assert isinstance(cli, click.Group)
    assert {"index", "ask", "serve", "status", "repair", "db", "eval"} <= set(cli.commands)
    for name in cli.commands:
        result = shell.run(name, "--help")
        assert result.exit_code == 0
        assert cli.commands[name].help
