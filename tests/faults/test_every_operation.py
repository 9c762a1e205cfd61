"""A disk that fails at one operation, or is full from it on: each operation of a run in turn.

Whatever fails, what is published goes on being served, the run says what is wrong, and the next one completes it.
"""

import errno
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from retriever.search import Retriever
from tests.fakes import HashEmbedder
from tests.faults.indexing import Documents, Stock, Worker, open_store, take_stock
from tests.faults.worker import COLLECTION

_LANES = 2


class Scene:
    """A data folder with one published generation, and documents that have changed since; a lane for each core."""

    def __init__(self, workers: list[Worker], folder: Path) -> None:
        self._workers = workers
        self._folder = folder
        self.documents = Documents(folder / "documents", seed=7)
        self.before = folder / "before"
        workers[0].run(self.before, self.documents.root)
        self.documents.change()
        self.operations = {action: self._count(action) for action in ("index", "repair", "compact")}
        self.stocks: dict[str, Stock] = {"old": take_stock(self.before), "new": take_stock(folder / "after-index")}

    def _count(self, action: str) -> int:
        after = Path(shutil.copytree(self.before, self._folder / f"after-{action}"))
        return int(self._workers[0].run(after, self.documents.root, action=action)["operations"])

    def fail_at(self, points: Iterable[int], how: str, error: int, action: str = "index") -> list[str]:
        """What each run says, in the order of the points."""
        points = list(points)
        lanes = len(self._workers)
        said = [""] * len(points)

        def go(lane: int) -> None:
            for i in range(lane, len(points), lanes):
                said[i] = self.fail(points[i], how, error, action, lane)

        with ThreadPoolExecutor(lanes) as pool:
            list(pool.map(go, range(lanes)))
        return said

    def fail(self, at: int, how: str, error: int, action: str = "index", lane: int = 0) -> str:
        """What the run says, "" if it completed in spite of the fault. Checks what it leaves."""
        home, worker = self._folder / f"home{lane}", self._workers[lane]
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.before, home)
        answer = worker.run(home, self.documents.root, action=action, at=at, how=how, error=error)
        where = f"{action}, {how} at operation {at} ({answer.get('operation')})"
        assert "traceback" not in answer, f"{where}: {answer['traceback']}"
        assert "killed" not in answer, where
        self._check_serving(home, where)
        again = worker.run(home, self.documents.root)
        assert set(again) == {"operations", "operation"}, f"after {where}: {again}"
        assert take_stock(home) == self.stocks["new"], where
        return str(answer.get("error", ""))

    def _check_serving(self, home: Path, where: str) -> None:
        store = open_store(home)
        found = Retriever(store, HashEmbedder()).retrieve("common text", COLLECTION)
        store.sessions.kw["bind"].dispose()
        assert found.warning is None, where
        assert len(found.passages) > 3, where
        texts = {text for stock in self.stocks.values() for text in stock.contents.values()}
        assert all(any(passage.text in text for text in texts) for passage in found.passages), where


@pytest.fixture(scope="module")
def scene(faults: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(faults)) for _ in range(_LANES)]
        yield Scene(workers, tmp_path_factory.mktemp("scene"))


@pytest.mark.parametrize(("how", "error"), [("once", errno.EIO), ("from", errno.ENOSPC)])
def test_a_disk_that_fails_at_some_operations(scene: Scene, how: str, error: int) -> None:
    """A sample for the fast suite."""
    operations = scene.operations["index"]
    said = scene.fail_at(range(5, operations, operations // 5), how, error)
    assert sum(bool(text) for text in said) >= 4


@pytest.mark.slow
def test_a_disk_that_fails_once_at_each_operation_in_turn(scene: Scene) -> None:
    said = scene.fail_at(range(1, scene.operations["index"] + 1), "once", errno.EIO)
    assert sum(bool(text) for text in said) > 0.8 * len(said)


@pytest.mark.slow
@pytest.mark.parametrize("action", ["index", "repair", "compact"])
def test_a_disk_that_is_full_from_each_operation_on(scene: Scene, action: str) -> None:
    said = scene.fail_at(range(1, scene.operations[action] + 1), "from", errno.ENOSPC, action)
    assert all(said[:-9]), [at for at, text in enumerate(said, start=1) if not text]


def test_a_data_folder_that_became_read_only_is_named(scene: Scene) -> None:
    assert "tenkyo.sqlite3" in scene.fail(1, "from", errno.EROFS)
