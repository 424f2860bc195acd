"""Pass: annotations stand where they may, as often as they may, with the values that they need."""

from __future__ import annotations

from omnigraph.language.assembly.refusal import check_constrainable, refuse
from omnigraph.language.catalog import Scalar
from omnigraph.language.schema_tree import AnnotationNode, EdgeDeclaration, NodeDeclaration, PropertyNode, SchemaTree

_FLAGS = frozenset(("key", "unique", "index"))
_METADATA = frozenset(("description", "instruction"))


def check_annotations(tree: SchemaTree) -> SchemaTree:
    """Check every annotation. Unknown ones are never refused."""
    for declaration in tree.declarations:
        is_edge = isinstance(declaration, EdgeDeclaration)
        if isinstance(declaration, (NodeDeclaration, EdgeDeclaration)):
            kind = "edge" if is_edge else "node"
            _check_metadata(declaration.annotations, f"{kind} {declaration.name}")
        for each in declaration.properties:
            _check_property(each, f"{declaration.name}.{each.name}", is_edge)
    return tree


def _check_property(node: PropertyNode, target: str, on_edge: bool) -> None:
    seen: set[str] = set()
    for annotation in node.annotations:
        name = annotation.name
        if name in _FLAGS or name == "embed":
            if on_edge and name in ("key", "embed"):
                raise refuse(f"@{name} is not supported on edge properties (edge {target})")
            if name in seen:
                raise refuse(f"property {target} declares @{name} multiple times")
            check_constrainable(name, target, node.type, property_form=True)
            if name in _FLAGS and (annotation.value is not None or annotation.kwargs):
                raise refuse(f"@{name} on {target} does not accept a value")
            if name == "embed":
                _check_embed(node, annotation, target)
        elif name == "instruction":
            raise refuse(f"@instruction is only supported on node and edge types (property {target})")
        seen.add(name)
    _check_metadata(node.annotations, f"property {target}")


def _check_embed(node: PropertyNode, annotation: AnnotationNode, target: str) -> None:
    if node.type.scalar is not Scalar.VECTOR:
        raise refuse(f"@embed is only supported on vector properties ({target})")
    if annotation.value is None:
        raise refuse(f"@embed on {target} requires a source property name")
    if not annotation.value.strip():
        raise refuse(f"@embed on {target} requires a non-empty source property name")
    for word, value in annotation.kwargs:
        if word != "model":
            raise refuse(f"@embed on {target} has unknown argument '{word}=' (only 'model' is supported)")
        if not value.strip():
            raise refuse(f"@embed on {target} requires a non-empty value for 'model='")


def _check_metadata(annotations: tuple[AnnotationNode, ...], target: str) -> None:
    seen: set[str] = set()
    for annotation in annotations:
        name = annotation.name
        if name not in _METADATA and name != "rename_from":
            continue
        if name in seen:
            raise refuse(f"{target} declares @{name} multiple times")
        seen.add(name)
        blank = annotation.value is None or not annotation.value.strip()
        if name == "rename_from" and (blank or annotation.kwargs):
            raise refuse(f"@rename_from on {target} requires exactly one non-empty positional value")
        if blank:
            raise refuse(f"@{name} on {target} requires a non-empty value")
