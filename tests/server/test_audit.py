"""The audit log: every decision and every write, as JSON lines behind what the file holds."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from omnigraph.server import logs
from server.asgi import Browser


def test_decisions_and_writes_are_kept(guarded: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text('{"message":"earlier"}\n')
    monkeypatch.setattr(logs, "_log", logs.Log(io.StringIO(), level=40))
    with path.open("a") as stream:
        monkeypatch.setattr(logs, "_audit", logs.Log(stream, as_json=True))
        wrote = guarded.post("/mutate", {"query": 'query q() { insert Person { name: "secret-name" } }'}).json()
        guarded.as_actor("k-nightly").post("/branches", {"name": "x"})
        guarded.post("/branches", {"name": "y"})
    earlier, *records = map(json.loads, path.read_text().splitlines())
    assert earlier == {"message": "earlier"}
    for record in records:
        record.pop("time")
    requests = [record.pop("request_id") for record in records]
    assert requests[0] == requests[1] != requests[2] != requests[3] == requests[4]
    decision = {"level": "INFO", "message": "policy decision", "actor_id": "act-mara", "action": "change", "branch": "main"}
    assert records[0] == decision | {"target_branch": None, "allowed": "true", "matched_rule_id": "curators-write"}
    write = {"level": "INFO", "message": "write", "graph": "alpha", "actor_id": "act-mara", "operation": "mutate"}
    assert records[1] == write | {"branch": "main", "commit": wrote["commit"]["graph_commit_id"]}
    assert [(one["message"], one.get("allowed")) for one in records[2:]] == [
        ("policy decision", "false"),
        ("policy decision", "true"),
        ("write", None),
    ]
    assert "secret-name" not in path.read_text()
