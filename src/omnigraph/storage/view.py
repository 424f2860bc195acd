"""What the query room sees of storage: tables and adjacency at one snapshot, over ordinals.

An *ordinal* is a small integer that stands for a row of one table in one view; it means nothing outside that view. Rows of
the base keep the place they have there, rows that are only in the tail come behind them; an updated row keeps its ordinal;
deleted rows leave dead slots. Nobody who uses these interfaces needs to know that there is a base and a tail.

Only ordinals that a view has handed out may be asked for: a view of a cold table finds out where the rows of its tail
stand when it is asked for their ids or for all rows. Ordinal arrays are ``numpy.int32``. ``-1`` means "no such row" where a
lookup may fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from omnigraph.language.catalog import Catalog, EdgeType, NodeType
from omnigraph.language.checked import CompareOperator, Value

Ordinals: TypeAlias = npt.NDArray[np.int32]
Mask: TypeAlias = npt.NDArray[np.bool_]
Numbers: TypeAlias = npt.NDArray[Any]  # Any: the element type is the column's


class Column(Protocol):
    """One property of a table, over all slots of the view. Dead slots may hold anything."""

    @property
    def type(self) -> pa.DataType:
        """The Arrow type (`storage.arrow`): Date is date32, DateTime date64, Vector a fixed-size list of float32."""

    def value(self, ordinal: int) -> Value:
        """Return one cell in the representation of `language.checked` (no Arrow array is built)."""

    def values(self, ordinals: Ordinals) -> list[Value]:
        """Return the cells of a few ordinals as `value` does, -1 as None: cheaper than an array while they are few."""

    def take(self, ordinals: Ordinals) -> pa.Array:
        """Return the cells of the given ordinals, in that order, as one array; -1 gives null."""

    def numbers(self) -> tuple[Numbers, Mask | None]:
        """Return values and validity of every slot (None: all valid).

        For fixed-width scalars only: numbers, Bool as bool, Date as int32 days, DateTime as int64 milliseconds. The arrays are
        shared and must not be written to.
        """

    def matrix(self) -> tuple[npt.NDArray[np.float32], Mask | None]:
        """Return the vectors of every slot as (slots, dimension) and their validity. Vector columns only."""

    def codes(self) -> npt.NDArray[np.int64]:
        """Return one integer per slot that compares as the strings do, bytewise; equal codes mean equal strings; null is -1.

        String columns only. Built on first use, once per base; shared, must not be written to.
        """

    def compare(self, operator: CompareOperator, value: Value, ordinals: Ordinals | None = None) -> Mask:
        """Compare with a constant: over every slot, or over the given ordinals. Null on either side gives False.

        Numbers compare by mathematical value whatever the two types are (a float never equals an integer it only rounds to).
        """

    def among(self, values: Sequence[Value], ordinals: Ordinals | None = None, *, negated: bool = False) -> Mask:
        """Say which cells equal one of some values, or (``negated``) none of them: of every slot or of the given ordinals.

        String columns and strings only. Null cells, and ordinals of -1, give False either way.
        """


class TableView(Protocol):
    """All rows of one node type at one snapshot."""

    @property
    def entity(self) -> NodeType | EdgeType: ...

    @property
    def slots(self) -> int:
        """Ordinals run from 0 to slots - 1."""

    @property
    def rows(self) -> int:
        """The number of live rows, exact, at no cost."""

    @property
    def live(self) -> Mask | None:
        """Which slots are live; None when all are."""

    def all(self) -> Ordinals:
        """Return the ordinals of all live rows, ascending."""

    def ordinal(self, row_id: str) -> int:
        """Return the ordinal of an id, or -1. Under a microsecond when warm, one indexed lookup when cold."""

    def ordinals(self, row_ids: Sequence[str] | pa.Array) -> Ordinals:
        """Return the ordinals of many ids, -1 for those that are not there (null included)."""

    def id(self, ordinal: int) -> str: ...

    def ids(self, ordinals: Ordinals) -> pa.Array:
        """Return ids as a string array; -1 gives null."""

    def id_list(self, ordinals: Ordinals) -> list[str | None]:
        """Return ids as Python strings, -1 as None: cheaper than an array while they are few."""

    def column(self, name: str) -> Column:
        """Return a property's column; on edges ``src`` and ``dst`` (endpoint ids) too."""

    def find(self, name: str, value: Value) -> Ordinals:
        """Return the live rows whose scalar property equals a value, ascending, by the cheapest way there is."""

    def values(self, ordinal: int, names: Sequence[str]) -> tuple[Value, ...]:
        """Return several cells of one row: one storage access when cold."""

    def is_warm(self, name: str | None = None) -> bool:
        """Say whether the key index (None) or a column is in memory already, so that using it costs no O(table) work."""


class Adjacency(Protocol):
    """The edges of one type as neighbours. ``reverse`` walks from ``dst`` to ``src``. Live edges only."""

    @property
    def has_parallel(self) -> bool:
        """True if two live edges may join the same two nodes in the same direction; neighbours may then repeat."""

    def neighbours(self, ordinal: int, reverse: bool) -> Ordinals:
        """Return the neighbours of one node. A shared slice where possible: must not be written to. About 1 µs."""

    def edges(self, ordinal: int, reverse: bool) -> Ordinals:
        """Return the ordinals (in the edge table) of the edges behind `neighbours`, in the same order."""

    def reached(self, ordinals: Ordinals, reverse: bool) -> Ordinals:
        """Return the neighbours of many nodes one after the other, without saying whose they are. None may be -1."""

    def sizes(self, ordinals: Ordinals, reverse: bool) -> npt.NDArray[np.int64]:
        """Return the number of neighbours of each ordinal (parallel ones counted each); an ordinal of -1 has none."""

    def expand(self, ordinals: Ordinals, reverse: bool) -> tuple[npt.NDArray[np.int64], Ordinals]:
        """Return (positions, neighbours): entry k says that ``ordinals[positions[k]]`` has that neighbour.

        Positions are ascending. An ordinal of -1 has no neighbours.
        """

    def expand_edges(self, ordinals: Ordinals, reverse: bool) -> tuple[npt.NDArray[np.int64], Ordinals, Ordinals]:
        """Like `expand`, with the edge ordinals as third array."""

    def degrees(self, reverse: bool) -> npt.NDArray[np.int32]:
        """Return the number of live edges of every slot of the node table (parallel ones counted each)."""

    def restricted(self, edge_ordinals: Mask) -> Adjacency:
        """Return the adjacency of only those edges whose slot in the edge table is set in the mask."""


class EdgeView(TableView, Protocol):
    """All rows of one edge type at one snapshot."""

    def adjacency(self, indexed: bool | None = None) -> Adjacency:
        """Return the neighbours: by lookups in storage (``indexed``), in memory (False), or whichever is there already.

        The in-memory one is built once per base, O(edges); the other builds nothing.
        """


class GraphView(Protocol):
    """One snapshot of a graph."""

    @property
    def catalog(self) -> Catalog: ...

    def nodes(self, type_name: str) -> TableView: ...

    def edges(self, type_name: str) -> EdgeView: ...
