"""Admission: how many requests, and how many bytes of writes, one actor may have under way in this process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from omnigraph.server.failure import Refusal
from omnigraph.server.logs import warn

INFLIGHT_VARIABLE: Final = "OMNIGRAPH_PER_ACTOR_INFLIGHT_MAX"
BYTES_VARIABLE: Final = "OMNIGRAPH_PER_ACTOR_BYTES_MAX"
INFLIGHT_DEFAULT: Final = 16
BYTES_DEFAULT: Final = 4 * 1024**3
BRANCH_OPERATION_BYTES: Final = 256
READS_VARIABLE: Final = "OMNIGRAPH_PER_ACTOR_READS_MAX"
RETRY_AFTER_MAX_S: Final = 60
_WEIGHT: Final = 0.2
"""How much the latest request counts in the mean time of requests."""
ANONYMOUS: Final = "anonymous"


@dataclass(slots=True)
class _Usage:
    requests: int = 0
    size_bytes: int = 0


@dataclass(slots=True)
class Pace:
    """The mean time that requests of one kind hold their place, the latest ones counting most."""

    mean_s: float | None = None

    def add(self, elapsed_s: float) -> None:
        self.mean_s = elapsed_s if self.mean_s is None else self.mean_s + _WEIGHT * (elapsed_s - self.mean_s)

    def retry_after_s(self, ahead: int) -> int:
        """How long until one of ``ahead`` requests has ended, in whole seconds; a minute while nothing is known."""
        if self.mean_s is None or not ahead:
            return RETRY_AFTER_MAX_S
        return min(max(1, ceil(self.mean_s)), RETRY_AFTER_MAX_S)


@dataclass(slots=True)
class Admission:
    """The books of one process. Used on the event loop alone, so that looking and taking are one step."""

    inflight_max: int = INFLIGHT_DEFAULT
    bytes_max: int = BYTES_DEFAULT
    reads_max: int | None = None
    """How many reads and exports an actor may have under way; no bound unless one is set."""
    writes_pace: Pace = field(default_factory=Pace)
    reads_pace: Pace = field(default_factory=Pace)
    _reads: Counter[str] = field(default_factory=Counter)
    _usage: dict[str, _Usage] = field(default_factory=dict)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Admission:
        return cls(
            _whole_number(environment, INFLIGHT_VARIABLE, INFLIGHT_DEFAULT),
            _whole_number(environment, BYTES_VARIABLE, BYTES_DEFAULT),
            _whole_number(environment, READS_VARIABLE, 0) or None,
        )

    @property
    def writes_under_way(self) -> int:
        """Writes of all actors that hold a place."""
        return sum(usage.requests for usage in self._usage.values())

    @property
    def reads_under_way(self) -> int:
        """Reads of all actors that hold a place; 0 while reads are not bounded."""
        return self._reads.total()

    @contextmanager
    def read_slot(self, actor: str | None) -> Iterator[None]:
        """Hold a place for one read, if reads are bounded. Raises a 429 and leaves no trace."""
        if self.reads_max is None:
            yield
            return
        name = ANONYMOUS if actor is None else actor
        if self._reads[name] >= self.reads_max:
            raise _too_many(
                f"actor in-flight read count cap {self.reads_max} exceeded", self.reads_pace.retry_after_s(self._reads[name])
            )
        self._reads[name] += 1
        started = time.monotonic()
        try:
            yield
        finally:
            self.reads_pace.add(time.monotonic() - started)
            self._reads[name] -= 1
            if not self._reads[name]:
                del self._reads[name]

    @contextmanager
    def slot(self, actor: str | None, size_bytes: int) -> Iterator[None]:
        """Hold a place for one write; it is free again however the block ends. Raises a 429 and leaves no trace."""
        name = ANONYMOUS if actor is None else actor
        usage = self._usage.get(name, _Usage())
        if usage.requests >= self.inflight_max:
            wait_s = self.writes_pace.retry_after_s(usage.requests)
            raise _too_many(f"actor in-flight count cap {self.inflight_max} exceeded", wait_s)
        attempted = usage.size_bytes + size_bytes
        if attempted > self.bytes_max:
            wait_s = self.writes_pace.retry_after_s(usage.requests)
            message = f"actor byte budget exceeded: would use {attempted} bytes against cap {self.bytes_max}"
            raise _too_many(message, wait_s)
        self._usage[name] = usage
        usage.requests += 1
        usage.size_bytes = attempted
        started = time.monotonic()
        try:
            yield
        finally:
            self.writes_pace.add(time.monotonic() - started)
            usage.requests -= 1
            usage.size_bytes -= size_bytes
            if not usage.requests:
                self._usage.pop(name, None)


def _too_many(message: str, wait_s: int) -> Refusal:
    return Refusal(429, "too_many_requests", message, headers=((b"retry-after", b"%d" % wait_s),))


def _whole_number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name)
    if text is None:
        return default
    given = text.strip()
    if given.isascii() and given.isdigit() and len(given) < 20:
        return int(given)
    warn("invalid env value, using default", env=name, value=text, default=default)
    return default
