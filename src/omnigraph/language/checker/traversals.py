"""Traversals: directions, the types of their ends, hop bounds, edge variables."""

from __future__ import annotations

from omnigraph.language.catalog import EdgeType
from omnigraph.language.checked import Traversal, Variable
from omnigraph.language.checker.context import Context, Scope
from omnigraph.language.checker.values import check_matches
from omnigraph.language.query_tree import TraversalNode


def check_traversal(
    context: Context, scope: Scope, node: TraversalNode, left: str, right: str, name: str | None = None
) -> Traversal:
    """Check a traversal between two variables; ``name`` is that of the edge, if it has one."""
    edge = context.catalog.find_edge(node.edge)
    if edge is None:
        raise context.error(f"T4: unknown edge type `{node.edge}`", node.at, node.end)
    if node.undirected and edge.source != edge.target:
        raise context.error(
            f"T22: undirected traversal `<{edge.name}>` requires a same-endpoint-type edge, "
            f"but `{edge.name}: {edge.source} -> {edge.target}` is asymmetric; use the directional form",
            node.at,
            node.end,
        )
    for end in (left, right):
        variable = scope.find(end)
        if variable is not None and variable.kind == "edge":
            raise context.error(f"T23: edge binding `${end}` cannot be an endpoint of a traversal", node.at, node.end)
    forward = _is_forward(context, scope, node, edge, left, right)
    left_type, right_type = (edge.source, edge.target) if forward else (edge.target, edge.source)
    _give_type(context, scope, node, edge, left, left_type)
    _give_type(context, scope, node, edge, right, right_type)
    minimum, maximum = _check_bounds(context, node)
    if name is not None:
        _bind_edge(context, scope, node, edge, name)
    matches = check_matches(context, edge.name, edge.properties, node.matches)
    source, target = (left, right) if forward else (right, left)
    return Traversal(edge.name, source, target, (left, right), minimum, maximum, node.undirected, name, matches)


def _bind_edge(context: Context, scope: Scope, node: TraversalNode, edge: EdgeType, name: str) -> None:
    if node.bounds is not None:
        problem = f"T23: edge binding `${node.variable}` does not combine with hop bounds"
        raise context.error(problem, node.at, node.end)
    if name in (node.left, node.right):
        problem = f"T23: edge binding `${name}` is also an end of its own traversal; an edge binding needs a fresh name"
        raise context.error(problem, node.at, node.end)
    if scope.find(name) is not None:
        problem = f"T23: variable `${name}` is already bound; an edge binding needs a fresh name"
        raise context.error(problem, node.at, node.end)
    scope.own[name] = Variable(name, "edge", edge.name)


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
