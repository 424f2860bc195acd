"""Exports: the rows of one commit as JSON lines, in one order for ever.

Type keys ascend, so edges come before nodes; rows ascend by id. Two exports of one commit are byte-identical.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
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
from omnigraph.wire.change import BaselineInfo

BATCH_ROWS: Final = 16_384
THREADS: Final = 2
"""So many parts are made into text side by side; as many more wait for the reader at most."""
THREADS_ROWS_MIN: Final = 4_096


@dataclass(frozen=True, slots=True)
class Baseline:
    """A whole state as JSON lines, in ``chunks``, and the cursor of the feed behind it."""

    chunks: Iterator[bytes]
    info: BaselineInfo


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
    rows = sum(_table(layout, view).rows for layout in layouts)
    parts = _parts(layouts, view, blobs)
    if rows < THREADS_ROWS_MIN:
        yield from (encoder.encode_part(part) for encoder, part in parts)
        return
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="omnigraph-export")
    try:
        under_way: deque[Future[bytes]] = deque()
        for encoder, part in parts:
            under_way.append(pool.submit(encoder.encode_part, part))
            if len(under_way) > THREADS:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)  # the reader may have gone


def _parts(layouts: list[Layout], view: SnapshotView, blobs: BlobReader) -> Iterator[tuple[RowEncoder, pa.Table]]:
    for layout in layouts:
        table = _table(layout, view)
        if table.rows == 0:
            continue
        encoder = RowEncoder(layout.entity, blobs)
        ordinals = _by_id(table)
        for start in range(0, len(ordinals), BATCH_ROWS):
            for part in encoder.parts(_rows(layout, table, ordinals[start : start + BATCH_ROWS])):
                yield encoder, part


def _table(layout: Layout, view: SnapshotView) -> TableView:
    name = layout.entity.name
    return view.edges(name) if layout.identity.kind == "edge" else view.nodes(name)


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
