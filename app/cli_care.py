"""The commands that look after what is stored: `tenkyo check`, `tenkyo repair` and `tenkyo compact`."""

import json
from dataclasses import asdict

import click
from rich.text import Text
from sqlalchemy import select

from app.config import Settings
from app.problems import EXIT_DAMAGED
from app.service import DEFAULT_COLLECTION, open_store
from app.terminal import command, err, out
from generator.record import shown_contents
from indexer.check import Finding, check, check_database
from indexer.repair import compact, reclaim_space, repair
from indexer.tables import Collection


@click.command("check")
@click.option("--collection", "-c", help="Only this one; all if left out.")
@click.option("--json", "as_json", is_flag=True, help="Print an array of findings.")
@command
def check_command(settings: Settings, collection: str | None, as_json: bool) -> None:
    """Compare the index with its checksums and with the database. Exit code 1 if something is damaged."""
    store = open_store(settings)
    findings = check_database(store)
    names = [collection] if collection is not None else []
    if collection is None and not findings:
        with store.sessions() as session:
            names = list(session.scalars(select(Collection.name).order_by(Collection.name)))
    for name in names:
        findings += check(store, name)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        _print_findings(findings, names)
    if any(finding.level == "error" for finding in findings):
        raise SystemExit(EXIT_DAMAGED)


@click.command("repair")
@click.option("--collection", "-c", default=DEFAULT_COLLECTION, show_default=True)
@command
def repair_command(settings: Settings, collection: str) -> None:
    """Rebuild a damaged index from the database. Embeds nothing."""
    number = repair(open_store(settings), collection, settings.family_settings())
    out.print(f"Collection {collection} is served from generation {number} now.", soft_wrap=True)


@click.command("compact")
@click.option("--collection", "-c", default=DEFAULT_COLLECTION, show_default=True)
@click.option("--old-versions", is_flag=True, help="Drop earlier versions too, unless a kept answer shows them.")
@command
def compact_command(settings: Settings, collection: str, old_versions: bool) -> None:
    """Merge the index into one segment, and give back the space of what was deleted and of models not used any more."""
    store = open_store(settings)
    done = compact(store, collection, shown_contents if old_versions else None, settings.family_settings())
    reclaim_space(store.sessions.kw["bind"])
    dropped = f"; {done.dropped} earlier versions are gone" if old_versions else ""
    out.print(
        f"Collection {collection} is served from generation {done.generation} now, in one piece{dropped}.",
        soft_wrap=True,
    )
    if done.models.copies:
        size = f"{done.models.size / 1e6:,.0f} MB"
        out.print(f"Removed copies of {done.models.copies} embedding models that no collection uses: {size}.")


def _print_findings(findings: list[Finding], names: list[str]) -> None:
    for finding in findings:
        style = "red" if finding.level == "error" else "yellow"
        where = f"collection {finding.collection}: " if finding.collection else ""
        err.print(Text.assemble((f"{finding.level} ", style), f"{where}{finding.text}"), soft_wrap=True)
    if not findings:
        out.print(f"All is well with {', '.join(names)}." if names else "There is no collection yet.")
