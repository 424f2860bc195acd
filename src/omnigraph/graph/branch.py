"""A branch as an open graph holds it: the head that this process knows, and the one way to publish on it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import RLock
from typing import Final

from omnigraph.errors import NotFound, WriteConflict
from omnigraph.storage.change import Change
from omnigraph.storage.commit import Draft, commit_record, fast_forward_record, fold_record, next_position
from omnigraph.storage.cut import Cut, Schema, TailChange, open_cut
from omnigraph.storage.log import HINT_EVERY, Log, LogEntry
from omnigraph.storage.names import record_key
from omnigraph.storage.objects import ObjectExists
from omnigraph.storage.record import MAIN, CommitEntry, TableState
from omnigraph.storage.snapshot_view import SnapshotView

ATTEMPTS_MIN: Final = 5
RETRY_TIME_MAX_S: Final = 60.0
_BACKOFF_MAX_S: Final = 0.25

ViewOf = Callable[[Cut], SnapshotView]


@dataclass(frozen=True, slots=True)
class FastForward:
    """A write that lets a branch take over the state of another that continues it."""

    source: Cut
    actor: str | None


Evaluated = tuple[Draft | FastForward, SnapshotView | None]


class Head:
    """A cut and the view that queries run on, which is made when the first one asks."""

    __slots__ = ("_next_key", "_view", "_view_of", "cut")

    def __init__(self, cut: Cut, view_of: ViewOf, view: SnapshotView | None = None) -> None:
        self.cut = cut
        self._view_of = view_of
        self._view = view
        self._next_key = ""

    def next_key(self, branch_id: str) -> str:
        """Return the key at which the next record of the branch will be."""
        if not self._next_key:
            position = next_position(self.cut.entry, branch_id)
            self._next_key = record_key(position.branch_id, position.seq)
        return self._next_key

    @property
    def view(self) -> SnapshotView:
        if self._view is None:
            self._view = self._view_of(self.cut)
        return self._view

    @property
    def view_if_made(self) -> SnapshotView | None:
        return self._view


class BranchHead:
    """The head of one branch. Reads take the newest one; writes are evaluated on it, one after the other per process.

    Other processes need no lock against this one: a record is put at a place that must be free.
    """

    def __init__(self, log: Log, name: str, branch_id: str, entry: LogEntry, view_of: ViewOf) -> None:
        self.name = name
        self.branch_id = branch_id
        self._log = log
        self._view_of = view_of
        self._lock = RLock()  # guards _head
        self._write_lock = RLock()  # one evaluation at a time
        self._head = Head(open_cut(log, entry), view_of)

    @property
    def label(self) -> str | None:
        """The name that commits carry: None for main."""
        return None if self.name == MAIN else self.name

    @property
    def known(self) -> Head:
        """The head that this process knows, without looking for a newer one."""
        return self._head

    def current(self) -> Head:
        """Return the newest head: one look at the store when nothing has moved."""
        head = self._head
        exists = self._log.store.exists
        while exists(head.next_key(self.branch_id)):
            head = self._advance(head)
        return head

    def publish(self, evaluate: Callable[[Head], Evaluated | None]) -> tuple[Head, CommitEntry] | None:
        """Evaluate a write on the newest head and commit it; durable on return. None if the write changes nothing.

        When another commit lands first the write is evaluated again, at least five times and for up to a minute; then
        WriteConflict. Nothing is visible before the commit is, and all of it at once.
        """
        started_s = time.monotonic()
        attempt = 0
        with self._write_lock:
            while True:
                attempt += 1
                head = self.current()
                evaluated = evaluate(head)
                if evaluated is None:
                    return None
                draft, view = evaluated
                schema = head.cut.schema
                if isinstance(draft, FastForward):
                    schema = draft.source.schema
                    position, record, tail = fast_forward_record(
                        head.cut, draft.source, draft.actor, self.branch_id, self.label
                    )
                else:
                    position, record, tail = commit_record(head.cut, [draft], self.branch_id, self.label)
                try:
                    entry = self._log.append(position, record)
                except ObjectExists:
                    if attempt >= ATTEMPTS_MIN and time.monotonic() - started_s > RETRY_TIME_MAX_S:
                        raise self._conflict(head, draft) from None
                    time.sleep(random.uniform(0, min(_BACKOFF_MAX_S, 0.002 * 2**attempt)))
                    continue
                published = self._install(Head(Cut(entry, schema, tail), self._view_of, view))
                if position.seq % HINT_EVERY == 0:
                    self._log.hint(position)
                return published, record.commits[0]

    def publish_fold(self, cut: Cut, folded: Mapping[int, TableState]) -> bool:
        """Say that tables of ``cut`` have new bases. Returns False if the bases were overtaken by a bulk write."""
        with self._write_lock:
            while True:
                head = self.current()
                states = {
                    type_id: state
                    for type_id, state in folded.items()
                    if type_id in head.cut.tables and _same_base(head.cut.tables[type_id], cut.tables[type_id])
                }
                if states.keys() != folded.keys():
                    return False  # a base of an edge table must never be newer than those of its ends: all or none
                position, record, tail = fold_record(head.cut, states, self.branch_id)
                try:
                    entry = self._log.append(position, record)
                except ObjectExists:
                    continue
                self._install(Head(Cut(entry, head.cut.schema, tail), self._view_of, head.view_if_made))
                self._log.hint(position)
                return True

    def replace_view(self, cut: Cut, view: SnapshotView) -> None:
        """Serve from ``view``, which shows ``cut``, from now on; what was committed since is added to it."""
        with self._lock:
            head = self._head
            later = [item for item in head.cut.tail if item.step > cut.state.step]
            if head.cut.schema is not cut.schema or len({item.step for item in later}) != head.cut.state.step - cut.state.step:
                return  # a fold or a bulk write came in between; the view it has is as good
            for step in sorted({item.step for item in later}):
                changes = _changes_by_key(head.cut.schema, [item for item in later if item.step == step])
                view = view.extend(head.cut.catalog, changes)
            self._head = Head(head.cut, self._view_of, view)

    def leave_hint(self) -> None:
        """Tell the next process where the head is."""
        position = self._head.cut.entry.position
        if position.branch_id == self.branch_id:
            self._log.hint(position)

    def _advance(self, head: Head) -> Head:
        entry = self._log.read(next_position(head.cut.entry, self.branch_id))
        record = entry.record
        if record.kind == "close":
            raise NotFound(f"branch '{self.name}' not found", hint="it was deleted; create it again or choose another")
        plain = record.state.schema_id == head.cut.state.schema_id and not any(
            commit.bulk or commit.merged_parent for commit in record.commits
        )
        cut = open_cut(self._log, entry, head.cut.schema)
        view = head.view_if_made
        if view is not None:
            if not plain or cut.schema is not head.cut.schema:
                view = None
            else:
                for commit in record.commits:
                    changes = [TailChange(commit.step, inline) for inline in commit.inline]
                    view = view.extend(cut.catalog, _changes_by_key(cut.schema, changes))
        return self._install(Head(cut, self._view_of, view))

    def _install(self, head: Head) -> Head:
        with self._lock:
            known = self._head.cut.entry.position
            position = head.cut.entry.position
            if known.branch_id != position.branch_id or position.seq > known.seq:
                self._head = head
            return head

    def _conflict(self, head: Head, draft: Draft | FastForward) -> WriteConflict:
        latest = self.current().cut
        touched = list(head.cut.tables) if isinstance(draft, FastForward) else [*draft.inline, *draft.bases]
        touched = touched or list(head.cut.tables)
        for type_id in touched:
            before, after = head.cut.tables[type_id], latest.tables[type_id]
            if after.changed_version > before.changed_version:
                return WriteConflict(latest.schema.by_id[type_id].table_key, before.changed_version, after.changed_version)
        type_id = touched[0]
        key = latest.schema.by_id[type_id].table_key
        return WriteConflict(key, head.cut.tables[type_id].changed_version, latest.state.version)


def _same_base(now: TableState, then: TableState) -> bool:
    return now.table_id == then.table_id and now.base_version == then.base_version


def _changes_by_key(schema: Schema, items: list[TailChange]) -> dict[str, Change]:
    return {schema.by_id[item.inline.type_id].table_key: item.change() for item in items if item.inline.type_id in schema.by_id}
