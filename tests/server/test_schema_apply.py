"""Changes of the schema at the door: what is asked before the engine, and what it is given."""

from __future__ import annotations

from typing import Any

import pytest

from omnigraph.graph.graph import Graph
from omnigraph.policy.gate import PolicyGate
from omnigraph.server.options import Options
from omnigraph.wire.schema_apply import SchemaApplyOutput
from server.asgi import Browser
from server.conftest import Start
from server.worlds import SCHEMA, with_tokens, write_project

NARROW = "node Person {\n  name: String @key\n}\nedge Knows: Person -> Person\n"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool, str | None]]:
    """What the engine was asked to apply."""
    calls: list[tuple[str, bool, str | None]] = []

    def apply_schema(self: Any, source: str, *, allow_data_loss: bool = False, actor: str | None = None) -> SchemaApplyOutput:
        calls.append((source, allow_data_loss, actor))
        return SchemaApplyOutput(self.uri, True, True, 0, 3, [])

    monkeypatch.setattr(Graph, "apply_schema", apply_schema, raising=False)
    return calls


@pytest.fixture
def browser(asked: Any, start: Start, graph: Any, tmp_path: Any) -> Browser:
    return start(Options(config=str(write_project(tmp_path))), with_tokens(), "k-mara")


def test_apply(browser: Browser, asked: list[tuple[str, bool, str | None]]) -> None:
    answer = browser.post("/schema/apply", {"schema_source": SCHEMA, "allow_data_loss": True})
    assert answer.json()["applied"] is True
    assert browser.post("/schema/apply", {"schema_source": SCHEMA}).status == 200
    assert asked == [(SCHEMA, True, "act-mara"), (SCHEMA, False, "act-mara")]
    denied = browser.as_actor("k-nightly").post("/schema/apply", {"schema_source": SCHEMA})
    assert denied.error == "policy denied action 'schema_apply' targeting branch 'main' for actor 'act-nightly'"
    assert len(asked) == 2


def test_stored_queries_must_fit_the_new_schema(browser: Browser, asked: list[Any]) -> None:
    answer = browser.post("/schema/apply", {"schema_source": NARROW})
    assert answer.status == 400
    lines = answer.error.split("\n")
    assert lines[0] == "graph 'default': 1 stored query failed the schema check:"
    assert lines[1].startswith("  query 'people': type error: ")
    assert browser.post("/schema/apply", {"schema_source": "node {"}).status == 400
    assert asked == []
    assert browser.post("/queries/people").status == 200


def test_the_engine_is_given_the_gate(monkeypatch: pytest.MonkeyPatch, start: Start, graph: Any, tmp_path: Any) -> None:
    monkeypatch.setattr(Graph, "gate", None, raising=False)
    browser = start(Options(config=str(write_project(tmp_path))), with_tokens(), "k-mara")
    served = browser.application.service.only_graph
    gate = served.graph.gate  # type: ignore[attr-defined]
    assert isinstance(gate, PolicyGate)
    assert gate.engine is served.access.engine
