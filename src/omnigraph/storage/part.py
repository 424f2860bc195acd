"""One value that can be thrown away and built again; see `storage.cache`."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any


class Part:
    """A value, its size, and whether it was used since the budget last looked. ``value`` is None after eviction."""

    __slots__ = ("__weakref__", "size_bytes", "used", "value")

    def __init__(self, value: Any, size_bytes: int) -> None:  # Any: every owner knows what it put in
        self.value = value
        self.size_bytes = size_bytes
        self.used = True


class PartRef(weakref.ref[Part]):
    """A weak reference that still knows the size of a part that is gone."""

    __slots__ = ("size_bytes",)

    size_bytes: int

    def __new__(cls, part: Part, callback: Callable[[weakref.ref[Part]], None]) -> PartRef:
        ref = super().__new__(cls, part, callback)
        ref.size_bytes = part.size_bytes
        return ref
