"""Layouts: what a writer must know of a type to build its rows, worked out once per schema."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import pyarrow as pa

from omnigraph.errors import InvalidValue
from omnigraph.graph.rules import ValueRules
from omnigraph.graph.values import INTEGER_BOUNDS
from omnigraph.language.catalog import EdgeType, NodeType, Scalar
from omnigraph.language.identity import composite_id, key_text
from omnigraph.storage.arrow import arrow_type, row_schema
from omnigraph.storage.cut import Schema, encode_schema
from omnigraph.storage.identity import columns_of
from omnigraph.storage.record import TypeIdentity
from omnigraph.storage.row_message import RowEncoder

_PLAIN: Final[Mapping[Scalar, tuple[type, Any, Any]]] = {
    **{scalar: (int, low, high) for scalar, (low, high, _) in INTEGER_BOUNDS.items()},
    Scalar.BOOL: (bool, False, True),
    Scalar.F64: (float, -sys.float_info.max, sys.float_info.max),
    Scalar.DATE: (int, -(2**31), 2**31 - 1),
    Scalar.DATETIME: (int, -(2**63), 2**63 - 1),
}


@dataclass(frozen=True)
class Layout:
    """One type as its rows are written. ``key`` holds the members of the key in the order of composite ids."""

    identity: TypeIdentity
    entity: NodeType | EdgeType
    key: tuple[str, ...]
    column_of: Mapping[str, str]

    @property
    def type_id(self) -> int:
        return self.identity.type_id

    @property
    def table_key(self) -> str:
        return self.identity.table_key

    @cached_property
    def rows(self) -> pa.Schema:
        """The schema of whole rows by property name."""
        return row_schema(self.entity)

    @cached_property
    def stored(self) -> pa.Schema:
        """The same by stored column."""
        return pa.schema([field.with_name(self.column_of[field.name]) for field in self.rows])

    @cached_property
    def stored_header(self) -> bytes:
        """The encoded `stored` schema, which stands before the rows of every small commit."""
        return encode_schema(self.stored)

    @cached_property
    def encoder(self) -> RowEncoder:
        """Encodes one row in the columns of `stored`."""
        return RowEncoder(self.stored)

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The properties that may not be null."""
        return tuple(name for name, property_ in self.entity.properties.items() if not property_.type.nullable)

    @cached_property
    def plain(self) -> Mapping[str, tuple[type, Any, Any]]:
        """For properties of which some numbers are stored as they are: their type, and the least and greatest of them."""
        found = {}
        for name, property_ in self.entity.properties.items():
            scalar = property_.type.scalar
            if scalar in _PLAIN and not property_.type.is_list:
                found[name] = _PLAIN[scalar]
        return found

    @cached_property
    def texts(self) -> frozenset[str]:
        """The properties that are Strings, of which every Python string is stored as it is."""
        types = {name: property_.type for name, property_ in self.entity.properties.items()}
        return frozenset(name for name, type_ in types.items() if type_.scalar is Scalar.STRING and not type_.is_list)

    @cached_property
    def rules(self) -> ValueRules:
        return ValueRules(self.entity)

    @cached_property
    def arrow_types(self) -> Mapping[str, pa.DataType]:
        return {name: arrow_type(property_.type) for name, property_ in self.entity.properties.items()}

    def as_stored(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return rows by property name as rows by stored column. No copy."""
        return pa.RecordBatch.from_arrays(batch.columns, schema=self.stored)

    def node_id(self, values: Mapping[str, Any]) -> str:
        """Return the id that the key values of a node make. Every member must have a value."""
        assert self.key
        texts = [self._key_text(name, values[name]) for name in self.key]
        return texts[0] if len(texts) == 1 else composite_id(texts)

    def _key_text(self, name: str, value: Any) -> str:
        scalar = self.entity.properties[name].type.scalar
        if scalar is Scalar.STRING:
            text: str = value
            return text
        try:
            return key_text(value, scalar)
        except ValueError as error:
            raise InvalidValue(f"@key property '{name}' of {self.entity.name} must be finite") from error


class Layouts:
    """The layouts of one schema, by type key, made when they are asked for."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._made: dict[str, Layout] = {}

    def __getitem__(self, table_key: str) -> Layout:
        layout = self._made.get(table_key)
        if layout is None:
            identity = self.schema.by_key[table_key]
            entity = self.schema.catalog.entity(table_key)
            assert entity is not None
            name_of = {item.property_id: item.name for item in identity.properties}
            key = tuple(name_of[property_id] for property_id in identity.key)
            layout = self._made[table_key] = Layout(identity, entity, key, columns_of(identity))
        return layout


def layouts_of(schema: Schema) -> Layouts:
    """Return the layouts of a schema; made once."""
    layouts: Layouts | None = schema.__dict__.get("_layouts")
    if layouts is None:
        layouts = Layouts(schema)
        schema.__dict__["_layouts"] = layouts  # a frozen dataclass keeps derived facts like cached_property does
    return layouts
