"""The layout of schemas."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from omnigraph.language.formatting.layout import Group, Line, Page
from omnigraph.language.schema_tree import (
    ConstraintNode,
    Declaration,
    InterfaceDeclaration,
    NodeDeclaration,
    PropertyNode,
    SchemaTree,
)


def lay_out_schema(tree: SchemaTree) -> str:
    """Return the formatted text of a schema.

    Bodies of nodes are open, those of interfaces and edges with one property closed where they fit. An empty line stands
    around what takes several lines; between others the source decides.
    """
    texts = tree.tokens.texts
    glued = set(_glued(texts))
    breaks = {token for token in range(1, len(texts)) if texts[token] == "@" or texts[token - 1] == ","}
    page = Page(tree.tokens, glued, breaks)
    lines = [_declaration(texts, node) for node in tree.declarations]
    opened = [not page.fits(line) for line in lines]
    gaps = [False, *(before or after for before, after in pairwise(opened))]
    for line, gap in zip(lines, gaps, strict=False):
        page.begin(0, "made" if gap else "kept")
        page.line(line, 0)
    return page.text()


def _declaration(texts: list[str], node: Declaration) -> Line:
    closing = node.end - 1
    if texts[closing] != "}":
        return tuple(range(node.at, node.end))
    opening = texts.index("{", node.at)
    members: list[PropertyNode | ConstraintNode] = [*node.properties]
    if not isinstance(node, InterfaceDeclaration):
        members += node.constraints
    members.sort(key=lambda member: member.at)
    items = tuple(tuple(range(member.at, member.end)) for member in members)
    expanded = len(items) > 1 or (isinstance(node, NodeDeclaration) and len(items) > 0)
    return (*range(node.at, opening), Group(opening, items, closing, commas=False, expanded=expanded))


def _glued(texts: list[str]) -> Iterator[int]:
    """Yield the tokens that take no space in front."""
    inside_enum = False
    for token in range(1, len(texts)):
        text, last = texts[token], texts[token - 1]
        if text == "(":
            inside_enum = last == "enum"
        elif text == ")":
            inside_enum = False
        # The parts of a value such as `sky-blue` are one only without space.
        in_value = inside_enum and last != ","
        if in_value or text in ("(", "..", "=") or last in ("..", "=", "-") or (last, text) == ("{", "}"):
            yield token
