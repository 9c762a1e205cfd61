"""Indexes texts with another library, inside that library's own environment. Started by benchmarks/index.py.

`python run.py NAME TEXTS.json MODEL default|bf16` prints one JSON object. Loading the model is not timed.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def langchain(model: str, arguments: dict[str, Any]) -> Callable[[list[str]], object]:
    from langchain_community.vectorstores import FAISS
    from langchain_core.documents import Document
    from langchain_huggingface import HuggingFaceEmbeddings

    embeddings = HuggingFaceEmbeddings(model_name=model, model_kwargs={"device": "cpu", "model_kwargs": arguments})
    return lambda texts: FAISS.from_documents([Document(page_content=text) for text in texts], embeddings)


def llamaindex(model: str, arguments: dict[str, Any]) -> Callable[[list[str]], object]:
    from llama_index.core import VectorStoreIndex
    from llama_index.core.schema import TextNode
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    embeddings = HuggingFaceEmbedding(model_name=model, device="cpu", model_kwargs=arguments)
    return lambda texts: VectorStoreIndex([TextNode(text=text) for text in texts], embed_model=embeddings)


def haystack(model: str, arguments: dict[str, Any]) -> Callable[[list[str]], object]:
    from haystack import Document
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from haystack.utils import ComponentDevice
    from haystack_integrations.components.embedders.sentence_transformers import SentenceTransformersDocumentEmbedder

    embedder = SentenceTransformersDocumentEmbedder(
        model=model, device=ComponentDevice.from_str("cpu"), progress_bar=False, model_kwargs=arguments
    )
    if hasattr(embedder, "warm_up"):
        embedder.warm_up()

    def index(texts: list[str]) -> object:
        store = InMemoryDocumentStore()
        store.write_documents(embedder.run([Document(content=text) for text in texts])["documents"])
        return store

    return index


def txtai(model: str, arguments: dict[str, Any]) -> Callable[[list[str]], object]:
    from txtai import Embeddings

    vectors = {"vectors": arguments} if arguments else {}
    embeddings = Embeddings(path=model, gpu=False, **vectors)
    return lambda texts: embeddings.index(texts)


def main() -> None:
    """Times one library."""
    name, texts_file, model, mode = sys.argv[1:5]
    import torch

    arguments: dict[str, Any] = {} if mode == "default" else {"dtype": torch.bfloat16}
    texts: list[str] = json.loads(Path(texts_file).read_text())
    index = {"langchain": langchain, "llamaindex": llamaindex, "haystack": haystack, "txtai": txtai}[name](
        model, arguments
    )
    index(texts[:4])
    started = time.perf_counter()
    index(texts)
    seconds = time.perf_counter() - started
    # Not getrusage: its peak counts the process that this one was forked from.
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak}))


if __name__ == "__main__":
    main()
