"""One adapter per engine; a module is imported only in the process that measures its engine."""

from __future__ import annotations

from importlib import import_module

from bench.engines.engine import Engine

ADAPTERS = {
    "omnigraph": "Omnigraph",
    "doltlite": "DoltLite",
    "ladybug": "Ladybug",
    "sqlite": "SQLite",
    "duckdb": "DuckDB",
    "lancedb": "LanceDB",
}
"""Our own first, then the peers: class names by module names."""


def adapter(name: str) -> type[Engine]:
    """Import one engine's adapter: the class in the module of that name."""
    adapter_class: type[Engine] = getattr(import_module(f"bench.engines.{name}"), ADAPTERS[name])
    return adapter_class
