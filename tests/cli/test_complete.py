from __future__ import annotations

import json

from cli.conftest import CommandLine

SCHEMA = "node Person {\n  name: String @key\n}\nedge Knows: Person -> Person {\n  since: Date?\n}\n"


def test_the_document(run: CommandLine) -> None:
    run.write("s.pg", SCHEMA)
    outcome = run("complete", "--schema", "s.pg", "--json")
    assert (outcome.status, outcome.err) == (0, "")
    document = json.loads(outcome.out)
    assert list(document) == ["nodes", "edges", "functions", "scalars", "keywords"]
    assert document["nodes"][0]["edges"][0] == {"walk": "knows", "edge": "Knows", "direction": "out", "node": "Person"}
    assert "or" in document["keywords"]["query"]["condition"]


def test_the_text(run: CommandLine) -> None:
    run.write("s.pg", SCHEMA)
    outcome = run("complete", "--schema", "s.pg")
    assert outcome.out == "node Person\n    name: String\nedge Knows: Person -> Person\n    since: Date?\n"


def test_a_graph_gives_the_schema(run: CommandLine) -> None:
    document = json.loads(run("complete", "./g", "--json").out)
    assert [node["name"] for node in document["nodes"]] == ["Person"]
    assert run.graph.asked["uri"] == "./g"


def test_refusals(run: CommandLine) -> None:
    assert run("complete").err == "Error: complete requires --schema <schema.pg> or a resolvable graph target\n"
    run.write("s.pg", "node {")
    outcome = run("complete", "--schema", "s.pg")
    assert outcome.status == 1
    assert outcome.err.startswith("Error: parse error: 1:6:")
