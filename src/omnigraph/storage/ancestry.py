"""Ancestry: the commits behind a commit, and what two lines have in common.

The id of a commit is greater than those of both its parents, so ids are a topological order: walking from the greatest id down,
a commit comes after all of its descendants. That makes the painting of ancestors exact in one pass, and the cost follows the
number of commits that the lines do not share, never the length of the history.
(The algorithm is the one that git calls paint-down-to-common, with ids for its generation numbers.)
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from omnigraph.errors import CorruptObject
from omnigraph.storage.cut import Cut
from omnigraph.storage.history import commits_at
from omnigraph.storage.log import Log
from omnigraph.storage.record import CommitEntry, Position

_LEFT, _RIGHT, _STALE = 1, 2, 4
_AHEAD_FIRST: Final = 2
_AHEAD_MAX: Final = 64
"""On a remote store so many records of a log are read side by side by those who walk down it; at first a few."""


@dataclass(frozen=True, slots=True)
class Located:
    """A commit and the record that holds it."""

    commit: CommitEntry
    position: Position


class Ancestry:
    """Walks the commits of one graph, from record to record. One object per question; it remembers what it read."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._walks: dict[str, tuple[int, int]] = {}  # by log: the next record to read ahead, and how many from there on

    def head_of(self, cut: Cut) -> Located:
        """Return the newest commit of a cut."""
        return self.find(cut.state.head_at, cut.state.head)

    def find(self, position: Position, commit_id: str) -> Located:
        """Return a commit of a record."""
        self._read_ahead(position)
        for commit in commits_at(self._log, position):
            if commit.id == commit_id:
                return Located(commit, position)
        raise CorruptObject(
            f"storage: commit '{commit_id}' should be in record {position.seq} of '{position.branch_id}'",
            hint="run `omnigraph repair`",
        )

    def parents(self, located: Located) -> Iterator[Located]:
        """Yield the parents of a commit, the first one first."""
        commit = located.commit
        if commit.parent is not None and commit.parent_at is not None:
            yield self.find(commit.parent_at, commit.parent)
        if commit.merged_parent is not None and commit.merged_at is not None:
            yield self.find(commit.merged_at, commit.merged_parent)

    def _read_ahead(self, position: Position) -> None:
        """Read a record, and with it what will be asked for next: the records before it, and those of the other logs' walks."""
        if not self._log.store.is_remote or self._log.knows(position):
            return
        next_, count = self._walks.get(position.branch_id, (position.seq, _AHEAD_FIRST))
        if position.seq > next_:
            return  # it was asked for, and is not there any more: ids, and with them places, descend along a walk
        self._walks[position.branch_id] = position.seq, count
        wanted = []
        for branch_id, (seq, count) in self._walks.items():
            end = max(-1, seq - count)
            wanted += [Position(branch_id, at) for at in range(seq, end, -1)]
            self._walks[branch_id] = end, min(_AHEAD_MAX, count * 4)
        self._log.prefetch(wanted)

    def merge_bases(self, left: Iterable[Located], right: Iterable[Located]) -> list[Located]:
        """Return the best common ancestors: those that are no ancestors of another, ascending by id."""
        found, _ = self._paint(left, right)
        return found

    def only_in(self, heads: Iterable[Located], without: Iterable[Located]) -> list[Located]:
        """Return the commits that are behind ``heads`` (these included) and not behind ``without``, newest first."""
        _, painted = self._paint(heads, without)
        return [located for located, flags in painted if flags & _LEFT and not flags & _RIGHT]

    def _paint(self, left: Iterable[Located], right: Iterable[Located]) -> tuple[list[Located], list[tuple[Located, int]]]:
        flags: dict[str, int] = {}
        known: dict[str, Located] = {}
        heap: list[_Newest] = []
        for heads, flag in ((left, _LEFT), (right, _RIGHT)):
            for head in heads:
                if head.commit.id not in flags:
                    heapq.heappush(heap, _Newest(head.commit.id))
                    known[head.commit.id] = head
                flags[head.commit.id] = flags.get(head.commit.id, 0) | flag
        open_ = sum(1 for value in flags.values() if value != (_LEFT | _RIGHT | _STALE))
        bases: list[Located] = []
        painted: list[tuple[Located, int]] = []
        while heap and open_:
            located = known[heapq.heappop(heap).id]
            own = flags[located.commit.id]
            if not own & _STALE:
                open_ -= 1
            painted.append((located, own))
            passed = own
            if own & _LEFT and own & _RIGHT:
                if not own & _STALE:
                    bases.append(located)
                passed |= _STALE
            for parent in self.parents(located):
                parent_id = parent.commit.id
                before = flags.get(parent_id)
                if before is None:
                    known[parent_id] = parent
                    flags[parent_id] = passed
                    heapq.heappush(heap, _Newest(parent_id))
                    open_ += not passed & _STALE
                else:
                    flags[parent_id] = before | passed
                    if passed & _STALE and not before & _STALE:
                        open_ -= 1
        return sorted(bases, key=lambda located: located.commit.id), painted


class _Newest:
    """A heap entry: the greatest id comes out first."""

    __slots__ = ("id",)

    def __init__(self, id_: str) -> None:
        self.id = id_

    def __lt__(self, other: _Newest) -> bool:
        return self.id > other.id
