"""Expressions over the rows of a frame, evaluated a column at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from omnigraph.errors import ExecutionError
from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import (
    Aggregate,
    AliasRef,
    Arithmetic,
    Bm25,
    Constant,
    EntityRef,
    Expression,
    Nearest,
    Now,
    ParameterRef,
    PropertyRef,
    Rrf,
    TextMatch,
    WholeRef,
)
from omnigraph.query import search
from omnigraph.query.context import Context
from omnigraph.query.exact import arithmetic
from omnigraph.query.frame import Frame, Positions
from omnigraph.query.vectors import (
    DATETIME,
    STRING,
    Arrayed,
    Fixed,
    Objects,
    Repeated,
    Vector,
    fixed_from,
    from_array,
    is_fixed_width,
)
from omnigraph.storage.view import Mask, Ordinals, TableView


class Groups(Frame):
    """The groups of an aggregating read: one representative row each, and the aggregates that were computed."""

    __slots__ = ("aggregates",)

    def __init__(self, rows: int, representatives: Frame, aggregates: dict[Aggregate, Vector]) -> None:
        super().__init__(rows, representatives.columns)
        self.aggregates = aggregates

    def taken(self, positions: Positions, carry: tuple[str, ...] | None = None) -> Groups:
        aggregates = {aggregate: vector.taken(positions) for aggregate, vector in self.aggregates.items()}
        return Groups(len(positions), super().taken(positions, carry), aggregates)


def evaluate(expression: Expression, frame: Frame, context: Context) -> Vector:
    """Return the value of an expression in every row of a frame (in every slot while the frame scans).

    Raises:
        ExecutionError: ``arithmetic overflow``, or a search function that cannot be a value.
    """
    return _EVALUATORS[type(expression)](expression, frame, context)


def column_values(table: TableView, name: str, type_: PropertyType, ordinals: Ordinals | None, *, unbound: bool) -> Vector:
    """Return a property of the given rows, by the cheaper of its whole column and a lookup of the rows.

    ``unbound`` says that -1 may stand among the ordinals.
    """
    column = table.column(name)
    if not is_fixed_width(type_):
        return Arrayed(column.take(_every(table) if ordinals is None else ordinals), type_)
    if ordinals is not None and len(ordinals) * 8 < table.slots and not table.is_warm(name):
        return from_array(column.take(ordinals), type_)
    values, valid = column.numbers()
    if ordinals is None:
        return Fixed(values, valid, type_)
    if len(values) == 0:
        return Fixed(np.zeros(len(ordinals), values.dtype), np.zeros(len(ordinals), np.bool_), type_)
    gathered = None if valid is None else valid.take(ordinals)
    if unbound:
        bound = ordinals >= 0
        gathered = bound if gathered is None else gathered & bound
    return Fixed(values.take(ordinals), gathered, type_)


def _every(table: TableView) -> Ordinals:
    """Return one ordinal per slot, -1 for slots that hold no live row: only ordinals that the table gave are asked for."""
    live = table.all()
    if len(live) == table.slots:
        return live
    every = np.full(table.slots, -1, np.int32)
    every[live] = live
    return every


def _property(expression: PropertyRef, frame: Frame, context: Context) -> Vector:
    variable = expression.variable
    return column_values(
        context.table(variable),
        expression.property_name,
        expression.type,
        frame.select(variable),
        unbound=variable in context.scope.optional,
    )


def _entity(expression: EntityRef, frame: Frame, context: Context) -> Vector:
    table = context.table(expression.variable)
    ordinals = frame.select(expression.variable)
    return Arrayed(table.ids(_every(table) if ordinals is None else ordinals), STRING)


def _whole(expression: WholeRef, frame: Frame, context: Context) -> Vector:
    return whole_entity(expression, frame.columns[expression.variable], context)


def whole_entity(expression: WholeRef, ordinals: Ordinals, context: Context) -> Objects:
    """Return whole entities: ``id``, on edges ``from`` and ``to``, then all properties in declaration order."""
    table = context.table(expression.variable)
    optional = expression.variable in context.scope.optional
    members: list[tuple[str, Vector]] = [("id", Arrayed(table.ids(ordinals), STRING))]
    if expression.kind == "edge":
        for shown, stored in (("from", "src"), ("to", "dst")):
            members.append((shown, Arrayed(table.column(stored).take(ordinals), STRING)))
    for property_ in table.entity.properties.values():
        if property_.type.scalar is Scalar.BLOB:
            members.append((property_.name, Repeated(None, len(ordinals), property_.type)))
        else:
            vector = column_values(table, property_.name, property_.type, ordinals, unbound=optional)
            members.append((property_.name, vector))
    return Objects(members, len(ordinals), ordinals >= 0 if optional else None)


def _constant(expression: Constant | ParameterRef, frame: Frame, context: Context) -> Vector:
    return Repeated(context.value(expression), frame.width, expression.type)


def _now(expression: Now, frame: Frame, context: Context) -> Vector:
    return Repeated(context.now_ms, frame.width, DATETIME)


def _arithmetic(expression: Arithmetic, frame: Frame, context: Context) -> Vector:
    left = evaluate(expression.left, frame, context)
    right = evaluate(expression.right, frame, context)
    rows = frame.width
    constant = isinstance(left, Repeated) and isinstance(right, Repeated)
    a, b = _operand(left), _operand(right)
    if a is None or b is None:
        return Repeated(None, rows, expression.type)
    valid = _both(a.valid, b.valid)
    values, valid = arithmetic(expression.operator, a.values, b.values, valid)
    if constant:
        value: Any = None if rows == 0 or (valid is not None and not valid[0]) else values[0].item()  # Any: a number
        return Repeated(value, rows, expression.type)
    return Fixed(values, valid, expression.type)


def _operand(vector: Vector) -> Fixed | None:
    """Return numbers that broadcast over the rows; None for a constant null."""
    if isinstance(vector, Repeated):
        return None if vector.value is None else fixed_from([vector.value], vector.type)
    assert isinstance(vector, Fixed), "the checker lets only numbers into arithmetic"
    return vector


def _both(left: Mask | None, right: Mask | None) -> Mask | None:
    if left is None or right is None:
        return left if right is None else right
    return left & right


def _aggregate(expression: Aggregate, frame: Frame, context: Context) -> Vector:
    assert isinstance(frame, Groups), "aggregates exist only over groups"
    return frame.aggregates[expression]


def _alias(expression: AliasRef, frame: Frame, context: Context) -> Vector:
    raise ExecutionError(
        f"unsupported projection expression: {expression.name}", hint="a bare word names a column; use it in order"
    )


_EVALUATORS: dict[type, Callable[[Any, Frame, Context], Vector]] = {  # Any: the key is the type of the argument
    PropertyRef: _property,
    EntityRef: _entity,
    WholeRef: _whole,
    Constant: _constant,
    ParameterRef: _constant,
    Now: _now,
    Arithmetic: _arithmetic,
    Aggregate: _aggregate,
    AliasRef: _alias,
    TextMatch: search.score,
    Nearest: search.score,
    Bm25: search.score,
    Rrf: search.score,
}
