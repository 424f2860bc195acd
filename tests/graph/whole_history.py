"""Random histories of everything that a graph can do, carried out by the engine and by the model of whole histories.

A step is a word and a seed: what it does in detail is drawn from its own random numbers and the state it meets, so that any part of
a list of steps is a history too, and a failing one can be made smaller by leaving steps out.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from unittest import mock

import omnigraph
from graph.whole_draws import Draws, Refused, first_world
from model.schema import World
from model.whole import Branch, Commit, History, difference, setter, state_of
from omnigraph.errors import ChangeDiffRefusal, ChangeFeedGap, Conflict, HistoryReclaimed, MergeConflicts, OmnigraphError
from omnigraph.graph import cleanup as cleanup_module
from omnigraph.graph import load as load_module
from omnigraph.graph.graph import Graph
from omnigraph.graph.upkeep import fold_branch
from omnigraph.storage import fold as fold_module
from omnigraph.wire.encoding import compact

BRANCHES = ["b1", "b2", "b3", "b4"]
MODES = ["auto", "indexed", "csr"]

WEIGHTS = {
    "load": 10, "mutate": 10, "group": 4, "merge": 9, "fork": 4, "unfork": 2, "schema": 2, "fold": 3, "optimize": 1, "cleanup": 1,
    "reopen": 1, "check": 2, "baseline": 1,
}  # fmt: skip
Step = tuple[str, int]
Write = tuple[Callable[[], Any], Callable[[World], World | None]]
"""Prepares a write on the engine; and the world after it, None when it is no commit."""


def random_steps(seed: int, length: int) -> list[Step]:
    random = Random(seed)
    words = random.choices(list(WEIGHTS), list(WEIGHTS.values()), k=length)
    return [(word, random.randrange(1 << 32)) for word in words]


@contextmanager
def bulk(yes: bool) -> Iterator[None]:
    """Let every load be a bulk change."""
    with mock.patch.object(load_module, "INLINE_ROWS_MAX", 0 if yes else load_module.INLINE_ROWS_MAX):
        yield


class Pair(Draws):
    """The engine, opened twice, and the model."""

    def __init__(self, root: str) -> None:
        self.root = root
        world = first_world()
        omnigraph.init(root, world.text()).close()
        self.modes = ["indexed", "csr"]
        self.graphs = [self.open(mode) for mode in self.modes]
        self.model = History(self.graphs[0].commits()[0].graph_commit_id, world)
        self.random = Random(0)
        self.graph = self.graphs[0]
        self.feeds: dict[str, tuple[int, str, dict[tuple[str, str], Any]]] = {}
        self.counts: dict[str, int] = {}

    def open(self, mode: str) -> Graph:
        with mock.patch.dict(os.environ, {"OMNIGRAPH_TRAVERSAL_MODE": mode}):
            return omnigraph.open(self.root)

    def close(self) -> None:
        for graph in self.graphs:
            graph.close()

    def run(self, step: Step) -> None:
        word, seed = step
        self.random = Random(seed)
        self.graph = self.random.choice(self.graphs)
        name = self.branch()
        getattr(self, "do_" + word)(name)
        for graph in self.graphs:
            if name in self.model.branches and self.random.random() < 0.5:
                self.same(graph, name)

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def branch(self) -> str:
        names = sorted(self.model.branches)
        return "main" if self.random.random() < 0.3 else self.random.choice(names)

    # --- writes --------------------------------------------------------------------------------------------------------

    def do_load(self, name: str) -> None:
        mode = self.random.choice(["merge", "merge", "merge", "append", "overwrite"])
        records, model = self.load_of(self.model.branches[name].head.world, mode)
        self.write(name, [lambda: self.prepare_load(records, mode, name)], [model])

    def do_mutate(self, name: str) -> None:
        source, params, model = self.mutation_of(self.model.branches[name].head.world)
        self.write(name, [lambda: self.graph.prepare_mutation(source, params, branch=name)], [model])

    def do_group(self, name: str) -> None:
        """Several writes, each drawn for the state before all of them, and committed together."""
        world = self.model.branches[name].head.world
        prepares: list[Callable[[], Any]] = []
        models = []
        for _ in range(self.random.randint(2, 5)):
            if self.random.random() < 0.5:
                records, model = self.load_of(world, "merge")
                prepares.append(lambda records=records: self.prepare_load(records, "merge", name))  # type: ignore[misc]
            else:
                source, params, model = self.mutation_of(world)
                prepares.append(
                    lambda source=source, params=params: self.graph.prepare_mutation(source, params, branch=name)  # type: ignore[misc]
                )
            models.append(model)
        self.write(name, prepares, models)

    def prepare_load(self, records: list[dict[str, Any]], mode: Any, name: str) -> Any:
        return self.graph.prepare_load(records, mode, branch=name, actor=self.random.choice([None, "ida"]))

    def write(self, name: str, prepares: list[Callable[[], Any]], models: list[Callable[[World], World | None]]) -> None:
        with bulk(self.random.random() < 0.3):
            answers: list[Any] = []
            while len(answers) < len(prepares):
                answers += self.graph.commit_some([prepare() for prepare in prepares[len(answers) :]])
        for answer, model in zip(answers, models, strict=True):
            try:
                after = model(self.model.branches[name].head.world.copy())
            except Refused as refused:
                assert isinstance(answer, OmnigraphError) and answer.http_status < 500, (refused, answer)
                self.count("refused")
                continue
            if isinstance(answer, Exception):
                raise AssertionError(f"only the engine refuses: {answer!r}") from answer
            assert (answer.commit is None) == (after is None), (answer, after)
            if after is not None:
                made = answer.commit
                self.model.commit(name, made.graph_commit_id, after, made.actor_id)

    # --- branches ------------------------------------------------------------------------------------------------------

    def do_fork(self, name: str) -> None:
        free = [one for one in BRANCHES if one not in self.model.branches]
        if not free:
            return
        new = self.random.choice(free)
        parent = self.model.branches[name]
        if self.random.random() < 0.5:
            self.graph.create_branch(new, from_branch=name)
            self.model.fork(new, parent.head, name, parent.uncertain)
            return
        commit = self.random.choice(self.model.line(name))
        drops = self.model.branches["main"].head.world.drops - commit.world.drops
        try:
            made = self.graph.create_branch(new, from_commit=commit.id)
        except HistoryReclaimed:
            assert commit.uncertain or drops
            self.count("fork of what is gone")
            return
        assert not drops
        owner = self.model.branches[commit.branch]
        self.model.fork(new, commit, commit.branch, commit.uncertain or owner.uncertain)
        assert made.from_ == commit.branch if hasattr(made, "from_") else True

    def do_unfork(self, name: str) -> None:
        if name == "main":
            return
        self.delete(name)

    def delete(self, name: str) -> None:
        children = self.model.children(name)
        try:
            self.graph.delete_branch(name)
        except Conflict:
            assert children
            return
        assert not children
        del self.model.branches[name]
        self.feeds.pop(name, None)

    def do_merge(self, name: str) -> None:
        others = [one for one in sorted(self.model.branches) if one != name]
        if not others:
            return
        target, source = name, self.random.choice(others)
        side: Any = self.random.choice([None, None, None, "ours", "theirs", {"*": "theirs"}])
        plain = side if not isinstance(side, dict) else "theirs"
        outcome, conflicts, after = self.model.merge(source, target, plain)
        excused = any(self.model.branches[one].uncertain for one in (source, target))
        try:
            if self.random.random() < 0.5:
                preview = self.graph.preview_merge(source, into=target, strategy=side)
                assert preview.outcome == outcome
                found = sorted((one.table_key, str(one.row_id), one.kind) for one in preview.merge_conflicts)
                assert found == conflicts, (found, conflicts)
            done = self.graph.merge(source, into=target, strategy=side, actor="merger")
        except HistoryReclaimed as gone:
            assert excused, gone
            self.count("merge of what is gone")
            return
        except MergeConflicts as refused:
            found = sorted((one.table_key, str(one.row_id), one.kind) for one in refused.conflicts)
            assert found == conflicts, (found, conflicts)
            self.count("conflicts")
            return
        assert not conflicts, conflicts
        assert done.outcome == outcome
        self.count(outcome)
        if after is None:
            assert done.commit is None
            return
        assert done.commit is not None
        head = self.model.branches[source].head
        self.model.commit(target, done.commit.graph_commit_id, after, "merger", head)
        if self.model.branches[source].uncertain:
            self.model.branches[target].uncertain = True

    # --- the schema ----------------------------------------------------------------------------------------------------

    def do_schema(self, name: str) -> None:
        before = self.model.branches["main"].head.world
        after = before.copy()
        touched: set[int] = set()
        for _ in range(self.random.choice([1, 1, 2, 3])):
            self.change(before, after, touched)
        text, hard = after.text(before), self.random.random() < 0.2
        if len(self.model.branches) > 1:
            if before.text() != after.text():
                try:
                    self.graph.apply_schema(text, allow_data_loss=hard)
                except Conflict:
                    pass
                else:
                    raise AssertionError("a schema was applied beside branches")
            if self.random.random() < 0.4:
                return
        while len(self.model.branches) > 1:
            for other in sorted(self.model.branches):
                if other != "main" and not self.model.children(other):
                    self.delete(other)
        done = self.graph.apply_schema(text, allow_data_loss=hard)
        assert done.supported
        if not done.applied:
            return
        self.count("schema")
        after.version += 1
        lost = {
            number
            for number, type_ in before.types.items()
            if number not in after.types or type_.properties.keys() - after.types[number].properties.keys()
        }
        if hard and lost:
            self.count("hard drop")
            after.drops |= {(number, after.version) for number in lost}  # type: ignore[operator]
        for number, rows in after.rows.items():
            for row in rows.values():
                row.values = {at: row.values.get(at) for at in after.types[number].properties}
        self.model.commit("main", self.graph.commits(order="newest", limit=1)[0].graph_commit_id, after, None)

    # --- upkeep --------------------------------------------------------------------------------------------------------

    def do_fold(self, name: str) -> None:
        self.graph._branch(name).current()
        with mock.patch.object(fold_module, "TAIL_ROWS_MAX", 0):
            fold_branch(self.graph._log, self.graph._branch(name), self.graph._views.open_table)

    def do_optimize(self, name: str) -> None:
        self.graph.optimize(name)

    def do_cleanup(self, name: str) -> None:
        keep = self.random.choice([1, 1, 2, 5])
        older_than_s = self.random.choice([None, None, 0, 3600])
        harsh = self.random.random() < 0.5
        if harsh:  # nothing is in flight, so nothing needs the hour of grace
            self.reopen()
        report = cleanup_module.cleanup(
            self.graph._log,
            self.graph._branch,
            self.graph._views.open_table,
            keep=keep,
            older_than_s=older_than_s,
            orphan_age_s=0.0 if harsh else 3600.0,
        )
        assert not any(table.error for table in report), report
        if older_than_s != 3600:
            self.model.clean(keep, harsh)
        elif harsh:
            self.model.clean(1 << 60, True)
        self.count("cleanup")

    def do_reopen(self, name: str) -> None:
        self.reopen()

    def reopen(self) -> None:
        self.close()
        self.modes = [self.random.choice(MODES) for _ in self.modes]
        self.graphs = [self.open(mode) for mode in self.modes]
        self.graph = self.random.choice(self.graphs)

    # --- what must hold ------------------------------------------------------------------------------------------------

    def exported(self, graph: Graph, **where: Any) -> list[dict[str, Any]]:
        return [json.loads(line) for line in b"".join(graph.export(**where)).splitlines()]

    def expected(self, world: World, only: set[int]) -> list[dict[str, Any]]:
        found = []
        for number in sorted(world.types, key=world.table_key):
            if number in only:
                found += world.documents(number, world.rows[number])
        return found

    def same(self, graph: Graph, name: str) -> None:
        world = self.model.branches[name].head.world
        assert self.exported(graph, branch=name) == self.expected(world, set(world.types)), name
        counts = {table.table_key: table.row_count for table in graph.snapshot(name).tables}
        assert counts == {world.table_key(number): len(world.rows[number]) for number in world.types}

    def do_check(self, name: str) -> None:
        for graph in self.graphs:
            self.same(graph, name)
            self.same_line(graph, name)
            self.same_answers(graph, name)
        self.same_past()
        self.same_difference()
        self.same_blame(name)
        self.follow(name)

    def check_all(self) -> None:
        assert self.graph.branches() == sorted(self.model.branches)
        for name in sorted(self.model.branches):
            self.do_check(name)
        for commit in self.model.live():
            self.same_commit(commit)
        assert not self.graph.repair().refused

    def same_line(self, graph: Graph, name: str) -> None:
        line = self.model.line(name)
        found = graph.commits(name)
        assert [one.graph_commit_id for one in found] == [one.id for one in line]
        for one, commit in zip(found, line, strict=True):
            parents = [parent.id for parent in commit.parents] + [None, None]
            assert [one.parent_commit_id, one.merged_parent_commit_id] == parents[:2]
            assert (one.manifest_branch or "main", one.actor_id) == (commit.branch, commit.actor)
        for before, after in itertools.pairwise(found):
            assert after.manifest_version > before.manifest_version

    def same_answers(self, graph: Graph, name: str) -> None:
        """Ask for the rows of a type by a value, and for the pairs that an edge joins, with what their ends say."""
        world = self.model.branches[name].head.world
        number = self.random.choice(world.nodes())
        type_ = world.types[number]
        key_at, key = next((at, one.name) for at, one in type_.properties.items() if one.is_key)
        whole = [at for at, one in type_.properties.items() if one.kind == "I32?" and not one.words]
        if whole:
            at = self.random.choice(whole)
            source = (
                f"query q() {{ match {{ $x: {type_.name} {{ {type_.properties[at].name}: 1 }} }} return {{ $x.{key} as k }} }}"
            )
            found = sorted(row["k"] for row in graph.query(source, branch=name).rows())
            assert found == sorted(row.values[key_at] for row in world.rows[number].values() if row.values.get(at) == 1)
        if not world.edges():
            return
        edge = self.random.choice(world.edges())
        verb = world.types[edge].name.lower()
        one, other = (world.types[end] for end in world.types[edge].ends or (0, 0))
        keys = [next(p.name for p in end.properties.values() if p.is_key) for end in (one, other)]
        pairs = sorted({row.ends for row in world.rows[edge].values() if row.ends})
        source = f"query q() {{ match {{ $x: {one.name} $x {verb} $y }} return {{ $x.{keys[0]} as x, $y.{keys[1]} as y }} }}"
        assert sorted((row["x"], row["y"]) for row in graph.query(source, branch=name).rows()) == pairs
        if pairs:
            end = self.random.choice(pairs)[1]
            source = f"query q($e: String) {{ match {{ $y: {other.name} {{ {keys[1]}: $e }} $x {verb} $y }} return {{ $x.{keys[0]} as x }} }}"
            found = sorted(row["x"] for row in graph.query(source, {"e": end}, branch=name).rows())
            assert found == [x for x, y in pairs if y == end]

    def same_past(self) -> None:
        for commit in self.random.sample(self.model.live(), min(3, len(self.model.live()))):
            self.same_commit(commit)

    def same_commit(self, commit: Commit) -> None:
        graph = self.random.choice(self.graphs)
        dropped, world = self.model.dropped(commit), commit.world
        for number in world.types:
            try:
                found = self.exported(graph, snapshot=commit.id, tables=[world.table_key(number)])
            except HistoryReclaimed:
                assert commit.uncertain or number in dropped, (commit.id, number)
                self.count("old commit is gone")
                continue
            assert number not in dropped
            assert found == self.expected(world, {number})
            self.count("old commit")
        assert graph.schema_source(snapshot=commit.id) if not commit.uncertain else True

    def same_difference(self) -> None:
        one, other = self.random.choice(self.model.live()), self.random.choice(self.model.live())
        if self.model.dropped(one) or self.model.dropped(other):
            return
        try:
            found = self.graph.diff(one.id, other.id)
        except HistoryReclaimed as gone:
            assert one.uncertain or other.uncertain, gone
            self.count("diff is gone")
            return
        shown = []
        for change in json.loads(compact(found.changes)):
            shown.append({name: change[name] for name in ("table_key", "id", "op", "before", "after") if name in change})
        assert shown == difference(one.world, other.world), (one.id, other.id)
        self.count("diff")

    def same_blame(self, name: str) -> None:
        head = self.model.branches[name].head
        rows = [(number, row_id) for number in head.world.rows for row_id in sorted(head.world.rows[number])]
        if not rows:
            return
        number, row_id = self.random.choice(rows)
        try:
            found = self.graph.blame(head.world.table_key(number), row_id, branch=name)
        except HistoryReclaimed as gone:
            assert any(commit.uncertain or number in self.model.dropped(commit) for commit in head.behind), gone
            self.count("blame is gone")
            return
        by_name: dict[str, int | str] = {one.name: at for at, one in head.world.types[number].properties.items()}
        by_name |= {"from": "from", "to": "to"} if head.world.types[number].ends else {}
        assert {line.property for line in found.properties} == by_name.keys()
        for line in found.properties:
            expected = setter(head, (number, row_id), by_name[line.property])
            assert line.graph_commit_id == expected.id, (number, row_id, line)
        self.count("blame")

    # --- feeds ---------------------------------------------------------------------------------------------------------

    def do_baseline(self, name: str) -> None:
        taken = self.graph.baseline(name)
        head = self.model.branches[name].head
        rows = [json.loads(line) for line in b"".join(taken.chunks).splitlines()]
        assert rows == self.expected(head.world, set(head.world.types))
        assert taken.info.snapshot_commit_id == head.id
        self.feeds[name] = (self.model.branches[name].life, taken.info.resume_cursor, state_of(head.world))

    def follow(self, name: str) -> None:
        """Apply the feed since the last time: each commit leaves what the model has."""
        if name not in self.feeds:
            self.do_baseline(name)
            return
        life, cursor, state = self.feeds.pop(name)
        branch: Branch = self.model.branches[name]
        assert life == branch.life
        graph, at = self.random.choice(self.graphs), {"cursor": cursor}
        while True:
            try:
                page = graph.changes(name, limit=self.random.choice([1, 3, 1000]), **at)
            except ChangeFeedGap as gap:
                gone = self.model.commits[gap.first_unreadable_commit_id]
                assert any(one.uncertain for one in (gone, *gone.behind)) or any(
                    self.model.dropped(one) for one in (gone, *gone.parents)
                ), gap
                self.count("gap")
                return
            except ChangeDiffRefusal as boundary:
                at_commit = self.model.commits[boundary.graph_commit_id]
                assert at_commit.world.version > at_commit.parents[0].world.version
                self.count("boundary")
                return
            shown = json.loads(compact(page))
            for block in shown["blocks"]:
                for change in block["changes"]:
                    key = f"{change['kind']}:{change['type']['name']}", change["id"]
                    assert state.get(key) == change.get("before")
                    if change["op"] == "delete":
                        del state[key]
                    else:
                        state[key] = change["after"]
            if "cursor" not in shown:
                at = {"page_token": shown["next_page_token"]}
                continue
            at = {"cursor": shown["cursor"]}
            if shown["caught_up"]:
                break
        assert state == state_of(branch.head.world)
        self.count("feed")
        self.feeds[name] = (life, at["cursor"], state)


def drive(root: str, steps: list[Step]) -> dict[str, int]:
    """Run steps on the engine and the model; return how often what happened."""
    with mock.patch.dict(os.environ, {"OMNIGRAPH_FSYNC": "0"}):
        pair = Pair(root)
        try:
            for step in steps:
                pair.run(step)
            pair.check_all()
        finally:
            pair.close()
    return pair.counts


def smallest(steps: list[Step], fails: Callable[[list[Step]], bool]) -> list[Step]:
    """Return fewer steps that still fail: none of them can be left out."""
    size = max(1, len(steps) // 2)
    while True:
        place = 0
        while place < len(steps):
            fewer = steps[:place] + steps[place + size :]
            if fails(fewer):
                steps = fewer
            else:
                place += size
        if size == 1:
            return steps
        size = max(1, size // 2)
