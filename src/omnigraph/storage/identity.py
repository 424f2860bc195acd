"""Stable ids: which type and which property of a schema is which in the log, whatever they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from omnigraph.language.catalog import Catalog, EdgeType, NodeType
from omnigraph.storage.record import PropertyIdentity, SchemaBlock, TypeIdentity
from omnigraph.storage.ulid import new_ulid


@dataclass(frozen=True, slots=True)
class FormerNames:
    """What a migration renames: former names of types by kind and new name, of properties by kind, new type and new name."""

    types: Mapping[tuple[str, str], str] = field(default_factory=dict)
    properties: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)


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


def same_identities(accepted: SchemaBlock, catalog: Catalog) -> SchemaBlock:
    """Return the block of a text that differs from the accepted one in layout only."""
    return msgspec.structs.replace(accepted, digest=catalog.digest, source=catalog.source, id=new_ulid())


def next_block(accepted: SchemaBlock, catalog: Catalog, former: FormerNames) -> SchemaBlock:
    """Return the block that follows: what is kept or renamed keeps its id, what is new gets one that was never used."""
    by_key = {identity.table_key: identity for identity in accepted.types}
    next_id = accepted.next_id
    types = []
    entities = [("node", node) for node in catalog.nodes.values()] + [("edge", edge) for edge in catalog.edges.values()]
    for kind, entity in entities:
        known = by_key.get(f"{kind}:{former.types.get((kind, entity.name), entity.name)}")
        if known is not None:
            identity, next_id = _properties(known, entity, former.properties.get((kind, entity.name), {}), next_id)
        else:
            identity, next_id = _properties(TypeIdentity(next_id, kind, entity.name, [], []), entity, {}, next_id + 1)
            by_name = {item.name: item.property_id for item in identity.properties}
            key = [by_name[name] for name in entity.key] if isinstance(entity, NodeType) else []
            identity = msgspec.structs.replace(identity, key=key)
        types.append(identity)
    return SchemaBlock(catalog.digest, catalog.source, types, next_id, new_ulid())


def _properties(
    known: TypeIdentity, entity: NodeType | EdgeType, former: Mapping[str, str], next_id: int
) -> tuple[TypeIdentity, int]:
    """Return a type with the properties that ``entity`` declares, in that order."""
    before = {item.name: item for item in known.properties}
    taken = {"id", "src", "dst"} | {item.column.casefold() for item in [*known.properties, *known.dropped]}
    properties = []
    for name in entity.properties:
        item = before.pop(former.get(name, name), None)
        if item is None:
            column = name if name.casefold() not in taken else f"{name}_{next_id}"
            while column.casefold() in taken:
                column += "_"
            taken.add(column.casefold())
            item = PropertyIdentity(next_id, name, column)
            next_id += 1
        properties.append(msgspec.structs.replace(item, name=name))
    dropped = [*known.dropped, *before.values()]
    return msgspec.structs.replace(known, name=entity.name, properties=properties, dropped=dropped), next_id


def columns_of(identity: TypeIdentity) -> dict[str, str]:
    """Return the stored column of every property by its present name, structural columns included."""
    columns = {"id": "id"}
    if identity.kind == "edge":
        columns |= {"src": "src", "dst": "dst"}
    columns |= {property_.name: property_.column for property_ in identity.properties}
    return columns
