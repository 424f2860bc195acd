"""What the planner makes of a query: fixture cases, text in, plan out."""

from __future__ import annotations

from pathlib import Path

import pytest

from language.cases import Case, read_cases
from omnigraph.errors import ExecutionError
from omnigraph.language import compile_schema
from omnigraph.query import plan_read
from query.harness import checked

CATALOG = compile_schema("""
node Person {
    key: String @key
    name: String
    email: String? @unique
    city: String? @index
    age: I32?
    tags: [String]?
    photo: Blob?
}
node Company { code: I64 @key  name: String? }
node Shift { day: Date  place: String  note: String?  @key(day, place) }
edge Knows: Person -> Person { since: I32? }
edge WorksAt: Person -> Company @card(0..1)
""")
FIXTURE = str(Path(__file__).parent / "fixtures" / "plans.txt")


@pytest.mark.parametrize("case", read_cases(FIXTURE), ids=lambda case: case.title)
def test_plan(case: Case) -> None:
    query = checked(CATALOG, case.source)
    if case.errors:
        with pytest.raises(ExecutionError) as error:
            plan_read(query, CATALOG)
        assert case.errors == (error.value.message,)
        return
    assert plan_read(query, CATALOG).explain().split("\n") == list(case.output)


def test_a_read_of_one_node_by_its_key_needs_no_operators() -> None:
    for text, expected in (
        ('{ $p: Person { key: "a" } } return { $p, $p.name, $p.photo }', True),
        ('{ $s: Shift { place: "x", day: date("2020-01-01") } } return { $s.note } limit 3', True),
        ('{ $p: Person { key: "a", age: 3 } } return { $p.name }', False),
        ('{ $p: Person { email: "a" } } return { $p.name }', False),
        ('{ $p: Person { key: "a" } } return { count($p) as n }', False),
        ('{ $p: Person { key: "a" } } return { $p.name } limit 0', False),
    ):
        plan = plan_read(checked(CATALOG, f"query q() {{ match {text} }}"), CATALOG)
        assert (plan.point is not None) is expected, text
