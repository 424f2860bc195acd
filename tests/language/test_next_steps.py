"""Errors about which query to run, and with what, say what there is to choose from."""

from __future__ import annotations

import pytest

from omnigraph.errors import BadRequest
from omnigraph.language import check_query, compile_schema, parse_queries, select_query
from omnigraph.language.checker import check_read
from omnigraph.language.parameters import bind_parameters

SCHEMA = "node Person { name: String @key }\n"
QUERIES = """
query one($name: String) { match { $p: Person { name: $name } } return { $p.name } }
query two() { insert Person { name: "x" } }
"""


@pytest.mark.parametrize("name", [None, "three"])
def test_a_query_that_cannot_be_selected(name: str | None) -> None:
    with pytest.raises(BadRequest) as refused:
        select_query(parse_queries(QUERIES), name)
    assert refused.value.hint == "queries there: one, two"


def test_a_parameter_that_is_missing_tells_its_type() -> None:
    checked = check_query(compile_schema(SCHEMA), select_query(parse_queries(QUERIES), "one"))
    with pytest.raises(BadRequest, match=r"^parameter 'name' not provided$") as refused:
        bind_parameters(checked.parameters, {"nme": "Ida"})
    assert refused.value.hint == "it is declared $name: String"


def test_a_mutation_that_is_read() -> None:
    with pytest.raises(BadRequest) as refused:
        check_read(compile_schema(SCHEMA), select_query(parse_queries(QUERIES), "two"))
    assert "omnigraph mutate" in (refused.value.hint or "")
