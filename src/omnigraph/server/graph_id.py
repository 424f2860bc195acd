"""Ids of graphs: the segment after ``/graphs/``."""

from __future__ import annotations

import re
from typing import Final

from omnigraph.errors import BadRequest

LENGTH_MAX: Final = 64
RESERVED: Final = frozenset({"policies", "healthz", "openapi", "graphs"})
_PATTERN = re.compile(r"[a-zA-Z0-9-]+", re.ASCII)


def check_graph_id(value: str) -> None:
    """Raise BadRequest for a text that can be no graph id."""
    if not value:
        raise BadRequest("graph_id must not be empty")
    if len(value) > LENGTH_MAX:
        raise BadRequest(f"graph_id '{value}' is {len(value)} chars; max {LENGTH_MAX}")
    if _PATTERN.fullmatch(value) is None:
        raise BadRequest(f"graph_id '{value}' must match ^[a-zA-Z0-9-]{{1,64}}$ (letters, digits and hyphens)")
    if value in RESERVED:
        raise BadRequest(f"graph_id '{value}' is reserved for a route of the server")
