"""A served graph has the methods of an opened one, with the same parameters."""

from __future__ import annotations

import base64
import inspect
from pathlib import Path

import pytest

import omnigraph
from omnigraph.client import RemoteGraph
from omnigraph.errors import BadRequest, ExecutionError, NotFound
from omnigraph.graph.graph import Graph
from server.process import Server

OF_THE_ENGINE = {"commit_some", "prepare_mutation", "prepare_load", "cleanup", "identity", "optimize", "repair"}
"""How a server carries many writes at a time, and what is done to storage: nothing to ask a server for."""


def public(kind: type) -> dict[str, object]:
    return {name: value for name, value in inspect.getmembers_static(kind) if not name.startswith("_")}


def test_the_same_methods_and_parameters() -> None:
    here, there = public(Graph), public(RemoteGraph)
    missing = set(here) - set(there) - OF_THE_ENGINE
    assert not missing
    for name in set(here) & set(there):
        one, other = inspect.unwrap(here[name]), there[name]  # type: ignore[arg-type]
        if isinstance(one, property):
            assert isinstance(other, property), name
            continue
        expected, found = inspect.signature(one).parameters, inspect.signature(other).parameters  # type: ignore[arg-type]
        assert list(found) == list(expected), name
        assert [one.default for one in found.values()] == [one.default for one in expected.values()], name
        assert [one.kind for one in found.values()] == [one.kind for one in expected.values()], name


SCHEMA = "node Doc { name: String @key  file: Blob? }\n"


def test_blobs_plans_and_schemas(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10
    lines = f'{{"type":"Doc","data":{{"name":"a","file":"base64:{base64.b64encode(data).decode()}"}}}}\n'
    lines += '{"type":"Doc","data":{"name":"b","file":"https://example.com/ä b"}}\n{"type":"Doc","data":{"name":"c"}}\n'
    path = tmp_path / "g.omni"
    with omnigraph.init(str(path), SCHEMA) as graph:
        graph.load(lines, "merge")
    query = "query q() { match { $d: Doc } return { $d.name } order { $d.name } }"
    with (
        Server((str(path), "--unauthenticated"), tmp_path) as server,
        omnigraph.open(str(path)) as here,
        omnigraph.connect(f"http://127.0.0.1:{server.port}") as there,
    ):
        for graph in (here, there):
            blob = graph.blob("node", "Doc", "a", "file")
            assert (blob.size_bytes, blob.uri, blob.read(), blob.read(250, 10)) == (2560, None, data, data[250:260])
            assert blob.graph_commit_id == graph.commits()[-1].graph_commit_id
            away = graph.blob("node", "Doc", "b", "file", branch="main")
            assert (away.uri, away.size_bytes) == ("https://example.com/ä b", 0)
            with pytest.raises(BadRequest, match="is kept at"):
                away.read()
            for row, name, error in (("c", "file", NotFound), ("ghost", "file", NotFound), ("a", "name", BadRequest)):
                with pytest.raises(error, match="Doc"):
                    graph.blob("node", "Doc", row, name)
            assert list(graph.catalog.nodes) == ["Doc"]
            assert [step.kind for step in graph.plan_schema(SCHEMA + "node X { a: I32? }\n").steps] == ["add_type"]
            explained = graph.explain(query, profile=True)
            assert explained.text().startswith(here.explain(query).text())
            assert explained.result is not None
            assert explained.result.rows() == graph.query(query).rows()
            graph.refresh()
            with pytest.raises(ExecutionError, match="query cancelled"):
                graph.query("query q() { match { $d: Doc $e: Doc } return { $d.name } }", cancelled=lambda: True)
        snapshot = here.commits()[0].graph_commit_id
        assert b"".join(there.export(snapshot=snapshot)) == b"".join(here.export(snapshot=snapshot))
