"""The query language, evaluated naively: plain dictionaries, every candidate tried, nothing clever.

This is the reference that the engine is held against. `evaluate_read` takes a checked read and a `ModelGraph` and gives the
rows as tuples of JSON-ready values. Search functions are not modelled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from omnigraph.errors import ExecutionError
from omnigraph.language.catalog import Catalog, PropertyType, Scalar
from omnigraph.language.checked import (
    Aggregate,
    AliasRef,
    And,
    Arithmetic,
    Binding,
    Block,
    Compare,
    Condition,
    Constant,
    Contains,
    EntityRef,
    Expression,
    Filter,
    In,
    IsNull,
    Negation,
    Not,
    Now,
    Optional,
    Or,
    ParameterRef,
    PropertyRef,
    ReadQuery,
    Traversal,
    Variable,
    WholeRef,
)

Value = Any
Row = dict[str, "str | None"]
"""A row of a match: the id that each variable is bound to."""


@dataclass(frozen=True)
class ModelEdge:
    source: str
    target: str
    values: dict[str, Value] = field(default_factory=dict)


@dataclass
class ModelGraph:
    """Nodes and edges by type and id. Values are those of `language.checked`: days, milliseconds, tuples, None."""

    nodes: dict[str, dict[str, dict[str, Value]]] = field(default_factory=dict)
    edges: dict[str, dict[str, ModelEdge]] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelResult:
    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    ordered: bool
    cut: bool
    """Rows were left out by ``limit`` without an order: which ones is not defined."""
    total: int


def evaluate_read(
    query: ReadQuery, catalog: Catalog, graph: ModelGraph, parameters: Mapping[str, Value], now_ms: int
) -> ModelResult:
    return _Evaluation(query, catalog, graph, parameters, now_ms).run()


def select_rows(
    predicate: Condition, rows: Mapping[str, Mapping[str, Value]], parameters: Mapping[str, Value], now_ms: int
) -> list[str]:
    """Return the ids of the rows that a mutation's predicate means (``src`` and ``dst`` are among an edge's values)."""
    return [row_id for row_id, values in rows.items() if _RowPredicate(values, parameters, now_ms).holds(predicate)]


def in_order(value: Value) -> tuple[Any, ...]:
    """Return a key that orders values with null below everything."""
    return (0,) if value is None else (1, value)


class _Conditions:
    """Conditions and expressions over whatever `value_of` knows."""

    parameters: Mapping[str, Value]
    now_ms: int

    def property_value(self, reference: PropertyRef, row: Row) -> Value:
        raise NotImplementedError

    def test(self, condition: Condition, row: Row) -> bool:
        match condition:
            case Compare():
                left, right = self.value(condition.left, row), self.value(condition.right, row)
                return left is not None and right is not None and _compare(condition.operator, left, right)
            case Contains():
                container, item = self.value(condition.container, row), self.value(condition.item, row)
                return container is not None and item is not None and item in container
            case In():
                item, container = self.value(condition.operand, row), self.value(condition.container, row)
                if item is None or container is None:
                    return False
                return (item in container) != condition.negated
            case IsNull():
                return (self.value(condition.operand, row) is None) != condition.negated
            case And():
                return min([self.test(item, row) for item in condition.items])  # every item is tried: one may fail
            case Or():
                return max([self.test(item, row) for item in condition.items])
            case Not():
                return not self.test(condition.item, row)
        raise NotImplementedError(condition)

    def value(self, expression: Expression, row: Row) -> Value:
        match expression:
            case Constant():
                return expression.value
            case ParameterRef():
                return self.parameters.get(expression.name)
            case Now():
                return self.now_ms
            case PropertyRef():
                return self.property_value(expression, row)
            case EntityRef():
                return row[expression.variable]
            case Arithmetic():
                return arithmetic(
                    expression.operator, self.value(expression.left, row), self.value(expression.right, row), expression.type
                )
        raise NotImplementedError(expression)


class _RowPredicate(_Conditions):
    def __init__(self, values: Mapping[str, Value], parameters: Mapping[str, Value], now_ms: int) -> None:
        self._values = values
        self.parameters = parameters
        self.now_ms = now_ms

    def property_value(self, reference: PropertyRef, row: Row) -> Value:
        return self._values.get(reference.property_name)

    def holds(self, condition: Condition) -> bool:
        return self.test(condition, {})


class _Evaluation(_Conditions):
    def __init__(
        self, query: ReadQuery, catalog: Catalog, graph: ModelGraph, parameters: Mapping[str, Value], now_ms: int
    ) -> None:
        self._query = query
        self._catalog = catalog
        self._graph = graph
        self.parameters = parameters
        self.now_ms = now_ms
        self._types: dict[str, Variable] = {}

    # --- the match ---

    def solutions(self, block: Block, outer: Row) -> Iterator[Row]:
        """Yield the rows that extend an outer row, as 30.10 orders the clauses."""
        self._types.update({variable.name: variable for variable in block.variables})
        attached = {name for clause in block.clauses if isinstance(clause, Optional) for name in _bound(clause.block)}
        plain = [clause for clause in block.clauses if isinstance(clause, Binding | Traversal)]
        tests = [part for clause in block.clauses if isinstance(clause, Filter) for part in _conjuncts(clause.condition)]
        negations = sorted((clause for clause in block.clauses if isinstance(clause, Negation)), key=_fallible)
        rows = [dict(outer)]
        names = [variable.name for variable in block.variables]
        for at, name in enumerate(names):
            known = set(outer) | set(names[: at + 1])
            rows = [{**row, name: candidate} for row in rows for candidate in self._candidates(name)]
            for clause in plain:
                used = _clause_variables(clause)
                if used <= known and name in used:
                    rows = [row for row in rows if self._meets(clause, row)]
            early = [t for t in tests if _variables(t) <= known and name in _variables(t) and not _fallible(t)]
            rows = [row for row in rows if all(self.test(test, row) for test in early)]
        rows = [row for row in rows if all(self._meets(clause, row) for clause in plain)]
        first = [test for test in tests if not _variables(test) & attached]
        for test in sorted(first, key=_fallible):
            rows = [row for row in rows if self.test(test, row)]
        for negation in negations:
            if not _outer(negation.block) & attached:
                rows = [row for row in rows if not self._extends(negation.block, row)]
        for clause in block.clauses:
            if isinstance(clause, Optional):
                rows = [extended for row in rows for extended in self._attach(clause.block, row)]
        for test in tests:
            if test not in first:
                rows = [row for row in rows if self.test(test, row)]
        for negation in negations:
            if _outer(negation.block) & attached:
                rows = [row for row in rows if not self._extends(negation.block, row)]
        yield from rows

    def _candidates(self, name: str) -> list[str]:
        variable = self._types[name]
        tables: Mapping[str, Mapping[str, Any]] = self._graph.nodes if variable.kind == "node" else self._graph.edges
        return list(tables.get(variable.type_name, {}))

    def _extends(self, block: Block, row: Row) -> bool:
        types = dict(self._types)
        found = bool(list(self.solutions(block, {n: v for n, v in row.items() if n in _outer(block)})))
        self._types = types
        return found

    def _attach(self, block: Block, row: Row) -> list[Row]:
        seen = {n: v for n, v in row.items() if n in _outer(block)}
        found = [{**row, **extended} for extended in self.solutions(block, seen)]
        return found or [{**row, **dict.fromkeys(_bound(block))}]

    def _meets(self, clause: Binding | Traversal, row: Row) -> bool:
        if isinstance(clause, Binding):
            row_id = row[clause.variable]
            if row_id is None:
                return False
            values = self._graph.nodes[clause.type_name][row_id]
            return all(self._matches(match, values) for match in clause.matches)
        return self._joined(clause, row)

    def _matches(self, match: Any, values: Mapping[str, Value]) -> bool:
        wanted, stored = self.value(match.value, {}), values.get(match.property_name)
        if wanted is None or stored is None:
            return False
        return bool(wanted in stored if match.membership else wanted == stored)

    def _edges(self, clause: Traversal) -> dict[str, ModelEdge]:
        return {
            edge_id: edge
            for edge_id, edge in self._graph.edges.get(clause.edge, {}).items()
            if all(self._matches(match, edge.values) for match in clause.edge_matches)
        }

    def _joined(self, clause: Traversal, row: Row) -> bool:
        source, target = row[clause.source], row[clause.target]
        if source is None or target is None:
            return False
        edges = self._edges(clause)
        if clause.edge_variable is not None:
            edge_id = row[clause.edge_variable]
            edge = None if edge_id is None else edges.get(edge_id)
            if edge is None:
                return False
            ends = [(edge.source, edge.target)]
            return (source, target) in ([*ends, (edge.target, edge.source)] if clause.undirected else ends)
        declared = self._catalog.edges[clause.edge]
        maximum = clause.maximum if declared.source == declared.target else 1
        step: dict[str, set[str]] = {}
        for edge in edges.values():
            step.setdefault(edge.source, set()).add(edge.target)
            if clause.undirected:
                step.setdefault(edge.target, set()).add(edge.source)
        distance, level, seen = 0, {source}, {source}
        if declared.source != declared.target:
            return clause.minimum <= 1 and target in step.get(source, ())
        if source == target:
            return clause.minimum == 1 and source in step.get(source, ())
        while level and distance < maximum:
            distance += 1
            level = {end for start in level for end in step.get(start, ())} - seen
            seen |= level
            if target in level:
                return distance >= clause.minimum
        return False

    # --- values ---

    def property_value(self, reference: PropertyRef, row: Row) -> Value:
        row_id = row[reference.variable]
        if row_id is None:
            return None
        variable = self._types[reference.variable]
        if variable.kind == "node":
            return self._graph.nodes[variable.type_name][row_id].get(reference.property_name)
        edge = self._graph.edges[variable.type_name][row_id]
        ends = {"src": edge.source, "dst": edge.target}
        return ends.get(reference.property_name, edge.values.get(reference.property_name))

    def _whole(self, reference: WholeRef, row: Row) -> Value:
        row_id = row[reference.variable]
        if row_id is None:
            return None
        shown: dict[str, Value] = {"id": row_id}
        if reference.kind == "node":
            values = self._graph.nodes[reference.type_name][row_id]
            properties = self._catalog.nodes[reference.type_name].properties
        else:
            edge = self._graph.edges[reference.type_name][row_id]
            shown |= {"from": edge.source, "to": edge.target}
            values, properties = edge.values, self._catalog.edges[reference.type_name].properties
        return shown | {name: to_json(values.get(name), declared.type) for name, declared in properties.items()}

    # --- the result ---

    def run(self) -> ModelResult:
        query = self._query
        offset, limit = self._amount(query.offset, "offset") or 0, self._amount(query.limit, "limit")
        rows = list(self.solutions(query.block, {}))
        self._types.update({variable.name: variable for variable in _visible(query.block)})
        listed = [_Entry(self, [row], row) for row in rows]
        if query.aggregating:
            listed = self._groups(rows)
        if query.distinct:
            listed = self._distinct(listed)
        if query.order:
            listed = self._ordered(listed)
        stop = None if limit is None else offset + limit
        cut = not query.order and stop is not None and stop < len(listed)
        kept = listed[offset:stop]
        shown = [tuple(entry.shown(p.expression, p.type) for p in query.projections) for entry in kept]
        columns = tuple(projection.column for projection in query.projections)
        return ModelResult(columns, shown, bool(query.order), cut, len(listed))

    def _amount(self, amount: Any, name: str) -> int | None:
        value = self.parameters.get(amount.name) if isinstance(amount, ParameterRef) else amount
        if amount is not None and (not isinstance(value, int) or value < 0):
            raise ExecutionError(f"{name} must be a non-negative integer, got {'null' if value is None else value}")
        return value

    def _groups(self, rows: list[Row]) -> list[_Entry]:
        keys = [p.expression for p in self._query.projections if not _aggregates(p.expression)]
        groups: dict[Any, list[Row]] = {} if keys else {(): []}
        for row in rows:
            groups.setdefault(tuple(_same(self.value(key, row)) for key in keys), []).append(row)
        return [_Entry(self, group, group[0] if group else {}) for group in groups.values()]

    def _distinct(self, entries: list[_Entry]) -> list[_Entry]:
        found: dict[Any, _Entry] = {}
        for entry in entries:
            found.setdefault(tuple(_same(entry.value(p.expression)) for p in self._query.projections), entry)
        return list(found.values())

    def _ordered(self, entries: list[_Entry]) -> list[_Entry]:
        query = self._query
        if query.distinct:
            ties = [p.expression for p in query.projections]
        elif query.aggregating:
            ties = [p.expression for p in query.projections if not _aggregates(p.expression)]
        else:
            named = sorted(v.name for v in _visible(query.block) if not v.is_anonymous)
            ties = [EntityRef(name, self._types[name].kind, self._types[name].type_name) for name in named]
        entries = sorted(entries, key=lambda entry: [in_order(entry.value(tie)) for tie in ties])
        for key in reversed(query.order):
            expression = key.expression
            if isinstance(expression, AliasRef):
                expression = self._aliased(expression.name)
            values = {id(entry): in_order(entry.value(expression)) for entry in entries}
            entries = (
                sorted(entries, key=lambda entry: values[id(entry)], reverse=False)
                if not key.descending
                else _down(entries, values)
            )
        return entries

    def _aliased(self, name: str) -> Expression:
        for projection in reversed(self._query.projections):
            if projection.alias == name:
                return projection.expression
        for projection in reversed(self._query.projections):
            if projection.column == name:
                return projection.expression
        raise ExecutionError(f"alias '{name}' not found for ordering")


def _down(entries: list[Any], values: Mapping[int, Any]) -> list[Any]:
    """Sort descending and keep the order of equal ones: `sorted` with ``reverse`` does exactly that."""
    return sorted(entries, key=lambda entry: values[id(entry)], reverse=True)


@dataclass
class _Entry:
    """A row of the result before projection: one row of the match, or a group of them."""

    evaluation: _Evaluation
    rows: list[Row]
    first: Row

    def value(self, expression: Expression) -> Value:
        if isinstance(expression, Aggregate):
            return self._aggregate(expression)
        if isinstance(expression, Arithmetic):
            left, right = self.value(expression.left), self.value(expression.right)
            return arithmetic(expression.operator, left, right, expression.type)
        return self.evaluation.value(expression, self.first)

    def shown(self, expression: Expression, type_: PropertyType | None) -> Value:
        if isinstance(expression, WholeRef):
            return self.evaluation._whole(expression, self.first)
        assert type_ is not None
        return to_json(self.value(expression), type_)

    def _aggregate(self, aggregate: Aggregate) -> Value:
        if aggregate.argument is None:
            return len(self.rows)
        values = [self.evaluation.value(aggregate.argument, row) for row in self.rows]
        values = [value for value in values if value is not None]
        if aggregate.function == "count":
            return len({_same(value) for value in values}) if aggregate.distinct else len(values)
        if not values:
            return None
        match aggregate.function:
            case "min":
                return min(values)
            case "max":
                return max(values)
            case "sum":
                return float(math.fsum(values)) if isinstance(values[0], float) else float(sum(values))
            case "avg":
                total = math.fsum(values) if isinstance(values[0], float) else sum(values)
                return total / len(values)


# --- values ------------------------------------------------------------------------------------------------------------


def arithmetic(operator: str, left: Value, right: Value, type_: PropertyType) -> Value:
    if left is None or right is None or (operator in "/%" and right == 0):
        return None
    if operator != "/" and isinstance(left, int) and isinstance(right, int):
        value = {"+": left + right, "-": left - right, "*": left * right}.get(operator)
        if operator == "%":
            value = abs(left) % abs(right) * (-1 if left < 0 else 1)
        if not -(2**63) <= value < 2**63:
            raise ExecutionError("arithmetic overflow")
        return value
    a, b = float(left), float(right)
    try:
        result = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else None, "%": math.fmod(a, b) if b else None}[operator]
    except OverflowError:
        raise ExecutionError("arithmetic overflow") from None
    if not math.isfinite(result):
        raise ExecutionError("arithmetic overflow")
    return result


def _compare(operator: str, left: Value, right: Value) -> bool:
    results = {"=": left == right, "!=": left != right, "<": left < right}
    results |= {"<=": left <= right, ">": left > right, ">=": left >= right}
    return results[operator]


def _same(value: Value) -> Value:
    """Return a hashable that is equal exactly where values are, and keeps booleans apart from numbers."""
    return (type(value) is bool, value)


def to_json(value: Value, type_: PropertyType) -> Value:
    from omnigraph.query.encode import encode_date, encode_datetime, encode_float

    if value is None or type_.scalar is Scalar.BLOB:
        return None
    if isinstance(value, tuple):
        return [to_json(item, PropertyType(Scalar.F32 if type_.scalar is Scalar.VECTOR else type_.scalar)) for item in value]
    if type_.scalar is Scalar.DATE:
        return encode_date(value)
    if type_.scalar is Scalar.DATETIME:
        return encode_datetime(value)
    return encode_float(float(value)) if type_.scalar.is_float else value


# --- the shape of clauses ----------------------------------------------------------------------------------------------


def _parts(tree: Any) -> Iterator[Any]:
    """Yield a checked tree and everything in it."""
    yield tree
    if isinstance(tree, tuple):
        children: Any = tree
    elif hasattr(tree, "__struct_fields__"):
        children = [getattr(tree, name) for name in tree.__struct_fields__]
    else:
        children = ()
    for child in children:
        yield from _parts(child)


def _variables(tree: Any) -> set[str]:
    return {part.variable for part in _parts(tree) if isinstance(part, PropertyRef | EntityRef | WholeRef)}


def _clause_variables(clause: Binding | Traversal) -> set[str]:
    if isinstance(clause, Binding):
        return {clause.variable}
    return {clause.source, clause.target} | ({clause.edge_variable} if clause.edge_variable else set())


def _conjuncts(condition: Condition) -> list[Condition]:
    return [p for item in condition.items for p in _conjuncts(item)] if isinstance(condition, And) else [condition]


def _fallible(tree: Condition | Negation) -> bool:
    return any(isinstance(part, Arithmetic) for part in _parts(tree))


def _aggregates(expression: Expression) -> bool:
    return any(isinstance(part, Aggregate) for part in _parts(expression))


def _outer(block: Block) -> set[str]:
    used: set[str] = set()
    for clause in block.clauses:
        match clause:
            case Binding() | Traversal():
                used |= _clause_variables(clause)
            case Filter():
                used |= _variables(clause.condition)
            case Negation() | Optional():
                used |= _outer(clause.block)
    return used - {variable.name for variable in _visible(block)}


def _visible(block: Block) -> list[Variable]:
    inner = [v for clause in block.clauses if isinstance(clause, Optional) for v in _visible(clause.block)]
    return [*block.variables, *inner]


def _bound(block: Block) -> list[str]:
    return [variable.name for variable in _visible(block)]
