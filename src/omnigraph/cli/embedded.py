"""The one place where the command line imports the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omnigraph.cli.graph_protocol import Graph
    from omnigraph.graph.graph import Graph as StoredGraph
    from omnigraph.graph.repair import Repaired
    from omnigraph.policy.gate import Gate


def open_embedded(uri: str, gate: Gate | None = None) -> Graph:
    """Open the graph stored at ``uri``; ``gate`` is asked before something is written."""
    import omnigraph

    return omnigraph.open(uri, gate=gate, at_once=True)


def init_embedded(uri: str, schema_source: str, *, force: bool) -> Graph:
    """Create a graph at ``uri``."""
    import omnigraph

    return omnigraph.init(uri, schema_source, force=force)


def open_stored(uri: str) -> StoredGraph:
    """Open the graph stored at ``uri`` for its upkeep."""
    import omnigraph

    return omnigraph.open(uri)


def repair_stored(uri: str, *, confirm: bool, force: bool) -> Repaired:
    """Verify the graph stored at ``uri``, which may be too damaged to be opened."""
    from omnigraph.graph.graph import repair_graph

    return repair_graph(uri, confirm=confirm, force=force)
