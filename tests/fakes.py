"""Fakes that every fast test uses in place of models."""

import hashlib
from collections.abc import Sequence

import numpy as np

from generator.evidence import FEATURES
from generator.scoring import EvidenceModel, Linear
from indexer.analysis import terms
from indexer.document import ExtractedDocument
from indexer.embedder import Vectors
from indexer.readers import read_document
from indexer.sandbox import ReaderProcess

DIMENSIONS = 64


class HashEmbedder:
    """Bag of hashed terms as a unit vector: texts that share words are near.

    Reads only ASCII, as an English model does.
    """

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


class ReaderInProcess(ReaderProcess):
    """Reads documents here instead of in a child, whose start takes most of the time of a small run."""

    def read(self, path: str, data: bytes) -> ExtractedDocument:
        """Text of one file."""
        return read_document(path, data)


def handmade_evidence() -> tuple[EvidenceModel, EvidenceModel]:
    """Weights that need no training: a sentence that holds the words of the question answers it.

    Confidence passes 0.5 where the best sentence with its context holds more than half of what the question asks for.
    """
    sentence = np.zeros(len(FEATURES))
    sentence[FEATURES.index("sentence_coverage")] = 6.0
    sentence[FEATURES.index("context_coverage")] = 4.0
    answer = np.zeros(len(FEATURES) + 3)
    answer[FEATURES.index("context_coverage")] = 10.0
    model = EvidenceModel(Linear(sentence, -5.0), Linear(answer, -5.0))
    return model, model
