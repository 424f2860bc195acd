from __future__ import annotations

import json

import msgspec
import pytest

from omnigraph.errors import (
    Conflict,
    KeyConflict,
    NotFound,
    OmnigraphError,
    PreconditionFailed,
    ResourceLimitExceeded,
    WriteConflict,
)
from omnigraph.wire.commit import CommitInfo
from omnigraph.wire.encoding import compact, pretty
from omnigraph.wire.error import ErrorOutput
from omnigraph.wire.write import IngestOutput, LoadOutput

COMMIT = CommitInfo("C", None, 2, "B", None, None, 1)


def test_pretty_matches_the_convention() -> None:
    value = {"a": [], "b": {}, "c": [1, 2.5, "é", None, True], "d": [[], {"e": 9007199254740993}]}
    assert pretty(value).decode() == json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    assert compact(value).decode() == json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def test_counts_of_a_load() -> None:
    result = IngestOutput.of_counts(
        [("node:B", 2), ("edge:E", 4), ("node:A", 1)], uri="u", branch="main", mode="merge", commit=COMMIT
    )
    assert [table.table_key for table in result.tables] == ["edge:E", "node:A", "node:B"]
    document = json.loads(compact(LoadOutput.of(result, uri="typed")))
    assert "base_branch" not in document
    assert document["uri"] == "typed"
    assert document["nodes"] == [{"name": "A", "entities_loaded": 1}, {"name": "B", "entities_loaded": 2}]
    assert [document[key] for key in ("nodes_loaded", "edges_loaded", "node_types_loaded", "edge_types_loaded")] == [3, 4, 2, 1]
    assert document["total_entities"] == 7
    assert document["commit"]["graph_commit_id"] == "C"


def test_an_answer_of_an_older_server_is_understood() -> None:
    text = (
        b'{"uri":"u","branch":"m","base_branch":null,"branch_created":false,"mode":"merge","tables":[],"actor_id":null,"new":1}'
    )
    assert msgspec.json.decode(text, type=IngestOutput).commit is None


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (NotFound("x"), {"code": "not_found"}),
        (Conflict("x", hint="h"), {"code": "conflict", "hint": "h"}),
        (KeyConflict("node:P", "a"), {"key_conflict": {"table_key": "node:P", "row_id": "a"}}),
        (WriteConflict("node:P", 1, 2), {"manifest_conflict": {"table_key": "node:P", "expected": 1, "actual": 2}}),
        (PreconditionFailed("a", None), {"precondition_failure": {"expected": "a"}}),
        (PreconditionFailed("a", "b"), {"precondition_failure": {"expected": "a", "actual": "b"}}),
        (ResourceLimitExceeded("rows", 2, 1.5), {"resource_limit": {"resource": "rows", "limit": 1.5, "actual": 2}}),
    ],
)
def test_errors_carry_their_facts(error: OmnigraphError, facts: dict[str, object]) -> None:
    document = json.loads(compact(ErrorOutput.of(error)))
    assert list(document)[:2] == ["error", "code"]
    assert document["error"] == error.message
    assert facts.items() <= document.items()
