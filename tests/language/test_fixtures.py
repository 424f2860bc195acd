"""Every fixture file, case by case: input, then the lines or the error that it must give."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from language.cases import FIXTURES, Case, read_cases
from language.describe import describe_catalog, describe_query
from omnigraph import language
from omnigraph.errors import OmnigraphError
from omnigraph.language.checker import check_query
from omnigraph.language.pattern import PatternError, check_pattern
from omnigraph.language.query_printer import print_queries

GRAPH = language.compile_schema((FIXTURES / "graph.pg").read_text())


def run_schema(source: str) -> Iterator[str]:
    return describe_catalog(language.compile_schema(source))


def run_syntax(source: str) -> Iterator[str]:
    yield "ok"
    yield from print_queries(language.parse_queries(source)).split("\n")


def run_query(source: str) -> Iterator[str]:
    for declaration in language.parse_queries(source).queries:
        yield from describe_query(check_query(GRAPH, declaration))


def run_parameters(source: str) -> Iterator[str]:
    declarations, _, given = source.partition("\n")
    query = language.select_query(
        language.parse_queries(f"query q({declarations}) {{ match {{ $p: Person }} return {{ $p }} }}")
    )
    values = language.bind_parameters(check_query(GRAPH, query).parameters, json.loads(given))
    for name, value in values.items():
        yield f"{name} = {value!r}"


def run_lint(source: str) -> Iterator[str]:
    yield from language.lint_queries(source, GRAPH).as_text().split("\n")


def run_migration(source: str) -> Iterator[str]:
    accepted, desired = (language.compile_schema(each) for each in source.split("~~~"))
    yield from language.plan_migration(accepted, desired).as_text("net.omni").split("\n")


def run_pattern(source: str) -> Iterator[str]:
    check_pattern(source.removesuffix("\n").removesuffix("\n"))
    yield "ok"


ELSEWHERE = {"formatting.txt"}
"""Fixtures of tests of their own."""

RUNNERS: dict[str, Callable[[str], Iterator[str]]] = {
    "schema.txt": run_schema,
    "schema_errors.txt": run_schema,
    "query.txt": run_syntax,
    "query_errors.txt": run_syntax,
    "reads.txt": run_query,
    "read_errors.txt": run_query,
    "mutations.txt": run_query,
    "extensions.txt": run_query,
    "extension_errors.txt": run_query,
    "extension_syntax.txt": run_syntax,
    "parameters.txt": run_parameters,
    "lint.txt": run_lint,
    "migration.txt": run_migration,
    "patterns.txt": run_pattern,
}


def test_every_fixture_file_is_run() -> None:
    assert {path.name for path in FIXTURES.glob("*.txt")} == set(RUNNERS) | ELSEWHERE


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{file}:{case.title}") for file in RUNNERS for case in read_cases(file)]
)
def test_case(case: Case) -> None:
    run = RUNNERS[case.file]
    if case.errors:
        with pytest.raises((OmnigraphError, PatternError)) as caught:
            list(run(case.source))
        for text in case.errors:
            assert text in str(caught.value)
        return
    lines = list(run(case.source))
    for expected in case.output:
        assert expected in lines, "\n".join(lines)
