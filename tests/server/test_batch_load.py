"""``POST /load/ndjson``: the body is the records."""

from __future__ import annotations

import pytest

from omnigraph.server import table
from server.asgi import Browser

LINES = b'{"type":"Person","data":{"name":"Cy"}}\n{"edge":"Knows","from":"Cy","to":"Bo"}\n'
NDJSON = {"content_type": "application/x-ndjson; charset=utf-8"}


def test_one_request_is_one_commit(guarded: Browser) -> None:
    done = guarded.post("/load/ndjson?mode=append", LINES, **NDJSON)
    document = done.json()
    commit = document.pop("commit")
    assert (done.status, commit["actor_id"]) == (200, "act-mara")
    assert document == {
        "branch": "main",
        "branch_created": False,
        "mode": "append",
        "nodes": [{"name": "Person", "entities_loaded": 1}],
        "edges": [{"name": "Knows", "entities_loaded": 1}],
        "total_entities": 2,
        "actor_id": "act-mara",
    }
    again = guarded.post("/load/ndjson?mode=append", LINES, **NDJSON)
    assert (again.status, again.json()["key_conflict"]) == (409, {"table_key": "node:Person", "row_id": "Cy"})
    forked = guarded.post("/load/ndjson?branch=draft&from=main", LINES, **NDJSON).json()
    assert (forked["base_branch"], forked["branch_created"], forked["mode"]) == ("main", True, "merge")


def test_refusals(guarded: Browser) -> None:
    wrong = guarded.post("/load/ndjson", LINES)
    assert (wrong.status, wrong.error) == (415, "graph-batch load requires Content-Type: application/x-ndjson")
    assert guarded.post("/load/ndjson?mode=replace", LINES, **NDJSON).status == 400
    assert guarded.post("/load/ndjson", b'{"type":"Person","data":{"name":"\xff"}}\n', **NDJSON).status == 400
    assert guarded.post("/load/ndjson?branch=ghost", LINES, **NDJSON).status == 404
    header = {"Omnigraph-If-Graph-Commit": "x"}
    assert guarded.post("/load/ndjson", LINES, headers=header, **NDJSON).status == 400


def test_who_may_not_load_is_told_before_the_body_is_read(guarded: Browser) -> None:
    endless = b"x" * (table.LOAD_BYTES_MAX + 1)
    denied = guarded.as_actor("k-stranger").post("/load/ndjson", endless, **NDJSON)
    assert denied.status == 403


@pytest.mark.parametrize("announce", [True, False])
def test_a_body_that_is_too_large(guarded: Browser, announce: bool) -> None:
    large = guarded.post("/load/ndjson", b" " * (table.LOAD_BYTES_MAX + 1), announce=announce, **NDJSON)
    assert (large.status, large.code) == (413, "bad_request")
    fact = large.json()["resource_limit"]
    assert (fact["resource"], fact["limit"], fact["actual"] > fact["limit"]) == ("graph_batch_request_bytes", 33_554_432, True)
