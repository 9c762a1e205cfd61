"""The entry point of `tenkyo`: the commands of the app, and `eval`, which stands above it."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.progress import Progress
from rich.table import Table

from app.cli import cli
from app.config import Settings
from app.service import open_service
from app.terminal import command, err, out
from evaluation.questions import read_questions
from evaluation.run import Outcome, evaluate, summarize


@cli.command("eval")
@click.argument("questions", type=click.Path(path_type=Path))
@click.option("--collection", "-c", help="Collection to ask; may be left out when there is only one.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary and every outcome as one object.")
@command
def eval_command(settings: Settings, questions: Path, collection: str | None, as_json: bool) -> None:
    """Ask every question of a JSONL file and compare with the known answers."""
    asked = read_questions(questions)
    service = open_service(settings)
    with Progress(console=err, transient=True, disable=as_json) as progress:
        task = progress.add_task("Asking", total=len(asked))
        outcomes = evaluate(service, collection, asked, lambda: progress.advance(task))
    summary = summarize(outcomes).as_dict()
    if as_json:
        click.echo(json.dumps({"summary": summary, "outcomes": [asdict(o) for o in outcomes]}, ensure_ascii=False))
        return
    table = Table(title=f"{len(outcomes)} questions", show_header=False)
    for name, value in summary.items():
        table.add_row(name.replace("_", " "), str(value))
    out.print(table)
    for outcome in outcomes:
        if problem := _problem(outcome):
            out.print(f"  {outcome.id} {problem}: {outcome.question}", style="dim", markup=False, soft_wrap=True)


def _problem(outcome: Outcome) -> str | None:
    if outcome.answerable and not outcome.retrieved:
        return "not retrieved"
    if outcome.answerable and outcome.status == "abstained":
        return "refused"
    if outcome.answerable and not outcome.right_sentence:
        return "another sentence" if outcome.right_document else "another document"
    wrongly_shown = not outcome.answerable and outcome.status != "abstained"
    return f"should have been refused ({outcome.status})" if wrongly_shown else None


def main() -> None:
    """Run the command line."""
    cli(prog_name="tenkyo")
