"""Indexing speed beside other libraries: `make bench-index DATA=…`, or `python -m benchmarks.index --data …`.

Same files, chunks and model. The others get the chunks ready-made and are timed from chunks to a searchable index in
memory; Tenkyo is timed from files to a published index on disk. Loading a model is timed for none. Each runs in a
process of its own, the others in environments of their own (benchmarks/peers/*.txt), made on the first run.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.chunks import chunks_by_file
from benchmarks.machine import describe_processor
from indexer.embedder import EMBEDDED_DEFAULT, EmbedderSettings, SentenceTransformerEmbedder, _locate

PEERS = ("langchain", "llamaindex", "haystack", "txtai")
_HERE = Path(__file__).parent / "peers"
_FLOP_PER_TOKEN = 23e6  # all-MiniLM-L6-v2: 21.2 million in matrices, the rest in attention at 120 tokens
_ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with corpora/fastapi-en")
    parser.add_argument("--chunks", type=int, default=0, help="take files until so many chunks; 0 takes all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=PEERS, choices=PEERS)
    parser.add_argument("--environments", type=Path, default=Path.home() / ".cache" / "tenkyo-bench")
    parser.add_argument("--skip-bf16", action="store_true", help="bf16 takes minutes where the processor lacks it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        texts, tokens = _prepare(options.data / "corpora" / "fastapi-en", home, options.chunks)
        bound = _gemm()
        commands = _commands(options.environments, options.peers, home)
        results = _run_all(commands, options.rounds, skip_bf16=options.skip_bf16)
    print(f"{describe_processor()}; {len(texts)} chunks, {tokens} tokens")
    print("measured GEMM bound: " + ", ".join(f"{name} {rate / 1e9:.0f} GOP/s" for name, rate in bound.items()))
    print(f"medians of {options.rounds} interleaved rounds, one of them with bf16\n")
    print("| | chunks/s | tokens/s | of fp32 bound | of int8 bound | peak memory |\n|---|---|---|---|---|---|")
    for name, runs in results.items():
        seconds = statistics.median(run["seconds"] for run in runs)
        peak = max(run["peak_mib"] for run in runs)
        shares = [f"{100 * tokens / seconds * _FLOP_PER_TOKEN / bound[kind]:.0f} %" for kind in ("fp32", "int8")]
        print(
            f"| {name} | {len(texts) / seconds:.1f} | {tokens / seconds:.0f} | {' | '.join(shares)} | {peak:.0f} MiB |"
        )


def _prepare(source: Path, home: Path, most: int) -> tuple[list[str], int]:
    """Copies files into `home`, converts the model, writes texts.json; returns the texts and their tokens in all."""
    embedder = _embedder(home)
    embedder.embed_query("convert")
    texts: list[str] = []
    for file, chunks in chunks_by_file(source, lambda text: embedder.count_tokens([text])[0]):
        if most and len(texts) >= most:
            break
        texts += [chunk.embedded_text for chunk in chunks]
        copy = home / "files" / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    (home / "texts.json").write_text(json.dumps(texts))
    return texts, sum(embedder.count_tokens(texts)) + 2 * len(texts)


def _embedder(home: Path) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(EmbedderSettings(device="cpu", converted=home / "models"))


def _gemm() -> dict[str, float]:
    """Operations per second of a large square matrix product on all cores, the best of seven."""
    import torch

    n = 4096
    fp32 = torch.randn(n, n)
    int8 = torch.randint(-100, 100, (n, n), dtype=torch.int8)
    products: dict[str, Callable[[], object]] = {"fp32": lambda: fp32 @ fp32, "int8": lambda: torch._int_mm(int8, int8)}
    rates = dict.fromkeys(products, 0.0)
    for _ in range(7):
        for name, product in products.items():
            started = time.perf_counter()
            product()
            rates[name] = max(rates[name], 2 * n**3 / (time.perf_counter() - started))
    return rates


def _commands(environments: Path, peers: list[str], home: Path) -> dict[str, list[str]]:
    own = [sys.executable, "-m", "benchmarks.index_once", str(home)]
    commands = {"Tenkyo": [*own, "converted"], "Tenkyo, torch fp32": [*own, "torch"]}
    model = str(_locate(EMBEDDED_DEFAULT))
    for mode in ("default", "bf16"):
        for name in peers:
            python = _environment(environments, name)
            label = name if mode == "default" else f"{name}, bf16"
            commands[label] = [str(python), str(_HERE / "run.py"), name, str(home / "texts.json"), model, mode]
    return commands


def _environment(folder: Path, name: str) -> Path:
    """The Python of a peer's environment, which is made where it is missing or its pins have changed."""
    pins, stamp = (_HERE / f"{name}.txt").read_text(), folder / name / "pins.txt"
    if not stamp.is_file() or stamp.read_text() != pins:
        print(f"installing {name} into {folder / name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder / name)], check=True)
        python = folder / name / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", str(_HERE / f"{name}.txt")], check=True)
        stamp.write_text(pins)
    return folder / name / "bin" / "python"


def _run_all(commands: dict[str, list[str]], rounds: int, *, skip_bf16: bool) -> dict[str, list[dict[str, float]]]:
    """Interleaved, so that a slow minute of the machine hits all alike; bf16 once, as it may take many minutes."""
    results: dict[str, list[dict[str, float]]] = {}
    for turn in range(rounds):
        for name, command in commands.items():
            if "bf16" in name and (skip_bf16 or turn):
                continue
            run = subprocess.run(command, check=True, capture_output=True, text=True, env=_ENVIRONMENT)
            results.setdefault(name, []).append(json.loads(run.stdout.splitlines()[-1]))
            print(name, results[name][-1], file=sys.stderr)
    return results


if __name__ == "__main__":
    main()
