"""Pass: nodes copy the properties of their interfaces."""

from __future__ import annotations

from msgspec.structs import replace

from omnigraph.language.assembly.refusal import refuse
from omnigraph.language.schema_tree import InterfaceDeclaration, NodeDeclaration, PropertyNode, SchemaTree


def copy_interface_properties(tree: SchemaTree) -> SchemaTree:
    """Append to every node what its interfaces declare and it does not, in the order of its ``implements`` list.

    The first declaration of a property supplies its annotations; every later one must have the same type.
    """
    interfaces: dict[str, InterfaceDeclaration] = {}
    for interface in tree.interfaces:
        interfaces.setdefault(interface.name, interface)
    declarations = tuple(
        _completed(item, interfaces) if isinstance(item, NodeDeclaration) and item.implements else item
        for item in tree.declarations
    )
    return replace(tree, declarations=declarations)


def _completed(node: NodeDeclaration, interfaces: dict[str, InterfaceDeclaration]) -> NodeDeclaration:
    properties: list[PropertyNode] = list(node.properties)
    by_name = {each.name: each for each in properties}
    names = tuple(dict.fromkeys(node.implements))
    for name in names:
        interface = interfaces.get(name)
        if interface is None:
            raise refuse(f"node {node.name} implements unknown interface '{name}'")
        for declared in interface.properties:
            present = by_name.get(declared.name)
            if present is None:
                copy = replace(declared, inherited=name)
                properties.append(copy)
                by_name[copy.name] = copy
            elif present.type != declared.type:
                raise refuse(
                    f"node {node.name} property '{declared.name}' has type {present.type} "
                    f"but interface {name} declares it as {declared.type}"
                )
    return replace(node, properties=tuple(properties), implements=names)
