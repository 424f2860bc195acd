"""Verification: whether everything that the heads of the live branches name is there and is what it should be.

What can be derived again (indexes, head hints, the readable copy of the schema, history objects whose records are there) is
told apart from what cannot: rows, records, blobs.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from omnigraph.errors import HistoryReclaimed, OmnigraphError
from omnigraph.language.catalog import Scalar
from omnigraph.storage.blob import ManagedBlob, parse_reference
from omnigraph.storage.cut import Cut, Schema, decode_rows, open_cut
from omnigraph.storage.fold import indexed_columns, slots_of
from omnigraph.storage.history import ReadAhead
from omnigraph.storage.log import Log, LogEntry
from omnigraph.storage.names import SCHEMA_COPY, branch_of_ref_key, head_key, pack_key, record_key
from omnigraph.storage.net import net_change
from omnigraph.storage.objects import ObjectMissing
from omnigraph.storage.record import MAIN, Position, Ref, Span, TypeIdentity, decode
from omnigraph.storage.table import INDEX_ROWS_MIN, LanceTable

Packs: TypeAlias = dict[str, list[tuple[str, ManagedBlob]]]
"""The managed blobs that rows refer to, and their types, by pack."""


@dataclass(slots=True)
class Verified:
    """What was found. ``defects`` and ``indexes`` (columns to index again) are by type key.

    ``branches`` holds, by branch, the types whose indexes are bad there: branches share tables and indexes.
    """

    types: dict[str, int] = field(default_factory=dict)
    """Main's types and their table versions."""
    defects: dict[str, list[str]] = field(default_factory=dict)
    indexes: dict[str, list[str]] = field(default_factory=dict)
    branches: dict[str, set[str]] = field(default_factory=dict)
    hints: dict[str, int] = field(default_factory=dict)
    """Logs whose hint leads nowhere, and the true heads."""
    schema_copy: str | None = None
    """What the readable copy should say, if it says something else."""
    histories: list[Span] = field(default_factory=list)
    """History objects that are damaged, and can be made again of their records."""

    def defect(self, table_key: str, text: str) -> None:
        """Note a defect once."""
        known = self.defects.setdefault(table_key, [])
        if text not in known:
            known.append(text)

    def defect_of_all(self, text: str) -> None:
        """Note a defect that leaves no type verified."""
        for table_key in self.types:
            self.defect(table_key, text)


def verify(log: Log) -> Verified:
    """Read everything that live heads name: O(graph). Raises what makes main itself unreadable."""
    found = Verified()
    main = log.find_head(MAIN)
    if main is None:
        raise ObjectMissing(record_key(MAIN, 0))
    schema = _schema_of(log, main)
    versions = {table.type_id: table.changed_version for table in main.record.state.tables}
    found.types = {key: versions[identity.type_id] for key, identity in schema.by_key.items()}
    _verify_copy(log, found, schema)
    seen: dict[tuple[str, str], list[str]] = {}
    heads: dict[Position, set[str]] = {}
    _verify_line(log, found, Branch(MAIN, MAIN, ""), main, seen, heads)
    for item in list(log.store.list("refs/")):
        name = branch_of_ref_key(item.key)
        if name is None:
            continue
        try:
            ref = decode(log.store.get(item.key), Ref, item.key)
            head = log.find_head(ref.branch_id) or _fork_of(log, ref)
        except ObjectMissing:
            continue  # deleted meanwhile
        except OmnigraphError as error:
            found.defect_of_all(f"branch '{name}': {error.message}")
            continue
        _verify_line(log, found, Branch(name, ref.branch_id, f"branch '{name}': "), head, seen, heads)
    return found


def _fork_of(log: Log, ref: Ref) -> LogEntry:
    from omnigraph.storage.history import folds_behind

    with contextlib.suppress(HistoryReclaimed):
        return log.read(ref.fork)
    for entry in folds_behind(log, ref.fork, ref.fork_commit):
        return entry
    return log.read(ref.fork)


def _schema_of(log: Log, entry: LogEntry) -> Schema:
    block = entry.record.schema or log.read(entry.record.state.schema_at).record.schema
    assert block is not None, "a record that is named for its schema has one"
    return Schema(block)


def _verify_copy(log: Log, found: Verified, schema: Schema) -> None:
    source = schema.block.source
    try:
        if log.store.get(SCHEMA_COPY) == source.encode():
            return
    except OmnigraphError:
        pass
    found.schema_copy = source


@dataclass(frozen=True, slots=True)
class Branch:
    """A live branch; ``where`` begins what is said about it."""

    name: str
    branch_id: str
    where: str


def _verify_line(
    log: Log,
    found: Verified,
    branch: Branch,
    head: LogEntry,
    seen: dict[tuple[str, str], list[str]],
    heads: dict[Position, set[str]],
) -> None:
    """Verify what the head of a branch names. ``seen`` holds the columns with a bad index of the bases that were verified."""
    branch_id, where = branch.branch_id, branch.where
    own = head.position.seq if head.position.branch_id == branch_id else -1
    if own >= 0:
        _verify_hint(log, found, branch_id, own)
        _verify_history(log, found, branch_id, own, where)
    bad = heads.get(head.position)
    if bad is not None:  # a branch without commits of its own
        if bad:
            found.branches[branch.name] = bad
        return
    bad = heads[head.position] = set()
    try:
        cut = open_cut(log, head)
        for item in cut.tail:
            if item.inline.upserts:
                decode_rows(item.inline.upserts)
    except OmnigraphError as error:
        found.defect_of_all(f"{where}{error.message}")
        return
    packs: Packs = {}
    for key, identity in cut.schema.by_key.items():
        table = cut.tables[identity.type_id]
        name = table.table_id, table.base_version
        base = LanceTable(log.store, *name) if table.base_version else None
        try:
            if base is not None and name not in seen:
                seen[name] = []
                seen[name] = _verify_base(found, base, cut, key, identity, packs, where)
            _verify_rows(found, base, cut, identity, packs, where, indexed=not seen.get(name))
        except OmnigraphError as error:
            found.defect(key, f"{where}{error.message}")
        if seen.get(name):
            bad.add(key)
            found.branches[branch.name] = bad
    _verify_packs(log, found, packs, where)


def _verify_hint(log: Log, found: Verified, branch_id: str, head: int) -> None:
    try:
        hinted = int(log.store.get(head_key(branch_id)))
    except ObjectMissing:
        return
    except (OmnigraphError, ValueError):
        hinted = -1
    if hinted < 0 or (hinted > head and not log.store.exists(record_key(branch_id, hinted))):
        found.hints[branch_id] = head


def _verify_history(log: Log, found: Verified, branch_id: str, head: int, where: str) -> None:
    covered: set[int] = set()
    damaged = []
    for span in log.gathered_spans(branch_id):
        try:
            gathered = [entry.seq for entry in log.gathered(span).entries]
        except OmnigraphError:
            gathered = []
        if gathered == list(range(span.first, span.last + 1)):
            covered.update(gathered)
        else:
            damaged.append(span)
    lost: set[int] = set()
    ahead = ReadAhead(log, branch_id, head)
    for seq in range(head + 1):
        ahead.upwards(seq)
        try:
            log.read(Position(branch_id, seq))
        except OmnigraphError as error:
            lost.add(seq)
            if seq not in covered:
                reclaimed = isinstance(error, HistoryReclaimed)
                text = f"no history object has the commits of the reclaimed record {seq}" if reclaimed else error.message
                found.defect_of_all(f"{where}{text}")
                break
    found.histories += [span for span in damaged if not lost.intersection(range(span.first, span.last + 1))]


def _verify_base(
    found: Verified, base: LanceTable, cut: Cut, key: str, identity: TypeIdentity, packs: Packs, where: str
) -> list[str]:
    """Read all of a stored table and return the columns whose index is bad."""
    counted = 0
    columns = _blob_columns(cut, identity)
    for batch in base.batches():
        counted += batch.num_rows
        _note_blobs(packs, key, [batch.column(name) for name in columns if name in batch.schema.names])
    if counted != base.rows:
        found.defect(key, f"{where}the stored table has {counted} rows where its manifest counts {base.rows}")
    if pc.count_distinct(base.read(["id"]).column("id")).as_py() != base.rows:
        found.defect(key, f"{where}ids of the stored table are not distinct")
    bad = [name for name in indexed_columns(cut.schema, identity) if not _index_answers(base, name)]
    if bad:
        found.indexes.setdefault(key, []).extend(name for name in bad if name not in found.indexes.get(key, ()))
    return bad


def _verify_rows(
    found: Verified, base: LanceTable | None, cut: Cut, identity: TypeIdentity, packs: Packs, where: str, *, indexed: bool
) -> None:
    """Hold the number of rows in a stored table and its tail against what the commit counts."""
    key, table = identity.table_key, cut.tables[identity.type_id]
    net = net_change(cut.changes_of(identity.type_id))
    rows = 0 if net.upserts is None else net.upserts.num_rows
    if net.upserts is not None:
        columns = [name for name in _blob_columns(cut, identity) if name in net.upserts.schema.names]
        _note_blobs(packs, key, [net.upserts.column(name) for name in columns])
    if base is not None:
        if indexed:
            dead = len(slots_of(base, net.touched))
        else:
            ids = base.read(["id"]).column("id")
            dead = int(pc.sum(pc.is_in(ids, value_set=pa.array(net.touched, pa.string()))).as_py() or 0)
        rows += base.rows - dead
    if rows != table.rows:
        found.defect(key, f"{where}{rows} rows are stored where the commit counts {table.rows}")


def _index_answers(base: LanceTable, column: str) -> bool:
    """Whether an index finds what a scan finds; small tables have none and need none."""
    if base.rows < INDEX_ROWS_MIN or column not in base.schema.names:
        return True
    try:
        if not base.has_index(column):
            return False
        values = base.read([column]).column(column).drop_null()
        for place in {0, len(values) // 2, len(values) - 1} if len(values) else ():
            value = values[place]
            stored = value.cast(pa.int32()).as_py() if pa.types.is_date32(value.type) else value.as_py()
            if isinstance(stored, str | int | float) and not pa.types.is_temporal(value.type):
                expected = int(pc.sum(pc.equal(values, value)).as_py())
                if len(base.find(column, [stored])[0]) != expected:
                    return False
    except OmnigraphError:
        return False
    return True


def _blob_columns(cut: Cut, identity: TypeIdentity) -> list[str]:
    entity = cut.catalog.entity(identity.table_key)
    if entity is None:
        return []
    return [item.column for item in identity.properties if entity.properties[item.name].type.scalar is Scalar.BLOB]


def _note_blobs(packs: Packs, key: str, columns: Iterable[pa.Array]) -> None:
    for column in columns:
        for text in column.drop_null().to_pylist():
            blob = parse_reference(text)
            if isinstance(blob, ManagedBlob) and blob.size_bytes:
                packs.setdefault(blob.pack, []).append((key, blob))


def _verify_packs(log: Log, found: Verified, packs: Packs, where: str) -> None:
    for pack, blobs in packs.items():
        try:
            data = memoryview(log.store.get(pack_key(pack)))
        except OmnigraphError as error:
            for key in {key for key, _ in blobs}:
                found.defect(key, f"{where}{error.message}")
            continue
        for key, blob in blobs:
            if hashlib.sha256(data[blob.offset : blob.offset + blob.size_bytes]).hexdigest() != blob.sha256:
                found.defect(key, f"{where}storage: a blob of {blob.size_bytes} bytes in '{pack_key(pack)}' is damaged")
