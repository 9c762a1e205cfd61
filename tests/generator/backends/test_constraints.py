"""The automaton against brute force and against an independent reading of what it let through."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.backends.constraints import FREE, CitationGrammar, CitationWalk, Place, State, TokenTable
from generator.backends.tokens import Detokenizer, byte_alphabet, token_table
from tests.generator.backends.citations import brackets
from tests.generator.backends.tiny_model import SOURCES, TOKENIZERS, wrap

_BYTES = [bytes([byte]) for byte in range(256)]
_ODD = [
    b"[1", b" [", b").[", b'[1 "', b'"]', b'"].', b'"] [', b"] [", b"][1]", b"[]", b"[12]", b"[12", b"2]", b"0]\n",
    b' "', b"[1] [12]", "典".encode()[:2], "典拠".encode()[1:4], "。[".encode(), b"\xe3", b"limit", b" limit",
    b"]]", b"[[",
    b'""', b'[1 "T', "在宅".encode(),
]  # fmt: skip
ODD_TABLE = TokenTable([b"", b"", *_BYTES, *_ODD, b"a"], ends=frozenset({1}), unused=frozenset({0}))


def tables() -> list[TokenTable]:
    """A table of each family."""
    found = [ODD_TABLE]
    for build in TOKENIZERS.values():
        tokenizer = wrap(build())
        found.append(token_table(tokenizer, frozenset({tokenizer.eos_token_id}), len(tokenizer) + 5))
    return found


TABLES = tables()
SENTENCES = st.text(alphabet=st.sampled_from('ab 12"[]\n典在宅😀é。'), max_size=24)


def spell(table: TokenTable, tokens: list[int]) -> str:
    text = Detokenizer(table.spellings)
    return "".join(map(text.feed, tokens))


def wander(grammar: CitationGrammar, rng: random.Random, tokens: int) -> list[int]:
    """A random answer that the grammar allows; half of its free tokens open a bracket."""
    walk, written = CitationWalk(grammar), []
    free = [i for i, spelling in enumerate(grammar.table.spellings) if spelling and i not in grammar.free_blocked]
    for left in range(tokens, 0, -1):
        allowed = walk.allowed(left)
        if allowed is None:
            late = walk.too_late(left)
            some = [token for token in grammar.free_openers if token not in late] if rng.random() < 0.5 else []
            token = rng.choice(some or [token for token in free if token not in late])
        else:
            assert allowed, f"nothing may follow {walk.state}"
            assert not set(allowed) & grammar.table.ends
            token = rng.choice(list(allowed))
        walk.advance(token)
        written.append(token)
    assert walk.state == FREE, "an answer that runs out of tokens has closed its last bracket"
    return written


@given(
    st.sampled_from(range(len(TABLES))),
    st.dictionaries(st.integers(0, 130), SENTENCES, min_size=1, max_size=6),
    st.integers(1, 40),
    st.integers(0, 2**32),
)
@settings(max_examples=100, deadline=None)
def test_whatever_is_allowed_can_be_closed_and_is_true(
    which: int, sources: dict[int, str], tokens: int, seed: int
) -> None:
    grammar = CitationGrammar(TABLES[which], sources, max_quote=5)
    text = spell(TABLES[which], wander(grammar, random.Random(seed), tokens))
    assert all(quote is None or len(quote) <= 5 for _, quote in brackets(text, sources))


@pytest.mark.parametrize("which", range(len(TABLES)))
def test_allowed_tokens_are_those_that_brute_force_finds(which: int) -> None:
    table, rng, places = TABLES[which], random.Random(which), set()
    grammar = CitationGrammar(table, SOURCES)
    silent = {i for i, spelling in enumerate(table.spellings) if not spelling}
    for _ in range(25):
        walk = CitationWalk(grammar)
        for token in wander(grammar, rng, 30):
            state = walk.state
            if state.place in places and rng.random() < 0.6:
                walk.advance(token)
                continue
            found = {
                i: after
                for i, spelling in enumerate(table.spellings)
                if i not in silent and (after := grammar.step(state, spelling)) is not None
            }
            if state.place is Place.FREE:
                blocked = set(grammar.free_blocked)
                assert found.keys() == set(range(len(table.spellings))) - silent - blocked
            else:
                assert grammar.allowed(state) == found
            places.add(state.place)
            walk.advance(token)
    assert places == set(Place)


@pytest.mark.parametrize("which", range(len(TABLES)))
def test_thousands_of_brackets(which: int) -> None:
    rng, seen = random.Random(which), []
    grammar = CitationGrammar(TABLES[which], SOURCES)
    for _ in range(40):
        seen += brackets(spell(TABLES[which], wander(grammar, rng, 200)), SOURCES)
    assert len(seen) > 1000
    assert {source for source, _ in seen} == set(SOURCES)
    assert {source for source, quote in seen if quote} == {s for s, text in SOURCES.items() if text.strip('"')}


def after(grammar: CitationGrammar, text: str | bytes) -> State | None:
    return grammar.step(FREE, text.encode() if isinstance(text, str) else text)


def test_ids_that_begin_alike() -> None:
    grammar = CitationGrammar(ODD_TABLE, {1: "a", 12: "b", 120: "c"})
    assert after(grammar, "[1]") == after(grammar, "[12]") == after(grammar, "[120]") == FREE
    assert all(
        after(grammar, wrong) is None for wrong in ("[2", "[13", "[10", "[121", "[1200", "[]", "[01", "[ 1", "[a")
    )
    assert after(grammar, '[12 "b"]') == FREE
    assert after(grammar, '[12 "a') is None, "the words of another source"


def test_quotes_are_verbatim_and_not_empty() -> None:
    grammar = CitationGrammar(ODD_TABLE, {1: 'He said "no" to 典拠。', 2: '""', 3: ""}, max_quote=4)
    assert after(grammar, '[1 "典拠"]') == after(grammar, '[1 "said"] and [1]') == FREE
    wrong = ['[1 ""', '[1 "sai "', '[1 "no" to', '[1 "典典', '[1 " t', '[1 "said ', "[1 n", '[1 "no"', '[1 "no" ']
    assert [after(grammar, text) is None for text in wrong] == [True] * 7 + [False, True]
    assert after(grammar, '[1 "典'.encode() + b'"') is not None
    assert after(grammar, b'[1 "' + "典".encode()[:2] + b'"') is None, "no quote ends inside a character"
    assert after(grammar, '[2 "') is after(grammar, "[3 ") is None, "nothing there can be quoted"
    assert after(grammar, "[2]") == after(grammar, "[3]") == FREE


def test_a_token_is_judged_by_all_its_bytes() -> None:
    grammar = CitationGrammar(ODD_TABLE, {1: "a"})
    allowed = {ODD_TABLE.spellings[token] for token in grammar.free_openers}
    assert {b"[", b" [", b").[", b"[1", b'[1 "', "。[".encode()} <= allowed
    assert not {b"[]", b"[12]", b"[1] [12]", b"[[", b'[1 "T'} & allowed


def test_what_a_walk_refuses() -> None:
    walk = CitationWalk(CitationGrammar(ODD_TABLE, {1: "a"}))
    walk.advance(ODD_TABLE.spellings.index(b"["))
    for token in (0, 1, ODD_TABLE.spellings.index(b"2")):
        with pytest.raises(ValueError, match="not allowed"):
            walk.advance(token)
    with pytest.raises(ValueError, match="ids"):
        CitationGrammar(ODD_TABLE, {})


def test_a_tokenizer_that_cannot_spell_the_grammar_is_refused() -> None:
    with pytest.raises(ValueError, match="on their own"):
        TokenTable([b"a", b"[", b"]"], frozenset())
    signs = [bytes([byte]) for byte in b'[]" 0123456789']
    with pytest.raises(ValueError, match="parts of characters"):
        TokenTable([*signs, b"\xe3"], frozenset())


def test_characters_without_a_token_end_a_quote() -> None:
    signs = [bytes([byte]) for byte in b'[]" 0123456789']
    grammar = CitationGrammar(TokenTable([*signs, b"a", b"b"], frozenset()), {1: "ab典ba"})
    assert after(grammar, '[1 "ab"]') == FREE
    assert after(grammar, '[1 "典') is None


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_tokens_as_bytes(kind: str) -> None:
    tokenizer = wrap(TOKENIZERS[kind]())
    table = token_table(tokenizer, frozenset({tokenizer.eos_token_id}), len(tokenizer) + 5)
    for text in (*SOURCES.values(), "ゑ 𠮷野家 は tab\tand\nline", "two  spaces  "):
        ids = tokenizer.encode(text, add_special_tokens=False)
        detokenizer = Detokenizer(table.spellings)
        pieces = [detokenizer.feed(token) for token in ids]
        assert "".join(pieces).removeprefix(" ") == text.removeprefix(" ")
        assert not any("\ufffd" in piece for piece in pieces), "half a character"
    assert table.spellings[tokenizer.eos_token_id] == b""
    assert len(table.unused) == 5


def test_the_alphabet_of_byte_level_bpe() -> None:
    assert sorted(byte_alphabet().values()) == list(range(256))
    assert byte_alphabet()["Ġ"] == 0x20


def test_a_step_costs_little_at_150_000_tokens() -> None:
    """Not a benchmark: a bound that only a wrong algorithm, such as a pass over the vocabulary, would miss."""
    rng = random.Random(0)
    words = {"".join(rng.choices("etaoinshrdlu", k=rng.randint(4, 9))) for _ in range(155_000)}
    fragments = [word.encode() for word in sorted(words)][:148_000]
    table = TokenTable([*_BYTES, *_ODD, *fragments, b""], frozenset({len(_BYTES) + len(_ODD) + len(fragments)}))
    sources = {i: " ".join(rng.choices(sorted(words)[:5000], k=25)) for i in range(1, 41)}
    grammar = CitationGrammar(table, sources)
    walk = CitationWalk(grammar)
    start = time.perf_counter()
    for token in rng.choices(range(300, 100_000), k=1000):
        walk.allowed(500)
        walk.advance(token)
    assert time.perf_counter() - start < 0.2
    walk.advance(table.spellings.index(b"["))
    start = time.perf_counter()
    steps = 0
    while walk.state.place is not Place.FREE or steps < 100:
        allowed = walk.allowed(500)
        walk.advance(rng.choice(list(allowed)) if allowed else table.spellings.index(b"["))
        steps += 1
    assert (time.perf_counter() - start) / steps < 0.02
