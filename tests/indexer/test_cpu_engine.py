"""The converted copy gives torch's vectors, is made once, and stands aside where it cannot."""

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from indexer import cpu_engine as module
from indexer.copies import remove_unused
from indexer.cpu_engine import CpuEngine, NotConverted, read_about
from indexer.embedder import EmbedderSettings, SentenceTransformerEmbedder

TEXTS = [f"Chapter {i} > Leave\n" + "Each parent gets paid parental leave. " * (i * 5 % 17) for i in range(40)]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Waiting for a busy core takes more than the second thread gives."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def by_torch() -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(EmbedderSettings(device="cpu"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the converted copy, made once for all tests of this file."""
    folder = tmp_path_factory.mktemp("models")
    embedder_in(folder).embed_query("convert")
    return folder


def embedder_in(folder: Path, **settings: object) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(EmbedderSettings(device="cpu", converted=folder, **settings))  # type: ignore[arg-type]


def copy_in(models: Path) -> Path:
    (folder,) = models.iterdir()
    return folder


def never() -> object:
    raise AssertionError("torch's model was asked for")


def test_vectors_are_those_of_torch(models: Path, by_torch: SentenceTransformerEmbedder) -> None:
    converted = embedder_in(models)
    assert converted._engine is not None
    got, wanted = converted.embed_documents(TEXTS), by_torch.embed_documents(TEXTS)
    assert np.linalg.norm(got, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    assert (got * wanted).sum(axis=1).min() > 0.99
    assert got.dtype == np.float32
    assert converted.embed_query(TEXTS[3]) @ by_torch.embed_query(TEXTS[3]) > 0.99


@pytest.mark.slow
def test_fp32_is_exact(tmp_path: Path, by_torch: SentenceTransformerEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where int8 would change the vectors, the copy has torch's own."""
    monkeypatch.setattr(
        module, "_LEAST_COSINE", {**module._LEAST_COSINE, "static int8": 1.1, "dynamic int8": 1.1, "bf16": 1.1}
    )
    converted = embedder_in(tmp_path)
    assert converted.embed_documents(TEXTS) == pytest.approx(by_torch.embed_documents(TEXTS), abs=1e-4)
    about = read_about(copy_in(tmp_path))
    assert about is not None
    assert about.precision == "fp32"


def test_a_kept_copy_needs_no_torch(models: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from indexer.embedder import *;"
        f"e = SentenceTransformerEmbedder(EmbedderSettings(device='cpu', converted=Path({str(models)!r})));"
        "assert e.embed_query('paid leave').shape == (384,);"
        "assert not {'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_the_library_sends_nothing_to_its_maker(models: Path) -> None:
    """Importing openvino reports that to an analytics service if its telemetry package can be imported."""
    program = (
        "import socket, sys; from pathlib import Path; from indexer.embedder import *\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.getaddrinfo = socket.create_connection = refuse\n"
        f"e = SentenceTransformerEmbedder(EmbedderSettings(device='cpu', converted=Path({str(models)!r})))\n"
        "e.embed_query('paid leave')\n"
        "assert not [m for m in sys.modules if m.startswith('openvino_telemetry.')], 'telemetry is loaded'\n"
        "from openvino.tools import ovc\n"
        "assert type(ovc.telemetry).__module__.endswith('telemetry_stub')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_many_threads_may_embed_at_once(models: Path) -> None:
    embedder = embedder_in(models)
    alone = embedder.embed_documents(TEXTS)
    results: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: results.append(embedder.embed_documents(TEXTS))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(results) == 6
    for result in results:
        assert (result * alone).sum(axis=1).min() > 0.999


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json", "about.json"])
def test_a_damaged_copy_is_made_again(
    models: Path, name: str, monkeypatch: pytest.MonkeyPatch, by_torch: SentenceTransformerEmbedder
) -> None:
    file = copy_in(models) / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 255
    file.write_bytes(data)
    made: list[Path] = []
    make = module._make

    def counted(folder: Path, *rest: object) -> tuple[module.About, int | None]:
        made.append(folder)
        return make(folder, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_make", counted)
    vector = embedder_in(models).embed_query(TEXTS[1])
    assert made == [copy_in(models)]
    assert vector @ by_torch.embed_query(TEXTS[1]) > 0.99


def test_a_flipped_bit_in_a_copy_is_seen(models: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(copy_in(models), tmp_path / "copy")
    about = read_about(folder)
    assert about is not None
    assert module._is_whole(folder, about)
    data = bytearray((folder / "model.bin").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.bin").write_bytes(data)
    assert not module._is_whole(folder, about)


def test_a_copy_that_an_engine_runs_from_is_not_removed(models: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(copy_in(models), tmp_path / "models" / "0a")
    engine = CpuEngine.open(folder, never, (None, None))  # type: ignore[arg-type]
    assert engine is not None
    assert remove_unused(tmp_path / "models", []).copies == 0
    vector = engine.embed_query(TEXTS[0])
    del engine
    assert remove_unused(tmp_path / "models", []).copies == 1
    assert vector.shape == (384,)


@pytest.mark.slow
def test_a_copy_that_has_just_been_made_is_held(tmp_path: Path, by_torch: SentenceTransformerEmbedder) -> None:
    engine = CpuEngine.open(tmp_path / "models" / "0a", lambda: by_torch._model, (None, None))
    assert engine is not None
    assert remove_unused(tmp_path / "models", []).copies == 0


@pytest.mark.slow
def test_a_copy_made_on_another_machine_is_made_again(models: Path) -> None:
    file = copy_in(models) / "about.json"
    about = json.loads(file.read_text())
    file.write_text(json.dumps({**about, "made_for": ["1", "another processor"]}))
    embedder_in(models).embed_query("words")
    assert json.loads(file.read_text())["made_for"] == about["made_for"]


def test_a_model_that_cannot_be_converted_stays_with_torch_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise NotConverted("OpenVINO cannot convert it: no such operation")

    monkeypatch.setattr(module, "_trace", refuse)
    with caplog.at_level(logging.WARNING):
        assert embedder_in(tmp_path).embed_documents(["words"]).shape == (1, 384)
    assert "torch runs the embedding model, which is slower: OpenVINO cannot convert it: no such op" in caplog.text
    assert not (copy_in(tmp_path) / "model.xml").exists()
    caplog.clear()
    monkeypatch.undo()
    assert CpuEngine.open(copy_in(tmp_path), never, (None, None)) is None  # type: ignore[arg-type]
    assert "torch runs the embedding model" in caplog.text


def test_what_killed_conversions_left_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_convert", lambda *_: module.About(module._made_for(), "not in this test"))
    for name in ("left", "at-work"):
        (tmp_path / f".converting-{name}").mkdir()
    os.utime(tmp_path / ".converting-left", (0, 0))
    assert CpuEngine.open(tmp_path / "copy", lambda: None, (None, None)) is None  # type: ignore[arg-type, return-value]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".converting-at-work", "copy"]


def test_a_folder_that_takes_no_copy_stays_with_torch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert CpuEngine.open(tmp_path / "file" / "copy", lambda: None, (None, None)) is None  # type: ignore[arg-type, return-value]
    assert "torch runs the embedding model" in caplog.text


@pytest.mark.slow
def test_a_copy_with_other_vectors_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEAST_COSINE", dict.fromkeys(module._LEAST_COSINE, 1.1))
    embedder_in(tmp_path).embed_query("words")
    about = read_about(copy_in(tmp_path))
    assert about is not None
    assert about.problem is not None
    assert about.problem.startswith("its converted copy gives other vectors")


@pytest.mark.slow
def test_prompts_and_lengths_reach_the_copy(tmp_path: Path) -> None:
    settings = {"query_prompt": "query: ", "document_prompt": "passage: ", "max_tokens": 8}
    converted = embedder_in(tmp_path, **settings)
    wanted = SentenceTransformerEmbedder(EmbedderSettings(device="cpu", **settings))  # type: ignore[arg-type]
    assert converted.embed_query("leave") @ wanted.embed_query("leave") > 0.99
    assert converted.embed_documents([TEXTS[9]])[0] @ wanted.embed_documents([TEXTS[9]])[0] > 0.99
    assert converted.embed_query("leave") @ converted.embed_documents(["leave"])[0] < 0.99


@pytest.mark.gpu
def test_a_gpu_gives_the_vectors_of_the_cpu(by_torch: SentenceTransformerEmbedder) -> None:
    """In half precision, so that an index may be built on a GPU and asked on a CPU."""
    gpu = SentenceTransformerEmbedder(EmbedderSettings(device="cuda"))
    assert (gpu.embed_documents(TEXTS) * by_torch.embed_documents(TEXTS)).sum(axis=1).min() > 0.999
    assert gpu.embed_query(TEXTS[3]) @ by_torch.embed_query(TEXTS[3]) > 0.999
