"""Boot from a cluster: the plan of what to serve, made from the applied revision alone."""

from __future__ import annotations

from omnigraph.cluster.serving import AppliedGraph, Bundle, Snapshot, read_snapshot
from omnigraph.errors import InvalidSetting, OmnigraphError
from omnigraph.graph.stored_query import Registry, StoredQuery
from omnigraph.language import decode_source, parse_queries
from omnigraph.language.query_tree import QueryFile
from omnigraph.server.boot import BootPlan, GraphPlan
from omnigraph.server.graph_id import check_graph_id
from omnigraph.server.quarantine import Quarantine

_CLUSTER = "cluster"


def plan_cluster(where: str, bind: str, *, quarantine: bool = False) -> BootPlan:
    """Read the applied revision of a cluster. Raises InvalidSetting with every reason not to serve it.

    With ``quarantine`` what is wrong with one graph takes out that graph only.
    """
    snapshot = read_snapshot(where, quarantine=quarantine)
    taken_out = Quarantine(where) if quarantine else None
    policies = _bound(snapshot)
    for graph in snapshot.graphs:
        try:
            check_graph_id(graph.graph_id)
        except OmnigraphError as error:
            raise InvalidSetting(f"invalid graph id '{graph.graph_id}' in the cluster at '{where}': {error.message}") from None
    if taken_out is not None:
        for graph_id, finding in snapshot.interrupted.items():
            taken_out.add(graph_id, finding.code, finding.message)
    registries = _registries(snapshot.graphs, taken_out)
    plans = []
    for graph in snapshot.graphs:
        if taken_out is not None and graph.graph_id in taken_out.found:
            continue
        bundle = policies.get(f"graph.{graph.graph_id}")
        plans.append(
            GraphPlan(
                graph.uri,
                graph.graph_id,
                graph.graph_id,
                None if bundle is None else _label(bundle),
                registries[graph.graph_id],
                None if bundle is None else bundle.text,
            )
        )
    if taken_out is not None:
        taken_out.refuse_without(len(plans))
    of_server = policies.get(_CLUSTER)
    return BootPlan(
        "multi",
        tuple(plans),
        bind,
        server_policy_file=None if of_server is None else _label(of_server),
        server_policy_text=None if of_server is None else of_server.text,
        cluster=where,
        revision=snapshot.revision,
        quarantine=taken_out,
        has_bundles=bool(snapshot.bundles),
    )


def _label(bundle: Bundle) -> str:
    return f"policy bundle '{bundle.name}'"


def _bound(snapshot: Snapshot) -> dict[str, Bundle]:
    """Return the bundle of each scope. Raises InvalidSetting for a scope with two, and for one that means nothing."""
    bound: dict[str, Bundle] = {}
    for bundle in snapshot.bundles:
        for scope in bundle.scopes:
            if scope != _CLUSTER and not scope.startswith("graph."):
                raise InvalidSetting(f"{_label(bundle)} has an unknown binding '{scope}'; run `cluster apply` to bind it anew")
            other = bound.setdefault(scope, bundle)
            if other is bundle:
                continue
            both = f"'{other.name}' and '{bundle.name}'"
            if scope == _CLUSTER:
                raise InvalidSetting(
                    "multiple policy bundles bind the cluster scope; "
                    f"cluster-mode serving supports one bundle per scope ({both})"
                )
            graph_id = scope.removeprefix("graph.")
            raise InvalidSetting(
                f"multiple policy bundles bind graph '{graph_id}'; cluster-mode serving supports one bundle per scope ({both})"
            )
    return bound


def _registries(graphs: list[AppliedGraph], quarantine: Quarantine | None) -> dict[str, Registry]:
    """Parse the stored queries of all graphs. One that cannot be used takes its graph out, or InvalidSetting lists them all."""
    files: dict[bytes, QueryFile | str] = {}
    problems: list[str] = []
    registries = {}
    for graph in graphs:
        queries = {}
        for name, text in sorted(graph.queries.items()):
            if text not in files:
                files[text] = _parsed(text)
            file = files[text]
            declared = None if isinstance(file, str) else next((one for one in file.queries if one.name == name), None)
            if declared is None:
                reason = file if isinstance(file, str) else f"no `query {name}` declaration found"
                if quarantine is not None:
                    quarantine.add(graph.graph_id, "query_parse_error", f"stored query '{name}': {reason}")
                else:
                    problems.append(f"  graph '{graph.graph_id}', query '{name}': {reason}")
                continue
            queries[name] = StoredQuery(name, decode_source(text), declared, True, name)
        registries[graph.graph_id] = Registry(queries)
    if problems:
        head = "stored queries in the applied revision failed to parse:"
        raise InvalidSetting("\n".join([head, *problems, "run `cluster refresh` then `cluster apply`, and restart"]))
    return registries


def _parsed(text: bytes) -> QueryFile | str:
    try:
        return parse_queries(decode_source(text))
    except OmnigraphError as error:
        return error.message.partition("\n")[0]
