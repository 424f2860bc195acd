"""Blocks of clauses: bindings, filters, blocks inside blocks, and the order in which they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from omnigraph.language.checked import Binding, Block, Clause, Filter, Negation, Optional, Traversal, Variable
from omnigraph.language.checker.conditions import check_condition
from omnigraph.language.checker.context import Context, Scope
from omnigraph.language.checker.traversals import check_traversal
from omnigraph.language.checker.values import check_matches
from omnigraph.language.query_tree import (
    AccessNode,
    ArithmeticNode,
    BindingNode,
    CallNode,
    ClauseNode,
    CompareNode,
    ConditionNode,
    ExpressionNode,
    FilterNode,
    LogicNode,
    MembershipNode,
    NegationNode,
    NegativeNode,
    NotNode,
    NullTestNode,
    OptionalNode,
    TextNode,
    TraversalNode,
    VariableNode,
)

Names = tuple[str, ...]
Before = tuple[AbstractSet[str], ...]


def check_block(
    context: Context, clauses: tuple[ClauseNode, ...], parent: Scope | None = None, before: Before = ()
) -> tuple[Block, Scope]:
    """Check the clauses of a block. ``before`` holds the variables bound in front of it in the text, level by level.

    The variables of a block are those that its own clauses bind, in whatever order they stand, but for those of the
    blocks around it, whose clauses have all been read by then. Its optional blocks come next, in their order, so that
    conditions and negations may use what they attach.
    """
    scope = Scope(parent)
    names = [_names(context, clause) for clause in clauses]
    for clause, name in zip(clauses, names, strict=True):
        if isinstance(clause, BindingNode):
            _bind(context, scope, clause, *name)
    blocks: dict[int, Traversal | Optional] = {}
    for number, clause in enumerate(clauses):
        if isinstance(clause, TraversalNode):
            blocks[number] = check_traversal(context, scope, clause, *names[number])
    _check_optionals(context, scope, clauses, names, blocks, before)
    checked: list[Clause] = []
    bound: set[str] = set()
    for number, clause in enumerate(clauses):
        if isinstance(clause, BindingNode):
            properties = context.catalog.nodes[clause.type_name].properties
            matches = check_matches(context, clause.type_name, properties, clause.matches)
            checked.append(Binding(names[number][0], clause.type_name, matches))
        elif isinstance(clause, FilterNode):
            checked.append(Filter(check_condition(context, scope, clause.condition)))
        elif isinstance(clause, NegationNode):
            checked.append(_check_negation(context, scope, clause, (*before, bound)))
        else:
            checked.append(blocks[number])
        bound.update(names[number])
    order = dict.fromkeys(name for each in names for name in each if name in scope.own)
    return Block(tuple(scope.own[name] for name in order), tuple(checked)), scope


def _names(context: Context, clause: ClauseNode) -> Names:
    """Return the variables that a clause binds itself; every ``$_`` becomes a name of its own here."""
    if isinstance(clause, BindingNode):
        return (context.fresh_name(clause.variable),)
    if isinstance(clause, TraversalNode):
        ends = context.fresh_name(clause.left), context.fresh_name(clause.right)
        return ends if clause.variable is None else (*ends, context.fresh_name(clause.variable))
    return ()


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


# --- blocks inside blocks ----------------------------------------------------------------------------------------------


def _check_negation(context: Context, scope: Scope, node: NegationNode, before: Before) -> Negation:
    mentioned = (name for clause in node.clauses for name in _mentions(context, clause))
    if not any(name in level for name in mentioned for level in before):
        raise context.error("T9: negation block must reference at least one outer-bound variable", node.at, node.end)
    block, _ = check_block(context, node.clauses, scope, before)
    return Negation(block)


def _check_optionals(
    context: Context,
    scope: Scope,
    clauses: Sequence[ClauseNode],
    names: list[Names],
    blocks: dict[int, Traversal | Optional],
    before: Before,
) -> None:
    """Check the optional blocks of a block in their order; fill in what they are and the variables that they bind."""
    if not any(isinstance(clause, OptionalNode) for clause in clauses):
        return
    first: dict[str, int] = {}
    for number, clause in enumerate(clauses):
        for name in _binds(clause, inside=False):
            first.setdefault(name, number)
    bound: set[str] = set()
    for number, clause in enumerate(clauses):
        if isinstance(clause, OptionalNode):
            for name in _binds(clause):
                later = first.get(name, -1)
                if later > number and (scope.parent is None or scope.parent.find(name) is None):
                    problem = f"X5: variable `${name}` is optional; use it inside its block"
                    raise context.error(problem, clauses[later].at, clauses[later].end)
            blocks[number], names[number] = _check_optional(context, scope, clause, (*before, bound))
        bound.update(names[number])


def _check_optional(context: Context, scope: Scope, node: OptionalNode, before: Before) -> tuple[Optional, Names]:
    """Check an optional block, and enter the variables first bound in it into the scope around it."""
    if not any(scope.find(name) for clause in node.clauses for name in _mentions(context, clause, inside=True)):
        raise context.error("X4: optional block must reference at least one outer-bound variable", node.at, node.end)
    block, inner = check_block(context, node.clauses, scope, before)
    attached = inner.own | inner.attached
    scope.attached.update(attached)
    return Optional(block), tuple(attached)


def _binds(clause: ClauseNode, *, inside: bool = True) -> Iterator[str]:
    """Yield the named variables that a clause binds, those of optional blocks ``inside`` it too."""
    if isinstance(clause, BindingNode):
        names: tuple[str | None, ...] = (clause.variable,)
    elif isinstance(clause, TraversalNode):
        names = (clause.left, clause.right, clause.variable)
    elif isinstance(clause, OptionalNode) and inside:
        names = tuple(name for each in clause.clauses for name in _binds(each))
    else:
        return
    yield from (name for name in names if name is not None and name != "_")


# --- mentioned variables -----------------------------------------------------------------------------------------------


def _mentions(context: Context, clause: ClauseNode, *, inside: bool = False) -> Iterator[str]:
    """Yield the variables that a clause mentions at its own level, or also ``inside`` the blocks in it."""
    if isinstance(clause, BindingNode):
        yield clause.variable
    elif isinstance(clause, TraversalNode):
        yield clause.left
        yield clause.right
    elif isinstance(clause, FilterNode):
        yield from _tested(context, clause.condition)
    elif inside:
        for each in clause.clauses:
            yield from _mentions(context, each, inside=True)


def _tested(context: Context, node: ConditionNode) -> Iterator[str]:
    if isinstance(node, CompareNode):
        yield from _variables(context, node.left)
        yield from _variables(context, node.right)
    elif isinstance(node, TextNode):
        yield from _variables(context, node.call)
    elif isinstance(node, NullTestNode):
        yield from _variables(context, node.operand)
    elif isinstance(node, MembershipNode):
        yield from _variables(context, node.operand)
        yield from _variables(context, node.container)
    elif isinstance(node, NotNode):
        yield from _tested(context, node.item)
    elif isinstance(node, LogicNode):
        for item in node.items:
            yield from _tested(context, item)


def _variables(context: Context, node: ExpressionNode) -> Iterator[str]:
    if isinstance(node, AccessNode):
        yield node.variable
    elif isinstance(node, VariableNode):
        if node.name not in context.parameters:
            yield node.name
    elif isinstance(node, ArithmeticNode):
        yield from _variables(context, node.left)
        yield from _variables(context, node.right)
    elif isinstance(node, NegativeNode):
        yield from _variables(context, node.operand)
    elif isinstance(node, CallNode):
        for argument in node.arguments:
            yield from _variables(context, argument)
