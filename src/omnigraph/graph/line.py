"""The line of a branch: its own commits behind those that it inherited at its fork.

Ids and versions of commits ascend along a line, so a commit is found by either, or by its time, in a few looks, whatever the
length of the history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from omnigraph.storage.ancestry import Located
from omnigraph.storage.cut import Cut
from omnigraph.storage.history import Headers, headers
from omnigraph.storage.log import Log
from omnigraph.storage.record import MAIN, CommitEntry, Position, Ref
from omnigraph.storage.ulid import decode_ulid

ReadRef = Callable[[str], Ref]
_RANDOM_BITS = 80


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a line that stands in one log: its records up to ``last``, its commits up to the id ``until``."""

    branch_id: str
    last: int
    until: str


class Line:
    """The commits of one branch up to one head. ``name`` is that of the branch."""

    def __init__(self, log: Log, name: str, stretches: tuple[Stretch, ...]) -> None:
        self.name = name
        self._log = log
        self._stretches = stretches  # the oldest first

    def newest_first(self, about: int | None = None) -> Iterator[CommitEntry]:
        """Yield the commits, the head first; as much is read as is taken, which is ``about`` so many."""
        for located in self.located_newest_first(about):
            yield located.commit

    def located_newest_first(self, about: int | None = None) -> Iterator[Located]:
        for stretch in reversed(self._stretches):
            for entry in self._headers(stretch).newest_first(about):
                for commit in reversed(entry.commits):
                    if commit.id <= stretch.until:
                        yield Located(commit, Position(stretch.branch_id, entry.seq))

    def located_before(self, commit_id: str) -> Iterator[Located]:
        """Yield a commit of the line and those before it, the newest first."""
        found = self.last_where(lambda id_, _: id_ <= commit_id)
        while found is not None:
            yield found
            found = self._before(found.commit.id)

    def located_after(self, commit_id: str) -> Iterator[Located]:
        """Yield the commits of the line behind a commit, the oldest first; as much is read as is taken."""
        for stretch in self._stretches:
            if stretch.until > commit_id:
                for position, commit in self._headers(stretch).after(commit_id):
                    if commit.id <= stretch.until:
                        yield Located(commit, position)

    @property
    def head_id(self) -> str:
        """The id of the newest commit."""
        return self._stretches[-1].until

    def oldest_first(self) -> Iterator[CommitEntry]:
        """Yield the commits, genesis first."""
        for stretch in self._stretches:
            for entry in headers(self._log, stretch.branch_id, stretch.last):
                for commit in entry.commits:
                    if commit.id <= stretch.until:
                        yield commit

    def last_where(self, holds: Callable[[str, int], bool]) -> Located | None:
        """Return the last commit for which something holds that, when it holds for a commit, holds for those before it."""
        for stretch in reversed(self._stretches):
            found = self._headers(stretch).last_where(holds, stretch.until)
            if found is not None:
                return Located(found[1], found[0])
        return None

    def of_version(self, version: int) -> Located | None:
        """Return the commit of a version."""
        found = self.last_where(lambda _, known: known <= version)
        return None if found is None or found.commit.version != version else found

    def at_time(self, time_us: int) -> Located | None:
        """Return the last commit at or before an instant (µs since 1970).

        Judged by the time in the ids, which ascends along a line even where the clocks of its writers disagree.
        """
        found = self.last_where(lambda id_, _: _time_ms(id_) <= time_us // 1_000)
        while found is not None and found.commit.created_at > time_us:  # an id is a moment older than its commit
            found = self._before(found.commit.id)
        return found

    def holding(self, commit_id: str) -> Located | None:
        """Return a commit of the line by its id."""
        found = self.last_where(lambda id_, _: id_ <= commit_id)
        return None if found is None or found.commit.id != commit_id else found

    def _before(self, commit_id: str) -> Located | None:
        return self.last_where(lambda id_, _: id_ < commit_id)

    def _headers(self, stretch: Stretch) -> Headers:
        return Headers(self._log, stretch.branch_id, stretch.last)


def line_of(log: Log, read_ref: ReadRef, name: str, branch_id: str, head: Cut) -> Line:
    """Return the line of a branch up to a cut of it. Reads the refs of the branches that it was made from."""
    stretches: list[Stretch] = []
    at, until, owner = head.entry.position, head.state.head, name
    ref: Ref | None = None
    while True:
        own = at.branch_id == branch_id
        if own:
            stretches.append(Stretch(branch_id, at.seq, until))
        if branch_id == MAIN:
            break
        ref = read_ref(owner) if ref is None else ref
        if own:  # otherwise the place lies further back than this branch's fork, or is its fork
            at, until = ref.fork, ref.fork_commit
        owner = ref.parent
        ref = None if owner == MAIN else read_ref(owner)
        branch_id = MAIN if ref is None else ref.branch_id
    return Line(log, name, tuple(reversed(stretches)))


def _time_ms(commit_id: str) -> int:
    return 0 if not commit_id else decode_ulid(commit_id) >> _RANDOM_BITS
