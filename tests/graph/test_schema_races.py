"""Schema changes beside other writers: what loses the race is evaluated again under the schema that won."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import omnigraph
from omnigraph.errors import BadRequest, Conflict, NotFound, OmnigraphError, TypeCheckError, UnsupportedMigration
from omnigraph.graph import load as load_module
from omnigraph.graph.graph import Graph
from omnigraph.graph.upkeep import fold_branch
from omnigraph.storage import fold as fold_module
from omnigraph.storage.fold import fold_tables

SCHEMA = "node Person { name: String @key age: I32? }\nedge Knows: Person -> Person\n"
WIDER = SCHEMA.replace("age: I32?", "age: I32? nick: String?")
RENAMED = SCHEMA.replace("age: I32?", 'years: I32? @rename_from("age")')
DROPPED = SCHEMA.replace(" age: I32?", "")
CY = b'{"type":"Person","data":{"name":"cy","age":3}}'


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Graph, Graph]]:
    root = str(tmp_path / "g")
    with omnigraph.init(root, SCHEMA) as one, omnigraph.open(root) as other:
        one.load(b'{"type":"Person","data":{"name":"ann","age":1}}\n{"type":"Person","data":{"name":"bob"}}', "append")
        yield one, other


def overtaken(graph: Graph, monkeypatch: pytest.MonkeyPatch, by: Callable[[], object]) -> None:
    """Let something happen between the evaluation of the next write and its put."""
    append, done = graph._log.append, []

    def late(*words: Any) -> Any:
        if not done:
            done.append(True)
            by()
        return append(*words)

    monkeypatch.setattr(graph._log, "append", late)


def persons(graph: Graph) -> list[dict[str, Any]]:
    return [json.loads(line)["data"] for line in b"".join(graph.export(types=["Person"])).splitlines()]


def test_a_mutation_is_checked_again(pair: tuple[Graph, Graph], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = pair
    overtaken(one, monkeypatch, lambda: other.apply_schema(WIDER))
    one.mutate('query q() { insert Person { name: "cy", age: 3 } }')
    assert persons(other)[2] == {"id": "cy", "name": "cy", "age": 3, "nick": None}
    monkeypatch.undo()
    overtaken(one, monkeypatch, lambda: other.apply_schema(RENAMED))
    with pytest.raises(TypeCheckError, match="age"):
        one.mutate('query q() { insert Person { name: "dee", age: 4 } }')
    assert [row["id"] for row in persons(one)] == ["ann", "bob", "cy"]


@pytest.mark.parametrize("bulk", [False, True])
def test_a_load_is_decoded_again(pair: tuple[Graph, Graph], monkeypatch: pytest.MonkeyPatch, bulk: bool) -> None:
    one, other = pair
    if bulk:
        monkeypatch.setattr(load_module, "INLINE_ROWS_MAX", 0)
    with monkeypatch.context() as patched:
        overtaken(one, patched, lambda: other.apply_schema(WIDER))
        one.load(io.BytesIO(CY), "append")
    assert persons(other)[2] == {"id": "cy", "name": "cy", "age": 3, "nick": None}
    one.load(b'{"type":"Person","data":{"name":"cy","age":3,"nick":"c"}}', "merge")
    with monkeypatch.context() as patched:
        overtaken(one, patched, lambda: other.apply_schema(RENAMED))
        with pytest.raises(BadRequest, match="age"):
            one.load(CY, "merge")
    assert persons(one)[2] == {"id": "cy", "name": "cy", "years": 3}


def test_a_load_that_cannot_be_read_twice(pair: tuple[Graph, Graph], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = pair
    records = iter([{"type": "Person", "data": {"name": "cy"}}])
    with monkeypatch.context() as patched:
        overtaken(one, patched, lambda: other.apply_schema(WIDER))
        with pytest.raises(Conflict, match="the schema changed while the records were read"):
            one.load(records, "append")
    with monkeypatch.context() as patched:  # a change of other types does not matter
        overtaken(one, patched, lambda: other.apply_schema(WIDER + "node Pet { name: String @key }\n"))
        one.load(iter([{"type": "Person", "data": {"name": "dee"}}]), "append")
    assert [row["id"] for row in persons(other)] == ["ann", "bob", "dee"]


def test_an_apply_is_planned_again(pair: tuple[Graph, Graph], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = pair
    overtaken(one, monkeypatch, lambda: other.apply_schema(WIDER))
    assert not one.apply_schema(WIDER).applied
    monkeypatch.undo()
    overtaken(one, monkeypatch, lambda: other.mutate('query q() { insert Person { name: "cy", age: 3 } }'))
    assert one.apply_schema(DROPPED, allow_data_loss=True).manifest_version == 5
    assert [row["id"] for row in persons(other)] == ["ann", "bob", "cy"]
    monkeypatch.undo()
    overtaken(
        one, monkeypatch, lambda: other.apply_schema(DROPPED.replace("name: String @key", "name: String @key nick: I32?"))
    )
    with pytest.raises(UnsupportedMigration, match="OG-MF-106"):
        one.apply_schema(DROPPED.replace("name: String @key", "name: String @key nick: String?"))
    monkeypatch.undo()
    overtaken(one, monkeypatch, lambda: other.create_branch("dev"))
    one.apply_schema(DROPPED)  # the branch came too late to be seen, and has the older schema
    assert other.merge("main", into="dev").outcome == "fast_forward"
    assert (Path(one.uri) / "_schema.pg").read_text() == DROPPED


@pytest.mark.parametrize("hard", [False, True])
def test_a_fold_that_is_overtaken(pair: tuple[Graph, Graph], monkeypatch: pytest.MonkeyPatch, hard: bool) -> None:
    one, other = pair
    monkeypatch.setattr(fold_module, "TAIL_ROWS_MAX", 0)
    cut = one._main.current().cut
    folded = fold_tables(one._store, cut, [identity.type_id for identity in cut.schema.block.types], one._views.open_table)
    other.apply_schema(DROPPED, allow_data_loss=hard)
    other.mutate('query q() { insert Person { name: "cy" } }')
    assert one._main.publish_fold(cut, folded) is not hard
    other.apply_schema(SCHEMA)
    fold_branch(other._log, other._main, other._views.open_table)
    for graph in pair:
        assert [(row["id"], row["age"]) for row in persons(graph)] == [("ann", None), ("bob", None), ("cy", None)]


@pytest.mark.parametrize("bulk", [False, True])
def test_a_write_whose_base_a_hard_drop_removes(pair: tuple[Graph, Graph], monkeypatch: pytest.MonkeyPatch, bulk: bool) -> None:
    _, other = pair
    monkeypatch.setattr(fold_module, "TAIL_ROWS_MAX", 0)
    if bulk:
        monkeypatch.setattr(load_module, "INLINE_ROWS_MAX", 0)
    fold_branch(other._log, other._main, other._views.open_table)
    for write in ("load", "mutate"):
        with omnigraph.open(other.uri) as late:
            open_table, done = late._views.open_table, []

            def opening(
                table: Any, open_table: Callable[[Any], Any] = open_table, done: list[bool] = done, wanted: str = write
            ) -> Any:
                if not done:
                    done.append(True)
                    other.apply_schema(
                        DROPPED if wanted == "load" else DROPPED + "node Pet { name: String @key }\n", allow_data_loss=True
                    )
                    other.apply_schema(SCHEMA)
                    other.apply_schema(DROPPED, allow_data_loss=True)
                return open_table(table)

            monkeypatch.setattr(late._views, "open_table", opening)
            if write == "load":
                late.load(b'{"type":"Person","data":{"name":"cy"}}', "merge")
            else:
                late.mutate('query q() { insert Person { name: "dee" } }')
        fold_branch(other._log, other._main, other._views.open_table)
    assert [row["id"] for row in persons(other)] == ["ann", "bob", "cy", "dee"]


def test_a_reader_of_another_process_takes_up_the_schema(pair: tuple[Graph, Graph]) -> None:
    one, other = pair
    query = "query q() { match { $p: Person } return { $p.age } }"
    assert len(other.query(query).rows()) == 2
    one.apply_schema(RENAMED)
    with pytest.raises(TypeCheckError):
        other.query(query)
    assert other.schema_source() == RENAMED
    one.apply_schema("node Pet { name: String @key }\n", allow_data_loss=True)
    with pytest.raises(TypeCheckError):
        other.query(query)
    with pytest.raises(NotFound):
        other.query(query, snapshot=other.commits()[1].graph_commit_id)


def test_writers_and_appliers_at_once(tmp_path: Path) -> None:
    root = str(tmp_path / "g")
    omnigraph.init(root, SCHEMA).close()
    acknowledged: list[str] = []
    wrong: list[Exception] = []

    def write(number: int) -> None:
        with omnigraph.open(root) as graph:
            for count in range(25):
                name = f"w{number}-{count}"
                try:
                    graph.mutate("query q($n: String) { insert Person { name: $n, age: 7 } }", {"n": name})
                except TypeCheckError:
                    graph.mutate("query q($n: String) { insert Person { name: $n, years: 7 } }", {"n": name})
                acknowledged.append(name)

    def apply() -> None:
        with omnigraph.open(root) as graph:
            for source in (WIDER, SCHEMA, WIDER, RENAMED):
                graph.apply_schema(source)

    def guarded(work: Callable[[], None]) -> Thread:
        def run() -> None:
            try:
                work()
            except OmnigraphError as error:
                wrong.append(error)

        return Thread(target=run)

    threads = [guarded(lambda number=number: write(number)) for number in range(2)] + [guarded(apply)]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    with omnigraph.open(root) as graph:
        assert sorted(row["id"] for row in persons(graph)) == sorted(acknowledged)
        assert {row["years"] for row in persons(graph)} == {7}
        assert [one.manifest_version for one in graph.commits()] == list(range(1, 56))
        for commit in graph.commits()[1:]:
            list(graph.export(snapshot=commit.graph_commit_id))
