"""Settings of an open graph, from the environment. None of them changes an answer; they tune speed and bounds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from omnigraph.query.limits import DEFAULT_LIMITS, Limits
from omnigraph.query.settings import DEFAULT_SETTINGS, Settings

_MEMORY_FALLBACK_BYTES = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """What the environment may tune. See `docs/user/cli.md` for the variables."""

    cache_bytes: int
    fsync: bool = True
    traversal: Settings = DEFAULT_SETTINGS
    limits: Limits = DEFAULT_LIMITS

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> GraphSettings:
        """Read the variables. A value that does not parse, or is not positive where it must be, gives way to the default."""
        variables = os.environ if environment is None else environment
        mode = variables.get("OMNIGRAPH_TRAVERSAL_MODE", "")
        limits = Limits(
            query_timeout_s=_positive_number(variables, "OMNIGRAPH_QUERY_TIMEOUT_S"),
            result_rows_max=_positive(variables, "OMNIGRAPH_RESULT_ROWS_MAX"),
            result_bytes_max=_positive(variables, "OMNIGRAPH_RESULT_BYTES_MAX"),
            query_memory_bytes_max=_positive(variables, "OMNIGRAPH_QUERY_MEMORY_BYTES_MAX"),
            hops_max=_positive(variables, "OMNIGRAPH_HOPS_MAX"),
        )
        return cls(
            cache_bytes=_positive(variables, "OMNIGRAPH_CACHE_BYTES") or memory_bytes() // 4,
            fsync=variables.get("OMNIGRAPH_FSYNC", "1") != "0",
            traversal=Settings(
                traversal_mode="indexed" if mode == "indexed" else "csr" if mode == "csr" else "auto",
                indexed_frontier_max=_positive(variables, "OMNIGRAPH_EXPAND_INDEXED_MAX_FRONTIER") or 1024,
                indexed_hops_max=_positive(variables, "OMNIGRAPH_EXPAND_INDEXED_MAX_HOPS") or 6,
            ),
            limits=DEFAULT_LIMITS if limits == DEFAULT_LIMITS else limits,  # the very object: fast paths look for it
        )


def memory_bytes() -> int:
    """Return the memory of the machine."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return _MEMORY_FALLBACK_BYTES


def _positive(variables: Mapping[str, str], name: str) -> int | None:
    try:
        value = int(variables.get(name, ""))
    except ValueError:
        return None
    return value if value > 0 else None


def _positive_number(variables: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(variables.get(name, ""))
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None
