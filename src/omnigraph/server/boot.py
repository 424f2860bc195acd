"""Boot: which graphs are to be served, and from where. Nothing is opened here, and no port is bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from omnigraph.config.legacy import LegacyConfig, PolicySettings, StoredQuerySettings, load_legacy
from omnigraph.errors import InvalidSetting, OmnigraphError
from omnigraph.graph.stored_query import Registry, load_registry
from omnigraph.server.graph_id import check_graph_id
from omnigraph.server.options import Options
from omnigraph.storage.root import local_path

if TYPE_CHECKING:
    from omnigraph.cluster.serving import Revision
    from omnigraph.server.quarantine import Quarantine

BIND_DEFAULT: Final = "127.0.0.1:8080"
Mode = Literal["single", "multi"]

_NO_GRAPH = (
    "no graph to serve: pass a URI (`omnigraph-server ./graph.omni`), or `--target <name> --config omnigraph.yaml`, or set "
    "`server.graph: <name>` in omnigraph.yaml, or list graphs under `graphs:` in the file given by `--config`"
)
_CLUSTER_EXCLUSIVE = "--cluster is an exclusive boot source; it cannot combine with a graph URI, --target, or --config"


@dataclass(frozen=True, slots=True)
class GraphPlan:
    """One graph that is to be served.

    ``policy_id`` is its name, or its address when it has none; ``label`` stands in the errors of its stored queries. Where
    there is a ``policy_text``, ``policy_file`` is only what it is called.
    """

    uri: str
    policy_id: str
    label: str
    policy_file: str | None
    registry: Registry
    policy_text: bytes | None = None


@dataclass(frozen=True, slots=True)
class BootPlan:
    """What a process is to serve, with every file read that can be read before a graph is opened."""

    mode: Mode
    graphs: tuple[GraphPlan, ...]
    bind: str
    server_policy_file: str | None = None
    config_path: str | None = None
    notice: str | None = None
    server_policy_text: bytes | None = None
    cluster: str | None = None
    revision: Revision | None = None
    quarantine: Quarantine | None = None
    has_bundles: bool = False

    @property
    def has_policy(self) -> bool:
        """Whether any policy is configured."""
        if self.has_bundles or self.server_policy_file is not None:
            return True
        return any(graph.policy_file is not None for graph in self.graphs)


def plan_boot(options: Options, environment: Mapping[str, str]) -> BootPlan:
    """Work out the mode, the graphs and their stored queries. Raises :class:`InvalidSetting` with the reason of a refusal."""
    if options.cluster is not None:
        if options.uri is not None or options.target is not None or options.config is not None:
            raise InvalidSetting(_CLUSTER_EXCLUSIVE)
        from omnigraph.server.cluster_boot import plan_cluster
        from omnigraph.server.quarantine import quarantine_allowed

        allowed = quarantine_allowed(options, environment)
        return plan_cluster(options.cluster, options.bind or BIND_DEFAULT, quarantine=allowed)
    legacy = load_legacy(options.config, environment)
    settings = legacy.settings
    bind = options.bind or settings.server.bind or BIND_DEFAULT
    name = options.target or settings.server.graph
    if options.uri is not None:
        uri = normalized_uri(options.uri)
        graph = _plan_graph(legacy, uri, uri, uri, settings.policy, settings.queries)
    elif name is not None:
        named = legacy.graph(name)
        legacy.refuse_shadowed_blocks(name)
        uri = normalized_uri(legacy.graph_uri(name))
        graph = _plan_graph(legacy, uri, name, uri, named.policy, named.queries)
    elif options.config is not None and settings.graphs:
        return _plan_many(legacy, bind)
    else:
        raise InvalidSetting(_NO_GRAPH)
    return BootPlan("single", (graph,), bind, None, legacy.path, legacy.notice)


def normalized_uri(uri: str) -> str:
    """Return an address in the one form that answers show and duplicates are found by."""
    scheme, separator, _ = uri.partition("://")
    if not separator or scheme == "file":
        return str(local_path(uri))
    return uri.rstrip("/")


def _plan_many(legacy: LegacyConfig, bind: str) -> BootPlan:
    settings = legacy.settings
    for graph_id in settings.graphs:
        try:
            check_graph_id(graph_id)
        except OmnigraphError as error:
            raise InvalidSetting(f"invalid graph id '{graph_id}' in omnigraph.yaml: {error.message}") from None
    _refuse_top_level(legacy)
    graphs: list[GraphPlan] = []
    for graph_id, graph in sorted(settings.graphs.items()):
        uri = normalized_uri(legacy.graph_uri(graph_id))
        graphs.append(_plan_graph(legacy, uri, graph_id, graph_id, graph.policy, graph.queries))
    server_policy = settings.server.policy.file
    return BootPlan(
        "multi",
        tuple(graphs),
        bind,
        None if server_policy is None else legacy.resolved(server_policy),
        legacy.path,
        legacy.notice,
    )


def _plan_graph(
    legacy: LegacyConfig,
    uri: str,
    policy_id: str,
    label: str,
    policy: PolicySettings,
    queries: Mapping[str, StoredQuerySettings],
) -> GraphPlan:
    policy_file = None if policy.file is None else legacy.resolved(policy.file)
    return GraphPlan(uri, policy_id, label, policy_file, load_registry(label, queries, legacy.resolved))


def _refuse_top_level(legacy: LegacyConfig) -> None:
    settings = legacy.settings
    blocks = ["policy.file"] if settings.policy.file is not None else []
    blocks += ["queries"] if settings.queries else []
    if blocks:
        verb = "are" if len(blocks) > 1 else "is"
        raise InvalidSetting(
            f"multi-graph mode: top-level {' and '.join(blocks)} {verb} not honored — each graph uses its own "
            "`graphs.<graph_id>.…` block. Move per-graph rules there (and any `graph_list` policy to `server.policy.file`)."
        )
