"""Slides: each is a page with its title as heading; text, tables, charts and notes. Knows PresentationML only."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from indexer.document import ExtractedDocument
from indexer.readers.builder import TextBuilder
from indexer.readers.grid import add_grid
from indexer.readers.ooxml import Package, Relation, value

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_EMU_PER_POINT = 12700
_TITLES = ("title", "ctrTitle")
_FURNITURE = frozenset(("dt", "ftr", "sldNum", "sldImg", "hdr"))


def read_pptx(data: bytes) -> ExtractedDocument:
    """A .pptx file. Page n of the document is slide n."""
    package = Package(data, "presentation")
    builder = TextBuilder()
    size = package.root.find("sldSz")
    width, height = (_points(value(size, name)) for name in ("cx", "cy"))
    targets = {relation.id: relation.target for relation in package.relations(package.main)}
    slides = [targets.get(_relation_id(entry)) for entry in package.root.iter("sldId")]
    for number, slide in enumerate(slides, start=1):
        if slide is not None:
            builder.page(number, width, height)
            _Slide(package, builder, slide).add()
    # Programs write "Presentation" into the properties: the first heading knows better.
    return builder.build(title=None if builder.has_heading else package.title, media_type=MEDIA_TYPE)


@dataclass(slots=True)
class _Slide:
    package: Package
    builder: TextBuilder
    part: str

    def add(self) -> None:
        relations = {relation.id: relation for relation in self.package.relations(self.part)}
        shapes = list(_shapes(self.package.archive.xml(self.part)))
        # People read from the top; the file has the order in which shapes lie on each other.
        shapes.sort(key=lambda shape: (_placeholder(shape) not in _TITLES, *_position(shape)))
        for shape in shapes:
            kind = _placeholder(shape)
            if kind in _TITLES:
                self.builder.heading(1, "\n".join(_paragraphs(shape)))
            elif kind not in _FURNITURE:
                self._add_shape(shape, relations)
        for _, notes in self.package.related(self.part, "notesSlide"):
            said = [
                text
                for shape in _shapes(notes)
                if _placeholder(shape) not in _FURNITURE
                for text in _paragraphs(shape)
                if text.strip()
            ]
            for i, text in enumerate(said):
                self.builder.block(("" if i else "Notes: ") + text, tight=i > 0)

    def _add_shape(self, shape: Element, relations: dict[str, Relation]) -> None:
        for table in shape.iter("tbl"):
            rows = [[_text(cell) for cell in row.iter("tc")] for row in table.iter("tr")]
            add_grid(self.builder, rows, header=_is_on(table.find("tblPr"), "firstRow") or None)
            return
        for reference in shape.iter("chart"):
            relation = relations.get(_relation_id(reference))
            if relation is not None and relation.kind == "chart":
                self._add_chart(self.package.archive.xml(relation.target))
        for reference in shape.iter("relIds"):  # SmartArt
            relation = relations.get(_relation_id(reference, "dm"))
            if relation is not None:
                points = self.package.archive.xml(relation.target).iter("pt")
                self._add_lines([_text(point) for point in points])
        self._add_lines(_paragraphs(shape))

    def _add_lines(self, lines: list[str]) -> None:
        tight = False
        for text in lines:
            if text.strip():
                self.builder.block(text, tight=tight)
                tight = True

    def _add_chart(self, chart: Element) -> None:
        title = chart.find(".//title")
        if title is not None:
            self.builder.block(_text(title))
        names: list[str] = []
        columns: list[list[str]] = []
        labels: list[str] = []
        for series in chart.iter("ser"):
            names.append(" ".join(_values(series.find("tx"))))
            columns.append(_values(series.find("val")))
            labels = labels or _values(series.find("cat"))
        length = max((len(column) for column in columns), default=0)
        rows = [
            [labels[i] if i < len(labels) else "", *(column[i] if i < len(column) else "" for column in columns)]
            for i in range(length)
        ]
        self.builder.table(["", *names], rows)


def _is_on(element: Element | None, name: str) -> bool:
    """Whether a switch that is an attribute is on."""
    return element is not None and element.get(name, "0") in ("1", "true", "on")


def _shapes(root: Element) -> Iterator[Element]:
    """Shapes and frames, out of their groups; the copy of a shape for old programs is left out."""
    stack = [*reversed(root)]
    while stack:
        element = stack.pop()
        if element.tag in ("sp", "graphicFrame", "cxnSp"):
            yield element
        elif element.tag != "Fallback":
            stack.extend(reversed(element))


def _placeholder(shape: Element) -> str:
    found = shape.find("nvSpPr/nvPr/ph")
    return "" if found is None else found.get("type", "body")


def _position(shape: Element) -> tuple[int, int]:
    """(top, left); a placeholder without a place of its own comes first, as on its layout."""
    offset = shape.find(".//xfrm/off")
    return (0, 0) if offset is None else (_integer(value(offset, "y")), _integer(value(offset, "x")))


def _paragraphs(shape: Element) -> list[str]:
    return [_text(paragraph) for paragraph in shape.iter("p")]


def _text(element: Element) -> str:
    parts: list[str] = []
    for child in element.iter():
        if child.tag == "t":
            parts.append(child.text or "")
        elif child.tag in ("br", "p") and parts:
            parts.append("\n")
        elif child.tag == "tab":
            parts.append("\t")
    return "".join(parts).strip()


def _values(element: Element | None) -> list[str]:
    return [] if element is None else [v.text or "" for v in element.iter("v")]


def _relation_id(element: Element, name: str = "id") -> str:
    """The id of a relation: the attribute with a namespace, as slides have another `id` without one."""
    return next((v for k, v in element.attrib.items() if k.endswith("}" + name)), "")


def _integer(text: str) -> int:
    return int(text) if text.lstrip("-").isdecimal() else 0


def _points(text: str) -> float:
    return _integer(text) / _EMU_PER_POINT
