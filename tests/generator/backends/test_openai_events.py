"""The stream's bytes, cut anywhere and malformed anyhow, to pieces of text. No sockets."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.backends.openai_events import BadStream, EventParser, ServerError, detail_of, read_delta
from tests.generator.backends.scripted_server import event, stream


def parse(*chunks: bytes) -> list[str]:
    parser = EventParser()
    events = [data for chunk in chunks for data in parser.feed(chunk)]
    return events + list(parser.end())


def text_of(events: list[str]) -> str:
    return "".join(read_delta(data).text for data in events if data != "[DONE]")


ANSWER = ["上限は", "16", "5ポンド😀。[", "4 「165", "ポンド」]\n"]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_a_stream_cut_in_two_at_any_byte_is_the_same_stream(newline: bytes) -> None:
    raw = json.dumps({"choices": [{"delta": {"content": "".join(ANSWER)}}]}, ensure_ascii=False).encode()
    body = (b"\xef\xbb\xbf: hello\n\ndata: " + raw + b"\n\n" + stream(ANSWER)).replace(b"\n", newline)
    whole = parse(body)
    assert text_of(whole) == "".join(ANSWER) * 2
    assert all(parse(body[:cut], body[cut:]) == whole for cut in range(len(body) + 1))
    assert parse(*(body[i : i + 1] for i in range(len(body)))) == whole


@given(st.lists(st.text(max_size=20), max_size=8), st.data())
def test_any_text_cut_in_any_places_arrives_whole(pieces: list[str], data: st.DataObject) -> None:
    body = stream(pieces).replace(b"\n", data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"])))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=20)))
    chunks = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert text_of(parse(*chunks)) == "".join(pieces)


def test_comments_other_fields_and_fields_without_a_space_are_as_the_standard_says() -> None:
    assert parse(b": ping\n\nevent: chunk\nid: 7\nretry: 10\ndata:a\n\ndata:  b\n\ndatabase: no\n\n") == ["a", " b"]


def test_data_on_several_lines_is_one_event() -> None:
    body = b'data: {"choices": [{"delta":\ndata: {"content": "whole"}}]}\n\n'
    assert text_of(parse(body)) == "whole"


def test_an_event_that_the_end_cuts_off_is_given_on() -> None:
    assert parse(b"data: [DONE]") == ["[DONE]"]
    assert parse(b"data: [DONE]\r") == ["[DONE]"]


def test_an_event_without_an_end_is_no_stream() -> None:
    for part in (b"data: " + b"x" * 20_000, b"data: " + b"x" * 20_000 + b"\n"):
        with pytest.raises(BadStream, match="without an end"):
            parse(*[part] * 100)


@pytest.mark.parametrize("data", ["{", "", "null", "[1]", "3", "<html>", pytest.param("[" * 100_000, id="deep")])
def test_what_is_no_json_object_is_no_stream(data: str) -> None:
    with pytest.raises(BadStream):
        read_delta(data)


@pytest.mark.parametrize(
    ("data", "status", "detail"),
    [
        ({"error": {"message": "too long", "code": 400}}, 400, "too long"),
        ({"error": {"message": "slow down", "code": "429"}}, 429, "slow down"),
        ({"error": {"message": "no", "code": "invalid_api_key"}}, None, "no"),
        ({"error": "out of memory"}, None, "out of memory"),
        ({"object": "error", "message": "gone", "code": 500}, 500, "gone"),
        ({"error": {"type": "overloaded"}}, None, "overloaded"),
        ({"error": True}, None, "True"),
    ],
)
def test_error_objects_of_every_known_shape_are_understood(data: object, status: int | None, detail: str) -> None:
    with pytest.raises(ServerError) as raised:
        read_delta(json.dumps(data))
    assert (raised.value.status, raised.value.detail) == (status, detail)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"choices": []},
        {"choices": None},
        {"choices": [None]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"content": None}}]},
        {"choices": [{"delta": {"content": ["parts"]}}]},
        {"choices": [{"delta": {"role": "assistant", "reasoning_content": "Hm."}}]},
        {"error": None, "choices": [], "usage": {"total_tokens": 3}},
    ],
)
def test_events_without_text_are_passed_over(event: object) -> None:
    delta = read_delta(json.dumps(event))
    assert (delta.text, delta.finished) == ("", False)


def test_the_end_is_known_by_its_reason() -> None:
    assert read_delta(event(None, "stop")[6:].decode()).finished
    assert read_delta(event("last", "length")[6:].decode()).finished
    assert not read_delta(event("first")[6:].decode()).finished


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    delta = read_delta('{"choices": [{"delta": {"content": "a\\ud83d"}}]}')
    assert delta.text == "a\ufffd"
    assert read_delta('{"choices": [{"delta": {"content": "\\ud83d\\ude00"}}]}').text == "😀"


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    with suppress(BadStream, ServerError):
        text_of(parse(body))
    detail_of(body)


NAMES = st.sampled_from(["choices", "delta", "content", "finish_reason", "error", "message", "code", "detail"])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
)


@given(ANY_JSON)
def test_no_json_raises_anything_else(value: object) -> None:
    with suppress(BadStream, ServerError):
        read_delta(json.dumps(value))
    assert isinstance(detail_of(json.dumps(value).encode()), str)
