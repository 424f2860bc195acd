"""Which graphs a server accepts: its rule for ids is stricter than that of a declaration."""

from __future__ import annotations

import re
from typing import Final

LENGTH_MAX: Final = 64
RESERVED: Final = frozenset({"policies", "healthz", "openapi", "graphs"})
_PATTERN: Final = re.compile(r"[A-Za-z0-9-]+", re.ASCII)


def unservable(graph_id: str) -> str | None:
    """Return why a server refuses a graph id; None when it does not."""
    if len(graph_id) > LENGTH_MAX:
        return f"graph id `{graph_id}` is longer than {LENGTH_MAX} characters"
    if _PATTERN.fullmatch(graph_id) is None:
        return f"graph id `{graph_id}` holds something else than letters, digits and hyphens"
    return f"graph id `{graph_id}` is the name of a route" if graph_id in RESERVED else None
