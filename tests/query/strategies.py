"""Random small graphs and random checked reads over one schema, the extensions of section 30 included.

Reads are drawn as checked trees: what the grammar does not offer yet is reached as well.
"""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from model.language import ModelEdge, ModelGraph
from omnigraph.language import compile_schema, composite_id, key_text
from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import (
    Aggregate,
    AliasRef,
    And,
    Arithmetic,
    Binding,
    Block,
    Compare,
    Constant,
    Contains,
    EntityRef,
    Filter,
    In,
    IsNull,
    Negation,
    Not,
    Now,
    Optional,
    Or,
    OrderKey,
    Parameter,
    ParameterRef,
    Projection,
    PropertyMatch,
    PropertyRef,
    ReadQuery,
    Traversal,
    Variable,
    WholeRef,
)

CATALOG = compile_schema("""
node Person {
    key: String @key
    age: I32? @index
    size: U64?
    score: F64?
    weight: F32?
    born: Date?
    seen: DateTime?
    active: Bool?
    city: String?
    tags: [String]?
    marks: [I64]?
}
node Place { code: I64 @key  name: String?  rank: I64? }
node Visit { day: Date  shop: String  n: I32?  @key(day, shop) }
node Note { text: String? }
edge Knows: Person -> Person { since: I32?  kind: String? }
edge At: Person -> Place { since: I64? }
edge Near: Place -> Place
edge Wrote: Person -> Note
edge Saw: Visit -> Person
""")

_SMALL_TEXTS = ["", "a", "b", "B", "ä", "aa"]
_TIMES = [0, -1, 86_400_000, 1_700_000_000_123]
VALUES: dict[Scalar, list[Any]] = {
    Scalar.STRING: _SMALL_TEXTS,
    Scalar.BOOL: [True, False],
    Scalar.I32: [0, 1, 2, -1, 2**31 - 1],
    Scalar.I64: [0, 1, 2, -1, 2**53 + 1, 2**63 - 1, -(2**63)],
    Scalar.U64: [0, 1, 2, 2**53 + 1, 2**63 - 1],
    Scalar.F64: [0.0, -0.0, 0.5, 1.0, 2.0, -1.5, math.nan, math.inf, 1e300],
    Scalar.F32: [0.0, 0.5, 1.0, 0.10000000149011612],
    Scalar.DATE: [0, 1, -800_000, 19_000],
    Scalar.DATETIME: _TIMES,
}
_PARAMETER_FLOATS = [0.5, 1.0, 2.0, 2.0**53, 0.1]
Draw = Any


def cells(type_: PropertyType, *, null: bool) -> st.SearchStrategy[Any]:
    one = st.sampled_from(VALUES[type_.scalar])
    value = st.lists(one, max_size=3).map(tuple) if type_.is_list else one
    return st.none() | value if null and type_.nullable else value


@st.composite
def graphs(draw: Draw) -> ModelGraph:
    graph = ModelGraph()
    for name, entity in CATALOG.nodes.items():
        rows: dict[str, dict[str, Any]] = {}
        for at in range(draw(st.sampled_from([5, 4, 6, 3, 5, 4, 2, 0] if name == "Person" else [3, 2, 4, 3, 2, 1, 0]))):
            row = {key: draw(cells(declared.type, null=True)) for key, declared in entity.properties.items()}
            if entity.key == ("key",):
                row["key"] = _SMALL_TEXTS[at]
            texts = [key_text(row[key], entity.properties[key].type.scalar) for key in entity.key]
            rows[texts[0] if len(texts) == 1 else composite_id(texts) if texts else f"01{at}"] = row
        graph.nodes[name] = rows
    for name, edge in CATALOG.edges.items():
        sources, targets = list(graph.nodes[edge.source]), list(graph.nodes[edge.target])
        found: dict[str, ModelEdge] = {}
        for at in range(draw(st.sampled_from([8, 6, 12, 9, 3, 5, 0])) if sources and targets else 0):
            ends = (draw(st.sampled_from(sources)), draw(st.sampled_from(targets)))
            values = {key: draw(cells(declared.type, null=True)) for key, declared in edge.properties.items()}
            found[f"{name}{at}"] = ModelEdge(*ends, values)
        graph.edges[name] = found
    return graph


class _Writer:
    """Draws one read."""

    def __init__(self, draw: Draw, extended: bool) -> None:
        self.draw = draw
        self.extended = extended
        self.names = 0
        self.parameters: dict[str, tuple[PropertyType, Any]] = {}

    def chance(self, share: int) -> bool:
        return bool(self.draw(st.sampled_from([False] * (share - 1) + [True])))

    def pick(self, items: Any) -> Any:
        return self.draw(st.sampled_from(list(items)))

    def fresh(self, kind: str, type_name: str, *, anonymous: bool = False) -> Variable:
        self.names += 1
        letter = "#" if anonymous else "zyxwvutsrq"[self.names % 10]
        return Variable(f"{letter}{self.names}", kind, type_name)

    # --- the match ---

    def block(self, outer: list[Variable], depth: int) -> tuple[Block, list[Variable]]:
        """Draw a block; returns it and the variables that can be seen behind it."""
        own: list[Variable] = []
        clauses: list[Any] = []
        optional: list[Variable] = []
        if not outer or self.chance(6):
            own.append(self.fresh("node", self.pick([*CATALOG.nodes, "Person", "Person", "Person"])))
            clauses.append(Binding(own[0].name, own[0].type_name, self.matches(own[0])))
        for _ in range(self.pick([1, 2, 0] if own and not outer else [1, 2])):
            clauses.append(self.traversal(outer, own))
        for variable in own:
            if variable.kind == "node" and self.chance(6):
                clauses.append(Binding(variable.name, variable.type_name, self.matches(variable)))
        seen = [*outer, *own]
        for _ in range(self.pick([0, 1, 0, 2, 0, 1])):
            clauses.append(Filter(self.condition(seen, 2 if self.extended else 0)))
        if depth and self.extended and self.chance(3):
            block, inner = self.block([v for v in seen if v.kind == "node"], 0)
            clauses.append(Optional(block))
            optional = inner
        if depth and self.chance(3):
            clauses.append(Negation(self.block([v for v in [*seen, *optional] if v.kind == "node"], depth - 1)[0]))
        if optional and self.chance(2):
            clauses.append(Filter(self.condition([*seen, *optional], 1)))
        if self.chance(2):
            clauses = self.draw(st.permutations(clauses))
            clauses.sort(key=lambda clause: isinstance(clause, Negation))
        return Block(tuple(own), tuple(clauses)), [*own, *optional]

    def matches(self, variable: Variable) -> tuple[PropertyMatch, ...]:
        found = []
        entity = CATALOG.nodes[variable.type_name] if variable.kind == "node" else CATALOG.edges[variable.type_name]
        if not entity.properties or not self.chance(4):
            return ()
        wanted = entity.key if getattr(entity, "key", ()) and self.chance(2) else [self.pick(entity.properties)]
        for name in wanted:
            declared = entity.properties[name].type
            scalar = PropertyType(declared.scalar)
            found.append(PropertyMatch(name, declared, self.operand(scalar), declared.is_list))
        return tuple(found)

    def traversal(self, outer: list[Variable], own: list[Variable]) -> Traversal:
        seen = [variable for variable in [*outer, *own] if variable.kind == "node"]
        start = self.pick(seen)
        ends = [(edge, True) for edge in CATALOG.edges.values() if edge.source == start.type_name]
        ends += [(edge, False) for edge in CATALOG.edges.values() if edge.target == start.type_name]
        edge, forward = self.pick(ends)
        other_type = edge.target if forward else edge.source
        known = [variable for variable in seen if variable.type_name == other_type]
        if known and self.chance(3):
            other = self.pick(known)
        else:
            other = self.fresh("node", other_type, anonymous=self.chance(4))
            own.append(other)
        source, target = (start, other) if forward else (other, start)
        minimum = maximum = 1
        edge_variable, matches = None, ()
        undirected = edge.source == edge.target and self.chance(5)
        if self.chance(4):
            minimum = self.draw(st.integers(1, 2))
            maximum = self.draw(st.integers(minimum, 3))
        elif self.extended and self.chance(3):
            bound = self.fresh("edge", edge.name, anonymous=self.chance(4))
            own.append(bound)
            edge_variable = bound.name
        if self.extended and self.chance(4):
            matches = self.matches(Variable("e", "edge", edge.name))
        return Traversal(
            edge.name, source.name, target.name, (start.name, other.name), minimum, maximum, undirected, edge_variable, matches
        )

    # --- conditions ---

    def condition(self, seen: list[Variable], depth: int) -> Any:
        if depth and self.chance(3):
            items = (self.condition(seen, depth - 1), self.condition(seen, depth - 1))
            return self.pick([And(items), Or(items), Not(items[0])])
        variable = self.pick(seen)
        reference = self.reference(variable)
        if reference is None:
            return Compare("=", Constant(1, PropertyType(Scalar.I64)), Constant(1, PropertyType(Scalar.I64)))
        if self.extended and self.chance(6):
            return IsNull(self.pick([reference, EntityRef(variable.name, variable.kind, variable.type_name)]), self.chance(2))
        element = PropertyType(reference.type.scalar)
        if reference.type.is_list:
            if self.extended and self.chance(2):
                return In(self.operand(element), reference, self.chance(2))
            return Contains(reference, self.operand(element))
        if self.extended and self.chance(5):
            values = tuple(self.draw(st.lists(st.sampled_from(VALUES[element.scalar]), max_size=4)))
            return In(reference, Constant(values, PropertyType(element.scalar, is_list=True)), self.chance(2))
        if self.extended and element.scalar is Scalar.STRING and self.chance(5):
            return Contains(reference, self.operand(element))
        operator = self.pick(["=", "!=", "<", "<=", ">", ">="])
        left: Any = reference
        if self.extended and element.scalar.is_numeric and self.chance(3):
            left = self.number(seen, 2)
        right = self.operand(element)
        if self.chance(3):
            other = self.same_kind(seen, element)
            right = right if other is None else other
        return Compare(operator, *((left, right) if self.chance(2) else (right, left)))

    def reference(self, variable: Variable) -> PropertyRef | None:
        entity = CATALOG.nodes[variable.type_name] if variable.kind == "node" else CATALOG.edges[variable.type_name]
        if not entity.properties:
            return None
        name = self.pick(entity.properties)
        return PropertyRef(variable.name, name, entity.properties[name].type)

    def same_kind(self, seen: list[Variable], type_: PropertyType) -> PropertyRef | None:
        """Draw a property that may be compared with a type."""
        reference = self.reference(self.pick(seen))
        if reference is None or reference.type.is_list:
            return None
        if type_.scalar.is_numeric:
            return reference if reference.type.scalar.is_numeric else None
        return reference if reference.type.scalar is type_.scalar else None

    def operand(self, type_: PropertyType) -> Any:
        """Draw a literal, a parameter or now()."""
        if type_.scalar is Scalar.DATETIME and self.chance(3):
            return Now()
        scalar = type_.scalar
        if scalar.is_numeric and self.chance(3):
            scalar = self.pick([Scalar.I64, Scalar.F64])
        values = _PARAMETER_FLOATS if scalar is Scalar.F64 else VALUES[scalar]
        if self.chance(3):
            name = f"p{len(self.parameters)}"
            self.parameters[name] = (PropertyType(scalar, nullable=True), self.draw(st.none() | st.sampled_from(values)))
            return ParameterRef(name, PropertyType(scalar, nullable=True))
        return Constant(self.pick(values), PropertyType(scalar))

    def number(self, seen: list[Variable], depth: int) -> Any:
        if depth and self.chance(2):
            left, right = self.number(seen, depth - 1), self.number(seen, depth - 1)
            operator = self.pick("+-*/%")
            whole = left.type.scalar.is_integer and right.type.scalar.is_integer and operator != "/"
            return Arithmetic(operator, left, right, PropertyType(Scalar.I64 if whole else Scalar.F64, nullable=True))
        reference = self.same_kind(seen, PropertyType(Scalar.I64))
        return self.operand(PropertyType(Scalar.I64)) if reference is None else reference

    # --- the result ---

    def read(self) -> tuple[ReadQuery, dict[str, Any]]:
        block, seen = self.block([], 2)
        named = [variable for variable in seen if not variable.is_anonymous]
        seen = named or seen
        aggregating = self.chance(2)
        distinct = self.extended and self.chance(4)
        projections = self.aggregating(seen) if aggregating else self.plain(seen, distinct)
        order = self.order(projections, seen, aggregating, distinct) if not self.chance(3) else ()
        limit = self.pick([None, 1, 3, 5])
        offset = self.draw(st.none() | st.integers(0, 2)) if order and self.extended else None
        parameters = tuple(Parameter(name, type_) for name, (type_, _) in self.parameters.items())
        query = ReadQuery("q", parameters, block, projections, aggregating, distinct, order, limit, offset)
        return query, {name: value for name, (_, value) in self.parameters.items()}

    def plain(self, seen: list[Variable], distinct: bool) -> tuple[Projection, ...]:
        found = []
        for at in range(self.draw(st.integers(1, 3))):
            variable = self.pick(seen)
            expression: Any = EntityRef(variable.name, variable.kind, variable.type_name)
            type_: Any = PropertyType(Scalar.STRING, nullable=True)
            if self.extended and not distinct and self.chance(8):
                expression, type_ = WholeRef(variable.name, variable.kind, variable.type_name), None
            elif self.extended and self.chance(4):
                expression = self.number(seen, 2)
                type_ = expression.type
            elif self.chance(10):
                expression = self.operand(PropertyType(self.pick(VALUES)))
                type_ = PropertyType(Scalar.DATETIME) if isinstance(expression, Now) else expression.type
            elif not self.chance(4):
                expression = self.reference(variable) or expression
                type_ = getattr(expression, "type", type_)
            found.append(Projection(expression, f"c{at}", type_, f"c{at}"))
        return tuple(found)

    def aggregating(self, seen: list[Variable]) -> tuple[Projection, ...]:
        found = []
        for at in range(self.draw(st.integers(0, 2))):
            variable = self.pick(seen)
            expression: Any = self.reference(variable)
            if expression is None or self.chance(3):
                expression = EntityRef(variable.name, variable.kind, variable.type_name)
            type_ = getattr(expression, "type", PropertyType(Scalar.STRING, nullable=True))
            alias = None if self.chance(2) else f"c{at}"
            found.append(Projection(expression, alias or f"k{at}", type_, alias))
        for at in range(self.draw(st.integers(1, 2))):
            aggregate = self.aggregate(seen)
            found.append(Projection(aggregate, f"n{at}", aggregate.type, f"n{at}"))
        return tuple(found)

    def aggregate(self, seen: list[Variable]) -> Aggregate:
        variable = self.pick(seen)
        whole = PropertyType(Scalar.I64)
        if self.extended and self.chance(5):
            return Aggregate("count", None, False, whole)
        reference = self.reference(variable)
        distinct = self.extended and self.chance(3)
        if reference is None or self.chance(3):
            return Aggregate("count", EntityRef(variable.name, variable.kind, variable.type_name), distinct, whole)
        usable = not reference.type.is_list and (reference.type.scalar.is_numeric or reference.type.scalar is Scalar.STRING)
        if not usable or self.chance(4):
            return Aggregate("count", reference, distinct, whole)
        if reference.type.scalar is Scalar.STRING or self.chance(2):
            return Aggregate(self.pick(["min", "max"]), reference, False, reference.type)
        argument: Any = self.number(seen, 1) if self.extended and self.chance(3) else reference
        return Aggregate(self.pick(["sum", "avg"]), argument, False, PropertyType(Scalar.F64, nullable=True))

    def order(
        self, projections: tuple[Projection, ...], seen: list[Variable], aggregating: bool, distinct: bool
    ) -> tuple[OrderKey, ...]:
        keys = []
        usable = [p for p in projections if p.type is not None and not p.type.is_list]
        for _ in range(self.draw(st.integers(1, 2))):
            expression: Any = None
            if usable and (aggregating or distinct or self.chance(2)):
                projection = self.pick(usable)
                expression = AliasRef(projection.alias or projection.column)
            elif not aggregating and not distinct:
                expression = self.reference(self.pick(seen))
            if expression is not None and not (isinstance(expression, PropertyRef) and expression.type.is_list):
                keys.append(OrderKey(expression, self.chance(2)))
        return tuple(keys)


@st.composite
def reads(draw: Draw, *, extended: bool) -> tuple[ReadQuery, dict[str, Any]]:
    return _Writer(draw, extended).read()
