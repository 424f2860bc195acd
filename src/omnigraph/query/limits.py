"""The limits of one query, and the guard that watches them while it runs.

Every limit has a name and a default here. Passing one ends the query with `ResourceLimitExceeded`, which names it. Sizes are
checked *before* an intermediate result is allocated, the clock and the cancellation flag between operators and between the
pieces of a long one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cache

from msgspec import Struct

from omnigraph.errors import ExecutionError, ResourceLimitExceeded


class Limits(Struct, frozen=True):
    """What one query may use. ``None`` means no limit; for memory it means half of the machine's."""

    query_timeout_s: float | None = None
    result_rows_max: int | None = None
    result_bytes_max: int | None = None
    query_memory_bytes_max: int | None = None
    hops_max: int | None = None


DEFAULT_LIMITS = Limits()


class Cancelled(ExecutionError):
    """The caller asked for the query to be ended."""

    kind = "cancelled"


@cache
def machine_memory_bytes() -> int:
    """Return the physical memory of this machine, or 8 GiB where it cannot be found out."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 8 << 30


class Guard:
    """Watches one running query. Its methods raise when a limit is passed."""

    __slots__ = ("_cancelled", "_deadline", "_held", "_idle", "_limits", "_memory_max", "_start")

    def __init__(self, limits: Limits, cancelled: Callable[[], bool] | None) -> None:
        self._limits = limits
        self._cancelled = cancelled
        self._idle = cancelled is None and limits.query_timeout_s is None
        self._start = 0.0 if self._idle else time.monotonic()
        self._deadline = None if limits.query_timeout_s is None else self._start + limits.query_timeout_s
        self._memory_max = limits.query_memory_bytes_max
        self._held = 0

    def check(self) -> None:
        """Raise if time is up or the query was cancelled. Called between operators and between pieces of one."""
        if self._idle:
            return
        if self._cancelled is not None and self._cancelled():
            raise Cancelled("query cancelled")
        if self._deadline is not None:
            now = time.monotonic()
            if now > self._deadline:
                limit = self._limits.query_timeout_s
                assert limit is not None
                raise ResourceLimitExceeded(
                    "query_timeout_s", round(now - self._start, 3), limit, hint="narrow the match or raise the limit"
                )

    @property
    def memory_max(self) -> int:
        if self._memory_max is None:
            self._memory_max = machine_memory_bytes() // 2
        return self._memory_max

    def reserve(self, size_bytes: int) -> None:
        """Raise if an allocation of this size beside what is held would pass the memory limit. Nothing is recorded."""
        if self._held + size_bytes > self.memory_max:
            raise ResourceLimitExceeded(
                "query_memory_bytes_max",
                self._held + size_bytes,
                self.memory_max,
                hint="narrow the match, add a limit or aggregate, or raise the limit",
            )

    def hold(self, size_bytes: int) -> None:
        """Record memory that stays in use until the query ends or it is released."""
        self.reserve(size_bytes)
        self._held += size_bytes

    def release(self, size_bytes: int) -> None:
        """Take back a part of what was held: it is free again."""
        self._held -= size_bytes

    def check_rows(self, rows: int) -> None:
        limit = self._limits.result_rows_max
        if limit is not None and rows > limit:
            raise ResourceLimitExceeded("result_rows_max", rows, limit, hint="add a limit clause")

    def check_bytes(self, size_bytes: int) -> None:
        limit = self._limits.result_bytes_max
        if limit is not None and size_bytes > limit:
            raise ResourceLimitExceeded("result_bytes_max", size_bytes, limit, hint="return fewer columns or rows")

    @property
    def counts_bytes(self) -> bool:
        """Whether the size of the result must be measured at all."""
        return self._limits.result_bytes_max is not None

    def check_hops(self, hops: int) -> None:
        limit = self._limits.hops_max
        if limit is not None and hops > limit:
            raise ResourceLimitExceeded("hops_max", hops, limit, hint="lower the upper bound of the traversal")
