"""A model of branches and merges: every commit is a whole dictionary of rows, ancestors are sets, bases are found by trying all.

Slow and obvious; the rules are those of the specification's section on merges, read word by word.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

Row = tuple[Any, ...]
Rows = dict[tuple[str, str], Row]
"""(table key, id) -> values; an edge's first two values are its ends."""

Conflict = tuple[str, str | None, str]
_UNDECIDED = ("ancestors disagree",)


@dataclass(frozen=True)
class Commit:
    number: int
    rows: Rows
    parents: tuple[Commit, ...] = ()

    def ancestors(self) -> set[int]:
        """Numbers of the commit itself and everything behind it."""
        return {self.number}.union(*(parent.ancestors() for parent in self.parents))

    def everything(self) -> dict[int, Commit]:
        found = {self.number: self}
        for parent in self.parents:
            found |= parent.everything()
        return found


@dataclass
class ModelHistory:
    """Branch heads by name."""

    heads: dict[str, Commit]
    numbers: Any = field(default_factory=lambda: count(1))

    @classmethod
    def of(cls, rows: Rows) -> ModelHistory:
        return cls({"main": Commit(0, rows)})

    def commit(self, branch: str, rows: Rows, *more: Commit) -> None:
        head = self.heads[branch]
        self.heads[branch] = Commit(next(self.numbers), rows, (head, *more))

    def merge(self, source: str, target: str, sides: dict[str, Literal["ours", "theirs"]]) -> tuple[str, list[Conflict]]:
        """Merge; returns the outcome and the conflicts. With conflicts nothing changes."""
        theirs, ours = self.heads[source], self.heads[target]
        if theirs.number in ours.ancestors():
            return "already_up_to_date", []
        bases = best_common(theirs, ours)
        fast = ours.number in theirs.ancestors()
        base = virtual(bases)
        rows = dict(ours.rows)
        conflicts: list[Conflict] = []
        for key in sorted(base.keys() | theirs.rows.keys() | ours.rows.keys()):
            b, s, t = base.get(key), theirs.rows.get(key), ours.rows.get(key)
            if s in (b, t):
                continue
            if t != b:
                side = sides.get(key[0])
                if side is None:
                    conflicts.append((*key, kind_of(b, s, t)))
                    continue
                if side == "ours":
                    continue
            if s is None:
                rows.pop(key, None)
            else:
                rows[key] = s
        if not conflicts:
            conflicts = [(*key, "orphan_edge") for key in sorted(rows) if is_orphan(key, rows)]
        if conflicts:
            return "merged", conflicts
        self.commit(target, rows, theirs)
        return "fast_forward" if fast else "merged", []


def kind_of(b: Row | None, s: Row | None, t: Row | None) -> str:
    if s is None or t is None:
        return "delete_vs_update"
    return "divergent_insert" if b is None else "divergent_update"


def is_orphan(key: tuple[str, str], rows: Rows) -> bool:
    return key[0].startswith("edge:") and any(("node:Person", end) not in rows for end in rows[key][:2])


def best_common(one: Commit, other: Commit) -> list[Commit]:
    everything = one.everything()
    common = [everything[number] for number in one.ancestors() & other.ancestors()]
    best = [commit for commit in common if not any(commit is not x and commit.number in x.ancestors() for x in common)]
    return sorted(best, key=lambda commit: commit.number)


def virtual(bases: list[Commit]) -> Rows:
    """The rows of several ancestors merged one after the other, in order of their ids, over their own base."""
    rows = dict(bases[0].rows)
    for place in range(1, len(bases)):
        other = bases[place].rows
        then = virtual(common_of_many(bases[:place], bases[place]))
        for key in rows.keys() | other.keys() | then.keys():
            one, two, under = rows.get(key), other.get(key), then.get(key)
            if one == two or two == under:
                continue
            if one == under:
                if two is None:
                    rows.pop(key, None)
                else:
                    rows[key] = two
            else:
                rows[key] = _UNDECIDED
    return rows


def common_of_many(left: list[Commit], right: Commit) -> list[Commit]:
    behind = set[int]().union(*(commit.ancestors() for commit in left))
    everything: dict[int, Commit] = {}
    for commit in left:
        everything |= commit.everything()
    common = [everything[number] for number in behind & right.ancestors()]
    best = [commit for commit in common if not any(commit is not x and commit.number in x.ancestors() for x in common)]
    return sorted(best, key=lambda commit: commit.number)
