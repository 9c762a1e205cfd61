"""Rich Text Format 1.9: paragraphs, headings by outline level, tables, notes; every code page it may be written in."""

import re
from dataclasses import dataclass, field, replace

from indexer.document import ExtractedDocument
from indexer.errors import UnreadableDocument
from indexer.readers.builder import TextBuilder
from indexer.readers.grid import add_grid

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.DOTALL
)
_CHARSETS = {0: 1252, 128: 932, 129: 949, 130: 1361, 134: 936, 136: 950, 161: 1253, 162: 1254, 163: 1258, 177: 1255}
_CHARSETS |= {178: 1256, 186: 1257, 204: 1251, 222: 874, 238: 1250, 255: 437}
_TEXT = {"tab": "\t", "line": "\n", "emdash": "—", "endash": "–", "bullet": "•", "emspace": " ", "enspace": " "}
_TEXT |= {"lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "qmspace": " "}
_SYMBOLS = {b"~": "\u00a0", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}"}
_SKIPPED = frozenset(
    "colortbl stylesheet pict object objdata fldinst generator listtable listoverridetable rsidtbl themedata datastore "
    "colorschememapping latentstyles xmlnstbl nonesttables info filetbl revtbl pgdsctbl bkmkstart bkmkend".split()
)
# Text that stands elsewhere than where it is written.
_ASIDES = frozenset("footnote annotation header headerl headerr headerf footer footerl footerr footerf".split())
_MAX_DEPTH = 10_000


@dataclass(frozen=True, slots=True)
class _State:
    """What a group inherits, and what ends with it."""

    skipped: bool = False
    page: int = 1252
    fallback_length: int = 1
    hidden: bool = False
    target: str = ""


@dataclass(slots=True)
class _Reader:
    builder: TextBuilder = field(default_factory=TextBuilder)
    state: _State = field(default_factory=_State)
    groups: list[_State] = field(default_factory=list)
    fonts: dict[int, int] = field(default_factory=dict)
    font: int = 0
    default_page: int = 1252
    pending: bytearray = field(default_factory=bytearray)
    texts: dict[str, list[str]] = field(default_factory=dict)
    to_skip: int = 0
    starred: bool = False
    in_table: bool = False
    level: int | None = None
    row: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    def read(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            match = _TOKEN.match(data, at)
            if match is None:
                at += 1
                continue
            at = match.end()
            word, number, code, symbol, brace, text = match.groups()
            if word:
                name = word.decode("ascii")
                amount = int(number) if number else None
                if name == "bin":
                    at += max(amount or 0, 0)
                self._word(name, amount)
            elif code:
                self._raw(bytes([int(code, 16)]))
            elif brace == b"{":
                self._open()
            elif brace:
                self._close()
            elif symbol == b"*":
                self.starred = True
            elif symbol in (b"\r", b"\n"):
                self._end_paragraph()
            elif symbol in _SYMBOLS:
                self._say(_SYMBOLS[symbol])
            elif text:
                self._raw(text)
        self._end_paragraph()
        self._end_table()

    def _open(self) -> None:
        self._flush()
        if len(self.groups) >= _MAX_DEPTH:
            raise UnreadableDocument("it is nested too deeply")
        self.groups.append(self.state)
        self.to_skip = 0

    def _close(self) -> None:
        self._flush()
        if self.groups:
            inner, self.state = self.state, self.groups.pop()
            if inner.target in _ASIDES and self.state.target != inner.target:
                self.texts.setdefault(inner.target, []).append("\n")
        self.to_skip = 0
        self.starred = False

    def _word(self, name: str, number: int | None) -> None:
        starred, self.starred = self.starred, False
        if name == "u":
            self._say(chr((number or 0) % 65536))
            self.to_skip = self.state.fallback_length
            return
        self._flush()
        if name == "title":
            self.state = replace(self.state, skipped=False, target="title")
        elif name == "fonttbl":
            self.state = replace(self.state, skipped=True, target="fonttbl")
        elif name in _ASIDES:
            self.state = replace(self.state, target=name)
        elif name == "shptxt":
            self.state = replace(self.state, skipped=False)
        elif starred or name in _SKIPPED:
            self.state = replace(self.state, skipped=True)
        elif name in _TEXT:
            self._say(_TEXT[name])
        else:
            self._set(name, number)
            self._structure(name, number)

    def _set(self, name: str, number: int | None) -> None:
        match name:
            case "ansicpg":
                self.default_page = number or 1252
                self.state = replace(self.state, page=self.default_page)
            case "uc":
                self.state = replace(self.state, fallback_length=max(number or 0, 0))
            case "f" if self.state.target == "fonttbl":
                self.font = number or 0
            case "f":
                self.state = replace(self.state, page=self.fonts.get(number or 0, self.default_page))
            case "fcharset" if self.state.target == "fonttbl" and number in _CHARSETS:
                self.fonts[self.font] = _CHARSETS[number]
            case "v" | "deleted":
                self.state = replace(self.state, hidden=number != 0)
            case "plain":
                self.state = replace(self.state, hidden=False)

    def _structure(self, name: str, number: int | None) -> None:
        if self.state.skipped:
            return
        match name:
            case "pard":
                self.in_table, self.level = False, None
            case "intbl":
                self.in_table = True
            case "outlinelevel":
                self.level = (number or 0) + 1
            case "par" | "sect" | "page":
                self._end_paragraph()
            case "cell" | "nestcell":
                self.row.append(self._take())
            case "row":
                self.rows.append(self.row)
                self.row = []

    def _raw(self, data: bytes) -> None:
        skipped = min(self.to_skip, len(data))
        self.to_skip -= skipped
        if not (self.state.skipped or self.state.hidden):
            self.pending += data[skipped:]

    def _say(self, text: str) -> None:
        self._flush()
        if not (self.state.skipped or self.state.hidden):
            self.texts.setdefault(self.state.target, []).append(text)

    def _flush(self) -> None:
        """Bytes so far as text, in the code page that they were written in."""
        if self.pending:
            page = self.state.page
            try:
                text = self.pending.decode(f"cp{page}", "replace")
            except LookupError:
                text = self.pending.decode("cp1252", "replace")
            self.pending.clear()
            self._say(text)

    def _take(self) -> str:
        self._flush()
        return _joined_surrogates("".join(self.texts.pop("", ())))

    def _end_paragraph(self) -> None:
        if self.state.target or self.in_table:
            self._say("\n")
        else:
            text = self._take()
            if self.rows:
                self._end_table()
            if self.level is not None and self.level <= 6:
                self.builder.heading(self.level, text)
            else:
                self.builder.block(text)

    def _end_table(self) -> None:
        add_grid(self.builder, self.rows)
        self.rows = []


def read_rtf(data: bytes) -> ExtractedDocument:
    """A .rtf file. Headers, footers and notes follow the text, each wording once."""
    if not data.lstrip().startswith(b"{\\rtf"):
        raise UnreadableDocument("not RTF, or damaged: it does not begin with {\\rtf")
    reader = _Reader()
    reader.read(data)
    title = "".join(reader.texts.pop("title", ())).strip()
    asides = [line for name, parts in reader.texts.items() if name in _ASIDES for line in "".join(parts).split("\n")]
    for line in dict.fromkeys(line.strip() for line in asides):
        reader.builder.block(line)
    if title.count("?") * 2 > len(title):  # what a Western code page makes of Japanese
        title = ""
    return reader.builder.build(title=_joined_surrogates(title) or None, media_type="application/rtf")


def _joined_surrogates(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
