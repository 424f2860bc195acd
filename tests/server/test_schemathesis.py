"""Requests made from the OpenAPI document, in both modes: no answer may be undocumented, misshapen or a failure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from server.process import Server
from server.worlds import make_graph, with_tokens, write_project

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]
HEADERS = {"Authorization": "Bearer k-mara"}
BOUNDED = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)

schemathesis.serializer.alias("application/x-ndjson", "text/plain")


def served(folder: Path, *, multi: bool) -> Iterator[Any]:
    make_graph(folder / "a.omni")
    if multi:
        make_graph(folder / "b.omni")
    config = write_project(folder, multi=multi, server_policy=multi)
    with Server(("--config", str(config)), folder, with_tokens(OMNIGRAPH_LOG="warn", OMNIGRAPH_FSYNC="0")) as server:
        schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
        yield schema
        assert "ERROR" not in server.logged()


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from served(tmp_path_factory.mktemp("single"), multi=False)


@pytest.fixture(scope="module")
def multi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from served(tmp_path_factory.mktemp("multi"), multi=True)


def exercise(schema: Any, *, graph_id: str | None = None) -> int:
    """Send examples of every operation; return how many operations there were."""
    count = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @BOUNDED
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            if graph_id is not None and "graph_id" in case.path_parameters:
                case.path_parameters["graph_id"] = graph_id
            case.call_and_validate(headers=HEADERS, checks=CHECKS)

        check()
        count += 1
    return count


def test_single(single: Any) -> None:
    assert exercise(single) >= 22


def test_multi(multi: Any) -> None:
    assert exercise(multi, graph_id="alpha") >= 22


def test_multi_with_any_graph_id(multi: Any) -> None:
    exercise(multi)
