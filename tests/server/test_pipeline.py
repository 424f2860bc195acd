"""What happens to a request before its handler: matching, bodies, limits, headers."""

from __future__ import annotations

import pytest

from omnigraph.server.failure import NotServed
from omnigraph.server.route import BODY_BYTES_MAX, LOAD_BYTES_MAX, RouteTable
from omnigraph.server.table import ROUTES
from server.asgi import Browser

PEOPLE = {"query": "query people() { match { $p: Person } return { $p.name } }"}


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/nowhere", 404, None),
        ("GET", "/", 404, None),
        ("GET", "/snapshot/", 404, None),
        ("GET", "//snapshot", 404, None),
        ("GET", "/runs", 404, None),
        ("GET", "/commits/a/b", 404, None),
        ("GET", "/graphs/a/snapshot", 404, None),
        ("DELETE", "/branches/", 404, None),
        ("DELETE", "/branches/merge", 405, "POST"),
        ("POST", "/snapshot", 405, "GET, HEAD"),
        ("OPTIONS", "/query", 405, "POST"),
        ("PUT", "/branches", 405, "GET, HEAD, POST"),
        ("GET", "/graphs", 405, ""),
        ("GET", "/commits/%ff", 400, None),
    ],
)
def test_matching(open_server: Browser, method: str, path: str, status: int, allow: str | None) -> None:
    answer = open_server.send(method, path)
    assert answer.status == status
    assert answer.code == {404: "not_found", 405: "method_not_allowed", 400: "bad_request"}[status]
    assert answer.headers.get("allow") == allow
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_an_encoded_slash_is_data() -> None:
    table = RouteTable(ROUTES, "multi")
    match = table.match("DELETE", b"/graphs/a/branches/review%2Fnew%20hires")
    assert (match.graph_id, match.parameters) == ("a", {"branch": "review/new hires"})
    assert table.match("HEAD", b"/graphs").route.operation_id == "listGraphs"
    for path in (b"/snapshot", b"/graphs/a", b"/graphs/a%2Fsnapshot", b"/graphs/a/healthz"):
        with pytest.raises(NotServed):
            table.match("GET", path)


def test_bodies(open_server: Browser) -> None:
    assert open_server.post("/query", PEOPLE, content_type="application/json; charset=utf-8").status == 200
    assert open_server.post("/query", PEOPLE, content_type="application/vnd.x+json").status == 200
    for content_type in ("text/plain", "application/x-ndjson", None):
        answer = open_server.post("/query", PEOPLE, content_type=content_type)
        assert (answer.status, answer.code) == (415, "bad_request")
    for body in (b"{", b"", b"\xff", b'{"query":"\xff"}', b'{"query":"x","params":' + b"[" * 100_000):
        answer = open_server.post("/query", body, headers={"Content-Type": "application/json"})
        assert (answer.status, answer.code) == (400, "bad_request")
    for wrong in ([], {}, {"query": 1}, {"query": "x", "branch": 1}, None):
        answer = open_server.post("/query", b"null" if wrong is None else wrong)
        assert (answer.status, answer.code) == (422, "bad_request")
    assert open_server.post("/query", {**PEOPLE, "unknown": 1, "name": None}).status == 200


@pytest.mark.parametrize("announce", [True, False])
def test_limits(open_server: Browser, announce: bool) -> None:
    fitting = {"query": PEOPLE["query"] + " " * (BODY_BYTES_MAX - 200)}
    assert open_server.post("/query", fitting, announce=announce).status == 200
    answer = open_server.post("/query", {"query": " " * BODY_BYTES_MAX}, announce=announce)
    assert (answer.status, answer.code) == (413, "bad_request")
    line = '{"type":"Person","data":{"name":"Cy"}}\n'
    assert open_server.post("/load", {"data": line + " " * (2 * BODY_BYTES_MAX)}, announce=announce).status == 200
    assert open_server.post("/load", b" " * (LOAD_BYTES_MAX + 1), announce=announce).status == 413


def test_headers(open_server: Browser, guarded: Browser) -> None:
    answer = open_server.get("/snapshot", headers={"X-Request-Id": "abc-1"})
    assert answer.headers["x-request-id"] == "abc-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "cache-control" not in answer.headers
    strange = open_server.get("/snapshot", headers={"X-Request-Id": "a b\n"})
    assert strange.headers["x-request-id"] != "a b\n"
    assert guarded.get("/snapshot").headers["cache-control"] == "no-store"
    assert "cache-control" not in guarded.get("/healthz").headers


def test_health(open_server: Browser) -> None:
    document = open_server.get("/healthz").json()
    assert document["status"] == "ok"
    assert document["version"] == open_server.get("/openapi.json").json()["info"]["version"]
    assert "source_version" not in document
    assert open_server.get("/readyz").status == 200
    assert open_server.get("/metrics").status == 404
