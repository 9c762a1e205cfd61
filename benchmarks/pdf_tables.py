"""How many rows of tables in PDF files come out right, wrong or not as rows, and what becomes of pages without tables.

    python -m benchmarks.pdf_tables [--keep FOLDER] [FOLDER…]

Pages with tables of known content are printed by Chromium and, where it is installed, by LibreOffice (their PDF files
draw tables in different ways); --keep writes them to a folder. A row is right if a line of the text is that row with
the names of its columns, as the HTML reader writes it; wrong, if a line is written like a row and is none. With
FOLDERs, the PDF files there are read as well: their pages a second, and which tables are found, to be judged by eye.
Other libraries, where installed (pip install pdfplumber camelot-py img2table), find rows in the same files; as they do
not say which row is the header, the first row of each of their tables is taken for it.
"""

import argparse
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import describe_processor
from benchmarks.pdf_tables_pages import PAGES, Sample
from indexer.errors import UnreadableDocument
from indexer.readers import read_document

_SECONDS = 120
Rows = Callable[[Path], list[str]]


@dataclass(slots=True)
class Score:
    right: int = 0
    wrong: int = 0
    expected: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--keep", type=Path, help="where the printed pages go")
    parser.add_argument("--show", action="store_true", help="the rows that are wrong or missing")
    arguments = parser.parse_args()
    print(f"{time.strftime('%Y-%m-%d')}, {describe_processor()}\n")
    with tempfile.TemporaryDirectory() as folder:
        _measure(arguments.keep or Path(folder), show=arguments.show)
        for name, rows in LIBRARIES.items():
            _compare(name, rows, arguments.keep or Path(folder))
    for path in arguments.folders:
        _print_speed(path)


def _measure(folder: Path, *, show: bool) -> None:
    folder.mkdir(exist_ok=True, parents=True)
    print("| page | printed by | rows | right | wrong |\n|---|---|---|---|---|")
    totals: dict[str, Score] = {}
    for sample in PAGES:
        for name, printer in PRINTERS.items():
            file = folder / f"{sample.name}-{name}.pdf"
            if not (file.exists() or printer(sample, file)):
                continue
            score = _score(sample, file, show=show)
            total = totals.setdefault(name, Score())
            total.right += score.right
            total.wrong += score.wrong
            total.expected += score.expected
            print(f"| {sample.name} | {name} | {score.expected} | {score.right} | {score.wrong} |", flush=True)
    for name, total in totals.items():
        print(f"| all | {name} | {total.expected} | {total.right} | {total.wrong} |")


def _compare(name: str, read: Rows, folder: Path) -> None:
    total, seconds, pages = Score(), 0.0, 0
    for sample in PAGES:
        for file in (folder / f"{sample.name}-{printer}.pdf" for printer in PRINTERS):
            if not file.exists():
                continue
            started = time.perf_counter()
            try:
                found = read(file)
            except ImportError:
                return
            seconds += time.perf_counter() - started
            pages += len(read_document(file.name, file.read_bytes()).layout.pages)
            score = _judge(sample, found, show=False)
            total = Score(total.right + score.right, total.wrong + score.wrong, total.expected + score.expected)
    print(f"| all, {name} | all | {total.expected} | {total.right} | {total.wrong} | {pages / seconds:,.1f} pages/s |")


def _score(sample: Sample, file: Path, *, show: bool) -> Score:
    return _judge(sample, _tenkyo(file), show=show)


def _judge(sample: Sample, rows: Sequence[str], *, show: bool) -> Score:
    # Spaces say nothing here: columns may be so narrow that words break, and some printers set 4 月 for 4月.
    expected = ["".join(row.split()) for row in sample.rows]
    found = ["".join(row.split()) for row in rows]
    missing = [row for row in expected if row not in found]
    wrong = [line for line in found if line not in expected]
    if show:
        for sign, rows in (("-", missing), ("+", wrong)):
            for row in rows[:6]:
                print(f"    {sign} {row[:200]}")
    return Score(len(expected) - len(missing), len(wrong), len(expected))


def _chromium(sample: Sample, file: Path) -> bool:
    program = shutil.which("chromium")
    if program is None:
        return False
    page = file.with_suffix(".html")
    page.write_text(sample.html, encoding="utf-8")
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    subprocess.run(
        [*command, f"--print-to-pdf={file}", page.absolute().as_uri()],
        capture_output=True,
        timeout=_SECONDS,
        check=True,
    )
    return file.exists()


def _libreoffice(sample: Sample, file: Path) -> bool:
    program = shutil.which("soffice")
    if program is None:
        return False
    page = file.with_suffix(".html")
    page.write_text(_inlined(sample.html), encoding="utf-8")
    command = [program, "--headless", "--infilter=HTML (StarWriter)", "--convert-to", "pdf:writer_pdf_Export"]
    subprocess.run([*command, "--outdir", file.parent, page], capture_output=True, timeout=_SECONDS, check=True)
    return file.exists()


PRINTERS = {"chromium": _chromium, "libreoffice": _libreoffice}


def _inlined(html: str) -> str:
    """With the borders and grounds of cells on each cell: LibreOffice reads them nowhere else."""
    sheet = html[html.index("<style>") : html.index("</style>")]
    for tag in ("td", "th"):
        rules = [
            rule for names, rule in re.findall(r"([^{}]+)\{([^{}]*)\}", sheet) if tag in re.split(r"[,\s]+", names)
        ]
        html = re.sub(rf"<{tag}(?=[ >])", f"<{tag} style='{';'.join(rules)}'", html)
    return html


def _tenkyo(file: Path) -> list[str]:
    return [line for line in read_document(file.name, file.read_bytes()).text.splitlines() if " | " in line]


def _named(table: Sequence[Sequence[str | None]]) -> list[str]:
    header, *rows = [[" ".join((cell or "").split()) for cell in row] for row in table] or [[]]
    return [
        " | ".join(f"{name}: {cell}" if name else cell for name, cell in zip(header, row, strict=False) if cell)
        for row in rows
    ]


def _pdfplumber(file: Path) -> list[str]:
    import pdfplumber

    with pdfplumber.open(file) as pdf:
        return [row for page in pdf.pages for table in page.extract_tables() for row in _named(table)]


def _camelot(file: Path) -> list[str]:
    import camelot

    tables = camelot.read_pdf(str(file), pages="all", flavor="lattice")
    return [row for table in tables for row in _named(table.df.to_numpy().tolist())]


def _img2table(file: Path) -> list[str]:
    from img2table.document import PDF

    found = PDF(str(file)).extract_tables(borderless_tables=True)
    return [
        row
        for page in found.values()
        for table in page
        for row in _named(table.df.fillna("").astype(str).to_numpy().tolist())
    ]


LIBRARIES: dict[str, Rows] = {
    "Tenkyo": _tenkyo,
    "pdfplumber": _pdfplumber,
    "camelot": _camelot,
    "img2table": _img2table,
}


def _print_speed(folder: Path) -> None:
    pages, seconds = 0, 0.0
    for file in sorted(folder.rglob("*.pdf")):
        data = file.read_bytes()
        best = None
        for _ in range(3):
            started = time.perf_counter()
            try:
                document = read_document(file.name, data)
            except UnreadableDocument:
                break
            taken = time.perf_counter() - started
            best = taken if best is None else min(best, taken)
        if best is None:
            continue
        pages += len(document.layout.pages)
        seconds += best
        rows = [line for line in document.text.splitlines() if " | " in line]
        if rows:
            print(f"{file.name}: {len(rows)} rows, first: {rows[0][:120]}")
    print(f"\n{folder}: {pages} pages, {pages / seconds:,.0f} pages/s")


if __name__ == "__main__":
    main()
