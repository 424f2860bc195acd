"""The service: everything that answering a request needs, put together once at boot."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from omnigraph.errors import InvalidSetting, OmnigraphError
from omnigraph.graph.graph import Graph, open_graph
from omnigraph.graph.stored_query import Registry
from omnigraph.language.catalog import Catalog
from omnigraph.policy.advice import advise
from omnigraph.policy.document import PolicyKind
from omnigraph.policy.engine import PolicyEngine, compile_policy, load_policy
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
from omnigraph.storage.root import local_path
from omnigraph.wire.service import QueryCatalogEntry

if TYPE_CHECKING:
    from omnigraph.cluster.serving import Revision
    from omnigraph.server.quarantine import Quarantine
    from omnigraph.wire.cluster import Diagnostic

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
class ServedCluster:
    """The cluster that a service takes its graphs from, and the revision of it that is served."""

    where: str
    revision: Revision
    quarantines: bool = False
    quarantined: dict[str, Diagnostic] = field(default_factory=dict)
    refusal: str | None = None
    """Why the last reload kept what was served before."""
    reloading: asyncio.Lock = field(default_factory=asyncio.Lock)


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
    cluster: ServedCluster | None = None

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
    workers = Workers()
    try:
        service = Service(
            mode=plan.mode,
            state=state,
            tokens=tokens,
            graphs={},
            management=management_of(plan, state, environment),
            admission=Admission.from_environment(environment),
            workers=workers,
            metrics=Metrics() if truthy(environment, METRICS_VARIABLE) else None,
            source_version=environment.get(SOURCE_VERSION_VARIABLE) or None,
        )
        service.graphs = open_graphs(plan, state, tokens, environment, workers)
        if plan.cluster is not None and plan.revision is not None:
            found = {} if plan.quarantine is None else plan.quarantine.found
            service.cluster = ServedCluster(plan.cluster, plan.revision, plan.quarantine is not None, found)
    except BaseException:
        workers.close()
        raise
    return service


def management_of(plan: BootPlan, state: RuntimeState, environment: Mapping[str, str]) -> Access:
    """Load the policy of the server itself. Raises InvalidSetting."""
    engine = None
    if plan.server_policy_file is not None:
        engine = _policy(plan.server_policy_file, plan.server_policy_text, "Server", _SERVER_POLICY_ID, environment)
    return Access(state, engine, of_server=True)


def open_graphs(
    plan: BootPlan, state: RuntimeState, tokens: TokenTable, environment: Mapping[str, str], workers: Workers
) -> dict[str, ServedGraph]:
    """Open graphs, check their stored queries, load their policies. Raises the first reason not to; all are closed then.

    Where the plan has a quarantine, a graph that does not open, or whose stored queries do not fit, goes there.
    """
    _refuse_shared_roots(plan)
    opened = _open_all(plan)
    graphs: dict[str, ServedGraph] = {}
    try:
        for graph_plan, graph in opened:
            label = "default" if plan.mode == "single" else graph_plan.policy_id
            committer = Committer(graph, workers, group=truthy(environment, GROUP_VARIABLE, "1"))
            graphs[graph_plan.policy_id] = ServedGraph(
                graph_plan.policy_id, graph_plan.uri, graph, Access(state), graph_plan.registry, committer, label
            )
        _check_all(graphs, plan.quarantine)
        for healthy in graphs.values():
            _warn_of_a_root_to_read_only(healthy)
        for graph_plan, _ in opened:
            served = graphs.get(graph_plan.policy_id)
            if served is not None and graph_plan.policy_file is not None:
                file, text = graph_plan.policy_file, graph_plan.policy_text
                engine = _policy(file, text, "Graph", graph_plan.policy_id, environment)
                _advise(engine, tokens)
                served.access = Access(state, engine)
                served.graph.gate = PolicyGate(engine)
    except BaseException:
        for _, graph in opened:
            graph.close()
        raise
    return graphs


def _warn_of_a_root_to_read_only(served: ServedGraph) -> None:
    """Say at boot what the first write would find out: the volume of a container that belongs to another user, mostly."""
    if "://" in served.uri and not served.uri.startswith("file://"):
        return
    root = local_path(served.uri)
    for folder in (root, root / "log" / "main"):
        if folder.exists() and not os.access(folder, os.W_OK):
            user = os.getuid() if hasattr(os, "getuid") else ""
            message = "graph root cannot be written to, so that writes will fail"
            warn(message, graph=served.graph_id, folder=str(folder), user=user)
            return


def _check_all(graphs: dict[str, ServedGraph], quarantine: Quarantine | None) -> None:
    """Hold all stored queries against the live schemas; a graph that goes to quarantine is closed and taken out."""
    for graph_id, served in list(graphs.items()):
        try:
            served.check_queries(graph_id, served.graph.catalog)
        except InvalidSetting as error:
            if quarantine is None:
                raise
            quarantine.add(graph_id, "query_typecheck_error", error.message)
            graphs.pop(graph_id).graph.close()
    if quarantine is not None:
        quarantine.refuse_without(len(graphs))


def _open_all(plan: BootPlan) -> list[tuple[GraphPlan, Graph]]:
    if plan.mode == "single":
        return [(plan.graphs[0], open_graph(plan.graphs[0].uri))]
    with ThreadPoolExecutor(OPENING_AT_A_TIME) as pool:
        opening = [pool.submit(_open_named, graph) for graph in plan.graphs]
    opened = [(graph, one.result()) for graph, one in zip(plan.graphs, opening, strict=True) if one.exception() is None]
    for graph_plan, one in zip(plan.graphs, opening, strict=True):
        error = one.exception()
        if isinstance(error, OmnigraphError) and plan.quarantine is not None:
            plan.quarantine.add(graph_plan.policy_id, "graph_open_failed", error.message)
        elif error is not None:
            for _, graph in opened:
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


def _policy(path: str, text: bytes | None, kind: PolicyKind, graph_id: str, environment: Mapping[str, str]) -> PolicyEngine:
    if text is None:
        engine = load_policy(path, kind, graph_id, environment)
    else:
        try:
            engine = compile_policy(text, kind, graph_id, label=path, environment=environment)
        except InvalidSetting as error:
            raise InvalidSetting(f"{path}: {error.message}", hint=error.hint) from None
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
