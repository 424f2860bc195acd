"""The one place where the command line imports the HTTP client."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omnigraph.cli.graph_protocol import Graph


def open_remote(url: str, token: str | None) -> Graph:
    """Return the graph that a server holds at ``url``. Nothing is sent yet."""
    from omnigraph.client import connect

    return connect(url, token)
