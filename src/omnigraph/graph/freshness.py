"""Freshness: one look at the store for all who want to know at the same time whether a branch has moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition
from typing import Generic, TypeVar

_T = TypeVar("_T")


@dataclass(slots=True)
class _Turn(Generic[_T]):
    """One look; those who came during the one before it wait for it."""

    may_begin: bool = False
    is_done: bool = False
    result: _T | None = None


class SharedLook(Generic[_T]):
    """Takes one look at a time. Who comes while one is under way shares the next one.

    Not the one under way: the store may have answered it before a commit that its caller knows of.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._looking = False
        self._next: _Turn[_T] | None = None

    def share(self, look: Callable[[], _T]) -> _T:
        """Return what a look finds that begins no earlier than this call. Raises what ``look`` raises."""
        turn: _Turn[_T] | None = None
        with self._changed:
            if self._next is not None:
                shared = self._next
                self._changed.wait_for(lambda: shared.is_done)
                if shared.result is not None:
                    return shared.result
            elif self._looking:
                own = turn = self._next = _Turn()
                self._changed.wait_for(lambda: own.may_begin)
                self._next = None
            else:
                turn = _Turn()
                self._looking = True
        if turn is None:
            return look()  # the shared one failed: whoever shared it gets an error of its own
        try:
            turn.result = look()
            return turn.result
        finally:
            with self._changed:
                turn.is_done = True
                if self._next is None:
                    self._looking = False
                else:
                    self._next.may_begin = True  # handed over: whoever comes now must not overtake those who wait
                self._changed.notify_all()
