"""From a schema tree back to a source text that parses to the same tree. Comments are not part of a tree."""

from __future__ import annotations

from omnigraph.language.lexer import plain_decimal, quote
from omnigraph.language.schema_tree import (
    AnnotationNode,
    ArgumentNode,
    BoundsNode,
    ConstraintNode,
    Declaration,
    EdgeDeclaration,
    InterfaceDeclaration,
    PropertyNode,
    SchemaTree,
    WordNode,
)


def print_schema(tree: SchemaTree) -> str:
    """Return the source text of a schema."""
    return "\n".join(_declaration(each) for each in tree.declarations)


def _declaration(node: Declaration) -> str:
    if isinstance(node, InterfaceDeclaration):
        return f"interface {node.name} {_body(node.properties, ())}\n"
    annotations = "".join(f" {_annotation(each)}" for each in node.annotations)
    if isinstance(node, EdgeDeclaration):
        cardinality = ""
        if node.cardinality is not None:
            minimum, maximum = node.cardinality
            cardinality = f" @card({minimum}..{'' if maximum is None else maximum})"
        body = f" {_body(node.properties, node.constraints)}" if node.properties or node.constraints else ""
        return f"edge {node.name}: {node.source} -> {node.target}{cardinality}{annotations}{body}\n"
    implements = f" implements {', '.join(node.implements)}" if node.implements else ""
    return f"node {node.name}{annotations}{implements} {_body(node.properties, node.constraints)}\n"


def _body(properties: tuple[PropertyNode, ...], constraints: tuple[ConstraintNode, ...]) -> str:
    lines = [f"    {_property(each)}" for each in properties] + [f"    {_constraint(each)}" for each in constraints]
    return "\n".join(["{", *lines, "}"]) if lines else "{}"


def _property(node: PropertyNode) -> str:
    return " ".join([f"{node.name}: {node.type}", *(_annotation(each) for each in node.annotations)])


def _annotation(node: AnnotationNode) -> str:
    if node.value is None:
        return f"@{node.name}"
    # Named arguments are printed as strings: annotation values are strings whatever they were written as.
    arguments = [quote(node.value) if node.quoted else node.value]
    arguments += [f"{word}={quote(value)}" for word, value in node.kwargs]
    return f"@{node.name}({', '.join(arguments)})"


def _constraint(node: ConstraintNode) -> str:
    return f"@{node.kind}({', '.join(_argument(each) for each in node.arguments)})"


def _argument(node: ArgumentNode) -> str:
    if isinstance(node, WordNode):
        return node.text
    if isinstance(node, BoundsNode):
        return f"{_number(node.minimum)}..{_number(node.maximum)}"
    if isinstance(node.value, str):
        return quote(node.value)
    if isinstance(node.value, bool):
        return "true" if node.value else "false"
    return _number(node.value)


def _number(value: int | float | None) -> str:
    if value is None:
        return ""
    return plain_decimal(repr(value)) if isinstance(value, float) else str(value)
