"""Folding: moving the tail of a table into its base.

A fold changes where rows are, never what they are. It commutes with other commits: all it says is "this base is complete
through this step".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omnigraph.language.catalog import EdgeType, NodeType, Scalar
from omnigraph.storage.arrow import ID_FIELD, SOURCE_FIELD, TARGET_FIELD, arrow_type
from omnigraph.storage.change import Change
from omnigraph.storage.cut import Cut, Schema
from omnigraph.storage.net import NetChange, net_change
from omnigraph.storage.objects import ObjectStore
from omnigraph.storage.record import TableState, TypeIdentity
from omnigraph.storage.table import LanceTable, add_columns, create_table, extend_table, index_table, live_batches
from omnigraph.storage.tail import TAIL_RECORDS_MAX
from omnigraph.storage.ulid import new_ulid
from omnigraph.storage.view import Ordinals

TAIL_ROWS_MAX: Final = 4_096
TAIL_BYTES_MAX: Final = 4 * 1024 * 1024
_LOOKUPS_MAX: Final = 20_000
"""More ids than this are found by reading the id column, fewer by its index."""

_COMPRESSED: Final = {"lance-encoding:compression": "zstd"}
"""For ids: a quarter smaller than Lance's own choice, for 0.05 s more a million rows read."""

OpenTable = Callable[[TableState], LanceTable]


def types_to_fold(cut: Cut, tail_records: int, patience: int = 1) -> set[int]:
    """Return the types whose tail has grown past its bounds, with what must be folded along; empty when all is well.

    ``patience`` multiplies the bounds, that of rows and bytes by four at most: a writer in a hurry is not to be overtaken by
    folds.
    """
    rows: dict[int, int] = {}
    size: dict[int, int] = {}
    for item in cut.tail:
        type_id = item.inline.type_id
        rows[type_id] = rows.get(type_id, 0) + len(item.inline.deletes) + item.change().rows_written
        size[type_id] = size.get(type_id, 0) + item.size_bytes
    if tail_records > TAIL_RECORDS_MAX * patience:
        due = set(rows)
    else:
        wider = min(patience, 4)
        rows_max, bytes_max = TAIL_ROWS_MAX * wider, TAIL_BYTES_MAX * wider
        due = {type_id for type_id in rows if rows[type_id] > rows_max or size[type_id] > bytes_max}
    return with_endpoints(cut.schema, due)


def with_endpoints(schema: Schema, type_ids: Iterable[int]) -> set[int]:
    """Return the types and the ends of the edge types among them.

    The base of an edge table must not name nodes that are in a tail only: adjacency is built from bases.
    """
    result = set(type_ids)
    for type_id in list(result):
        identity = schema.by_id[type_id]
        if identity.kind == "edge":
            edge = schema.catalog.edges[identity.name]
            result |= {schema.by_key[f"node:{name}"].type_id for name in (edge.source, edge.target)}
    return result


def fold_tables(
    store: ObjectStore,
    cut: Cut,
    type_ids: Iterable[int],
    open_table: OpenTable,
    added: Mapping[int, Sequence[Change]] | None = None,
) -> dict[int, TableState]:
    """Write new bases for types and return their states, complete through the cut's step (and what is ``added`` to it).

    ``added`` are changes that the caller is about to commit on top of the cut: a bulk write is a fold that includes them. The
    files are durable on return and belong to nobody until a record names them.
    """
    states = {}
    for type_id in sorted(type_ids):
        table = cut.tables[type_id]
        more = list(added.get(type_id, ())) if added else []
        changes = cut.changes_of(type_id) + more
        through = max([cut.state.step, *(change.step for change in more)])
        table_id, version = table.table_id, table.base_version
        if changes:
            identity = cut.schema.by_id[type_id]
            table_id, version = write_base(store, cut.schema, identity, table, net_change(changes), open_table)
        states[type_id] = msgspec.structs.replace(table, table_id=table_id, base_version=version, through=through)
    return states


def write_base(
    store: ObjectStore, schema: Schema, identity: TypeIdentity, table: TableState, net: NetChange, open_table: OpenTable
) -> tuple[str, str]:
    """Write the base that is ``table``'s with a net change applied; return its table id and version."""
    if not table.base_version:
        if net.upserts is None:
            return "", ""
        return create_base(store, schema, identity, net.upserts)
    base = open_table(table)
    stored = stored_schema(schema, identity)
    if base.slots == 0 and not set(stored.names) <= set(base.schema.names):
        return create_base(store, schema, identity, net.upserts) if net.upserts is not None else ("", "")
    base = add_columns(base, store, stored)
    dead = slots_of(base, net.touched)
    rows = net.upserts if net.upserts is not None else stored.empty_table()
    version = extend_table(base, store, rows, dead)
    base = LanceTable(store, table.table_id, version)
    return table.table_id, index_table(base, store, indexed_columns(schema, identity))


def create_base(store: ObjectStore, schema: Schema, identity: TypeIdentity, rows: pa.Table) -> tuple[str, str]:
    """Write a new table that holds ``rows`` (in stored columns) and return its id and version."""
    stored = stored_schema(schema, identity)
    table_id = new_ulid()
    arrays = [
        pa.nulls(rows.num_rows, field.type) if field.name not in rows.column_names else rows.column(field.name).cast(field.type)
        for field in stored
    ]
    version = create_table(store, table_id, pa.table(arrays, schema=stored), stored)
    base = LanceTable(store, table_id, version)
    return table_id, index_table(base, store, indexed_columns(schema, identity))


def rewrite_base(
    store: ObjectStore, schema: Schema, identity: TypeIdentity, table: TableState, net: NetChange, open_table: OpenTable
) -> tuple[str, str]:
    """Write a new table that holds ``table``'s rows with a net change applied, in the columns of ``schema`` and no others.

    O(rows of the table); a batch at a time.
    """
    if not table.base_version:
        return create_base(store, schema, identity, net.upserts) if net.upserts is not None else ("", "")
    base = open_table(table)
    stored = stored_schema(schema, identity)
    table_id = new_ulid()
    batches = live_batches(base, stored, slots_of(base, net.touched), net.upserts)
    version = create_table(store, table_id, batches, stored)
    return table_id, index_table(LanceTable(store, table_id, version), store, indexed_columns(schema, identity))


def slots_of(base: LanceTable, row_ids: Sequence[str]) -> Ordinals:
    """Return the slots of those ids that the base holds."""
    if not row_ids:
        return np.empty(0, dtype=np.int32)
    if len(row_ids) <= _LOOKUPS_MAX and base.has_index("id"):
        return base.find("id", row_ids)[0]
    column = base.read(["id"]).column("id")
    hits = pc.is_in(column, value_set=pa.array(row_ids, pa.string()))
    return np.flatnonzero(hits.to_numpy(zero_copy_only=False) if isinstance(hits, pa.Array) else hits.to_numpy()).astype(
        np.int32
    )


def stored_schema(schema: Schema, identity: TypeIdentity) -> pa.Schema:
    """Return the Arrow schema of a type's stored table."""
    entity = schema.catalog.entity(identity.table_key)
    assert entity is not None
    fields = [ID_FIELD, SOURCE_FIELD, TARGET_FIELD] if identity.kind == "edge" else [ID_FIELD]
    fields = [field.with_metadata(_COMPRESSED) for field in fields]
    fields += [pa.field(item.column, arrow_type(entity.properties[item.name].type)) for item in identity.properties]
    return pa.schema(fields)


def indexed_columns(schema: Schema, identity: TypeIdentity) -> list[str]:
    """Return the stored columns that have a BTREE index.

    A plain String with ``@index`` is not among them: its index is a full-text one.
    """
    entity = schema.catalog.entity(identity.table_key)
    assert entity is not None
    columns = ["id", "src", "dst"] if isinstance(entity, EdgeType) else ["id"]
    column_of = {item.name: item.column for item in identity.properties}
    for name in entity.properties:
        if _has_btree(entity, name) and column_of[name] not in columns:
            columns.append(column_of[name])
    return columns


def _has_btree(entity: NodeType | EdgeType, name: str) -> bool:
    type_ = entity.properties[name].type
    if type_.is_list or type_.scalar in (Scalar.VECTOR, Scalar.BLOB):
        return False
    if isinstance(entity, NodeType) and entity.key == (name,) and type_.scalar is Scalar.STRING:
        return False  # the id has the same values
    if (name,) in entity.unique:
        return True
    plain_text = type_.scalar is Scalar.STRING and type_.enum_values is None
    return name in entity.indexed and not plain_text
