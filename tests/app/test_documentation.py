"""README.md names every setting, every command with its options, every route and every exit code."""

import re
from pathlib import Path

import click
import pytest

import evaluation.cli  # noqa: F401  (adds `eval` to the commands)
from app import problems
from app.api import ROUTES
from app.cli import cli
from app.config import CONFIG_FILE, Settings
from app.openapi import Route
from indexer.readers import READERS
from indexer.readers.source import SUFFIXES as SOURCE_SUFFIXES

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def readme() -> str:
    return README.read_text(encoding="utf-8")


def commands(group: click.Group, prefix: str) -> list[tuple[str, click.Command]]:
    """Every command that does something, with its full name."""
    found: list[tuple[str, click.Command]] = []
    for name, command in group.commands.items():
        path = f"{prefix} {name}"
        found += commands(command, path) if isinstance(command, click.Group) else [(path, command)]
    return found


assert isinstance(cli, click.Group)
COMMANDS = commands(cli, "tenkyo")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(readme: str, name: str) -> None:
    assert re.search(rf"`TENKYO_{name.upper()}`", readme)


def test_no_setting_is_documented_that_there_is_not(readme: str) -> None:
    known = {f"TENKYO_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\bTENKYO_[A-Z_]+\b", readme)) <= known
    assert CONFIG_FILE in readme


@pytest.mark.parametrize("path", [path for path, _ in COMMANDS])
def test_every_command_is_documented(readme: str, path: str) -> None:
    assert re.search(rf"`{path}[ `]", readme)


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[path for path, _ in COMMANDS])
def test_every_option_of_a_command_is_documented(readme: str, path: str, command: click.Command) -> None:
    (line,) = re.findall(rf"^\| `({path}[ `].*)$", readme, re.MULTILINE)
    for option in command.params:
        if isinstance(option, click.Option) and option.name != "help":
            assert any(name in line for name in option.opts), f"{option.opts} of {path}"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_documented(readme: str, route: Route) -> None:
    assert f"`{route.method} {route.path}`" in readme


def test_every_exit_code_is_documented(readme: str) -> None:
    codes = [value for name, value in vars(problems).items() if name.startswith("EXIT_")]
    assert len(codes) >= 5
    for code in codes:
        assert re.search(rf"(?<![\w.]){code}(?![\w.])", readme)


def test_every_link_to_a_file_leads_somewhere(readme: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", readme)
    missing = [link for link in links if "://" not in link and not (README.parent / link).exists()]
    assert missing == []


def test_every_format_is_documented(readme: str) -> None:
    """Source code is named by a few of its suffixes only."""
    for suffix in READERS.keys() - set(SOURCE_SUFFIXES):
        assert f"`{suffix}`" in readme
