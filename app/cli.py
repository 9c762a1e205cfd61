"""The command line. Every command is a thin layer over the service and the indexer."""

import json
import logging
import os
from pathlib import Path

import click
from flask import Flask
from rich.table import Table

from app import database
from app.cli_care import check_command, compact_command, repair_command
from app.cli_index import forget_command, index
from app.config import Settings
from app.problems import EXIT_ABSTAINED, EXIT_UNAVAILABLE, KNOWN_ERRORS
from app.schemas import AnswerModel, CollectionModel
from app.serve import LOAD_FAILED
from app.serve import serve as serve_app
from app.service import check_startable, open_service
from app.terminal import command, out, print_error, print_warning
from app.web import create_app


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


cli.add_command(index)
cli.add_command(forget_command)
cli.add_command(check_command)
cli.add_command(repair_command)
cli.add_command(compact_command)


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
    # An error or a warning here, before any worker starts; models are loaded once, in the worker.
    for warning in check_startable(settings):
        print_warning(warning)

    def load() -> Flask:
        try:
            service = open_service(settings, every_byte=True)
        except KNOWN_ERRORS as error:
            print_error(error)
            raise SystemExit(LOAD_FAILED) from error
        service.warm_up()
        out.print(f"Tenkyo is ready: http://{settings.host}:{settings.port}")
        return create_app(service)

    parent = os.getpid()
    try:
        serve_app(load, settings.host, settings.port, settings.threads)
    except SystemExit as end:
        if os.getpid() == parent and end.code == LOAD_FAILED:  # the worker, a fork, passes here too
            raise SystemExit(EXIT_UNAVAILABLE) from None
        raise


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
    for name in ("Documents", "Chunks", "Generation", "Dense index", "Embedder", "Indexed at"):
        table.add_column(name, overflow="fold", no_wrap=name == "Dense index")
    for c in collections:
        counts = (str(c.documents), str(c.chunks), str(c.generation))
        table.add_row(c.name, *counts, _index_of(c), _embedder_of(c), c.indexed_at)
    out.print(table if collections else "No collections yet: run `tenkyo index FOLDER`.")
    for c in collections:
        if c.problem:
            print_warning(c.problem)


def _embedder_of(collection: CollectionModel) -> str:
    return f"{collection.embedder}\n{collection.engine}" if collection.engine else collection.embedder


def _index_of(collection: CollectionModel) -> str:
    if collection.index is None:
        return "unreadable"
    return "\n".join(f"{s.family} {s.vectors:,}" + (f" (-{s.deleted:,})" * bool(s.deleted)) for s in collection.index)


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
    url = database.database_url(settings.database_url, settings.data_folder())
    database.upgrade(url, revision)
    out.print(f"The schema of {url.render_as_string()} is at {revision}.")


def _print_answer(answer: AnswerModel) -> None:
    if answer.status == "abstained":
        out.print(f"No answer: {_REASONS[answer.reason or '']}", style="yellow")
        for passage in answer.passages[:3]:
            out.print(f"  nearest: {passage.path}: {_shorten(passage.text)}", style="dim", soft_wrap=True)
        return
    if answer.notice:
        out.print(answer.notice, style="yellow", soft_wrap=True)
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
