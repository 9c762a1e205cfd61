"""Workbooks of before 2007, by calamine (Rust).

It keeps no formats of numbers: a percentage is read as its fraction.
"""

import io
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from python_calamine import CalamineError, CalamineWorkbook

from indexer.document import ExtractedDocument
from indexer.errors import UnreadableDocument
from indexer.readers.builder import TextBuilder
from indexer.readers.sheet import add_sheet

_WHOLE = 1e15


def read_xls(data: bytes) -> ExtractedDocument:
    """A .xls file."""
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
        builder = TextBuilder()
        for name in workbook.sheet_names:
            rows = workbook.get_sheet_by_name(name).to_python()
            add_sheet(builder, name, ([_shown(cell) for cell in row] for row in rows))
    except CalamineError as error:
        if "password" in str(error).lower():
            raise UnreadableDocument("encrypted: it needs a password") from error
        raise UnreadableDocument(f"not a workbook, or damaged: {error}") from error
    document = builder.build(title=None, media_type="application/vnd.ms-excel")
    return replace(document, title=None)  # the name of a sheet is no title


def _shown(cell: object) -> str:
    match cell:
        case bool():
            return "TRUE" if cell else "FALSE"
        case float() if cell.is_integer() and abs(cell) < _WHOLE:
            return str(int(cell))
        case float():
            return f"{cell:.15g}"
        case datetime() if cell.time() == time():
            return cell.date().isoformat()
        case datetime():
            return cell.isoformat(" ", "seconds")
        case date() | time() | timedelta():
            return str(cell)
    return str(cell)
