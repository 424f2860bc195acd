"""A model of whole histories: branches of commits that each hold a world, merged by the rules, remembered for ever.

Slow and obvious: every commit is a copy of everything, ancestors are sets, best ancestors are found by trying all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from model.schema import Row, World

Key = tuple[int, str]
"""The number of a type, and the id of a row."""
Image = tuple[Any, ...]
Rows = dict[Key, Image]
Conflict = tuple[str, str, str]
_UNDECIDED: Image = ("ancestors disagree",)


@dataclass(eq=False)
class Commit:
    """A commit. ``uncertain``: a cleanup was free to remove it; it reads as it was, or not at all."""

    id: str
    world: World
    parents: tuple[Commit, ...]
    branch: str
    life: int
    actor: str | None = None
    uncertain: bool = False
    behind: frozenset[Commit] = frozenset()  # itself and everything before it

    def __post_init__(self) -> None:
        self.behind = frozenset([self]).union(*(parent.behind for parent in self.parents))

    def row(self, key: Key) -> Row | None:
        return self.world.rows.get(key[0], {}).get(key[1])


@dataclass(eq=False)
class Branch:
    """A branch in one of the lives of its name. ``own`` are the commits made on it."""

    name: str
    life: int
    fork: Commit | None
    parent: str | None
    head: Commit
    own: list[Commit] = field(default_factory=list)
    uncertain: bool = False  # it continues a commit that a cleanup was free to remove, so that its merges may need what is gone


class History:
    """All branches, and every commit that ever was."""

    def __init__(self, first: str, world: World) -> None:
        self.lives = 0
        root = Commit(first, world, (), "main", 0)
        self.branches = {"main": Branch("main", 0, None, None, root, [root])}
        self.commits = {first: root}

    def commit(self, branch: str, id_: str, world: World, actor: str | None, *merged: Commit) -> Commit:
        at = self.branches[branch]
        made = Commit(id_, world, (at.head, *merged), branch, at.life, actor)
        at.head = self.commits[id_] = made
        at.own.append(made)
        return made

    def fork(self, name: str, commit: Commit, parent: str, uncertain: bool) -> None:
        self.lives += 1
        self.branches[name] = Branch(name, self.lives, commit, parent, commit, uncertain=uncertain)

    def line(self, name: str) -> list[Commit]:
        """Return the commits of a branch, the oldest first: those that it inherited and its own."""
        found = []
        at: Commit | None = self.branches[name].head
        while at is not None:
            found.append(at)
            at = at.parents[0] if at.parents else None
        return found[::-1]

    def live(self) -> list[Commit]:
        """Return the commits that can be named: those of branches that are alive."""
        return [commit for branch in self.branches.values() for commit in branch.own]

    def children(self, name: str) -> list[str]:
        return [branch.name for branch in self.branches.values() if branch.parent == name]

    def clean(self, keep: int, everything_dead: bool) -> None:
        """Note what a cleanup was free to remove."""
        certain = {commit for branch in self.branches.values() for commit in branch.own[-keep:]}
        for branch in self.branches.values():
            certain |= {branch.head} if branch.fork is None else {branch.head, branch.fork}
        alive = {branch.life for branch in self.branches.values()}
        for commit in self.commits.values():
            if commit not in certain and (commit.life in alive or everything_dead):
                commit.uncertain = True

    def dropped(self, commit: Commit) -> set[int]:
        """Return the types whose rows at a commit a hard drop took away since."""
        return {number for number, _ in self.branches["main"].head.world.drops - commit.world.drops}

    # --- merging -------------------------------------------------------------------------------------------------------

    def merge(
        self, source: str, target: str, side: Literal["ours", "theirs"] | None
    ) -> tuple[str, list[Conflict], World | None]:
        """Return outcome, conflicts, and the world that the target would have if there were none."""
        theirs, ours = self.branches[source].head, self.branches[target].head
        if theirs in ours.behind:
            return "already_up_to_date", [], None
        outcome = "fast_forward" if ours in theirs.behind else "merged"
        schema = max(theirs.world, ours.world, key=lambda world: world.version)
        bases = best_common([ours], [theirs])
        base, ours_rows, theirs_rows = virtual(bases, schema), images(ours, schema), images(theirs, schema)
        after = schema.copy()
        after.rows = {number: {} for number in schema.types}
        for key in ours_rows:
            after.rows[key[0]][key[1]] = taken(ours, key, schema)
        conflicts: list[Conflict] = []
        for key in base.keys() | ours_rows.keys() | theirs_rows.keys():
            then, mine, other = base.get(key), ours_rows.get(key), theirs_rows.get(key)
            if other in (then, mine):
                continue
            if mine != then and side is None:
                conflicts.append((schema.table_key(key[0]), key[1], kind_of(then, other, mine)))
            elif mine == then or side == "theirs":
                if other is None:
                    after.rows[key[0]].pop(key[1], None)
                else:
                    after.rows[key[0]][key[1]] = taken(theirs, key, schema)
        for commit in (theirs, ours):
            conflicts += lost_rows(commit, bases, schema)
        if not conflicts:
            conflicts = [(schema.table_key(number), row_id, "orphan_edge") for number, row_id in after.orphans()]
        return outcome, sorted(conflicts), after


def images(commit: Commit, schema: World) -> Rows:
    """Return the rows of a commit under a schema that may be newer: no values for what it adds, none of what it drops."""
    found: Rows = {}
    for number, rows in commit.world.rows.items():
        if number in schema.types:
            names = schema.types[number].properties
            for row_id, row in rows.items():
                found[number, row_id] = (row.ends, *(repr(row.values.get(name)) for name in names))
    return found


def taken(commit: Commit, key: Key, schema: World) -> Row:
    """Return a row of a commit as it is under a schema."""
    row = commit.world.rows[key[0]][key[1]]
    return Row({name: row.values.get(name) for name in schema.types[key[0]].properties}, row.ends)


def lost_rows(commit: Commit, bases: list[Commit], schema: World) -> list[Conflict]:
    """Return the rows that a side changed and that the other's schema has no type for."""
    gone = [number for number in commit.world.types if number not in schema.types]
    if not gone:
        return []
    now, then = images(commit, commit.world), virtual(bases, commit.world)
    differing = [key for key in now.keys() | then.keys() if key[0] in gone and now.get(key) != then.get(key)]
    return [(commit.world.table_key(number), row_id, "delete_vs_update") for number, row_id in differing]


def kind_of(then: Image | None, theirs: Image | None, ours: Image | None) -> str:
    if theirs is None or ours is None:
        return "delete_vs_update"
    return "divergent_insert" if then is None else "divergent_update"


def best_common(left: list[Commit], right: list[Commit]) -> list[Commit]:
    """Return the common ancestors that are behind no other."""
    common = frozenset[Commit]().union(*(one.behind for one in left)) & frozenset[Commit]().union(
        *(one.behind for one in right)
    )
    covered: set[Commit] = set()
    for commit in common:
        covered |= commit.behind - {commit}
    return sorted(common - covered, key=lambda commit: commit.id)


def virtual(bases: list[Commit], schema: World) -> Rows:
    """Return the rows of several ancestors merged one after the other, in order of their ids, over their own base."""
    rows = images(bases[0], schema)
    for place in range(1, len(bases)):
        other = images(bases[place], schema)
        then = virtual(best_common(bases[:place], [bases[place]]), schema)
        for key in rows.keys() | other.keys() | then.keys():
            one, two, under = rows.get(key), other.get(key), then.get(key)
            if two in (one, under):
                continue
            if one != under:
                rows[key] = _UNDECIDED
            elif two is None:
                rows.pop(key, None)
            else:
                rows[key] = two
    return rows


def setter(commit: Commit, key: Key, name: int | str) -> Commit:
    """Return the commit that gave a property, or an end, of a row the value it has at a commit."""
    while True:
        for parent in commit.parents:
            if value_of(parent, key, name) == value_of(commit, key, name):
                commit = parent
                break
        else:
            return commit


def value_of(commit: Commit, key: Key, name: int | str) -> Any:
    row = commit.row(key)
    if row is None:
        return ("no row",)
    if isinstance(name, str):
        return row.ends and row.ends[name == "to"]
    return repr(row.values.get(name))


def difference(before: World, after: World) -> list[dict[str, Any]]:
    """Return the changes from one world to another; rows are compared by what both schemas have."""
    found = []
    for number in before.types.keys() | after.types.keys():
        old, new = before.rows.get(number, {}), after.rows.get(number, {})
        named = after if number in after.types else before
        shared: set[int] = set()
        if number in before.types and number in after.types:
            shared = before.types[number].properties.keys() & after.types[number].properties.keys()
        for row_id in old.keys() | new.keys():
            then, now = old.get(row_id), new.get(row_id)
            change: dict[str, Any] = {"table_key": named.table_key(number), "id": row_id}
            if then is not None and now is not None:
                if then.ends == now.ends and all(repr(then.values.get(at)) == repr(now.values.get(at)) for at in shared):
                    continue
                change["op"] = "update"
            else:
                change["op"] = "insert" if then is None else "delete"
            if then is not None:
                change["before"] = image_of(before, number, row_id)
            if now is not None:
                change["after"] = image_of(after, number, row_id)
            found.append(change)
    return sorted(found, key=lambda change: (change["table_key"], change["id"]))


def image_of(world: World, number: int, row_id: str) -> dict[str, Any]:
    """Return a row as changes show it."""
    row, type_ = world.rows[number][row_id], world.types[number]
    image: dict[str, Any] = {"properties": {each.name: row.values.get(at) for at, each in type_.properties.items()}}
    if row.ends is not None:
        image["endpoints"] = {"from": row.ends[0], "to": row.ends[1]}
    return image


def state_of(world: World) -> dict[tuple[str, str], dict[str, Any]]:
    """Return all rows by type key and id, as changes show them."""
    return {
        (world.table_key(number), row_id): image_of(world, number, row_id)
        for number, rows in world.rows.items()
        for row_id in rows
    }
