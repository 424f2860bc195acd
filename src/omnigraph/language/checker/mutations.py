"""Mutations: inserts, updates and deletes."""

from __future__ import annotations

from omnigraph.errors import BadRequest
from omnigraph.language.catalog import EdgeType, NodeType, Property, Scalar
from omnigraph.language.checked import (
    Assignment,
    Compare,
    Delete,
    EntityKind,
    Expression,
    Insert,
    MutationQuery,
    Parameter,
    PropertyRef,
    Statement,
    Update,
)
from omnigraph.language.checker.context import STRING, Context
from omnigraph.language.checker.values import check_assignment, check_comparison
from omnigraph.language.query_tree import (
    AssignmentNode,
    DeleteNode,
    InsertNode,
    MutationBody,
    PredicateNode,
    QueryDeclaration,
    StatementNode,
    UpdateNode,
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
    assignments = _check_assignments(context, node.assignments, entity)
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
        ends[each.property_name] = check_assignment(context, each.property_name, STRING, each.value)
    assignments = _check_assignments(context, tuple(others), entity)
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
    context: Context, nodes: tuple[AssignmentNode, ...], entity: NodeType | EdgeType
) -> dict[str, Assignment]:
    assignments: dict[str, Assignment] = {}
    for node in nodes:
        name = node.property_name
        found = _property(context, entity, name, node.at)
        _refuse_duplicate(context, node, name in assignments)
        value = check_assignment(context, name, found.type, node.value)
        assignments[name] = Assignment(name, found.type, value)
    return assignments


def _refuse_duplicate(context: Context, node: AssignmentNode, duplicate: bool) -> None:
    if duplicate:
        raise context.error(f"T13: duplicate assignment for property `{node.property_name}`", node.at)


# --- updates and deletes -----------------------------------------------------------------------------------------------


def _check_update(context: Context, node: UpdateNode, entity: NodeType) -> Update:
    assignments = _check_assignments(context, node.assignments, entity)
    for each in node.assignments:
        if each.property_name in entity.key:
            problem = f"cannot update @key property '{each.property_name}' — delete and re-insert instead"
            raise context.error(problem, each.at)
    return Update(entity.name, tuple(assignments.values()), _check_predicate(context, node.predicate, entity))


def _check_delete(context: Context, node: DeleteNode, entity: NodeType | EdgeType) -> Delete:
    kind: EntityKind = "edge" if isinstance(entity, EdgeType) else "node"
    return Delete(kind, entity.name, _check_predicate(context, node.predicate, entity))


def _check_predicate(context: Context, node: PredicateNode, entity: NodeType | EdgeType) -> Compare:
    name = node.property_name
    if isinstance(entity, EdgeType) and name in _ENDPOINTS:
        column, type_ = _ENDPOINTS[name], STRING
    else:
        column, type_ = name, _property(context, entity, name, node.at).type
    if type_.scalar is Scalar.BLOB:
        raise context.error(f"T11: blob property `{name}` cannot be used in WHERE predicates", node.at)
    value = check_comparison(context, name, type_, node.value)
    assert node.operator != "contains"  # the grammar of predicates has comparisons only
    return Compare(node.operator, PropertyRef("", column, type_), value)


def _property(context: Context, entity: NodeType | EdgeType, name: str, at: int) -> Property:
    found = entity.properties.get(name)
    if found is None:
        raise context.error(f"T11: type `{entity.name}` has no property `{name}`", at)
    return found
