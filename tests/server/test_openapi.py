"""The OpenAPI document: names, shapes, and the copy that the repository ships."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from omnigraph.graph.graph import Graph
from omnigraph.server.openapi import document, text
from omnigraph.server.table import CLUSTER_ROUTES, ROUTES
from server.asgi import Browser

SHIPPED = Path(__file__).resolve().parents[2] / "openapi.json"

OPERATIONS = {
    "/healthz": {"get": ("health", "health")},
    "/readyz": {"get": ("ready", "health")},
    "/graphs": {"get": ("listGraphs", "management")},
    "/whoami": {"get": ("whoami", "management")},
    "/snapshot": {"get": ("getSnapshot", "snapshots")},
    "/query": {"post": ("query", "queries")},
    "/query/explain": {"post": ("explain_query", "queries")},
    "/read": {"post": ("read", "queries")},
    "/export": {"post": ("export", "queries")},
    "/queries": {"get": ("list_queries", "queries")},
    "/queries/{name}": {"post": ("invoke_query", "queries")},
    "/queries/{name}/if-graph-commit": {"post": ("invoke_query_if_graph_commit", "queries")},
    "/mutate": {"post": ("mutate", "mutations")},
    "/mutate/if-graph-commit": {"post": ("mutate_if_graph_commit", "mutations")},
    "/change": {"post": ("change", "mutations")},
    "/load": {"post": ("load", "mutations")},
    "/ingest": {"post": ("ingest", "mutations")},
    "/load/ndjson": {"post": ("load_batch", "mutations")},
    "/blob": {"get": ("get_blob", "snapshots")},
    "/schema": {"get": ("getSchema", "schema")},
    "/schema/apply": {"post": ("applySchema", "mutations")},
    "/branches": {"get": ("listBranches", "branches"), "post": ("createBranch", "branches")},
    "/branches/{branch}": {"delete": ("deleteBranch", "branches")},
    "/branches/merge": {"post": ("mergeBranches", "branches")},
    "/branches/merge/preview": {"post": ("previewMerge", "branches")},
    "/commits": {"get": ("listCommits", "commits")},
    "/commits/graph": {"get": ("getCommitGraph", "commits")},
    "/commits/{commit_id}": {"get": ("getCommit", "commits")},
    "/commits/{commit_id}/changes": {"get": ("getCommitChanges", "changes")},
    "/changes": {"get": ("pollChanges", "changes")},
    "/changes/baseline": {"post": ("baseline", "changes")},
    "/diff": {"get": ("diff", "changes")},
    "/blame": {"get": ("blame", "changes")},
}
_COMPONENT_NAMES = """
BaselineRequest BlameOutput ChangeBlock ChangeCause ChangesOutput CommitChangesOutput DiffOutput EntityChange RowChange RowImage
BranchCreateOutput BranchCreateRequest BranchDeleteOutput BranchListOutput BranchMergeOutcome BranchMergeOutput
BranchMergeRequest ChangeOutput ChangeRequest CommitListOutput CommitOutput ErrorCode ErrorOutput ExportRequest GraphInfo
GraphListResponse HealthOutput IngestOutput IngestRequest IngestTableOutput InvokeStoredQueryRequest
InvokeStoredQueryResponse KeyConflictOutput LoadMode ManifestConflictOutput MergeConflictKindOutput MergeConflictOutput
ParamDescriptor ParamKind QueriesCatalogOutput QueryCatalogEntry QueryRequest ReadOutput ReadRequest ReadTargetOutput
SchemaApplyOutput SchemaApplyRequest SchemaOutput SnapshotOutput SnapshotTableOutput
ExplainOutput ExplainRequest BatchLoadOutput BlobRangeOutput PolicyAnswersOutput WhoamiOutput
BranchHeadOutput CommitGraphOutput MergeChangeOutput MergePreviewOutput MergePreviewRequest MergeSettledOutput MergeSideOutput
"""
COMPONENTS = sorted(_COMPONENT_NAMES.split())


def operations(found: dict[str, Any]) -> dict[str, Any]:
    return {
        path: {method: (operation["operationId"], operation["tags"][0]) for method, operation in members.items()}
        for path, members in found["paths"].items()
    }


def test_names() -> None:
    found = document(ROUTES, "single")
    assert found["openapi"] == "3.1.0"
    assert operations(found) == OPERATIONS
    assert list(found["components"]["schemas"]) == COMPONENTS
    deprecated = {path for path, members in found["paths"].items() if any("deprecated" in one for one in members.values())}
    assert deprecated == {"/read", "/change", "/ingest"}


def test_every_reference_leads_somewhere() -> None:
    found = document(ROUTES, "multi")

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            target = value.get("$ref")
            if target is not None:
                assert target.removeprefix("#/components/schemas/") in found["components"]["schemas"]
            for member in value.values():
                walk(member)
        elif isinstance(value, list):
            for member in value:
                walk(member)

    walk(found)


@pytest.mark.parametrize(
    ("name", "required"),
    [
        ("BranchMergeOutput", "source,target,outcome"),
        ("ChangeRequest", "query"),
        ("CommitOutput", "graph_commit_id,manifest_version,created_at"),
        ("SnapshotTableOutput", "table_key,table_path,table_version,row_count"),
        ("ErrorOutput", "error"),
        ("ExportRequest", None),
    ],
)
def test_required(name: str, required: str | None) -> None:
    schema = document(ROUTES, "single")["components"]["schemas"][name]
    assert schema.get("required") == (None if required is None else required.split(","))
    assert set(schema.get("required", [])) <= set(schema["properties"])


def test_shapes() -> None:
    schemas = document(ROUTES, "single")["components"]["schemas"]
    commit = schemas["CommitOutput"]["properties"]
    assert commit["manifest_branch"] == {"type": ["string", "null"]}
    assert commit["manifest_version"] == {"type": "integer", "minimum": 0, "format": "int64"}
    assert set(schemas["ChangeRequest"]["properties"]) == {"query", "name", "params", "branch"}
    assert "query_source" in schemas["ChangeRequest"]["properties"]["query"]["description"]
    assert schemas["ErrorOutput"]["properties"]["merge_conflicts"]["items"] == {
        "$ref": "#/components/schemas/MergeConflictOutput"
    }
    assert schemas["InvokeStoredQueryResponse"]["oneOf"][0] == {"$ref": "#/components/schemas/ReadOutput"}
    assert schemas["IngestRequest"]["properties"]["from"] == {"type": ["string", "null"]}


def test_responses() -> None:
    paths = document(ROUTES, "single")["paths"]
    for path, members in paths.items():
        for method, operation in members.items():
            statuses = set(operation["responses"])
            assert "200" in statuses
            if path in ("/healthz", "/readyz"):
                assert "security" not in operation
                continue
            assert {"401", "403"} <= statuses
            assert operation["security"] == [{"bearer_token": []}]
            assert "requestBody" not in operation or "400" in statuses
            assert (
                method == "get"
                or path in ("/query", "/read", "/export", "/branches/merge/preview", "/changes/baseline")
                or "429" in statuses
            )
    for path, method, status in (
        ("/branches/{branch}", "delete", "404"),
        ("/commits/{commit_id}", "get", "404"),
        ("/queries/{name}", "post", "404"),
        ("/graphs", "get", "405"),
        ("/branches", "post", "409"),
        ("/branches/merge", "post", "409"),
        ("/mutate", "post", "409"),
        ("/change", "post", "409"),
        ("/queries/{name}", "post", "409"),
        ("/queries/{name}", "post", "500"),
    ):
        assert status in paths[path][method]["responses"], (path, status)
    assert "POST /mutate" in paths["/query"]["post"]["responses"]["400"]["description"]
    assert paths["/export"]["post"]["responses"]["200"]["content"] == {"application/x-ndjson": {}}
    assert paths["/queries/{name}"]["post"]["requestBody"]["required"] is False


def test_many_graphs() -> None:
    found = document(ROUTES, "multi")
    assert "/healthz" in found["paths"]
    assert "/graphs" in found["paths"]
    assert "/snapshot" not in found["paths"]
    operation = found["paths"]["/graphs/{graph_id}/branches/{branch}"]["delete"]
    assert operation["operationId"] == "cluster_deleteBranch"
    assert [parameter["name"] for parameter in operation["parameters"]] == ["graph_id", "branch"]
    ids = [operation["operationId"] for members in found["paths"].values() for operation in members.values()]
    assert len(ids) == len(set(ids))


def test_an_open_server_names_no_security(open_server: Browser) -> None:
    body = open_server.get("/openapi.json").body
    assert b"security" not in body
    assert b"bearer_token" not in body


def test_the_shipped_document_is_the_served_one(guarded: Browser) -> None:
    shipped = SHIPPED.read_bytes()
    command = "python -m omnigraph.server.openapi > openapi.json"
    assert shipped == text(ROUTES), f"the routes or shapes changed; write the document again: {command}"
    if all(route.needs is None or hasattr(Graph, route.needs) for route in ROUTES):
        assert guarded.get("/openapi.json").body == shipped
    assert json.loads(shipped)["info"]["title"] == "Omnigraph API"


def test_every_route_is_on_the_page_of_the_interface() -> None:
    """Whoever adds a route writes a heading for it, and what it does, into docs/user/http-api.md."""
    page = (SHIPPED.parent / "docs" / "user" / "http-api.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"^### ([A-Z]+ /\S*)$", page, re.MULTILINE))
    routes = {f"{route.method} {route.path}" for route in (*ROUTES, *CLUSTER_ROUTES)}
    assert routes - headings == set(), "routes that the page does not tell of"
    assert headings - routes - {"GET /metrics"} == set(), "routes that there are not"
