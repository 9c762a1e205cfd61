"""The hard facts of a sentence: numbers with their units, dates, names, quotations. Compared, never guessed.

A claim may only state facts that its evidence states. Everything here is pure text; a fact that cannot be matched
counts as missing, so that mistakes fail closed.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from indexer.analysis import UNSPACED, terms

_WORD_NUMBERS = {
    word: value
    for value, words in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
    for word in (words,)
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_ORDINALS = {"first": "1", "second": "2", "third": "3", "fourth": "4", "fifth": "5", "sixth": "6", "tenth": "10"}
_MAGNITUDES = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "万": 10**4,
    "億": 10**8,
    "千": 1000,
}
_KANJI_DIGITS = {c: i for i, c in enumerate("〇一二三四五六七八九")}
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
         "sep sept september", "oct october", "nov november", "dec december"), start=1
    )
    for name in names.split()
}  # fmt: skip

_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.])[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\d+(?:\.\d+)?|"
    rf"(?<![{UNSPACED}])[一二三四五六七八九十百千]+(?=[日人回円年月時分秒個台件割度歳社枚名部階週倍%％])",
)
_UNIT = re.compile(
    r"\s*(?:(?P<magnitude>(?:hundred|thousand|million|billion)\b|千|万|億)\s*)?(?P<unit>%|％|percent|per cent|"
    r"パーセント|°[CF]|℃|"
    r"(?:ヶ|か|カ|ケ|箇)月|週間|時間|営業日|[日人回円年月時分秒個台件割度歳社枚名部階週倍条項章]|ポンド|ドル|ユーロ|キロ|メートル|"
    r"[kKMGTmµcμ]?(?:B|b|bps|Hz|W|V|A|Wh|g|m|l|L|s|Pa|ppm)\b|pounds?|dollars?|euros?|yen|"
    r"(?:working |calendar |business |consecutive )?(?:days?|nights?)|weeks?|months?|years?|hours?|minutes?|seconds?|"
    r"[a-z]+)?",
    re.IGNORECASE,
)
_CURRENCY = re.compile(r"([£$€¥￥])\s*$")
_CURRENCY_UNITS = {"£": "pound", "$": "dollar", "€": "euro", "¥": "yen", "￥": "yen", "円": "yen", "ポンド": "pound"}
_SAME_UNITS = {
    "%": "percent", "％": "percent", "per cent": "percent", "パーセント": "percent", "ドル": "dollar", "ユーロ": "euro",
    "か月": "月間", "ヶ月": "月間", "カ月": "月間", "ケ月": "月間", "箇月": "月間", "yen": "yen",
}  # fmt: skip
_WEAK_UNITS = frozenset(
    "and or of the a an in on at to for is are was were by from with per as if but that which".split()
)
_CLOCK = re.compile(r"(?<![\d:])(\d{1,2}):(\d{2})(?![\d:])|(?<!\d)(\d{1,2})時(?!間)(?:(\d{1,2})分)?")
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_JAPANESE_DATE = re.compile(r"(?:(?<!\d)(\d{4})年)?\s*(?<!\d)(\d{1,2})月(?!間)\s*(?:(\d{1,2})日)?")
_MONTH_WORD = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DAY_MONTH = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({_MONTH_WORD})\b\.?(?:,?\s+(\d{{4}}))?", re.IGNORECASE
)
_MONTH_DAY = re.compile(rf"\b({_MONTH_WORD})\b\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(\d{{4}}))?", re.IGNORECASE)
_QUOTATION = re.compile(r"[\"“]([^\"“”]{2,})[\"”]|「([^」]{2,})」|『([^』]{2,})』")
_LATIN_NAME = re.compile(r"\b[A-Z][\w&'’.-]*[\w]|\b[A-Z]\b|\b\w*\d\w*[A-Za-z]\w*\b|\b[A-Za-z]+[-_]?\d[\w-]*")
_CJK_NAME = re.compile(r"[ァ-ヴー]{2,}|[A-Za-z][\w.-]+")
_KANJI_RUN = re.compile(r"(?<![\d\u4e00-\u9fff々])[\u4e00-\u9fff々]{2,}")
# Words of the language itself, which state nothing.
_COMMON_KANJI = frozenset("可能 必要 場合 記載 資料 文書 質問 回答 情報 内容".split())
_SENTENCE_OPENERS = frozenset(
    "a an the this that these those it its they their there he she we you your our in on at to for from by with "
    "within without after before during under over between if when while where who what which how why as because since "
    "although however therefore also additionally moreover furthermore each every all any both either no not none only "
    "most some many more less one two three four five six seven eight nine ten once yes and or but so then here please "
    "according based unless until per".split()
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in plain digits, and its unit in a common form ("" if it has none)."""

    value: str
    unit: str


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one text. A date is (year or None, month, day or None)."""

    quantities: frozenset[Quantity]
    dates: frozenset[tuple[int | None, int, int | None]]
    names: frozenset[str]
    quotations: frozenset[str]


@lru_cache(maxsize=8192)
def facts_of(text: str) -> Facts:
    """Facts that a text states."""
    text = unicodedata.normalize("NFKC", text)
    dates, rest = _take_dates(text)
    return Facts(frozenset(_quantities(rest)), frozenset(dates), frozenset(_names(rest)), frozenset(_quotations(text)))


def missing_facts(claim: str, evidence: str, context: str = "") -> list[str]:
    """Facts of the claim that the evidence does not state, as words for the record; empty if all are there.

    Names may also come from the context (headings, title, the sentence before); numbers, dates and quotations may not.
    """
    wanted, given = facts_of(claim), facts_of(evidence)
    plain = unicodedata.normalize("NFKC", evidence)
    around = unicodedata.normalize("NFKC", f"{evidence}\n{context}")
    missing = [f"{q.value} {q.unit}".strip() for q in wanted.quantities if not _states(given.quantities, q)]
    missing += [f"date {date}" for date in wanted.dates if not any(_same_date(date, other) for other in given.dates)]
    missing += [name for name in wanted.names if not _has_name(name, around)]
    missing += [f"“{quotation}”" for quotation in wanted.quotations if not _has_words(quotation, plain)]
    return sorted(missing)


def _states(given: frozenset[Quantity], wanted: Quantity) -> bool:
    """Same value; units must agree where both have one."""
    return any(
        q.value == wanted.value
        and (q.unit == wanted.unit or not q.unit or not wanted.unit or _kin(q.unit, wanted.unit))
        for q in given
    )


def _kin(a: str, b: str) -> bool:
    """Whether two units agree, as "working day" and "day" do, and "day" and "week" do not."""
    return a.endswith(b) or b.endswith(a) if a and b else True


def _take_dates(text: str) -> tuple[set[tuple[int | None, int, int | None]], str]:
    """The dates, and the text without them, so that a day of a month is not taken for a quantity."""
    dates: set[tuple[int | None, int, int | None]] = set()

    def take(year: str | None, month: int, day: str | None) -> str:
        dates.add((int(year) if year else None, month, int(day) if day else None))
        return " \u2016 "

    text = _YEAR_FIRST.sub(lambda m: take(m[1], int(m[2]), m[3]), text)
    text = _JAPANESE_DATE.sub(lambda m: take(m[1], int(m[2]), m[3]), text)
    text = _DAY_MONTH.sub(lambda m: take(m[3], _MONTHS[m[2].lower()], m[1]), text)
    text = _MONTH_DAY.sub(lambda m: take(m[3], _MONTHS[m[1].lower()], m[2]), text)
    return dates, text


def _same_date(a: tuple[int | None, int, int | None], b: tuple[int | None, int, int | None]) -> bool:
    """What the claim's date says, the evidence's must say; it may say more."""
    return all(x is None or x == y for x, y in zip(a, b, strict=True))


def _quantities(text: str) -> Iterator[Quantity]:
    for match in _CLOCK.finditer(text):
        yield Quantity(f"{int(match[1] or match[3])}:{int(match[2] or match[4] or 0):02d}", "clock")
    text = _CLOCK.sub(" ", text)
    for match in _NUMBER.finditer(text):
        value = _value(match[0])
        yield _with_unit(value, text[: match.start()], text[match.end() :])
    for match in re.finditer(r"\b[a-z]+(?:-[a-z]+)?\b", text.lower()):
        word = match[0]
        if word in _ORDINALS:
            yield Quantity(_ORDINALS[word], "ordinal")
            continue
        parts = word.split("-")
        if all(part in _WORD_NUMBERS for part in parts) and word != "one":
            value = float(sum(_WORD_NUMBERS[part] for part in parts))
            yield _with_unit(value, "", text[match.end() :])


def _value(digits: str) -> float:
    if digits[0] in "一二三四五六七八九十百千":
        return float(_kanji_value(digits))
    return float(digits.replace(",", "").replace("−", "-"))


def _kanji_value(digits: str) -> int:
    total = current = 0
    for char in digits:
        if char in "十百千":
            total += (current or 1) * {"十": 10, "百": 100, "千": 1000}[char]
            current = 0
        else:
            current = current * 10 + _KANJI_DIGITS[char]
    return total + current


def _with_unit(value: float, before: str, after: str) -> Quantity:
    currency = _CURRENCY.search(before)
    match = _UNIT.match(after)
    unit = ""
    if match:
        if match["magnitude"]:
            value *= _MAGNITUDES[match["magnitude"].lower()]
        unit = (match["unit"] or "").lower()
    if currency:
        unit = _CURRENCY_UNITS[currency[1]]
    elif unit in _WEAK_UNITS or (unit.isascii() and len(unit) == 1 and unit.isalpha() and not after[:1].isalpha()):
        unit = ""
    unit = _SAME_UNITS.get(unit, _CURRENCY_UNITS.get(unit, unit))
    if unit.isascii() and len(unit) > 3 and unit.endswith("s"):
        unit = unit[:-1]
    return Quantity(f"{value:.10g}", unit)


def _names(text: str) -> Iterator[str]:
    """Words that look like names: capitalised or mixed with digits, katakana and Latin words in Japanese text."""
    for match in _LATIN_NAME.finditer(text):
        word = match[0].rstrip(".'’")
        opens = (
            not text[: match.start()].rstrip(" \"'“‘(「『").rstrip()
            or text[: match.start()].rstrip()[-1:] in ".!?:。！？：\n"
        )
        if not (opens and word.lower() in _SENTENCE_OPENERS) and word != "I":
            yield word
    for match in _CJK_NAME.finditer(text):
        if not match[0].isascii():
            yield match[0]
    yield from (match[0] for match in _KANJI_RUN.finditer(text) if match[0] not in _COMMON_KANJI)


def _has_name(name: str, evidence: str) -> bool:
    """The name stands in the evidence. A run of kanji may be made anew of its pairs there."""
    if _KANJI_RUN.fullmatch(name):
        return name in evidence or all(name[i : i + 2] in evidence for i in range(len(name) - 1))
    if name.isascii():
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", evidence, re.IGNORECASE):
            return True
        return set(terms(name)) <= set(terms(evidence))
    return name in evidence


def _quotations(text: str) -> Iterator[str]:
    for match in _QUOTATION.finditer(text):
        yield next(group for group in match.groups() if group)


def _has_words(quotation: str, evidence: str) -> bool:
    return "".join(quotation.split()).rstrip("。.,、") in "".join(evidence.split())
