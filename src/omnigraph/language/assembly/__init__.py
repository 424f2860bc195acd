"""From the tree of a schema to its catalog: one pass per module, in the order of ``PASSES``.

A pass takes a tree and returns one; it checks, or replaces what later passes need not know. The last step, ``catalog``,
turns the tree into the form that every other room reads.
"""

from __future__ import annotations

from collections.abc import Callable

from omnigraph.language.assembly.annotations import check_annotations
from omnigraph.language.assembly.catalog import build_catalog
from omnigraph.language.assembly.constraints import check_constraints
from omnigraph.language.assembly.declarations import check_declarations
from omnigraph.language.assembly.embeddings import check_embeddings
from omnigraph.language.assembly.interfaces import copy_interface_properties
from omnigraph.language.assembly.names import check_names
from omnigraph.language.assembly.shorthand import expand_shorthand
from omnigraph.language.catalog import Catalog
from omnigraph.language.schema_parser import parse_schema
from omnigraph.language.schema_tree import SchemaTree

PASSES: tuple[Callable[[SchemaTree], SchemaTree], ...] = (
    check_annotations,  # as written, interfaces included
    copy_interface_properties,  # from here on nodes are complete
    check_names,
    expand_shorthand,  # from here on constraints have one form
    check_constraints,
    check_embeddings,
    check_declarations,  # errors of the catalog stage: names, endpoints
)


def compile_schema(source: str) -> Catalog:
    """Compile the text of a ``.pg`` file. Raises ParseError and CatalogError."""
    tree = parse_schema(source)
    for each in PASSES:
        tree = each(tree)
    return build_catalog(tree)
