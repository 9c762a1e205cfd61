"""Loads a decoder language model by hub name or local path, and says what it is. Every failure says what to do."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from generator.llm import LLMUnavailable
from indexer.device import missing_gpu

_WEIGHTS = ("*.safetensors", "*.bin", "*.json", "*.model", "*.jinja")
_SAMPLES = 64


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """`name` is a hub name or a local path.

    `dtype` is auto, float32, bfloat16 or float16; `quantization` is empty, 8bit or 4bit.
    """

    name: str
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    quantization: str = ""
    attention: str | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready, on its device."""

    model: Any
    tokenizer: Any
    name: str
    ends: frozenset[int]
    context_tokens: int
    bytes_per_token: int
    """Of the key-value cache."""


def load(settings: ModelSettings) -> Loaded:
    """Raises LLMUnavailable where the model cannot be loaded."""
    device = pick_device(settings.device)
    dtype = pick_dtype(settings.dtype, device)
    options: dict[str, Any] = {"revision": settings.revision} if settings.revision else {}
    try:
        config = AutoConfig.from_pretrained(settings.name, **options)
        tokenizer = AutoTokenizer.from_pretrained(settings.name, **options)
    except (OSError, ValueError, KeyError) as error:
        raise LLMUnavailable(
            f"cannot load the language model {settings.name!r}: {_first_line(error)} "
            "Set TENKYO_LLM to a folder with a transformers model, a hub name that this machine can reach, "
            "or 'extractive'."
        ) from error
    if not tokenizer.chat_template:
        raise LLMUnavailable(
            f"{settings.name!r} has no chat template, so it is a base model: use its instruction-tuned sibling, "
            "or put a chat_template.jinja beside the weights."
        )
    model = _model(settings, config, device, dtype, options)
    text = config.get_text_config(decoder=True)
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    numbers = settings.quantization or str(dtype).removeprefix("torch.")
    limits = [getattr(text, "max_position_embeddings", None), tokenizer.model_max_length]
    return Loaded(
        model,
        tokenizer,
        f"{settings.name}@{revision(settings.name, config)} {numbers}",
        _ends(model, tokenizer),
        min((limit for limit in limits if limit), default=4096),
        2 * text.num_hidden_layers * heads * width * model.dtype.itemsize,
    )


def pick_device(name: str) -> str:
    """The device for "auto": the GPU where there is one. Raises LLMUnavailable for a GPU that cannot be used."""
    if name != "auto":
        missing = missing_gpu(name)
        if missing is not None:
            raise LLMUnavailable(f"the language model cannot run on {name}: {missing}")
        return name
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def pick_dtype(name: str, device: str) -> torch.dtype:
    """The type for "auto": bfloat16 where the hardware multiplies it, else float32."""
    if name != "auto":
        dtype = getattr(torch, name, None)
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise LLMUnavailable(f"unknown dtype {name!r}: use auto, float32, bfloat16 or float16")
        return dtype
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device == "cpu" and _cpu_multiplies_bf16():
        return torch.bfloat16
    return torch.float32


def _cpu_multiplies_bf16() -> bool:
    """AMX or AVX512-BF16 (x86), BF16 (ARM); as Linux reports it, since torch has no public question for it."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return False
    flags = info.read_text(encoding="utf-8", errors="replace").split()
    return any(flag in flags for flag in ("amx_bf16", "avx512_bf16", "bf16"))


def _model(settings: ModelSettings, config: Any, device: str, dtype: torch.dtype, options: dict[str, Any]) -> Any:
    if settings.quantization:
        options = {**options, "quantization_config": _quantization(settings.quantization, device)}
    if settings.attention:
        options["attn_implementation"] = settings.attention
    on_device = importlib.util.find_spec("accelerate") is not None
    if on_device:
        options["device_map"] = device  # straight to the device, never twice in memory
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(settings.name, config=config, dtype=dtype, **options)
        return (model if on_device else model.to(device)).eval()
    except torch.OutOfMemoryError as error:
        raise LLMUnavailable(
            f"{settings.name!r} does not fit on {device}: {_first_line(error)} "
            "Take a smaller model, or set TENKYO_LLM_QUANTIZATION to 8bit or 4bit."
        ) from error
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
        raise LLMUnavailable(f"cannot load the weights of {settings.name!r}: {_first_line(error)}") from error


def _quantization(bits: str, device: str) -> Any:
    """The configuration for whichever library is installed."""
    if bits not in ("8bit", "4bit"):
        raise LLMUnavailable(f"unknown quantization {bits!r}: use 8bit or 4bit, or leave it empty")
    accelerated = importlib.util.find_spec("accelerate") is not None
    if accelerated and device.startswith("cuda") and importlib.util.find_spec("bitsandbytes") is not None:
        from transformers import BitsAndBytesConfig

        if bits == "8bit":
            return BitsAndBytesConfig(load_in_8bit=True)  # type: ignore[no-untyped-call]
        return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16, bnb_4bit_quant_type="nf4"
        )
    if accelerated and importlib.util.find_spec("torchao") is not None:
        from torchao.quantization import (  # type: ignore[import-not-found]
            Int4WeightOnlyConfig,
            Int8WeightOnlyConfig,
        )
        from transformers import TorchAoConfig

        return TorchAoConfig(Int8WeightOnlyConfig() if bits == "8bit" else Int4WeightOnlyConfig())
    raise LLMUnavailable(
        f"{bits} quantization needs a library: pip install accelerate bitsandbytes (CUDA) or accelerate torchao, "
        "or leave the setting empty."
    )


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end an answer; chat models often have two, one for the turn and one for the text."""
    stated = model.generation_config.eos_token_id if model.generation_config is not None else None
    found = stated if isinstance(stated, list) else [stated]
    ends = frozenset(token for token in (*found, tokenizer.eos_token_id) if token is not None)
    if not ends:
        raise LLMUnavailable("the model names no end-of-sequence token (generation_config.json, eos_token_id)")
    return ends


def revision(name: str, config: Any) -> str:
    """The hub's commit; of a folder, a hash over its configuration files and its weights' names, sizes and samples.

    Two fine-tunings of one model have the same names and sizes. Samples of 4 KiB tell them apart, without reading all.
    """
    folder = Path(name)
    if not folder.is_dir():
        commit = getattr(config, "_commit_hash", None)
        if commit is None:
            raise LLMUnavailable(f"no commit is known of {name!r}: download the model and give the folder")
        return str(commit)
    digest = hashlib.sha256()
    for file in sorted({file for pattern in _WEIGHTS for file in folder.glob(pattern)}):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        if file.suffix in (".json", ".jinja"):
            digest.update(file.read_bytes())
            continue
        with file.open("rb") as stream:
            for part in range(_SAMPLES):
                stream.seek(file.stat().st_size * part // _SAMPLES)
                digest.update(stream.read(4096))
    return digest.hexdigest()[:12]


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".") + "."
