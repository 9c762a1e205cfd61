"""Batches are stored in order, few at a time, and an error loses nothing that was done before it."""

import threading
from collections.abc import Callable

import pytest

from indexer.pipeline import Overlap


def failing_at(bad: int) -> Callable[[int], int]:
    def work(batch: int) -> int:
        if batch == bad:
            raise RuntimeError("out of memory")
        return batch * 10

    return work


def test_all_batches_are_stored_in_order_by_the_caller() -> None:
    stored: list[tuple[int, int, str]] = []

    def store(batch: int, result: int) -> None:
        stored.append((batch, result, threading.current_thread().name))

    with Overlap(lambda batch: batch * 10, store) as overlap:
        for batch in range(20):
            overlap.add(batch)
        overlap.finish()
    here = threading.current_thread().name
    assert stored == [(batch, batch * 10, here) for batch in range(20)]


def test_the_caller_goes_on_while_a_batch_is_worked_on() -> None:
    gate = threading.Event()
    stored: list[int] = []
    overlap: Overlap[int, bool] = Overlap(lambda _: gate.wait(10), lambda batch, _: stored.append(batch))
    with overlap:
        overlap.add(1)
        overlap.add(2)
        assert stored == []  # both were taken although none is done
        gate.set()
        overlap.finish()
    assert stored == [1, 2]


def test_no_more_than_two_batches_are_under_way() -> None:
    most = started = done = 0

    def store(batch: int, result: None) -> None:
        nonlocal done
        done += 1

    with Overlap(lambda _: None, store) as overlap:
        for batch in range(50):
            overlap.add(batch)
            started += 1
            most = max(most, started - done)
        overlap.finish()
    assert most <= 2
    assert done == 50


@pytest.mark.parametrize("bad", [0, 1, 2, 7])
def test_an_error_is_raised_after_what_came_before_it_is_stored(bad: int) -> None:
    stored: list[int] = []
    with (
        pytest.raises(RuntimeError, match="out of memory"),
        Overlap(failing_at(bad), lambda b, _: stored.append(b)) as o,
    ):
        for batch in range(8):
            o.add(batch)
        o.finish()
    assert stored == list(range(bad))


def test_an_interrupted_caller_waits_for_the_batch_at_hand_and_stores_no_more() -> None:
    stored: list[int] = []
    running = threading.Event()
    overlap: Overlap[int, None] = Overlap(lambda _: running.set(), lambda b, _: stored.append(b))
    with pytest.raises(KeyboardInterrupt), overlap:
        overlap.add(1)
        assert running.wait(10)
        raise KeyboardInterrupt
    assert stored == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("embed")]
