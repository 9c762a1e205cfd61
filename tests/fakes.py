"""Fakes that every fast test uses in place of models."""

import hashlib
from collections.abc import Sequence

import numpy as np

from indexer.analysis import terms
from indexer.embedder import Vectors

DIMENSIONS = 64


class HashEmbedder:
    """Bag of hashed terms as a unit vector: texts that share words are near. Reads only ASCII, as an English model does."""

    def __init__(self, fingerprint: str = "hash@1") -> None:
        self._fingerprint = fingerprint
        self.embedded_texts = 0

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.embedded_texts += len(texts)
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> Vectors:
        vector = np.full(DIMENSIONS, 1e-3, dtype=np.float32)
        for term in terms(text):
            vector[hashlib.sha256(term.encode()).digest()[0] % DIMENSIONS] += 1.0
        return vector / np.linalg.norm(vector)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(terms(text)) for text in texts]

    def coverage(self, text: str) -> float:
        letters = [char for char in text if char.isalpha()]
        return sum(char.isascii() for char in letters) / len(letters) if letters else 1.0
