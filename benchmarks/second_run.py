"""What a run over an unchanged folder costs: `python -m benchmarks.second_run`.

Two folders are made and indexed by `tenkyo index`: many small files, and a few large ones whose bulk is a picture (a
text of that size would take an hour to embed). Seconds are those of the whole command.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from benchmarks.machine import describe_processor
from tests.indexer.readers.handmade_office import make_docx, paragraph

_SETTLED_SECONDS = 61  # a stat younger than a minute is not trusted
_LARGE_MIB = 200


def write_small(folder: Path, count: int) -> None:
    """Text files of a sentence each, a hundred a folder."""
    for number in range(count):
        file = folder / f"{number // 100:04d}" / f"note{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"Note {number}: the depot in lane {number % 97} opens at {number % 24} o'clock.\n")


def write_large(folder: Path, count: int) -> None:
    """Word files with one sentence and a picture that does not compress."""
    folder.mkdir(parents=True)
    for number in range(count):
        file = folder / f"report{number}.docx"
        file.write_bytes(make_docx(paragraph(f"Report {number}: the depot is open.")))
        with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
            archive.writestr("word/media/image1.png", random.Random(number).randbytes(_LARGE_MIB << 20))


def run(home: Path, folder: Path, *options: str) -> tuple[float, dict[str, object]]:
    """Seconds and report of one command."""
    command = [str(Path(sys.executable).with_name("tenkyo")), "--home", str(home), "index", str(folder), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    started = time.perf_counter()
    done = subprocess.run([*command, *options], check=True, capture_output=True, env=environment)
    return time.perf_counter() - started, json.loads(done.stdout)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=20_000, help="number of small files")
    parser.add_argument("--large", type=int, default=10, help=f"number of files of {_LARGE_MIB} MiB")
    parser.add_argument("--folder", type=Path, help="where to work, and to find what an earlier run has made")
    arguments = parser.parse_args()
    print(describe_processor())
    with tempfile.TemporaryDirectory() as temporary:
        base = arguments.folder or Path(temporary)
        for name, make, count in (("small", write_small, arguments.small), ("large", write_large, arguments.large)):
            if not (base / name).exists():
                make(base / name, count)
                time.sleep(_SETTLED_SECONDS)
            home = base / f"home-{name}"
            orders = (("later" if home.exists() else "first", ()), ("second", ()), ("with --checksum", ("--checksum",)))
            for order, options in orders:
                seconds, report = run(home, base / name, *options)
                counts = f"{report['indexed']} indexed, {report['unchanged']} unchanged"
                print(f"{name:6} {order:16} {seconds:7.2f} s, {report['seconds']} s of it the run: {counts}")


if __name__ == "__main__":
    main()
