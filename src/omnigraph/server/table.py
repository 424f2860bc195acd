"""The operations of the server, in the order in which the OpenAPI document shows them."""

from __future__ import annotations

from typing import Final

from omnigraph.graph.graph import Graph
from omnigraph.server.endpoints import about, blobs, branches, changes, clusters, reading, stored_queries, writing
from omnigraph.server.openapi import describe
from omnigraph.server.route import LOAD_BYTES_MAX, Route, RouteTable
from omnigraph.server.service import Service

ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/healthz", "health", "health", "Whether the process is alive", about.health, public=True, of_server=True),
    Route("GET", "/readyz", "ready", "health", "Whether every graph answers", about.ready, public=True, of_server=True),
    Route("GET", "/openapi.json", "openapi", "health", "This document", describe, public=True, of_server=True, listed=False),
    Route("GET", "/graphs", "listGraphs", "management", "List the served graphs", about.graphs, of_server=True),
    Route("GET", "/whoami", "whoami", "management", "Show who the caller is and what that actor may do", about.whoami),
    Route("GET", "/snapshot", "getSnapshot", "snapshots", "Show the tables of a branch", reading.snapshot),
    Route("POST", "/query", "query", "queries", "Run a read query", reading.query),
    Route("POST", "/query/explain", "explain_query", "queries", "Show the plan of a read query", reading.explain),
    Route("POST", "/read", "read", "queries", "Run a read query (older spelling)", reading.read, successor="/query"),
    Route("POST", "/export", "export", "queries", "Export a branch as JSON lines", reading.export),
    Route("GET", "/queries", "list_queries", "queries", "List the stored queries", stored_queries.catalog),
    Route("POST", "/queries/{name}", "invoke_query", "queries", "Call a stored query", stored_queries.invoke, gated=True),
    Route(
        "POST",
        "/queries/{name}/if-graph-commit",
        "invoke_query_if_graph_commit",
        "queries",
        "Call a stored mutation while a commit is the head",
        stored_queries.invoke_if_commit,
        gated=True,
    ),
    Route("POST", "/mutate", "mutate", "mutations", "Run a mutation", writing.mutate, gated=True),
    Route(
        "POST",
        "/mutate/if-graph-commit",
        "mutate_if_graph_commit",
        "mutations",
        "Run a mutation while a commit is the head",
        writing.mutate_if_commit,
        gated=True,
    ),
    Route(
        "POST",
        "/change",
        "change",
        "mutations",
        "Run a mutation (older spelling)",
        writing.mutate,
        gated=True,
        successor="/mutate",
    ),
    Route("POST", "/load", "load", "mutations", "Load records", writing.load, gated=True, body_bytes_max=LOAD_BYTES_MAX),
    Route(
        "POST",
        "/ingest",
        "ingest",
        "mutations",
        "Load records (older spelling)",
        writing.load,
        gated=True,
        body_bytes_max=LOAD_BYTES_MAX,
        successor="/load",
    ),
    Route(
        "POST",
        "/load/ndjson",
        "load_batch",
        "mutations",
        "Load records that are the body itself",
        writing.load_batch,
        gated=True,
        body_bytes_max=LOAD_BYTES_MAX,
    ),
    Route("GET", "/blob", "get_blob", "snapshots", "Read a Blob property of a row", blobs.blob),
    Route("GET", "/schema", "getSchema", "schema", "Show the accepted schema", reading.schema),
    Route(
        "POST",
        "/schema/apply",
        "applySchema",
        "mutations",
        "Change the schema",
        writing.apply_schema,
        gated=True,
        needs="apply_schema",
    ),
    Route("GET", "/branches", "listBranches", "branches", "List the branches", branches.names, needs="branches"),
    Route(
        "POST", "/branches", "createBranch", "branches", "Create a branch", branches.create, gated=True, needs="create_branch"
    ),
    Route("POST", "/branches/merge", "mergeBranches", "branches", "Merge a branch", branches.merge, gated=True, needs="merge"),
    Route("POST", "/branches/merge/preview", "previewMerge", "branches", "Say what a merge would do", branches.preview_merge),
    Route(
        "DELETE",
        "/branches/{branch}",
        "deleteBranch",
        "branches",
        "Delete a branch",
        branches.delete,
        gated=True,
        needs="delete_branch",
    ),
    Route("GET", "/commits", "listCommits", "commits", "List the commits of a branch", reading.commits),
    Route("GET", "/commits/graph", "getCommitGraph", "commits", "Show what the history is drawn from", reading.commit_graph),
    Route("GET", "/commits/{commit_id}", "getCommit", "commits", "Show a commit", reading.commit),
    Route(
        "GET",
        "/commits/{commit_id}/changes",
        "getCommitChanges",
        "changes",
        "Show the rows that a commit changed",
        changes.commit_changes,
    ),
    Route("GET", "/changes", "pollChanges", "changes", "Show what a branch's commits changed", changes.poll),
    Route("POST", "/changes/baseline", "baseline", "changes", "Export a branch, with a cursor behind it", changes.baseline),
    Route("GET", "/diff", "diff", "changes", "Show the rows that differ between two states", changes.diff),
    Route("GET", "/blame", "blame", "changes", "Show who set the properties of a row", changes.blame),
)
_METRICS: Final = Route("GET", "/metrics", "metrics", "health", "Counters", about.metrics, of_server=True, listed=False)
CLUSTER_ROUTES: Final = (
    Route("GET", "/cluster", "getCluster", "management", "Show the served revision", clusters.show, of_server=True),
    Route("POST", "/admin/reload", "reload", "management", "Serve the newest revision", clusters.take_up, of_server=True),
)


def route_table(service: Service) -> RouteTable:
    """Return the routes that a service answers: those whose work the engine can do, the counters if
    they are kept, and what is about a cluster if there is one."""
    routes = [route for route in ROUTES if route.needs is None or hasattr(Graph, route.needs)]
    if service.metrics is not None:
        routes.append(_METRICS)
    if service.cluster is not None:
        routes += CLUSTER_ROUTES
    return RouteTable(routes, service.mode)
