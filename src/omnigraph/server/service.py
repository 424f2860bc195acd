"""The service: everything that answering a request needs, put together once at boot."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from omnigraph.errors import InvalidSetting, OmnigraphError
from omnigraph.graph.graph import Graph, open_graph
from omnigraph.graph.stored_query import Registry
from omnigraph.language.catalog import Catalog
from omnigraph.policy.advice import advise
from omnigraph.policy.engine import PolicyEngine, load_policy
from omnigraph.policy.gate import PolicyGate
from omnigraph.server.access import Access, RuntimeState
from omnigraph.server.admission import Admission
from omnigraph.server.boot import BootPlan, GraphPlan, Mode
from omnigraph.server.committer import GROUP_VARIABLE, Committer
from omnigraph.server.logs import warn
from omnigraph.server.metrics import Metrics
from omnigraph.server.options import truthy
from omnigraph.server.tokens import TokenTable
from omnigraph.server.workers import Workers
from omnigraph.wire.service import QueryCatalogEntry

OPENING_AT_A_TIME: Final = 4
METRICS_VARIABLE: Final = "OMNIGRAPH_METRICS"
SOURCE_VERSION_VARIABLE: Final = "OMNIGRAPH_SOURCE_VERSION"
_SERVER_POLICY_ID: Final = "root"
_ACTORS_SHOWN: Final = 5


@dataclass(slots=True)
class ServedGraph:
    """One open graph. ``schema_label`` names it in the errors of its stored queries when the schema is to change."""

    graph_id: str
    uri: str
    graph: Graph
    access: Access
    registry: Registry
    committer: Committer
    schema_label: str
    entries: list[QueryCatalogEntry] = field(default_factory=list)

    def check_queries(self, label: str, catalog: Catalog) -> None:
        """Hold the stored queries against a schema and keep the catalog that comes of it. Raises InvalidSetting."""
        self.entries, advice = self.registry.check(label, catalog)
        for name, text in advice:
            warn(f"stored query: {text}", graph=self.graph_id, query=name)


@dataclass(slots=True)
class Service:
    """What one process serves."""

    mode: Mode
    state: RuntimeState
    tokens: TokenTable
    graphs: dict[str, ServedGraph]
    management: Access
    admission: Admission
    workers: Workers
    metrics: Metrics | None = None
    source_version: str | None = None
    description: bytes | None = None
    """The OpenAPI document, once someone asked for it."""

    @property
    def authenticates(self) -> bool:
        """Whether requests need a token."""
        return self.state is not RuntimeState.OPEN

    @property
    def only_graph(self) -> ServedGraph:
        """The graph of single mode."""
        return next(iter(self.graphs.values()))

    def close(self) -> None:
        """Let the threads finish and close the graphs."""
        self.workers.close()
        for served in self.graphs.values():
            served.graph.close()


def open_service(plan: BootPlan, state: RuntimeState, tokens: TokenTable, environment: Mapping[str, str]) -> Service:
    """Load policies, open graphs and check stored queries. Raises the first reason not to serve; opened graphs are closed."""
    server_engine = None
    if plan.server_policy_file is not None:
        server_engine = _policy(plan.server_policy_file, "Server", _SERVER_POLICY_ID, environment)
    _refuse_shared_roots(plan)
    workers = Workers()
    service = Service(
        mode=plan.mode,
        state=state,
        tokens=tokens,
        graphs={},
        management=Access(state, server_engine, of_server=True),
        admission=Admission.from_environment(environment),
        workers=workers,
        metrics=Metrics() if truthy(environment, METRICS_VARIABLE) else None,
        source_version=environment.get(SOURCE_VERSION_VARIABLE) or None,
    )
    try:
        for graph_plan, graph in zip(plan.graphs, _open_all(plan), strict=True):
            label = "default" if plan.mode == "single" else graph_plan.policy_id
            committer = Committer(graph, workers, group=truthy(environment, GROUP_VARIABLE, "1"))
            served = ServedGraph(
                graph_plan.policy_id, graph_plan.uri, graph, Access(state), graph_plan.registry, committer, label
            )
            service.graphs[graph_plan.policy_id] = served
        for graph_plan, served in zip(plan.graphs, service.graphs.values(), strict=True):
            served.check_queries(graph_plan.policy_id, served.graph.catalog)
        for graph_plan, served in zip(plan.graphs, service.graphs.values(), strict=True):
            if graph_plan.policy_file is not None:
                engine = _policy(graph_plan.policy_file, "Graph", graph_plan.policy_id, environment)
                _advise(engine, tokens)
                served.access = Access(state, engine)
                served.graph.gate = PolicyGate(engine)
    except BaseException:
        service.close()
        raise
    return service


def _open_all(plan: BootPlan) -> list[Graph]:
    if plan.mode == "single":
        return [open_graph(plan.graphs[0].uri)]
    with ThreadPoolExecutor(OPENING_AT_A_TIME) as pool:
        opening = [pool.submit(_open_named, graph) for graph in plan.graphs]
    opened = [one.result() for one in opening if one.exception() is None]
    for one in opening:
        error = one.exception()
        if error is not None:
            for graph in opened:
                graph.close()
            raise error
    return opened


def _open_named(plan: GraphPlan) -> Graph:
    try:
        return open_graph(plan.uri)
    except OmnigraphError as error:
        error.message = f"open graph '{plan.policy_id}' at {plan.uri}: {error.message}"
        raise
    except OSError as error:
        raise InvalidSetting(f"open graph '{plan.policy_id}' at {plan.uri}: io: {error.strerror}") from None


def _refuse_shared_roots(plan: BootPlan) -> None:
    seen: set[str] = set()
    for graph in plan.graphs:
        if graph.uri in seen:
            raise InvalidSetting(f"multi-graph registry: URI '{graph.uri}' is already registered as another graph")
        seen.add(graph.uri)


def _policy(path: str, kind: str, graph_id: str, environment: Mapping[str, str]) -> PolicyEngine:
    engine = load_policy(path, "Server" if kind == "Server" else "Graph", graph_id, environment)
    for warning in engine.warnings:
        warn(warning.removeprefix("warning: "))
    return engine


def _advise(engine: PolicyEngine, tokens: TokenTable) -> None:
    """Warn of what the policy may not mean, and of actors who can never come because they have no token."""
    for sentence in advise(engine.document):
        warn(f"policy: {sentence}", graph=engine.graph_id)
    known = {actor for actor, _ in tokens.digests}
    missing = [actor for actor in engine.document.actors if actor not in known]
    if missing:
        shown = ", ".join(missing[:_ACTORS_SHOWN]) + (" …" if len(missing) > _ACTORS_SHOWN else "")
        warn("policy: actors without a token", graph=engine.graph_id, count=len(missing), actors=shown)
