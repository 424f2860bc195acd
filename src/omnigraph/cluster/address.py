"""Addresses of resources: ``graph.<id>``, ``schema.<id>``, ``query.<id>.<name>``, ``policy.<name>``."""

from __future__ import annotations

import re
from typing import Final

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
NAME_RULE: Final = "must start with a letter or `_` and contain only ASCII letters, digits, `_`, or `-`"
KINDS: Final = ("graph", "schema", "query", "policy")


def kind_of(address: str) -> str | None:
    """Return the kind of an address; None for one that this build does not know."""
    kind, dot, rest = address.partition(".")
    return kind if dot and rest and kind in KINDS else None


def graph_of(address: str) -> str | None:
    """Return the graph that a graph, schema or query belongs to."""
    kind, _, rest = address.partition(".")
    if kind in ("graph", "schema"):
        return rest
    return rest.partition(".")[0] if kind == "query" else None


def query_name(address: str) -> str:
    """Return the name in the address of a query."""
    return address.split(".", 2)[2]


def graph(graph_id: str) -> str:
    return f"graph.{graph_id}"


def schema(graph_id: str) -> str:
    return f"schema.{graph_id}"


def query(graph_id: str, name: str) -> str:
    return f"query.{graph_id}.{name}"


def policy(name: str) -> str:
    return f"policy.{name}"
