"""Lets the stages of an indexing run overlap: while one batch is embedded, the next is read and an earlier one stored.

Knows no documents: a batch is whatever the caller makes of it.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

Batch = TypeVar("Batch")
Result = TypeVar("Result")

# One batch is embedded and one waits; a third is being read. Memory does not grow with the corpus.
_IN_FLIGHT = 2


class Overlap(Generic[Batch, Result]):
    """A context manager: `work` runs in a thread of its own, `store` in the caller's, both in the order of `add`.

    An error of `work` is raised by a later `add` or by `finish`; batches before it have been stored, none after it is.
    """

    def __init__(self, work: Callable[[Batch], Result], store: Callable[[Batch, Result], None]) -> None:
        self._work = work
        self._store = store
        self._running: deque[tuple[Batch, Future[Result]]] = deque()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.shutdown(cancel_futures=True)

    def add(self, batch: Batch) -> None:
        """Hands over a batch. Blocks, storing what is done, while two are under way."""
        while self._running and (len(self._running) == _IN_FLIGHT or self._running[0][1].done()):
            self._store_oldest()
        self._running.append((batch, self._worker.submit(self._work, batch)))

    def finish(self) -> None:
        """Waits for all batches and stores them."""
        while self._running:
            self._store_oldest()

    def _store_oldest(self) -> None:
        batch, future = self._running.popleft()
        self._store(batch, future.result())
