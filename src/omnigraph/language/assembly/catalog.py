"""The last step: from a checked tree to the catalog."""

from __future__ import annotations

from omnigraph.language.canonical import digest_of
from omnigraph.language.catalog import (
    Annotation,
    Catalog,
    Check,
    EdgeType,
    Embed,
    InterfaceType,
    NodeType,
    Property,
    Range,
)
from omnigraph.language.schema_tree import (
    AnnotationNode,
    BoundsNode,
    ConstraintNode,
    EdgeDeclaration,
    NodeDeclaration,
    PropertyNode,
    SchemaTree,
    ValueNode,
    WordNode,
)


def build_catalog(tree: SchemaTree) -> Catalog:
    """Build the catalog of a tree that has passed every check."""
    nodes = {item.name: _node(item) for item in tree.nodes}
    edges = {item.name: _edge(item) for item in tree.edges}
    interfaces = {item.name: InterfaceType(item.name, _properties(item.properties)) for item in tree.interfaces}
    digest = digest_of(nodes, edges, interfaces)
    return Catalog(nodes, edges, interfaces, tree.tokens.source, digest)


def _node(node: NodeDeclaration) -> NodeType:
    keys = _columns(node.constraints, "key")
    ranges: list[Range] = []
    checks: list[Check] = []
    for constraint in node.constraints:
        match constraint.arguments:
            case (WordNode(text=name), BoundsNode(minimum=minimum, maximum=maximum)):
                ranges.append(Range(name, minimum, maximum))
            case (WordNode(text=name), ValueNode(value=str(expression))):
                checks.append(Check(name, expression))
    return NodeType(
        node.name,
        _properties(node.properties),
        _columns(node.constraints, "unique"),
        _columns(node.constraints, "index"),
        _annotations(node.annotations),
        key=tuple(sorted(keys[0])) if keys else (),
        ranges=tuple(dict.fromkeys(ranges)),
        checks=tuple(dict.fromkeys(checks)),
        implements=node.implements,
    )


def _edge(edge: EdgeDeclaration) -> EdgeType:
    return EdgeType(
        edge.name,
        _properties(edge.properties),
        _columns(edge.constraints, "unique"),
        _columns(edge.constraints, "index"),
        _annotations(edge.annotations),
        source=edge.source,
        target=edge.target,
        cardinality=edge.cardinality or (0, None),
    )


def _columns(constraints: tuple[ConstraintNode, ...], kind: str) -> tuple[tuple[str, ...], ...]:
    """Collect the column lists of one kind, each set of columns once, as first written."""
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for constraint in constraints:
        if constraint.kind == kind:
            found.setdefault(tuple(sorted(constraint.columns)), constraint.columns)
    return tuple(found.values())


def _properties(nodes: tuple[PropertyNode, ...]) -> dict[str, Property]:
    return {
        node.name: Property(node.name, node.type, _annotations(node.annotations), _embed(node.annotations)) for node in nodes
    }


def _embed(annotations: tuple[AnnotationNode, ...]) -> Embed | None:
    for annotation in annotations:
        if annotation.name == "embed" and annotation.value is not None:
            return Embed(annotation.value, dict(annotation.kwargs).get("model"))
    return None


def _annotations(nodes: tuple[AnnotationNode, ...]) -> tuple[Annotation, ...]:
    return tuple(Annotation(node.name, node.value, node.kwargs) for node in nodes)
