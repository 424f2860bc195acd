"""The `GraphView` protocols over plain NumPy arrays, built from a model graph: slow to build, simple to trust."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from model.language import ModelGraph
from omnigraph.language.catalog import Catalog, EdgeType, NodeType
from omnigraph.storage.arrow import arrow_type, row_schema

_OPERATORS = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class MemoryColumn:
    def __init__(self, type_: pa.DataType, values: list[Any]) -> None:
        self.type = type_
        self._values = values
        self._numbers = None
        self._codes = None

    def value(self, ordinal: int) -> Any:
        return self._values[ordinal]

    def values(self, ordinals: np.ndarray) -> list[Any]:
        return [None if at < 0 else self._values[at] for at in ordinals.tolist()]

    def take(self, ordinals: np.ndarray) -> pa.Array:
        chosen = [None if at < 0 else self._values[at] for at in ordinals.tolist()]
        return to_array(chosen, self.type)

    def numbers(self):
        if self._numbers is None:
            array = to_array(self._values, self.type)
            valid = array.is_valid().to_numpy(zero_copy_only=False)
            if pa.types.is_date32(self.type):
                array = array.view(pa.int32())
            elif pa.types.is_date64(self.type):
                array = array.view(pa.int64())
            values = array.fill_null(False if pa.types.is_boolean(self.type) else 0).to_numpy(zero_copy_only=False)
            self._numbers = (values, None if valid.all() else valid)
        return self._numbers

    def matrix(self):
        raise NotImplementedError

    def codes(self) -> np.ndarray:
        if self._codes is None:
            ranks = {text: place * 8192 for place, text in enumerate(sorted({v for v in self._values if v is not None}))}
            self._codes = np.array([-1 if value is None else ranks[value] for value in self._values], np.int64)
        return self._codes

    def compare(self, operator: str, value: Any, ordinals: np.ndarray | None = None) -> np.ndarray:
        cells = self._values if ordinals is None else [self._values[at] for at in ordinals.tolist()]
        test = _OPERATORS[operator]
        return np.array([cell is not None and value is not None and test(cell, value) for cell in cells], np.bool_)

    def among(self, values, ordinals: np.ndarray | None = None, *, negated: bool = False) -> np.ndarray:
        cells = self._values if ordinals is None else self.values(ordinals)
        return np.array([cell is not None and (cell in values) is not negated for cell in cells], np.bool_)


def to_array(values: list[Any], type_: pa.DataType) -> pa.Array:
    if pa.types.is_date32(type_):
        return pa.array(values, pa.int32()).view(type_)
    if pa.types.is_date64(type_):
        return pa.array(values, pa.int64()).view(type_)
    if pa.types.is_list(type_) and pa.types.is_temporal(type_.value_type):
        plain = pa.int32() if pa.types.is_date32(type_.value_type) else pa.int64()
        return pa.array(values, pa.list_(plain)).cast(type_)
    return pa.array(values, type_)


class MemoryTable:
    """Rows of a model in the order given, with a dead slot (full of rubbish) in front of every ``gap``-th row."""

    def __init__(self, entity: NodeType | EdgeType, rows: list[dict[str, Any]], gap: int) -> None:
        self.entity = entity
        slots: list[dict[str, Any] | None] = []
        for at, row in enumerate(rows):
            if gap and at % gap == 0:
                slots.append(None)
            slots.append(row)
        self.slots = len(slots)
        self.rows = len(rows)
        mask = np.array([row is not None for row in slots], np.bool_)
        self.live = None if mask.all() else mask
        self._all = np.flatnonzero(mask).astype(np.int32)
        self._ids = [None if row is None else row["id"] for row in slots]
        self._by_id = {row_id: at for at, row_id in enumerate(self._ids) if row_id is not None}
        # A dead slot repeats the row behind it: whoever looks at it by mistake finds a match.
        cells = [row if row is not None else slots[at + 1] for at, row in enumerate(slots)]
        self._columns = {
            field.name: MemoryColumn(field.type, [row.get(field.name) for row in cells])
            for field in row_schema(entity)
            if field.name != "id"
        }
        for name, property_ in entity.properties.items():
            assert self._columns[name].type == arrow_type(property_.type)

    def all(self) -> np.ndarray:
        return self._all

    def ordinal(self, row_id: str) -> int:
        return self._by_id.get(row_id, -1)

    def ordinals(self, row_ids: Sequence[str] | pa.Array) -> np.ndarray:
        ids = row_ids.to_pylist() if isinstance(row_ids, pa.Array) else row_ids
        return np.array([self._by_id.get(row_id, -1) for row_id in ids], np.int32)

    def id(self, ordinal: int) -> str:
        return self._ids[ordinal]

    def id_list(self, ordinals: np.ndarray) -> list[str | None]:
        return [None if at < 0 else self._ids[at] for at in ordinals.tolist()]

    def ids(self, ordinals: np.ndarray) -> pa.Array:
        return pa.array([None if at < 0 else self._ids[at] for at in ordinals.tolist()], pa.string())

    def column(self, name: str) -> MemoryColumn:
        return self._columns[name]

    def find(self, name: str, value: Any) -> np.ndarray:
        mask = self._columns[name].compare("=", value)
        return np.flatnonzero(mask if self.live is None else mask & self.live).astype(np.int32)

    def values(self, ordinal: int, names: Sequence[str]) -> tuple[Any, ...]:
        return tuple(self._ids[ordinal] if name == "id" else self._columns[name].value(ordinal) for name in names)

    def is_warm(self, name: str | None = None) -> bool:
        return True


class MemoryAdjacency:
    def __init__(self, sources: np.ndarray, targets: np.ndarray, edges: np.ndarray, slots: tuple[int, int]) -> None:
        self._ends = (sources, targets, edges)
        self._slots = slots
        self._lists: list[dict[int, list[tuple[int, int]]]] = [{}, {}]
        for source, target, edge in zip(sources.tolist(), targets.tolist(), edges.tolist(), strict=True):
            self._lists[0].setdefault(source, []).append((target, edge))
            self._lists[1].setdefault(target, []).append((source, edge))
        pairs = list(zip(sources.tolist(), targets.tolist(), strict=True))
        self.has_parallel = len(set(pairs)) < len(pairs)

    def neighbours(self, ordinal: int, reverse: bool) -> np.ndarray:
        return np.array([end for end, _ in self._lists[reverse].get(ordinal, [])], np.int32)

    def edges(self, ordinal: int, reverse: bool) -> np.ndarray:
        return np.array([edge for _, edge in self._lists[reverse].get(ordinal, [])], np.int32)

    def reached(self, ordinals: np.ndarray, reverse: bool) -> np.ndarray:
        return self.expand(ordinals, reverse)[1]

    def sizes(self, ordinals: np.ndarray, reverse: bool) -> np.ndarray:
        return np.array([len(self._lists[reverse].get(ordinal, [])) for ordinal in ordinals.tolist()], np.int64)

    def expand(self, ordinals: np.ndarray, reverse: bool):
        return self.expand_edges(ordinals, reverse)[:2]

    def expand_edges(self, ordinals: np.ndarray, reverse: bool):
        found = [
            (at, end, edge)
            for at, ordinal in enumerate(ordinals.tolist())
            for end, edge in self._lists[reverse].get(ordinal, [])
        ]
        positions = np.array([at for at, _, _ in found], np.int64)
        return positions, np.array([e for _, e, _ in found], np.int32), np.array([e for _, _, e in found], np.int32)

    def degrees(self, reverse: bool) -> np.ndarray:
        return np.bincount(self._ends[reverse], minlength=self._slots[reverse]).astype(np.int32)

    def restricted(self, edge_ordinals: np.ndarray) -> MemoryAdjacency:
        keep = edge_ordinals[self._ends[2]]
        return MemoryAdjacency(*(end[keep] for end in self._ends), self._slots)


class MemoryEdges(MemoryTable):
    def __init__(self, entity: EdgeType, rows: list[dict[str, Any]], gap: int, source: MemoryTable, target: MemoryTable):
        super().__init__(entity, rows, gap)
        live = self.all()
        sources = source.ordinals([self._columns["src"].value(at) for at in live.tolist()])
        targets = target.ordinals([self._columns["dst"].value(at) for at in live.tolist()])
        self._adjacency = MemoryAdjacency(sources, targets, live, (source.slots, target.slots))
        self.asked: list[bool | None] = []

    def adjacency(self, indexed: bool | None = None) -> MemoryAdjacency:
        self.asked.append(indexed)
        return self._adjacency


class MemoryView:
    def __init__(self, catalog: Catalog, graph: ModelGraph, gap: int = 0) -> None:
        self.catalog = catalog
        self._nodes = {
            name: MemoryTable(entity, [{"id": key, **row} for key, row in graph.nodes.get(name, {}).items()], gap)
            for name, entity in catalog.nodes.items()
        }
        self._edges = {
            name: MemoryEdges(
                entity,
                [{"id": key, "src": e.source, "dst": e.target, **e.values} for key, e in graph.edges.get(name, {}).items()],
                gap,
                self._nodes[entity.source],
                self._nodes[entity.target],
            )
            for name, entity in catalog.edges.items()
        }

    def nodes(self, type_name: str) -> MemoryTable:
        return self._nodes[type_name]

    def edges(self, type_name: str) -> MemoryEdges:
        return self._edges[type_name]
