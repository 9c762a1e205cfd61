"""Tiny random models, built once for the session, and language models that are closed after the test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from generator.backends.transformers import TransformersLLM

MakeLLM = Callable[..., "TransformersLLM"]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of models: one that ends by itself, one that never does, and relatives."""
    import torch

    from tests.generator.backends import tiny_model

    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("models")
    eager = {"[": 7.0, '"': 1.5, "<|end|>": 1.0}
    endless = {"[": 3.0, "<|end|>": -60.0}
    return {
        "byte_level": tiny_model.build(root / "byte_level", favoured=eager),
        "sentencepiece": tiny_model.build(root / "sentencepiece", "sentencepiece", eager),
        "endless": tiny_model.build(root / "endless", favoured=endless),
        "sliding": tiny_model.build(root / "sliding", favoured=endless, sliding_window=24),
        "no_template": tiny_model.build(root / "no_template", chat_template=None),
    }


@pytest.fixture
def make_llm(models: dict[str, Path]) -> Iterator[MakeLLM]:
    from generator.backends.batching import BatchSettings
    from generator.backends.loading import ModelSettings
    from generator.backends.transformers import TransformersLLM, TransformersSettings

    made: list[TransformersLLM] = []

    def make(model: str = "endless", waiting: int = 64, **batch: int) -> "TransformersLLM":
        settings = ModelSettings(str(models[model]), device="cpu", dtype="float32")
        made.append(TransformersLLM(TransformersSettings(settings, BatchSettings(**batch), waiting)))
        return made[-1]

    yield make
    for llm in made:
        llm.close()
