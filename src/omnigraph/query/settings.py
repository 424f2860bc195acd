"""How the engine may go about a query. Settings change speed, never answers."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

TraversalMode = Literal["auto", "indexed", "csr"]


class Settings(Struct, frozen=True):
    """What the environment says about traversals (`OMNIGRAPH_TRAVERSAL_MODE`, `OMNIGRAPH_EXPAND_INDEXED_*`).

    ``auto`` looks neighbours up in storage while no adjacency is in memory and both the frontier and the hops are small;
    otherwise it uses the adjacency in memory, which is built if need be.
    """

    traversal_mode: TraversalMode = "auto"
    indexed_frontier_max: int = 1024
    indexed_hops_max: int = 6


DEFAULT_SETTINGS = Settings()
