"""Running one query text on the engine and on the model, and comparing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.language import ModelGraph, ModelResult, evaluate_read
from omnigraph.language import bind_parameters, check_read, parse_queries
from omnigraph.language.catalog import Catalog
from omnigraph.language.checked import ReadQuery
from omnigraph.query import Result, Settings, execute, plan_read
from omnigraph.storage.view import GraphView

TINY = Settings(few_rows=0, measured_rows=0, piece_rows=2, bitmap_bytes=8, indexed_frontier_max=1)
"""Takes the ways of large graphs on small ones: whole columns, bitmaps, pieces of two rows."""
NOW_MS = 1_700_000_000_123


def checked(catalog: Catalog, text: str) -> ReadQuery:
    return check_read(catalog, parse_queries(text).queries[0])


def run(catalog: Catalog, view: GraphView, text: str, parameters: Mapping[str, Any] | None = None, **options: Any) -> Result:
    query = checked(catalog, text)
    values = bind_parameters(query.parameters, parameters or {})
    return execute(plan_read(query, catalog), view, values, now_ms=NOW_MS, **options)


def rows_of(result: Result) -> list[tuple[Any, ...]]:
    return list(zip(*result.value_columns(), strict=True)) if len(result) else []


def compare(query: ReadQuery, catalog: Catalog, graph: ModelGraph, view: GraphView, values: Mapping[str, Any]) -> ModelResult:
    """Run a checked read on the engine, by both ways to walk, and on the model; the answers must be the same."""
    expected = evaluate_read(query, catalog, graph, values, NOW_MS)
    plan = plan_read(query, catalog)
    for settings in (Settings(traversal_mode="indexed"), Settings(traversal_mode="csr"), TINY):
        result = execute(plan, view, values, now_ms=NOW_MS, settings=settings)
        assert result.columns == expected.columns
        try:
            same_rows(rows_of(result), expected)
        except AssertionError as error:
            error.add_note(f"{plan.explain()}\n{settings}\n{values}\n{graph}")
            raise
        table = result.to_arrow()
        assert table.num_rows == len(result)
        table.validate()
    return expected


def same_rows(rows: list[tuple[Any, ...]], expected: ModelResult) -> None:
    rows = [tuple(map(rounded, row)) for row in rows]
    wanted = [tuple(map(rounded, row)) for row in expected.rows]
    if expected.ordered:
        assert rows == wanted
    elif expected.cut:
        assert len(rows) == len(wanted)
    else:
        assert sorted(rows, key=repr) == sorted(wanted, key=repr)


def rounded(value: Any) -> Any:
    """Forgive the last digits of sums, whose order of addition is free."""
    if isinstance(value, float):
        return float(f"{value:.12g}") + 0.0
    return value
