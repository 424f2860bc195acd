"""Commits: from evaluated writes to the record that publishes them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from omnigraph.storage.change import Change
from omnigraph.storage.cut import Cut, TailChange, encode_rows
from omnigraph.storage.log import CARRY_BYTES_MAX, CARRY_EAGERLY_BYTES_MAX, CARRY_EVERY, LogEntry, next_position, spans_with
from omnigraph.storage.record import (
    FORMAT,
    MAIN,
    BulkChange,
    CarriedChange,
    CommitEntry,
    InlineChange,
    Position,
    Record,
    SchemaBlock,
    Span,
    State,
    TableState,
)
from omnigraph.storage.tail import Tail
from omnigraph.storage.ulid import new_ulid


@dataclass(frozen=True, slots=True)
class RowChange:
    """What one write does to one type, and the exact number of rows that it leaves.

    ``header`` is the encoded schema of the rows and ``message`` they themselves, if the writer has them at hand.
    """

    change: Change
    rows: int
    header: bytes | None = None
    message: bytes | None = None

    def encoded(self) -> bytes:
        """Return the rows as an Arrow IPC stream; nothing if there are none."""
        if not self.change.writes_rows:
            return b""
        return encode_rows(self.change.upserts if self.message is None else None, self.header, self.message)


@dataclass(frozen=True, slots=True)
class Base:
    """A new base that a write made itself, complete including the write. ``changes`` as in `record.BulkChange`."""

    table_id: str
    version: str
    rows: int
    changes: str


@dataclass(frozen=True, slots=True)
class Draft:
    """One write, evaluated against a cut and not published yet.

    ``source`` is the cut that a merge took in. ``inline`` and ``bases`` are by type id and disjoint. ``folded`` names types
    without rows of this write whose base (table id and version) is complete through it all the same: endpoint tables of a
    bulk write.
    """

    kind: str
    actor: str | None
    inline: Mapping[int, RowChange]
    bases: Mapping[int, Base] = field(default_factory=dict)
    folded: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    source: Cut | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)  # Any: notes


class RecordDraft:
    """A record in the making: writes are added one by one, each evaluated on the `cut` that those before it would leave.

    Nothing of it is visible before the record is put. More than one commit is group commit; none has bases of its own then.
    """

    def __init__(self, cut: Cut, branch_id: str, branch: str | None, *, eager: bool = False) -> None:
        """Start on a cut. ``eager``: carry a tiny tail along, for readers to whom each object is a round trip."""
        self._eager = eager
        self.commits: list[CommitEntry] = []
        self.size_bytes = 0
        self._start = cut
        self._branch = branch
        self._position = next_position(cut.entry, branch_id)
        self._tables = dict(cut.tables)
        self._tail = cut.tail

    @property
    def is_empty(self) -> bool:
        return not self.commits

    @property
    def has_bases(self) -> bool:
        """Whether the record brings new bases, and is complete with its one commit therefore."""
        return bool(self.commits) and bool(self.commits[0].bulk)

    def add(self, draft: Draft) -> CommitEntry:
        """Append the commit of a write that was evaluated on `cut`."""
        assert self.is_empty or not (draft.bases or draft.folded or self.has_bases), "several commits have no bulk changes"
        tables, branch, start = self._tables, self._branch, self._start.state
        last = self.commits[-1] if self.commits else None
        parent, parent_at = (start.head, start.head_at) if last is None else (last.id, self._position)
        version = start.version + len(self.commits) + 1
        step = start.step + len(self.commits) + 1
        inline = []
        added = []
        for type_id, written in draft.inline.items():
            change = written.change
            assert change.step == step, "it was evaluated on the state that it extends"
            encoded = InlineChange(type_id, written.encoded(), list(change.deletes), written.rows)
            inline.append(encoded)
            item = TailChange(step, encoded, change)
            added.append(item)
            self.size_bytes += item.size_bytes
            known = tables[type_id]
            tables[type_id] = TableState(
                type_id, known.table_id, known.base_version, known.through, written.rows, version, branch
            )
        self._tail = self._tail.extended(added)
        for type_id, base in draft.bases.items():
            tables[type_id] = TableState(type_id, base.table_id, base.version, step, base.rows, version, branch)
        for type_id, (table_id, base_version) in draft.folded.items():
            tables[type_id] = msgspec.structs.replace(
                tables[type_id], table_id=table_id, base_version=base_version, through=step
            )
        merged = draft.source
        commit = CommitEntry(
            id=new_ulid(after=parent if merged is None else max(parent, merged.state.head)),
            parent=parent,
            merged_parent=None if merged is None else merged.state.head,
            branch=branch,
            version=version,
            actor=draft.actor,
            created_at=time.time_ns() // 1_000,
            kind=draft.kind,
            step=step,
            parent_at=parent_at,
            merged_at=None if merged is None else merged.state.head_at,
            inline=inline,
            bulk=[BulkChange(type_id, base.changes) for type_id, base in draft.bases.items()],
            extra=dict(draft.extra),
        )
        self.commits.append(commit)
        return commit

    def cut(self) -> Cut:
        """Return the state behind the commits so far. For evaluation only: its record is not in the log yet."""
        if self.is_empty:
            return self._start
        start = self._start
        record = msgspec.structs.replace(
            start.record,
            kind="commits",
            commits=list(self.commits),
            schema=None,
            state=self._state(start.state.schema_at, start.state.tail),
        )
        return Cut(LogEntry(self._position, record, 0), start.schema, self._tail)

    def finish(self) -> tuple[Position, Record, Tail]:
        """Return the record that publishes the commits, its place, and the tail after it."""
        assert self.commits, "there is nothing to publish"
        cut, position = self._start, self._position
        before = _still_needed(cut, self._tables)
        carry = _carries(position, cut, before, self._eager)
        tail, carried, schema, schema_at = _tail_fields(cut, position, before, carry=carry)
        record = Record(
            format=FORMAT,
            nonce=new_ulid(),
            kind="commits",
            graph=cut.record.graph,
            commits=self.commits,
            carried=carried,
            schema=schema,
            state=self._state(schema_at, tail),
        )
        after = self._tail if before is cut.tail else before.extended(list(self._tail)[len(cut.tail) :])
        return position, record, after

    def _state(self, schema_at: Position, tail: list[Span]) -> State:
        last = self.commits[-1]
        return msgspec.structs.replace(
            self._start.state,
            version=last.version,
            step=last.step,
            head=last.id,
            head_at=self._position,
            schema_at=schema_at,
            tables=list(self._tables.values()),
            tail=tail,
        )


def fast_forward_record(
    target: Cut, source: Cut, actor: str | None, branch_id: str, branch: str | None, *, eager: bool = False
) -> tuple[Position, Record, Tail]:
    """Return the record by which a branch takes over the state of another that continues it.

    Nothing is copied: the new state names the source's bases and, as its tail, the records of the source's log.
    """
    version = max(target.state.version, source.state.version) + 1
    position = next_position(target.entry, branch_id)
    tables = []
    for table in source.state.tables:
        known = target.tables.get(table.type_id)
        if known is None or known.changed_version != table.changed_version or known.changed_branch != table.changed_branch:
            table = msgspec.structs.replace(table, changed_version=version, changed_branch=branch)
        tables.append(table)
    commit = CommitEntry(
        id=new_ulid(after=max(target.state.head, source.state.head)),
        parent=target.state.head,
        merged_parent=source.state.head,
        branch=branch,
        version=version,
        actor=actor,
        created_at=time.time_ns() // 1_000,
        kind="merge",
        step=source.state.step + 1,
        parent_at=target.state.head_at,
        merged_at=source.state.head_at,
    )
    carry = _carries(position, source, source.tail, eager)
    tail, carried, schema, schema_at = _tail_fields(source, position, source.tail, carry=carry)
    state = msgspec.structs.replace(
        source.state,
        version=version,
        step=source.state.step + 1,
        head=commit.id,
        head_at=position,
        schema_at=schema_at,
        tables=tables,
        tail=tail,
    )
    record = Record(
        format=FORMAT,
        nonce=new_ulid(),
        kind="commits",
        graph=source.record.graph,
        commits=[commit],
        carried=carried,
        schema=schema,
        state=state,
    )
    return position, record, source.tail


def fold_record(cut: Cut, folded: Mapping[int, TableState], branch_id: str) -> tuple[Position, Record, Tail]:
    """Return the record that says that tables have new bases, its place, and the tail after it.

    ``folded`` may come from an older cut of the same line: what was committed since stays in the tail.
    """
    state = cut.state
    tables = dict(cut.tables)
    for type_id, table in folded.items():
        tables[type_id] = msgspec.structs.replace(
            tables[type_id], table_id=table.table_id, base_version=table.base_version, through=table.through
        )
    position = next_position(cut.entry, branch_id)
    before = _still_needed(cut, tables)
    tail, carried, schema, schema_at = _tail_fields(cut, position, before, carry=True)
    record = Record(
        format=FORMAT,
        nonce=new_ulid(),
        kind="fold",
        graph=cut.record.graph,
        carried=carried,
        schema=schema,
        state=msgspec.structs.replace(state, schema_at=schema_at, tables=list(tables.values()), tail=tail),
    )
    return position, record, before


def genesis_record(block: SchemaBlock) -> Record:
    """Return the record 0 of a new graph: its one commit has no parents, no actor and no rows."""
    commit_id = new_ulid()
    tables = [TableState(identity.type_id, "", "", 0, 0, 1, None) for identity in block.types]
    commit = CommitEntry(commit_id, None, None, None, 1, None, time.time_ns() // 1_000, "genesis", 0)
    at = Position(MAIN, 0)
    state = State(1, 0, commit_id, at, block.digest, at, tables, [])
    return Record(
        format=FORMAT, nonce=new_ulid(), kind="genesis", graph=new_ulid(), commits=[commit], schema=block, state=state
    )


def closing_record(last: Record) -> Record:
    """Return the record that ends the log of a deleted branch."""
    return msgspec.structs.replace(last, nonce=new_ulid(), kind="close", commits=[], schema=None, carried=[])


def _still_needed(cut: Cut, tables: Mapping[int, TableState]) -> Tail:
    if all(table.through == cut.tables[type_id].through for type_id, table in tables.items()):
        return cut.tail
    return Tail(item for item in cut.tail if item.step > tables[item.inline.type_id].through)


def _carries(position: Position, cut: Cut, before: Tail, eager: bool) -> bool:
    """Say whether a record is to carry the tail and the schema along."""
    if position.seq % CARRY_EVERY == 0:
        return True
    schema_bytes = 2 * len(cut.schema.block.source)  # with its identities, roughly
    return eager and schema_bytes + before.size_bytes <= CARRY_EAGERLY_BYTES_MAX


def _tail_fields(
    cut: Cut, position: Position, before: Tail, *, carry: bool
) -> tuple[list[Span], list[CarriedChange], SchemaBlock | None, Position]:
    """Return the fields of a record that say where its tail and its schema are."""
    block: SchemaBlock | None = cut.schema.block if carry else None
    schema_at = position if carry else cut.state.schema_at
    if not before:
        return [], [], block, schema_at
    if cut.within_record or (carry and before.size_bytes <= CARRY_BYTES_MAX):
        return [], _carried(before), block, schema_at
    spans = cut.state.tail
    if cut.record.carried or any(commit.inline for commit in cut.record.commits):
        spans = spans_with(spans, cut.entry.position)
    return spans, [], block, schema_at


def _carried(items: Sequence[TailChange]) -> list[CarriedChange]:
    result: list[CarriedChange] = []
    for item in items:
        if result and result[-1].step == item.step:
            result[-1].inline.append(item.inline)
        else:
            result.append(CarriedChange(item.step, [item.inline]))
    return result
