"""What every command of the command line shares: where it prints, and how its errors become exit codes."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from app.config import Settings, load_settings
from app.problems import EXIT_INTERRUPTED, KNOWN_ERRORS, exit_code_of, message_of

# What documents and users say is printed as it stands, not read as markup.
out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)
P = ParamSpec("P")


def command(function: Callable[Concatenate[Settings, P], None]) -> Callable[P, None]:
    """Hands the settings to a command, its own flags that are settings included; turns known errors into exit codes."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        flags = dict(click.get_current_context().find_root().obj or {})
        flags.update({name: kwargs.pop(name) for name in list(kwargs) if name in Settings.model_fields})
        try:
            function(load_settings(**flags), *args, **kwargs)
        except KNOWN_ERRORS as error:
            print_error(error)
            raise SystemExit(exit_code_of(error)) from error
        except KeyboardInterrupt:
            err.print("Interrupted. What was stored stays stored: run the same command again to go on.")
            raise SystemExit(EXIT_INTERRUPTED) from None

    return run


def print_error(error: Exception) -> None:
    """Says what went wrong."""
    err.print(Text.assemble(("Error: ", "bold red"), message_of(error)), soft_wrap=True)


def print_warning(text: str) -> None:
    """Says what needs attention though it works."""
    err.print(Text.assemble(("Warning: ", "bold yellow"), text), soft_wrap=True)


def progress_bar(*, hidden: bool) -> Progress:
    """A bar with the path at hand; gone when it is done."""
    columns = (
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[path]}", style="dim", markup=False),
    )
    return Progress(*columns, console=err, transient=True, disable=hidden)
