"""The object store: the one door to everything that is kept under a graph root, Lance's own files apart.

Keys are relative to the root, with ``/`` between segments. Every implementation maps the errors of its library to
`omnigraph.errors`; nothing lower escapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from omnigraph.errors import OutcomeUnknown as OutcomeUnknown  # raised by stores
from omnigraph.errors import StorageError


class ObjectMissing(StorageError):
    """There is no object under this key."""

    kind = "object_missing"

    def __init__(self, key: str) -> None:
        super().__init__(f"storage: object '{key}' not found", hint="run `omnigraph repair` to see what is affected")
        self.key = key


class ObjectExists(StorageError):
    """A put-if-absent met an object that is there already."""

    kind = "object_exists"

    def __init__(self, key: str) -> None:
        super().__init__(f"storage: object '{key}' already exists")
        self.key = key


class ObjectChanged(StorageError):
    """A replacement met another content than the one it was to replace."""

    kind = "object_changed"

    def __init__(self, key: str) -> None:
        super().__init__(f"storage: object '{key}' is not any more what it was")
        self.key = key


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One entry of a listing. ``modified_s`` is seconds since 1970; ``tag`` differs with the content, where a store has one."""

    key: str
    size_bytes: int
    modified_s: float
    tag: str = ""


class ReadCounters:
    """What was read from a store so far, for profiles. Additions may be lost between threads; nothing depends on them."""

    __slots__ = ("bytes_read", "objects_read")

    def __init__(self) -> None:
        self.objects_read = 0
        self.bytes_read = 0

    def add(self, size_bytes: int) -> None:
        """Note one access."""
        self.objects_read += 1
        self.bytes_read += size_bytes

    def as_dict(self) -> dict[str, int]:
        return {"objects read": self.objects_read, "bytes read": self.bytes_read}


class ObjectStore(Protocol):
    """Objects under one root. All methods may be called from several threads."""

    @property
    def counters(self) -> ReadCounters: ...

    @property
    def uri(self) -> str:
        """The root, without trailing slash, in a form that Lance opens."""

    @property
    def is_remote(self) -> bool:
        """Whether a look costs a round trip over a network: worth sharing, and worth doing several at a time."""

    @property
    def library_options(self) -> Mapping[str, str]:
        """What Lance must be told to open ``uri``; credentials may be among it, so it is never shown."""

    def get(self, key: str) -> bytes:
        """Return an object. Raises ObjectMissing."""

    def get_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return objects in the order of their keys, None for those that are missing; side by side where that helps."""

    def get_range(self, key: str, offset: int, size_bytes: int) -> bytes:
        """Return ``size_bytes`` bytes from ``offset``. Raises ObjectMissing, and StorageError when the object is shorter."""

    def exists(self, key: str) -> bool: ...

    def appeared(self, key: str) -> bool:
        """Say whether an object is there by now: `exists` for those who ask before every read, as cheap as it can be.

        False may also mean that it could not be found out: who reads goes on from what they know, who writes will be told.
        """

    def put_new(self, key: str, data: bytes) -> None:
        """Write an object that must not exist; durable on return. Raises ObjectExists, OutcomeUnknown (of `errors`)."""

    def put_unique(self, key: str, data: bytes) -> None:
        """Write an object of any size under a key that holds a fresh ULID, so that nobody else writes it; durable on return."""

    def before_write(self) -> None:
        """Make sure that the store keeps what is assumed of it, before a library writes to it. Raises StorageError."""

    def put(self, key: str, data: bytes, *, durable: bool = False) -> None:
        """Write an object, replacing whatever is there. For hints and readable copies only."""

    def replace(self, key: str, data: bytes, *, expected: bytes) -> None:
        """Replace an object whose content is exactly ``expected``; durable on return, and never a lost update.

        Raises ObjectChanged when it holds something else or is gone, OutcomeUnknown.
        """

    def put_hint(self, key: str, data: bytes) -> None:
        """Write a small object of constant size that carries no truth: cheap, not durable, and it may be torn by a crash."""

    def delete(self, key: str) -> None:
        """Remove an object; it is no error if it is not there."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose key starts with ``prefix`` (which ends with ``/`` or is empty), in no order."""

    def close(self) -> None:
        """Release what is held open. The store can be used again."""

    def sync_tree(self, prefix: str, newer_than_s: float) -> None:
        """Make files durable that a library wrote under ``prefix`` since a moment; nothing to do on object stores."""
