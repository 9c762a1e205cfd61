"""What happens where a GPU is too small, fails, or is not there; none is needed for that."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from generator.backends.loading import pick_device
from generator.llm import LLMUnavailable
from indexer import device
from indexer.embedder import EmbedderSettings, SentenceTransformerEmbedder
from indexer.errors import EmbedderProblem
from tests.fakes import HashEmbedder

TEXTS = [f"text {i} of some words about paid leave" for i in range(16)]


class SmallGpu:
    """A model whose memory holds `room` texts at a time."""

    max_seq_length = 256

    def __init__(self, room: int) -> None:
        self.room = room
        self.sizes: list[int] = []
        self._hashes = HashEmbedder()

    def encode_document(self, texts: Sequence[str], *, batch_size: int, **_: Any) -> np.ndarray[Any, Any]:
        for at in range(0, len(texts), batch_size):
            self._take(len(texts[at : at + batch_size]))
        return self._hashes.embed_documents(texts)

    def encode_query(self, text: str, **_: Any) -> np.ndarray[Any, Any]:
        self._take(1)
        return self._hashes.embed_query(text)

    def _take(self, count: int) -> None:
        self.sizes.append(count)
        if count > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has …")


class FailingGpu(SmallGpu):
    """Its memory is enough, its driver is not."""

    def _take(self, count: int) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


def embedder_on(gpu: SmallGpu) -> SentenceTransformerEmbedder:
    embedder = SentenceTransformerEmbedder(EmbedderSettings(device="cpu"))
    vars(embedder).update(_model=gpu, _pool=None)
    return embedder


@pytest.mark.parametrize("room", [1, 3, 8, 16])
def test_a_batch_for_which_there_is_no_memory_is_halved(room: int, caplog: pytest.LogCaptureFixture) -> None:
    gpu = SmallGpu(room)
    vectors = embedder_on(gpu).embed_documents(TEXTS)
    np.testing.assert_array_equal(vectors, HashEmbedder().embed_documents(TEXTS))
    tried = {1: [16, 8, 4, 2], 3: [16, 8, 4], 8: [16], 16: []}[room]
    assert [size for size in gpu.sizes if size > room] == tried
    assert len(caplog.records) == len(tried)


def test_the_batches_that_follow_start_with_what_fits() -> None:
    gpu = SmallGpu(4)
    embedder = embedder_on(gpu)
    embedder.embed_documents(TEXTS)
    gpu.sizes.clear()
    vectors = embedder.embed_documents(TEXTS[::-1])
    assert max(gpu.sizes) <= 4
    np.testing.assert_array_equal(vectors, HashEmbedder().embed_documents(TEXTS[::-1]))


def test_no_memory_for_a_single_text_is_an_error_that_says_what_to_do() -> None:
    gpu = SmallGpu(0)
    with pytest.raises(EmbedderProblem, match=r"Tried to allocate 2\.00 GiB\.\).*nvidia-smi.*TENKYO_DEVICE"):
        embedder_on(gpu).embed_documents(TEXTS)
    assert gpu.sizes == [16, 8, 4, 2, 1]
    with pytest.raises(EmbedderProblem, match="no memory"):
        embedder_on(gpu).embed_query("leave")


def test_a_gpu_that_fails_is_an_error_at_once() -> None:
    gpu = FailingGpu(99)
    with pytest.raises(EmbedderProblem, match=r"illegal memory access.*nvidia-smi"):
        embedder_on(gpu).embed_documents(TEXTS)
    with pytest.raises(EmbedderProblem, match="illegal memory access"):
        embedder_on(gpu).embed_query("leave")


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch as it is where two GPUs are."""
    monkeypatch.setattr("torch.version.cuda", "12.8")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)


def refusals(name: str) -> Iterator[str]:
    """What the embedding and the language model say of a device."""
    with pytest.raises(EmbedderProblem) as embedder:
        SentenceTransformerEmbedder(EmbedderSettings(device=name)).embed_query("leave")
    yield str(embedder.value)
    with pytest.raises(LLMUnavailable) as llm:
        pick_device(name)
    yield str(llm.value)


@pytest.mark.skipif(torch.version.cuda is not None, reason="this torch is built with CUDA")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_a_torch_without_cuda_is_named(name: str) -> None:
    for message in refusals(name):
        assert f"cannot run on {name}: torch {torch.__version__} is built without CUDA: install" in message
        assert "set TENKYO_DEVICE to cpu" in message


@pytest.mark.usefixtures("gpus")
def test_a_missing_gpu_or_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for message in refusals("cuda"):
        assert "torch finds no GPU: `nvidia-smi` has to show one, with a driver for CUDA 12.8" in message


@pytest.mark.usefixtures("gpus")
def test_a_number_that_no_gpu_has_is_named() -> None:
    for message in refusals("cuda:2"):
        assert "there is no cuda:2, the last GPU is cuda:1" in message
    assert [device.missing_gpu(name) for name in ("cuda", "cuda:0", "cuda:1", "cpu")] == [None] * 4
    assert pick_device("cuda:1") == "cuda:1"


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file of a GPU in /dev."""
    monkeypatch.setattr(Path, "glob", lambda *_: iter([Path("/dev/nvidia0")]))
    device.has_gpu.cache_clear()
    yield
    device.has_gpu.cache_clear()


@pytest.mark.usefixtures("driver", "gpus")
def test_a_gpu_is_taken_by_itself() -> None:
    assert device.has_gpu()


@pytest.mark.usefixtures("driver")
@pytest.mark.skipif(torch.version.cuda is not None, reason="this torch is built with CUDA")
def test_a_gpu_that_torch_cannot_use_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert not device.has_gpu()
    assert "though there is a GPU: torch" in caplog.text
    assert "built without CUDA" in caplog.text
