"""What docx, pptx and xlsx share: parts, the relations between them, and the properties of the document."""

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from indexer.errors import UnreadableDocument
from indexer.readers.archive import Archive, resolve
from indexer.readers.xmltree import attribute


@dataclass(frozen=True, slots=True)
class Relation:
    """From one part to another; `kind` is the last word of its type, such as "slide" or "footnotes"."""

    id: str
    kind: str
    target: str


class Package:
    """An Office file: `main` is the name of its main part, `root` that part's XML."""

    def __init__(self, data: bytes, expected: str) -> None:
        self.archive = Archive(data)
        mains = [r.target for r in self.relations("") if r.kind == "officeDocument"]
        if not mains:
            raise UnreadableDocument("a zip file, but not an Office document")
        self.main = mains[0]
        self.root = self.archive.xml(self.main)
        if self.root.tag != expected:
            raise UnreadableDocument(f"an Office document of another kind than its suffix says ({self.root.tag})")

    def relations(self, part: str) -> list[Relation]:
        """Relations of a part to other parts of the package; those that lead out of it are left out."""
        folder, _, name = part.rpartition("/")
        path = f"{folder}/_rels/{name}.rels" if folder else f"_rels/{name}.rels"
        if path not in self.archive:
            return []
        return [
            Relation(row.get("Id", ""), row.get("Type", "").rpartition("/")[2], target)
            for row in self.archive.xml(path).iter("Relationship")
            if row.get("TargetMode") != "External" and (target := resolve(part, row.get("Target", ""))) in self.archive
        ]

    def related(self, part: str, kind: str) -> list[tuple[str, Element]]:
        """Names and XML of the parts that `part` relates to in this way, in the order of their names."""
        targets = {relation.target for relation in self.relations(part) if relation.kind == kind}
        return [(target, self.archive.xml(target)) for target in sorted(targets)]

    @property
    def title(self) -> str | None:
        """The title among the properties."""
        for _, properties in self.related("", "core-properties"):
            return properties.findtext("title", "").strip() or None
        return None


def value(element: Element | None, name: str = "val", default: str = "") -> str:
    """An attribute of an element that may not be there."""
    return default if element is None else attribute(element, name, default)


def is_on(element: Element | None) -> bool:
    """A switch: there, and not set to off."""
    return element is not None and value(element, "val", "1") not in ("0", "false", "off", "none")
