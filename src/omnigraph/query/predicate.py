"""Which rows a mutation's ``where`` means."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from omnigraph.language.catalog import EdgeType
from omnigraph.language.checked import Condition, EntityKind, Expression, Value
from omnigraph.query.condition import holds
from omnigraph.query.context import Context, Scope
from omnigraph.query.expression import evaluate
from omnigraph.query.frame import Frame
from omnigraph.query.limits import DEFAULT_LIMITS, Guard
from omnigraph.query.operators.source import FindIndexed
from omnigraph.query.planning.access import Access, equality, find_access
from omnigraph.query.planning.bounds import can_fail
from omnigraph.query.planning.pattern import conjuncts
from omnigraph.query.settings import DEFAULT_SETTINGS
from omnigraph.storage.view import Ordinals, TableView

_ROW = ""
_ENDS = ("src", "dst")


def row_values(
    expression: Expression, table: TableView, ordinals: Ordinals, parameters: Mapping[str, Value], *, now_ms: int
) -> list[Value]:
    """Return the value of an assignment's right side for each of some rows: arithmetic over the row's own properties.

    Raises:
        ExecutionError: ``arithmetic overflow``.
    """
    context = _context(table, parameters, now_ms)
    vector = evaluate(expression, Frame(len(ordinals), {_ROW: ordinals}), context)
    values: list[Value] = vector.arrow().to_pylist()
    return values


def single_value(expression: Expression, parameters: Mapping[str, Value], *, now_ms: int) -> Value:
    """Return the value of an expression that reads no row: arithmetic over literals and parameters.

    Raises:
        ExecutionError: ``arithmetic overflow``.
    """
    context = Context(None, parameters, now_ms, Guard(DEFAULT_LIMITS, None), DEFAULT_SETTINGS, Scope({}), None)
    value: Value = evaluate(expression, Frame.unit(), context).arrow().to_pylist()[0]
    return value


def match_rows(predicate: Condition, table: TableView, parameters: Mapping[str, Value], *, now_ms: int) -> Ordinals:
    """Return the live rows of a table that a predicate means, ascending.

    Property references of the predicate have the empty variable; on edges ``src`` and ``dst`` are properties too. A key, an
    endpoint, or a property with ``@unique`` or ``@index`` is looked up; otherwise the table is scanned.

    Raises:
        ExecutionError: ``arithmetic overflow``.
    """
    context = _context(table, parameters, now_ms)
    conditions = conjuncts(predicate)
    access = _access(table, conditions)
    frame = access.step.run(Frame.unit(), context)
    assert isinstance(frame, Frame), "sources give one frame"
    rest = [condition for condition in conditions if condition not in access.used]
    for condition in sorted(rest, key=can_fail):
        if frame.rows == 0:
            break
        if can_fail(condition):
            frame = frame.settled()
        frame = frame.filtered(holds(condition, frame, context))
    return frame.columns[_ROW] if frame.rows else np.zeros(0, np.int32)


def _context(table: TableView, parameters: Mapping[str, Value], now_ms: int) -> Context:
    """Return a context in which the empty variable is a row of one table."""
    kind: EntityKind = "edge" if isinstance(table.entity, EdgeType) else "node"
    scope = Scope({_ROW: (kind, table.entity.name)})
    context = Context(None, parameters, now_ms, Guard(DEFAULT_LIMITS, None), DEFAULT_SETTINGS, scope, None)
    context.bind(_ROW, table)
    return context


def _access(table: TableView, conditions: list[Condition]) -> Access:
    """Return how to find the rows: edges have no key, but are always found by an end."""
    entity = table.entity
    if isinstance(entity, EdgeType):
        for condition in conditions:
            sides = equality(condition)
            if sides is not None and sides[0].property_name in _ENDS:
                step = FindIndexed(_ROW, sides[0].property_name, sides[1], entity.name, "endpoint")
                return Access(step, 10.0, (condition,))
    return find_access(_ROW, entity, conditions)
