"""The numbers that Word shows before list items and headings: they are computed, not stored in the text.

ECMA-376 part 1, 17.9. A clause is asked for by its number, so the number belongs to the words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from indexer.readers.ooxml import value

_LEVELS = 9
_ROMAN = {1000: "m", 900: "cm", 500: "d", 400: "cd", 100: "c", 90: "xc", 50: "l", 40: "xl"}
_ROMAN |= {10: "x", 9: "ix", 5: "v", 4: "iv", 1: "i"}
_KANJI = "〇一二三四五六七八九"
_AIUEO = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン"
_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
_LARGEST = 3999


@dataclass(frozen=True, slots=True)
class _Level:
    format: str
    pattern: str
    start: int


class Numbering:
    """Counts as a document is read from its beginning."""

    def __init__(self, parts: Sequence[Element]) -> None:
        abstract = {
            value(element, "abstractNumId"): {value(lvl, "ilvl"): _level(lvl) for lvl in element.iter("lvl")}
            for root in parts
            for element in root.iter("abstractNum")
        }
        self._lists: dict[str, tuple[str, dict[str, _Level]]] = {}
        for root in parts:
            for num in root.iter("num"):
                key = value(num.find("abstractNumId"))
                changed = {value(o, "ilvl"): _level(lvl) for o in num.iter("lvlOverride") for lvl in o.iter("lvl")}
                self._lists[value(num, "numId")] = (key, {**abstract.get(key, {}), **changed})
        self._counts: dict[str, list[int | None]] = {}

    def number(self, list_id: str, level: str) -> str | None:
        """What stands before the next item of this list, "" for a bullet; None if there is no such list."""
        if list_id not in self._lists or not level.isdigit() or int(level) >= _LEVELS:
            return None
        key, levels = self._lists[list_id]
        depth = int(level)
        counts = self._counts.setdefault(key, [None] * _LEVELS)
        for i in range(depth):
            if counts[i] is None:
                counts[i] = _start(levels, i)
        before = counts[depth]
        counts[depth] = _start(levels, depth) if before is None else before + 1
        counts[depth + 1 :] = [None] * (_LEVELS - depth - 1)
        here = levels.get(level)
        if here is None or here.format in ("bullet", "none"):
            return ""

        def shown(match: re.Match[str]) -> str:
            i = int(match.group(1)) - 1
            at = levels.get(str(i), here)
            return write_number(counts[i] or 0, at.format)

        text = re.sub(r"%([1-9])", shown, here.pattern).strip()
        return text + " " if text else ""


def write_number(number: int, style: str) -> str:
    """A number in one of Word's styles; in Arabic digits where the style is not known or ends before it."""
    if not 0 < number <= _LARGEST:
        return str(number)
    match style:
        case "lowerLetter" | "upperLetter":
            letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
            return letters.upper() if style == "upperLetter" else letters
        case "lowerRoman" | "upperRoman":
            text = ""
            for amount, letters in _ROMAN.items():
                text += letters * (number // amount)
                number %= amount
            return text.upper() if style == "upperRoman" else text
        case "decimalZero":
            return f"{number:02}"
        case "decimalFullWidth":
            return str(number).translate(_FULL_WIDTH)
        case "decimalEnclosedCircle" if number <= 20:
            return chr(ord("①") + number - 1)
        case "aiueo" | "aiueoFullWidth" if number <= len(_AIUEO):
            return _AIUEO[number - 1]
        case "japaneseCounting" | "chineseCounting" | "ideographTraditional" if number < 100:
            tens, ones = divmod(number, 10)
            return ("" if tens < 2 else _KANJI[tens]) + ("十" if tens else "") + (_KANJI[ones] if ones else "")
    return str(number)


def _level(element: Element) -> _Level:
    start = value(element.find("start"), default="1")
    pattern = value(element.find("lvlText"))
    return _Level(value(element.find("numFmt"), default="decimal"), pattern, int(start) if start.isdecimal() else 1)


def _start(levels: dict[str, _Level], depth: int) -> int:
    level = levels.get(str(depth))
    return level.start if level else 1
