"""Reads that meet a cleanup: a view may be based on files that were superseded, and then removed, while it was in use."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from omnigraph.errors import HistoryReclaimed
from omnigraph.graph.commits import reclaimed

P = ParamSpec("P")
R = TypeVar("R")


class Refreshable(Protocol):
    """A graph that can give up what it holds of its branches."""

    def refresh(self) -> None: ...


G = TypeVar("G", bound=Refreshable)


def survives_cleanup(read: Callable[Concatenate[G, P], R]) -> Callable[Concatenate[G, P], R]:
    """Run a read of a graph again, on what its branches name now, when cleanup has removed what it was reading.

    The read must have no effect. If the very commit that it asks for is gone, the error names it.
    """

    @wraps(read)
    def reading(graph: G, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return read(graph, *args, **kwargs)
        except HistoryReclaimed:
            graph.refresh()
        try:
            return read(graph, *args, **kwargs)
        except HistoryReclaimed as gone:
            snapshot: Any = kwargs.get("snapshot")  # Any: the values of a ParamSpec have no type
            if snapshot is None or f"'{snapshot}'" in gone.message:
                raise
            raise reclaimed(snapshot) from gone

    return reading
