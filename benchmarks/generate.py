"""Speed of the transformers backend at 1, 8 and 32 streams, beside plain generate() and the bound of memory bandwidth.

    python -m benchmarks.generate --model PATH_OR_HUB_NAME
    python -m benchmarks.generate --shape qwen3-4b          # random weights, made on the device in bf16

Speed does not depend on what the weights are, only on their shape. A random model of a shape gets a tokenizer trained
here, of a small vocabulary; the output layer keeps the width of the real one. Every stream writes the same number of
tokens (the end token is banned), with citations constrained by 30 sources, as in service.

The bound: a step reads all weights once, whatever the number of streams, so a step takes at least bytes of weights /
bandwidth, where bandwidth is that of a copy measured here (a copy of n bytes moves 2n).
"""

import argparse
import contextlib
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, Qwen3Config

from benchmarks.machine import describe_processor
from generator.backends.batching import BatchSettings
from generator.backends.loading import Loaded, ModelSettings, load, pick_device, pick_dtype
from generator.backends.transformers import TransformersLLM, TransformersSettings
from generator.llm import Deadlines, Message, Request

SHAPES: dict[str, Any] = {
    # config.json of Qwen/Qwen3-4B
    "qwen3-4b": lambda: Qwen3Config(
        vocab_size=151936, hidden_size=2560, intermediate_size=9728, num_hidden_layers=36, num_attention_heads=32,
        num_key_value_heads=8, head_dim=128, max_position_embeddings=40960, tie_word_embeddings=True,
    ),
    # config.json of meta-llama/Llama-3.1-8B
    "llama3.1-8b": lambda: LlamaConfig(
        vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=8, max_position_embeddings=131072, tie_word_embeddings=False,
    ),
    "tiny": lambda: LlamaConfig(
        vocab_size=2048, hidden_size=256, intermediate_size=768, num_hidden_layers=4, num_attention_heads=8,
        num_key_value_heads=4, max_position_embeddings=8192, tie_word_embeddings=False,
    ),
}  # fmt: skip
SENTENCE = "The limit for a hotel in London is 165 pounds a night, and receipts must be handed in within 30 days. "


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds until each stream's first piece, tokens of all streams, seconds until the last stream's end."""

    first: list[float]
    tokens: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model")
    what.add_argument("--shape", choices=SHAPES)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--prompt-tokens", type=int, default=1024)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--lookup", type=int, default=0, help="tokens of prompt lookup; 0: every token is a step")
    parser.add_argument("--free", action="store_true", help="no sources, so no constraints")
    arguments = parser.parse_args()
    loaded = _loaded(arguments)
    bandwidth = copy_bandwidth(loaded.model.device)
    weights = sum(p.numel() * p.element_size() for p in loaded.model.parameters())
    bound = bandwidth / weights
    print(f"{time.strftime('%Y-%m-%d')}, {device_name(loaded.model.device)}, torch {torch.__version__}, ", end="")
    print(f"transformers {transformers.__version__}, {arguments.model or arguments.shape} {loaded.model.dtype}")
    print(f"weights {weights / 2**30:.2f} GiB, copy {bandwidth / 1e9:.0f} GB/s: at most {bound:.1f} steps/s;", end=" ")
    print(f"prompt {arguments.prompt_tokens}, answer {arguments.tokens} tokens")
    print("| streams | method | tokens/s | per user | first token, median s | slowest s | share of the bound |")
    print("|---|---|---|---|---|---|---|")
    llm = TransformersLLM(
        TransformersSettings(
            ModelSettings(arguments.model or arguments.shape),
            BatchSettings(rows=max(arguments.streams), lookup=arguments.lookup, prefixes=0),
        ),
        loaded,
    )
    for streams in arguments.streams:
        ours(llm, 1, arguments)  # kernels are chosen and memory is taken before the clock runs
        _row("tenkyo", streams, ours(llm, streams, arguments), bound)
        with_torch = plain(llm, loaded, streams, arguments)
        _row("generate()", streams, with_torch, bound)
    llm.close()


def _row(method: str, streams: int, measured: Measured, bound: float) -> None:
    rate = measured.tokens / measured.seconds
    # What a user sees once the answer has begun; without streaming that is all of the time
    first = statistics.median(measured.first) if measured.first else measured.seconds
    writing = measured.seconds - (first if measured.first else 0.0)
    each = measured.tokens / streams / writing
    slowest = max(measured.first, default=measured.seconds)
    print(
        f"| {streams} | {method} | {rate:.1f} | {each:.1f} | {first:.2f} | {slowest:.2f} | {each / bound:.0%} |",
        flush=True,
    )


def prompt_text(llm: TransformersLLM, tokens: int, stream: int) -> str:
    """A prompt of about this many tokens, another one for each stream from its first word on."""
    text = f"{stream * 7919 % 1000}: "
    per_sentence = llm.count_tokens(SENTENCE)
    return text + SENTENCE * max(1, (tokens - llm.count_tokens(text) - 16) // per_sentence)


def request_of(llm: TransformersLLM, stream: int, arguments: argparse.Namespace) -> Request:
    """A constrained request, as in service."""
    sources = {} if arguments.free else {number: SENTENCE.strip() for number in range(1, 31)}
    message = Message("user", prompt_text(llm, arguments.prompt_tokens, stream))
    patience = Deadlines(3600, 3600, 3600)
    return Request((message,), arguments.tokens, sources, deadlines=patience)


def ours(llm: TransformersLLM, streams: int, arguments: argparse.Namespace) -> Measured:
    """All streams at once, from as many threads."""
    requests = [request_of(llm, stream, arguments) for stream in range(streams)]
    first = [0.0] * streams
    start = time.perf_counter()

    def client(number: int) -> None:
        for _ in llm.generate(requests[number]):
            if not first[number]:
                first[number] = time.perf_counter() - start

    threads = [threading.Thread(target=client, args=(number,)) for number in range(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Measured(first, streams * arguments.tokens, time.perf_counter() - start)


def plain(llm: TransformersLLM, loaded: Loaded, streams: int, arguments: argparse.Namespace) -> Measured:
    """Transformers' generate() on one padded batch: all prompts known beforehand, nothing constrained, no streaming."""
    prompts = [llm._prompts.ids(request_of(llm, stream, arguments).messages) for stream in range(streams)]
    width = max(map(len, prompts))
    device = loaded.model.device
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=arguments.tokens, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    with torch.inference_mode():
        start = time.perf_counter()
        loaded.model.generate(ids, attention_mask=mask, generation_config=config)
        _wait(device)
        return Measured([], streams * arguments.tokens, time.perf_counter() - start)


def copy_bandwidth(device: torch.device) -> float:
    """Bytes a second, read and written, of the best of ten copies of 1 GiB (256 MiB on a CPU)."""
    size = 2**30 if device.type == "cuda" else 2**28
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    best = 0.0
    for _ in range(10):
        _wait(device)
        start = time.perf_counter()
        target.copy_(source)
        _wait(device)
        best = max(best, 2 * size / (time.perf_counter() - start))
    return best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def device_name(device: torch.device) -> str:
    """The GPU's or the processor's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{describe_processor()}, {torch.get_num_threads()} threads"


def _loaded(arguments: argparse.Namespace) -> Loaded:
    """The model, without an end: every stream writes as many tokens as it may."""
    if arguments.model:
        loaded = load(ModelSettings(arguments.model, device=arguments.device, dtype=arguments.dtype))
    else:
        loaded = random_model(arguments.shape, arguments.device, arguments.dtype)
    end = loaded.tokenizer.pad_token_id
    return replace(loaded, ends=frozenset() if end is None else frozenset({end}))


def random_model(shape: str, device: str, dtype: str) -> Loaded:
    """A model of this shape, made where it runs: 8 billion random numbers on a CPU would take minutes."""
    from tests.generator.backends.tiny_model import byte_level, wrap

    config = SHAPES[shape]()
    place = torch.device(pick_device(device))
    torch.manual_seed(0)
    with place, _default_dtype(pick_dtype(dtype, place.type)):
        model: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            config, dtype=torch.get_default_dtype()
        )
    model.generation_config.eos_token_id = None
    tokenizer = wrap(byte_level())
    heads = config.num_key_value_heads * getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
    bytes_per_token = 2 * config.num_hidden_layers * heads * model.dtype.itemsize
    return Loaded(
        model.eval(), tokenizer, shape, frozenset(), min(config.max_position_embeddings, 32768), bytes_per_token
    )


@contextlib.contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


if __name__ == "__main__":
    main()
