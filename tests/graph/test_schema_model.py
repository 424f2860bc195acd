"""Random schema changes between random writes, folds, branches and reopenings: the head and every old commit as the model has them."""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

import omnigraph
from model.schema import Property, Row, Type, World
from omnigraph.errors import HistoryReclaimed, MergeConflicts
from omnigraph.graph import load as load_module
from omnigraph.graph.upkeep import fold_branch
from omnigraph.storage import fold as fold_module
from omnigraph.storage import reachability

NODE_NAMES = ["Ant", "Bee", "Cat", "Dog"]
EDGE_NAMES = ["Likes", "Sees"]
PROPERTY_NAMES = ["a", "b", "c", "d"]
KINDS = ["I32?", "String?", "[F64]?", "Bool?", "enum"]
IDS = ["i", "j", "k", "l"]


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.graph: Any = None

    @initialize(data=st.data())
    def start(self, data: Any) -> None:
        self.world = World()
        self._add_node(self.world, "Ant", data)
        self.accepted = self.world.copy()
        self.graph = omnigraph.init(str(self.folder / "g"), self.world.text())
        self.past: list[tuple[str, World]] = []
        self.gone: set[int] = set()  # types of which only what comes from now on can be read
        self.readable_from: dict[int, int] = {}
        self.fresh = 0

    def teardown(self) -> None:
        if self.graph is not None:
            self.graph.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.environ.pop("OMNIGRAPH_TRAVERSAL_MODE", None)

    def remember(self) -> None:
        self.past.append((self.graph.commits()[-1].graph_commit_id, self.world.copy()))

    # --- the schema ----------------------------------------------------------------------------------------------------

    def _add_node(self, world: World, name: str, data: Any) -> None:
        key = data.draw(st.sampled_from(["name", "label"]))
        number = world.number()
        world.types[number] = Type(name, {world.number(): Property(key, "String?", True)})
        world.rows[number] = {}

    @rule(data=st.data(), steps=st.integers(1, 3), hard=st.integers(0, 3).map(lambda number: number == 0))
    def apply(self, data: Any, steps: int, hard: bool) -> None:
        before, after = self.world, self.world.copy()
        fresh: set[int] = set()  # what is renamed and dropped at once is no rename
        for _ in range(steps):
            self._change(after, fresh, data)
        text = after.text(before)
        plan = self.graph.plan_schema(text, allow_data_loss=hard)
        assert plan.supported, plan.as_text("g")
        done = self.graph.apply_schema(text, allow_data_loss=hard)
        assert done.applied == bool(plan.steps)
        self.world = after
        if done.applied:
            if hard:
                for number, type_ in before.types.items():
                    now = after.types.get(number)
                    if now is None or type_.properties.keys() - now.properties.keys():
                        self.readable_from[number] = len(self.past)
            self.remember()

    def _change(self, world: World, touched: set[int], data: Any) -> None:
        choices = [
            "node",
            "property",
            "property",
            "rename type",
            "rename property",
            "drop property",
            "drop type",
            "edge",
            "words",
        ]
        choice = data.draw(st.sampled_from(choices))
        number = data.draw(st.sampled_from(sorted(world.types)))
        type_ = world.types[number]
        names = {one.name for one in world.types.values()} | {one.name for one in self.world.types.values()}
        inside = {one.name for one in type_.properties.values()}
        old = self.world.types.get(number)
        inside |= set() if old is None else {one.name for one in old.properties.values()}
        kept = {key: one for key, one in type_.properties.items() if not one.is_key and key not in touched}
        if choice == "node" and (free := [name for name in NODE_NAMES if name not in names]):
            self._add_node(world, free[0], data)
        elif choice == "edge" and (free := [name for name in EDGE_NAMES if name not in names]):
            ends = (data.draw(st.sampled_from(world.nodes())), data.draw(st.sampled_from(world.nodes())))
            edge = world.number()
            world.types[edge], world.rows[edge] = Type(free[0], {}, ends), {}
        elif choice == "property" and (free := [name for name in PROPERTY_NAMES if name not in inside]):
            kind = data.draw(st.sampled_from(KINDS))
            words = ["red", "blue"] if kind == "enum" else []
            type_.properties[world.number()] = Property(data.draw(st.sampled_from(free)), kind, words=words)
        elif choice == "rename type" and number not in touched:
            free = [name for name in (NODE_NAMES if type_.ends is None else EDGE_NAMES) if name not in names]
            if free:
                type_.name = data.draw(st.sampled_from(free))
                touched.add(number)
        elif choice == "rename property":
            free = [name for name in [*PROPERTY_NAMES, "name", "label"] if name not in inside]
            chosen = [key for key in type_.properties if key not in touched]
            if free and chosen:
                key = data.draw(st.sampled_from(chosen))
                type_.properties[key].name = data.draw(st.sampled_from(free))
                touched.add(key)
        elif choice == "drop property" and kept:
            del type_.properties[data.draw(st.sampled_from(sorted(kept)))]
        elif choice == "drop type" and number not in touched and len(world.types) > 1:
            used = {end for edge in world.edges() for end in world.types[edge].ends or ()}
            if number not in used and (type_.ends is not None or len(world.nodes()) > 1):
                del world.types[number], world.rows[number]
        elif choice == "words":
            for one in kept.values():
                if one.words and "green" not in one.words:
                    one.words = ["green", *one.words]

    # --- rows ----------------------------------------------------------------------------------------------------------

    def _values(self, type_: Type, row_id: str, data: Any) -> dict[int, Any]:
        return {
            key: row_id if one.is_key else data.draw(st.sampled_from(one.values())) for key, one in type_.properties.items()
        }

    @rule(data=st.data(), count=st.integers(1, 4), bulk=st.booleans())
    def load(self, data: Any, count: int, bulk: bool) -> None:
        records = {}
        for _ in range(count):
            number = data.draw(st.sampled_from(sorted(self.world.types)))
            type_, row_id = self.world.types[number], data.draw(st.sampled_from(IDS))
            ends = None
            if type_.ends is not None:
                chosen = [
                    data.draw(st.sampled_from(sorted(self.world.rows[end]))) for end in type_.ends if self.world.rows[end]
                ]
                if len(chosen) < 2:
                    continue
                ends = (chosen[0], chosen[1])
            row = Row(self._values(type_, row_id, data), ends)
            self.world.rows[number][row_id] = row
            records[number, row_id] = self.world.documents(number, {row_id: row})[0]
        if not records:
            return
        inline = load_module.INLINE_ROWS_MAX
        load_module.INLINE_ROWS_MAX = 0 if bulk else inline  # type: ignore[misc]
        try:
            self.graph.load("\n".join(json.dumps(record) for record in records.values()).encode(), "merge")
        finally:
            load_module.INLINE_ROWS_MAX = inline  # type: ignore[misc]
        self.remember()

    @rule(data=st.data())
    def mutate(self, data: Any) -> None:
        number = data.draw(st.sampled_from(self.world.nodes()))
        type_, rows = self.world.types[number], self.world.rows[number]
        if not rows:
            return
        row_id = data.draw(st.sampled_from(sorted(rows)))
        key = next(one for one in type_.properties.values() if one.is_key)
        others = [
            at for at, one in type_.properties.items() if not one.is_key and not one.words and one.kind in ("I32?", "String?")
        ]
        if others and data.draw(st.booleans()):
            at = data.draw(st.sampled_from(others))
            one = type_.properties[at]
            value = data.draw(st.sampled_from(one.values()))
            source = f"query q($v: {one.kind}) {{ update {type_.name} set {{ {one.name}: $v }} where {key.name} = {json.dumps(row_id)} }}"
            assert self.graph.mutate(source, {"v": value}).affected_nodes == 1
            rows[row_id].values[at] = value
        else:
            self.graph.mutate(f"query q() {{ delete {type_.name} where {key.name} = {json.dumps(row_id)} }}")
            self.world.drop_node(number, row_id)
        self.remember()

    # --- upkeep --------------------------------------------------------------------------------------------------------

    @rule()
    def fold(self) -> None:
        bound, fold_module.TAIL_ROWS_MAX = fold_module.TAIL_ROWS_MAX, 0  # type: ignore[misc]
        try:
            fold_branch(self.graph._log, self.graph._main, self.graph._views.open_table)
        finally:
            fold_module.TAIL_ROWS_MAX = bound  # type: ignore[misc]

    @rule(mode=st.sampled_from(["auto", "indexed", "csr"]))
    def reopen(self, mode: str) -> None:
        self.graph.close()
        os.environ["OMNIGRAPH_TRAVERSAL_MODE"] = mode
        self.graph = omnigraph.open(str(self.folder / "g"))

    @rule()
    def walk_what_is_named(self) -> None:
        reachability.reachable(self.graph._log, self.graph._views.open_table)

    # --- the past ------------------------------------------------------------------------------------------------------

    def _readable(self, number: int, place: int) -> bool:
        return place >= self.readable_from.get(number, 0)

    @precondition(lambda self: self.past)
    @rule(data=st.data())
    def read_an_old_commit(self, data: Any) -> None:
        place = data.draw(st.integers(0, len(self.past) - 1))
        commit, world = self.past[place]
        for number, type_ in world.types.items():
            key = f"{'node' if type_.ends is None else 'edge'}:{type_.name}"
            if self._readable(number, place):
                assert self.exported(snapshot=commit, tables=[key]) == world.documents(number, world.rows[number])
            else:
                with pytest.raises(HistoryReclaimed):
                    self.exported(snapshot=commit, tables=[key])
        for number in self.world.nodes():  # in the names of today
            self._query_old(commit, place, number, world)

    def _query_old(self, commit: str, place: int, number: int, world: World) -> None:
        type_ = self.world.types[number]
        other = next((at for at, one in world.types.items() if one.name == type_.name), None)
        shown = [one.name for one in type_.properties.values()]
        if other is not None and {one.name for one in world.types[other].properties.values()} >= set(shown):
            return  # the names fit the schema of the commit, and mean what they meant then
        columns = ", ".join(f"$x.{name} as {name}" for name in shown)
        source = f"query q() {{ match {{ $x: {type_.name} }} return {{ {columns} }} }}"
        if number in world.types and not self._readable(number, place):
            with pytest.raises(HistoryReclaimed):
                self.graph.query(source, snapshot=commit)
            return
        expected = self.world.documents(number, world.rows.get(number, {}))
        found = self.graph.query(source, snapshot=commit).rows()
        assert sorted(found, key=repr) == sorted(({name: row["data"][name] for name in shown} for row in expected), key=repr)

    @precondition(lambda self: self.past)
    @rule(data=st.data())
    def merge_a_branch_that_is_older_than_the_schema(self, data: Any) -> None:
        place = data.draw(st.integers(0, len(self.past) - 1))
        commit, world = self.past[place]
        if not all(self._readable(number, place) for number in world.types):
            return
        if any(at > place for at in self.readable_from.values()):
            return
        number = data.draw(st.sampled_from(world.nodes()))
        self.fresh += 1
        row_id = f"new{self.fresh}"
        row = Row(self._values(world.types[number], row_id, data))
        self.graph.create_branch("old", from_commit=commit)
        self.graph.load(json.dumps(world.documents(number, {row_id: row})[0]).encode(), "append", branch="old")
        if number in self.world.types:
            self.graph.merge("old")
            self.world.rows[number][row_id] = row
            self.remember()
        else:
            with pytest.raises(MergeConflicts):
                self.graph.merge("old")
        self.graph.delete_branch("old")

    # --- what must hold ------------------------------------------------------------------------------------------------

    def exported(self, **chosen: Any) -> list[dict[str, Any]]:
        return [json.loads(line) for line in b"".join(self.graph.export(**chosen)).splitlines()]

    @invariant()
    def the_head_is_the_model(self) -> None:
        if self.graph is None:
            return
        expected = []
        keys = {f"{'node' if one.ends is None else 'edge'}:{one.name}": number for number, one in self.world.types.items()}
        for key in sorted(keys):
            expected += self.world.documents(keys[key], self.world.rows[keys[key]])
        assert self.exported() == expected
        counts = {table.table_key: table.row_count for table in self.graph.snapshot().tables}
        assert counts == {key: len(self.world.rows[number]) for key, number in keys.items()}


SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=25, stateful_step_count=25)


def test_random_schema_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    run_state_machine_as_test(Machine, settings=SETTINGS)


@pytest.mark.slow
def test_long_random_schema_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    run_state_machine_as_test(Machine, settings=settings(SETTINGS, max_examples=400, stateful_step_count=60))
