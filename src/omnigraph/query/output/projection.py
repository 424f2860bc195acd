"""The columns of a result, fetched for the rows that are left at the very end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from omnigraph.language.catalog import Scalar
from omnigraph.language.checked import EntityRef, Expression, Projection, PropertyRef, Value, WholeRef
from omnigraph.query.context import Context
from omnigraph.query.expression import evaluate, whole_entity
from omnigraph.query.frame import Frame
from omnigraph.query.vectors import STRING, Deferred, Listed, ResultVector


def project(projections: Sequence[Projection], frame: Frame, context: Context) -> list[ResultVector]:
    """Return one vector per projection.

    For a few rows, values are read one by one: that is cheaper than making Arrow arrays. For a single row all properties of a
    node are read together, in one storage access when nothing is in memory.
    """
    if frame.rows > context.settings.few_rows:
        return [_many(projection.expression, frame, context) for projection in projections]
    fetched = _fetched(projections, frame, context) if frame.rows == 1 else {}
    vectors: list[ResultVector] = []
    for projection in projections:
        expression = projection.expression
        if type(expression) is PropertyRef and expression.type.scalar is not Scalar.BLOB:
            values = fetched.get((expression.variable, expression.property_name))
            if values is None:
                values = _cells(expression, frame, context)
            if values is not None:
                vectors.append(Listed(values, expression.type))
                continue
        elif type(expression) is EntityRef:
            table = context.table(expression.variable)
            if table.is_warm():
                ordinals = frame.columns[expression.variable].tolist()
                vectors.append(Listed([None if at < 0 else table.id(at) for at in ordinals], STRING))
                continue
        vectors.append(evaluate(expression, frame, context))
    return vectors


def no_rows(projections: Sequence[Projection], context: Context) -> list[ResultVector]:
    """Return vectors without rows, of the types that rows would have."""
    vectors: list[ResultVector] = []
    for projection in projections:
        expression = projection.expression
        if isinstance(expression, WholeRef):
            vectors.append(whole_entity(expression, np.zeros(0, np.int32), context))
        else:
            vectors.append(Listed([], projection.type or STRING))
    return vectors


def _many(expression: Expression, frame: Frame, context: Context) -> ResultVector:
    if type(expression) is PropertyRef:
        warm = context.table(expression.variable).is_warm(expression.property_name)
    else:
        warm = type(expression) is EntityRef and context.table(expression.variable).is_warm()
    if warm and context.profile is None:
        return Deferred(lambda: evaluate(expression, frame, context), frame.rows)
    return evaluate(expression, frame, context)


def _cells(expression: PropertyRef, frame: Frame, context: Context) -> list[Value] | None:
    """Return the values of a column that is in memory."""
    table = context.table(expression.variable)
    if not table.is_warm(expression.property_name):
        return None
    value = table.column(expression.property_name).value
    return [None if at < 0 else value(at) for at in frame.columns[expression.variable].tolist()]


def _fetched(projections: Sequence[Projection], frame: Frame, context: Context) -> dict[tuple[str, str], list[Value]]:
    wanted: dict[str, list[str]] = {}
    for projection in projections:
        expression = projection.expression
        if type(expression) is PropertyRef and expression.type.scalar is not Scalar.BLOB:
            wanted.setdefault(expression.variable, []).append(expression.property_name)
    found: dict[tuple[str, str], list[Value]] = {}
    for variable, names in wanted.items():
        ordinal = int(frame.columns[variable][0])
        values: Sequence[Value] = [None] * len(names) if ordinal < 0 else context.table(variable).values(ordinal, names)
        found.update({(variable, name): [value] for name, value in zip(names, values, strict=True)})
    return found
