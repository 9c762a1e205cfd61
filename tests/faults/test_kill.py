"""kill -9 at random points of indexing runs, restarted each time: nothing is lost, and nothing is left over.

FAULT_KILLS sets how many (60); FAULT_SEED repeats a run that failed. Half of the kills come at a random
operation on a file (by SQLite, FAISS, tantivy or our own publishing), half at a random moment.
"""

import os
import random
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.faults.indexing import Documents, Worker, take_stock

KILLS = int(os.environ.get("FAULT_KILLS", "60"))
SEED = int(os.environ.get("FAULT_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)


def kill_until_done(
    worker: Worker, home: Path, documents: Documents, chance: random.Random, operations: int, seconds: float
) -> int:
    """Restarts a run until it gets through. Returns how often it was killed."""
    kills = 0
    while True:
        if chance.random() < 0.5:
            answer = worker.run(home, documents.root, at=chance.randint(1, operations), how="kill")
        else:
            answer = worker.run(home, documents.root, kill_after=chance.uniform(0.0, seconds))
        if answer.get("killed") != 9:
            assert set(answer) == {"operations", "operation"}, answer
            return kills
        kills += 1


@pytest.mark.slow
def test_any_kill_is_survived(worker: Worker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(SEED)
    documents = Documents(tmp_path / "documents", SEED)
    calm, harried = tmp_path / "calm", tmp_path / "harried"
    kills = rounds = 0
    fresh = 1
    while kills < KILLS or rounds < 3:
        started = time.monotonic()
        answer = worker.run(calm, documents.root)
        seconds = time.monotonic() - started
        assert set(answer) == {"operations", "operation"}, answer
        kills += kill_until_done(worker, harried, documents, chance, answer["operations"], seconds)
        assert take_stock(harried) == take_stock(calm), f"seed {SEED}, round {rounds}"
        rounds += 1
        documents.change()
        if rounds % 5 == 0:  # a first run has other steps than those that follow
            shutil.rmtree(calm)
            shutil.rmtree(harried)
            fresh += 1
    with capsys.disabled():
        sys.stdout.write(f"\n{kills} kills in {rounds} rounds, {fresh} from an empty folder, seed {SEED}\n")


def test_a_kill_while_the_database_is_made_is_survived(worker: Worker, tmp_path: Path) -> None:
    """In the middle of the migrations, whose steps SQLite would otherwise commit one by one."""
    (tmp_path / "documents").mkdir()
    for at in range(3, 1000, 7):
        home = tmp_path / f"home{at}"
        if worker.run(home, tmp_path / "documents", action="open", at=at, how="kill") != {"killed": 9}:
            break
        assert set(worker.run(home, tmp_path / "documents", action="open")) == {"operations", "operation"}
    assert 10 < at < 100


def test_a_few_kills_while_publishing_are_survived(worker: Worker, tmp_path: Path) -> None:
    """The fast suite's share: everything is stored, and the run dies at steps of the publishing of what it stored."""
    documents = Documents(tmp_path / "documents", 1)
    calm, harried = tmp_path / "calm", tmp_path / "harried"
    assert worker.run(calm, documents.root)["operations"] > 100
    for at in (320, 60, 110):
        assert worker.run(harried, documents.root, at=at, how="kill") == {"killed": 9}
    assert "operations" in worker.run(harried, documents.root)
    assert take_stock(harried) == take_stock(calm)
