"""The scripted language model keeps to the contract that it stands in for."""

import threading

import pytest

from generator.llm import LLM, LLMBusy, Message, Request
from tests.fakes_llm import ScriptedLLM

QUESTION = (Message("user", "q"),)


def test_replies_come_in_turn_and_marks_fall_apart() -> None:
    llm: LLM = ScriptedLLM(['Yes. [4 "165"]', ["a", "b"], LLMBusy("full", 3.0)])
    assert list(llm.generate(Request(QUESTION, 99))) == ["Yes", ".", " [", "4", ' "', "1", "6", "5", '"', "]"]
    assert list(llm.generate(Request(QUESTION, 1))) == ["a"]
    with pytest.raises(LLMBusy):
        list(llm.generate(Request(QUESTION, 99)))
    with pytest.raises(LLMBusy):
        list(llm.generate(Request(QUESTION, 99)))


def test_a_function_sees_the_request() -> None:
    llm = ScriptedLLM(lambda request: request.messages[0].content + " " + str(sorted(request.sources)))
    assert "".join(llm.generate(Request(QUESTION, 99, {7: "x", 2: "y"}))) == "q [2, 7]"
    assert llm.requests[0].max_tokens == 99


def test_it_stops_when_cancelled_or_closed() -> None:
    llm = ScriptedLLM(["one two three"])
    cancelled = threading.Event()
    pieces = llm.generate(Request(QUESTION, 99, cancelled=cancelled))
    assert next(pieces) == "one"
    cancelled.set()
    assert list(pieces) == []
    assert llm.closed == 1
