"""The engine answers as the model does, on random graphs and random reads, by both ways to walk."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from model.language import ModelGraph, evaluate_read
from omnigraph.errors import ExecutionError
from omnigraph.language.checked import ReadQuery
from omnigraph.query import execute, plan_read
from omnigraph.storage.image import Mode
from query.harness import NOW_MS, compare
from query.memory_view import MemoryView
from query.stored_view import stored_view
from query.strategies import CATALOG, graphs, reads

_QUICK = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking a read and a graph takes minutes


@settings(max_examples=150, phases=_QUICK)
@given(reads(extended=False), graphs(), st.sampled_from([0, 2]))
def test_reads_agree_with_the_model(read: tuple[ReadQuery, dict[str, Any]], graph: ModelGraph, gap: int) -> None:
    check(*read, graph, gap)


@settings(max_examples=150, phases=_QUICK)
@given(reads(extended=True), graphs(), st.sampled_from([0, 2]))
def test_extended_reads_agree_with_the_model(read: tuple[ReadQuery, dict[str, Any]], graph: ModelGraph, gap: int) -> None:
    check(*read, graph, gap)


@pytest.mark.slow
@settings(max_examples=3000, phases=_QUICK)
@given(reads(extended=True), graphs(), st.sampled_from([0, 2]))
def test_soak(read: tuple[ReadQuery, dict[str, Any]], graph: ModelGraph, gap: int) -> None:
    check(*read, graph, gap)


def check(query: ReadQuery, values: dict[str, Any], graph: ModelGraph, gap: int) -> None:
    view = MemoryView(CATALOG, graph, gap)
    try:
        expected = evaluate_read(query, CATALOG, graph, values, NOW_MS)
    except ExecutionError as error:
        if query.limit is None or query.order:
            with pytest.raises(ExecutionError, match=str(error)):
                execute(plan_read(query, CATALOG), view, values, now_ms=NOW_MS).rows()
        return
    assert expected is not None
    compare(query, CATALOG, graph, view, values)


@settings(max_examples=100, phases=_QUICK)
@given(reads(extended=True), graphs(), st.sampled_from(["csr", "indexed", None]))
def test_stored_views_with_a_tail_answer_the_same(
    read: tuple[ReadQuery, dict[str, Any]], graph: ModelGraph, mode: Mode
) -> None:
    query, values = read
    try:
        evaluate_read(query, CATALOG, graph, values, NOW_MS)
    except ExecutionError:
        return
    compare(query, CATALOG, graph, stored_view(CATALOG, graph, mode), values)
