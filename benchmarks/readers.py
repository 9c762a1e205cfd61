"""Our readers beside other libraries, on a folder of documents; and what becomes of every file in the reader process.

    python -m benchmarks.readers FOLDER…

A library that is not installed is left out; to have them all, in an environment of their own beside ours:
pip install python-docx python-pptx openpyxl mammoth docx2txt striprtf pypdf pdfminer.six kreuzberg markitdown

"Terms" are the distinct terms of the index's own analysis that a library finds in a file, summed over the files: what
could be searched for. Names of columns that a reader repeats on each row are counted once.
"""

import argparse
import io
import multiprocessing
import multiprocessing.connection
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import describe_processor
from indexer.analysis import terms
from indexer.errors import UnreadableDocument
from indexer.readers import read_document, reader_for
from indexer.sandbox import ReaderProcess, SandboxSettings

_SECONDS_A_FILE = 60.0
_ROUNDS = 3
Read = Callable[[Path], str]


@dataclass(slots=True)
class Score:
    """What one library made of one format."""

    read: int = 0
    failed: int = 0
    terms: int = 0
    seconds: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--only-ours", action="store_true", help="no other library, only the fate of every file")
    arguments = parser.parse_args()
    files = sorted(p for folder in arguments.folders for p in folder.rglob("*") if p.is_file() and reader_for(p.name))
    print(f"{time.strftime('%Y-%m-%d')}, {describe_processor()}, {len(files)} files\n")
    if not arguments.only_ours:
        _compare(files)
    _print_fates(files)


def _compare(files: Sequence[Path]) -> None:
    by_suffix = defaultdict(list)
    for file in files:
        by_suffix[file.suffix.lower()].append(file)
    print("| format | files | library | read | failed | terms | files/s |\n|---|---|---|---|---|---|---|")
    for suffix, group in sorted(by_suffix.items()):
        for name, read in LIBRARIES.get(suffix, {"Tenkyo": _tenkyo}).items():
            score = _score(read, group)
            if score is not None:
                speed = f"{len(group) / score.seconds:,.0f}" if score.seconds else "-"
                row = (suffix, len(group), name, score.read, score.failed, f"{score.terms:,}", speed)
                print("| " + " | ".join(map(str, row)) + " |", flush=True)
    print()


def _score(read: Read, files: Sequence[Path]) -> Score | None:
    """Each file in a process that can be stopped; None where the library is not installed. Best of three rounds."""
    score = Score()
    waiting = list(files)
    while waiting:
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(target=_work, args=(read, waiting, there), daemon=True)
        process.start()
        there.close()
        try:
            while waiting:
                if not here.poll(_SECONDS_A_FILE):
                    raise EOFError
                answer = here.recv()
                if answer is None:
                    return None
                found, seconds = answer
                waiting.pop(0)
                score.read += found > 0
                score.failed += found <= 0
                score.terms += max(found, 0)
                score.seconds += seconds
        except EOFError:  # it hung or crashed
            waiting.pop(0)
            score.failed += 1
            score.seconds += _SECONDS_A_FILE
        process.kill()
        process.join()
    return score


def _work(read: Read, files: Sequence[Path], answers: "multiprocessing.connection.Connection") -> None:
    for file in files:
        best, found = _SECONDS_A_FILE, 0
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            try:
                found = len(set(terms(read(file))))
            except ImportError:
                answers.send(None)
                return
            except Exception:
                found = -1
            best = min(best, time.perf_counter() - started)
        answers.send((found, best))


def _print_fates(files: Sequence[Path]) -> None:
    settings = SandboxSettings()
    print("| file | outcome | characters | headings | pages | s |\n|---|---|---|---|---|---|")
    indexed, slowest = 0, 0.0
    with ReaderProcess(settings) as reader:
        for file in files:
            data = file.read_bytes()
            started = time.perf_counter()
            try:
                document = reader.read(file.name, data)
                notes = "; ".join(document.notes)
                sizes = (len(document.text), len(document.headings), len(document.layout.pages))
                outcome = "indexed" + (f" ({notes})" if notes else "")
                indexed += 1
            except UnreadableDocument as error:
                outcome, sizes = f"failed: {error}", (0, 0, 0)
            seconds = time.perf_counter() - started
            slowest = max(slowest, seconds)
            print("| " + " | ".join(map(str, (file.name, outcome, *sizes, f"{seconds:.2f}"))) + " |", flush=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    print(
        f"\n{indexed} of {len(files)} files indexed, {len(files) - indexed} failed; slowest {slowest:.1f} s "
        f"(limit {settings.seconds:g} s), peak memory of a child {peak} MiB (limit {settings.memory_bytes >> 20} MiB)"
    )


def _opened(file: Path) -> io.BytesIO:
    return io.BytesIO(file.read_bytes())


def _tenkyo(file: Path) -> str:
    return read_document(file.name, file.read_bytes()).text


def _kreuzberg(file: Path) -> str:
    from kreuzberg import extract_file_sync

    return str(extract_file_sync(str(file)).content)


def _markitdown(file: Path) -> str:
    from markitdown import MarkItDown

    return str(MarkItDown(enable_plugins=False).convert_local(str(file)).text_content)


def _python_docx(file: Path) -> str:
    import docx

    document = docx.Document(_opened(file))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(paragraph.text for paragraph in document.paragraphs), *cells])


def _mammoth(file: Path) -> str:
    import mammoth

    return str(mammoth.extract_raw_text(_opened(file)).value)


def _docx2txt(file: Path) -> str:
    import docx2txt

    return str(docx2txt.process(_opened(file)))


def _python_pptx(file: Path) -> str:
    import pptx

    texts = []
    for slide in pptx.Presentation(_opened(file)).slides:
        for shape in slide.shapes:
            if shape.has_text_frame:
                texts.append(shape.text_frame.text)
            elif shape.has_table:
                texts += [cell.text for row in shape.table.rows for cell in row.cells]
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame:
            texts.append(slide.notes_slide.notes_text_frame.text)
    return "\n".join(texts)


def _openpyxl(file: Path) -> str:
    import openpyxl

    book = openpyxl.load_workbook(_opened(file), read_only=True, data_only=True)
    rows = [row for sheet in book for row in sheet.iter_rows(values_only=True)]
    return "\n".join(" ".join(str(cell) for cell in row if cell is not None) for row in rows)


def _calamine(file: Path) -> str:
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_filelike(_opened(file))
    rows = [row for name in book.sheet_names for row in book.get_sheet_by_name(name).to_python()]
    return "\n".join(" ".join(map(str, row)) for row in rows)


def _striprtf(file: Path) -> str:
    from striprtf.striprtf import rtf_to_text

    return str(rtf_to_text(file.read_bytes().decode("latin-1")))


def _pypdf(file: Path) -> str:
    import pypdf

    return "\n".join(page.extract_text() for page in pypdf.PdfReader(_opened(file)).pages)


def _pdfminer(file: Path) -> str:
    from pdfminer.high_level import extract_text

    return str(extract_text(_opened(file)))


_ALL: dict[str, Read] = {"Tenkyo": _tenkyo, "kreuzberg": _kreuzberg, "markitdown": _markitdown}
LIBRARIES: dict[str, dict[str, Read]] = {
    ".docx": {**_ALL, "python-docx": _python_docx, "mammoth": _mammoth, "docx2txt": _docx2txt},
    ".pptx": {**_ALL, "python-pptx": _python_pptx},
    ".xlsx": {**_ALL, "openpyxl": _openpyxl, "python-calamine": _calamine},
    ".xls": {"Tenkyo": _tenkyo, "kreuzberg": _kreuzberg, "python-calamine": _calamine},
    ".rtf": {"Tenkyo": _tenkyo, "kreuzberg": _kreuzberg, "striprtf": _striprtf},
    ".pdf": {"Tenkyo": _tenkyo, "kreuzberg": _kreuzberg, "pypdf": _pypdf, "pdfminer.six": _pdfminer},
    **dict.fromkeys((".epub", ".eml", ".html", ".csv", ".xml", ".txt"), _ALL),
}

if __name__ == "__main__":
    main()
