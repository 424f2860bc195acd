"""Pass: properties do not take the names of columns that mean something else."""

from __future__ import annotations

from omnigraph.language.assembly.refusal import refuse
from omnigraph.language.schema_tree import EdgeDeclaration, InterfaceDeclaration, SchemaTree

VIRTUAL_COLUMNS = frozenset(("_rowid", "_rowaddr", "_rowoffset", "_row_created_at_version", "_row_last_updated_at_version"))
_EDGE_COLUMNS = {
    "id": "it is the identity of the edge",
    "src": "it is the column of the edge's source",
    "dst": "it is the column of the edge's target",
    "from": "it is how `insert` and `delete` name the edge's source",
    "to": "it is how `insert` and `delete` name the edge's target",
}


def check_names(tree: SchemaTree) -> SchemaTree:
    """Refuse reserved property names. An interface may hold ``id``; a node that would copy it may not exist."""
    for declaration in tree.declarations:
        for each in declaration.properties:
            name, target = each.name, f"{declaration.name}.{each.name}"
            if name in VIRTUAL_COLUMNS:
                raise refuse(f"property name '{name}' is reserved for a virtual storage system column ({target}); rename it")
            if isinstance(declaration, EdgeDeclaration):
                if name in _EDGE_COLUMNS:
                    raise refuse(f"property name '{name}' is reserved on edges ({target}): {_EDGE_COLUMNS[name]}")
            elif name == "id" and not isinstance(declaration, InterfaceDeclaration):
                raise refuse(f"property name 'id' is reserved on nodes ({target}): it is the identity of the node")
    return tree
