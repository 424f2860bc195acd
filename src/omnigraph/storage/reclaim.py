"""Reclaiming: deleting what retention lets go, in an order in which a death at any point leaves nothing wrong.

Headers are gathered before records go. A base is marked before its files go, and its manifest goes last, so that a run after a
death still knows what the base named. Records go last of all: they are what tells the next run what there is to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec
import pyarrow as pa

from omnigraph.errors import HistoryReclaimed, OmnigraphError, StorageError
from omnigraph.storage import record as format_
from omnigraph.storage.blob import ManagedBlob, parse_reference
from omnigraph.storage.cut import decode_rows
from omnigraph.storage.history import gather
from omnigraph.storage.local import TEMPORARY_PREFIX
from omnigraph.storage.log import RECLAIMED, Log, inline_changes
from omnigraph.storage.names import pack_key, reclaimed_key, record_key
from omnigraph.storage.objects import ObjectInfo, ObjectMissing
from omnigraph.storage.record import Position
from omnigraph.storage.retention import Kept
from omnigraph.storage.survey import BaseName, Survey
from omnigraph.storage.table import LanceTable
from omnigraph.storage.table_files import files_of, first_files_of, manifest_of

_REMOTE_CALLS: Final = 16
ORPHAN_AGE_S: Final = 3_600.0
"""A younger file that nobody names may belong to a write in flight, on this machine or another."""

OpenBase = Callable[[BaseName], LanceTable]
NOBODY: Final = 0
"""The type id of what belongs to no type."""


@dataclass(slots=True)
class Plan:
    """What is to be done. ``freed`` are objects by type; each is counted once."""

    marked: list[BaseName] = field(default_factory=list)
    files: dict[int, list[ObjectInfo]] = field(default_factory=dict)
    manifests: dict[int, list[ObjectInfo]] = field(default_factory=dict)
    refused: list[Position] = field(default_factory=list)
    """Records that can no longer be read, but whose changes stay."""
    emptied: list[tuple[int, Position, int]] = field(default_factory=list)
    deleted: list[tuple[int, ObjectInfo]] = field(default_factory=list)
    """Records of deleted branches, and history that nothing refers to."""
    gathered: dict[str, int] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)

    def bytes_by_type(self) -> dict[int, int]:
        """Return how many bytes would be freed, by type."""
        freed: dict[int, int] = {}
        for objects in (self.files, self.manifests):
            for type_id, items in objects.items():
                freed[type_id] = freed.get(type_id, 0) + sum(item.size_bytes for item in items)
        for type_id, _, size_bytes in self.emptied:
            freed[type_id] = freed.get(type_id, 0) + size_bytes
        for type_id, item in self.deleted:
            freed[type_id] = freed.get(type_id, 0) + item.size_bytes
        return freed


def young_dead_logs(survey: Survey, age_s: float = ORPHAN_AGE_S) -> list[str]:
    """Return the logs of branches that were deleted less than so many seconds ago."""
    horizon = survey.started_s - age_s
    return [log.branch_id for log in survey.logs.values() if not log.live and log.modified_s > horizon]


def plan(survey: Survey, kept: Kept, open_base: OpenBase, age_s: float = ORPHAN_AGE_S) -> Plan:
    """Work out what can go. Reads the manifests of all bases that records name, and the blob columns of those that stay."""
    return _Planner(survey, kept, open_base, age_s).plan()


class _Planner:
    def __init__(self, survey: Survey, kept: Kept, open_base: OpenBase, age_s: float) -> None:
        self.survey = survey
        self.kept = kept
        self.open_base = open_base
        self.horizon = survey.started_s - age_s
        self.made = Plan()
        self.young = set(young_dead_logs(survey, age_s))

    def plan(self) -> Plan:
        self._records()
        named = {base for noted in self._noted() for base in noted if base[1]}
        lost = sorted(named - self.kept.bases)
        self.made.marked = [base for base in lost if not self.survey.is_marked(base)]
        self._tables(lost)
        self._packs(lost)
        return self.made

    def _noted(self) -> Iterator[Iterable[BaseName]]:
        for log in self.survey.logs.values():
            for noted in log.records.values():
                yield noted.tables.values()

    def _records(self) -> None:
        dead = [log for log in self.survey.logs.values() if not log.live and log.branch_id not in self.young]
        referenced = self.survey.referenced_logs() if dead else set()
        for log in self.survey.logs.values():
            if log.branch_id in self.young:
                continue
            for noted in log.records.values():
                if noted.position in self.kept.cuts:
                    continue
                if noted.position in self.kept.changes:
                    if not noted.reclaimed:
                        self.made.refused.append(noted.position)
                elif log.live:
                    self.made.emptied.append((self._type_of(noted.rows_of), noted.position, noted.size_bytes))
                    self.made.gathered[log.branch_id] = max(self.made.gathered.get(log.branch_id, 0), noted.position.seq)
        for key, item in self.survey.objects.items():
            folder, _, name = key.rpartition("/")
            if name.startswith(TEMPORARY_PREFIX) and folder.startswith(("log", "refs")) and item.modified_s <= self.horizon:
                self.made.deleted.append((NOBODY, item))
        for log in dead:
            stays = [seq for seq in log.records if Position(log.branch_id, seq) in self.kept]
            wanted = log.branch_id in referenced or bool(stays)
            if wanted and log.records:
                self.made.gathered[log.branch_id] = max(log.records)
            for key, item in self.survey.objects.items():
                parts = key.split("/")
                if (
                    parts[:2] != ["log", log.branch_id]
                    or (wanted and len(parts) == 4)
                    or parts[-1].startswith(TEMPORARY_PREFIX)
                ):
                    continue
                seq = int(parts[2]) if parts[2].isdigit() else -1
                if seq not in stays:
                    rows_of = log.records[seq].rows_of if seq in log.records else frozenset()
                    self.made.deleted.append((self._type_of(rows_of), item))

    def _type_of(self, rows_of: Iterable[int]) -> int:
        return min(rows_of, default=NOBODY)

    def _tables(self, lost: list[BaseName]) -> None:
        """Find the files of tables that no base that stays needs: those that lost bases named, and old ones that none did."""
        keep: set[str] = set()
        broken: set[str] = set()
        alive = {base[0] for base in self.kept.bases}
        for base in sorted(self.kept.bases):
            try:
                keep.update(files_of(self.open_base(base)))
            except OmnigraphError as error:
                # What it names is unknown, so nothing of its table may go.
                broken.add(base[0])
                self.made.errors[self.survey.table_types.get(base[0], NOBODY)] = error.message
        freed: set[str] = set()
        for base in lost:
            try:
                freed.update(files_of(self.open_base(base)))
            except (HistoryReclaimed, StorageError):
                continue  # gone already, but for what is old enough to be nobody's
        still = self._named_by_what_stays()
        lists = {
            key
            for log in self.survey.logs.values()
            for noted in log.records.values()
            if noted.position in self.kept or log.branch_id in self.young
            for key in noted.changes
        }
        listed = {key for log in self.survey.logs.values() for noted in log.records.values() for key in noted.changes}
        last = {manifest_of(base) for base in lost}
        for key, item in self.survey.objects.items():
            parts = key.split("/")
            if parts[0] != "tables" or len(parts) < 3 or parts[1] in broken:
                continue
            old = item.modified_s <= self.horizon
            if parts[2] == "reclaimed":
                gone = old and (parts[1], parts[3]) not in still
            elif parts[2] == "changes":
                gone = key not in lists and (key in listed or old)
            elif key in first_files_of(parts[1]):
                gone = parts[1] not in alive and (key in freed or old)
            else:
                folder = "/".join(parts[:4]) + "/"
                gone = key not in keep and folder not in keep and (key in freed or folder in freed or old)
            if gone:
                where = self.made.manifests if key in last or key in first_files_of(parts[1]) else self.made.files
                where.setdefault(self.survey.table_types.get(parts[1], NOBODY), []).append(item)

    def _named_by_what_stays(self) -> set[BaseName]:
        """Return the bases that records name which will not be empty: a mark on one of them still has readers."""
        return {
            base
            for log in self.survey.logs.values()
            for noted in log.records.values()
            if noted.position in self.kept or log.branch_id in self.young
            for base in noted.tables.values()
        }

    def _packs(self, lost: list[BaseName]) -> None:
        listed = {key: item for key, item in self.survey.objects.items() if key.startswith("blobs/")}
        if not listed:
            return
        keep: dict[str, int] = {}
        for base in sorted(self.kept.bases):
            self._packs_of_base(base, keep)
        records = [noted for log in self.survey.logs.values() for noted in log.records.values()]
        for noted in records:
            if noted.position in self.kept or noted.position.branch_id in self.young:
                self._packs_of_record(noted.position, noted.rows_of, keep)
        loose = {key for key in listed if key not in keep}
        freed: dict[str, int] = {}
        if loose:
            for noted in records:
                if noted.position not in self.kept:
                    self._packs_of_record(noted.position, noted.rows_of, freed)
            for base in lost:
                self._packs_of_base(base, freed)
        for key in sorted(loose):
            if key in freed or listed[key].modified_s <= self.horizon:
                self.made.files.setdefault(freed.get(key, NOBODY), []).append(listed[key])

    def _packs_of_base(self, base: BaseName, found: dict[str, int]) -> None:
        type_id = self.survey.table_types.get(base[0], NOBODY)
        columns = sorted(self.survey.blob_columns.get(type_id, ()))
        if not columns:
            return
        try:
            table = self.open_base(base)
            names = [name for name in columns if name in table.schema.names]
            for column in table.read(names).columns if names else ():
                _add_packs(found, column, type_id)
        except (HistoryReclaimed, StorageError) as error:
            if base in self.kept.bases:
                raise StorageError(f"storage: blobs cannot be told from garbage: {error.message}", hint=error.hint) from error

    def _packs_of_record(self, position: Position, rows_of: Iterable[int], found: dict[str, int]) -> None:
        if not any(type_id in self.survey.blob_columns for type_id in rows_of):
            return
        try:
            record = self.survey.log.read(position).record
        except (HistoryReclaimed, ObjectMissing):
            return
        for carried in inline_changes(record):
            for change in carried.inline:
                columns = self.survey.blob_columns.get(change.type_id, ())
                if columns and change.upserts:
                    rows = decode_rows(change.upserts)
                    for name in columns:
                        if name in rows.schema.names:
                            _add_packs(found, rows.column(name), change.type_id)


def _add_packs(found: dict[str, int], column: pa.Array | pa.ChunkedArray, type_id: int) -> None:
    for text in column.drop_null().to_pylist():
        blob = parse_reference(text)
        if isinstance(blob, ManagedBlob) and blob.pack:
            found.setdefault(pack_key(blob.pack), type_id)


def carry_out(log: Log, made: Plan) -> dict[int, int]:
    """Delete what a plan says and return the bytes freed by type. What fails is noted in ``errors``; the rest goes on."""
    freed: dict[int, int] = {}
    store = log.store

    def tried(work: tuple[int, int, Callable[[], None]]) -> tuple[int, int, str | None]:
        type_id, size_bytes, act = work
        try:
            act()
        except (StorageError, HistoryReclaimed) as error:
            return type_id, 0, error.message
        return type_id, size_bytes, None

    def empty(position: Position) -> None:
        store.put(record_key(position.branch_id, position.seq), RECLAIMED)
        log.forget(position)

    def all_of(phase: Iterable[tuple[int, int, Callable[[], None]]]) -> None:
        for type_id, size_bytes, message in pool.map(tried, phase):
            freed[type_id] = freed.get(type_id, 0) + size_bytes
            if message is not None:
                made.errors.setdefault(type_id, message)

    with ThreadPoolExecutor(_REMOTE_CALLS if store.is_remote else 1, thread_name_prefix="omnigraph-cleanup") as pool:
        for branch_id, last in made.gathered.items():
            gather(log, branch_id, last, whole=True)
        all_of((NOBODY, 0, partial(_refuse, log, position)) for position in made.refused)
        list(pool.map(lambda base: store.put(reclaimed_key(*base), b""), made.marked))
        for objects in (made.files, made.manifests):
            all_of(
                (type_id, item.size_bytes, partial(store.delete, item.key))
                for type_id, items in objects.items()
                for item in items
            )
        all_of((type_id, size_bytes, partial(empty, position)) for type_id, position, size_bytes in made.emptied)
        all_of((type_id, item.size_bytes, partial(store.delete, item.key)) for type_id, item in made.deleted)
    return freed


def _refuse(log: Log, position: Position) -> None:
    """Let nobody read the cut of a record any more; its changes stay."""
    key = record_key(position.branch_id, position.seq)
    data = log.store.get(key)
    if data == RECLAIMED:
        return
    record = format_.decode(data, format_.Record, key)
    log.store.put(key, format_.encode(msgspec.structs.replace(record, reclaimed=True)), durable=True)
    log.forget(position)
