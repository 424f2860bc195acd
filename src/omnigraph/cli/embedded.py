"""The one place where the command line imports the engine."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omnigraph.cli.graph_protocol import Graph


def open_embedded(uri: str) -> Graph:
    """Open the graph stored at ``uri``."""
    graph: Graph = import_module("omnigraph").open(uri)
    return graph


def init_embedded(uri: str, schema_source: str, *, force: bool) -> Graph:
    """Create a graph at ``uri``."""
    graph: Graph = import_module("omnigraph").init(uri, schema_source, force=force)
    return graph
