"""Omnigraph: a typed property graph database with branches, on a directory or an object store.

``init`` creates a graph, ``open`` opens one; both return a `Graph`. ``connect`` returns the graph that a server holds, with
the same methods. Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from omnigraph.errors import OmnigraphError as OmnigraphError
from omnigraph.importing import import_large
from omnigraph.version import __version__ as __version__

if TYPE_CHECKING:
    from omnigraph.client import RemoteGraph as RemoteGraph
    from omnigraph.client import connect as connect
    from omnigraph.graph.graph import Graph as Graph
    from omnigraph.graph.graph import init as init
    from omnigraph.graph.graph import open_graph as open
    from omnigraph.query import Result as Result

_HOMES = {
    "Graph": ("omnigraph.graph.graph", "Graph"),
    "RemoteGraph": ("omnigraph.client", "RemoteGraph"),
    "Result": ("omnigraph.query", "Result"),
    "connect": ("omnigraph.client", "connect"),
    "init": ("omnigraph.graph.graph", "init"),
    "open": ("omnigraph.graph.graph", "open_graph"),
}

__all__ = ["Graph", "OmnigraphError", "RemoteGraph", "Result", "__version__", "connect", "init", "open"]


def __getattr__(name: str) -> Any:  # Any: whatever the name stands for
    try:
        module, attribute = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'omnigraph' has no attribute {name!r}") from None
    value = getattr(import_large(module), attribute)
    globals()[name] = value
    return value
