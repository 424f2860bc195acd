"""What a query does, told without running it: the fields of its result, the types it may look at and those it may change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct

from omnigraph.language.catalog import Catalog, PropertyType, Scalar
from omnigraph.language.checked import (
    Aggregate,
    Block,
    Bm25,
    Constant,
    Delete,
    EntityKind,
    EntityRef,
    Expression,
    Insert,
    MutationQuery,
    Nearest,
    Negation,
    Now,
    Optional,
    ParameterRef,
    Projection,
    PropertyRef,
    ReadQuery,
    Rrf,
    Statement,
    TextMatch,
    Traversal,
    WholeRef,
)

ScalarKind = Literal["string", "bool", "int", "bigint", "float", "date", "datetime", "blob", "vector"]
FieldKind = ScalarKind | Literal["list", "object"]
SCALAR_KINDS: dict[Scalar, ScalarKind] = {
    Scalar.STRING: "string",
    Scalar.BOOL: "bool",
    Scalar.I32: "int",
    Scalar.U32: "int",
    Scalar.I64: "bigint",
    Scalar.U64: "bigint",
    Scalar.F32: "float",
    Scalar.F64: "float",
    Scalar.DATE: "date",
    Scalar.DATETIME: "datetime",
    Scalar.BLOB: "blob",
    Scalar.VECTOR: "vector",
}


class Field(Struct, frozen=True):
    """A column of a result. Its name is the alias, else that of the property or variable alone, else that of the function."""

    name: str
    kind: FieldKind
    nullable: bool
    item_kind: FieldKind | None = None
    vector_dim: int | None = None

    def as_json(self) -> dict[str, Any]:  # Any: JSON values
        field: dict[str, Any] = {"name": self.name, "kind": self.kind}
        if self.item_kind is not None:
            field["item_kind"] = self.item_kind
        if self.vector_dim is not None:
            field["vector_dim"] = self.vector_dim
        field["nullable"] = self.nullable
        return field


class TypeName(Struct, frozen=True, order=True):
    """A node or edge type."""

    kind: EntityKind
    type_name: str


class Operation(Struct, frozen=True):
    """What a query does. ``reads`` and ``writes`` are sorted; a read writes nothing, a mutation has no fields."""

    result: tuple[Field, ...]
    reads: tuple[TypeName, ...]
    writes: tuple[TypeName, ...]

    def as_json(self) -> dict[str, Any]:  # Any: JSON values
        """Return the operation as the JSON object of ``lint --json``."""
        return {
            "result": [each.as_json() for each in self.result],
            "reads": [{"kind": each.kind, "type_name": each.type_name} for each in self.reads],
            "writes": [{"kind": each.kind, "type_name": each.type_name} for each in self.writes],
        }


def describe_operation(catalog: Catalog, query: ReadQuery | MutationQuery) -> Operation:
    """Return what a checked query does."""
    if isinstance(query, ReadQuery):
        optional = frozenset(_attached(query.block))
        fields = tuple(_field(each, optional) for each in query.projections)
        return Operation(fields, tuple(sorted(set(_read_types(catalog, query.block)))), ())
    reads: set[TypeName] = set()
    writes: set[TypeName] = set()
    for statement in query.statements:
        changed = set(_written_types(catalog, statement))
        writes |= changed
        reads |= changed
        if isinstance(statement, Insert) and statement.kind == "edge":
            reads |= set(_ends(catalog, statement.type_name))
    return Operation((), tuple(sorted(reads)), tuple(sorted(writes)))


# --- fields ------------------------------------------------------------------------------------------------------------


def _field(projection: Projection, optional: frozenset[str]) -> Field:
    expression, type_ = projection.expression, projection.type
    name = projection.alias or _name(expression)
    if isinstance(expression, WholeRef):
        return Field(name, "object", expression.variable in optional)
    if type_ is None:
        return Field(name, "string", True)
    # Blobs are not read, and a row that a function does not rank has no score.
    nullable = type_.nullable or type_.scalar is Scalar.BLOB or isinstance(expression, (Nearest, Bm25, Rrf))
    return _typed(name, type_, nullable)


def _typed(name: str, type_: PropertyType, nullable: bool) -> Field:
    kind = SCALAR_KINDS[type_.scalar]
    if type_.is_list:
        return Field(name, "list", nullable, item_kind=kind)
    return Field(name, kind, nullable, vector_dim=type_.dimension)


def _name(expression: Expression) -> str:
    match expression:
        case PropertyRef(property_name=name):
            return name
        case EntityRef(variable=name) | WholeRef(variable=name) | ParameterRef(name=name):
            return name
        case Aggregate(function=name) | TextMatch(function=name):
            return name
        case Constant():
            return "literal"
        case Now():
            return "now"
        case _:
            return type(expression).__name__.lower()


def _attached(block: Block) -> Iterator[str]:
    """Yield the variables that optional blocks bind."""
    for clause in block.clauses:
        if isinstance(clause, Optional):
            yield from (variable.name for variable in clause.block.variables)
            yield from _attached(clause.block)


# --- types -------------------------------------------------------------------------------------------------------------


def _read_types(catalog: Catalog, block: Block) -> Iterator[TypeName]:
    for variable in block.variables:
        yield TypeName(variable.kind, variable.type_name)
    for clause in block.clauses:
        if isinstance(clause, Traversal):
            yield TypeName("edge", clause.edge)
            yield from _ends(catalog, clause.edge)
        elif isinstance(clause, (Negation, Optional)):
            yield from _read_types(catalog, clause.block)


def _ends(catalog: Catalog, edge: str) -> Iterator[TypeName]:
    yield TypeName("node", catalog.edges[edge].source)
    yield TypeName("node", catalog.edges[edge].target)


def _written_types(catalog: Catalog, statement: Statement) -> Iterator[TypeName]:
    """Yield the type of a statement, and for nodes that go the edges that may go with them."""
    kind: EntityKind = statement.kind if isinstance(statement, (Insert, Delete)) else "node"
    yield TypeName(kind, statement.type_name)
    if isinstance(statement, Delete) and kind == "node":
        for edge in catalog.edges.values():
            if statement.type_name in (edge.source, edge.target):
                yield TypeName("edge", edge.name)
