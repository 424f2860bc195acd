"""What every operator of a plan is."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from omnigraph.query.context import Context
from omnigraph.query.frame import Frame


class Step(Struct, frozen=True, kw_only=True):
    """One operator: takes the frame of the rows so far and gives the next one.

    ``carry`` names the variables bound before that are still needed behind the step; it gathers no others.
    """

    carry: tuple[str, ...] = ()

    def run(self, frame: Frame, context: Context) -> Frame | Iterator[Frame]:
        """Return the next frame, or its pieces one after the other when all at once would be too large.

        The frame that comes in has at least one row.
        """
        raise NotImplementedError

    def reads(self) -> frozenset[str]:
        """Return the variables that must be bound before."""
        return frozenset()

    def binds(self) -> frozenset[str]:
        """Return the variables that are bound by this step."""
        return frozenset()

    def describe(self) -> str:
        """Return one line for people."""
        raise NotImplementedError

    def inner(self) -> tuple[Step, ...]:
        """Return the steps of a block inside this one."""
        return ()
