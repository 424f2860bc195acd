"""Reachability: which objects the history of a graph names, and which are nobody's.

What a killed write leaves behind is named by no record. Age, not reachability, protects a write that is still under way: its
files are not named yet either.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

from omnigraph.errors import HistoryReclaimed
from omnigraph.language.catalog import Scalar
from omnigraph.storage.blob import ManagedBlob, parse_reference
from omnigraph.storage.cut import Cut, open_cut
from omnigraph.storage.fold import OpenTable
from omnigraph.storage.hard_drop import refusals
from omnigraph.storage.history import ReadAhead
from omnigraph.storage.log import Log
from omnigraph.storage.names import (
    PROBE,
    SCHEMA_COPY,
    branch_of_ref_key,
    head_key,
    history_prefix,
    pack_key,
    reclaimed_key,
    record_key,
)
from omnigraph.storage.objects import ObjectInfo
from omnigraph.storage.record import MAIN, Position, Ref, TableState, decode
from omnigraph.storage.table_files import files_of

ORPHAN_AGE_S: Final = 3_600.0
"""A younger file that nobody names may belong to a write in flight, on this machine or another."""


@dataclass
class Reachable:
    """Keys that the history names. Those in ``prefixes`` stand for everything below them."""

    keys: set[str] = field(default_factory=set)
    prefixes: set[str] = field(default_factory=set)

    def __contains__(self, key: str) -> bool:
        if key in self.keys:
            return True
        return any(key.startswith(prefix) for prefix in self.prefixes)

    def add(self, key: str) -> None:
        (self.prefixes if key.endswith("/") else self.keys).add(key)


def reachable(log: Log, open_table: OpenTable) -> Reachable:
    """Walk every record of every live branch and return what they name. O(history), and one look at each base."""
    found = Reachable()
    found.add(SCHEMA_COPY)
    for item in log.store.list("log/"):
        parts = item.key.split("/")
        if len(parts) == 4 and parts[2] == "history":
            found.add(history_prefix(parts[1]))  # that of a deleted branch is as long there as somebody has a parent in it
    found.add(PROBE)
    bases: set[tuple[str, str]] = set()
    packs: set[str] = set()
    main = log.find_head(MAIN)
    for branch_id, ref in _lines(log):
        found.add(head_key(branch_id))
        found.add(history_prefix(branch_id))
        if ref:
            found.add(ref)
        head = log.find_head(branch_id)
        if head is None:
            continue
        ahead = ReadAhead(log, branch_id, head.position.seq)
        for seq in range(head.position.seq + 1):
            ahead.upwards(seq)
            found.add(record_key(branch_id, seq))
            try:
                entry = log.read(Position(branch_id, seq))
            except HistoryReclaimed:
                continue
            for commit in entry.record.commits:
                for bulk in commit.bulk:
                    if bulk.changes:
                        found.add(bulk.changes)
            for span in entry.record.state.tail:
                for at in range(span.first, span.last + 1):
                    found.add(record_key(span.branch_id, at))
            found.add(record_key(entry.record.state.schema_at.branch_id, entry.record.state.schema_at.seq))
            for table in entry.record.state.tables:
                found.add(reclaimed_key(table.table_id, table.base_version))
            try:
                cut = open_cut(log, entry)
            except HistoryReclaimed:
                continue  # kept for its changes only
            gone = refusals(cut, main.record.state) if main is not None else {}
            for table in entry.record.state.tables:
                if table.type_id not in gone:
                    _add_table(found, bases, packs, cut, table, open_table)
            _add_tail_packs(packs, cut)
    for pack in packs:
        found.add(pack_key(pack))
    return found


def unreachable(log: Log, open_table: OpenTable, older_than_s: float = ORPHAN_AGE_S) -> list[ObjectInfo]:
    """Return the objects under the root that nothing names and that are older than so many seconds.

    The listing comes first: what is written while the walk goes on is not in it.
    """
    horizon = time.time() - older_than_s
    listed = [item for item in log.store.list("") if item.modified_s <= horizon]
    named = reachable(log, open_table)
    return sorted((item for item in listed if item.key not in named), key=lambda item: item.key)


def _lines(log: Log) -> Iterator[tuple[str, str]]:
    yield MAIN, ""
    keys = [item.key for item in log.store.list("refs/") if branch_of_ref_key(item.key) is not None]
    for key, data in zip(keys, log.store.get_many(keys), strict=True):
        if data is not None:  # None: deleted since the listing
            yield decode(data, Ref, key).branch_id, key


def _add_table(
    found: Reachable,
    bases: set[tuple[str, str]],
    packs: set[str],
    cut: Cut,
    table: TableState,
    open_table: OpenTable,
) -> None:
    identity = table.table_id, table.base_version
    if not table.base_version or identity in bases:
        return
    bases.add(identity)
    base = open_table(table)
    try:
        for key in files_of(base):
            found.add(key)
    except HistoryReclaimed:
        return
    columns = _blob_columns(cut, table.type_id)
    if columns:
        rows = base.read(columns)
        for column in rows.columns:
            _add_packs(packs, column)


def _add_tail_packs(packs: set[str], cut: Cut) -> None:
    for item in cut.tail:
        columns = _blob_columns(cut, item.inline.type_id)
        upserts = item.change().upserts if columns else None
        if upserts is not None:
            for name in columns:
                if name in upserts.schema.names:
                    _add_packs(packs, upserts.column(name))


def _blob_columns(cut: Cut, type_id: int) -> Sequence[str]:
    identity = cut.schema.by_id.get(type_id)
    entity = None if identity is None else cut.catalog.entity(identity.table_key)
    if identity is None or entity is None:
        return ()
    return [item.column for item in identity.properties if entity.properties[item.name].type.scalar is Scalar.BLOB]


def _add_packs(packs: set[str], column: pa.Array | pa.ChunkedArray) -> None:
    for text in column.drop_null().to_pylist():
        blob = parse_reference(text)
        if isinstance(blob, ManagedBlob) and blob.pack:
            packs.add(blob.pack)
