"""Queries, snapshots, exports, the schema and the history."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pytest

from server.asgi import Browser
from server.worlds import SCHEMA

PEOPLE = "query people() { match { $p: Person } return { $p.name, $p.age } order { $p.name asc } }"
BY_NAME = "query by_name($name: String) { match { $p: Person { name: $name } } return { $p.name as n } }"
ADD = 'query add() { insert Person { name: "Cy" } }'


def test_query(open_server: Browser) -> None:
    answer = open_server.post("/query", {"query": PEOPLE})
    assert answer.status == 200
    document = answer.json()
    commit = document.pop("graph_commit_id")
    assert document == {
        "query_name": "people",
        "target": {"branch": "main", "snapshot": None},
        "row_count": 2,
        "columns": ["p.name", "p.age"],
        "rows": [{"p.name": "Bo", "p.age": None}, {"p.name": "Ida", "p.age": 30}],
    }
    at_commit = open_server.post("/query", {"query": PEOPLE, "snapshot": commit}).json()
    assert at_commit["target"] == {"branch": None, "snapshot": commit}
    assert at_commit["rows"] == document["rows"]


def test_read_is_the_older_spelling(open_server: Browser) -> None:
    answer = open_server.post("/read", {"query_source": BY_NAME, "params": {"name": "Ida"}, "branch": None})
    assert answer.json() == {
        "query_name": "by_name",
        "target": {"branch": "main", "snapshot": None},
        "row_count": 1,
        "columns": ["n"],
        "rows": [{"n": "Ida"}],
    }
    assert answer.headers["deprecation"] == "true"
    assert answer.headers["link"] == '</query>; rel="successor-version"'
    assert "deprecation" not in open_server.post("/query", {"query": PEOPLE}).headers
    assert open_server.post("/read", {"query": PEOPLE}).status == 422
    assert open_server.post("/query", {"query_source": PEOPLE}).status == 422


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"query": PEOPLE, "branch": "main", "snapshot": "X"}, 400, "request may specify branch or snapshot, not both"),
        ({"query": PEOPLE, "branch": "draft"}, 404, "branch 'draft' not found"),
        ({"query": PEOPLE, "snapshot": "X"}, 404, "commit 'X' not found"),
        ({"query": PEOPLE, "branch": "  "}, 400, "branch name cannot be empty"),
        ({"query": PEOPLE, "name": "other"}, 400, "query 'other' not found"),
        ({"query": PEOPLE + BY_NAME}, 400, "query file contains multiple queries; pass --name"),
        (
            {"query": ADD},
            400,
            "query 'add' contains mutations (insert/update/delete); use POST /mutate for write queries",
        ),
        ({"query": BY_NAME}, 400, "parameter 'name' not provided"),
        ({"query": BY_NAME, "params": {"name": 3}}, 400, "param 'name': expected string, got number"),
        ({"query": BY_NAME, "params": [1]}, 400, "params must be a JSON object"),
        ({"query": "query x("}, 400, "parse error"),
    ],
)
def test_query_faults(open_server: Browser, body: dict[str, object], status: int, message: str) -> None:
    answer = open_server.post("/query", body)
    assert answer.status == status
    assert message in answer.error
    assert answer.code == ("not_found" if status == 404 else "bad_request")


def test_read_does_not_run_a_mutation(open_server: Browser) -> None:
    assert open_server.post("/read", {"query_source": ADD}).status == 400
    assert open_server.post("/query", {"query": PEOPLE}).json()["row_count"] == 2


def test_the_limits_of_integers_survive(open_server: Browser) -> None:
    source = "query q($n: I64) { match { $p: Person } return { $p.name, $n as n } limit 1 }"
    answer = open_server.post("/query", {"query": source, "params": {"n": -(2**63) + 1}})
    if answer.status == 200:
        assert answer.json()["rows"][0]["n"] == -(2**63) + 1


def test_arrow_by_accept(open_server: Browser) -> None:
    arrow = "application/vnd.apache.arrow.stream"
    answer = open_server.post("/query", {"query": PEOPLE}, headers={"Accept": arrow})
    assert answer.headers["content-type"] == arrow
    table = pa.ipc.open_stream(answer.body).read_all()
    assert table.column("p.name").to_pylist() == ["Bo", "Ida"]
    assert table.schema.metadata[b"query_name"] == b"people"


def test_snapshot_schema_and_branches(open_server: Browser) -> None:
    document = open_server.get("/snapshot").json()
    assert document["branch"] == "main"
    assert [(table["table_key"], table["row_count"]) for table in document["tables"]] == [("edge:Knows", 1), ("node:Person", 2)]
    assert open_server.get("/snapshot?branch=%20main%20").json() == document
    assert open_server.get("/snapshot?branch=draft").status == 404
    for path in ("/snapshot?branch=%ff", "/snapshot?other=%ff", "/branches?other=%ff"):  # read by the route or not
        assert open_server.get(path).status == 400
    assert open_server.get("/snapshot?branch=main&branch=main").status == 400
    assert open_server.get("/snapshot?unknown=1").status == 200
    assert open_server.get("/schema").json() == {"schema_source": SCHEMA}
    assert open_server.get("/branches").json() == {"branches": ["main"]}


def test_commits(open_server: Browser) -> None:
    open_server.post("/mutate", {"query": ADD})
    commits = open_server.get("/commits").json()["commits"]
    assert [commit["actor_id"] for commit in commits] == [None, "seed", None]
    assert [commit["manifest_version"] for commit in commits] == sorted(commit["manifest_version"] for commit in commits)
    ids = [commit["graph_commit_id"] for commit in commits]
    assert open_server.get(f"/commits/{ids[1]}").json() == commits[1]
    missing = open_server.get("/commits/01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert (missing.status, missing.code) == (404, "not_found")
    newest = open_server.get("/commits?order=newest&limit=2").json()["commits"]
    assert [commit["graph_commit_id"] for commit in newest] == ids[:0:-1]
    assert [one["graph_commit_id"] for one in open_server.get("/commits?actor=seed").json()["commits"]] == ids[1:2]
    assert [one["graph_commit_id"] for one in open_server.get(f"/commits?after={ids[0]}").json()["commits"]] == ids[1:]
    for query in ("order=up", "limit=-1", "after=nobody"):
        assert open_server.get(f"/commits?{query}").status == 400


def test_export(open_server: Browser) -> None:
    answer = open_server.post("/export", {})
    assert answer.headers["content-type"] == "application/x-ndjson; charset=utf-8"
    assert answer.body.endswith(b"\n")
    records = [json.loads(line) for line in answer.body.splitlines()]
    assert [record.get("edge") or record["data"]["id"] for record in records] == ["Knows", "Bo", "Ida"]
    assert records[1] == {"type": "Person", "data": {"id": "Bo", "name": "Bo", "age": None, "born": None}}
    assert open_server.post("/export", {"type_names": ["Person"]}).body.count(b"\n") == 2
    both = {"type_names": ["Person"], "table_keys": ["edge:Knows"], "branch": None}
    assert open_server.post("/export", both).body == answer.body
    assert open_server.post("/export", {"type_names": ["Ghost"]}).error == "unknown export type 'Ghost'"
    assert open_server.post("/export", {"table_keys": ["node:Ghost"]}).error == "unknown export table 'node:Ghost'"
    assert open_server.post("/export", {"branch": "draft"}).status == 404
    assert open_server.post("/export", b"").status == 415


def test_tags(open_server: Browser) -> None:
    for path in ("/schema", "/snapshot", "/openapi.json"):
        first = open_server.get(path)
        tag = first.headers["etag"]
        same = open_server.get(path, headers={"If-None-Match": tag})
        assert (same.status, same.body, same.headers["etag"]) == (304, b"", tag)
    open_server.post("/mutate", {"query": 'query q() { insert Person { name: "Cy" } }'})
    assert open_server.get("/snapshot", headers={"If-None-Match": open_server.get("/schema").headers["etag"]}).status == 200


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("identity", False), ("gzip; q=0.0, br", False)],
)
def test_an_export_may_be_compressed(open_server: Browser, accepted: str, packed: bool) -> None:
    plain = open_server.post("/export", {}).body
    found = open_server.post("/export", {}, headers={"Accept-Encoding": accepted})
    assert (found.headers.get("content-encoding") == "gzip") == packed
    assert (gzip.decompress(found.body) if packed else found.body) == plain
    assert found.headers["vary"] == "Accept-Encoding"
