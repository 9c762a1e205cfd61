"""Copies of models that nobody needs any more go; one that is needed, used or being made stays."""

import os
import threading
import time
from pathlib import Path

import pytest

from indexer.copies import ABOUT, copy_folder, hold, remove_unused


def make_copy(models: Path, name: str) -> Path:
    folder = models / name
    folder.mkdir(parents=True)
    (folder / ABOUT).write_text("{}")
    (folder / "model.bin").write_bytes(bytes(100))
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_what_no_collection_was_built_with_goes(models: Path) -> None:
    needed, unused = make_copy(models, "0a"), make_copy(models, "0b")
    being_made, foreign = make_copy(models, ".converting-x"), models / "notes"
    foreign.mkdir()
    removed = remove_unused(models, ["a model@0a", "another@0c"])
    assert (removed.copies, removed.size) == (1, 102)
    assert sorted(models.iterdir()) == sorted([needed, being_made, foreign])
    assert not unused.exists()
    assert remove_unused(models, ["a model@0a"]).copies == 0


def test_no_folder_no_copies(models: Path) -> None:
    assert remove_unused(models, []).copies == 0
    assert hold(models / "0a") is None


def test_a_copy_that_is_used_stays_until_it_is_not(models: Path) -> None:
    folder = make_copy(models, "0a")
    users = [hold(folder), hold(folder)]
    for user in users:
        assert user is not None
        assert remove_unused(models, []).copies == 0
        assert (folder / "model.bin").exists()
        os.close(user)
    assert remove_unused(models, []).copies == 1


def test_what_a_killed_removal_left_goes(models: Path) -> None:
    make_copy(models, ".removing-0a")
    remove_unused(models, [])
    assert list(models.iterdir()) == []


def test_a_copy_that_was_found_is_there_whole_whatever_is_removed_meanwhile(models: Path) -> None:
    models.mkdir()
    stop = threading.Event()
    broken: list[str] = []
    used = [0]

    def use() -> None:
        folder = copy_folder(models, "model@0a")
        while not stop.is_set():
            if (held := hold(folder)) is not None:
                used[0] += 1
                if sorted(file.name for file in folder.iterdir()) != [ABOUT, "model.bin"]:
                    broken.append("a file was missing")
                os.close(held)
            time.sleep(0.001)  # else somebody would use it all the time

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    removed = 0
    for number in range(300):
        make_copy(models, f".converting-{number}").rename(models / "0a")
        while not remove_unused(models, []).copies:
            pass
        removed += 1
    stop.set()
    for thread in threads:
        thread.join()
    assert (removed, broken) == (300, [])
    assert used[0] > 0
