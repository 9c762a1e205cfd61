"""The one number or the one date in a quoted span, in English or Japanese. What is not certain is not read.

Units are left out: "45 working days" is 45, "12 %" is 12. A span with two numbers, a range, a fraction, a time of day,
a date without its year, one in figures with the year last (4/5/2026 differs by country), digits inside a name: none.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from decimal import Decimal

_MAX_CHARACTERS = 300
_MAX_DIGITS = 18

_ASCII = str.maketrans(
    {chr(0xFF10 + i): str(i) for i in range(10)}
    | {
        "，": ",",
        "．": ".",
        "－": "-",
        "−": "-",
        "＋": "+",
        "％": "%",
        "￥": "¥",
        "＄": "$",
        "／": "/",
        "：": ":",
        "　": " ",
    }
)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = (
    r"(?P<month>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|"
    r"Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_ERAS = {"令和": 2018, "平成": 1988, "昭和": 1925}
_DATES = tuple(
    re.compile(rf"(?<![\d./-])(?:{pattern})(?![./-]?\d)")
    for pattern in (
        r"(?P<year>\d{4})\s*年\s*(?P<month>\d{1,2})\s*月\s*(?P<day>\d{1,2})\s*日",
        r"(?P<era>令和|平成|昭和)\s*(?P<year>\d{1,2}|元)\s*年\s*(?P<month>\d{1,2})\s*月\s*(?P<day>\d{1,2})\s*日",
        r"(?P<year>\d{4})(?P<sep>[-/.])(?P<month>\d{1,2})(?P=sep)(?P<day>\d{1,2})",
        rf"{_DAY}\s+(?:of\s+)?{_MONTH},?\s+(?P<year>\d{{4}})",
        rf"\b{_MONTH}\s+{_DAY},?\s+(?P<year>\d{{4}})",
    )
)

_CURRENCY = r"[£$€¥]"
_SIGN = rf"(?P<sign>(?<![\w.,)%-])-\s?(?={_CURRENCY})|(?<![\w.,)%-])-|[△▲]\s?|\b[Mm]inus |マイナス)?"
_FIGURES = r"(?:\d{1,3}(?:,\d{3})+(?![,\d])|\d+)(?:\.\d+)?"
_WESTERN = re.compile(
    rf"{_SIGN}(?P<money>{_CURRENCY}\s?)?(?P<late>-)?(?P<figures>{_FIGURES})(?![\d年]*元)"
    r"(?:\s?(?P<scale>thousand|million|billion)\b)?",
    re.IGNORECASE,
)
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_COUNTER = r"(?=円|日|年|回|人|名|件|台|個|社|枚|歳|倍|時間|週間|営業日|[かカヵヶケ箇]月|パーセント|ポンド|ドル|ユーロ)"
_KANJI = "〇一二三四五六七八九"
_UNITS = {"十": 10, "百": 100, "千": 1000}
_MYRIADS = {"万": 10**4, "億": 10**8, "兆": 10**12}
_JAPANESE = re.compile(
    rf"{_SIGN}(?:{_CURRENCY}\s?)?(?P<text>(?:{_FIGURES}[十百千万億兆]+)+(?:{_FIGURES})?"
    rf"|(?<![\u3400-\u9fff])[{_KANJI}十百千万億兆]+{_COUNTER})"
)
_JAPANESE_PART = re.compile(rf"{_FIGURES}|[{_KANJI}]+|[十百千万億兆]")

_ONES = {word: n for n, word in enumerate(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen".split()
)}  # fmt: skip
_TENS = {
    word: 10 * n for n, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
_WORD = "|".join(sorted([*_ONES, *_TENS, "hundred", "thousand", "million"], key=len, reverse=True))
_WORDS = re.compile(rf"\b(?P<text>(?:{_WORD})(?:(?:[ -]|(?<=hundred) and )(?:{_WORD}))*)\b", re.IGNORECASE)

# What belongs to a number or date beside it, before and after; for spans that may have cut it off.
_FIGURE = rf"[0-9０-９%％½十百千万億兆割{_KANJI}]|(?<=[0-9０-９])[.,．，/:：~～–年月日時分-](?=[0-9０-９])"
_ANY_MONTH = rf"(?:{_MONTH.replace('?P<month>', '?:')})"
_BEFORE = re.compile(
    rf"(?:\b(?:{_WORD}|minus|half|dozen)(?: and)?[ -]|{_ANY_MONTH},? |マイナス|[£$€¥￥△▲±–−－-]|{_FIGURE}"
    r"|[A-Za-z_#.]+-?$|(?<=[0-9０-９])[.,．，/:：~～年月日-]$)*$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    rf"(?:[ -]?(?:and )?\b(?:{_WORD}|billion)\b| {_ANY_MONTH}|{_FIGURE}|^[.,．，/:：~～–年月日時分-](?=[0-9０-９])"
    r"|^[月時](?!間)|^\s?[ap]\.?m\b|^[A-Za-z]+)*",
    re.IGNORECASE,
)

# What makes the figures beside it mean something else than their face value.
_DOUBTFUL = re.compile(
    r"\d\s*割|\d{1,2}月(?!間)|\d時(?!間)|\d\s?[ap]\.?m\b|半(?:分|額|日|年|月)|\b(?:half|dozen)\b|[±~～〜]"
    rf"|\b{_ANY_MONTH}\s+\d|\d\s+{_ANY_MONTH}\b"
    rf"|{_CURRENCY}\s?[\d.,]+\s?(?:k|m|mn|bn|b)\b|\d[kKM]\b|\S\s+[-–—]\s+(?={_CURRENCY}?\d)|(?<!\d)[–—]\d"
    rf"|[(（]\s*{_CURRENCY}?\s?\d[\d,.]*\s*[)）]"
)
_SQUARE = re.compile(r"(?<=\d)(\s?(?:mm|cm|km|m))[23]\b")


def parse_value(quote: str) -> Decimal | date | None:
    """The number or date in a quote; None if it holds none, more than one, or one that can be read in two ways."""
    if len(quote) > _MAX_CHARACTERS:
        return None
    text = _SQUARE.sub(r"\1", quote.translate(_ASCII))
    dates: list[date | None] = []
    for pattern in _DATES:
        dates += [_date(match) for match in pattern.finditer(text)]
        text = pattern.sub(" \0 ", text)
    if dates:
        return dates[0] if len(dates) == 1 and not _numbers(text) and not _has_digits(text) else None
    if _DOUBTFUL.search(text):
        return None
    numbers = _numbers(text)
    return numbers[0] if len(numbers) == 1 else None


def parse_value_at(text: str, start: int, end: int) -> Decimal | date | None:
    """As parse_value of text[start:end], but None where the span cuts a number or date of the text in two.

    "5千円" is 5000, and no value of "3万5千円"; nor is "£2.5" one of "£2.5 million", or "1 April 2026" one of
    "21 April 2026".
    """
    before, after = _BEFORE.search(text[max(0, start - 80) : start]), _AFTER.match(text[end : end + 80])
    whole = (before[0] if before else "") + text[start:end] + (after[0] if after else "")
    value = parse_value(text[start:end])
    return value if value is not None and parse_value(whole) == value else None


def _numbers(text: str) -> list[Decimal | None]:
    """Every number in a text, None for what is there but cannot be read."""
    found: list[Decimal | None] = []
    readers: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Decimal | None]], ...] = (
        (_JAPANESE, _japanese),
        (_WESTERN, _western),
        (_WORDS, lambda match: _words(match["text"])),
    )
    for pattern, read in readers:
        found += [read(match) for match in pattern.finditer(text)]
        text = pattern.sub(" \0 ", text)
    if _has_digits(text):
        found.append(None)
    return found


def _has_digits(text: str) -> bool:
    """Whether a figure of any script is left, such as ½ or ③."""
    return any(unicodedata.category(char) in ("Nd", "No", "Nl") and char not in _KANJI for char in text)


def _date(match: re.Match[str]) -> date | None:
    parts = match.groupdict()
    month = parts["month"]
    year = 1 if parts["year"] == "元" else int(parts["year"])
    try:
        number = int(month) if month.isdigit() else _MONTHS.index(month[:3].lower()) + 1
        return date(year + _ERAS.get(parts.get("era") or "", 0), number, int(parts["day"]))
    except ValueError:
        return None


def _western(match: re.Match[str]) -> Decimal | None:
    start, end = match.span("figures")
    text = match.string
    # digits inside a name or a version ("G40", "v2", "5th", "1e5") are no quantity
    if match["sign"] is None and re.search(r"[A-Za-z_#./十百千万億兆]-?$|\d[,:]-?$", text[:start]):
        return None
    if re.match(r"(?:st|nd|rd|th)\b|[A-Za-z]+\d|[:/.,]\d", text[end:]):
        return None
    figures = match["figures"].replace(",", "")
    if len(figures) > _MAX_DIGITS:
        return None
    number = Decimal(figures) * _SCALES.get((match["scale"] or "").lower(), 1)
    if match["late"] and not match["money"]:
        return None  # a hyphen that belongs to what stands before it
    return -number if match["sign"] or match["late"] else number


def _japanese(match: re.Match[str]) -> Decimal | None:
    total, section, tail, unit, myriad = Decimal(0), Decimal(0), None, 10**4, 10**16
    for part in _JAPANESE_PART.findall(match["text"]):
        if part in _MYRIADS:
            if _MYRIADS[part] >= myriad or not (section or tail):
                return None
            myriad, unit = _MYRIADS[part], 10**4
            total, section, tail = total + (section + (tail or 0)) * myriad, Decimal(0), None
        elif part in _UNITS:
            if _UNITS[part] >= unit or tail == 0:
                return None
            unit = _UNITS[part]
            section, tail = section + (1 if tail is None else tail) * unit, None
        else:
            if tail is not None:
                return None
            tail = Decimal("".join(str(_KANJI.find(c)) if c in _KANJI else c for c in part.replace(",", "")))
            if (section or total) and tail >= min(unit, myriad):
                return None
    number = total + section + (tail or 0)
    return (-number if match["sign"] else number) if number < 10**_MAX_DIGITS else None


def _words(text: str) -> Decimal | None:
    """Number words in their usual order: "forty-five", "two hundred and ten", "three thousand"."""
    total = group = 0
    room, scale = 1000, 10**9  # what comes next must be smaller
    for word in re.split(r"[ -]", text.lower()):
        if word in ("thousand", "million"):
            if not group or _SCALES[word] >= scale:
                return None
            scale = _SCALES[word]
            total, group, room = total + group * scale, 0, 1000
        elif word == "hundred":
            if not 1 <= group <= 19:
                return None
            group, room = group * 100, 100
        elif word != "and":
            number = _ONES.get(word, _TENS.get(word, 0))
            if number >= room or (number == 0 and text.lower() != "zero"):
                return None
            group, room = group + number, 10 if word in _TENS else 0
    return Decimal(total + group)
