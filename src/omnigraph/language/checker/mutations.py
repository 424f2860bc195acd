"""Mutations: inserts, updates and deletes."""

from __future__ import annotations

from omnigraph.errors import BadRequest
from omnigraph.language.catalog import EdgeType, NodeType, Property, Scalar
from omnigraph.language.checked import (
    And,
    Assignment,
    Compare,
    Condition,
    Delete,
    EntityKind,
    Expression,
    Insert,
    IsNull,
    MutationQuery,
    Not,
    Or,
    Parameter,
    PropertyRef,
    Statement,
    Update,
)
from omnigraph.language.checker.assignments import check_assignment
from omnigraph.language.checker.context import STRING, Context
from omnigraph.language.checker.membership import check_listed, check_membership
from omnigraph.language.checker.values import check_comparison, check_value
from omnigraph.language.query_tree import (
    AssignmentNode,
    ConditionNode,
    DeleteNode,
    ExpressionNode,
    InsertNode,
    ListNode,
    LogicNode,
    MembershipNode,
    MutationBody,
    NotNode,
    NullTestNode,
    PredicateNode,
    QueryDeclaration,
    StatementNode,
    UpdateNode,
    VariableNode,
    WordNode,
)

_ENDPOINTS = {"from": "src", "to": "dst"}


def check_mutation_body(
    context: Context, declaration: QueryDeclaration, body: MutationBody, parameters: tuple[Parameter, ...]
) -> MutationQuery:
    """Check a mutation, but for the mixture of its statements."""
    return MutationQuery(
        declaration.name,
        parameters,
        tuple(_check_statement(context, node) for node in body.statements),
        declaration.description,
        declaration.instruction,
    )


def refuse_mixture(query: MutationQuery) -> None:
    """Refuse a mutation that both inserts or updates and deletes. Raises BadRequest."""
    problem = mixture_of(query)
    if problem is not None:
        raise BadRequest(problem)


def mixture_of(query: MutationQuery) -> str | None:
    """Return what is wrong with a mutation that holds both kinds of statement, else None."""
    if len({isinstance(statement, Delete) for statement in query.statements}) < 2:
        return None
    return (
        f"mutation '{query.name}' on the same query mixes inserts/updates and deletes; split into separate mutations: "
        "(1) inserts and updates, then (2) deletes."
    )


def _check_statement(context: Context, node: StatementNode) -> Statement:
    name = node.type_name
    entity = context.catalog.nodes.get(name) or context.catalog.edges.get(name)
    if entity is None:
        raise context.error(f"T10: unknown node/edge type `{name}`", node.at, node.end)
    if isinstance(node, InsertNode):
        if isinstance(entity, EdgeType):
            return _check_edge_insert(context, node, entity)
        return _check_node_insert(context, node, entity)
    if isinstance(node, UpdateNode):
        if isinstance(entity, EdgeType):
            raise context.error(f"T16: update mutation for edge type `{name}` is not supported", node.at, node.end)
        return _check_update(context, node, entity)
    return _check_delete(context, node, entity)


# --- inserts -----------------------------------------------------------------------------------------------------------


def _check_node_insert(context: Context, node: InsertNode, entity: NodeType) -> Insert:
    assignments = _check_assignments(context, node.assignments, entity, None)
    _check_complete(context, node, entity, assignments)
    return Insert("node", entity.name, tuple(assignments.values()))


def _check_edge_insert(context: Context, node: InsertNode, entity: EdgeType) -> Insert:
    ends: dict[str, Expression] = {}
    others: list[AssignmentNode] = []
    for each in node.assignments:
        if each.property_name not in _ENDPOINTS:
            others.append(each)
            continue
        _refuse_duplicate(context, each, each.property_name in ends)
        ends[each.property_name] = check_assignment(context, None, each.property_name, STRING, each.value)
    assignments = _check_assignments(context, tuple(others), entity, None)
    for end in _ENDPOINTS:
        if end not in ends:
            raise context.error(f"T12: insert for `{entity.name}` must provide required endpoint `{end}`", node.at, node.end)
    _check_complete(context, node, entity, assignments)
    return Insert("edge", entity.name, tuple(assignments.values()), ends["from"], ends["to"])


def _check_complete(
    context: Context, node: InsertNode, entity: NodeType | EdgeType, assignments: dict[str, Assignment]
) -> None:
    """Check that every property that cannot be null is assigned, or made from an assigned ``@embed`` source."""
    for name, each in entity.properties.items():
        if each.type.nullable or name in assignments:
            continue
        problem = f"T12: insert for `{entity.name}` must provide non-nullable property `{name}`"
        if each.embed is not None:
            if each.embed.source in assignments:
                continue
            problem += f" or @embed source `{each.embed.source}`"
        raise context.error(problem, node.at, node.end)


def _check_assignments(
    context: Context, nodes: tuple[AssignmentNode, ...], entity: NodeType | EdgeType, row: NodeType | None
) -> dict[str, Assignment]:
    """Check assignments to a type. ``row`` is the type of the row that they may read, None for an insert."""
    assignments: dict[str, Assignment] = {}
    for node in nodes:
        name = node.property_name
        found = _property(context, entity, name, node.at)
        _refuse_duplicate(context, node, name in assignments)
        value = check_assignment(context, row, name, found.type, node.value)
        assignments[name] = Assignment(name, found.type, value)
    return assignments


def _refuse_duplicate(context: Context, node: AssignmentNode, duplicate: bool) -> None:
    if duplicate:
        raise context.error(f"T13: duplicate assignment for property `{node.property_name}`", node.at)


# --- updates and deletes -----------------------------------------------------------------------------------------------


def _check_update(context: Context, node: UpdateNode, entity: NodeType) -> Update:
    assignments = _check_assignments(context, node.assignments, entity, entity)
    for each in node.assignments:
        if each.property_name in entity.key:
            problem = f"cannot update @key property '{each.property_name}' — delete and re-insert instead"
            raise context.error(problem, each.at)
    return Update(entity.name, tuple(assignments.values()), _check_predicate(context, node.predicate, entity))


def _check_delete(context: Context, node: DeleteNode, entity: NodeType | EdgeType) -> Delete:
    kind: EntityKind = "edge" if isinstance(entity, EdgeType) else "node"
    return Delete(kind, entity.name, _check_predicate(context, node.predicate, entity))


def _check_predicate(context: Context, node: ConditionNode, entity: NodeType | EdgeType) -> Condition:
    if isinstance(node, LogicNode):
        items = tuple(_check_predicate(context, item, entity) for item in node.items)
        return And(items) if node.operator == "and" else Or(items)
    if isinstance(node, NotNode):
        return Not(_check_predicate(context, node.item, entity))
    if isinstance(node, NullTestNode):
        return IsNull(_column(context, node.operand, entity), node.negated)
    if isinstance(node, MembershipNode):
        operand = _column(context, node.operand, entity)
        _refuse_blob(context, operand, node.at)
        if isinstance(node.container, ListNode):
            return check_listed(context, (operand, operand.type), node.container, node.negated, node.at)
        assert isinstance(node.container, VariableNode)  # the grammar of predicates has no other containers
        container = check_value(context, node.container, in_mutation=True)
        return check_membership(context, (operand, operand.type), container, node.negated, node.at)
    assert isinstance(node, PredicateNode)  # the grammar of mutations has no other tests
    column = _column(context, WordNode(node.property_name, node.at), entity)
    _refuse_blob(context, column, node.at)
    value = check_comparison(context, node.property_name, column.type, node.value)
    assert node.operator != "contains" and node.operator != "starts_with"  # the grammar of predicates has comparisons only
    return Compare(node.operator, column, value)


def _column(context: Context, node: ExpressionNode, entity: NodeType | EdgeType) -> PropertyRef:
    """Return what a bare name of a predicate means: a property of the row, on an edge also one of its ends."""
    assert isinstance(node, WordNode)
    if isinstance(entity, EdgeType) and node.text in _ENDPOINTS:
        return PropertyRef("", _ENDPOINTS[node.text], STRING)
    return PropertyRef("", node.text, _property(context, entity, node.text, node.at).type)


def _refuse_blob(context: Context, column: PropertyRef, at: int) -> None:
    if column.type.scalar is Scalar.BLOB:
        raise context.error(f"T11: blob property `{column.property_name}` cannot be used in WHERE predicates", at)


def _property(context: Context, entity: NodeType | EdgeType, name: str, at: int) -> Property:
    found = entity.properties.get(name)
    if found is None:
        raise context.error(f"T11: type `{entity.name}` has no property `{name}`", at)
    return found
