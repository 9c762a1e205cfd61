"""The commands that change which documents there are: `tenkyo index` and `tenkyo forget`."""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, repeat
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from app.config import Settings
from app.database import database_url
from app.problems import EXIT_SOME_FAILED
from app.service import DEFAULT_COLLECTION, existing_store, open_store
from app.terminal import command, err, out, progress_bar
from app.watching import keep_indexing
from generator.record import withhold_answers
from indexer.comparison import Report
from indexer.embedder import Embedder, SentenceTransformerEmbedder
from indexer.forget import forget
from indexer.ingest import Progress, Store, ingest
from indexer.preview import Preview, preview
from indexer.selection import Selection
from indexer.watch import WatchSettings, rounds


@dataclass(frozen=True, slots=True)
class _Job:
    """What the command line asks for."""

    settings: Settings
    store: Store | None
    embedder: Embedder
    collection: str
    paths: tuple[Path, ...]
    selection: Selection
    as_json: bool
    rebuild: bool
    allow_empty: bool
    checksum: bool

    def run(self, *, dry: bool = False) -> Report:
        with progress_bar(hidden=self.as_json) as bar:
            task = bar.add_task("Reading" if dry else "Indexing", total=None, path="")

            def show(done: int, total: int, path: str) -> None:
                bar.update(task, completed=done, total=total, path=path)

            return self._preview(show) if dry else self._ingest(show)

    def _ingest(self, progress: Progress) -> Report:
        assert self.store is not None
        return ingest(
            self.store,
            self.embedder,
            self.collection,
            self.paths,
            self.settings.ingest_settings(),
            progress,
            selection=self.selection,
            allow_empty=self.allow_empty,
            rebuild=self.rebuild,
            checksum=self.checksum,
        )

    def _preview(self, progress: Progress) -> Preview:
        return preview(
            self.store,
            self.settings.data_folder(),
            self.embedder,
            self.collection,
            self.paths,
            self.settings.ingest_settings(),
            progress,
            selection=self.selection,
            allow_empty=self.allow_empty,
            rebuild=self.rebuild,
            checksum=self.checksum,
        )

    def print(self, report: Report) -> None:
        if self.as_json:
            click.echo(json.dumps(report.as_dict(), ensure_ascii=False))
        else:
            _print_report(report, self.collection)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…")
@click.option("--collection", "-c", default=DEFAULT_COLLECTION, show_default=True, help="Where the documents go.")
@click.option("--json", "as_json", is_flag=True, help="Print one report object instead of a table.")
@click.option("--include", multiple=True, metavar="GLOB", help="Only files that match, as in a .gitignore; repeatable.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="No files that match, as in a .gitignore; repeatable.")
@click.option("--dry-run", is_flag=True, help="Show what would be indexed, removed and renamed; write nothing.")
@click.option("--watch", is_flag=True, help="Go on, and index again with every change, until Ctrl-C.")
@click.option("--rebuild", is_flag=True, help="Build anew, for example with another embedding model.")
@click.option("--allow-empty", is_flag=True, help="Remove all documents if the folder is empty now.")
@click.option("--checksum", is_flag=True, help="Compare files by content, not by size and times.")
@command
def index(
    settings: Settings,
    paths: tuple[Path, ...],
    collection: str,
    as_json: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    dry_run: bool,
    watch: bool,
    rebuild: bool,
    allow_empty: bool,
    checksum: bool,
) -> None:
    """Index folders (or files). Exit code 3 if some files could not be read."""
    if watch and dry_run:
        raise click.UsageError("--watch and --dry-run exclude each other.")
    selection = Selection(include, exclude)
    store = existing_store(settings) if dry_run else open_store(settings)
    embedder = SentenceTransformerEmbedder(settings.embedder_settings())
    job = _Job(settings, store, embedder, collection, paths, selection, as_json, rebuild, allow_empty, checksum)
    if watch:
        _watch(job)
        return
    report = job.run(dry=dry_run)
    job.print(report)
    if report.failed:
        raise SystemExit(EXIT_SOME_FAILED)


def _watch(job: _Job) -> None:
    settings = job.settings
    written = [settings.data_folder()]
    database = database_url(settings.database_url, settings.data_folder())
    if database.get_backend_name() == "sqlite" and database.database:
        written += [Path(f"{database.database}{suffix}") for suffix in ("", "-wal", "-shm", "-journal")]
    later = replace(job, rebuild=False)
    jobs = chain([job], repeat(later))

    def show(report: Report, first: bool) -> None:
        if first or job.as_json:
            job.print(report)
        else:
            _print_short(report)
        if first:
            err.print(f"Watching {', '.join(map(str, job.paths))}. Ctrl-C stops.", soft_wrap=True)

    keep_indexing(rounds(job.paths, written, WatchSettings()), lambda: next(jobs).run(), show)


@click.command("forget")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…")
@click.option("--collection", "-c", help="Only in this collection; in all if left out.")
@click.option("--json", "as_json", is_flag=True, help="Print one report object.")
@command
def forget_command(settings: Settings, paths: tuple[Path, ...], collection: str | None, as_json: bool) -> None:
    """Delete files and folders from the data folder for good, earlier versions and answers made from them included.

    Exit code 3 if a text stays because other files hold the same.
    """
    report = forget(open_store(settings), paths, collection, withhold_answers, settings.family_settings())
    if as_json:
        click.echo(json.dumps(report.as_dict(), ensure_ascii=False))
    else:
        out.print(f"Forgotten: {report.paths:,} paths, {report.texts:,} texts, {report.answers:,} recorded answers.")
    for kept in report.kept:
        err.print(f"The text of {kept.path} stays: {', '.join(kept.also_at)} holds the same.", soft_wrap=True)
    for location in report.still_there:
        err.print(f"{location} still exists: `tenkyo index` would read it again.", soft_wrap=True)
    if report.kept:
        raise SystemExit(EXIT_SOME_FAILED)


def _print_report(report: Report, collection: str) -> None:
    table = Table(title=f"Collection {collection}", show_header=False)
    rows = (
        ("Indexed", report.indexed),
        ("Unchanged", report.unchanged),
        ("Removed", report.removed),
        ("Renamed (in both)", len(report.renamed)),
        ("Failed", len(report.failed)),
        ("Passed over (no reader)", report.skipped),
        ("Left out (globs, .tenkyoignore)", report.excluded),
        ("Chunks", report.chunks),
        ("Embedded now", report.embedded_chunks),
        ("Seconds", report.seconds),
    )
    for name, value in rows:
        table.add_row(name, f"{value:,}")
    if isinstance(report, Preview):
        _print_plan(report)
        table.title = f"Collection {collection}: a dry run, nothing was written"
    out.print(table)
    _print_failures(report)


def _print_short(report: Report) -> None:
    counts = f"{report.indexed:,} indexed, {report.removed:,} removed, {len(report.failed):,} failed"
    out.print(f"{datetime.now():%H:%M:%S} {counts}, {report.embedded_chunks:,} chunks embedded")
    _print_failures(report)


def _print_failures(report: Report) -> None:
    for failure in report.failed:
        err.print(Text.assemble(("failed ", "red"), f"{failure.path}: {failure.reason}"), soft_wrap=True)
    for note in report.notes:
        err.print(Text.assemble(("note ", "yellow"), f"{note.path}: {note.note}"), soft_wrap=True)


def _print_plan(plan: Preview) -> None:
    renamed = {rename.path: rename.was for rename in plan.renamed}
    for path in plan.would_index:
        out.print(f"rename {renamed[path]} -> {path}" if path in renamed else f"index  {path}", soft_wrap=True)
    for path in plan.would_remove:
        if path not in renamed.values():
            out.print(f"remove {path}", soft_wrap=True)
