"""Admission: how many writes, and how many bytes of writes, one actor may have under way in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from omnigraph.server.failure import Refusal
from omnigraph.server.logs import warn

INFLIGHT_VARIABLE: Final = "OMNIGRAPH_PER_ACTOR_INFLIGHT_MAX"
BYTES_VARIABLE: Final = "OMNIGRAPH_PER_ACTOR_BYTES_MAX"
INFLIGHT_DEFAULT: Final = 16
BYTES_DEFAULT: Final = 4 * 1024**3
BRANCH_OPERATION_BYTES: Final = 256
RETRY_AFTER_S: Final = 60
ANONYMOUS: Final = "anonymous"


@dataclass(slots=True)
class _Usage:
    requests: int = 0
    size_bytes: int = 0


@dataclass(slots=True)
class Admission:
    """The books of one process. Used on the event loop alone, so that looking and taking are one step."""

    inflight_max: int = INFLIGHT_DEFAULT
    bytes_max: int = BYTES_DEFAULT
    _usage: dict[str, _Usage] = field(default_factory=dict)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Admission:
        return cls(
            _whole_number(environment, INFLIGHT_VARIABLE, INFLIGHT_DEFAULT),
            _whole_number(environment, BYTES_VARIABLE, BYTES_DEFAULT),
        )

    @contextmanager
    def slot(self, actor: str | None, size_bytes: int) -> Iterator[None]:
        """Hold a place for one write; it is free again however the block ends. Raises a 429 and leaves no trace."""
        name = ANONYMOUS if actor is None else actor
        usage = self._usage.get(name, _Usage())
        if usage.requests >= self.inflight_max:
            raise _too_many(f"actor in-flight count cap {self.inflight_max} exceeded")
        attempted = usage.size_bytes + size_bytes
        if attempted > self.bytes_max:
            raise _too_many(f"actor byte budget exceeded: would use {attempted} bytes against cap {self.bytes_max}")
        self._usage[name] = usage
        usage.requests += 1
        usage.size_bytes = attempted
        try:
            yield
        finally:
            usage.requests -= 1
            usage.size_bytes -= size_bytes
            if not usage.requests:
                self._usage.pop(name, None)


def _too_many(message: str) -> Refusal:
    return Refusal(429, "too_many_requests", message, headers=((b"retry-after", str(RETRY_AFTER_S).encode()),))


def _whole_number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name)
    if text is None:
        return default
    given = text.strip()
    if given.isascii() and given.isdigit() and len(given) < 20:
        return int(given)
    warn("invalid env value, using default", env=name, value=text, default=default)
    return default
