"""Which rows a mutation's predicate means."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from model.language import ModelGraph, select_rows
from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import And, Compare, Condition, Constant, In, IsNull, Not, Or, PropertyRef
from omnigraph.query import match_rows
from query.memory_view import MemoryView
from query.strategies import CATALOG, VALUES, graphs


@st.composite
def predicates(draw: Any, table: str, depth: int = 2) -> Condition:
    if depth and draw(st.booleans()):
        items = (draw(predicates(table, depth - 1)), draw(predicates(table, depth - 1)))
        return draw(st.sampled_from([And(items), Or(items), Not(items[0])]))
    entity = CATALOG.entity(table)
    assert entity is not None
    text = PropertyType(Scalar.STRING)
    types = {name: declared.type for name, declared in entity.properties.items() if not declared.type.is_list}
    if table.startswith("edge"):
        types |= {"src": text, "dst": text}
    name = draw(st.sampled_from(sorted(types)))
    reference = PropertyRef("", name, types[name])
    value = draw(st.sampled_from(VALUES[types[name].scalar]))
    if draw(st.booleans()):
        return Compare(draw(st.sampled_from(["=", "=", "!=", "<", ">="])), reference, Constant(value, text))
    listed = Constant((value,), PropertyType(types[name].scalar, is_list=True))
    return draw(st.sampled_from([IsNull(reference, False), In(reference, listed, True)]))


@given(st.data(), graphs(), st.sampled_from(["node:Person", "node:Place", "node:Visit", "edge:Knows", "edge:At"]))
def test_predicates_mean_the_rows_of_the_model(data: st.DataObject, graph: ModelGraph, key: str) -> None:
    predicate = data.draw(predicates(key))
    view = MemoryView(CATALOG, graph, 2)
    kind, _, name = key.partition(":")
    table = view.nodes(name) if kind == "node" else view.edges(name)
    rows = dict[str, Any](graph.nodes.get(name, {}))
    if kind == "edge":
        rows = {row_id: {**e.values, "src": e.source, "dst": e.target} for row_id, e in graph.edges[name].items()}
    found = match_rows(predicate, table, {}, now_ms=0)
    assert (found[1:] > found[:-1]).all()
    assert [table.id(at) for at in found.tolist()] == select_rows(predicate, rows, {}, 0)
