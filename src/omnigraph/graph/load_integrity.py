"""Integrity of a load: uniqueness against stored rows, endpoints and cardinality, over whole columns.

What two rows of one file do to each other is judged where the file is decoded; here the file meets what is stored. The order of
the groups is that of the specification: uniqueness of nodes, endpoints, uniqueness of edges, cardinality.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omnigraph.errors import ConstraintViolation
from omnigraph.graph.integrity import cardinality_violation, endpoint_missing, unique_violation
from omnigraph.language.catalog import Catalog, EdgeType, NodeType
from omnigraph.storage.view import GraphView, Mask, TableView

_LOOKUPS_MAX = 2_048
"""Up to so many rows each tuple is looked up; beyond, the stored columns are read once."""


class LoadImage:
    """The image that a load would publish: the rows of the file over the stored ones."""

    def __init__(self, view: GraphView, files: Mapping[str, tuple[pa.Table, bool]]) -> None:
        self.view = view
        self.files = files

    def rows(self, table_key: str) -> pa.Table | None:
        """Return the file's rows of a type, if it names it."""
        file = self.files.get(table_key)
        return None if file is None else file[0]

    def replaces_all(self, table_key: str) -> bool:
        """Say whether the stored rows of a type all go."""
        file = self.files.get(table_key)
        return file is not None and file[1]

    def stored(self, entity: NodeType | EdgeType) -> TableView:
        return self.view.nodes(entity.name) if isinstance(entity, NodeType) else self.view.edges(entity.name)

    def missing(self, node: NodeType, ids: pa.Array) -> Mask:
        """Return which of the ids are no nodes of a type in the image."""
        result = np.ones(len(ids), dtype=np.bool_)
        rows = self.rows(node.table_key)
        if rows is not None:
            result = ~pc.is_in(ids, value_set=rows.column("id").combine_chunks()).to_numpy(zero_copy_only=False)
        if not self.replaces_all(node.table_key) and self.stored(node).rows:
            open_ = np.flatnonzero(result)
            if len(open_):
                result[open_] = self.stored(node).ordinals(ids.take(pa.array(open_))) < 0
        return result


def check_load(catalog: Catalog, image: LoadImage) -> None:
    """Refuse a load whose image would break the schema. O(rows of the file), and of the stored columns that it must meet."""
    nodes = [catalog.nodes[key.removeprefix("node:")] for key in image.files if key.startswith("node:")]
    edges = [catalog.edges[key.removeprefix("edge:")] for key in image.files if key.startswith("edge:")]
    for node in nodes:
        _check_unique(image, node)
    for edge in edges:
        _check_file_endpoints(catalog, image, edge)
    for edge in catalog.edges.values():
        _check_stored_endpoints(catalog, image, edge)
    for edge in edges:
        _check_unique(image, edge)
    for edge in edges:
        _check_cardinality(image, edge)


def _check_unique(image: LoadImage, entity: NodeType | EdgeType) -> None:
    stored = image.stored(entity)
    if not entity.unique or image.replaces_all(entity.table_key) or stored.rows == 0:
        return
    rows = image.rows(entity.table_key)
    assert rows is not None
    ids = rows.column("id").combine_chunks()
    own = stored.ordinals(ids)
    replaced = set(own[own >= 0].tolist())
    for columns in entity.unique:
        if rows.num_rows <= _LOOKUPS_MAX:
            _look_up(entity, columns, rows, stored, replaced)
        else:
            _join(entity, columns, rows, stored, replaced)


def _look_up(
    entity: NodeType | EdgeType, columns: Sequence[str], rows: pa.Table, stored: TableView, replaced: set[int]
) -> None:
    ids = rows.column("id").to_pylist()
    for row_id, values in zip(ids, _tuples(entity, columns, rows), strict=True):
        if None in values:
            continue
        for candidate in stored.find(columns[0], values[0]).tolist():
            if candidate not in replaced and (len(columns) == 1 or stored.values(candidate, columns) == values):
                raise unique_violation(entity, columns, values, stored.id(candidate), row_id)


def _join(entity: NodeType | EdgeType, columns: Sequence[str], rows: pa.Table, stored: TableView, replaced: set[int]) -> None:
    staying = stored.all()
    if replaced:
        staying = staying[~np.isin(staying, np.fromiter(replaced, dtype=np.int32, count=len(replaced)))]
    kept = pa.table([stored.column(name).take(staying) for name in columns], names=list(columns))
    # The first column decides for nearly all rows; only what it leaves is compared as tuples.
    hits = pc.is_in(kept.column(0), value_set=rows.column(columns[0]).combine_chunks())
    places = np.flatnonzero(pa.chunked_array(hits).to_numpy() if isinstance(hits, pa.ChunkedArray) else hits)
    if not len(places):
        return
    holders = dict(zip(_tuples(entity, columns, kept.take(pa.array(places))), staying[places].tolist(), strict=True))
    for row_id, values in zip(rows.column("id").to_pylist(), _tuples(entity, columns, rows), strict=True):
        if None not in values and values in holders:
            raise unique_violation(entity, columns, values, stored.id(holders[values]), row_id)


def _tuples(entity: NodeType | EdgeType, columns: Sequence[str], rows: pa.Table) -> list[tuple[Any, ...]]:
    """Return the values of some columns row by row, in the representation of `TableView.values`."""
    return list(zip(*(_plain(rows.column(name)) for name in columns), strict=True))


def _plain(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    elif pa.types.is_date64(column.type):
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


def _check_file_endpoints(catalog: Catalog, image: LoadImage, edge: EdgeType) -> None:
    rows = image.rows(edge.table_key)
    assert rows is not None
    for end, type_name in (("src", edge.source), ("dst", edge.target)):
        ids = rows.column(end).combine_chunks()
        missing = image.missing(catalog.nodes[type_name], ids)
        if missing.any():
            place = int(np.flatnonzero(missing)[0])
            error = endpoint_missing(end, ids[place].as_py(), type_name)
            raise ConstraintViolation(f"edge {edge.name} row {place + 1}: {error.message}", hint=error.hint)


def _check_stored_endpoints(catalog: Catalog, image: LoadImage, edge: EdgeType) -> None:
    """Stored edges that stay must not lose an end to the replacement of a node type."""
    if image.replaces_all(edge.table_key):
        return
    ends = [(end, name) for end, name in (("src", edge.source), ("dst", edge.target)) if image.replaces_all(f"node:{name}")]
    stored = image.view.edges(edge.name) if ends else None
    if stored is None or stored.rows == 0:
        return
    staying = stored.all()
    rows = image.rows(edge.table_key)
    if rows is not None:  # a merge gives some of them new ends, which are judged with the file
        own = stored.ordinals(rows.column("id").combine_chunks())
        staying = np.setdiff1d(staying, own[own >= 0])
    for end, type_name in ends:
        ids = stored.column(end).take(staying)
        missing = image.missing(catalog.nodes[type_name], ids)
        if missing.any():
            raise endpoint_missing(end, ids[int(np.flatnonzero(missing)[0])].as_py(), type_name)


def _check_cardinality(image: LoadImage, edge: EdgeType) -> None:
    minimum, maximum = edge.cardinality
    if minimum == 0 and maximum is None:
        return
    rows = image.rows(edge.table_key)
    assert rows is not None
    counts = Counter(rows.column("src").to_pylist())
    judged = dict.fromkeys(counts)
    stored = image.view.edges(edge.name)
    if stored.rows:
        everything = stored.all()
        if image.replaces_all(edge.table_key):
            judged.update(dict.fromkeys(stored.column("src").take(everything).to_pylist()))
        else:
            own = stored.ordinals(rows.column("id").combine_chunks())
            moved = own[own >= 0]
            judged.update(dict.fromkeys(stored.column("src").take(moved).to_pylist()))
            gone = set(moved.tolist())
            for source in judged:
                counts[source] += sum(1 for place in stored.find("src", source).tolist() if place not in gone)
    node = image.view.catalog.nodes[edge.source]
    sources = list(judged)
    missing = image.missing(node, pa.array(sources, pa.string()))
    for source, is_gone in zip(sources, missing.tolist(), strict=True):
        count = counts[source]
        if is_gone:
            continue
        if maximum is not None and count > maximum:
            raise cardinality_violation(edge, source, count, "max", maximum)
        if count < minimum:
            raise cardinality_violation(edge, source, count, "min", minimum)
