"""Everything that an editor can offer while a query is typed: what a schema declares, functions, and words by context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omnigraph.language.catalog import Catalog, EdgeType, EntityType, NodeType, Property
from omnigraph.language.token_reader import SCALARS

_TEXT = ["match", "condition", "return"]
_RANK = ["order", "return"]

FUNCTIONS: tuple[tuple[str, str, list[str], str], ...] = (
    ("now", "now()", ["match", "condition", "return", "set", "where"], "the instant at which the query started"),
    ("date", 'date("YYYY-MM-DD")', ["match", "condition", "set", "where"], "a Date"),
    ("datetime", 'datetime("YYYY-MM-DDThh:mm:ssZ")', ["match", "condition", "set", "where"], "a DateTime"),
    ("count", "count(* | [distinct] expression)", ["return"], "rows, values that are not null, or different ones"),
    ("sum", "sum(number)", ["return"], "sum, a float; null without values"),
    ("avg", "avg(number)", ["return"], "mean; null without values"),
    ("min", "min(value)", ["return"], "smallest number or string"),
    ("max", "max(value)", ["return"], "largest number or string"),
    ("search", "search($x.property, text)", _TEXT, "the text holds one of the words"),
    ("match_text", "match_text($x.property, text)", _TEXT, "the same as search"),
    ("fuzzy", "fuzzy($x.property, text[, edits])", _TEXT, "the text holds a word that differs in a few letters"),
    ("bm25", "bm25($x.property, text)", _RANK, "ranks by relevance, the best first"),
    ("nearest", "nearest($x.vector, vector or text)", _RANK, "ranks by distance, the nearest first; needs a limit"),
    ("rrf", "rrf(ranking, ranking[, k])", _RANK, "fuses two rankings; needs a limit"),
)  # fmt: skip
"""Name, signature, contexts and meaning of every function."""

KEYWORDS: Mapping[str, Mapping[str, list[str]]] = {
    "query": {
        "file": ["query"],
        "head": ["@description", "@instruction"],
        "body": ["match", "return", "order", "limit", "offset", "insert", "update", "delete"],
        "match": ["not", "optional"],
        "condition": ["and", "or", "not", "is null", "is not null", "in", "not in", "contains", "starts_with", "true", "false"],
        "return": ["distinct", "as"],
        "order": ["asc", "desc"],
        "mutation": ["set", "where"],
        "where": ["and", "or", "not", "is null", "is not null", "in", "not in", "true", "false"],
    },
    "schema": {
        "file": ["interface", "node", "edge"],
        "head": ["implements", "@card", "@description", "@instruction", "@rename_from"],
        "body": ["@key", "@unique", "@index", "@range", "@check"],
        "property": ["@key", "@unique", "@index", "@embed", "@description", "@rename_from"],
        "type": ["enum", "Vector"],
    },
}
"""Words of both languages by the place where they may stand."""


def complete(catalog: Catalog) -> dict[str, Any]:  # Any: JSON values
    """Return the tree of completions of a schema: nodes, edges, functions, scalar types and keywords."""
    return {
        "nodes": [_node(catalog, each) for each in catalog.nodes.values()],
        "edges": [_edge(each) for each in catalog.edges.values()],
        "functions": [
            {"name": name, "signature": signature, "contexts": contexts, "description": meaning}
            for name, signature, contexts, meaning in FUNCTIONS
        ],
        "scalars": [*SCALARS, "Vector"],
        "keywords": {language: dict(contexts) for language, contexts in KEYWORDS.items()},
    }


def walked_name(edge: str) -> str:
    """Return how an edge is written in a traversal: as declared, its first letter in lower case."""
    name = edge[0].lower() + edge[1:]
    return "nOT" if name == "not" else name


def _node(catalog: Catalog, node: NodeType) -> dict[str, Any]:  # Any: JSON values
    directions = (("out", "source", "target"), ("in", "target", "source"))
    edges = [
        {"walk": walked_name(edge.name), "edge": edge.name, "direction": direction, "node": getattr(edge, other)}
        for edge in catalog.edges.values()
        for direction, near, other in directions
        if getattr(edge, near) == node.name
    ]
    return {**_entity(node), "key": list(node.key), "edges": edges}


def _edge(edge: EdgeType) -> dict[str, Any]:  # Any: JSON values
    return {**_entity(edge), "walk": walked_name(edge.name), "from": edge.source, "to": edge.target}


def _entity(entity: EntityType) -> dict[str, Any]:  # Any: JSON values
    return {
        "name": entity.name,
        **_description(entity),
        "properties": [_property(each) for each in entity.properties.values()],
    }


def _property(each: Property) -> dict[str, Any]:  # Any: JSON values
    found: dict[str, Any] = {"name": each.name, "type": str(each.type), **_description(each)}
    if each.type.enum_values is not None:
        found["values"] = list(each.type.enum_values)
    return found


def _description(owner: EntityType | Property) -> dict[str, str]:
    return {each.name: each.value for each in owner.annotations if each.name == "description" and each.value is not None}
