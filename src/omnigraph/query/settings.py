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
    few_rows: int = 24
    """Up to so many rows, values are read one by one instead of by whole columns."""
    measured_rows: int = 1024
    """Up to so many rows, a frontier is expanded as it is: measuring degrees may cost a pass over the whole edge type."""
    piece_rows: int = 1 << 20
    """How many rows an operator makes at a time when it may make more; the rest of the plan sees a piece at a time."""
    bitmap_bytes: int = 1 << 24
    """The bitmap of (start, node) pairs with which many starts walk together."""


DEFAULT_SETTINGS = Settings()
