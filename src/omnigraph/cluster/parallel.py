"""Doing one thing to many at a time: what a cluster waits for is the store, not itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")

THREADS_MAX: Final = 32


def each(work: Callable[[_In], _Out], items: Sequence[_In], *, threads_max: int | None = None) -> list[_Out]:
    """Return what ``work`` makes of every item, in their order. The first error in that order is raised, after all are done."""
    threads = min(len(items), THREADS_MAX if threads_max is None else threads_max)
    if threads <= 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return [future.result() for future in [pool.submit(work, item) for item in items]]
