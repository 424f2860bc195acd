"""A branch as an open graph holds it: the head that this process knows, and the one way to publish on it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from omnigraph.errors import HistoryReclaimed, NotFound, StorageError, WriteConflict
from omnigraph.graph.freshness import SharedLook
from omnigraph.storage.change import Change
from omnigraph.storage.cut import Cut, Schema, TailChange, next_cut, open_cut
from omnigraph.storage.log import HINT_EVERY, Log, LogEntry, next_position
from omnigraph.storage.names import record_key
from omnigraph.storage.objects import ObjectExists
from omnigraph.storage.record import MAIN, CommitEntry, TableState
from omnigraph.storage.snapshot_view import SnapshotView

if TYPE_CHECKING:
    from omnigraph.storage.commit import Draft, RecordDraft
    from omnigraph.storage.schema_change import SchemaDraft

ATTEMPTS_MIN: Final = 5
RETRY_TIME_MAX_S: Final = 60.0
_BACKOFF_MAX_S: Final = 0.25
GROUP_COMMITS_MAX: Final = 256
"""So many commits share one record at most."""
GROUP_BYTES_MAX: Final = 1024 * 1024
"""A record that holds more than this takes no further commit."""
_LEAPS_MAX: Final = 5
_AHEAD: Final = (1, 1, 4, 16)
"""So many records are read side by side when a branch has moved on; whoever is further behind looks for the head."""
_STEPS_MAX: Final = 32
_LEAP_RECORDS_MIN: Final = 256
"""A branch that is found so far ahead after a few steps is opened where it is now: its view is made anew, from cached bases."""

ViewOf = Callable[[Cut], SnapshotView]


@dataclass(frozen=True, slots=True)
class FastForward:
    """A write that lets a branch take over the state of another that continues it."""

    source: Cut
    actor: str | None


Evaluated: TypeAlias = "tuple[Draft | FastForward | SchemaDraft, SnapshotView | None]"


class OwnRecordNeeded(Exception):
    """A write that cannot share a record found that its head is pending: it wants to be evaluated again, on a committed one."""


class Head:
    """A cut and the view that queries run on, which is made when the first one asks.

    A ``pending`` head shows commits that are not in the log yet; only the writes of the same record see it.
    """

    __slots__ = ("_next_key", "_view", "_view_of", "cut", "pending")

    def __init__(self, cut: Cut, view_of: ViewOf, view: SnapshotView | None = None, *, pending: bool = False) -> None:
        self.cut = cut
        self.pending = pending
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


Evaluate: TypeAlias = "Callable[[Head], Evaluated | None]"


@dataclass(frozen=True, slots=True)
class Published:
    """A commit that is durable, and the head of its branch with it."""

    head: Head
    commit: CommitEntry


class BranchHead:
    """The head of one branch. Reads take the newest one; writes are evaluated on it, one after the other per process.

    Other processes need no lock against this one: a record is put at a place that must be free.
    """

    def __init__(self, log: Log, name: str, branch_id: str, cut: Cut, view_of: ViewOf, *, just_found: bool = False) -> None:
        """Hold the head ``cut``; ``just_found``: for the request that opens the branch no further look is needed."""
        self.name = name
        self.branch_id = branch_id
        self._log = log
        self._view_of = view_of
        self._lock = RLock()  # guards _head
        self._write_lock = RLock()  # one evaluation at a time
        self._head = Head(cut, view_of)
        self._is_remote = log.store.is_remote
        self._just_found = just_found and self._is_remote
        self._look: SharedLook[Head] = SharedLook()
        self._unrivalled = self._is_remote  # nobody else has written since this process did; on a remote store that is guessed

    @property
    def label(self) -> str | None:
        """The name that commits carry: None for main."""
        return None if self.name == MAIN else self.name

    @property
    def known(self) -> Head:
        """The head that this process knows, without looking for a newer one."""
        return self._head

    def current(self) -> Head:
        """Return the newest head: one look at the store when nothing has moved, shared where it costs a round trip."""
        if self._is_remote:
            if self._just_found:
                self._just_found = False
                return self._head
            return self._look.share(self._catch_up)
        head = self._head
        appeared = self._log.store.appeared
        steps = 0
        while appeared(head.next_key(self.branch_id)):
            head = self._advance(head)
            steps += 1
            if steps == _STEPS_MAX:
                head = self._leap_if_far(head)
        return head

    def _catch_up(self) -> Head:
        """Read the records that others have added, more and more of them side by side."""
        head = self._head
        for ahead in _AHEAD:
            position = next_position(head.cut.entry, self.branch_id)
            found = self._log.read_ahead(position, ahead)
            while next_position(head.cut.entry, self.branch_id).seq < position.seq + found:
                head = self._advance(head)
            if found < ahead:
                return head
        return self._leap()

    def publish(self, evaluate: Evaluate) -> Published | None:
        """Evaluate a write on the newest head and commit it; durable on return. None if it makes no commit.

        When another commit lands first the write is evaluated again, at least five times and for up to a minute; then
        WriteConflict. Nothing is visible before the commit is, and all of it at once.
        """
        outcome = self.publish_some([evaluate])[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def publish_some(self, writes: Sequence[Evaluate]) -> list[Published | Exception | None]:
        """Evaluate writes in turn, each on what those before it leave, and commit them in one record.

        Returns what became of the first of them, as many as share the record: at least one. Each commit is its own; a write
        that fails leaves no trace. When another record lands first all are evaluated again, as `publish` says.
        """
        started_s = time.monotonic()
        attempt = 0
        with self._write_lock:
            while True:
                attempt += 1
                self._just_found = False
                try:
                    group = self._evaluate(writes, self._head if self._unrivalled else self.current())
                    if (self._unrivalled or group.met_a_removal) and not group.is_certain and self.current() is not group.head:
                        continue  # only the put finds out that a known head is old, so what is not put looks for itself
                except Exception as error:
                    return [error for _ in writes]
                if group.is_empty:
                    return list(group.outcomes)
                try:
                    outcomes = self._put(group)
                    self._unrivalled = True
                    return outcomes
                except ObjectExists:
                    if self._unrivalled:
                        self._unrivalled = False
                        continue
                    if attempt >= ATTEMPTS_MIN and time.monotonic() - started_s > RETRY_TIME_MAX_S:
                        return group.failed(self._conflict(group.head, group.touched))
                    from random import uniform

                    time.sleep(uniform(0, min(_BACKOFF_MAX_S, 0.002 * 2**attempt)))
                except Exception as error:
                    return group.failed(error)

    def _evaluate(self, writes: Sequence[Evaluate], head: Head) -> _Group:
        """Evaluate as many writes as fit one record, from a head on."""
        from omnigraph.storage.commit import Draft, RecordDraft  # not needed by those who only read

        record = RecordDraft(head.cut, self.branch_id, self.label, eager=self._is_remote)
        group = _Group(head, record)
        at = head
        for evaluate in writes:
            try:
                evaluated = self._evaluated(evaluate, at)
            except OwnRecordNeeded:
                assert at.pending
                break
            except Exception as error:
                group.outcomes.append(error)
                continue
            if evaluated is None:
                group.outcomes.append(None)
                continue
            draft, view = evaluated
            group.view = view
            if not isinstance(draft, Draft):
                assert record.is_empty, "a fast-forward or a new schema has a record of its own"
                group.whole = draft
                group.touched.update(head.cut.tables)
                group.outcomes.append(_PENDING)
                break
            record.add(draft)
            group.touched.update(draft.inline, draft.bases)
            group.outcomes.append(_PENDING)
            if record.has_bases or record.size_bytes > GROUP_BYTES_MAX or len(record.commits) >= GROUP_COMMITS_MAX:
                break
            if len(group.outcomes) < len(writes):
                at = Head(record.cut(), self._view_of, view, pending=True)
        return group

    def _evaluated(self, evaluate: Evaluate, at: Head) -> Evaluated | None:
        try:
            return evaluate(at)
        except HistoryReclaimed:
            if at.pending:
                raise
            # The view was based on files that a fold superseded and a cleanup removed; those of the head itself are there.
            self.refresh()
            return evaluate(Head(at.cut, self._view_of))

    def _put(self, group: _Group) -> list[Published | Exception | None]:
        cut = group.head.cut
        whole = group.whole
        if whole is None:
            schema = cut.schema
            position, record, tail = group.record.finish()
        elif isinstance(whole, FastForward):
            from omnigraph.storage.commit import fast_forward_record

            schema = whole.source.schema
            position, record, tail = fast_forward_record(
                cut, whole.source, whole.actor, self.branch_id, self.label, eager=self._is_remote
            )
        else:
            from omnigraph.storage.schema_change import schema_record

            schema = whole.schema
            position, record, tail = schema_record(cut, whole, self.branch_id, self.label)
        entry = self._log.append(position, record)
        head = self._install(Head(Cut(entry, schema, tail), self._view_of, group.view))
        if position.seq % HINT_EVERY == 0:
            self._log.hint(position)
        commits = iter(record.commits)
        if not record.commits:  # the text of the schema was replaced, which is no commit
            return [None if outcome is _PENDING else outcome for outcome in group.outcomes]
        return [Published(head, next(commits)) if outcome is _PENDING else outcome for outcome in group.outcomes]

    def publish_fold(self, cut: Cut, folded: Mapping[int, TableState]) -> bool:
        """Say that tables of ``cut`` have new bases. Returns False if the bases were overtaken by a bulk write."""
        from omnigraph.storage.commit import fold_record

        with self._write_lock:
            while True:
                head = self.current()
                states = {
                    type_id: state
                    for type_id, state in folded.items()
                    if type_id in head.cut.tables
                    and _same_base(head.cut.tables[type_id], cut.tables[type_id])
                    and head.cut.tables[type_id].through <= state.through
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

    def publish_bases(self, cut: Cut, rewritten: Mapping[int, TableState]) -> set[int]:
        """Say that tables of ``cut`` have bases with the same rows in better order. Returns the types that were published.

        Those whose base was replaced by somebody else meanwhile are left out.
        """
        from omnigraph.storage.commit import fold_record

        with self._write_lock:
            while True:
                head = self.current()
                now = head.cut.tables
                states = {
                    type_id: msgspec.structs.replace(state, through=now[type_id].through)
                    for type_id, state in rewritten.items()
                    if type_id in now and _same_base(now[type_id], cut.tables[type_id])
                }
                if not states:
                    return set()
                position, record, tail = fold_record(head.cut, states, self.branch_id)
                try:
                    entry = self._log.append(position, record)
                except ObjectExists:
                    continue
                self._install(Head(Cut(entry, head.cut.schema, tail), self._view_of, head.view_if_made))
                self._log.hint(position)
                return set(states)

    def refresh(self) -> None:
        """Give up the view: it may show bases that cleanup has removed since. The next one is made of those of the head."""
        with self._lock:
            self._head = Head(self._head.cut, self._view_of)

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
        self._unrivalled = False
        try:
            entry = self._log.read(next_position(head.cut.entry, self.branch_id))
            self._refuse_closed(entry)
            cut = next_cut(self._log, head.cut, entry)
        except HistoryReclaimed:
            return self._leap()
        record = entry.record
        plain = record.state.schema_id == head.cut.state.schema_id and not any(
            commit.bulk or commit.merged_parent for commit in record.commits
        )
        view = head.view_if_made
        if view is not None:
            if not plain or cut.schema is not head.cut.schema:
                view = None
            else:
                for commit in record.commits:
                    changes = [TailChange(commit.step, inline) for inline in commit.inline]
                    view = view.extend(cut.catalog, _changes_by_key(cut.schema, changes))
        return self._install(Head(cut, self._view_of, view))

    def _leap_if_far(self, head: Head) -> Head:
        """Go to the newest head at once if many records are in between."""
        try:
            entry = self._log.find_head(self.branch_id)
            assert entry is not None, "the log had a record"
            if entry.position.seq - next_position(head.cut.entry, self.branch_id).seq < _LEAP_RECORDS_MIN:
                return head
            self._refuse_closed(entry)
            return self._install(Head(open_cut(self._log, entry, head.cut.schema), self._view_of))
        except HistoryReclaimed:
            return self._leap()

    def _leap(self) -> Head:
        """Go to the newest head at once: cleanup has removed the records in between."""
        for _ in range(_LEAPS_MAX):
            with contextlib.suppress(HistoryReclaimed):  # it moved on, and was cleaned up, while it was looked for
                entry = self._log.find_head(self.branch_id)
                assert entry is not None, "the log had a record"
                self._refuse_closed(entry)
                return self._install(Head(open_cut(self._log, entry), self._view_of))
        raise StorageError(f"storage: the head of branch '{self.name}' moves faster than it can be read", hint="try again")

    def _refuse_closed(self, entry: LogEntry) -> None:
        if entry.record.kind == "close":
            raise NotFound(f"branch '{self.name}' not found", hint="it was deleted; create it again or choose another")

    def _install(self, head: Head) -> Head:
        with self._lock:
            known = self._head.cut.entry.position
            position = head.cut.entry.position
            if known.branch_id != position.branch_id or position.seq > known.seq:
                self._head = head
            return head

    def _conflict(self, head: Head, touched: set[int]) -> WriteConflict:
        latest = self.current().cut
        type_ids = sorted(touched) or list(head.cut.tables)
        for type_id in type_ids:
            before, after = head.cut.tables[type_id], latest.tables.get(type_id)
            if after is not None and after.changed_version > before.changed_version:
                return WriteConflict(latest.schema.by_id[type_id].table_key, before.changed_version, after.changed_version)
        key = head.cut.schema.by_id[type_ids[0]].table_key
        return WriteConflict(key, head.cut.tables[type_ids[0]].changed_version, latest.state.version)


class _Pending(Exception):
    pass


_PENDING: Final = _Pending()


@dataclass(slots=True)
class _Group:
    """Writes that were evaluated for one record. ``outcomes`` are in their order, `_PENDING` where there is a commit."""

    head: Head
    record: RecordDraft
    outcomes: list[Published | Exception | None] = field(default_factory=list)
    view: SnapshotView | None = None
    whole: FastForward | SchemaDraft | None = None
    touched: set[int] = field(default_factory=set)

    @property
    def is_empty(self) -> bool:
        return self.record.is_empty and self.whole is None

    @property
    def is_certain(self) -> bool:
        """Whether there is nothing but commits: putting them proves that the head was the newest."""
        return all(outcome is _PENDING for outcome in self.outcomes)

    @property
    def met_a_removal(self) -> bool:
        """Whether a write found that its rows are gone: a hard drop may have landed since the head was looked for."""
        return any(isinstance(outcome, HistoryReclaimed) for outcome in self.outcomes)

    def failed(self, error: Exception) -> list[Published | Exception | None]:
        """Return the outcomes when the record could not be put: from the first commit on all saw what never came to be."""
        first = self.outcomes.index(_PENDING)
        return [outcome if at < first else error for at, outcome in enumerate(self.outcomes)]


def _same_base(now: TableState, then: TableState) -> bool:
    return now.table_id == then.table_id and now.base_version == then.base_version


def _changes_by_key(schema: Schema, items: list[TailChange]) -> dict[str, Change]:
    return {schema.by_id[item.inline.type_id].table_key: item.change() for item in items if item.inline.type_id in schema.by_id}
