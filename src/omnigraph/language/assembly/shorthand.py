"""Pass: ``@key``, ``@unique`` and ``@index`` behind a property become constraints of the body."""

from __future__ import annotations

from msgspec.structs import replace

from omnigraph.language.schema_tree import (
    ConstraintNode,
    Declaration,
    InterfaceDeclaration,
    PropertyNode,
    SchemaTree,
    WordNode,
)

_FLAGS = ("key", "unique", "index")


def expand_shorthand(tree: SchemaTree) -> SchemaTree:
    """Move the property forms into the list of constraints. Interfaces keep them: they have no constraints."""
    return replace(tree, declarations=tuple(_expanded(item) for item in tree.declarations))


def _expanded(declaration: Declaration) -> Declaration:
    if isinstance(declaration, InterfaceDeclaration):
        return declaration
    properties: list[PropertyNode] = []
    constraints: list[ConstraintNode] = []
    for each in declaration.properties:
        kept = []
        for annotation in each.annotations:
            if annotation.name in _FLAGS:
                argument = WordNode(each.name, each.at)
                constraints.append(
                    ConstraintNode(annotation.name, (argument,), True, annotation.at, annotation.end)  # type: ignore[arg-type]  # one of _FLAGS
                )
            else:
                kept.append(annotation)
        properties.append(each if len(kept) == len(each.annotations) else replace(each, annotations=tuple(kept)))
    constraints.extend(declaration.constraints)
    return replace(declaration, properties=tuple(properties), constraints=tuple(constraints))
