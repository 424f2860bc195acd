"""Loads: from decoded records and a head to a draft of one commit.

All checks run on whole columns, before the first visible effect. Small loads travel in the record; a type that gets many rows
is written as a new base (`architecture` calls that a bulk change), together with what its tail held.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omnigraph.errors import KeyConflict
from omnigraph.graph.branch import OwnRecordNeeded
from omnigraph.graph.decode import DecodedLoad, DecodedTable
from omnigraph.graph.layout import Layout, layouts_of
from omnigraph.graph.load_integrity import LoadImage, check_load
from omnigraph.storage.change import Change
from omnigraph.storage.commit import Base, Draft, RowChange
from omnigraph.storage.cut import Cut
from omnigraph.storage.fold import OpenTable, create_base, fold_tables, with_endpoints
from omnigraph.storage.names import changes_key
from omnigraph.storage.objects import ObjectStore
from omnigraph.storage.snapshot_view import SnapshotView
from omnigraph.storage.ulid import new_ulid
from omnigraph.storage.view import TableView
from omnigraph.wire.write import LoadMode

INLINE_ROWS_MAX: Final = 4_096
INLINE_BYTES_MAX: Final = 1024 * 1024
WRITERS_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What a load does to one type: its rows, and which stored ids go."""

    layout: Layout
    rows: pa.Table
    removed: pa.Array | None
    replaced: int
    rows_after: int


def evaluate_load(
    decoded: DecodedLoad,
    mode: LoadMode,
    cut: Cut,
    view: SnapshotView,
    *,
    store: ObjectStore,
    open_table: OpenTable,
    actor: str | None,
    pending: bool = False,
    writers: int = WRITERS_MAX,
) -> tuple[Draft, SnapshotView | None]:
    """Check a load against a head and write its bulk files. Raises on the first failure; nothing is visible then.

    Returns the draft and the view after it (None after a bulk change: the next reader makes one). Raises `OwnRecordNeeded`,
    before any file is written, when a bulk change meets a ``pending`` head.
    """
    layouts = layouts_of(cut.schema)
    plans = {key: _plan(layouts[key], table, mode, view) for key, table in sorted(decoded.tables.items())}
    image = LoadImage(view, {key: (plan.rows, mode == "overwrite") for key, plan in plans.items()})
    check_load(cut.catalog, image)
    bulk = _bulk_types(cut, plans)
    if bulk and pending:
        raise OwnRecordNeeded
    step = cut.state.step + 1
    inline: dict[int, RowChange] = {}
    changes: dict[str, Change] = {}
    for key, plan in plans.items():
        if plan.layout.type_id in bulk:
            continue
        batch = _one_batch(plan)
        deletes = () if plan.removed is None else tuple(plan.removed.to_pylist())
        changes[key] = Change(step, batch, deletes)
        inline[plan.layout.type_id] = RowChange(changes[key], plan.rows_after, plan.layout.stored_header)
    bases, folded = _write_bases(cut, plans, bulk, mode, store, open_table, step, writers)
    draft = Draft("load", actor, inline, bases, folded)
    return draft, None if bases or folded else view.extend(cut.catalog, changes)


def _plan(layout: Layout, decoded: DecodedTable, mode: LoadMode, view: SnapshotView) -> LoadPlan:
    rows = decoded.table
    name = layout.entity.name
    stored: TableView = view.edges(name) if layout.identity.kind == "edge" else view.nodes(name)
    if stored.rows == 0:
        return LoadPlan(layout, rows, None, 0, rows.num_rows)
    if mode != "overwrite" and not decoded.has_given_ids:
        return LoadPlan(layout, rows, None, 0, stored.rows + rows.num_rows)
    ids = rows.column("id").combine_chunks()
    if mode == "overwrite":
        old = stored.ids(stored.all())
        removed = old.filter(pc.invert(pc.is_in(old, value_set=ids)))
        return LoadPlan(layout, rows, removed, 0, rows.num_rows)
    known = stored.ordinals(ids) >= 0
    if mode == "append" and known.any():
        raise KeyConflict(layout.table_key, ids[int(np.flatnonzero(known)[0])].as_py())
    replaced = int(known.sum())
    return LoadPlan(layout, rows, None, replaced, stored.rows + rows.num_rows - replaced)


def _bulk_types(cut: Cut, plans: Mapping[str, LoadPlan]) -> set[int]:
    """Return the types that get a new base, among them the ends of edge types that do."""
    large = {
        plan.layout.type_id
        for plan in plans.values()
        if plan.rows.num_rows > INLINE_ROWS_MAX
        or plan.rows.nbytes > INLINE_BYTES_MAX
        or (plan.removed is not None and len(plan.removed) > INLINE_ROWS_MAX)
    }
    return with_endpoints(cut.schema, large)


def _write_bases(
    cut: Cut,
    plans: Mapping[str, LoadPlan],
    bulk: set[int],
    mode: LoadMode,
    store: ObjectStore,
    open_table: OpenTable,
    step: int,
    writers: int,
) -> tuple[dict[int, Base], dict[int, tuple[str, str]]]:
    """Write the bases of bulk types, several at a time; return them, and the bases of types without rows of their own."""
    by_id = {plan.layout.type_id: plan for plan in plans.values()}
    tails = cut.tail_types()

    def fold(type_id: int) -> tuple[str, str]:
        state = cut.tables[type_id]
        if type_id not in tails:
            return state.table_id, state.base_version
        folded = fold_tables(store, cut, [type_id], open_table)[type_id]
        return folded.table_id, folded.base_version

    def write(type_id: int) -> Base:
        plan = by_id[type_id]
        identity = cut.schema.by_id[type_id]
        rows = plan.rows.rename_columns([plan.layout.column_of[name] for name in plan.rows.column_names])
        if mode == "overwrite" or (not cut.tables[type_id].base_version and type_id not in tails):
            table_id, version = create_base(store, cut.schema, identity, rows)
            return Base(table_id, version, plan.rows_after, "")
        batch = rows.combine_chunks().to_batches()[0]
        folded = fold_tables(store, cut, [type_id], open_table, {type_id: [Change(step, batch, ())]})[type_id]
        key = changes_key(folded.table_id, new_ulid())
        store.put_unique(key, _changed_ids(plan.rows.column("id")))
        return Base(folded.table_id, folded.base_version, plan.rows_after, key)

    work = sorted(bulk & by_id.keys())
    if len(work) <= 1 or writers <= 1:
        bases = {type_id: write(type_id) for type_id in work}
    else:
        with ThreadPoolExecutor(min(writers, len(work)), thread_name_prefix="omnigraph-load") as pool:
            bases = dict(zip(work, pool.map(write, work), strict=True))
    return bases, {type_id: fold(type_id) for type_id in sorted(bulk - by_id.keys())}


def _changed_ids(ids: pa.ChunkedArray) -> bytes:
    """Return the list of ids of a bulk change: an Arrow IPC file of id and deleted."""
    deleted = pa.repeat(pa.scalar(False), len(ids))
    table = pa.table([ids, deleted], names=["id", "deleted"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _one_batch(plan: LoadPlan) -> pa.RecordBatch | None:
    if not plan.rows.num_rows:
        return None
    batch = plan.rows.combine_chunks().to_batches()[0]
    return plan.layout.as_stored(batch.cast(plan.layout.rows) if batch.schema != plan.layout.rows else batch)
