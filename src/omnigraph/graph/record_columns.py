"""Python records and Arrow tables to columns: the sources of the embedded API.

Records are dictionaries in the form of the load format. Beside JSON's own kinds they may hold tuples, NumPy arrays and
scalars, dates, datetimes and bytes (for blobs).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa

from omnigraph.errors import BadRequest, InvalidValue
from omnigraph.graph.columns import Rows, Undecided, stored_rows
from omnigraph.graph.json_columns import Group
from omnigraph.graph.values import BASE64_PREFIX, INTEGER_BOUNDS, Json
from omnigraph.language.catalog import Catalog, EdgeType, NodeType, PropertyType, Scalar
from omnigraph.storage.arrow import arrow_type

_NOTHING: Final[dict[str, Json]] = {}
_NULL: Final = type(None)
_TEXT: Final = PropertyType(Scalar.STRING)


def decode_records(records: Sequence[Mapping[str, Json]], catalog: Catalog) -> list[Group]:
    """Decode a batch of records column by column. Raises Undecided."""
    groups = []
    for entity, places in _by_type(records, catalog):
        chosen = [records[place] for place in places] if len(places) < len(records) else records
        groups.append(Group(_rows(entity, chosen), np.array(places, np.int64)))
    return groups


def _by_type(records: Sequence[Mapping[str, Json]], catalog: Catalog) -> Iterable[tuple[NodeType | EdgeType, list[int]]]:
    found: dict[tuple[bool, str], list[int]] = {}
    for place, record in enumerate(records):
        if type(record) is not dict:
            raise Undecided
        name = record.get("type")
        is_edge = name is None
        if is_edge:
            name = record.get("edge")
        if type(name) is not str:
            raise Undecided
        found.setdefault((is_edge, name), []).append(place)
    merged: dict[str, tuple[NodeType | EdgeType, list[int]]] = {}
    for (is_edge, name), places in found.items():
        entity = catalog.find_edge(name) if is_edge else catalog.nodes.get(name)
        if entity is None:
            raise Undecided
        merged.setdefault(entity.table_key, (entity, []))[1].extend(places)
    return [(entity, sorted(places)) for entity, places in merged.values()]


def _rows(entity: NodeType | EdgeType, records: Sequence[Mapping[str, Json]]) -> Rows:
    allowed = {"edge", "from", "to", "data"} if isinstance(entity, EdgeType) else {"type", "data"}
    if not set().union(*records) <= allowed:
        raise Undecided
    data = [record.get("data", _NOTHING) for record in records]
    if set(map(type, data)) != {dict}:
        raise Undecided
    members: set[str] = set().union(*data)
    if not members <= entity.properties.keys() | {"id"}:
        raise Undecided
    raw = {}
    for name, property_ in entity.properties.items():
        if name in members:
            raw[name] = _column([row.get(name) for row in data], property_.type)
    given = pa.nulls(len(data), pa.string())
    if "id" in members:
        if any(row.get("id", "") is None for row in data):
            raise Undecided
        given = _strings([row.get("id") for row in data])
    ends = {}
    if isinstance(entity, EdgeType):
        ends = {"src": _strings([row.get("from") for row in records]), "dst": _strings([row.get("to") for row in records])}
        if ends["src"].null_count or ends["dst"].null_count:
            raise Undecided
    return stored_rows(entity, raw, ends, given)


def _strings(values: list[Json]) -> pa.Array:
    return _typed(values, {str, _NULL}, pa.string())


def _typed(values: list[Json], kinds: set[type], type_: pa.DataType) -> pa.Array:
    if not set(map(type, values)) <= kinds:
        raise Undecided
    try:
        return pa.array(values, type_)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError):
        raise Undecided from None


def _column(values: list[Json], type_: PropertyType) -> pa.Array:
    """Return the raw column of one property; values of unusual kinds are left to the exact path."""
    scalar = type_.scalar
    if scalar is Scalar.VECTOR or type_.is_list:
        if not set(map(type, values)) <= {list, _NULL}:
            raise Undecided
        items = [item for value in values if value is not None for item in value]
        column = _numbers_as_floats(items) if scalar is Scalar.VECTOR else _scalars(items, scalar)
        if column.null_count:
            raise Undecided
        lengths = [0 if value is None else len(value) for value in values]
        offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int32())
        is_null = pa.array([value is None for value in values]) if None in values else None
        return pa.ListArray.from_arrays(offsets, column, mask=is_null)
    return _scalars(values, scalar)


def _scalars(values: list[Json], scalar: Scalar) -> pa.Array:
    if scalar in (Scalar.STRING, Scalar.BLOB):
        return _strings(values)
    if scalar is Scalar.BOOL:
        return _typed(values, {bool, _NULL}, pa.bool_())
    if scalar in INTEGER_BOUNDS:
        return _typed(values, {int, _NULL}, arrow_type(PropertyType(scalar)))
    if scalar is Scalar.F32:
        return _numbers_as_floats(values)
    if scalar is Scalar.F64:
        return _typed(values, {int, float, _NULL}, pa.float64())
    kinds = set(map(type, values))
    if kinds <= {str, _NULL}:
        return _strings(values)
    if kinds <= {date, _NULL} and scalar is Scalar.DATE:
        return _typed(values, kinds, pa.date32())
    return _typed(values, {int, _NULL}, pa.int64())


def _numbers_as_floats(values: list[Json]) -> pa.Array:
    """Return a float32 column; integers that a double does not hold exactly are left to the exact path."""
    column = _typed(values, {int, float, _NULL}, pa.float64())
    with np.errstate(over="ignore"):
        return column.cast(pa.float32(), safe=False)


def plain_record(record: Mapping[str, Json], number: int) -> dict[str, Json]:
    """Return a record, and its ``data``, as dictionaries of their own. Raises BadRequest if the names are no strings."""
    result = _plain_members(record, f"record {number}: expected an object")
    if isinstance(result.get("data"), Mapping):
        result["data"] = _plain_members(result["data"], f"record {number}: 'data' must be an object")
    return result


def _plain_members(members: Mapping[str, Json], refusal: str) -> dict[str, Json]:
    if not isinstance(members, Mapping):
        raise BadRequest(f"{refusal}, got {type(members).__name__}")
    for name in members:
        if not isinstance(name, str):
            raise BadRequest(f"{refusal} whose names are strings")
    return dict(members)


def plain_values(record: dict[str, Json], entity: NodeType | EdgeType) -> dict[str, Json]:
    """Return a checked record with its values in JSON's own kinds. Raises InvalidValue for text that UTF-8 cannot hold."""
    data = record.get("data", {})
    types = {name: property_.type for name, property_ in entity.properties.items()}
    plain = {name: _plain(value, types.get(name, _TEXT), name) for name, value in data.items()}
    result = {**record, "data": plain}
    for name in ("from", "to"):
        if name in record:
            result[name] = _plain(record[name], _TEXT, name)
    return result


def _plain(value: Any, type_: PropertyType, name: str) -> Json:  # Any: whatever the caller put there
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise InvalidValue(f"property '{name}' holds half of a surrogate pair")
        return value
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item, type_, name) for item in value]
    if isinstance(value, bytes | bytearray | memoryview) and type_.scalar is Scalar.BLOB:
        return BASE64_PREFIX + base64.b64encode(value).decode()
    if isinstance(value, datetime) and type_.scalar is Scalar.DATETIME:
        return (value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)).isoformat()
    if isinstance(value, date) and not isinstance(value, datetime) and type_.scalar is Scalar.DATE:
        return value.isoformat()
    return value
