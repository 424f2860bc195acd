"""Pass: constraints name properties that exist, of types that they can hold for."""

from __future__ import annotations

from omnigraph.language import pattern
from omnigraph.language.assembly.refusal import check_constrainable, refuse
from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.schema_tree import (
    BoundsNode,
    ConstraintNode,
    EdgeDeclaration,
    InterfaceDeclaration,
    NodeDeclaration,
    SchemaTree,
    ValueNode,
    WordNode,
)

_ENDPOINTS = {"src": PropertyType(Scalar.STRING), "dst": PropertyType(Scalar.STRING)}


def check_constraints(tree: SchemaTree) -> SchemaTree:
    """Check every constraint against its type."""
    for declaration in tree.declarations:
        if isinstance(declaration, InterfaceDeclaration):
            continue
        for constraint in declaration.constraints:
            if isinstance(declaration, EdgeDeclaration) and constraint.kind in ("key", "range", "check"):
                raise refuse(f"@{constraint.kind} constraint is not supported on edges (edge {declaration.name})")
            if constraint.kind == "range":
                _check_range(declaration, constraint)
            elif constraint.kind == "check":
                _check_check(declaration, constraint)
            else:
                _check_columns(declaration, constraint)
        if sum(constraint.kind == "key" for constraint in declaration.constraints) > 1:
            raise refuse(f"node type {declaration.name} has multiple @key constraints; only one is supported")
    return tree


def _check_columns(declaration: NodeDeclaration | EdgeDeclaration, constraint: ConstraintNode) -> None:
    kind = constraint.kind
    if not all(isinstance(argument, WordNode) for argument in constraint.arguments):
        raise refuse("expected property name in constraint")
    for name in constraint.columns:
        type_ = _type_of(declaration, name, kind)
        check_constrainable(kind, f"{declaration.name}.{name}", type_, constraint.shorthand)
        if kind == "key" and type_.nullable:
            raise refuse(f"@key property {declaration.name}.{name} cannot be nullable")


def _check_range(declaration: NodeDeclaration | EdgeDeclaration, constraint: ConstraintNode) -> None:
    if len(constraint.arguments) != 2:
        raise refuse("@range requires property name and bounds: @range(prop, min..max)")
    target, bounds = constraint.arguments
    if not isinstance(target, WordNode):
        raise refuse("expected property name in constraint")
    if not isinstance(bounds, BoundsNode):
        raise refuse("expected range bounds (min..max) in @range constraint")
    type_ = _type_of(declaration, target.text, "range")
    if type_.is_list or not type_.scalar.is_numeric:
        raise refuse(f"@range on {declaration.name}.{target.text} requires a numeric type, got {type_}")


def _check_check(declaration: NodeDeclaration | EdgeDeclaration, constraint: ConstraintNode) -> None:
    if len(constraint.arguments) != 2:
        raise refuse('@check requires property name and pattern: @check(prop, "regex")')
    target, expression = constraint.arguments
    if not isinstance(target, WordNode):
        raise refuse("expected property name in constraint")
    if not isinstance(expression, ValueNode) or not isinstance(expression.value, str):
        raise refuse("expected string argument in constraint")
    type_ = _type_of(declaration, target.text, "check")
    name = f"{declaration.name}.{target.text}"
    if type_.scalar is not Scalar.STRING:
        raise refuse(f"@check on {name} requires String type, got {type_}")
    try:
        pattern.check_pattern(expression.value)
    except pattern.PatternError as error:
        raise refuse(f"@check on {name} has invalid regex '{expression.value}': {error}") from None


def _type_of(declaration: NodeDeclaration | EdgeDeclaration, name: str, kind: str) -> PropertyType:
    for each in declaration.properties:
        if each.name == name:
            return each.type
    if isinstance(declaration, EdgeDeclaration) and name in _ENDPOINTS:
        return _ENDPOINTS[name]
    raise refuse(f"@{kind} on {declaration.name} references unknown property '{name}'")
