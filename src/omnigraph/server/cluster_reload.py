"""Taking up a newly applied revision while requests are answered: verified aside as a whole, then switched, or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from omnigraph.cluster.serving import Revision
from omnigraph.errors import OmnigraphError
from omnigraph.policy.gate import PolicyGate
from omnigraph.server import logs
from omnigraph.server.access import Access, RuntimeState
from omnigraph.server.boot import BootPlan
from omnigraph.server.cluster_boot import plan_cluster
from omnigraph.server.service import ServedGraph, Service, management_of, open_graphs


async def reload(service: Service, environment: Mapping[str, str] | None = None) -> bool:
    """Serve the revision that the ledger has now; return whether it is another one than before.

    Graphs that stay keep what they hold in memory and the writes that wait for them. Raises OmnigraphError with every reason
    to keep the old revision, which is then served on.
    """
    cluster = service.cluster
    assert cluster is not None, "the service was not booted from a cluster"
    async with cluster.reloading:
        try:
            changed = await _reload(service, os.environ if environment is None else environment)
        except OmnigraphError as error:
            cluster.refusal = error.message
            logs.error("cluster not reloaded", reason=error.message)
            raise
        cluster.refusal = None
        return changed


async def _reload(service: Service, environment: Mapping[str, str]) -> bool:
    cluster = service.cluster
    assert cluster is not None
    plan = await service.workers.stream(partial(plan_cluster, cluster.where, "", quarantine=cluster.quarantines))
    assert plan.revision is not None
    before = cluster.revision
    if plan.revision == cluster.revision and not cluster.quarantined:
        return False
    state = RuntimeState.of(
        has_tokens=bool(service.tokens), has_policy=plan.has_policy, consent=service.state is RuntimeState.OPEN
    )
    management, fresh = await service.workers.stream(partial(_prepare, service, plan, state, environment))
    served = {graph_id: _kept(service.graphs.get(graph_id), graph) for graph_id, graph in fresh.items()}
    done_with = [graph for graph_id, graph in service.graphs.items() if served.get(graph_id, graph).graph is not graph.graph]
    done_with += [graph for graph_id, graph in service.graphs.items() if graph_id not in served]
    done_with += [graph for graph_id, graph in fresh.items() if served[graph_id].graph is not graph.graph]
    _switch(service, plan.revision, state, management, served)
    cluster.quarantined = {} if plan.quarantine is None else plan.quarantine.found
    await service.workers.stream(_close, done_with)
    return before != plan.revision


def _prepare(
    service: Service, plan: BootPlan, state: RuntimeState, environment: Mapping[str, str]
) -> tuple[Access, dict[str, ServedGraph]]:
    management = management_of(plan, state, environment)
    return management, open_graphs(plan, state, service.tokens, environment, service.workers)


def _kept(old: ServedGraph | None, fresh: ServedGraph) -> ServedGraph:
    """Return a fresh graph with the open engine of the one that was served, where both are the same graph."""
    if old is None or old.uri != fresh.uri or old.graph.identity != fresh.graph.identity:
        return fresh
    return replace(fresh, graph=old.graph, committer=old.committer)


def _switch(
    service: Service, revision: Revision, state: RuntimeState, management: Access, served: dict[str, ServedGraph]
) -> None:
    """Switch between two turns of the event loop: a request sees the one revision or the other."""
    assert service.cluster is not None
    for graph in served.values():
        engine = graph.access.engine
        graph.graph.gate = None if engine is None else PolicyGate(engine)
    service.state, service.management, service.graphs = state, management, served
    service.description = None
    service.cluster.revision = revision
    logs.info("cluster reloaded", state_revision=revision.state_revision, graph_count=len(served))


def _close(graphs: list[ServedGraph]) -> None:
    """Release what is not served any more. Requests that still use it open again what they need."""
    for graph in graphs:
        graph.graph.close()
