"""Tokens as bytes: what each id of a tokenizer adds to the text, and how to send that text without half characters.

Knows the two spellings in use: the printable alphabet of byte-level BPE (Llama 3, Qwen, Mistral's tekken, GPT) and
SentencePiece's ▁ and <0xE3> (Llama 2, Gemma). A tokenizer of neither kind is refused, never guessed at.
"""

import codecs
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from generator.backends.constraints import TokenTable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_PROBES = ('Limit: 165 pounds a night. [4 "a night"]', "在宅勤務は週に3日まで。「第5条」[12]", "Zürich – naïve café 😀")


def byte_alphabet() -> dict[str, int]:
    """The character for each byte in byte-level BPE: printable ones stand for themselves, others follow U+0100.

    https://github.com/openai/gpt-2/blob/master/src/encoder.py, `bytes_to_unicode`.
    """
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = (byte for byte in range(256) if byte not in plain)
    return {**{chr(byte): byte for byte in plain}, **{chr(256 + i): byte for i, byte in enumerate(rest)}}


def token_table(tokenizer: "PreTrainedTokenizerBase", ends: frozenset[int], width: int) -> TokenTable:
    """The bytes of every token; `width` is that of the model's output layer.

    Raises ValueError where the tokenizer is of no known kind, or where its own decoding disagrees with the table.
    """
    byte_level = _is_byte_level(tokenizer)
    alphabet = byte_alphabet()
    added = tokenizer.added_tokens_decoder
    spellings = [b""] * max(width, len(tokenizer))
    unused = set(range(len(spellings)))
    for text, token in tokenizer.get_vocab().items():
        unused.discard(token)
        if token in added:
            content = added[token].content if byte_level else added[token].content.replace("▁", " ")
            spellings[token] = b"" if added[token].special else content.encode()
        elif token in tokenizer.all_special_ids:
            spellings[token] = b""
        elif byte_level:
            # What is not in the alphabet stands for itself, as in tokenizers' own decoder
            spellings[token] = bytes(alphabet[c] for c in text) if alphabet.keys() >= set(text) else text.encode()
        elif (byte := _BYTE_TOKEN.fullmatch(text)) is not None:
            spellings[token] = bytes([int(byte.group(1), 16)])
        else:
            spellings[token] = text.replace("▁", " ").encode()
    table = TokenTable(spellings[:width], ends, frozenset(token for token in unused if token < width))
    _agree(tokenizer, table)
    return table


def _is_byte_level(tokenizer: "PreTrainedTokenizerBase") -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    kinds = (
        set(re.findall(r'"type": ?"(\w+)"', json.dumps(json.loads(backend.to_str())["decoder"]))) if backend else set()
    )
    if "ByteLevel" in kinds:
        return True
    if kinds & {"Metaspace", "ByteFallback", "Replace"}:
        return False
    raise ValueError(f"{type(tokenizer).__name__} is neither a byte-level nor a SentencePiece-like fast tokenizer")


def _agree(tokenizer: "PreTrainedTokenizerBase", table: TokenTable) -> None:
    """The table must spell what the tokenizer reads: a wrong table would let wrong citations through."""
    for probe in _PROBES:
        ids = tokenizer.encode(probe, add_special_tokens=False)
        if any(token == tokenizer.unk_token_id for token in ids):
            continue  # a character that it does not have; the others are checked by the other probes
        spelt = b"".join(table.spellings[token] for token in ids).decode("utf-8", "replace")
        if spelt.removeprefix(" ") != probe:
            raise ValueError(f"{type(tokenizer).__name__} turns {probe!r} into tokens that spell {spelt!r}")


class Detokenizer:
    """The text of one answer, piece by piece.

    Half a character waits for its other half; one that never comes is dropped.
    One space before the first word goes: SentencePiece writes it before every word, the first included.
    """

    def __init__(self, spellings: Sequence[bytes]) -> None:
        self._spellings = spellings
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._strip = True

    def feed(self, token: int) -> str:
        """The characters that this token completes."""
        text = self._decoder.decode(self._spellings[token])
        if self._strip and text:
            self._strip = False
            text = text.removeprefix(" ")
        return text
