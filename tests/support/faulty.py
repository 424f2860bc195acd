"""A store that dies: the process is as good as killed at the n-th call that changes something.

`Killed` is no Exception, so nothing on the way up handles it; whoever catches it opens the graph anew, as the next process
would.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omnigraph.storage.objects import ObjectInfo, ObjectStore, ReadCounters


class Killed(BaseException):
    """The process ended here."""


class FaultyStore:
    """Counts the changing calls of a store and dies at one of them, before or after it is carried out."""

    def __init__(self, inner: ObjectStore, *, die_at: int | None = None, after: bool = False) -> None:
        self._inner = inner
        self._die_at = die_at
        self._after = after
        self.calls: list[str] = []
        self._dead = False

    @property
    def counters(self) -> ReadCounters:
        return self._inner.counters

    @property
    def uri(self) -> str:
        return self._inner.uri

    @property
    def is_remote(self) -> bool:
        return self._inner.is_remote

    @property
    def library_options(self) -> Mapping[str, str]:
        return self._inner.library_options

    def get(self, key: str) -> bytes:
        self._alive()
        return self._inner.get(key)

    def get_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        self._alive()
        return self._inner.get_many(keys)

    def get_range(self, key: str, offset: int, size_bytes: int) -> bytes:
        self._alive()
        return self._inner.get_range(key, offset, size_bytes)

    def exists(self, key: str) -> bool:
        self._alive()
        return self._inner.exists(key)

    def appeared(self, key: str) -> bool:
        self._alive()
        return self._inner.appeared(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._alive()
        return self._inner.list(prefix)

    def put_new(self, key: str, data: bytes) -> None:
        self._changing(f"put_new {key}", lambda: self._inner.put_new(key, data))

    def put_unique(self, key: str, data: bytes) -> None:
        self._changing(f"put_unique {key}", lambda: self._inner.put_unique(key, data))

    def before_write(self) -> None:
        self._alive()
        self._inner.before_write()

    def put(self, key: str, data: bytes, *, durable: bool = False) -> None:
        self._changing(f"put {key}", lambda: self._inner.put(key, data, durable=durable))

    def replace(self, key: str, data: bytes, *, expected: bytes) -> None:
        self._changing(f"replace {key}", lambda: self._inner.replace(key, data, expected=expected))

    def put_hint(self, key: str, data: bytes) -> None:
        self._changing(f"put_hint {key}", lambda: self._inner.put_hint(key, data))

    def delete(self, key: str) -> None:
        self._changing(f"delete {key}", lambda: self._inner.delete(key))

    def close(self) -> None:
        self._inner.close()

    def sync_tree(self, prefix: str, newer_than_s: float) -> None:
        self._changing(f"sync {prefix}", lambda: self._inner.sync_tree(prefix, newer_than_s))

    def _alive(self) -> None:
        if self._dead:
            raise Killed

    def _changing(self, name: str, call: Any) -> None:  # Any: a call without arguments
        self._alive()
        self.calls.append(name)
        dies = self._die_at is not None and len(self.calls) == self._die_at
        if dies and not self._after:
            self._dead = True
            raise Killed(name)
        call()
        if dies:
            self._dead = True
            raise Killed(name)
