"""A cut: the state of a graph after one record, with its tail. What readers open and writers extend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import pyarrow as pa

from omnigraph.errors import CorruptObject
from omnigraph.language import compile_schema
from omnigraph.language.catalog import Catalog
from omnigraph.storage.change import Change
from omnigraph.storage.log import Log, LogEntry, tail_positions
from omnigraph.storage.record import (
    CarriedChange,
    CommitEntry,
    InlineChange,
    Record,
    SchemaBlock,
    State,
    TableState,
    TypeIdentity,
)
from omnigraph.storage.tail import Tail


@lru_cache(maxsize=64)
def compiled(source: str) -> Catalog:
    """Return the catalog of an accepted schema; compiled once per text."""
    return compile_schema(source)


@dataclass(frozen=True)
class Schema:
    """An accepted schema: its catalog and its stable ids."""

    block: SchemaBlock

    @cached_property
    def catalog(self) -> Catalog:
        return compiled(self.block.source)

    @cached_property
    def cache_key(self) -> str:
        """What tells this schema from every other one of its graph."""
        return self.block.id or self.block.digest

    @cached_property
    def by_key(self) -> dict[str, TypeIdentity]:
        """Type identities by type key, sorted by it."""
        return {identity.table_key: identity for identity in sorted(self.block.types, key=lambda item: item.table_key)}

    @cached_property
    def by_id(self) -> dict[int, TypeIdentity]:
        return {identity.type_id: identity for identity in self.block.types}


class TailChange:
    """One inline change of the tail, decoded when it is looked at."""

    __slots__ = ("_change", "inline", "size_bytes", "step")

    def __init__(self, step: int, inline: InlineChange, change: Change | None = None) -> None:
        self.step = step
        self.inline = inline
        self.size_bytes = len(inline.upserts) + sum(map(len, inline.deletes)) + 32
        self._change = change

    def change(self) -> Change:
        if self._change is None:
            upserts = decode_rows(self.inline.upserts) if self.inline.upserts else None
            self._change = Change(self.step, upserts, tuple(self.inline.deletes))
        return self._change


@dataclass(frozen=True)
class Cut:
    """The state after one record. ``tail`` holds every inline change beyond the bases, oldest first.

    ``within_record`` says that the stored record holds later commits, which are no part of this state: who continues it must
    not refer to the record for its tail.
    """

    entry: LogEntry
    schema: Schema
    tail: Tail
    within_record: bool = False

    @property
    def record(self) -> Record:
        return self.entry.record

    @property
    def state(self) -> State:
        return self.entry.record.state

    @property
    def catalog(self) -> Catalog:
        return self.schema.catalog

    @cached_property
    def tables(self) -> dict[int, TableState]:
        """Table states by type id."""
        return {table.type_id: table for table in self.state.tables}

    def changes_of(self, type_id: int) -> list[Change]:
        """Return the tail of one type, oldest first. Decodes what was not looked at before."""
        return [item.change() for item in self.tail if item.inline.type_id == type_id]

    def tail_types(self) -> set[int]:
        """Return the types that have a tail."""
        return {item.inline.type_id for item in self.tail}

    def before_last(self, commit: CommitEntry) -> Tail:
        """Return the tail as it was after one commit of the record (which may hold later ones)."""
        return Tail(item for item in self.tail if item.step <= commit.step)


def open_cut(log: Log, entry: LogEntry, known: Schema | None = None) -> Cut:
    """Return the cut after a record: a handful of objects, whatever the length of the history.

    ``known`` saves the reading of the schema when it is the state's.
    """
    state = entry.record.state
    if known is not None and known.block.digest == state.schema_digest and known.block.id == state.schema_id:
        schema = known
    elif entry.record.schema is not None:
        schema = Schema(entry.record.schema)
    else:
        log.prefetch([state.schema_at, *tail_positions(state)])
        block = log.read(state.schema_at).record.schema
        if block is None:
            raise CorruptObject(
                f"storage: the record {state.schema_at.seq} of '{state.schema_at.branch_id}' should hold the schema",
                hint="run `omnigraph repair`",
            )
        schema = Schema(block)
    return Cut(entry, schema, Tail(needed(log.tail(entry), state.tables)))


def next_cut(log: Log, before: Cut, entry: LogEntry) -> Cut:
    """Return the cut after the record that follows ``before``: at the price of the record, whatever the length of the tail."""
    record, state, tables = entry.record, entry.record.state, before.tables
    known = before.schema.block
    if (
        record.kind not in ("commits", "fold")
        or (known.digest, known.id) != (state.schema_digest, state.schema_id)
        or state.step != before.state.step + len(record.commits)
        or any(commit.merged_parent for commit in record.commits)
        or before.within_record
    ):
        return open_cut(log, entry, before.schema)
    through = {table.type_id: table.through for table in state.tables}
    tail = before.tail
    if any(through[type_id] != table.through for type_id, table in tables.items()):
        tail = Tail(item for item in tail if item.step > through[item.inline.type_id])
    own = [CarriedChange(commit.step, commit.inline) for commit in record.commits if commit.inline]
    return Cut(entry, before.schema, tail.extended(list(needed(own, state.tables))))


def needed(changes: Sequence[CarriedChange], tables: Sequence[TableState]) -> Iterator[TailChange]:
    """Yield the changes that are not part of a base yet."""
    through = {table.type_id: table.through for table in tables}
    for change in changes:
        for inline in change.inline:
            # A type that is gone from the state has been dropped: its rows are of no interest.
            if change.step > through.get(inline.type_id, change.step):
                yield TailChange(change.step, inline)


_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def encode_schema(schema: pa.Schema) -> bytes:
    """Return the first message of an Arrow IPC stream: worth keeping by those who write many small streams."""
    data: bytes = schema.serialize().to_pybytes()
    return data


def encode_rows(batch: pa.RecordBatch | None, header: bytes | None = None, message: bytes | None = None) -> bytes:
    """Return rows as an Arrow IPC stream. About 3 µs for one row.

    ``header`` is the `encode_schema` of their schema and ``message`` the rows as a message, where they are known; with both,
    the rows themselves are not looked at.
    """
    if batch is not None:
        header = encode_schema(batch.schema) if header is None else header
        message = batch.serialize().to_pybytes() if message is None else message
    assert header is not None and message is not None
    return b"".join((header, message, _END_OF_STREAM))


def _as_numbers(column: pa.Array) -> pa.Array:
    """Return a column of moments as its numbers: for Arrow a `date64` that is no whole day is not valid."""
    type_ = column.type
    if pa.types.is_date64(type_):
        return column.view(pa.int64())
    if pa.types.is_list(type_) and pa.types.is_date64(type_.value_type):
        return column.view(pa.list_(pa.int64()))
    return column


def decode_rows(data: bytes) -> pa.RecordBatch:
    """Return the rows of an Arrow IPC stream. Raises CorruptObject."""
    try:
        with pa.ipc.open_stream(data) as reader:
            table = reader.read_all()
        batches = table.combine_chunks().to_batches()
        for batch in batches:  # the arrays are trusted from here on: a wrong offset would take the process down
            batch.validate()
            for column in batch.columns:
                _as_numbers(column).validate(full=True)
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise CorruptObject(f"storage: rows of a record are damaged: {error}", hint="run `omnigraph repair`") from error
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
