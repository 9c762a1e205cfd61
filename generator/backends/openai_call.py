"""One generation under way, with its deadlines, and the thread in which the generations of a server run."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Future
from contextlib import asynccontextmanager
from queue import SimpleQueue
from typing import Any, TypeVar

import httpx

from generator.llm import LLMBusy, LLMTimeout, Request

# An English token has 4 characters, the longest words of an answer 15: twice the mean never cuts an honest answer.
CHARACTERS_PER_TOKEN = 8
# After the last piece the rest is read for so long, that the connection can be used again.
_DRAIN_SECONDS = 1.0
_POLL_SECONDS = 0.1
_Result = TypeVar("_Result")


class Call:
    """What is known of one generation. Its pieces go into `inbox`; True there means that the answer is complete.

    The deadlines count from the making of this object; `silence` counts from what was last heard.
    """

    def __init__(self, request: Request, silence: float) -> None:
        self.request = request
        self.inbox: SimpleQueue[str | bool] = SimpleQueue()
        self.spoken = False
        self.finished = False
        self.started = time.monotonic()
        self._silence = silence
        self._left = request.max_tokens * CHARACTERS_PER_TOKEN
        self._answer_at = self.started + request.deadlines.answer
        self._timer: asyncio.Timeout | None = None
        self._expires = LLMTimeout("first_token", request.deadlines.first_token)
        self.first_at = self.started + request.deadlines.first_token
        if self._answer_at < self.first_at:
            self.first_at = self._answer_at
            self._expires = LLMTimeout("answer", request.deadlines.answer)
        self.queue_at = min(self.started + request.deadlines.queue, self.first_at)

    @property
    def full(self) -> bool:
        """Whether the server has sent all that `max_tokens` can hold."""
        return self._left <= 0

    def give(self, text: str) -> None:
        """Gives a piece on, cut at what `max_tokens` can hold."""
        if self.finished or not text:
            return
        self.spoken = True
        self.inbox.put(text[: self._left])
        self._left -= len(text)
        if self.full:
            self.finish()

    def finish(self) -> None:
        """The answer is complete; what else comes is only read to empty the connection."""
        if not self.finished:
            self.finished = True
            self.inbox.put(True)
            self._set_timer(time.monotonic() + _DRAIN_SECONDS)

    def heard(self) -> None:
        """The server has sent an event: once it speaks, its silence is measured from here."""
        if self.spoken and not self.finished:
            silent_at = time.monotonic() + self._silence
            if silent_at < self._answer_at:
                self._expires = LLMTimeout("silence", self._silence)
            else:
                self._expires = LLMTimeout("answer", self.request.deadlines.answer)
            self._set_timer(min(silent_at, self._answer_at))

    @asynccontextmanager
    async def deadlines(self) -> AsyncIterator[None]:
        """Stops the block when a deadline has passed. Raises LLMTimeout, unless the answer is complete."""
        try:
            async with asyncio.timeout_at(self.first_at) as self._timer:
                yield
        except TimeoutError:
            if not self.finished:
                raise self._expires from None

    @asynccontextmanager
    async def stops_when_cancelled(self) -> AsyncIterator[None]:
        """Cancels the task that runs the block soon after `request.cancelled` is set."""
        task = asyncio.current_task()

        async def watch() -> None:
            while not self.request.cancelled.is_set():
                await asyncio.sleep(_POLL_SECONDS)
            if task is not None:
                task.cancel()

        watcher = asyncio.create_task(watch())
        try:
            yield
        finally:
            watcher.cancel()

    def _set_timer(self, when: float) -> None:
        if self._timer is not None and not self._timer.expired():
            self._timer.reschedule(when)


class Session:
    """An event loop in a thread of its own, with the connections and slots that live on it. Belongs to one process."""

    def __init__(self, client: httpx.AsyncClient, slots: int, queue: int) -> None:
        self.client = client
        self.process = os.getpid()
        self._slots = asyncio.Semaphore(slots)
        self._size = slots
        self._queue = queue
        self._waiting = 0
        self._mean_seconds = 5.0
        self._lock = threading.Lock()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="tenkyo-llm-server")
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, _Result]) -> Future[_Result] | None:
        """Runs `work` on the loop; None, and nothing is run, once this is closed."""
        with self._lock:
            if not self._closed:
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        return None

    @asynccontextmanager
    async def slot(self, call: Call) -> AsyncIterator[None]:
        """A place among those that are served. Raises LLMBusy if too many wait, LLMTimeout if it takes too long."""
        if self._slots.locked() and self._waiting >= self._queue:
            wait = max(1.0, self._mean_seconds * (self._waiting + 1) / self._size)
            raise LLMBusy(f"{self._waiting} questions wait for the language model: try again later", round(wait, 1))
        self._waiting += 1
        try:
            async with asyncio.timeout_at(call.queue_at):
                await self._slots.acquire()
        except TimeoutError:
            raise LLMTimeout("queue", round(call.queue_at - call.started, 3)) from None
        finally:
            self._waiting -= 1
        begun = time.monotonic()
        try:
            yield
        finally:
            self._slots.release()
            self._mean_seconds += (time.monotonic() - begun - self._mean_seconds) / 8

    def close(self) -> None:
        """Breaks off what runs, closes the connections and ends the thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).add_done_callback(
                lambda _: self._loop.call_soon_threadsafe(self._loop.stop)
            )
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.client.aclose()
