"""Addresses inside a cluster, told by their shape first: other addresses cost no lookup."""

from __future__ import annotations

import re

_GRAPH = re.compile(r"(?:(?P<root>.*)/)?graphs/[^/]+\.omni/?", re.DOTALL)
_STATE = "__cluster/state.json"


def cluster_around(uri: str) -> str | None:
    """Return the storage root of the cluster that a graph belongs to; None for a graph on its own."""
    layout = _GRAPH.fullmatch(uri)
    if layout is None:
        return None
    root = "." if layout["root"] is None else layout["root"] or "/"
    from omnigraph.storage.root import open_store

    return root if open_store(root, whole_bucket=True).exists(_STATE) else None
