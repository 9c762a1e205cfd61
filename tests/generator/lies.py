"""A small handbook, true statements about it, and lies made from them by one change each."""

import random
import re
from dataclasses import dataclass

from generator.draft import DraftCitation, DraftClaim
from generator.evidence import Sentence
from generator.sentences import split_sentences
from tests.generator.builders import make_passage

HANDBOOK = (
    "Each parent with six months of service gets 45 working days of paid parental leave per child.",
    "The limit for a hotel in London is £165 a night, including tax.",
    "Submit your expense claim to Marta Keller within 30 days of the purchase.",
    "A password for a Larkbeck account must be at least 14 characters long.",
    "Report a lost laptop to Owen Price in IT Operations within two hours.",
    "The G40 gateway runs for 36 hours on its battery at 20 °C.",
    "Larkbeck deletes all customer data on 31 March 2027.",
    "Engineers on primary call receive £260 for each week of duty.",
    "The Leeds office closes at 19:30 on Friday.",
    "Error E-3310 means that the certificate of the carrier gateway has expired.",
    "在宅勤務は、1週間につき3日までとします。",
    "再検査の費用は、1回に限り10,000円まで会社が負担します。",
    "退職届は、退職する日の30日前までに佐藤課長へ提出します。",
    "避難訓練は、毎年4月と10月の2回行います。",
    "パソコンは、使い始めてから4年で新しい機種に交換します。",
)
TRUE = (
    ("Parents get 45 working days of paid parental leave per child.", 1),
    ("Paid parental leave is 45 days per child.", 1),
    ("A hotel in London may cost £165 a night, including tax.", 2),
    ("The limit for a hotel in London is 165 pounds a night.", 2),
    ("Expense claims go to Marta Keller within 30 days of the purchase.", 3),
    ("A password must be at least 14 characters long.", 4),
    ("A lost laptop must be reported within two hours to Owen Price.", 5),
    ("The gateway runs for 36 hours on its battery.", 6),
    ("All customer data is deleted on March 31, 2027.", 7),
    ("Engineers on primary call receive £260 for each week.", 8),
    ("The Leeds office closes at 19:30 on Friday.", 9),
    ("E-3310 means that the certificate has expired.", 10),
    ("在宅勤務は1週間につき3日までです。", 11),
    ("再検査の費用は10,000円まで会社が負担します。", 12),
    ("退職届は30日前までに佐藤課長へ提出します。", 13),
    ("避難訓練は毎年4月と10月の2回です。", 14),
    ("パソコンは4年で新しい機種に交換します。", 15),
)
_OTHER_NAMES = {
    "Marta Keller": ("Marta Kellner", "Nina Keller", "Jon Abbot"),
    "Owen Price": ("Owen Pryce", "Dana Price", "Lee Ito"),
    "London": ("Paris", "Leeds", "Tokyo"),
    "Leeds": ("London", "Sapporo"),
    "佐藤": ("鈴木", "加藤", "佐野"),
    "E-3310": ("E-3301", "E-3311"),
}
_DATES = {"March 31, 2027": ("March 30, 2027", "May 31, 2027", "March 31, 2026"), "Friday": ("Monday", "Sunday")}


@dataclass(frozen=True, slots=True)
class Lie:
    """A draft that must not be shown as it stands, and what was changed in it."""

    kind: str
    draft: DraftClaim


def evidence() -> list[Sentence]:
    """The handbook as numbered evidence, each sentence a passage of its own."""
    found = []
    for number, text in enumerate(HANDBOOK, start=1):
        passage = make_passage(text, content_id=number)
        spans = split_sentences(text)
        assert len(spans) == 1
        found.append(Sentence(passage, number - 1, passage.start, passage.start + len(text), text, ""))
    return found


def truths() -> list[DraftClaim]:
    """Every true statement, with and without a quote, and every sentence word for word."""
    drafts = [DraftClaim(text, (DraftCitation(number, None),)) for text, number in TRUE]
    drafts += [DraftClaim(text, (DraftCitation(number, HANDBOOK[number - 1][:20]),)) for text, number in TRUE]
    drafts += [DraftClaim(text, (DraftCitation(n, text),)) for n, text in enumerate(HANDBOOK, start=1)]
    return drafts


def lies(seed: int, count: int) -> list[Lie]:
    """At least `count` lies of every kind in turn."""
    rng = random.Random(seed)
    makers = (_wrong_number, _wrong_name, _wrong_date, _negated, _half_invented, _wrong_unit)
    made: list[Lie] = []
    while len(made) < count:
        text, number = rng.choice(TRUE)
        changed = rng.choice(makers)(text, rng)
        if changed is None:
            continue
        kind, lie = changed
        made.append(Lie(kind, DraftClaim(lie, _citations(number, rng))))
    return made


def _citations(number: int, rng: random.Random) -> tuple[DraftCitation, ...]:
    """Right, missing, invented, or with a quote that is right, changed by a word, or from nowhere."""
    source = HANDBOOK[number - 1]
    return rng.choice(
        (
            (DraftCitation(number, None),),
            (DraftCitation(number, source),),
            (DraftCitation(number, source.replace("a", "e", 1) + "x"),),
            (DraftCitation(0, None),),
            (DraftCitation(2024, "as agreed in 2024"),),
            (DraftCitation(rng.randint(1, len(HANDBOOK)), None), DraftCitation(number, None)),
            (),
        )
    )


def _wrong_number(text: str, rng: random.Random) -> tuple[str, str] | None:
    digits = [m for m in re.finditer(r"(?<![\w-])\d[\d,]*", text) if "March" not in text]
    if not digits:
        return None
    match = rng.choice(digits)
    at = rng.randrange(match.start(), match.end())
    if not text[at].isdigit():
        return None
    other = rng.choice([d for d in "123456789" if d != text[at]])
    return "number", text[:at] + other + text[at + 1 :]


def _swap(text: str, table: dict[str, tuple[str, ...]], rng: random.Random) -> str | None:
    known = [name for name in table if name in text]
    if not known:
        return None
    name = rng.choice(known)
    return text.replace(name, rng.choice(table[name]))


def _wrong_name(text: str, rng: random.Random) -> tuple[str, str] | None:
    changed = _swap(text, _OTHER_NAMES, rng)
    return ("name", changed) if changed else None


def _wrong_date(text: str, rng: random.Random) -> tuple[str, str] | None:
    changed = _swap(text, _DATES, rng)
    return ("date", changed) if changed else None


def _negated(text: str, rng: random.Random) -> tuple[str, str] | None:
    for positive, negative in (
        (" must be ", " must not be "),
        (" is ", " is not "),
        (" receive ", " do not receive "),
        (" closes ", " never closes "),
        ("負担します", "負担しません"),
        ("提出します", "提出しません"),
        ("交換します", "交換しません"),
    ):
        if positive in text:
            return "negation", text.replace(positive, negative, 1)
    return None


def _half_invented(text: str, rng: random.Random) -> tuple[str, str] | None:
    extra = rng.choice(
        (
            " and the company adds a bonus of 500 dollars",
            " and Rita Vance signs it",
            " as the Tokyo Court ruled in 2019",
        )
    )
    return ("half", text.rstrip("。.") + extra + ".") if text.isascii() else None


def _wrong_unit(text: str, rng: random.Random) -> tuple[str, str] | None:
    changed = _swap(
        text, {" days": (" weeks", " months"), " hours": (" minutes",), "円": ("ドル",), "4年": ("4か月",)}, rng
    )
    return ("unit", changed) if changed else None
