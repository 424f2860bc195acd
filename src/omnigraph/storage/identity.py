"""Stable ids: which type and which property of a schema is which in the log, whatever they are called."""

from __future__ import annotations

from omnigraph.language.catalog import Catalog, NodeType
from omnigraph.storage.record import PropertyIdentity, SchemaBlock, TypeIdentity


def first_block(catalog: Catalog) -> SchemaBlock:
    """Return the schema block of a new graph: every type and property gets a fresh id, in declaration order."""
    next_id = 1
    types = []
    entities = [("node", node) for node in catalog.nodes.values()] + [("edge", edge) for edge in catalog.edges.values()]
    for kind, entity in entities:
        type_id, next_id = next_id, next_id + 1
        properties = []
        for name in entity.properties:
            properties.append(PropertyIdentity(next_id, name, name))
            next_id += 1
        by_name = {identity.name: identity.property_id for identity in properties}
        key = [by_name[name] for name in entity.key] if isinstance(entity, NodeType) else []
        types.append(TypeIdentity(type_id, kind, entity.name, key, properties))
    return SchemaBlock(digest=catalog.digest, source=catalog.source, types=types, next_id=next_id)


def columns_of(identity: TypeIdentity) -> dict[str, str]:
    """Return the stored column of every property by its present name, structural columns included."""
    columns = {"id": "id"}
    if identity.kind == "edge":
        columns |= {"src": "src", "dst": "dst"}
    columns |= {property_.name: property_.column for property_ in identity.properties}
    return columns
