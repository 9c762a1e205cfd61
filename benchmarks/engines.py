"""What may run the embedding model on a CPU: speed, and what it does to the vectors and to recall.

    OMP_NUM_THREADS=1 python -m benchmarks.engines --data DATA_FOLDER

Speed is tokens per second of processor time, on one thread, over the chunks of corpora/fastapi-en, in interleaved
rounds of which the best counts; --profile says where it goes instead. Recall is that of the cosine alone, over the
passages and questions of dev/qa_en. Nothing was chosen by these texts: ceilings and margin of static int8 were tried
on train/qa_en.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.chunks import chunks_by_file
from benchmarks.machine import describe_processor
from benchmarks.retrieval import read_set
from indexer.batching import batches_by_length
from indexer.calibration import calibration_texts
from indexer.cpu_engine import _BATCH_TOKENS, Vectors, _compile, _inputs, _unit, variants
from indexer.embedder import EMBEDDED_DEFAULT, _locate

Embed = Callable[[Sequence[str]], Vectors]
Tokenize = Callable[[Sequence[str]], list[list[int]]]


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--chunks", type=int, default=400)
    parser.add_argument(
        "--profile", action="store_true", help="shares of each engine's kinds of work, and nothing else"
    )
    options = parser.parse_args()
    if options.profile:
        _profile()
        return
    engines, count = _engines()
    files = chunks_by_file(options.data / "corpora" / "fastapi-en", count)
    chunks = [chunk.embedded_text for _, some in files for chunk in some][: options.chunks]
    tokens = sum(map(count, chunks)) + 2 * len(chunks)
    print(f"{time.strftime('%Y-%m-%d')}, {describe_processor()}; {len(chunks)} chunks, {tokens} tokens")
    seconds = dict.fromkeys(engines, float("inf"))
    for _ in range(options.rounds):
        for name, embed in engines.items():
            started = time.process_time()
            embed(chunks)
            seconds[name] = min(seconds[name], time.process_time() - started)
    texts, asked = read_set(options.data / "dev" / "qa_en.jsonl.gz")
    questions, answered_by = [question for question, _ in asked], np.array([number for _, number in asked])
    exact = engines["torch fp32"](texts)
    print("| engine | tokens/s | least, mean cosine | recall@1 | @5 | @10 |\n|---|---|---|---|---|---|")
    for name, embed in engines.items():
        passages = embed(texts)
        cosines = (passages * exact).sum(axis=1)
        recall = _recall(passages, embed(questions), answered_by)
        shown = " | ".join(f"{value:.4f}" for value in recall)
        print(
            f"| {name} | {tokens / seconds[name]:.0f} | {cosines.min():.4f}, {cosines.mean():.4f} | {shown} |",
            flush=True,
        )


def _engines() -> tuple[dict[str, Embed], Callable[[str], int]]:
    """By name, each on one thread; and what counts the tokens of a text."""
    model, ids = _model()

    def by_torch(texts: Sequence[str]) -> Vectors:
        vectors: Vectors = model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return vectors

    engines: dict[str, Embed] = {"torch fp32": by_torch}
    for name, graph in _graphs(model, ids).items():
        engines[f"OpenVINO, {name}"] = _by_openvino(graph, name, ids)
    return engines, lambda text: len(ids([text])[0]) - 2


def _model() -> tuple[Any, Tokenize]:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(_locate(EMBEDDED_DEFAULT)), device="cpu")
    tokenizer = type(model.tokenizer.backend_tokenizer).from_str(model.tokenizer.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.enable_truncation(model.max_seq_length)
    return model, lambda texts: [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]


def _graphs(model: Any, ids: Tokenize) -> dict[str, Any]:
    return variants(model, [_inputs([row]) for row in ids(calibration_texts())])


def _profile() -> None:
    """Prints the kinds of work that take most of each engine's time: 8 texts of 128 tokens, the least of ten runs."""
    inputs = _inputs([[1] * 128] * 8)
    for name, graph in _graphs(*_model()).items():
        request = _compile(graph, name, {"PERF_COUNT": "YES"}).create_infer_request()
        least: Counter[str] = Counter()
        for _ in range(10):
            request.infer(inputs)
            run: Counter[str] = Counter()
            for node in request.profiling_info:
                run[f"{node.node_type} ({node.exec_type})"] += node.real_time.total_seconds()
            least = run if not least or run.total() < least.total() else least
        shares = ", ".join(f"{kind} {value / least.total():.0%}" for kind, value in least.most_common(8))
        print(f"{name}: {1024 / least.total():.0f} tokens/s; {shares}", flush=True)


def _by_openvino(graph: object, name: str, ids: Tokenize) -> Embed:
    request = _compile(graph, name).create_infer_request()  # one request runs on one thread

    def embed(texts: Sequence[str]) -> Vectors:
        rows = ids(texts)
        out: dict[int, Vectors] = {}
        for batch in batches_by_length([len(row) for row in rows], _BATCH_TOKENS):
            out.update(zip(batch, _unit(request.infer(_inputs([rows[i] for i in batch]))[0]), strict=True))
        return np.stack([out[i] for i in range(len(rows))])

    return embed


def _recall(
    passages: Vectors, questions: Vectors, answered_by: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> list[float]:
    cosines = questions @ passages.T
    right = cosines[np.arange(len(questions)), answered_by]
    rank = (cosines > right[:, None]).sum(axis=1)
    return [float((rank < k).mean()) for k in (1, 5, 10)]


if __name__ == "__main__":
    main()
