"""Decoding a load: JSON text, Python records or Arrow tables to rows in the columns of storage.

A block at a time on the fast path (`json_columns`, `columns`); a block in which it finds anything that is not plainly right
goes through the exact path (`json_text`, `records`, `values`), which alone refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct
from numpy.typing import NDArray

from omnigraph.errors import BadRequest, InvalidValue
from omnigraph.graph.columns import Rows, Undecided, store_blobs, value_column
from omnigraph.graph.dates import without_calendar
from omnigraph.graph.duplicates import check_ids, check_unique, last_of_each_id
from omnigraph.graph.identity import fresh_ids, row_id
from omnigraph.graph.json_columns import Group
from omnigraph.graph.json_text import read_objects
from omnigraph.graph.pipeline import Pipeline
from omnigraph.graph.record_columns import decode_records, plain_record, plain_values
from omnigraph.graph.records import (
    BlockReader,
    Progress,
    Source,
    Stream,
    is_stream,
    open_source,
    record_entity,
)
from omnigraph.graph.rules import ValueRules
from omnigraph.graph.table_columns import decode_table
from omnigraph.graph.values import BlobSink, Json, Stored, stored_value
from omnigraph.language.catalog import Catalog, EdgeType, NodeType
from omnigraph.storage.arrow import row_schema
from omnigraph.wire.write import LoadMode

RECORDS_AT_A_TIME: Final = 20_000
"""Python records that are converted together."""


class DecodedTable(Struct):
    """The rows of one type in the order of the input, as a load of its mode wants them.

    ``table`` has the columns of `row_schema` and distinct ids; ``numbers`` says for every row which record it was, from 1.
    ``records`` counts the records of the type before later ones replaced earlier ones. ``has_given_ids`` is false when every
    id is fresh and so none can be stored already.
    """

    entity: NodeType | EdgeType
    table: pa.Table
    numbers: NDArray[np.int64]
    records: int
    has_given_ids: bool

    @property
    def table_key(self) -> str:
        return self.entity.table_key


class DecodedLoad(Struct):
    """What a load holds, by type key; ``records`` counts all of its records."""

    tables: dict[str, DecodedTable]
    records: int

    def counts(self) -> list[tuple[str, int]]:
        """Return ``(table_key, records)`` pairs, sorted."""
        return [(key, self.tables[key].records) for key in sorted(self.tables)]


def decode_load(
    source: Source,
    catalog: Catalog,
    *,
    mode: LoadMode,
    blobs: BlobSink,
    progress: Progress | None = None,
    keys: Mapping[str, tuple[str, ...]] | None = None,
) -> DecodedLoad:
    """Decode a load and check everything about it that does not need the stored rows.

    That is, in this order: records, values and ids, value rules and uniqueness of nodes, the same of edges. In mode ``merge`` a
    later row of an un-keyed node or an edge replaces an earlier one of the same id. Nothing is stored but the blobs handed to
    ``blobs``. ``keys`` gives the members of keys, by type key, in the order of composite ids where that is no longer the order
    of their names.

    Memory is a few blocks plus the columns of the rows. Raises BadRequest for what is no record, InvalidValue for a value or an
    id that its type refuses, ConstraintViolation, ResourceLimitExceeded for a record of more than `RECORD_BYTES_MAX`. What is
    no record is reported in favour of an earlier value that is refused.
    """
    gathering = _Gathering(_with_keys(catalog, keys or {}), blobs)
    if is_stream(source):
        _decode_stream(source, gathering, progress)
    elif isinstance(source, Mapping):
        _decode_tables(source, gathering)
    else:
        _decode_python(cast("Iterable[Mapping[str, Json]]", source), gathering)
    decoded = gathering.finish()
    for kind in (NodeType, EdgeType):
        for table in decoded.tables.values():
            if isinstance(table.entity, kind):
                ValueRules(table.entity).check(table.table, table.numbers)
        for table in decoded.tables.values():
            if isinstance(table.entity, kind):
                _make_distinct(table, mode)
    return decoded


def _with_keys(catalog: Catalog, keys: Mapping[str, tuple[str, ...]]) -> Catalog:
    """Return the catalog with the members of keys in the given order."""
    changed = {}
    for name, entity in catalog.nodes.items():
        key = keys.get(entity.table_key, entity.key)
        if key != entity.key:
            changed[name] = msgspec.structs.replace(entity, key=key)
    return Catalog({**catalog.nodes, **changed}, catalog.edges) if changed else catalog


def _make_distinct(decoded: DecodedTable, mode: LoadMode) -> None:
    """Check ids and ``@unique`` within the rows, after replacing rows by later ones where the mode says so."""
    entity, rows = decoded.entity, decoded.table
    kept = None
    is_keyed = isinstance(entity, NodeType) and bool(entity.key)
    if decoded.has_given_ids:
        if mode == "merge" and not is_keyed:
            kept = last_of_each_id(rows)
        else:
            check_ids(entity, rows, decoded.numbers)
    check_unique(entity, rows, kept)
    if kept is not None:
        decoded.table, decoded.numbers = rows.take(pa.array(kept)), decoded.numbers[kept]


def _decode_stream(source: Stream, gathering: _Gathering, progress: Progress | None) -> None:
    stream, size = open_source(source)
    try:
        with Pipeline(BlockReader(stream), gathering.catalog) as pipeline:
            while (work := pipeline.next()) is not None:
                done = work.after
                try:
                    gathering.add_groups(work.groups(), work.block.place.record)
                except Undecided:
                    objects = read_objects(work.block.data, work.block.place, work.block.at_end)
                    gathering.add_exactly(objects.values, work.block.place.record)
                    pipeline.correct(work, objects.consumed, objects.after)
                    done = objects.after
                if progress is not None:
                    progress(done.offset, size)
    finally:
        if stream is not source:
            stream.close()


def _decode_python(records: Iterable[Mapping[str, Json]], gathering: _Gathering) -> None:
    iterator, first = iter(records), 1
    while batch := list(islice(iterator, RECORDS_AT_A_TIME)):
        try:
            gathering.add_groups(decode_records(batch, gathering.catalog), first)
        except Undecided:
            plain = [plain_record(record, first + i) for i, record in enumerate(batch)]
            gathering.add_exactly(plain, first, are_plain=False)
        first += len(batch)


def _decode_tables(tables: Mapping[str, pa.Table], gathering: _Gathering) -> None:
    for key, table in tables.items():
        entity = gathering.catalog.entity(key)
        if entity is None:
            raise BadRequest(f"unknown type key '{key}'", hint="write node:<Type> or edge:<Edge>")
        first = 1
        for batch in table.to_batches(max_chunksize=RECORDS_AT_A_TIME):
            gathering.add_table_batch(entity, batch, first)
            first += batch.num_rows


class _Gathering:
    """Collects decoded rows. After the first refused value rows are only looked at, for the sake of a worse error."""

    def __init__(self, catalog: Catalog, blobs: BlobSink) -> None:
        self.catalog = catalog
        self._blobs = blobs
        self._parts: dict[str, tuple[NodeType | EdgeType, list[pa.Table], list[NDArray[np.int64]]]] = {}
        self._refused: InvalidValue | None = None
        self._records = 0

    def add_groups(self, groups: list[Group], first: int) -> None:
        """Add what the fast path decoded; ``first`` is the number of the block's first record. Raises Undecided."""
        if self._refused is None:
            try:
                for group in groups:
                    store_blobs(group.rows, self._blobs)
            except InvalidValue:
                raise Undecided from None
        for group in groups:
            self._add(group.rows, group.places + first)

    def add_exactly(self, records: list[dict[str, Json]], first: int, *, are_plain: bool = True) -> None:
        """Convert records one by one; ``are_plain`` if their values are those of JSON. Raises BadRequest."""
        entities = [record_entity(record, first + i, self.catalog) for i, record in enumerate(records)]
        if self._refused is not None:
            return
        built: dict[str, _ExactRows] = {}
        for number, (record, entity) in enumerate(zip(records, entities, strict=True), first):
            rows = built.setdefault(entity.table_key, _ExactRows(entity))
            try:
                rows.add(record if are_plain else plain_values(record, entity), number, self._blobs)
            except InvalidValue as error:
                self._refused = type(error)(f"record {number}: {error.message}", hint=error.hint)
                return
        for rows in built.values():
            self._add(rows.rows(), np.array(rows.numbers, np.int64))

    def add_table_batch(self, entity: NodeType | EdgeType, batch: pa.RecordBatch, first: int) -> None:
        """Add rows of a table that the caller gave, column by column, else record by record."""
        try:
            rows = decode_table(entity, batch)
            self.add_groups([Group(rows, np.arange(batch.num_rows))], first)
        except Undecided:
            self.add_exactly(list(_as_records(entity, batch)), first, are_plain=False)

    def _add(self, rows: Rows, numbers: NDArray[np.int64]) -> None:
        self._records += len(numbers)
        if self._refused is None:
            _, tables, parts = self._parts.setdefault(rows.entity.table_key, (rows.entity, [], []))
            tables.append(rows.table())
            parts.append(numbers)

    def finish(self) -> DecodedLoad:
        """Return everything that was added. Raises the InvalidValue that was met first."""
        if self._refused is not None:
            raise self._refused
        tables = {}
        for key in sorted(self._parts):
            entity, parts, numbers = self._parts.pop(key)
            rows = pa.concat_tables(parts)
            ids = rows.column(0)
            missing = ids.null_count
            if missing:
                ids = _fill(ids.combine_chunks(), missing)
            rows = rows.set_column(0, row_schema(entity).field(0), ids)
            tables[key] = DecodedTable(entity, rows, np.concatenate(numbers), rows.num_rows, missing < rows.num_rows)
        return DecodedLoad(tables, self._records)


def _fill(ids: pa.Array, missing: int) -> pa.Array:
    """Put fresh ids where there are none, ascending in the order of the rows."""
    fresh = fresh_ids(missing)
    if missing == len(ids):
        return fresh
    return pc.replace_with_mask(ids, ids.is_null(), fresh)


def _as_records(entity: NodeType | EdgeType, batch: pa.RecordBatch) -> Iterator[dict[str, Json]]:
    """Return the rows of a table as records: ``src`` and ``dst`` go beside ``data``, and a null id is none."""
    head = {"edge": entity.name} if isinstance(entity, EdgeType) else {"type": entity.name}
    ends = {"from": "src", "to": "dst"} if isinstance(entity, EdgeType) else {}
    columns = {name: without_calendar(column) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
    for place in range(batch.num_rows):
        data = {name: column[place].as_py() for name, column in columns.items()}
        if data.get("id", "") is None:
            del data["id"]
        yield {**head, **{member: data.pop(name) for member, name in ends.items() if name in data}, "data": data}


class _ExactRows:
    """Rows of one type that are built value by value."""

    def __init__(self, entity: NodeType | EdgeType) -> None:
        self.entity = entity
        self.numbers: list[int] = []
        self._ids: list[str | None] = []
        self._ends: dict[str, list[str]] = {"src": [], "dst": []} if isinstance(entity, EdgeType) else {}
        self._columns: dict[str, list[Stored]] = {name: [] for name in entity.properties}

    def add(self, record: Mapping[str, Json], number: int, blobs: BlobSink) -> None:
        """Convert one record, properties in declaration order, then the id. Raises InvalidValue."""
        data = record.get("data", {})
        stored = {}
        for name, property_ in self.entity.properties.items():
            key_is_missing = isinstance(self.entity, NodeType) and name in self.entity.key and data.get(name) is None
            if not key_is_missing:
                stored[name] = stored_value(data.get(name), property_.type, name, blobs)
            else:
                stored[name] = None
        self._ids.append(row_id(self.entity, data, stored))
        for name, value in stored.items():
            self._columns[name].append(value)
        if self._ends:
            self._ends["src"].append(record["from"])
            self._ends["dst"].append(record["to"])
        self.numbers.append(number)

    def rows(self) -> Rows:
        """Return the rows as columns."""
        columns = {"id": pa.array(self._ids, pa.string())}
        columns |= {name: pa.array(values, pa.string()) for name, values in self._ends.items()}
        for name, values in self._columns.items():
            columns[name] = value_column(values, self.entity.properties[name].type)
        return Rows(self.entity, columns)
