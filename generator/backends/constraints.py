"""Which tokens may come next, so that a citation names a source that exists and a quote is in it, word for word.

The grammar, over UTF-8 bytes: outside a bracket everything is allowed; after "[" come the id of a source and, if the
model wants one, a space and a verbatim run of that source's sentence in straight double quotes; then "]".

    free    --[-->  id  --]-->  free
                    id  --space-->  space  --"-->  quote  --"-->  close  --]-->  free

Tokens are byte strings here, never characters: one token may end in the middle of 典 or hold ").[1". A token is
allowed if the automaton survives all its bytes. Pure code: knows no model, no tensor and no tokenizer class.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

MAX_QUOTE = 300
"""Characters of a quote after which only its end is allowed."""

_OPEN, _SHUT, _QUOTE, _SPACE, _ZERO = b'[]" 0'


class Place(IntEnum):
    """Where in the grammar the text is."""

    FREE = 0
    ID = 1
    SPACE = 2
    QUOTE = 3
    CLOSE = 4


class State(NamedTuple):
    """A state of the automaton.

    `source` is the id, or its digits so far (-1: none). `positions` are the byte offsets in the sentence where the
    quote may stand; `left` the characters that it may still take (MAX_QUOTE: it is empty).
    """

    place: Place
    source: int = -1
    positions: tuple[int, ...] = ()
    left: int = 0


FREE = State(Place.FREE)
_ID = State(Place.ID)


class TokenTable:
    """The bytes that each token adds to the text. Built once for a tokenizer, shared by all requests.

    `spellings[i]` is what token i adds; b"" where it adds nothing (control tokens, unused ids). `ends` are the ids that
    end an answer. `unused` are ids that no token has: the output layer of many models is wider than the vocabulary.
    """

    def __init__(self, spellings: Sequence[bytes], ends: frozenset[int], unused: frozenset[int] = frozenset()) -> None:
        self.spellings = tuple(spellings)
        self.ends = ends
        self.unused = unused
        by_bytes: dict[bytes, list[int]] = {}
        for token, spelling in enumerate(self.spellings):
            if spelling and token not in ends:
                by_bytes.setdefault(spelling, []).append(token)
        self.words: list[bytes] = sorted(by_bytes)
        self.ids: list[tuple[int, ...]] = [tuple(by_bytes[word]) for word in self.words]
        self.openers: dict[int, bytes] = {
            token: spelling[spelling.index(_OPEN) :]
            for token, spelling in enumerate(self.spellings)
            if _OPEN in spelling
        }
        self._known = by_bytes.keys()
        missing = [byte for byte in b'[]" 0123456789' if bytes([byte]) not in self._known]
        if missing:
            raise ValueError(f"the tokenizer cannot write {bytes(missing).decode()!r} on their own")
        self._all_bytes = all(bytes([byte]) in self._known for byte in range(0x80, 0xF5) if byte not in (0xC0, 0xC1))
        if not self._all_bytes and any(map(_is_cut, self.words)):
            raise ValueError("the tokenizer has tokens for parts of characters, but not for every byte")

    @cached_property
    def longest(self) -> int:
        """Bytes of the longest token."""
        return max(map(len, self.words))

    def can_write(self, char: str) -> bool:
        """Whether every token path into this character leads out of it, so that a quote never gets stuck."""
        if "\ud800" <= char <= "\udfff":
            return False
        spelling = char.encode()
        return spelling in self._known or (len(spelling) > 1 and self._all_bytes)


def _is_cut(word: bytes) -> bool:
    """Whether these bytes begin or end inside a character."""
    try:
        word.decode()
    except UnicodeDecodeError:
        return True
    return False


class CitationGrammar:
    """The automaton for one request's sources, and the tokens that each of its states allows."""

    def __init__(self, table: TokenTable, sources: Mapping[int, str], max_quote: int = MAX_QUOTE) -> None:
        if not sources or min(sources) < 0:
            raise ValueError("sources need ids from 0 up")
        self.table = table
        self.sources = sources
        self.max_quote = max_quote
        self._digits: dict[int, set[int]] = {}  # digits of an id so far -> the digits that may follow
        for source in sources:
            number = -1
            for digit in map(int, str(source)):
                self._digits.setdefault(number, set()).add(digit)
                number = digit if number < 0 else number * 10 + digit
        self._text = {source: self._quotable(sentence) for source, sentence in sources.items()}
        self._starts = {source: _starts(text) for source, text in self._text.items()}
        self._closing: dict[int, int] = {}
        self._allowed: dict[State, dict[int, State]] = {}

    def _quotable(self, sentence: str) -> bytes:
        """The sentence with a quotation mark wherever a quote has to end: the grammar ends a line and a quote there."""
        return "".join(c if c not in '"\n\r' and self.table.can_write(c) else '"' for c in sentence).encode()

    def step(self, state: State, data: bytes) -> State | None:
        """The state after these bytes; None where they leave the grammar."""
        at = 0
        while at < len(data):
            if state.place is Place.FREE:
                at = data.find(_OPEN, at)
                if at < 0:
                    return FREE
            following = self._next(state).get(data[at])
            if following is None:
                return None
            state = following
            at += 1
        return state

    def _next(self, state: State) -> dict[int, State]:
        """The bytes that may follow and where they lead; of the free state only the bracket."""
        place, source, _, _ = state
        if place is Place.FREE:
            return {_OPEN: _ID}
        if place is Place.ID:
            return self._after_digits(source)
        if place is Place.SPACE:
            return {_QUOTE: State(Place.QUOTE, source, self._starts[source], self.max_quote)}
        if place is Place.QUOTE:
            return self._after_quoted(state)
        return {_SHUT: FREE}

    def _after_digits(self, number: int) -> dict[int, State]:
        found = {
            _ZERO + digit: State(Place.ID, digit if number < 0 else number * 10 + digit)
            for digit in self._digits.get(number, ())
        }
        if number in self._text:
            found[_SHUT] = FREE
            if self._starts[number]:
                found[_SPACE] = State(Place.SPACE, number)
        return found

    def _after_quoted(self, state: State) -> dict[int, State]:
        _, source, positions, left = state
        text = self._text[source]
        inside = positions[0] < len(text) and text[positions[0]] & 0xC0 == 0x80
        found: dict[int, State] = {}
        if left > 0 or inside:
            moved: dict[int, list[int]] = {}
            for position in positions:
                if position < len(text) and text[position] != _QUOTE:
                    moved.setdefault(text[position], []).append(position + 1)
            for byte, places in moved.items():
                found[byte] = State(Place.QUOTE, source, tuple(places), left if inside else left - 1)
        if not inside and left < self.max_quote:
            found[_QUOTE] = State(Place.CLOSE)
        return found

    def bytes_to_close(self, state: State) -> int:
        """The fewest bytes, and so at most that many tokens, until the bracket is closed; 0 outside one."""
        place, source, positions, left = state
        if place is Place.FREE:
            return 0
        if place is Place.CLOSE:
            return 1
        if place is Place.ID:
            if source not in self._closing:
                ways = (self.bytes_to_close(following) for following in self._after_digits(source).values())
                self._closing[source] = 1 + (0 if source in self._text else min(ways))
            return self._closing[source]
        text = self._text[source]
        if place is Place.SPACE or left == self.max_quote:
            first = min(_character_bytes(text[start]) for start in self._starts[source])
            return first + 2 + (place is Place.SPACE)
        position = positions[0]
        rest = 0
        while position + rest < len(text) and text[position + rest] & 0xC0 == 0x80:
            rest += 1
        return rest + 2

    @cached_property
    def free_openers(self) -> dict[int, State]:
        """The tokens with a bracket that are allowed outside one, and where they lead."""
        found = {}
        after: dict[bytes, State | None] = {}
        for token, tail in self.table.openers.items():
            if tail not in after:
                after[tail] = self.step(FREE, tail)
            state = after[tail]
            if state is not None:
                found[token] = state
        return found

    @cached_property
    def free_blocked(self) -> tuple[int, ...]:
        """The tokens that are not allowed outside a bracket."""
        openers = (token for token in self.table.openers if token not in self.free_openers)
        return tuple(sorted({*openers, *self.table.unused}))

    def allowed(self, state: State) -> dict[int, State]:
        """Inside a bracket: the tokens that may come next and where they lead. Never empty."""
        key = state
        if state.place is Place.QUOTE and self.table.longest < state.left < self.max_quote:
            key = state._replace(left=self.table.longest + 1)  # the limit is out of this token's reach
        found = self._allowed.get(key)
        if found is None:
            found = dict(self._walk(key))
            if len(self._allowed) < 4096:
                self._allowed[key] = found
        if key is not state:
            spent = state.left - key.left
            found = {t: s._replace(left=s.left + spent) if s.place is Place.QUOTE else s for t, s in found.items()}
        return found

    def _walk(self, state: State) -> Iterator[tuple[int, State]]:
        """Follows the automaton and the sorted vocabulary together: only prefixes of tokens are ever tried."""
        words, ids = self.table.words, self.table.ids
        stack = [(state, b"", 0, len(words))]
        while stack:
            at, prefix, low, high = stack.pop()
            for byte, following in self._next(at).items():
                longer = prefix + bytes([byte])
                first = bisect_left(words, longer, low, high)
                last = bisect_left(words, prefix + bytes([byte + 1]), first, high)
                if first == last:
                    continue
                if following.place is not Place.FREE:
                    if words[first] == longer:
                        yield from ((token, following) for token in ids[first])
                    stack.append((following, longer, first, last))
                    continue
                for index in range(first, last):
                    end = self.step(FREE, words[index][len(longer) :])
                    if end is not None:
                        yield from ((token, end) for token in ids[index])


def _starts(text: bytes) -> tuple[int, ...]:
    """Offsets where a quote may begin: at a character that is no space and no end of a run."""
    return tuple(i for i, byte in enumerate(text) if byte & 0xC0 != 0x80 and byte not in b'" \t\v\f')


def _character_bytes(lead: int) -> int:
    """Bytes of a UTF-8 character, by its first one."""
    return 1 + (lead >= 0xC0) + (lead >= 0xE0) + (lead >= 0xF0)


class CitationWalk:
    """How far one answer has come in the grammar."""

    def __init__(self, grammar: CitationGrammar) -> None:
        self.grammar = grammar
        self.state = FREE
        self._tight = 8 + max(len(str(source)) for source in grammar.sources)  # no bracket takes more to close

    def allowed(self, tokens_left: int) -> dict[int, State] | None:
        """The tokens that may come next, or None for all but `free_blocked`, when `tokens_left` may still be written.

        Every bracket that is opened can be closed within the tokens left.
        """
        if self.state.place is Place.FREE:
            return None
        found = self.grammar.allowed(self.state)
        if tokens_left > self._tight:
            return found
        return {t: s for t, s in found.items() if self.grammar.bytes_to_close(s) < tokens_left} or found

    def too_late(self, tokens_left: int) -> list[int]:
        """Outside a bracket: the tokens that would open one which cannot be closed any more."""
        if tokens_left > self._tight:
            return []
        close = self.grammar.bytes_to_close
        return [token for token, state in self.grammar.free_openers.items() if close(state) >= tokens_left]

    def advance(self, token: int) -> None:
        """Takes the token that was chosen. Raises ValueError where it was not allowed."""
        table = self.grammar.table
        if self.state.place is Place.FREE and token not in table.openers:
            return
        state = self.grammar.step(self.state, table.spellings[token]) if table.spellings[token] else None
        if state is None:
            raise ValueError(f"token {token} {table.spellings[token]!r} is not allowed in state {self.state}")
        self.state = state
