"""The threads that do the engine's work, so that the event loop never does.

The hop to a thread and back is most of what a small read costs here, so it is one queue, one future of the loop and one
wake-up; the executors of the standard library keep a second future with a lock and a condition for each call.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, ParamSpec, TypeVar, cast

_P = ParamSpec("_P")
_T = TypeVar("_T")

READ_THREADS: Final = max(8, 2 * (os.cpu_count() or 1))
WRITE_THREADS: Final = 8
STREAM_THREADS: Final = 4

_Job = tuple[Callable[[], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]  # Any: what the work returns


class Workers:
    """Three pools: a long export or a slow write never takes the place of a read."""

    def __init__(self) -> None:
        self._reads = Pool("read", READ_THREADS)
        self._writes = Pool("write", WRITE_THREADS)
        self._streams = Pool("stream", STREAM_THREADS)

    async def read(self, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await self._reads.run(partial(work, *args, **kwargs))

    async def write(self, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await self._writes.run(partial(work, *args, **kwargs))

    async def stream(self, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await self._streams.run(partial(work, *args, **kwargs))

    def close(self) -> None:
        """Wait for what was submitted and stop the threads."""
        for pool in (self._reads, self._writes, self._streams):
            pool.close()


class Pool:
    """Threads that take work from one queue. Threads are started as they are needed, and stay."""

    def __init__(self, name: str, threads_max: int) -> None:
        self._name = name
        self._threads_max = threads_max
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._under_way = 0

    async def run(self, work: Callable[[], _T]) -> _T:
        """Do ``work`` on a thread and return what it returns. Called on the event loop."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._under_way += 1
        if self._under_way > len(self._threads) < self._threads_max:
            self._start()
        self._jobs.put((work, done, loop))
        try:
            return cast("_T", await done)
        finally:
            self._under_way -= 1

    def close(self) -> None:
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _start(self) -> None:
        thread = Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            _carry_out(*job)
            del job  # nothing of a finished request stays alive while the thread waits


def _carry_out(work: Callable[[], Any], done: asyncio.Future[Any], loop: asyncio.AbstractEventLoop) -> None:
    try:
        result = work()
    except Exception as error:
        loop.call_soon_threadsafe(settle, done, None, error)
    else:
        loop.call_soon_threadsafe(settle, done, result, None)


def settle(done: asyncio.Future[Any], result: Any, error: Exception | None) -> None:  # Any: what the work returned
    """Hand a result, or an error, to whoever waits for it; a caller that has gone misses it."""
    if done.done():
        return
    if isinstance(error, StopIteration):  # a future cannot hold it
        error = RuntimeError("the work ended an iteration")
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(result)
