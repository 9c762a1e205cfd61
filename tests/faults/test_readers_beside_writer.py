"""An indexer beside a hundred readers: nobody waits for a lock, and nobody sees a state that never was."""

import threading
from pathlib import Path

import pytest

from app.service import Service
from indexer.ingest import Store
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import check_consistent, index, write

READERS = 100
RUNS = 6


@pytest.mark.slow
@pytest.mark.usefixtures("quick_reader", "handmade_weights")
def test_an_indexer_beside_a_hundred_readers(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    """Each asks through the whole service, which records the answer: a hundred writers of short transactions, too."""
    root = write(tmp_path / "docs", a="The common limit is 0 pounds.", b="The common hotel is in Leeds.")
    index(store, embedder, root, collection="team")
    service = Service(store, embedder)
    done, ready = threading.Event(), threading.Barrier(READERS + 1)
    seen: list[set[str]] = []
    problems: list[object] = []

    def ask() -> None:
        ready.wait()
        asked = False
        while not (asked and done.is_set()):
            asked = True
            try:
                answer = service.ask("What is the common limit?", "team")
            except Exception as error:
                problems.append(error)
                return
            seen.append({passage.text for passage in answer.passages})

    threads = [threading.Thread(target=ask) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    ready.wait()
    for number in range(1, RUNS):
        index(store, embedder, write(root, a=f"The common limit is {number} pounds."), collection="team")
    done.set()
    for thread in threads:
        thread.join(120)
    assert problems == []
    states = [{f"The common limit is {n} pounds.", "The common hotel is in Leeds."} for n in range(RUNS)]
    assert len(seen) >= READERS
    assert [passages for passages in seen if passages not in states] == []
    assert {passage.text for passage in service.ask("common limit?", "team").passages} == states[-1]
    check_consistent(store, embedder, "common", "team")
