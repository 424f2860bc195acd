"""Pass: ``@embed`` names a text property of the same node."""

from __future__ import annotations

from omnigraph.language.assembly.refusal import refuse
from omnigraph.language.catalog import Scalar
from omnigraph.language.schema_tree import SchemaTree


def check_embeddings(tree: SchemaTree) -> SchemaTree:
    """Check the source of every ``@embed``; the pass over annotations has checked its form."""
    for node in tree.nodes:
        types = {each.name: each.type for each in node.properties}
        for each in node.properties:
            for annotation in each.annotations:
                if annotation.name != "embed":
                    continue
                source = types.get(annotation.value or "")
                if source is None:
                    raise refuse(f"@embed on {node.name}.{each.name} references unknown source property {annotation.value}")
                if source.scalar is not Scalar.STRING or source.is_list:
                    raise refuse(f"@embed source property {node.name}.{annotation.value} must be String")
    return tree
