"""The stored base of one table: what the in-memory image of a table is loaded from.

`storage.table` implements it over Lance; tests implement it over plain Arrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

from omnigraph.language.checked import Value
from omnigraph.storage.view import Mask, Ordinals


class BaseTable(Protocol):
    """One immutable version of one stored table.

    A *slot* is the physical place of a row: fragments in order, rows in order, deleted rows included, counted from 0. Column
    names are stored names (``id``, ``src``, ``dst`` and one per property).
    """

    @property
    def identity(self) -> tuple[str, str]:
        """``(table id, version)``: the key of caches. Equal identity means equal content and equal slots."""

    @property
    def rows(self) -> int:
        """The number of live rows."""

    @property
    def slots(self) -> int:
        """The number of physical rows, deleted ones included."""

    @property
    def schema(self) -> pa.Schema: ...

    def live(self) -> Mask | None:
        """Return which slots are live; None when all are."""

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Return the given columns of every slot, in slot order; dead slots hold nulls. O(table)."""

    def take(self, slots: Ordinals, columns: Sequence[str]) -> pa.Table:
        """Return the given columns of some slots, in the order asked for. Costs about 0.4 ms for one row."""

    def find(self, column: str, values: Sequence[Value], columns: Sequence[str] = ()) -> tuple[Ordinals, pa.Table]:
        """Return the slots of the live rows whose ``column`` equals one of the values, with columns of those rows.

        Uses the column's index where it has one (``id``, ``src``, ``dst`` always do), else a scan of that column. The order is
        that of the slots.
        """

    def has_index(self, column: str) -> bool:
        """Say whether `find` on a column uses an index."""
