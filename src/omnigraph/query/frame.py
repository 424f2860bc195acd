"""The frame: the rows of a match while it runs, as ordinals per variable.

A frame is a bag of rows. Each variable that is still needed has one array of ordinals, and all arrays have ``rows`` entries.
With ``weights`` a row stands for that many equal rows: counting needs no copies. -1 stands for an unbound variable.

A frame that only selects rows of one table keeps them as a mask over its slots (``scan``) until somebody needs ordinals:
conditions then work on whole columns, and counting never builds ordinals at all.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from omnigraph.storage.view import Mask, Ordinals, TableView

Weights = npt.NDArray[np.int64]
Positions = npt.NDArray[np.int64]
SortKey: TypeAlias = npt.NDArray[Any]  # Any: of integers or floats, ascending in the order asked for


class Scan:
    """The rows of one table that a mask selects; ``mask`` is None for all live rows, and never holds a dead one."""

    __slots__ = ("mask", "table", "variable")

    def __init__(self, variable: str, table: TableView, mask: Mask | None) -> None:
        self.variable = variable
        self.table = table
        self.mask = mask


class Frame:
    """Rows of a match. Frames are not changed once they have been handed on."""

    __slots__ = ("_columns", "rows", "scan", "weights")

    def __init__(
        self,
        rows: int,
        columns: dict[str, Ordinals],
        weights: Weights | None = None,
        scan: Scan | None = None,
    ) -> None:
        self.rows = rows
        """The number of entries of every column; weights do not count."""
        self._columns = columns
        self.weights = weights
        self.scan = scan

    @classmethod
    def unit(cls) -> Frame:
        """Return the frame of one row without variables: where every match begins."""
        return cls(1, {})

    @classmethod
    def scanning(cls, variable: str, table: TableView, mask: Mask | None) -> Frame:
        rows = table.rows if mask is None else int(np.count_nonzero(mask))
        return cls(rows, {}, None, Scan(variable, table, mask))

    @property
    def total(self) -> int:
        """The number of rows of the match that the frame stands for."""
        return self.rows if self.weights is None else int(self.weights.sum())

    @property
    def columns(self) -> dict[str, Ordinals]:
        """The ordinals of every variable. Ends a scan."""
        if self.scan is not None and not self._columns:
            scan = self.scan
            ordinals = scan.table.all() if scan.mask is None else np.flatnonzero(scan.mask).astype(np.int32)
            self._columns = {scan.variable: ordinals}
        return self._columns

    @property
    def width(self) -> int:
        """The length of what a condition gives for this frame: its rows, or every slot while it scans."""
        return self.rows if self.scan is None else self.scan.table.slots

    def select(self, variable: str) -> Ordinals | None:
        """Return the ordinals to evaluate an expression on; None says every slot of the table."""
        return self._columns[variable] if self.scan is None else None

    def settled(self) -> Frame:
        """Return the same rows as ordinals."""
        if self.scan is None:
            return self
        columns = self.columns
        return Frame(self.rows, columns, self.weights)

    def filtered(self, mask: Mask, carry: tuple[str, ...] | None = None) -> Frame:
        """Return the rows where ``mask`` (of `width` entries) is true, with the variables of ``carry`` (None: all)."""
        scan = self.scan
        if scan is not None:
            previous = scan.mask if scan.mask is not None else scan.table.live
            return Frame.scanning(scan.variable, scan.table, mask if previous is None else mask & previous)
        positions = np.flatnonzero(mask)
        if len(positions) == self.rows:
            return self if carry is None else self.reduced(carry)
        return self.taken(positions, carry)

    def reduced(self, carry: tuple[str, ...]) -> Frame:
        """Return the same rows with fewer variables."""
        columns = self.columns
        return Frame(self.rows, {name: columns[name] for name in carry}, self.weights)

    def taken(self, positions: Positions, carry: tuple[str, ...] | None = None) -> Frame:
        """Return the rows at the given positions, in that order, with the variables of ``carry`` (None: all)."""
        source = self.columns
        columns = {name: source[name].take(positions) for name in (source if carry is None else carry)}
        return Frame(len(positions), columns, None if self.weights is None else self.weights.take(positions))

    def part(self, start: int, stop: int) -> Frame:
        """Return the rows from ``start`` to before ``stop``."""
        columns = {name: ordinals[start:stop] for name, ordinals in self.columns.items()}
        return Frame(min(stop, self.rows) - start, columns, None if self.weights is None else self.weights[start:stop])

    def repeated(self) -> Frame:
        """Return the same bag without weights."""
        if self.weights is None:
            return self
        columns = {name: np.repeat(ordinals, self.weights) for name, ordinals in self.columns.items()}
        return Frame(self.total, columns)

    def size_bytes(self) -> int:
        return self.rows * (4 * len(self.columns) + (0 if self.weights is None else 8))


def concatenated(frames: list[Frame]) -> Frame:
    """Return all rows of several frames of the same variables; at least one frame."""
    if len(frames) == 1:
        return frames[0]
    names = list(frames[0].columns)
    columns = {name: np.concatenate([frame.columns[name] for frame in frames]) for name in names}
    weights = None
    if any(frame.weights is not None for frame in frames):
        weights = np.concatenate(
            [np.ones(frame.rows, np.int64) if frame.weights is None else frame.weights for frame in frames]
        )
    return Frame(sum(frame.rows for frame in frames), columns, weights)
