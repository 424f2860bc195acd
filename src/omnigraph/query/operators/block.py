"""Blocks inside a match: ``not { … }`` and ``optional { … }``.

Both run the steps of the block on the rows so far. What ties an inner row to its outer row is the outer variable itself when
there is only one (every node is then looked at once), else a column with the number of the row.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from omnigraph.query.context import Context, Scope
from omnigraph.query.frame import Frame, concatenated
from omnigraph.query.operators.run import collected, run
from omnigraph.query.operators.source import shown
from omnigraph.query.operators.step import Step
from omnigraph.storage.view import Mask, Ordinals

ROW = "@row"
_GROWTH = 16  # an optional block is taken to make so many rows of one


class Exclude(Step, frozen=True):
    """Drops the rows that the block can extend. ``outer`` are the block's variables from outside.

    ``backward`` are steps that find by themselves every node of the one outer variable that the block can extend: cheaper than
    ``steps`` when about all nodes are asked for and the block's conditions are about other variables.
    """

    steps: tuple[Step, ...]
    outer: tuple[str, ...]
    scope: Scope
    by_row: bool
    backward: tuple[Step, ...] | None = None

    def run(self, frame: Frame, context: Context) -> Frame:
        inside = context.within(self.scope)
        if self.by_row:
            frame = frame.settled()
            return frame.filtered(~self._hit_rows(frame, inside), self.carry)
        variable = self.outer[0]
        table = context.table(variable)
        backward = self.backward is not None and frame.rows * 4 > table.rows
        if frame.scan is not None:
            start = Frame.unit() if backward else frame
            return frame.filtered(~self._hit_slots(start, inside, table.slots, backward=backward), self.carry)
        ordinals = frame.columns[variable]
        if frame.rows == 1 and not backward:
            start = Frame(1, {variable: ordinals})
            found = run(self.steps, start, inside, lambda _: True)
            return Frame(0, {}) if found else frame.reduced(self.carry)
        start = Frame.unit() if backward else Frame(len(ordinals), {variable: ordinals})
        hit = self._hit_slots(start, inside, table.slots, backward=backward)
        return frame.filtered(~hit.take(ordinals), self.carry)

    def _hit_slots(self, frame: Frame, context: Context, slots: int, *, backward: bool) -> Mask:
        """Return which slots of the one outer variable's table the block can extend."""
        hit: Mask = np.zeros(slots, np.bool_)
        variable = self.outer[0]

        def mark(piece: Frame) -> bool:
            nonlocal hit
            if piece.scan is not None and piece.scan.mask is not None:
                hit |= piece.scan.mask
            else:
                hit[piece.columns[variable]] = True
            return False

        steps = self.steps if self.backward is None or not backward else self.backward
        run(steps, frame, context, mark)
        return hit

    def _hit_rows(self, frame: Frame, context: Context) -> Mask:
        hit: Mask = np.zeros(frame.rows, np.bool_)

        def mark(piece: Frame) -> bool:
            hit[piece.columns[ROW]] = True
            return False

        run(self.steps, numbered(frame, self.outer), context, mark)
        return hit

    def reads(self) -> frozenset[str]:
        return frozenset(self.outer)

    def describe(self) -> str:
        each = f"for each {', '.join(map(shown, self.outer)) or 'row'}"
        if self.backward is None:
            return f"drop rows with ({each})"
        return f"drop rows with ({each}; for most rows from the other end: {'; '.join(s.describe() for s in self.backward)})"

    def inner(self) -> tuple[Step, ...]:
        return self.steps


class Attach(Step, frozen=True):
    """Extends rows by the solutions of an optional block; a row without any stays, its variables unbound (-1).

    ``bound`` are the variables of the block that somebody looks at later.
    """

    steps: tuple[Step, ...]
    outer: tuple[str, ...]
    scope: Scope
    variables: tuple[str, ...]
    bound: tuple[str, ...] = ()

    def run(self, frame: Frame, context: Context) -> Frame | Iterator[Frame]:
        frame = frame.settled()
        most = max(context.settings.piece_rows // _GROWTH, 1)
        if frame.rows <= most:
            return self._attached(frame, context)
        return (self._attached(frame.part(start, start + most), context) for start in range(0, frame.rows, most))

    def _attached(self, frame: Frame, context: Context) -> Frame:
        found = collected(self.steps, numbered(frame, self.outer), context.within(self.scope))
        lonely = np.ones(frame.rows, np.bool_)
        parts: list[Frame] = []
        if found is not None:
            rows = found.columns[ROW].astype(np.int64)
            lonely[rows] = False
            outer = frame.taken(rows, self.carry)
            weights = outer.weights
            if found.weights is not None:
                weights = found.weights if weights is None else weights * found.weights
            columns = dict(outer.columns)
            columns.update({name: found.columns[name] for name in self.bound})
            parts.append(Frame(found.rows, columns, weights))
        if lonely.any():
            rest = frame.taken(np.flatnonzero(lonely), self.carry)
            columns = dict(rest.columns)
            columns.update({name: np.full(rest.rows, -1, np.int32) for name in self.bound})
            parts.append(Frame(rest.rows, columns, rest.weights))
        return concatenated(parts)

    def reads(self) -> frozenset[str]:
        return frozenset(self.outer)

    def binds(self) -> frozenset[str]:
        return frozenset(self.variables)

    def describe(self) -> str:
        return f"attach (for each {', '.join(map(shown, self.outer)) or 'row'})"

    def inner(self) -> tuple[Step, ...]:
        return self.steps


def numbered(frame: Frame, variables: tuple[str, ...]) -> Frame:
    """Return the rows with only the given variables and a column with their numbers, without weights."""
    columns: dict[str, Ordinals] = {name: frame.columns[name] for name in variables}
    columns[ROW] = np.arange(frame.rows, dtype=np.int32)
    return Frame(frame.rows, columns)
