"""The command line. Every command is a thin layer over the service and the indexer."""

import json
import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec

import click
from flask import Flask
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from app import database
from app.config import Settings, load_settings
from app.problems import (
    EXIT_ABSTAINED,
    EXIT_INTERRUPTED,
    EXIT_SOME_FAILED,
    KNOWN_ERRORS,
    exit_code_of,
    message_of,
)
from app.schemas import AnswerModel
from app.serve import serve as serve_app
from app.service import DEFAULT_COLLECTION, open_service, open_store
from app.web import create_app
from indexer.embedder import SentenceTransformerEmbedder
from indexer.ingest import Report, ingest, repair

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
            err.print(Text.assemble(("Error: ", "bold red"), message_of(error)), soft_wrap=True)
            raise SystemExit(exit_code_of(error)) from error
        except KeyboardInterrupt:
            err.print("Interrupted. What was stored stays stored: run the same command again to go on.")
            raise SystemExit(EXIT_INTERRUPTED) from None

    return run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", type=click.Path(path_type=Path), help="Data folder (TENKYO_HOME).")
@click.option("--database-url", help="PostgreSQL or SQLite URL (TENKYO_DATABASE_URL).")
@click.option("--embedder", help="Embedding model: local path or hub name (TENKYO_EMBEDDER).")
@click.option("--device", help="auto, cpu or cuda (TENKYO_DEVICE).")
@click.version_option(package_name="tenkyo")
@click.pass_context
def cli(context: click.Context, /, **flags: object) -> None:
    """Answers from your own documents: every sentence rests on a source that you can open."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    context.obj = flags


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…")
@click.option("--collection", "-c", default=DEFAULT_COLLECTION, show_default=True, help="Where the documents go.")
@click.option("--json", "as_json", is_flag=True, help="Print one report object instead of a table.")
@click.option("--rebuild", is_flag=True, help="Build anew, for example with another embedding model.")
@click.option("--allow-empty", is_flag=True, help="Remove all documents if the folder is empty now.")
@command
def index(
    settings: Settings, paths: tuple[Path, ...], collection: str, as_json: bool, rebuild: bool, allow_empty: bool
) -> None:
    """Index folders (or files). Exit code 3 if some files could not be read."""
    store = open_store(settings)
    embedder = SentenceTransformerEmbedder(settings.embedder_settings())
    with _progress(hidden=as_json) as progress:
        task = progress.add_task("Indexing", total=None, path="")
        report = ingest(
            store,
            embedder,
            collection,
            paths,
            settings.ingest_settings(),
            lambda done, total, path: progress.update(task, completed=done, total=total, path=path),
            allow_empty=allow_empty,
            rebuild=rebuild,
        )
    if as_json:
        click.echo(json.dumps(report.as_dict(), ensure_ascii=False))
    else:
        _print_report(report, collection)
    if report.failed:
        raise SystemExit(EXIT_SOME_FAILED)


@cli.command()
@click.argument("question")
@click.option("--collection", "-c", help="Collection to ask; may be left out when there is only one.")
@click.option("--path", help="Glob that limits the documents, such as 'hr/*.md'.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer object.")
@command
def ask(settings: Settings, question: str, collection: str | None, path: str | None, as_json: bool) -> None:
    """Ask a question. Exit code 0 if answered, 4 if no source supports an answer."""
    answer = open_service(settings).ask(question, collection, path)
    if as_json:
        click.echo(answer.model_dump_json())
    else:
        _print_answer(answer)
    if answer.status == "abstained":
        raise SystemExit(EXIT_ABSTAINED)


@cli.command()
@click.option("--host", help="Address to listen on (TENKYO_HOST).")
@click.option("--port", type=int, help="Port to listen on (TENKYO_PORT).")
@click.option("--threads", type=int, help="Requests handled at a time (TENKYO_THREADS).")
@command
def serve(settings: Settings) -> None:
    """Serve the chat page and the REST interface."""
    open_service(settings).check_ready()  # a clear message here, before any worker starts

    def load() -> Flask:
        service = open_service(settings)
        service.warm_up()
        out.print(f"Tenkyo is ready: http://{settings.host}:{settings.port}")
        return create_app(service)

    serve_app(load, settings.host, settings.port, settings.threads)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print an object instead of a table.")
@command
def status(settings: Settings, as_json: bool) -> None:
    """Show the collections."""
    collections = open_service(settings).collections()
    if as_json:
        click.echo(json.dumps([c.model_dump() for c in collections], ensure_ascii=False))
        return
    table = Table()
    table.add_column("Collection", no_wrap=True)
    for name in ("Documents", "Chunks", "Generation", "Embedder", "Indexed at"):
        table.add_column(name, overflow="fold")
    for c in collections:
        table.add_row(c.name, str(c.documents), str(c.chunks), str(c.generation), c.embedder, c.indexed_at)
    out.print(table if collections else "No collections yet: run `tenkyo index FOLDER`.")


@cli.command("repair")
@click.option("--collection", "-c", default=DEFAULT_COLLECTION, show_default=True)
@command
def repair_command(settings: Settings, collection: str) -> None:
    """Rebuild a damaged index from the database. Embeds nothing."""
    number = repair(open_store(settings), collection)
    out.print(f"Collection {collection} is served from generation {number} now.")


@cli.command()
@click.argument("answer_id", metavar="ID")
@command
def replay(settings: Settings, answer_id: str) -> None:
    """Make a recorded answer again and show what differs today. Exit code 1 if anything does."""
    found = open_service(settings).replay(answer_id)
    if not found.differing:
        out.print("The same answer, word for word, from the same index and model.")
        return
    out.print(f"Differing: {', '.join(found.differing)}", style="yellow")
    out.print(f"Recorded:  {found.recorded}", soft_wrap=True)
    out.print(f"Made now:  {found.made_now}", soft_wrap=True)
    raise SystemExit(1)


@cli.group()
def db() -> None:
    """Migrate the database. The embedded one migrates itself."""


@db.command()
@click.argument("revision", default="head")
@command
def upgrade(settings: Settings, revision: str) -> None:
    """Bring the schema to a revision: the newest if none is named, an older one, or `base`."""
    url = database.database_url(settings.database_url, settings.home.expanduser().resolve())
    database.upgrade(url, revision)
    out.print(f"The schema of {url.render_as_string()} is at {revision}.")


def _progress(*, hidden: bool) -> Progress:
    columns = (
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[path]}", style="dim", markup=False),
    )
    return Progress(*columns, console=err, transient=True, disable=hidden)


def _print_report(report: Report, collection: str) -> None:
    table = Table(title=f"Collection {collection}", show_header=False)
    rows = (
        ("Indexed", report.indexed),
        ("Unchanged", report.unchanged),
        ("Removed", report.removed),
        ("Failed", len(report.failed)),
        ("Passed over (no reader)", report.skipped),
        ("Chunks", report.chunks),
        ("Embedded now", report.embedded_chunks),
        ("Seconds", report.seconds),
    )
    for name, value in rows:
        table.add_row(name, f"{value:,}")
    out.print(table)
    for failure in report.failed:
        err.print(Text.assemble(("failed ", "red"), f"{failure.path}: {failure.reason}"), soft_wrap=True)


def _print_answer(answer: AnswerModel) -> None:
    if answer.status == "abstained":
        out.print(f"No answer: {_REASONS[answer.reason or '']}", style="yellow")
        for passage in answer.passages[:3]:
            out.print(f"  nearest: {passage.path}: {_shorten(passage.text)}", style="dim", soft_wrap=True)
        return
    out.print(answer.answer, soft_wrap=True)
    out.print()
    for citation in answer.citations:
        page = f", page {citation.page}" if citation.page else ""
        where = f"{citation.path}{page} [{citation.start}:{citation.end}]"
        out.print(f"  [{citation.n}] {where}", style="dim", soft_wrap=True)


_REASONS = {
    "nothing_found": "the documents hold nothing on this.",
    "found_but_not_supporting": "passages on the subject were found, but none of them answers it.",
    "sources_conflict": "the sources contradict each other.",
    "question_not_understood": "the question does not say what it is about.",
}


def _shorten(text: str, limit: int = 160) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}…"
