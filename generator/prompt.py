"""Builds prompts: instructions, then the numbered source sentences in a stable order, then the question.

The instructions come first and never change, so that a server can reuse its work on them. Text of documents stands
between markers that are drawn anew for every request: a document cannot close them. Prompts
are files; a user may override each by a file of the same name in the folder of the setting `prompts`.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from generator.evidence import Sentence
from generator.llm import Message
from indexer.readers.builder import clean_text

PROMPTS_FOLDER = Path(__file__).with_name("prompts")
NAMES = ("answer", "answer_json", "rewrite_question", "restate", "search_again")
CountTokens = Callable[[str], int]


class PromptProblem(Exception):
    """A prompt file is missing or cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """The instruction texts by name."""

    texts: dict[str, str]

    @property
    def sha256(self) -> str:
        """Version of all texts together, for the record of the answer."""
        joined = "\0".join(f"{name}\0{self.texts[name]}" for name in NAMES)
        return hashlib.sha256(joined.encode()).hexdigest()


def load_prompts(override: Path | None = None) -> Prompts:
    """The prompts, with those that the folder `override` holds in place of our own. Raises PromptProblem."""
    texts = {}
    for name in NAMES:
        own = override / f"{name}.txt" if override else None
        file = own if own is not None and own.is_file() else PROMPTS_FOLDER / f"{name}.txt"
        try:
            texts[name] = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise PromptProblem(f"the prompt {file} cannot be read: {error}") from error
    if override is not None and not override.is_dir():
        raise PromptProblem(f"the prompt folder {override} does not exist")
    return Prompts(texts)


def new_marker() -> str:
    """A marker that no document can know."""
    return f"sources-{secrets.token_hex(6)}"


def answer_messages(instructions: str, marker: str, evidence: Sequence[Sentence], question: str) -> tuple[Message, ...]:
    """The prompt for a draft. Evidence ids count from 1 in the order given; its passages keep together."""
    lines: list[str] = []
    passage_id: int | None = None
    for number, sentence in enumerate(evidence, start=1):
        if sentence.passage.chunk_id != passage_id:
            passage_id = sentence.passage.chunk_id
            source = sentence.passage.source
            heading = " > ".join(dict.fromkeys(filter(None, (source.title, *sentence.passage.heading_path))))
            lines.append(f"# {_inert(source.path, marker)}: {_inert(heading, marker)}")
        lines.append(f"[{number}] {_inert(sentence.text, marker)}")
    data = "\n".join(lines)
    user = f"The marker is {marker}.\n\n<{marker}>\n{data}\n</{marker}>\n\nQuestion: {_inert(question, marker)}"
    return Message("system", instructions), Message("user", user)


def data_messages(instructions: str, marker: str, parts: Sequence[tuple[str, Sequence[str]]]) -> tuple[Message, ...]:
    """A prompt about named lists of texts, each of which is data."""
    blocks = [f"The marker is {marker}."]
    for name, texts in parts:
        body = "\n".join(_inert(text, marker) for text in texts)
        blocks.append(f"{name}:\n<{marker}>\n{body}\n</{marker}>")
    return Message("system", instructions), Message("user", "\n\n".join(blocks))


def fit_evidence(
    ranked: Sequence[tuple[float, Sentence]], count_tokens: CountTokens, budget: int, most: int
) -> list[Sentence]:
    """The best sentences that fit the budget of tokens, in the order of passages and text (stable for prefix reuse)."""
    chosen: list[Sentence] = []
    used = 0
    for _, sentence in sorted(ranked, key=lambda pair: -pair[0]):
        cost = count_tokens(sentence.text) + 8
        if len(chosen) >= most or used + cost > budget:
            continue
        chosen.append(sentence)
        used += cost
    return sorted(chosen, key=lambda s: (s.rank, s.start))


def _inert(text: str, marker: str) -> str:
    """One line of visible characters that cannot close the marker."""
    return " ".join(clean_text(text).split()).replace(marker, "")
