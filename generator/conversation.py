"""Follow-up questions: put into words that stand alone, by the model or by rule. History is never evidence."""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from generator.errors import InvalidQuestion
from generator.llm import LLM, Deadlines, Request
from generator.prompt import Prompts, data_messages, new_marker
from generator.question import check_question
from indexer.analysis import question_terms

MAX_TURNS = 6
_REWRITE_TOKENS = 160
_REFERS = re.compile(
    r"\b(?:it|its|they|them|their|those|these|he|she|him|her)\b|"
    r"^(?:and|or|but|so|also|then|what about|how about|what if)\b|"
    r"^(?:それ|これ|あれ|その|この|あの|そこ|ここ|そちら|では|じゃあ|あと|また|他|ほか)|それ(?:は|を|に|が|で)|その場合",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of the conversation, as it was understood."""

    question: str


def refers_back(question: str) -> bool:
    """Whether a question may need the one before it to be understood."""
    return bool(_REFERS.search(question.strip())) or len(question_terms(question)) < 2


def stand_alone_by_rule(question: str, history: Sequence[Turn]) -> str:
    """The question with the one before it put in front, if it refers back; else the question itself."""
    if not history or not refers_back(question):
        return question
    return f"{history[-1].question} {question}"


def stand_alone_by_model(
    question: str, history: Sequence[Turn], llm: LLM, prompts: Prompts, deadlines: Deadlines, cancelled: threading.Event
) -> str:
    """The model's rewrite, if it is one line and a valid question that adds no word of its own; else the rule's."""
    if not history or not refers_back(question):
        return question
    earlier = [turn.question for turn in history[-MAX_TURNS:]]
    request = Request(
        messages=data_messages(
            prompts.texts["rewrite_question"],
            new_marker(),
            (("Earlier questions", earlier), ("Last question", [question])),
        ),
        max_tokens=_REWRITE_TOKENS,
        deadlines=deadlines,
        cancelled=cancelled,
    )
    text = "".join(llm.generate(request)).strip().strip('"“”「」')
    known = {term for part in (*earlier, question) for term in question_terms(part)}
    try:
        rewritten = check_question(text)
    except InvalidQuestion:
        return stand_alone_by_rule(question, history)
    new = [term for term in question_terms(rewritten) if term not in known]
    if "\n" in rewritten or len(new) > max(2, len(known) // 4):
        return stand_alone_by_rule(question, history)
    return rewritten


def other_words(
    question: str, llm: LLM, prompts: Prompts, deadlines: Deadlines, cancelled: threading.Event
) -> str | None:
    """The model's wording for a second search, if it is one line, a valid question, and another one."""
    request = Request(
        messages=data_messages(prompts.texts["search_again"], new_marker(), (("Question", [question]),)),
        max_tokens=_REWRITE_TOKENS,
        deadlines=deadlines,
        cancelled=cancelled,
    )
    text = "".join(llm.generate(request)).strip().strip('"“”「」')
    try:
        query = check_question(text)
    except InvalidQuestion:
        return None
    return query if "\n" not in query and query.casefold() != question.casefold() else None
