"""A survey of everything under a graph root: its objects, its logs, and what their records name. Where cleanup begins.

The listing comes first. What is written while the survey goes on is not in it, and so is nobody's to delete.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from omnigraph.errors import HistoryReclaimed
from omnigraph.language.catalog import Scalar
from omnigraph.storage.cut import Schema
from omnigraph.storage.history import headers
from omnigraph.storage.log import Log
from omnigraph.storage.names import branch_of_ref_key, reclaimed_key, ref_key
from omnigraph.storage.objects import ObjectInfo, ObjectMissing
from omnigraph.storage.record import MAIN, CommitEntry, Position, Record, Ref, SchemaBlock, decode

_TOGETHER: Final = 64
BaseName = tuple[str, str]
"""A table id and a version of it."""


@dataclass(slots=True)
class Noted:
    """What a survey remembers of one record: everything but its rows. ``made`` says which types each commit changed."""

    position: Position
    kind: str
    head: str
    commits: list[CommitEntry]
    made: list[frozenset[int]]
    tables: dict[int, BaseName]
    needs: list[Position]
    """Records that the cut of this one is read from."""
    changes: dict[str, int]
    """Change lists by key, with their types."""
    rows_of: frozenset[int]
    """Types whose rows travel in the record."""
    size_bytes: int
    reclaimed: bool


@dataclass(slots=True)
class LogSurvey:
    """One log. ``ref`` is None for main and for the logs of deleted branches; ``records`` are those that are not empty."""

    branch_id: str
    ref: Ref | None
    live: bool
    records: dict[int, Noted] = field(default_factory=dict)
    newest: int = -1
    modified_s: float = 0.0

    @property
    def head(self) -> Noted | None:
        return self.records.get(self.newest)

    def last_with(self, noted: Noted) -> Noted:
        """Return the last record behind ``noted`` that shows the same commit: folds make the same rows cheaper to read."""
        return self.showing(noted)[-1]

    def showing(self, noted: Noted) -> list[Noted]:
        """Return a record and the folds behind it that show the same commit."""
        found, seq = [noted], noted.position.seq + 1
        while seq <= self.newest:
            later = self.records.get(seq)
            if later is not None and (later.kind != "fold" or later.head != noted.head):
                break
            if later is not None and not later.reclaimed:
                found.append(later)
            seq += 1
        return found


class Survey:
    """See the module. Costs one listing, and one read of each record that is not empty."""

    def __init__(self, log: Log) -> None:
        self.log = Log(log.store)  # nothing remembered: another cleanup may have replaced records
        self.started_s = time.time()
        self.objects: dict[str, ObjectInfo] = {item.key: item for item in log.store.list("")}
        self.logs: dict[str, LogSurvey] = {MAIN: LogSurvey(MAIN, None, True)}
        self.refs: list[Ref] = []
        self.type_keys: dict[int, str] = {}
        self.blob_columns: dict[int, set[str]] = {}
        self.table_types: dict[str, int] = {}
        self.tables: set[str] = {key.split("/")[1] for key in self.objects if key.startswith("tables/")}
        self._blocks: set[str] = set()
        self._read_refs()
        self._read_logs()

    def at(self, position: Position) -> Noted | None:
        """Return a record that is not empty, or None."""
        found = self.logs.get(position.branch_id)
        return None if found is None else found.records.get(position.seq)

    def is_marked(self, base: BaseName) -> bool:
        """Whether cleanup has removed a base, or was about to."""
        return reclaimed_key(*base) in self.objects

    def is_readable(self, noted: Noted, type_id: int) -> bool:
        """Whether the rows of a type can be read at a record."""
        base = noted.tables.get(type_id)
        if base is None or noted.reclaimed or (base[1] and self.is_marked(base)):
            return False
        return all(self.at(position) is not None for position in noted.needs)

    def is_behind(self) -> bool:
        """Whether a branch was made since the survey."""
        known = {ref_key(ref.name): ref.branch_id for ref in self.refs}
        for item in self.log.store.list("refs/"):
            if branch_of_ref_key(item.key) is not None:
                try:
                    ref = decode(self.log.store.get(item.key), Ref, item.key)
                except ObjectMissing:
                    continue  # deleted since the listing
                if known.get(item.key) != ref.branch_id:
                    return True
        return False

    def referenced_logs(self) -> set[str]:
        """Return the ids of the logs that hold a parent of a commit that is still known. O(commits)."""
        found: set[str] = set()
        pending = [log.branch_id for log in self.logs.values() if log.live]
        while pending:
            branch_id = pending.pop()
            if branch_id in found:
                continue
            found.add(branch_id)
            survey = self.logs[branch_id]
            if survey.ref is not None:
                pending.append(survey.ref.fork.branch_id)
            for entry in headers(self.log, branch_id, survey.newest):
                for commit in entry.commits:
                    pending += [at.branch_id for at in (commit.parent_at, commit.merged_at) if at is not None]
            pending = [other for other in pending if other in self.logs]
        return found

    def _read_refs(self) -> None:
        store = self.log.store
        keys = [item.key for item in store.list("refs/") if branch_of_ref_key(item.key) is not None]
        for key, data in zip(keys, store.get_many(keys), strict=True):
            if data is not None:  # None: deleted since the listing
                ref = decode(data, Ref, key)
                self.refs.append(ref)
                self.logs[ref.branch_id] = LogSurvey(ref.branch_id, ref, True)

    def _read_logs(self) -> None:
        seqs: dict[str, list[int]] = {}
        for item in self.objects.values():
            parts = item.key.split("/")
            if parts[0] != "log" or len(parts) < 3:
                continue
            survey = self.logs.setdefault(parts[1], LogSurvey(parts[1], None, False))
            survey.modified_s = max(survey.modified_s, item.modified_s)
            if len(parts) == 3 and parts[2].isdigit():
                survey.newest = max(survey.newest, int(parts[2]))
                if item.size_bytes:
                    seqs.setdefault(parts[1], []).append(int(parts[2]))
            elif len(parts) == 4 and parts[2] == "history" and not survey.live:
                last = parts[3].partition("-")[2]
                survey.newest = max(survey.newest, int(last) if last.isdigit() else -1)
        for survey in self.logs.values():
            there = sorted(seqs.get(survey.branch_id, ()))
            for start in range(0, len(there), _TOGETHER):
                together = there[start : start + _TOGETHER]
                self.log.prefetch(Position(survey.branch_id, seq) for seq in together)
                for seq in together:
                    self._note(survey, seq)
            if survey.live:
                self._catch_up(survey)

    def _catch_up(self, survey: LogSurvey) -> None:
        """Note the records that came after the listing."""
        while self._note(survey, survey.newest + 1):
            survey.newest += 1

    def _note(self, survey: LogSurvey, seq: int) -> bool:
        position = Position(survey.branch_id, seq)
        try:
            entry = self.log.read(position)
        except (HistoryReclaimed, ObjectMissing) as missing:
            return isinstance(missing, HistoryReclaimed)
        record = entry.record
        if record.schema is not None:
            self._learn(record.schema)
        for table in record.state.tables:
            if table.table_id:
                self.table_types[table.table_id] = table.type_id
        survey.records[seq] = _noted(position, record, entry.size_bytes)
        return True

    def _learn(self, block: SchemaBlock) -> None:
        if block.digest + block.id in self._blocks:
            return
        self._blocks.add(block.digest + block.id)
        catalog = Schema(block).catalog
        for identity in block.types:
            self.type_keys[identity.type_id] = identity.table_key
            entity = catalog.entity(identity.table_key)
            if entity is None:
                continue
            for item in identity.properties:
                if item.name in entity.properties and entity.properties[item.name].type.scalar is Scalar.BLOB:
                    self.blob_columns.setdefault(identity.type_id, set()).add(item.column)


def _noted(position: Position, record: Record, size_bytes: int) -> Noted:
    state = record.state
    made = []
    for commit in record.commits:
        types = {change.type_id for change in commit.inline} | {change.type_id for change in commit.bulk}
        types |= {
            table.type_id
            for table in state.tables
            if table.changed_version == commit.version and table.changed_branch == commit.branch
        }
        made.append(frozenset(types))
    needs = [Position(span.branch_id, seq) for span in state.tail for seq in range(span.first, span.last + 1)]
    if record.schema is None:
        needs.append(state.schema_at)
    rows_of = {change.type_id for commit in record.commits for change in commit.inline if change.upserts or change.deletes}
    rows_of |= {change.type_id for carried in record.carried for change in carried.inline}
    return Noted(
        position=position,
        kind=record.kind,
        head=state.head,
        commits=[_bare(commit) for commit in record.commits],
        made=made,
        tables={table.type_id: (table.table_id, table.base_version) for table in state.tables},
        needs=needs,
        changes={bulk.changes: bulk.type_id for commit in record.commits for bulk in commit.bulk if bulk.changes},
        rows_of=frozenset(rows_of),
        size_bytes=size_bytes,
        reclaimed=record.reclaimed,
    )


def _bare(commit: CommitEntry) -> CommitEntry:
    return CommitEntry(
        id=commit.id,
        parent=commit.parent,
        merged_parent=commit.merged_parent,
        branch=commit.branch,
        version=commit.version,
        actor=None,
        created_at=commit.created_at,
        kind=commit.kind,
        step=commit.step,
        parent_at=commit.parent_at,
        merged_at=commit.merged_at,
    )
