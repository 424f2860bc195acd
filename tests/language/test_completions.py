"""Completions name what the schema and the language have, and every word of them is one."""

from __future__ import annotations

import json

from language.cases import FIXTURES
from omnigraph import language
from omnigraph.language.completions import FUNCTIONS, KEYWORDS, walked_name
from omnigraph.language.query_tree import FUNCTIONS as CALLS

GRAPH = language.compile_schema((FIXTURES / "graph.pg").read_text())


def test_the_tree() -> None:
    schema = language.compile_schema(
        'node A @description("an A") { k: String @key kind: enum(x, y)? @description("a kind") } node B {} '
        "edge Likes: A -> A { since: Date? } edge Has: B -> A"
    )
    tree = language.complete(schema)
    assert json.loads(json.dumps(tree)) == tree
    assert tree["nodes"][0] == {
        "name": "A",
        "description": "an A",
        "properties": [
            {"name": "k", "type": "String"},
            {"name": "kind", "type": "enum(x, y)?", "description": "a kind", "values": ["x", "y"]},
        ],
        "key": ["k"],
        "edges": [
            {"walk": "likes", "edge": "Likes", "direction": "out", "node": "A"},
            {"walk": "likes", "edge": "Likes", "direction": "in", "node": "A"},
            {"walk": "has", "edge": "Has", "direction": "in", "node": "B"},
        ],
    }
    assert tree["edges"][1] == {"name": "Has", "properties": [], "walk": "has", "from": "B", "to": "A"}
    assert tree["edges"][0]["properties"] == [{"name": "since", "type": "Date?"}]
    assert "DateTime" in tree["scalars"] and "Vector" in tree["scalars"]


def test_every_edge_can_be_walked_as_it_is_offered() -> None:
    schema = language.compile_schema("node A {} edge Not: A -> A edge IsA: A -> A edge Contains: A -> A")
    for edge in schema.edges:
        source = f"query q() {{ match {{ $a {walked_name(edge)} $b }} return {{ $a }} }}"
        checked = language.check_read(schema, language.select_query(language.parse_queries(source)))
        assert checked.block.clauses[0].edge == edge  # type: ignore[union-attr]


def test_every_function_is_offered() -> None:
    assert {name for name, *_ in FUNCTIONS} == CALLS | {"now", "date", "datetime"}
    contexts = {*KEYWORDS["query"], "set"}
    assert all(set(places) <= contexts for _, _, places, _ in FUNCTIONS)
