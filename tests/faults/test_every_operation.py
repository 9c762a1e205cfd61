"""A disk that fails at one operation, or is full from it on: each operation of a run in turn.

Whatever fails, what is published goes on being served, the run says what is wrong, and the next one completes it.
"""

import errno
import shutil
from pathlib import Path

import pytest

from retriever.search import Retriever
from tests.fakes import HashEmbedder
from tests.faults.indexing import Documents, Stock, Worker, open_store, take_stock
from tests.faults.worker import COLLECTION


class Scene:
    """A data folder with one published generation, and documents that have changed since."""

    def __init__(self, worker: Worker, folder: Path) -> None:
        self._worker = worker
        self._folder = folder
        self.documents = Documents(folder / "documents", seed=7)
        self.before = folder / "before"
        worker.run(self.before, self.documents.root)
        self.documents.change()
        after = Path(shutil.copytree(self.before, folder / "after"))
        self.operations = int(worker.run(after, self.documents.root)["operations"])
        self.stocks: dict[str, Stock] = {"old": take_stock(self.before), "new": take_stock(after)}

    def fail(self, at: int, how: str, error: int, action: str = "index") -> str:
        """What the run says, "" if it completed in spite of the fault. Checks what it leaves."""
        home = self._folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.before, home)
        answer = self._worker.run(home, self.documents.root, action=action, at=at, how=how, error=error)
        where = f"{action}, {how} at operation {at} ({answer.get('operation')})"
        assert "traceback" not in answer, f"{where}: {answer['traceback']}"
        assert "killed" not in answer, where
        self._check_serving(home, where)
        again = self._worker.run(home, self.documents.root)
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
def scene(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(worker, tmp_path_factory.mktemp("scene"))


@pytest.mark.parametrize(("how", "error"), [("once", errno.EIO), ("from", errno.ENOSPC)])
def test_a_disk_that_fails_at_some_operations(scene: Scene, how: str, error: int) -> None:
    """A sample for the fast suite."""
    said = [scene.fail(at, how, error) for at in range(5, scene.operations, scene.operations // 5)]
    assert sum(bool(text) for text in said) >= 4


@pytest.mark.slow
def test_a_disk_that_fails_once_at_each_operation_in_turn(scene: Scene) -> None:
    said = [scene.fail(at, "once", errno.EIO) for at in range(1, scene.operations + 1)]
    assert sum(bool(text) for text in said) > 0.8 * scene.operations


@pytest.mark.slow
def test_a_disk_that_is_full_from_an_operation_on(scene: Scene) -> None:
    said = [scene.fail(at, "from", errno.ENOSPC) for at in range(1, scene.operations + 1, 3)]
    assert all(said[:-3])


@pytest.mark.slow
@pytest.mark.parametrize("action", ["repair", "compact"])
def test_a_disk_that_is_full_at_each_operation_of_the_other_writers(scene: Scene, action: str) -> None:
    for at in range(1, 160, 8):
        scene.fail(at, "from", errno.ENOSPC, action)


def test_a_data_folder_that_became_read_only_is_named(scene: Scene) -> None:
    assert "tenkyo.sqlite3" in scene.fail(1, "from", errno.EROFS)
