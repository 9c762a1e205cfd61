"""Which backend serves a setting: one function per kind, chosen by what the setting looks like."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from generator.llm import LLM

EXTRACTIVE = "extractive"


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """`llm` is "extractive", a hub name or local path, or an http(s) base URL, then with `model` and perhaps `key`.

    `slots` drafts are written at a time and `queue` more wait.
    """

    llm: str = EXTRACTIVE
    model: str = ""
    key: str = ""
    device: str = "auto"
    context_tokens: int | None = None
    quantization: str = ""
    slots: int = 32
    queue: int = 64


def _open_server(settings: BackendSettings) -> LLM:
    from generator.backends.openai import OpenAIServer, OpenAISettings

    return OpenAIServer(
        OpenAISettings(
            base_url=settings.llm,
            model=settings.model,
            key=settings.key,
            context_tokens=settings.context_tokens,
            slots=settings.slots,
            queue=settings.queue,
        )
    )


def _open_local(settings: BackendSettings) -> LLM:
    from generator.backends.batching import BatchSettings
    from generator.backends.loading import ModelSettings
    from generator.backends.transformers import TransformersLLM, TransformersSettings

    model = ModelSettings(name=settings.llm, device=settings.device, quantization=settings.quantization)
    return TransformersLLM(TransformersSettings(model, BatchSettings(rows=settings.slots), settings.queue))


BACKENDS: dict[str, Callable[[BackendSettings], LLM]] = {"server": _open_server, "local": _open_local}


def open_backend(settings: BackendSettings) -> LLM | None:
    """The language model of the settings; None for the extractive answerer. Raises LLMUnavailable."""
    if settings.llm == EXTRACTIVE:
        return None
    kind = "server" if urlsplit(settings.llm).scheme in ("http", "https") else "local"
    return BACKENDS[kind](settings)
