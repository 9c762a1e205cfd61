"""The transformers backend with small random models: what it writes, alone and beside others."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessorList

from generator.backends.cache import new_cache
from generator.backends.constraints import CitationGrammar
from generator.backends.sampling import CitationLogitsProcessor, guided
from generator.backends.tokens import token_table
from generator.backends.transformers import TransformersLLM
from generator.llm import Message, Request, Sampling
from tests.generator.backends.citations import brackets
from tests.generator.backends.conftest import MakeLLM
from tests.generator.backends.tiny_model import SOURCES

INSTRUCTIONS = Message("system", "Answer from the sources only. Cite each claim. " * 4)


def ask(question: str = "What is the limit?", max_tokens: int = 40, **fields: object) -> Request:
    sampling = Sampling(**{name: fields.pop(name) for name in tuple(fields) if name in Sampling.__slots__})  # type: ignore[arg-type]
    messages = (INSTRUCTIONS, Message("user", question))
    return Request(messages, max_tokens, **{"sources": SOURCES, "sampling": sampling, **fields})  # type: ignore[arg-type]


def write(llm: TransformersLLM, request: Request) -> str:
    pieces = list(llm.generate(request))
    assert all(pieces), "an empty piece"
    return "".join(pieces)


def write_all(llm: TransformersLLM, requests: Sequence[Request]) -> list[str]:
    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(lambda request: write(llm, request), requests))


@pytest.mark.parametrize("model", ["byte_level", "sentencepiece"])
def test_every_sampled_citation_is_true(make_llm: MakeLLM, model: str) -> None:
    """512 answers in all, at temperatures from 1 to 2, in batches of up to 32 rows."""
    llm = make_llm(model, waiting=256)
    requests = [
        ask("在宅" * (seed % 7), 20 + seed % 41, temperature=1.0 + seed % 3 / 2, seed=seed, top_p=(1.0, 0.9)[seed % 2])
        for seed in range(256)
    ]
    seen = [citation for text in write_all(llm, requests) for citation in brackets(text, SOURCES)]
    assert len(seen) > 1500
    assert sum(quote is not None for _, quote in seen) > 100
    assert {source for source, _ in seen} == set(SOURCES)


def test_without_sources_nothing_is_constrained(make_llm: MakeLLM) -> None:
    text = write(make_llm("byte_level"), ask(max_tokens=200, sources={}, temperature=1.0))
    with pytest.raises(AssertionError):
        brackets(text, SOURCES)


@pytest.mark.parametrize("model", ["endless", "sentencepiece"])
def test_greedy_equals_generate(make_llm: MakeLLM, models: dict[str, object], model: str) -> None:
    """Our loop against transformers' own, with the same processor in both."""
    llm = make_llm(model, lookup=0, chunk=16)
    folder = str(models[model])
    reference: Any = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    request = ask(max_tokens=60)
    prompt = tokenizer.apply_chat_template(
        [{"role": m.role, "content": m.content} for m in request.messages],
        add_generation_prompt=True,
        return_tensors="pt",
    )["input_ids"]
    table = token_table(tokenizer, frozenset({tokenizer.eos_token_id}), reference.config.vocab_size)
    processor = CitationLogitsProcessor(CitationGrammar(table, SOURCES), 60, prompt.shape[1])
    ids = reference.generate(
        prompt, max_new_tokens=60, do_sample=False, logits_processor=LogitsProcessorList([processor])
    )[0, prompt.shape[1] :]
    expected = b"".join(table.spellings[token] for token in ids.tolist()).decode("utf-8", "replace")
    text = write(llm, request)
    assert text
    assert expected.removeprefix(" ").rstrip("\ufffd") == text.rstrip("\ufffd")


def test_greedy_is_the_same_every_time(make_llm: MakeLLM) -> None:
    llm = make_llm(chunk=16)
    texts = {write(llm, ask(max_tokens=80)) for _ in range(3)}
    assert texts == {write(make_llm(chunk=16), ask(max_tokens=80))}


def test_sampling_follows_its_seed(make_llm: MakeLLM) -> None:
    llm = make_llm()
    first, again, other = (write(llm, ask(temperature=1.0, seed=seed)) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("model", ["endless", "sliding"])
def test_32_streams_write_what_each_writes_alone(make_llm: MakeLLM, model: str) -> None:
    """Different prompts and lengths, greedy and sampled, some guided; float32."""
    llm = make_llm(model, chunk=32, rows=24)
    requests = [
        ask(
            f"Question {number}: " + "limit 典拠 " * (number % 9),
            12 + number % 23,
            temperature=float(number % 2),
            seed=number,
            guidance=2.0 if number % 5 == 0 else 1.0,
            bare_question="limit?",
        )
        for number in range(32)
    ]
    together = write_all(llm, requests)
    assert len(set(together)) > 25
    assert together == [write(llm, request) for request in requests]
    assert llm.load == (0, 0)


def test_known_prefixes_change_nothing(make_llm: MakeLLM) -> None:
    """Bit for bit: the first step's logits are equal, with a prefix found and without."""
    remembering, forgetting = make_llm(chunk=16, prefixes=2), make_llm(chunk=16, prefixes=0)
    for question in ("limit?", "limit? And in 典拠?", "Who?", "limit?"):
        request = ask(question, temperature=0.0)
        assert write(remembering, request) == write(forgetting, request)
    found = remembering._batch._prefixes
    assert len(found._kept) == 2
    prompt = remembering._prompts.ids(ask("limit?").messages)
    cache = new_cache(remembering._batch._config)
    with torch.inference_mode():
        start = found.find(prompt, cache)
        assert start == (len(prompt) - 1) // 16 * 16 > 32
        *_, warm = remembering._batch._chunks(prompt, cache, start)
        *_, cold = remembering._batch._chunks(prompt, new_cache(remembering._batch._config), 0)
    assert torch.equal(warm, cold)


def test_prompt_lookup_saves_steps_and_changes_nothing(make_llm: MakeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    with_lookup, without = make_llm(lookup=8), make_llm(lookup=0)
    steps = [0, 0]
    for index, llm in enumerate((with_lookup, without)):
        inner = llm._batch.step

        def counted(index: int = index, inner: object = inner) -> object:
            steps[index] += 1
            return inner()  # type: ignore[operator]

        monkeypatch.setattr(llm._batch, "step", counted)
    for temperature, guidance in ((0.0, 1.0), (1.0, 1.0), (0.0, 1.5)):
        request = ask("limit", 150, temperature=temperature, guidance=guidance, bare_question="limit")
        assert write(with_lookup, request) == write(without, request)
    assert steps[0] < steps[1], steps


def test_guidance_equals_two_passes(make_llm: MakeLLM, models: dict[str, object]) -> None:
    """Against transformers' own processor, and against logits computed by hand without any cache."""
    llm = make_llm(lookup=0)
    folder = str(models["endless"])
    reference: Any = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    request = ask(max_tokens=40, guidance=2.5, bare_question="What is the limit?", sources={})
    prompt, bare = llm._prompts.ids(request.messages), llm._prompts.ids([Message("user", request.bare_question)])
    ids = reference.generate(
        torch.tensor([prompt]),
        max_new_tokens=40,
        do_sample=False,
        guidance_scale=2.5,
        negative_prompt_ids=torch.tensor([bare]),
    )[0, len(prompt) :].tolist()
    spellings = token_table(tokenizer, frozenset({tokenizer.eos_token_id}), reference.config.vocab_size).spellings
    expected = b"".join(spellings[token] for token in ids).decode("utf-8", "replace").removeprefix(" ")
    assert write(llm, request).rstrip("\ufffd") == expected.rstrip("\ufffd")
    with torch.inference_mode():
        for count in (0, 1, 20, 39):
            given, alone = (
                reference(torch.tensor([[*tokens, *ids[:count]]])).logits[:, -1].log_softmax(-1)
                for tokens in (prompt, bare)
            )
            manual = alone + 2.5 * (given - alone)
            assert int(manual.argmax()) == ids[count]
            assert torch.allclose(guided(given, alone, 2.5), manual, atol=1e-5)
    assert write(llm, request) != write(llm, ask(max_tokens=40, sources={}))


def test_guidance_keeps_the_constraints(make_llm: MakeLLM) -> None:
    llm = make_llm("byte_level")
    requests = [
        ask(max_tokens=80, guidance=1.5, bare_question="limit", temperature=1.0, seed=seed) for seed in range(12)
    ]
    assert sum(len(brackets(text, SOURCES)) for text in write_all(llm, requests)) > 50
    with pytest.raises(ValueError, match="bare question"):
        llm.generate(ask(guidance=2.0))


def test_pieces_are_whole_characters(make_llm: MakeLLM) -> None:
    llm = make_llm("sentencepiece")
    sources = {1: SOURCES[2], 2: SOURCES[120]}
    for seed in range(8):
        pieces = list(llm.generate(ask(max_tokens=100, sources=sources, temperature=1.0, seed=seed)))
        quotes = [quote for _, quote in brackets("".join(pieces), sources) if quote]
        assert not any("\ufffd" in quote for quote in quotes)
    assert quotes
