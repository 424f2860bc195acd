"""Repair tells what is damaged and makes again what follows from the rest. It never drops anything."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import omnigraph
from omnigraph.graph.graph import Graph, repair_graph
from omnigraph.graph.repair import Repaired
from omnigraph.wire.encoding import compact

SCHEMA = "node Person { name: String @key age: I32? @index photo: Blob? }\nedge Knows: Person -> Person"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("OMNIGRAPH_FSYNC", "0")
    path = tmp_path / "g"
    with omnigraph.init(str(path), SCHEMA) as graph:
        rows = [{"type": "Person", "data": {"name": f"p{n}", "age": n, "photo": "base64:AAEC"}} for n in range(4_200)]
        graph.load(rows, "append")
        graph.load([{"edge": "Knows", "from": "p1", "to": "p2"}], "append")
        graph.create_branch("side")
        graph.load([{"type": "Person", "data": {"name": "side", "photo": "base64:BBBB"}}], "append", branch="side")
        graph.optimize()
    yield path


def table(root: Path, key: str = "node:Person") -> Path:
    with omnigraph.open(str(root)) as graph:
        return root / next(entry.table_path for entry in graph.snapshot().tables if entry.table_key == key)


def check(root: Path, *, confirm: bool = False) -> Repaired:
    return repair_graph(str(root), confirm=confirm)


def errors(found: Repaired) -> dict[str, str]:
    return {entry.table_key: entry.error for entry in found.output.tables if entry.error is not None}


def test_a_healthy_graph_has_nothing_to_do(root: Path) -> None:
    for confirm in (False, True):
        found = check(root, confirm=confirm)
        assert not found.notes and not found.refused
        assert json.loads(compact(found.output)) == {
            "uri": str(root), "confirm": confirm, "force": False, "manifest_version": None,
            "tables": [
                {
                    "table_key": key, "manifest_version": version, "lance_head_version": version,
                    "classification": "no_drift", "action": "no_op", "operations": [], "error": None,
                }
                for key, version in (("edge:Knows", 3), ("node:Person", 2))
            ],
        }  # fmt: skip


def damage_copy(root: Path) -> None:
    (root / "_schema.pg").unlink()


def damage_hint(root: Path) -> None:
    (root / "log/main/head").write_bytes(b"00000000000000009999")


def damage_index(root: Path) -> None:
    for path in (table(root) / "_indices").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")


@pytest.mark.parametrize("damage", [damage_copy, damage_hint, damage_index])
def test_what_can_be_derived_is_made_again(root: Path, damage: Callable[[Path], None]) -> None:
    with omnigraph.open(str(root)) as graph:
        before, commits = b"".join(graph.export()), graph.commits()
    damage(root)
    preview = check(root)
    assert preview.notes or preview.output.tables[1].operations == ["index id", "index age"]
    assert not preview.refused
    assert check(root).notes == preview.notes, "a preview changes nothing"
    assert not check(root, confirm=True).refused
    healthy = check(root)
    assert not healthy.notes and not any(entry.operations for entry in healthy.output.tables)
    with omnigraph.open(str(root)) as graph:
        assert b"".join(graph.export()) == before
        assert graph.commits() == commits
        assert len(graph.query("query q() { match { $p: Person { age: 77 } } return { $p } }")) == 1


def test_history_is_gathered_again_of_its_records(root: Path) -> None:
    from omnigraph.storage.history import gather

    with omnigraph.open(str(root)) as graph:
        gather(graph._log, "main", 2, whole=True)
        commits = graph.commits()
    next((root / "log/main/history").iterdir()).write_bytes(b"damaged")
    assert check(root).notes == ["1 history object(s) are damaged; rerun with --confirm to make it again"]
    check(root, confirm=True)
    assert not check(root).notes
    with omnigraph.open(str(root)) as graph:
        assert graph.commits() == commits


def lose_data(root: Path) -> None:
    for path in (table(root) / "data").iterdir():
        path.unlink()


def cut_data(root: Path) -> None:
    for path in (table(root) / "data").iterdir():
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def lose_manifest(root: Path) -> None:
    for path in (table(root) / "_versions").glob("d*"):
        path.unlink()


def change_blob(root: Path) -> None:
    for path in (root / "blobs").iterdir():
        path.write_bytes(b"\xff" * path.stat().st_size)


def lose_blobs(root: Path) -> None:
    for path in (root / "blobs").iterdir():
        path.unlink()


def damage_side(root: Path) -> None:
    for path in (root / "log").iterdir():
        if path.name != "main":
            (path / f"{0:020}").write_bytes(b"\x80damaged")


@pytest.mark.parametrize("damage", [lose_data, cut_data, lose_manifest, change_blob, lose_blobs, damage_side])
def test_what_is_lost_is_named_and_refused(root: Path, damage: Callable[[Path], None]) -> None:
    damage(root)
    for confirm in (False, True):
        found = check(root, confirm=confirm)
        told = errors(found)
        assert told.get("node:Person")
        entry = found.output.tables[1]
        assert (entry.classification, entry.action) == ("unverifiable", "refused")
        if damage is damage_side:
            assert told["node:Person"].startswith("branch 'side': storage: object 'log/")
        else:
            assert found.refused == 1
            assert "blobs/" in told["node:Person"] or "table" in told["node:Person"]


def test_reclaimed_history_that_was_lost_is_told(root: Path) -> None:
    with omnigraph.open(str(root)) as graph:
        graph.cleanup(keep=1, confirm=True)
        assert not graph.repair().refused
    for path in (root / "log/main/history").iterdir():
        path.unlink()
    assert "no history object has the commits of the reclaimed record" in errors(check(root))["node:Person"]


def test_nothing_there_is_not_a_graph(tmp_path: Path) -> None:
    with pytest.raises(omnigraph.OmnigraphError, match="graph not found"):
        check(tmp_path)


def test_the_method_says_the_same(root: Path) -> None:
    with omnigraph.open(str(root)) as graph:
        assert isinstance(graph, Graph)
        assert not graph.repair(confirm=True, force=True).refused
