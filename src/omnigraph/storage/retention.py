"""Retention: which records and bases must stay, for what users asked to keep and for what live branches need.

Two things make a record stay. Its *cut* is read: by somebody who asked for one of its commits, or by a branch. Its *changes*
are: by the tail of a cut that stays, or by a merge to come. A base stays when a cut that stays names it.
"""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

from omnigraph.storage.history import commits_at
from omnigraph.storage.log import Log
from omnigraph.storage.record import CommitEntry, HardDrop, Position
from omnigraph.storage.survey import BaseName, LogSurvey, Noted, Survey


@dataclass(frozen=True, slots=True)
class Policy:
    """What a user wants to keep: the newest ``keep`` versions, and all that are not older than a time (µs since 1970)."""

    keep: int = 0
    since_us: int | None = None

    def keeps_young(self, commit: CommitEntry) -> bool:
        return self.since_us is not None and commit.created_at >= self.since_us


@dataclass(slots=True)
class Kept:
    """What stays. ``cuts`` can be read, with the types named; of ``changes`` only what they changed."""

    cuts: dict[Position, set[int]] = field(default_factory=dict)
    changes: set[Position] = field(default_factory=set)
    bases: set[BaseName] = field(default_factory=set)
    versions_removed: dict[int, int] = field(default_factory=dict)
    """By type: how many versions could be read before and cannot be any more."""

    def __contains__(self, position: Position) -> bool:
        return position in self.cuts or position in self.changes


def retain(survey: Survey, policy: Policy, young_logs: Iterable[str] = ()) -> Kept:
    """Decide what stays. Logs in ``young_logs`` stay whole: their branches were deleted a moment ago."""
    retention = _Retention(survey, policy)
    for branch_id in young_logs:
        for noted in survey.logs[branch_id].records.values():
            retention.keep_cut(noted)
    live = [log for log in survey.logs.values() if log.live]
    for log in live:
        retention.keep_branch(log)
    retention.keep_for_merges(live)
    for log in live:
        retention.keep_versions(log)
    retention.count_removed(live)
    return retention.kept


class _Retention:
    def __init__(self, survey: Survey, policy: Policy) -> None:
        self.survey = survey
        self.policy = policy
        self.kept = Kept()
        main = survey.logs["main"].head
        entry = None if main is None else survey.log.read(main.position)
        self._drops: list[HardDrop] = [] if entry is None else entry.record.state.hard_drops

    def keep_cut(self, noted: Noted, types: Iterable[int] | None = None, *, of_branch: bool = False) -> None:
        """Keep what the state after a record is read from; of its bases those of ``types``, or all.

        Bases that an earlier cleanup has removed are passed over; a branch must have its own: ``of_branch``.
        """
        wanted = set(noted.tables if types is None else types)
        self.kept.cuts.setdefault(noted.position, set()).update(wanted)
        self.kept.changes.update(noted.needs)
        for type_id in wanted:
            base = noted.tables.get(type_id)
            if base is None or not base[1] or self._is_dropped(type_id, noted.head):
                continue
            if of_branch or not self.survey.is_marked(base):
                self.kept.bases.add(base)

    def keep_commit(self, position: Position, commit_id: str, types: Iterable[int] | None = None) -> None:
        """Keep a commit readable, in the record that is cheapest to read it from, and what it changed."""
        noted = self.survey.at(position)
        if noted is None:
            return
        self.kept.changes.add(position)
        at = next((place for place, commit in enumerate(noted.commits) if commit.id == commit_id), -1)
        if at < 0:
            return
        wanted = set(noted.tables if types is None else types)
        wanted = {type_id for type_id in wanted if not self._is_dropped(type_id, commit_id)}
        if at == len(noted.commits) - 1:
            showing = self.survey.logs[position.branch_id].showing(noted)
            for one in showing[:-1]:  # readers take the last one: what a branch holds of those before it must be in that too
                wanted |= self.kept.cuts.get(one.position, set())
            self.keep_cut(showing[-1], wanted)
            return
        self.keep_cut(noted, wanted)
        first_parent = noted.commits[0].parent_at
        if first_parent is not None:
            self.kept.changes.add(first_parent)

    def keep_branch(self, log: LogSurvey) -> None:
        """Keep the head of a live branch, and the state at which it was forked."""
        if log.head is not None:
            self.keep_cut(log.head, of_branch=True)
        if log.ref is None:
            return
        fork = self.survey.at(log.ref.fork)
        if fork is not None and not fork.reclaimed:
            self.keep_cut(fork, of_branch=True)
            if fork.head != log.ref.fork_commit and fork.commits[0].parent_at is not None:
                self.kept.changes.add(fork.commits[0].parent_at)  # a place in the middle of a record needs what was before it
            return
        parent = self.survey.logs.get(log.ref.fork.branch_id)  # folds behind the fork show the same rows
        for noted in [] if parent is None else parent.records.values():
            if noted.position.seq > log.ref.fork.seq and noted.head == log.ref.fork_commit:
                self.keep_cut(noted)

    def keep_versions(self, log: LogSurvey) -> None:
        """Keep the newest versions of a branch's own line, and the young ones."""
        made = [
            (noted.position, commit, types)
            for noted in log.records.values()
            for commit, types in zip(noted.commits, noted.made, strict=True)
        ]
        newest = len(made) - self.policy.keep
        whole = []
        for place, (position, commit, _) in enumerate(made):
            if place >= newest or self.policy.keeps_young(commit):
                self.keep_commit(position, commit.id)
                whole.append(place)
        if log.head is not None and made:
            whole.append(len(made) - 1)
        current = set() if log.head is None else set(log.head.tables)
        places: dict[int, list[int]] = {}
        for place, (_, _, types) in enumerate(made):
            for type_id in types & current:
                places.setdefault(type_id, []).append(place)
        for type_id, changed in places.items():
            ends = [*changed[1:], len(made)]
            for place, end in list(zip(changed, ends, strict=True))[len(changed) - min(self.policy.keep, len(changed)) :]:
                at = bisect.bisect_left(whole, place)
                if at == len(whole) or whole[at] >= end:
                    position, commit, _ = made[place]
                    self.keep_commit(position, commit.id, {type_id})

    def keep_for_merges(self, live: list[LogSurvey]) -> None:
        """Keep the common ancestors of live branches, and what was changed since: a merge to come needs both."""
        heads: dict[str, Position] = {}
        for log in live:
            noted = log.head
            if noted is None and log.ref is not None:
                heads[log.ref.fork_commit] = self._place_of(log.ref.fork, log.ref.fork_commit)
            elif noted is not None:
                state = self.survey.log.read(noted.position).record.state
                heads[state.head] = state.head_at
        for position, commit_id, shared in shared_past(self.survey.log, heads):
            self.kept.changes.add(position)
            if shared:
                self.keep_commit(position, commit_id)

    def _place_of(self, position: Position, commit_id: str) -> Position:
        """Return the record that holds the newest commit of a record: that of a fold is in an earlier one."""
        noted = self.survey.at(position)
        if noted is not None and noted.head == commit_id:
            return self.survey.log.read(position).record.state.head_at
        found = position
        while not any(commit.id == commit_id for commit in commits_at(self.survey.log, found)):
            if found.seq == 0:
                break
            found = Position(found.branch_id, found.seq - 1)
        return found

    def count_removed(self, live: list[LogSurvey]) -> None:
        """Count the versions of each type that can be read now and will not be."""
        for log in live:
            made = [(noted, place, types) for noted in log.records.values() for place, types in enumerate(noted.made) if types]
            last: dict[int, tuple[bool, bool]] = {}
            for noted, place, types in reversed(made):
                showing = log.showing(noted) if place == len(noted.commits) - 1 else [noted]
                for type_id in showing[-1].tables:
                    before, after = last.get(type_id, (False, False))
                    before = before or self.survey.is_readable(showing[-1], type_id)
                    after = after or any(type_id in self.kept.cuts.get(one.position, ()) for one in showing)
                    if type_id in types:
                        if before and not after:
                            self.kept.versions_removed[type_id] = self.kept.versions_removed.get(type_id, 0) + 1
                        last.pop(type_id, None)
                    else:
                        last[type_id] = before, after

    def _is_dropped(self, type_id: int, commit_id: str) -> bool:
        return any(drop.type_id == type_id and commit_id < drop.commit for drop in self._drops)


def shared_past(log: Log, heads: dict[str, Position]) -> Iterable[tuple[Position, str, bool]]:
    """Yield the commits behind heads that not all of them share, and the ancestors that some of them have in common.

    The flag is set for the latter: best common ancestors of any two heads, and of those ancestors among themselves where
    histories cross. Ids are a topological order, so one pass from the newest down sees every commit after all that descend
    from it; it ends where there is nothing but a past that all share.
    """
    known = dict(heads)
    reach: dict[str, int] = {}
    children: dict[str, set[int]] = {}
    for bit, commit_id in enumerate(heads):
        reach[commit_id] = 1 << bit
    everything, bits = (1 << len(heads)) - 1, len(heads)
    heap = [_Newest(commit_id) for commit_id in heads]
    heapq.heapify(heap)
    while heap:
        commit_id = heapq.heappop(heap).id
        position = known.pop(commit_id)
        own = reach.pop(commit_id)
        below = children.pop(commit_id, set())
        shared = own.bit_count() > 1 and own not in below
        yield position, commit_id, shared
        if shared:
            own |= 1 << bits
            everything |= 1 << bits
            bits += 1
        if not heap and own == everything:
            return
        commit = next((item for item in commits_at(log, position) if item.id == commit_id), None)
        if commit is None:
            continue
        for parent, at in ((commit.parent, commit.parent_at), (commit.merged_parent, commit.merged_at)):
            if parent is None or at is None:
                continue
            if parent not in known:
                known[parent] = at
                heapq.heappush(heap, _Newest(parent))
            reach[parent] = reach.get(parent, 0) | own
            children.setdefault(parent, set()).add(own)


class _Newest:
    """A heap entry: the greatest id comes out first."""

    __slots__ = ("id",)

    def __init__(self, id_: str) -> None:
        self.id = id_

    def __lt__(self, other: _Newest) -> bool:
        return self.id > other.id
