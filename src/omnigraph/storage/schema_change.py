"""Changes of the schema: a cut under another schema, and the record that makes it the accepted one.

Names are labels of stable ids, so most changes move no row: the record holds another schema, and readers map its names to the
columns that are there.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from omnigraph.storage.commit import Draft, RecordDraft, fold_record
from omnigraph.storage.cut import Cut, Schema
from omnigraph.storage.log import LogEntry
from omnigraph.storage.record import HardDrop, Position, Record, TableState
from omnigraph.storage.tail import Tail


@dataclass(frozen=True, slots=True)
class SchemaDraft:
    """A write that brings a schema along. Without a ``draft`` only the text is replaced, and there is no commit.

    ``hard_drops`` are the types, as they are called before, whose earlier rows can never be read again.
    """

    schema: Schema
    draft: Draft | None = None
    hard_drops: tuple[HardDrop, ...] = ()


def under_schema(cut: Cut, schema: Schema, branch: str | None = None) -> Cut:
    """Return a cut as if the schema had been another one: rows are found by stable ids, types of which nothing is stored are
    empty, those that the schema lacks are gone. Costs nothing per row.
    """
    if cut.schema is schema:
        return cut
    state = cut.state
    tables = []
    for identity in schema.block.types:
        table = cut.tables.get(identity.type_id)
        tables.append(table or TableState(identity.type_id, "", "", state.step, 0, state.version + 1, branch))
    state = msgspec.structs.replace(state, tables=tables, schema_digest=schema.block.digest, schema_id=schema.block.id)
    entry = LogEntry(cut.entry.position, msgspec.structs.replace(cut.record, state=state), cut.entry.size_bytes)
    tail = Tail(item for item in cut.tail if item.inline.type_id in schema.by_id)
    return Cut(entry, schema, tail)


def schema_record(cut: Cut, change: SchemaDraft, branch_id: str, branch: str | None) -> tuple[Position, Record, Tail]:
    """Return the record that publishes a schema change on top of ``cut``, its place, and the tail after it."""
    under = under_schema(cut, change.schema, branch)
    if change.draft is None:
        return fold_record(under, {}, branch_id)
    draft = RecordDraft(under, branch_id, branch)
    draft.add(change.draft)
    position, record, tail = draft.finish()
    drops = [msgspec.structs.replace(drop, commit=drop.commit or record.commits[0].id) for drop in change.hard_drops]
    state = msgspec.structs.replace(record.state, schema_at=position, hard_drops=[*record.state.hard_drops, *drops])
    return position, msgspec.structs.replace(record, schema=change.schema.block, state=state), tail
