"""`tenkyo index --watch`: a run, and another with every change, until it is interrupted."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from app.terminal import err, print_error
from indexer.comparison import Failure, Report
from indexer.errors import IndexBusy, SourceProblem, StorageProblem

_RETRY_SECONDS = 5.0


def keep_indexing(
    rounds: Iterable[list[Path]], run: Callable[[], Report], show: Callable[[Report, bool], None]
) -> None:
    """Runs when the rounds say so, and shows (report, whether it is the first) where something has changed.

    The first run raises whatever goes wrong. Later ones report what people or time can put right, and go on. Ctrl-C
    between two runs ends it; within one it raises KeyboardInterrupt.
    """
    running, first = False, True
    failed: list[Failure] = []
    try:
        for gone in rounds:
            if gone and not first:
                names = ", ".join(map(str, gone))
                err.print(f"Gone: {names}. Its documents stay; waiting for it to come back.", soft_wrap=True)
                continue
            running = True
            report = run() if first else _run_patiently(run)
            running = False
            if report and (first or report.indexed or report.removed or report.failed != failed):
                show(report, first)
            failed, first = report.failed if report else failed, False
    except KeyboardInterrupt:
        if running:
            raise
        err.print("Stopped watching.")


def _run_patiently(run: Callable[[], Report]) -> Report | None:
    """The report, or None if the folder cannot be indexed as it is: its next change is the next attempt."""
    told = ""
    while True:
        try:
            return run()
        except SourceProblem as error:
            print_error(error)
            return None
        except (IndexBusy, StorageProblem, DBAPIError) as error:
            if str(error) != told:
                print_error(error)
            told = str(error)
            time.sleep(_RETRY_SECONDS)
