"""Row images: whole rows of one type as values that compare as the specification says rows do.

Typed and exact: null differs from the empty string, lists compare element by element, vectors bit by bit, managed blobs by
content and external ones by their URI.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from omnigraph.graph.integrity import table_of
from omnigraph.language.catalog import EdgeType, NodeType, PropertyType, Scalar
from omnigraph.storage.blob import content_key
from omnigraph.storage.view import GraphView

Image: TypeAlias = tuple[Any, ...] | None
"""The compared values of a row in declaration order (of an edge its ends first); None where there is no row."""


def structural_names(entity: NodeType | EdgeType) -> list[str]:
    """Return the columns that make a row's image."""
    ends = ["src", "dst"] if isinstance(entity, EdgeType) else []
    return [*ends, *entity.properties]


def row_images(view: GraphView, entity: NodeType | EdgeType, row_ids: Sequence[str]) -> dict[str, Image]:
    """Return the images of rows by id. O(ids); about 5 µs each when warm."""
    table = table_of(view, entity)
    names = structural_names(entity)
    types = [None if name not in entity.properties else entity.properties[name].type for name in names]
    if table.rows == 0:
        return dict.fromkeys(row_ids)
    ordinals = table.ordinals(list(row_ids)).tolist()
    found: dict[str, Image] = {}
    for row_id, ordinal in zip(row_ids, ordinals, strict=True):
        found[row_id] = None if ordinal < 0 else compared(table.values(ordinal, names), types)
    return found


def compared(values: Iterable[Any], types: Iterable[PropertyType | None]) -> tuple[Any, ...]:
    """Return stored values in a form that `==` compares as rows are compared."""
    return tuple(_compared(value, type_) for value, type_ in zip(values, types, strict=True))


def _compared(value: Any, type_: PropertyType | None) -> Any:
    if value is None or type_ is None:
        return value
    if type_.scalar is Scalar.BLOB:
        return content_key(value)
    if type_.scalar is Scalar.VECTOR:
        return struct.pack(f"<{len(value)}f", *value)
    return tuple(value) if type_.is_list else value
