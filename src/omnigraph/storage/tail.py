"""The tail of a cut: the changes beyond the bases, oldest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Final, overload

if TYPE_CHECKING:
    from omnigraph.storage.cut import TailChange

TAIL_RECORDS_MAX: Final = 64
"""So many commits make a tail long enough to be folded."""


class Tail(Sequence["TailChange"]):
    """A version of a list that only grows: making the next one costs what is added, and this one stays as it is.

    The second extension of one version (a put that was lost, a branch) copies the list and goes its own way.
    """

    __slots__ = ("_length", "_shared", "size_bytes")

    def __init__(self, items: Iterable[TailChange] = ()) -> None:
        self._shared = _Shared(list(items))
        self._length = len(self._shared.items)
        self.size_bytes = sum(item.size_bytes for item in self._shared.items)

    def extended(self, added: Sequence[TailChange]) -> Tail:
        """Return the tail with more changes behind it."""
        longer = Tail.__new__(Tail)
        shared = self._shared
        with shared.lock:
            if len(shared.items) == self._length:
                shared.items += added
                longer._shared = shared
            else:
                longer._shared = _Shared([*shared.items[: self._length], *added])
        longer._length = self._length + len(added)
        longer.size_bytes = self.size_bytes + sum(item.size_bytes for item in added)
        return longer

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[TailChange]:
        return islice(self._shared.items, self._length)

    @overload
    def __getitem__(self, index: int) -> TailChange: ...
    @overload
    def __getitem__(self, index: slice) -> list[TailChange]: ...
    def __getitem__(self, index: int | slice) -> TailChange | list[TailChange]:
        if isinstance(index, slice):
            return self._shared.items[: self._length][index]
        if not -self._length <= index < self._length:
            raise IndexError(index)
        return self._shared.items[index + self._length if index < 0 else index]


class _Shared:
    """The list that the versions of one line see the beginning of."""

    __slots__ = ("items", "lock")

    def __init__(self, items: list[TailChange]) -> None:
        self.items = items
        self.lock = Lock()
