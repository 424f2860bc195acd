"""Which graph a command means, and what may be done to it from where."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from omnigraph.cli.commands import Entry, Plane
from omnigraph.cli.grammar import Arguments, Option, Positional, UsageError
from omnigraph.errors import BadRequest

if TYPE_CHECKING:
    from omnigraph.cli.graph_protocol import Graph
    from omnigraph.cli.workspace import Workspace
    from omnigraph.policy.engine import PolicyEngine

URI = Positional("URI", "Address of the graph: a directory, file://, s3:// or http(s):// address")
URI_OPTION = Option("uri", "Address of the graph", value="URI", any_bytes=True)
TARGET_OPTION = Option("target", "Graph defined in omnigraph.yaml", value="NAME")
CONFIG_OPTION = Option("config", "Project file to load instead of ./omnigraph.yaml", value="PATH", any_bytes=True)
JSON_OPTION = Option("json", "Print a JSON document")
SNAPSHOT_OPTION = Option("snapshot", "Commit to read instead: its id, or an unambiguous beginning of it", value="ID")
AT_OPTION = Option("at", "Version of the branch to read, or a time: the last commit at or before it", value="WHEN")
READ_EXCLUSIONS = (("branch", "snapshot"), ("snapshot", "at"))
GRAPH_OPTIONS = (URI_OPTION, TARGET_OPTION, CONFIG_OPTION)
CLUSTER_OPTION = Option("cluster", "Cluster of the graph: a directory or a storage root", value="DIR|URI", any_bytes=True)
CLUSTER_GRAPH_OPTION = Option("cluster-graph", "Graph of the --cluster", value="ID")
CLUSTER_OPTIONS = (CLUSTER_OPTION, CLUSTER_GRAPH_OPTION)
"""For commands that work on the storage of a graph; their address is found by `resolve_stored`."""

_STORAGE_HINT = "Use --target <name>, a storage URI, or --cluster <dir> --cluster-graph <id>."
_PLANE_HINTS: dict[Plane, str] = {
    "storage": _STORAGE_HINT,
    "control": "It operates on a cluster directory (pass --config <dir>).",
    "session": "It does not address a graph.",
}


@dataclass(frozen=True, slots=True)
class Address:
    """One graph: its address as it is echoed, and its name when the project file gave it.

    ``find_token`` looks up the bearer token for a server, when one is about to be asked; ``load_policy`` compiles the policy
    that the project file names for the graph, when something is about to be written.
    """

    uri: str
    name: str | None = None
    find_token: Callable[[], str | None] | None = field(default=None, compare=False, repr=False)
    load_policy: Callable[[], PolicyEngine] | None = field(default=None, compare=False, repr=False)

    @property
    def is_remote(self) -> bool:
        """Whether a server answers there; anything that is not http(s) is storage."""
        return self.uri.startswith(("http://", "https://"))


def guard_plane(path: list[Entry], arguments: Arguments) -> None:
    """Refuse ``--server`` and ``--graph`` on a command that does not work on a graph's data."""
    entry = path[-1]
    if entry.plane == "data" or (arguments.get("server") is None and arguments.get("graph") is None):
        return
    if arguments.get("cluster") is not None and arguments.get("server") is None:
        return  # --graph is a graph of the cluster
    group = path[1]
    label = " ".join(step.name for step in path[1:])
    if group.children and all(child.plane == entry.plane for child in group.children):
        label = group.name
    hint = "Pass a storage URI." if label == "init" else _PLANE_HINTS[entry.plane]
    raise BadRequest(
        f"`{label}` is a {entry.plane}-plane command; --server/--graph address the data plane and do not apply. {hint}"
    )


def typed_address(arguments: Arguments, position: int = 0) -> str | None:
    """Return the address among the words or after ``--uri``; both at once are a usage error."""
    word = arguments.word(position)
    option = arguments.get("uri")
    if word is not None and option is not None:
        raise UsageError(f"the argument '{URI.shown}' cannot be used with '{URI_OPTION.shown}'")
    return word if word is not None else option


def resolve(workspace: Workspace, explicit: str | None, *, target: str | None = None) -> Address:
    """Find the graph of a data or storage command.

    An explicit address wins over ``target`` (by default ``--target``), which wins over ``cli.graph``.
    """
    arguments, legacy = workspace.arguments, workspace.legacy
    server = arguments.get("server")
    named = arguments.get("target") or target
    if server is not None:
        if explicit is not None or arguments.get("target") is not None:
            raise BadRequest("--server is exclusive with a positional URI and --target — pick one way to address the graph")
        graph = arguments.get("graph")
        base = workspace.operator.server(server).base_url
        return addressed(workspace, base if graph is None else f"{base}/graphs/{graph}")
    if explicit is not None:
        return addressed(workspace, explicit)
    name = named or legacy.settings.cli.graph
    if name is None:
        read = f"; read {legacy.path}" if legacy.path is not None else ""
        hint = f"name the graph as a positional, with --uri, --target or --server, or set cli.graph in omnigraph.yaml{read}"
        raise BadRequest("URI must be provided via <URI>, --target, or config", hint=hint)
    return addressed(workspace, legacy.graph_uri(name), name)


def resolve_stored(workspace: Workspace, explicit: str | None) -> Address:
    """Find the graph of a storage command that takes ``CLUSTER_OPTIONS``: a graph of a cluster, or as `resolve` does.

    A graph of a cluster is found in its ledger alone. Without an id its only applied graph is meant.
    """
    arguments = workspace.arguments
    cluster = arguments.get("cluster")
    if cluster is None:
        if arguments.get("cluster-graph") is not None:
            raise UsageError("the following required arguments were not provided:", [f"  {CLUSTER_OPTION.shown}"])
        return resolve(workspace, explicit)
    for given, other in ((explicit, URI), (arguments.get("target"), TARGET_OPTION)):
        if given is not None:
            raise UsageError(f"the argument '{CLUSTER_OPTION.shown}' cannot be used with '{other.shown}'")
    graph_id = arguments.get("cluster-graph") or arguments.get("graph")
    from omnigraph.cluster.serving import applied_graph, applied_graphs

    if graph_id is not None:
        return Address(applied_graph(cluster, graph_id))
    applied = applied_graphs(cluster)
    if len(applied) == 1:
        return Address(next(iter(applied.values())))
    choice = f"cluster `{cluster}` has {len(applied)} graphs: [{', '.join(applied)}]; pass --cluster-graph <ID> to select one"
    required = [f"  {CLUSTER_GRAPH_OPTION.shown}", "", choice]
    raise UsageError("the following required arguments were not provided:", required)


def addressed(workspace: Workspace, uri: str, name: str | None = None) -> Address:
    """Return an address with what may have to be found out about it: a token, or a policy."""
    legacy = workspace.legacy
    policy = legacy.settings.policy if name is None else legacy.settings.graphs[name].policy

    def load() -> PolicyEngine:
        from omnigraph.policy.engine import load_policy

        graph_id = uri.removeprefix("file://").rstrip("/") if name is None else name
        return load_policy(legacy.resolved(policy.file or ""), "Graph", graph_id, os.environ)

    return Address(uri, name, lambda: workspace.bearer_token(uri, name), None if policy.file is None else load)


def refuse_remote(address: Address, label: str) -> None:
    """Refuse a server where a command needs the storage itself."""
    if address.is_remote:
        raise BadRequest(
            f"`{label}` is a storage-plane command and needs direct storage access; the resolved target is a remote server "
            f"({address.uri}). Pass the graph's file:// or s3:// URI."
        )


def admit_write(workspace: Workspace, address: Address) -> None:
    """Check what the project file says about writing to ``address``; its policy is asked by the graph itself."""
    if address.name is not None:
        workspace.legacy.refuse_shadowed_blocks(address.name)


def open_graph(address: Address) -> Graph:
    """Open the graph at ``address``; this is where the engine, or the client, is imported."""
    if address.is_remote:
        from omnigraph.cli.remote import open_remote

        return open_remote(address.uri, None if address.find_token is None else address.find_token())
    from omnigraph.cli.embedded import open_embedded
    from omnigraph.policy.gate import DeferredGate

    return open_embedded(address.uri, None if address.load_policy is None else DeferredGate(address.load_policy))
