"""The smallest zip containers that say what a test needs: docx, pptx, xlsx, odt and epub."""

import io
import zipfile
from collections.abc import Mapping

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
_A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
_S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_R = f'xmlns:r="{_OFFICE}"'
_ODF = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "text", "table", "meta")
)


def make_zip(parts: Mapping[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file with these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def relations(*targets: tuple[str, str, str]) -> str:
    """A .rels part of (id, kind, target)."""
    rows = "".join(f'<Relationship Id="{i}" Type="{_OFFICE}/{kind}" Target="{target}"/>' for i, kind, target in targets)
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{rows}</Relationships>'


def make_docx(body: str, parts: Mapping[str, str | bytes] | None = None) -> bytes:
    """`parts` are XML files beside the document, called styles, numbering, footnotes, comments, header1 …"""
    beside = parts or {}
    targets = [(name, name.rstrip("0123456789"), f"{name}.xml") for name in beside]
    return make_zip(
        {
            "_rels/.rels": relations(("m", "officeDocument", "word/document.xml")),
            "word/document.xml": f"<w:document {_W}><w:body>{body}</w:body></w:document>",
            "word/_rels/document.xml.rels": relations(*targets),
            **{f"word/{name}.xml": content for name, content in beside.items()},
        }
    )


def word_part(tag: str, content: str) -> str:
    """A part of a Word document."""
    return f"<w:{tag} {_W}>{content}</w:{tag}>"


def paragraph(text: str, *, style: str = "", properties: str = "", run: str = "") -> str:
    """A paragraph of one run."""
    style = f'<w:pStyle w:val="{style}"/>' if style else ""
    run = f"<w:rPr>{run}</w:rPr>" if run else ""
    return f"<w:p><w:pPr>{style}{properties}</w:pPr><w:r>{run}<w:t>{text}</w:t></w:r></w:p>"


def word_table(*rows: tuple[str, ...], header: bool = False) -> str:
    """A table; `header` marks the first row as repeated on each page."""
    mark = "<w:trPr><w:tblHeader/></w:trPr>"
    lines = [
        f"<w:tr>{mark if header and i == 0 else ''}"
        + "".join(f"<w:tc>{cell if cell.startswith('<') else paragraph(cell)}</w:tc>" for cell in row)
        + "</w:tr>"
        for i, row in enumerate(rows)
    ]
    return f"<w:tbl>{''.join(lines)}</w:tbl>"


def make_pptx(*slides: str, notes: Mapping[int, str] | None = None) -> bytes:
    """Slides from the XML of their shapes, in this order; `notes` by slide number."""
    ids = "".join(f'<p:sldId id="{256 + i}" r:id="s{i}"/>' for i in range(len(slides)))
    parts = {
        "_rels/.rels": relations(("m", "officeDocument", "ppt/presentation.xml")),
        "ppt/presentation.xml": f"<p:presentation {_P} {_R}><p:sldIdLst>{ids}</p:sldIdLst>"
        '<p:sldSz cx="9144000" cy="6858000"/></p:presentation>',
        # Names say nothing of the order.
        "ppt/_rels/presentation.xml.rels": relations(
            *((f"s{i}", "slide", f"slides/slide{len(slides) - i}.xml") for i in range(len(slides)))
        ),
    }
    for i, shapes in enumerate(slides):
        name = f"slide{len(slides) - i}"
        tree = "<p:sld {} {}><p:cSld><p:spTree>{}</p:spTree></p:cSld></p:sld>"
        parts[f"ppt/slides/{name}.xml"] = tree.format(_P, _A, shapes)
        said = (notes or {}).get(i + 1)
        if said:
            parts[f"ppt/slides/_rels/{name}.xml.rels"] = relations(("n", "notesSlide", f"../notes/{name}.xml"))
            parts[f"ppt/notes/{name}.xml"] = tree.format(_P, _A, said)
    return make_zip(parts)


def shape(*lines: str, kind: str = "", top: int = 0, left: int = 0) -> str:
    """A text frame; `kind` is that of a placeholder."""
    placeholder = f'<p:ph type="{kind}"/>' if kind else ""
    place = f'<a:xfrm><a:off x="{left}" y="{top}"/></a:xfrm>'
    text = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in lines)
    return (
        f"<p:sp><p:nvSpPr><p:nvPr>{placeholder}</p:nvPr></p:nvSpPr><p:spPr>{place}</p:spPr>"
        f"<p:txBody>{text}</p:txBody></p:sp>"
    )


def slide_table(*rows: tuple[str, ...]) -> str:
    """A table with its first row marked as header."""
    lines = "".join(
        "<a:tr>" + "".join(f"<a:tc><a:p><a:r><a:t>{cell}</a:t></a:r></a:p></a:tc>" for cell in row) + "</a:tr>"
        for row in rows
    )
    return f'<p:graphicFrame><a:tbl><a:tblPr firstRow="1"/>{lines}</a:tbl></p:graphicFrame>'


def make_xlsx(sheets: Mapping[str, str], *, strings: str = "", styles: str = "", workbook: str = "") -> bytes:
    """Sheets by name from the XML of their rows."""
    names = "".join(f'<sheet name="{name}" sheetId="{i}" r:id="s{i}"/>' for i, name in enumerate(sheets, start=1))
    targets = [(f"s{i}", "worksheet", f"worksheets/sheet{i}.xml") for i in range(1, len(sheets) + 1)]
    targets += [("t", "sharedStrings", "sharedStrings.xml"), ("f", "styles", "styles.xml")]
    return make_zip(
        {
            "_rels/.rels": relations(("m", "officeDocument", "xl/workbook.xml")),
            "xl/workbook.xml": f"<workbook {_S} {_R}>{workbook}<sheets>{names}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": relations(*targets),
            "xl/sharedStrings.xml": f"<sst {_S}>{strings}</sst>",
            "xl/styles.xml": f"<styleSheet {_S}>{styles}</styleSheet>",
            **{
                f"xl/worksheets/sheet{i}.xml": f"<worksheet {_S}><sheetData>{rows}</sheetData></worksheet>"
                for i, rows in enumerate(sheets.values(), start=1)
            },
        }
    )


def sheet_row(*cells: str | float, number: int | None = None) -> str:
    """A row of texts and numbers."""
    where = f' r="{number}"' if number else ""
    texts = (
        f"<c><v>{cell}</v></c>" if not isinstance(cell, str) else f'<c t="inlineStr"><is><t>{cell}</t></is></c>'
        for cell in cells
    )
    return f"<row{where}>{''.join(texts)}</row>"


def make_odf(content: str, *, kind: str = "text", title: str = "") -> bytes:
    """An OpenDocument from the XML inside its body."""
    return make_zip(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f"<office:document-content {_ODF}><office:body><office:{kind}>{content}</office:{kind}>"
            "</office:body></office:document-content>",
            "meta.xml": f'<office:document-meta {_ODF} xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta>'
            f"<dc:title>{title}</dc:title></office:meta></office:document-meta>",
        }
    )


def make_epub(*chapters: str, title: str = "A book", more: Mapping[str, str] | None = None) -> bytes:
    """A book from the XHTML bodies of its chapters; the table of contents is its first page."""
    names = ["nav", *(f"c{i}" for i in range(1, len(chapters) + 1))]
    items = "".join(
        f'<item id="{name}" href="text/{name}.xhtml" media-type="application/xhtml+xml"'
        + (' properties="nav"/>' if name == "nav" else "/>")
        for name in names
    )
    spine = "".join(f'<itemref idref="{name}"/>' for name in names)
    page = '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><body>{}</body></html>'
    return make_zip(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="OPS/book.opf"/></rootfiles></container>',
            "OPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/'
            f'elements/1.1/"><dc:title>{title}</dc:title></metadata><manifest>{items}</manifest>'
            f"<spine>{spine}</spine></package>",
            "OPS/text/nav.xhtml": page.format("<p>Table of contents</p>"),
            **{f"OPS/text/c{i}.xhtml": page.format(body) for i, body in enumerate(chapters, start=1)},
            **(more or {}),
        }
    )
