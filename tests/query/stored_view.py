"""A stored view of a model graph: some rows in a base, some in the tail, some of the base replaced or deleted by the tail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from model.language import ModelGraph
from omnigraph.language.catalog import Catalog, EdgeType, NodeType
from omnigraph.storage.arrow import row_schema
from omnigraph.storage.cache import GraphCache
from omnigraph.storage.change import Change
from omnigraph.storage.image import Mode
from omnigraph.storage.snapshot_view import SnapshotView, TableSource
from query.memory_view import to_array
from storage.arrow_base import ArrowBase

Row = dict[str, Any]


def stored_view(catalog: Catalog, graph: ModelGraph, mode: Mode, *, tail_every: int = 3) -> SnapshotView:
    """Put every ``tail_every``-th row into the tail, by turns as a new row and as the update of an outdated base row.

    Edges in the base keep base nodes as ends, since an edge base always finds its nodes in their bases.
    """
    nodes: dict[str, dict[str, Row]] = {}
    edges: dict[str, dict[str, Row]] = {}
    for name in catalog.nodes:
        nodes[name] = {key: {"id": key, **row} for key, row in graph.nodes.get(name, {}).items()}
    for name in catalog.edges:
        rows = graph.edges.get(name, {})
        edges[name] = {key: {"id": key, "src": e.source, "dst": e.target, **e.values} for key, e in rows.items()}
    sources: dict[str, TableSource] = {}
    based: dict[str, set[str]] = {}
    for name, rows in nodes.items():
        entity = catalog.nodes[name]
        base, tail = _split(rows, tail_every)
        based[name] = set(base)
        sources[entity.table_key] = _source(entity, base, tail, len(rows))
    for name, rows in edges.items():
        edge = catalog.edges[name]
        base, tail = _split(rows, tail_every)
        for key, row in list(base.items()):
            if row["src"] not in based[edge.source] or row["dst"] not in based[edge.target]:
                del base[key]
                tail[key] = rows[key]
        sources[edge.table_key] = _source(edge, base, tail, len(rows))
    return SnapshotView(catalog, sources, GraphCache(1 << 28), mode)


def _split(rows: Mapping[str, Row], tail_every: int) -> tuple[dict[str, Row], dict[str, Row]]:
    base: dict[str, Row] = {}
    tail: dict[str, Row] = {}
    ids = list(rows)
    for at, key in enumerate(ids):
        if at % tail_every:
            base[key] = rows[key]
            continue
        tail[key] = rows[key]
        if at % 2:  # an outdated version: the values of another row under this id
            other = rows[ids[at - 1]]
            base[key] = {**other, "id": key} | {name: rows[key][name] for name in ("src", "dst") if name in rows[key]}
    return base, tail


def _source(entity: NodeType | EdgeType, base: Mapping[str, Row], tail: Mapping[str, Row], rows: int) -> TableSource:
    table = pa.Table.from_batches([_batch(entity, list(base.values()))]) if base else None
    stored = None if table is None else ArrowBase(table, identity=(entity.table_key, "1"))
    return TableSource(
        open_base=lambda: stored,
        base_identity=None if stored is None else stored.identity,
        tail=[Change(1, _batch(entity, list(tail.values())), ())] if tail else [],
        rows=rows,
    )


def _batch(entity: NodeType | EdgeType, rows: list[Row]) -> pa.RecordBatch:
    schema = row_schema(entity)
    arrays = [to_array([row.get(field.name) for row in rows], field.type) for field in schema]
    return pa.record_batch(arrays, schema=schema)
