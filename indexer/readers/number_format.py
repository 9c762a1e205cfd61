"""Numbers of a workbook as its formats show them: percentages, dates and times; other formats keep the number.

ECMA-376 part 1, 18.8.30. A date is stored as days since 1899-12-30 (or 1904-01-01), a percentage as a fraction.
"""

import re
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

BUILT_IN = {
    "9": "0%",
    "10": "0.00%",
    **dict.fromkeys(("14", "15", "16", "17", "27", "30", "36", "50", "57"), "yyyy-mm-dd"),
    **dict.fromkeys(("18", "19", "20", "21", "45", "46", "47"), "h:mm:ss"),
    "22": "yyyy-mm-dd h:mm",
}
_NOT_SHOWN = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
_LAST_DAY = 2_958_465  # 9999-12-31


def format_number(text: str, code: str, *, from_1904: bool = False) -> str:
    """A stored number as the format `code` shows it; `text` itself where it is no number."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if not number.is_finite():
        return text
    bare = _NOT_SHOWN.sub("", code.partition(";")[0]).lower()
    if "general" not in bare:
        if "%" in bare:
            return _plain(number * 100) + "%"
        if any(letter in bare for letter in "ydhs") or "m" in bare:
            return _date(number, bare, from_1904=from_1904) or text
    return _plain(number)


def _plain(number: Decimal) -> str:
    """Without the noise of binary fractions (0.1 + 0.2) and without an exponent where it is short enough."""
    if not number:
        return "0"
    rounded = number.normalize() if len(number.as_tuple().digits) <= 15 else Decimal(f"{number:.15g}").normalize()
    return f"{rounded:f}" if -10 <= rounded.adjusted() <= 20 else str(rounded)


def _date(days: Decimal, code: str, *, from_1904: bool) -> str | None:
    if not 0 <= days <= _LAST_DAY:
        return None
    epoch = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30)
    try:
        moment = epoch + timedelta(seconds=round(float(days) * 86400))
    except OverflowError:
        return None
    day = moment.date().isoformat()
    time = f"{moment:%H:%M}" if moment.second == 0 else f"{moment:%H:%M:%S}"
    if not any(letter in code for letter in "hs"):
        return day
    return f"{day} {time}" if any(letter in code for letter in "yd") else time
