"""Quarantine: with consent, a fault of one graph of a cluster takes out that graph and not the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from omnigraph.errors import InvalidSetting
from omnigraph.server.logs import warn
from omnigraph.server.options import Options, truthy
from omnigraph.wire.cluster import Diagnostic

ALLOW_VARIABLE: Final = "OMNIGRAPH_ALLOW_QUARANTINE"
REQUIRE_VARIABLE: Final = "OMNIGRAPH_REQUIRE_ALL_GRAPHS"


def quarantine_allowed(options: Options, environment: Mapping[str, str]) -> bool:
    """Whether faults of one graph may be lived with. The demand for all graphs wins over the consent to fewer."""
    allowed = options.allow_quarantine or truthy(environment, ALLOW_VARIABLE)
    return allowed and not (options.require_all_graphs or truthy(environment, REQUIRE_VARIABLE))


class Quarantine:
    """The graphs of one applied revision that are not served, each with its finding."""

    def __init__(self, where: str) -> None:
        self._where = where
        self.found: dict[str, Diagnostic] = {}

    def add(self, graph_id: str, code: str, message: str) -> None:
        """Take a graph out; the first finding about it is the one that is kept."""
        if graph_id not in self.found:
            self.found[graph_id] = Diagnostic(code, "error", f"graph.{graph_id}", message)
            warn("graph quarantined", code=code, path=f"graph.{graph_id}", reason=message)

    def refuse_without(self, healthy: int) -> None:
        """Refuse to serve nothing at all. Raises InvalidSetting with every finding."""
        if healthy:
            return
        lines = [f"  [{one.code}] {one.path}: {one.message}" for one in self.found.values()]
        head = f"the cluster at '{self._where}' is not ready to serve:"
        none_left = f"  [cluster_no_healthy_graphs] __cluster/state.json: all {len(lines)} applied graph(s) are quarantined"
        raise InvalidSetting("\n".join([head, none_left, *lines]))
