"""The threads that do the engine's work, so that the event loop never does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

READ_THREADS: Final = max(8, 2 * (os.cpu_count() or 1))
WRITE_THREADS: Final = 8
STREAM_THREADS: Final = 4


class Workers:
    """Three pools: a long export or a slow write never takes the place of a read."""

    def __init__(self) -> None:
        self._reads = ThreadPoolExecutor(READ_THREADS, "read")
        self._writes = ThreadPoolExecutor(WRITE_THREADS, "write")
        self._streams = ThreadPoolExecutor(STREAM_THREADS, "stream")

    async def read(self, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await _run(self._reads, work, *args, **kwargs)

    async def write(self, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await _run(self._writes, work, *args, **kwargs)

    async def stream(self, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await _run(self._streams, work, *args, **kwargs)

    def close(self) -> None:
        """Wait for what is running and stop the threads."""
        for pool in (self._reads, self._writes, self._streams):
            pool.shutdown(wait=True, cancel_futures=True)


async def _run(pool: ThreadPoolExecutor, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    return await asyncio.get_running_loop().run_in_executor(pool, lambda: work(*args, **kwargs))
