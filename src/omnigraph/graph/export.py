"""Exports: the rows of one commit as JSON lines, in one order for ever.

Type keys ascend, so edges come before nodes; rows ascend by id. Two exports of one commit are byte-identical.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from omnigraph.errors import BadRequest
from omnigraph.graph.jsonl import RowEncoder
from omnigraph.graph.layout import Layout, layouts_of
from omnigraph.storage.blob import BlobReader
from omnigraph.storage.cut import Schema
from omnigraph.storage.snapshot_view import SnapshotView
from omnigraph.storage.view import Ordinals, TableView

BATCH_ROWS: Final = 16_384


def export_rows(
    schema: Schema, view: SnapshotView, blobs: BlobReader, types: Sequence[str], tables: Sequence[str]
) -> Iterator[bytes]:
    """Yield a snapshot as JSON lines, in chunks of whole lines. Unknown names are refused here, before the first chunk."""
    layouts = layouts_of(schema)
    chosen = [layouts[key] for key in _chosen(schema, types, tables)]
    for layout in chosen:
        view.require(layout.table_key)
    return _chunks(chosen, view, blobs)


def _chosen(schema: Schema, types: Sequence[str], tables: Sequence[str]) -> list[str]:
    names = {key.partition(":")[2] for key in schema.by_key}
    for name in types:
        if name not in names:
            raise BadRequest(f"unknown export type '{name}'", hint="`omnigraph schema show` lists the types")
    for key in tables:
        if key not in schema.by_key:
            raise BadRequest(f"unknown export table '{key}'", hint="write node:<Type> or edge:<Edge>")
    if not types and not tables:
        return list(schema.by_key)
    return [key for key in schema.by_key if key in tables or key.partition(":")[2] in types]


def _chunks(layouts: list[Layout], view: SnapshotView, blobs: BlobReader) -> Iterator[bytes]:
    for layout in layouts:
        name = layout.entity.name
        table: TableView = view.edges(name) if layout.identity.kind == "edge" else view.nodes(name)
        if table.rows == 0:
            continue
        encoder = RowEncoder(layout.entity, blobs)
        ordinals = _by_id(table)
        for start in range(0, len(ordinals), BATCH_ROWS):
            yield from encoder.chunks(_rows(layout, table, ordinals[start : start + BATCH_ROWS]))


def _by_id(table: TableView) -> Ordinals:
    """Return the live rows, ascending by id, bytewise."""
    ordinals = table.all()
    order = pc.sort_indices(table.ids(ordinals)).to_numpy()
    sorted_: Ordinals = ordinals[order]
    return sorted_


def _rows(layout: Layout, table: TableView, ordinals: Ordinals) -> pa.Table:
    arrays = [table.ids(ordinals)]
    arrays += [table.column(field.name).take(ordinals) for field in list(layout.rows)[1:]]
    return pa.table(arrays, schema=layout.rows)
