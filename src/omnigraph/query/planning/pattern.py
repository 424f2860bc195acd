"""A block taken apart: what it binds, what it walks, and what its rows must meet."""

from __future__ import annotations

from itertools import count

from msgspec import Struct, structs

from omnigraph.language.catalog import Catalog
from omnigraph.language.checked import (
    And,
    Binding,
    Block,
    Compare,
    Condition,
    Contains,
    Filter,
    Negation,
    Optional,
    PropertyMatch,
    PropertyRef,
    Traversal,
)
from omnigraph.query.context import Scope
from omnigraph.query.notation import condition_variables, visible_variables
from omnigraph.query.operators.walk import Walk
from omnigraph.query.planning.bounds import can_fail


class Link(Struct, frozen=True):
    """A traversal as the planner sees it: two ends, and how to walk from the first to the second."""

    source: str
    target: str
    walk: Walk
    minimum: int
    maximum: int
    edge_variable: str | None

    @property
    def variables(self) -> frozenset[str]:
        edge = () if self.edge_variable is None else (self.edge_variable,)
        return frozenset({self.source, self.target, *edge})

    def turned(self) -> Link:
        return structs.replace(self, source=self.target, target=self.source, walk=self.walk.turned())


class Pattern(Struct, frozen=True):
    """The clauses of one level of a match, sorted by what they do.

    ``conditions`` cannot fail and are tried as soon as their variables are bound; ``fallible`` ones only on rows that meet
    everything else. Conditions and negations that look at variables of optional blocks come behind those, in ``late`` and by
    themselves.
    """

    scope: Scope
    bound: frozenset[str]
    nodes: tuple[str, ...]
    links: tuple[Link, ...]
    conditions: tuple[Condition, ...]
    fallible: tuple[Condition, ...]
    optionals: tuple[Block, ...]
    late: tuple[Condition, ...]
    negations: tuple[Block, ...]


def take_apart(block: Block, catalog: Catalog, outer: Scope, bound: frozenset[str]) -> Pattern:
    """Return the pattern of a block inside a scope in which ``bound`` are the variables that rows already have."""
    scope, edge_names = visible(block, outer), count(1)
    types = dict(scope.types)
    conditions: list[Condition] = []
    links: list[Link] = []
    for clause in block.clauses:
        match clause:
            case Binding():
                conditions += [match_condition(clause.variable, match) for match in clause.matches]
            case Filter():
                conditions += conjuncts(clause.condition)
            case Traversal():
                link = _link(clause, catalog, next(edge_names))
                if link.walk.conditions:
                    types[link.walk.edge_variable] = ("edge", clause.edge)
                links.append(link)
    own_optional = scope.optional & optional_names(block)
    ready, late, fallible = [], [], []
    for condition in conditions:
        if own_optional and condition_variables(condition) & own_optional:
            late.append(condition)
        elif can_fail(condition):
            fallible.append(condition)
        else:
            ready.append(condition)
    return Pattern(
        scope=Scope(types, scope.optional),
        bound=bound,
        nodes=tuple(variable.name for variable in block.variables if variable.kind == "node"),
        links=tuple(links),
        conditions=tuple(ready),
        fallible=tuple(fallible),
        optionals=tuple(clause.block for clause in block.clauses if isinstance(clause, Optional)),
        late=tuple(late),
        negations=tuple(clause.block for clause in block.clauses if isinstance(clause, Negation)),
    )


def visible(block: Block, outer: Scope) -> Scope:
    """Return the scope inside a block: the outer names, its own, and those of its optional blocks."""
    types = dict(outer.types)
    optional = set(outer.optional)
    for variable in block.variables:
        types[variable.name] = (variable.kind, variable.type_name)
        optional.discard(variable.name)
    for clause in block.clauses:
        if isinstance(clause, Optional):
            for variable in visible_variables(clause.block):
                types[variable.name] = (variable.kind, variable.type_name)
                optional.add(variable.name)
    return Scope(types, frozenset(optional))


def optional_names(block: Block) -> frozenset[str]:
    """Return the variables that the optional blocks of a block bind."""
    own = {variable.name for variable in block.variables}
    return frozenset(variable.name for variable in visible_variables(block)) - own


def conjuncts(condition: Condition) -> list[Condition]:
    """Return the conditions that must all hold."""
    if isinstance(condition, And):
        return [part for item in condition.items for part in conjuncts(item)]
    return [condition]


def match_condition(variable: str, match: PropertyMatch) -> Condition:
    """Return what ``prop: value`` asks of a variable."""
    left = PropertyRef(variable, match.property_name, match.type)
    return Contains(left, match.value) if match.membership else Compare("=", left, match.value)


def _link(clause: Traversal, catalog: Catalog, number: int) -> Link:
    edge = catalog.edges[clause.edge]
    edge_variable = clause.edge_variable or f"@edge{number}"
    conditions = tuple(match_condition(edge_variable, match) for match in clause.edge_matches)
    walk = Walk(clause.edge, False, clause.undirected, edge_variable, conditions)
    # A path cannot go on behind an edge between different types.
    maximum = clause.maximum if edge.source == edge.target else 1
    return Link(clause.source, clause.target, walk, clause.minimum, maximum, clause.edge_variable)
