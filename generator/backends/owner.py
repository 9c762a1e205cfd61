"""The one thread that uses the model: takes jobs from a bounded queue, runs them in one batch, sends pieces of text.

Whoever asks waits at the other end of a queue of its own. A job leaves the batch, within a step, when it is done, its
request is cancelled, its stream is closed or a deadline has passed.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import torch

from generator.backends.batching import Answer, Batch, Prepared
from generator.backends.constraints import TokenTable
from generator.backends.tokens import Detokenizer
from generator.llm import LLMBusy, LLMError, LLMTimeout, LLMUnavailable, Request

_POLL = 0.1
"""Seconds after which a waiting client looks whether it was cancelled: far less than the 2 s that are promised."""


@dataclass(slots=True, eq=False)
class Job:
    """A request on its way through the queue and the batch."""

    request: Request
    answer: Answer
    text: Detokenizer
    asked: float = field(default_factory=time.monotonic)
    out: "queue.SimpleQueue[str | LLMError | None]" = field(default_factory=queue.SimpleQueue)
    closed: threading.Event = field(default_factory=threading.Event)
    started: bool = False
    spoke: bool = False

    @property
    def unwanted(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.closed.is_set() or self.request.cancelled.is_set()

    def overdue(self) -> LLMTimeout | None:
        """The first deadline that has passed."""
        waited, limits = time.monotonic() - self.asked, self.request.deadlines
        if not self.started and waited > limits.queue:
            return LLMTimeout("queue", limits.queue)
        if not self.spoke and waited > limits.first_token:
            return LLMTimeout("first_token", limits.first_token)
        return LLMTimeout("answer", limits.answer) if waited > limits.answer else None


class PieceStream(Generator[str, None, None]):
    """The pieces of one answer. Closing it, or losing the last reference to it, stops the generation."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._done = False

    def send(self, value: None) -> str:  # noqa: ARG002
        """The next piece; the body of `next`."""
        while not self._done:
            try:
                item = self._job.out.get(timeout=_POLL)
            except queue.Empty:
                item = None if self._job.unwanted else self._job.overdue() or ""
            if isinstance(item, LLMError):
                self.close()
                raise item
            if item is None:
                self.close()
            elif item:
                return item
        raise StopIteration

    def throw(
        self,
        typ: Any,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> str:
        """Stops the generation; part of the protocol of generators."""
        self.close()
        return super().throw(typ, val, tb)

    def close(self) -> None:
        """Stops the generation and frees its slot."""
        self._done = True
        self._job.closed.set()

    def __del__(self) -> None:
        self._job.closed.set()


class Owner:
    """Runs jobs on a batch. The thread starts with the first job, so that a server may fork before."""

    def __init__(self, batch: Batch, table: TokenTable, waiting: int) -> None:
        self._batch = batch
        self._table = table
        self._room = waiting
        self._waiting: deque[Job] = deque()
        self._running: dict[Answer, Job] = {}
        self._entering: tuple[Job, Iterator[Prepared | None]] | None = None
        self._change = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._death: BaseException | None = None
        self._mean_seconds = 5.0

    @property
    def load(self) -> tuple[int, int]:
        """Jobs that run, and jobs that wait."""
        with self._change:
            return len(self._running) + (self._entering is not None), len(self._waiting)

    def submit(self, job: Job) -> PieceStream:
        """Raises LLMBusy where the queue is full."""
        with self._change:
            if self._stopping or self._death is not None:
                raise LLMUnavailable(f"the language model has stopped ({self._death or 'closed'}); restart the service")
            if len(self._waiting) >= self._room:
                wait = max(1.0, self._mean_seconds * (len(self._waiting) + 1) / self._batch.settings.rows)
                raise LLMBusy(f"{len(self._waiting)} requests wait for the language model already", wait)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="language-model", daemon=True)
                self._thread.start()
            self._waiting.append(job)
            self._change.notify()
        return PieceStream(job)

    def close(self) -> None:
        """Ends all jobs and the thread."""
        with self._change:
            self._stopping = True
            self._change.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            with torch.inference_mode():
                while self._has_work():
                    self._turn()
        except BaseException as error:
            self._death = error
            raise
        finally:
            with self._change:
                left = [*self._waiting, *self._running.values(), *([self._entering[0]] if self._entering else [])]
                self._waiting.clear()
                self._running.clear()
                self._entering = None
            for job in left:
                job.out.put(LLMUnavailable(f"the language model has stopped ({self._death or 'closed'})"))

    def _has_work(self) -> bool:
        with self._change:
            while not (self._stopping or self._waiting or self._running or self._entering):
                self._change.wait()
            return not self._stopping

    def _turn(self) -> None:
        try:
            self._part()
            self._enter()
            if self._batch.running:
                for answer, tokens in self._batch.step():
                    self._send(self._running[answer], tokens)
        except torch.OutOfMemoryError as error:
            # Where it was raised the cache may be half changed: all who were in it have to go
            self._batch.clear()
            for job in [*self._running.values()]:
                self._finish(job, _out_of_memory(error))

    def _part(self) -> None:
        """Lets go of whatever is cancelled or overdue, wherever it is."""
        with self._change:
            waiting = list(self._waiting)
        entering = [self._entering[0]] if self._entering else []
        for job in (*waiting, *entering, *self._running.values()):
            late = job.overdue()
            if late is not None or job.unwanted:
                self._finish(job, late)

    def _finish(self, job: Job, last: LLMError | None) -> None:
        with self._change:
            if job in self._waiting:
                self._waiting.remove(job)
            if self._entering is not None and self._entering[0] is job:
                self._entering = None
            self._running.pop(job.answer, None)
            if last is None and not job.unwanted:
                self._mean_seconds += 0.1 * (time.monotonic() - job.asked - self._mean_seconds)
        job.out.put(last)
        self._batch.drop(job.answer)

    def _enter(self) -> None:
        """One chunk of one prompt, so that those who run go on while a long prompt is read."""
        if self._entering is None:
            self._entering = self._next()
        if self._entering is None:
            return
        job, chunks = self._entering
        try:
            prepared = next(chunks)
        except torch.OutOfMemoryError as error:
            self._finish(job, _out_of_memory(error))
            return
        if prepared is None:
            return
        self._entering = None
        self._running[job.answer] = job
        if self._send(job, [prepared.token]):
            self._batch.admit(job.answer, prepared)

    def _next(self) -> tuple[Job, Iterator[Prepared | None]] | None:
        """The job that has waited longest, if there is room for it. Nobody overtakes it, so it cannot starve."""
        with self._change:
            if not self._waiting:
                return None
            job = self._waiting[0]
            if self._batch.fits(job.answer):
                self._waiting.popleft()
                job.started = True
                return job, self._batch.prefill(job.answer)
        if not self._batch.running:
            self._finish(job, LLMUnavailable("there is no memory for so long a prompt: take fewer sources"))
        return None

    def _send(self, job: Job, tokens: list[int]) -> bool:
        """Sends what the tokens spell; whether the job goes on."""
        for token in tokens:
            if token < 0:
                self._finish(job, LLMUnavailable("the model computed NaN: load it with another dtype"))
                return False
            if token in self._table.ends:
                self._finish(job, None)
                return False
            piece = job.text.feed(token)
            if piece:
                job.spoke = True
                job.out.put(piece)
        if job.answer.chooser.count >= job.answer.max_tokens:
            self._finish(job, None)
            return False
        return True


def _out_of_memory(error: torch.OutOfMemoryError) -> LLMUnavailable:
    return LLMUnavailable(f"the language model is out of memory: {error}. Set TENKYO_LLM_SLOTS lower.")
