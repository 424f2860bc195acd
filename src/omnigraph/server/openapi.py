"""The OpenAPI 3.1 document: made from the route table and from the shapes that the handlers read and write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from omnigraph.server.answer import Answer
from omnigraph.server.conditional import tagged
from omnigraph.server.openapi_shapes import components, reference
from omnigraph.version import __version__
from omnigraph.wire.encoding import pretty

if TYPE_CHECKING:
    from omnigraph.server.boot import Mode
    from omnigraph.server.call import Call
    from omnigraph.server.route import Route

Json = dict[str, Any]  # Any: a JSON document

_TITLE: Final = "Omnigraph API"
_DESCRIPTION: Final = "HTTP API for the Omnigraph graph database"
_PATH_PARAMETERS: Final = {
    "branch": "Name of the branch, percent-encoded: `%2F` is part of the name",
    "commit_id": "Id of the commit",
    "name": "Name of the stored query",
}
_BRANCH: Final[Json] = {
    "name": "branch",
    "in": "query",
    "required": False,
    "description": "Branch to look at; main unless given",
    "schema": {"type": ["string", "null"]},
}
_CONDITION: Final[Json] = {
    "name": "Omnigraph-If-Graph-Commit",
    "in": "header",
    "required": True,
    "description": "Commit that must be the head of the branch",
    "schema": {"type": "string"},
}


def _listing(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


_MOMENT: Final = (
    _listing("snapshot", {"type": "string"}, "Commit to look at instead of a branch: its id or an unambiguous beginning of it"),
    _listing("at", {"type": "string"}, "Version of the branch, or a time: the last commit at or before it"),
)


def _repeated(name: str, description: str, *words: str) -> Json:
    item: Json = {"type": "string", "enum": list(words)} if words else {"type": "string"}
    return _listing(name, {"type": "array", "items": item}, description)


def _required(name: str, description: str) -> Json:
    return {**_listing(name, {"type": "string"}, description), "required": True}


_CHANGE_FILTERS: Final = (
    _repeated("kind", "Only nodes or only edges", "node", "edge"),
    _repeated("type", "Only rows of this type, by its name or key"),
    _repeated("op", "Only inserts, updates or deletes", "insert", "update", "delete"),
)
_PAGE: Final = (
    _listing("page_token", {"type": "string"}, "Where the last page ended"),
    _listing("limit", {"type": "integer", "minimum": 1, "maximum": 8192}, "How many changes a page holds; 1000 unless given"),
)
_PARAMETERS: Final[dict[str, list[Json]]] = {
    "getCommitChanges": [*_PAGE, *_CHANGE_FILTERS],
    "pollChanges": [
        _BRANCH,
        _listing("cursor", {"type": "string"}, "Where the feed goes on"),
        _listing("start", {"type": "string"}, "Where it begins without a cursor: now, beginning or after:<commit id>"),
        *_PAGE,
        *_CHANGE_FILTERS,
    ],
    "diff": [
        _required("from", "The earlier state: a branch, a commit, <branch>@<version or time>, each with ~N behind it"),
        _listing("to", {"type": "string"}, "The later state; main unless given"),
        _repeated("id", "Only rows of this id"),
        _listing("limit", {"type": "integer", "minimum": 0, "maximum": 8192}, "How many rows to list; all are counted"),
        *_CHANGE_FILTERS,
    ],
    "blame": [_required("type", "Name or key of the type"), _required("id", "Id of the row"), _BRANCH, *_MOMENT],
    "getSnapshot": [_BRANCH, *_MOMENT],
    "getSchema": [_BRANCH, *_MOMENT],
    "listCommits": [
        _BRANCH,
        _listing("order", {"type": "string", "enum": ["oldest", "newest"]}, "Which end comes first; oldest unless given"),
        _listing("limit", {"type": "integer", "minimum": 0, "maximum": 9_999_999_999}, "How many commits to list"),
        _listing("actor", {"type": "string"}, "Only the commits of this actor"),
        _listing("after", {"type": "string"}, "Only what follows this commit"),
    ],
    "getCommitGraph": [
        _listing("branch", {"type": "string"}, "Only what lies behind this branch; every branch unless given"),
        _listing("limit", {"type": "integer", "minimum": 0, "maximum": 9_999_999_999}, "How many commits; 100 unless given"),
    ],
    "load_batch": [
        _listing("branch", {"type": "string"}, "Branch to load onto; main unless given"),
        _listing("from", {"type": "string"}, "Branch to fork a missing one from"),
        _listing("mode", reference("LoadMode"), "What happens to rows that are stored; merge unless given"),
    ],
    "get_blob": [
        {**_listing("entity", {"type": "string", "enum": ["node", "edge"]}, "Kind of the row"), "required": True},
        {**_listing("type", {"type": "string"}, "Name of its type"), "required": True},
        {**_listing("id", {"type": "string"}, "Its id"), "required": True},
        {**_listing("property", {"type": "string"}, "Name of a Blob property"), "required": True},
        _listing("branch", {"type": "string"}, "Branch to read; main unless given"),
        _listing("snapshot", {"type": "string"}, "Commit to read, instead of a branch"),
        _listing("at", {"type": "string"}, "Moment of the branch to read"),
    ],
    "mutate_if_graph_commit": [_CONDITION],
    "invoke_query_if_graph_commit": [_CONDITION],
}
_BODIES: Final = {
    "query": "QueryRequest",
    "explain_query": "ExplainRequest",
    "read": "ReadRequest",
    "export": "ExportRequest",
    "baseline": "BaselineRequest",
    "mutate": "ChangeRequest",
    "mutate_if_graph_commit": "ChangeRequest",
    "change": "ChangeRequest",
    "load": "IngestRequest",
    "ingest": "IngestRequest",
    "applySchema": "SchemaApplyRequest",
    "createBranch": "BranchCreateRequest",
    "mergeBranches": "BranchMergeRequest",
    "previewMerge": "MergePreviewRequest",
}
_INVOCATIONS: Final = ("invoke_query", "invoke_query_if_graph_commit")
_RESULTS: Final = {
    "health": "HealthOutput",
    "ready": "HealthOutput",
    "listGraphs": "GraphListResponse",
    "getCluster": "ServedClusterOutput",
    "reload": "ReloadOutput",
    "whoami": "WhoamiOutput",
    "getSnapshot": "SnapshotOutput",
    "query": "ReadOutput",
    "explain_query": "ExplainOutput",
    "read": "ReadOutput",
    "list_queries": "QueriesCatalogOutput",
    "invoke_query": "InvokeStoredQueryResponse",
    "invoke_query_if_graph_commit": "ChangeOutput",
    "mutate": "ChangeOutput",
    "mutate_if_graph_commit": "ChangeOutput",
    "change": "ChangeOutput",
    "load": "IngestOutput",
    "ingest": "IngestOutput",
    "load_batch": "BatchLoadOutput",
    "getSchema": "SchemaOutput",
    "applySchema": "SchemaApplyOutput",
    "listBranches": "BranchListOutput",
    "createBranch": "BranchCreateOutput",
    "mergeBranches": "BranchMergeOutput",
    "previewMerge": "MergePreviewOutput",
    "deleteBranch": "BranchDeleteOutput",
    "listCommits": "CommitListOutput",
    "getCommitGraph": "CommitGraphOutput",
    "getCommit": "CommitOutput",
    "getCommitChanges": "CommitChangesOutput",
    "pollChanges": "ChangesOutput",
    "diff": "DiffOutput",
    "blame": "BlameOutput",
}
_FAILURES: Final = {
    400: "The request cannot be carried out as it stands",
    401: "The bearer token is missing or unknown",
    403: "The policy denies the action",
    404: "There is no such thing",
    405: "The server is not in multi-graph mode",
    409: "What is stored does not allow the write",
    412: "The branch has moved on",
    413: "The body, or what the request asks for, passes a limit",
    415: "The body is not declared as what it must be",
    416: "The range begins behind the end of the blob",
    422: "The body has another shape",
    429: "The actor has too many requests under way",
    500: "The server failed",
    503: "A graph does not answer",
}
_QUERY_400: Final = (
    "The query cannot be carried out as it stands; a query that contains mutations is refused here, send it to POST /mutate"
)
_CONFLICTS: Final = ("createBranch", "mergeBranches", "mutate", "change", *_INVOCATIONS, "mutate_if_graph_commit")
_MORE_CONFLICTS: Final = ("reload", "load", "load_batch", "ingest", "applySchema", "deleteBranch", "previewMerge")
_MISSING: Final = ("deleteBranch", "getCommit", "getCommitChanges", "pollChanges", "baseline", "diff", "blame", *_INVOCATIONS)
_BOUNDED_READS: Final = ("query", "explain_query", "read", "export")
_TAGGED: Final = ("getSnapshot", "getSchema", "get_blob")
_NAMED_IN_REQUEST: Final = (
    "explain_query",
    "query",
    "read",
    "export",
    "mutate",
    "mutate_if_graph_commit",
    "change",
    "load",
    "load_batch",
    "ingest",
    "get_blob",
    "getSnapshot",
    "getSchema",
    "listCommits",
    "getCommitGraph",
    "createBranch",
    "mergeBranches",
    "previewMerge",
)


async def describe(call: Call) -> Answer:
    """``GET /openapi.json``: the document of what this very server answers."""
    from omnigraph.server.table import route_table

    service = call.service
    if service.description is None:
        routes = route_table(service).routes
        service.description = pretty(document(routes, service.mode, authenticated=service.authenticates))
    return tagged(call, service.description)


def document(routes: Iterable[Route], mode: Mode, *, authenticated: bool = True) -> Json:
    """Return the description of ``routes`` as a server of ``mode`` offers them."""
    paths: dict[str, Json] = {}
    with_cluster = False
    for route in routes:
        with_cluster = with_cluster or route.operation_id == "getCluster"
        if route.listed:
            prefix = "/graphs/{graph_id}" if mode == "multi" and not route.of_server else ""
            method = route.method.lower()
            paths.setdefault(prefix + route.path, {})[method] = _operation(route, bool(prefix), authenticated)
    found: Json = {"schemas": components(with_cluster=with_cluster)}
    if authenticated:
        found["securitySchemes"] = {"bearer_token": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": _TITLE,
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
            "version": __version__,
        },
        "paths": paths,
        "components": found,
    }


def _operation(route: Route, prefixed: bool, authenticated: bool) -> Json:
    operation_id = route.operation_id
    parameters = [_path_parameter("graph_id", "Id of the graph")] if prefixed else []
    parameters += [
        _path_parameter(segment[1:-1], _PATH_PARAMETERS[segment[1:-1]]) for segment in route.segments if segment.startswith("{")
    ]
    parameters += _PARAMETERS.get(operation_id, [])
    found: Json = {
        "tags": [route.tag],
        "summary": route.summary,
        "operationId": f"cluster_{operation_id}" if prefixed else operation_id,
    }
    if route.successor is not None:
        found["deprecated"] = True
    if parameters:
        found["parameters"] = parameters
    body = _body(operation_id)
    if body is not None:
        found["requestBody"] = body
    found["responses"] = _responses(route, prefixed)
    if authenticated and not route.public:
        found["security"] = [{"bearer_token": []}]
    return found


def _path_parameter(name: str, description: str) -> Json:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": {"type": "string"}}


def _body(operation_id: str) -> Json | None:
    if operation_id in _INVOCATIONS:
        schema: Json = {"oneOf": [{"type": "null"}, reference("InvokeStoredQueryRequest")]}
        return {"required": False, "content": {"application/json": {"schema": schema}}}
    if operation_id == "load_batch":
        return {"required": True, "content": {"application/x-ndjson": {"schema": {"type": "string"}}}}
    name = _BODIES.get(operation_id)
    return None if name is None else {"required": True, "content": {"application/json": {"schema": reference(name)}}}


def _responses(route: Route, prefixed: bool) -> Json:
    operation_id = route.operation_id
    result = _RESULTS.get(operation_id)
    content: Json = {"application/x-ndjson": {}} if result is None else {"application/json": {"schema": reference(result)}}
    if operation_id in ("query", "invoke_query"):
        content["application/vnd.apache.arrow.stream"] = {}
    responses: Json = {"200": {"description": "Done", "content": content}}
    if operation_id == "get_blob":
        octets: Json = {"application/octet-stream": {}}
        responses = {
            "200": {"description": "The whole value", "content": octets},
            "206": {"description": "A part of the value", "content": octets},
            "302": {"description": "The value is kept elsewhere"},
        }
    if operation_id in _TAGGED:
        responses["304"] = {"description": "The client has it already"}
    for status in sorted(_statuses(route, prefixed)):
        description = _QUERY_400 if (operation_id, status) == ("query", 400) else _FAILURES[status]
        schema = reference("ErrorOutput")
        responses[str(status)] = {"description": description, "content": {"application/json": {"schema": schema}}}
    return responses


def _statuses(route: Route, prefixed: bool) -> set[int]:
    operation_id = route.operation_id
    if route.public:
        return {503} if operation_id == "ready" else set()
    found = {401, 403}
    has_body = operation_id in _BODIES or operation_id == "load_batch"
    if has_body or operation_id in _INVOCATIONS or prefixed or "{" in route.path or operation_id in _PARAMETERS:
        found.add(400)
    if has_body:
        found |= {413, 415, 422}
    if operation_id == "get_blob":
        found |= {412, 416}
    if operation_id in _INVOCATIONS:
        found |= {413, 500}
    if operation_id == "listGraphs":
        found.add(405)
    if operation_id in _CONFLICTS or operation_id in _MORE_CONFLICTS:
        found.add(409)
    if operation_id in _MISSING or operation_id in _NAMED_IN_REQUEST or prefixed:
        found.add(404)
    if operation_id in ("mutate_if_graph_commit", "invoke_query_if_graph_commit"):
        found.add(412)
    if route.gated or operation_id in _BOUNDED_READS:
        found.add(429)
    return found


def text(routes: Iterable[Route]) -> bytes:
    """Return the document of a single-graph server with authentication, as the repository ships it."""
    return pretty(document(routes, "single"))


def main() -> None:
    """Write the document that the repository ships to standard output."""
    import sys

    from omnigraph.server.table import ROUTES

    sys.stdout.buffer.write(text(ROUTES))


if __name__ == "__main__":
    main()
