"""Blocks of clauses: bindings, traversals and their directions, filters, negations."""

from __future__ import annotations

from collections.abc import Iterator

from omnigraph.language.catalog import EdgeType
from omnigraph.language.checked import (
    Binding,
    Block,
    Clause,
    Filter,
    Negation,
    PropertyMatch,
    Traversal,
    Variable,
)
from omnigraph.language.checker.conditions import check_condition
from omnigraph.language.checker.context import Context, Scope
from omnigraph.language.checker.values import check_match
from omnigraph.language.query_tree import (
    AccessNode,
    BindingNode,
    CallNode,
    ClauseNode,
    CompareNode,
    ExpressionNode,
    FilterNode,
    NegationNode,
    TraversalNode,
    VariableNode,
)

Names = tuple[str, ...]


def check_block(
    context: Context, clauses: tuple[ClauseNode, ...], parent: Scope | None = None, before: frozenset[str] = frozenset()
) -> tuple[Block, Scope]:
    """Check the clauses of a block. ``before`` holds the variables bound in front of the block in the text.

    The variables of a block are those that its own clauses bind, in whatever order they stand, but for those of the
    blocks around it, whose clauses have all been read by then.
    """
    scope = Scope(parent)
    names = [_names(context, clause) for clause in clauses]
    for clause, (name, *_) in zip(clauses, names, strict=True):
        if isinstance(clause, BindingNode):
            _bind(context, scope, clause, name)
    traversals: dict[int, Traversal] = {}
    for number, clause in enumerate(clauses):
        if isinstance(clause, TraversalNode):
            traversals[number] = _check_traversal(context, scope, clause, names[number])
    checked: list[Clause] = []
    bound = set(before)
    for number, clause in enumerate(clauses):
        if isinstance(clause, BindingNode):
            checked.append(_check_binding(context, clause, names[number][0]))
        elif isinstance(clause, TraversalNode):
            checked.append(traversals[number])
        elif isinstance(clause, FilterNode):
            checked.append(Filter(check_condition(context, scope, clause.condition)))
        else:
            checked.append(_check_negation(context, scope, clause, frozenset(bound)))
        bound.update(name for name in names[number] if name)
    order = dict.fromkeys(name for each in names for name in each if name in scope.own)
    return Block(tuple(scope.own[name] for name in order), tuple(checked)), scope


def _names(context: Context, clause: ClauseNode) -> Names:
    """Return the variables that a clause binds; every ``$_`` becomes a name of its own here."""
    if isinstance(clause, BindingNode):
        return (context.fresh_name(clause.variable),)
    if isinstance(clause, TraversalNode):
        return context.fresh_name(clause.left), context.fresh_name(clause.right)
    return ("",)


# --- bindings ----------------------------------------------------------------------------------------------------------


def _bind(context: Context, scope: Scope, node: BindingNode, name: str) -> None:
    if node.type_name not in context.catalog.nodes:
        raise context.error(f"T1: unknown node type `{node.type_name}`", node.at, node.end)
    bound = scope.find(name)
    if bound is None:
        scope.own[name] = Variable(name, "node", node.type_name)
    elif (bound.kind, bound.type_name) != ("node", node.type_name):
        raise context.error(
            f"variable `${name}` already bound to type `{bound.type_name}`, cannot rebind to `{node.type_name}`",
            node.at,
            node.end,
        )


def _check_binding(context: Context, node: BindingNode, name: str) -> Binding:
    properties = context.catalog.nodes[node.type_name].properties
    matches: list[PropertyMatch] = []
    for match in node.matches:
        found = properties.get(match.property_name)
        if found is None:
            raise context.error(f"T2: type `{node.type_name}` has no property `{match.property_name}`", match.at)
        value, membership = check_match(context, node.type_name, match.property_name, found.type, match.value)
        matches.append(PropertyMatch(match.property_name, found.type, value, membership))
    return Binding(name, node.type_name, tuple(matches))


# --- traversals --------------------------------------------------------------------------------------------------------


def _check_traversal(context: Context, scope: Scope, node: TraversalNode, names: Names) -> Traversal:
    edge = context.catalog.find_edge(node.edge)
    if edge is None:
        raise context.error(f"T4: unknown edge type `{node.edge}`", node.at, node.end)
    left, right = names
    forward = _is_forward(context, scope, node, edge, left, right)
    left_type, right_type = (edge.source, edge.target) if forward else (edge.target, edge.source)
    _give_type(context, scope, node, edge, left, left_type)
    _give_type(context, scope, node, edge, right, right_type)
    minimum, maximum = _check_bounds(context, node)
    source, target = (left, right) if forward else (right, left)
    return Traversal(edge.name, source, target, (left, right), minimum, maximum)


def _is_forward(context: Context, scope: Scope, node: TraversalNode, edge: EdgeType, left: str, right: str) -> bool:
    """Tell whether the left variable is the stored source of the edges."""
    if edge.source == edge.target:
        return True
    for name, source_means_forward in ((left, True), (right, False)):
        variable = scope.find(name)
        if variable is None:
            continue
        if variable.type_name == edge.source:
            return source_means_forward
        if variable.type_name == edge.target:
            return not source_means_forward
        raise _no_endpoint(context, node, edge, variable)
    return True


def _give_type(context: Context, scope: Scope, node: TraversalNode, edge: EdgeType, name: str, type_name: str) -> None:
    variable = scope.find(name)
    if variable is None:
        scope.own[name] = Variable(name, "node", type_name)
    elif variable.type_name != type_name:
        if variable.type_name not in (edge.source, edge.target) and name == node.left:
            raise _no_endpoint(context, node, edge, variable)
        raise context.error(
            f"T5: variable `${name}` has type `{variable.type_name}` but edge `{edge.name}` expects `{type_name}`",
            node.at,
            node.end,
        )


def _no_endpoint(context: Context, node: TraversalNode, edge: EdgeType, variable: Variable) -> Exception:
    return context.error(
        f"T5: variable `${variable.name}` has type `{variable.type_name}`, "
        f"which is not an endpoint of edge `{edge.name}: {edge.source} -> {edge.target}`",
        node.at,
        node.end,
    )


def _check_bounds(context: Context, node: TraversalNode) -> tuple[int, int]:
    if node.bounds is None:
        return 1, 1
    minimum, maximum = node.bounds
    if minimum < 1:
        raise context.error("T15: traversal min hop bound must be >= 1", node.at, node.end)
    if maximum is None:
        raise context.error("T15: unbounded traversal is disabled; use bounded traversal {min,max}", node.at, node.end)
    if maximum < minimum:
        raise context.error(f"T15: invalid traversal bounds {{{minimum},{maximum}}}; max must be >= min", node.at, node.end)
    return minimum, maximum


# --- negations ---------------------------------------------------------------------------------------------------------


def _check_negation(context: Context, scope: Scope, node: NegationNode, before: frozenset[str]) -> Negation:
    if not any(name in before for clause in node.clauses for name in _mentions(context, clause)):
        raise context.error("T9: negation block must reference at least one outer-bound variable", node.at, node.end)
    block, _ = check_block(context, node.clauses, scope, before)
    return Negation(block)


def _mentions(context: Context, clause: ClauseNode) -> Iterator[str]:
    """Yield the variables that a clause mentions at its own level."""
    if isinstance(clause, BindingNode):
        yield clause.variable
    elif isinstance(clause, TraversalNode):
        yield clause.left
        yield clause.right
    elif isinstance(clause, FilterNode):
        condition = clause.condition
        if isinstance(condition, CompareNode):
            yield from _variables(context, condition.left)
            yield from _variables(context, condition.right)
        else:
            yield from _variables(context, condition.call)


def _variables(context: Context, node: ExpressionNode) -> Iterator[str]:
    if isinstance(node, AccessNode):
        yield node.variable
    elif isinstance(node, VariableNode):
        if node.name not in context.parameters:
            yield node.name
    elif isinstance(node, CallNode):
        for argument in node.arguments:
            yield from _variables(context, argument)
