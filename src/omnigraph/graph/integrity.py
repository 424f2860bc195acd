"""Integrity: uniqueness, endpoints and cardinality, judged on the final image of a write.

For writes of a few rows, which look each of them up. Bulk writes judge columns instead (`graph.bulk`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from omnigraph.errors import ConstraintViolation
from omnigraph.language.catalog import EdgeType, NodeType
from omnigraph.language.checked import Value
from omnigraph.language.identity import key_text
from omnigraph.storage.view import GraphView, TableView


def check_unique(
    view: GraphView, entity: NodeType | EdgeType, row_ids: Sequence[str], assigned: Iterable[str] | None = None
) -> None:
    """Refuse rows whose ``@unique`` tuple another row of the final image holds. A tuple with a null is exempt.

    ``assigned`` restricts the look to constraints that name one of these properties. About 2 µs a row and constraint.
    """
    if not entity.unique:
        return
    table = table_of(view, entity)
    touched = None if assigned is None else set(assigned)
    for columns in entity.unique:
        if touched is not None and touched.isdisjoint(columns):
            continue
        for row_id in row_ids:
            ordinal = table.ordinal(row_id)
            values = table.values(ordinal, columns)
            if any(value is None for value in values):
                continue
            other = _other_holder(table, columns, values, ordinal)
            if other is not None:
                raise unique_violation(entity, columns, values, table.id(other), row_id)


def _other_holder(table: TableView, columns: Sequence[str], values: Sequence[Value], ordinal: int) -> int | None:
    for candidate in table.find(columns[0], values[0]).tolist():
        if candidate != ordinal and (len(columns) == 1 or table.values(candidate, columns) == tuple(values)):
            found: int = candidate
            return found
    return None


def unique_violation(
    entity: NodeType | EdgeType, columns: Sequence[str], values: Sequence[Value], first: str, second: str
) -> ConstraintViolation:
    """Return the error of two rows of the final image that share a tuple."""
    return ConstraintViolation(
        f"@unique violation on {entity.name}.{bare_or_tuple(columns)}: value "
        f"'{bare_or_tuple(texts(entity, columns, values))}' held by '{first}' and '{second}'",
        hint="change one of the two rows, or write both in one request so that the value moves",
    )


def texts(entity: NodeType | EdgeType, columns: Sequence[str], values: Sequence[Any]) -> list[str]:
    """Return values as error messages show them: in their canonical key text."""
    shown = []
    for column, value in zip(columns, values, strict=True):
        property_ = entity.properties.get(column)
        shown.append(str(value) if property_ is None else key_text(value, property_.type.scalar))
    return shown


def bare_or_tuple(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"({', '.join(items)})"


def check_endpoints(view: GraphView, edge: EdgeType, sources: Sequence[str], targets: Sequence[str]) -> None:
    """Refuse edges one of whose ends is not there in the final image."""
    for end, type_name, ids in (("src", edge.source, sources), ("dst", edge.target, targets)):
        nodes = view.nodes(type_name)
        for row_id in ids:
            if nodes.ordinal(row_id) < 0:
                raise endpoint_missing(end, row_id, type_name)


def endpoint_missing(end: str, row_id: str, type_name: str) -> ConstraintViolation:
    return ConstraintViolation(
        f"{end} '{row_id}' not found in {type_name}", hint=f"insert the {type_name} first, or in the same request"
    )


def check_cardinality(view: GraphView, edge: EdgeType, sources: Iterable[str]) -> None:
    """Judge ``@card`` for the given sources in the final image; a source that is gone itself is exempt."""
    minimum, maximum = edge.cardinality
    if minimum == 0 and maximum is None:
        return
    nodes = view.nodes(edge.source)
    adjacency = view.edges(edge.name).adjacency()
    for source in sorted(set(sources)):
        ordinal = nodes.ordinal(source)
        if ordinal < 0:
            continue
        count = len(adjacency.neighbours(ordinal, False))
        if maximum is not None and count > maximum:
            raise cardinality_violation(edge, source, count, "max", maximum)
        if count < minimum:
            raise cardinality_violation(edge, source, count, "min", minimum)


def cardinality_violation(edge: EdgeType, source: str, count: int, bound: str, limit: int) -> ConstraintViolation:
    return ConstraintViolation(
        f"@card violation on edge {edge.name}: source '{source}' has {count} edges ({bound} {limit})",
        hint="add or remove edges of this source in the same request",
    )


def table_of(view: GraphView, entity: NodeType | EdgeType) -> TableView:
    return view.nodes(entity.name) if isinstance(entity, NodeType) else view.edges(entity.name)
