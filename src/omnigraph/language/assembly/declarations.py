"""Pass: names are unique, and edges join node types that exist."""

from __future__ import annotations

from collections.abc import Iterable

from omnigraph.language.assembly.refusal import refuse_catalog
from omnigraph.language.schema_tree import SchemaTree


def check_declarations(tree: SchemaTree) -> SchemaTree:
    """Check what can only be judged with all declarations at hand: the catalog stage."""
    _check_unique("interface", (item.name for item in tree.interfaces))
    _check_unique("node type", (item.name for item in tree.nodes))
    _check_unique("edge type", (item.name for item in tree.edges))
    for declaration in tree.declarations:
        _check_unique(f"property of {declaration.name}", (each.name for each in declaration.properties))
    nodes = {node.name for node in tree.nodes}
    folded: dict[str, str] = {}
    for edge in tree.edges:
        if edge.source not in nodes:
            raise refuse_catalog(f"edge {edge.name} references unknown source type: {edge.source}")
        if edge.target not in nodes:
            raise refuse_catalog(f"edge {edge.name} references unknown target type: {edge.target}")
        earlier = folded.setdefault(edge.name.lower(), edge.name)
        if earlier != edge.name:
            raise refuse_catalog(f"edge name collision after case folding: '{edge.name}' conflicts with '{earlier}'")
    return tree


def _check_unique(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise refuse_catalog(f"duplicate {what}: {name}")
        seen.add(name)
