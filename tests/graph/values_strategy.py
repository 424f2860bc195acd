"""Hypothesis strategies for load records: valid ones of every type, and texts that are nearly records."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

from hypothesis import strategies as st

from graph.loads import CATALOG
from omnigraph.language.catalog import EdgeType, NodeType, PropertyType, Scalar

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
NAME = st.text('ab"\\é,[]\n', min_size=1, max_size=4)
DATES = st.dates().map(lambda day: day.isoformat())
DATETIMES = st.datetimes().map(lambda moment: moment.isoformat()[:23]) | st.integers(-(2**63), 2**63 - 1)


def _f32(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


SINGLES = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.floats(-1, 1, width=32).map(lambda x: round(x, 3))
SCALARS: dict[Scalar, st.SearchStrategy[Any]] = {
    Scalar.STRING: TEXT,
    Scalar.BOOL: st.booleans(),
    Scalar.I32: st.integers(-(2**31), 2**31 - 1),
    Scalar.I64: st.integers(-(2**63), 2**63 - 1),
    Scalar.U32: st.integers(0, 2**32 - 1),
    Scalar.U64: st.integers(0, 2**64 - 1),
    Scalar.F32: SINGLES | st.integers(-(2**40), 2**40),
    Scalar.F64: st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70),
    Scalar.DATE: DATES | st.integers(-(2**31), 2**31 - 1),
    Scalar.DATETIME: DATETIMES,
    Scalar.BLOB: st.binary(max_size=6).map(lambda data: "base64:" + base64.b64encode(data).decode())
    | st.just("s3://bucket/key"),
}


def value(type_: PropertyType) -> st.SearchStrategy[Any]:
    """Values that a property takes, in the form of the load format."""
    if type_.enum_values is not None:
        base: st.SearchStrategy[Any] = st.sampled_from(type_.enum_values)
    elif type_.scalar is Scalar.VECTOR:
        base = st.lists(SCALARS[Scalar.F32], min_size=type_.dimension or 0, max_size=type_.dimension)
    else:
        base = SCALARS[type_.scalar]
    if type_.is_list:
        base = st.lists(base, max_size=3)
    return base | st.none() if type_.nullable else base


@st.composite
def record(draw: st.DrawFn, entity: NodeType | EdgeType) -> dict[str, Any]:
    """A record of a type that has no rules."""
    data = {}
    for name, property_ in entity.properties.items():
        if not property_.type.nullable or draw(st.booleans()):
            one = (
                NAME if isinstance(entity, NodeType) and name in entity.key and property_.type.scalar is Scalar.STRING else None
            )
            data[name] = draw(one if one is not None else value(property_.type))
    if isinstance(entity, EdgeType):
        if draw(st.booleans()):
            data["id"] = draw(NAME)
        head = {"edge": draw(st.sampled_from([entity.name, entity.name.upper()])), "from": draw(NAME), "to": draw(NAME)}
        return head if not data and draw(st.booleans()) else {**head, "data": data}
    if not entity.key and draw(st.booleans()):
        data["id"] = draw(NAME)
    return {"type": entity.name, "data": data}


PLAIN_TYPES = [CATALOG.nodes[name] for name in ("Thing", "Strict", "Note", "Pair", "Keyed", "Dated")] + [CATALOG.edges["Near"]]
RECORDS = st.lists(st.sampled_from(PLAIN_TYPES).flatmap(record), max_size=6)

FRAGMENTS = [
    "{", "}", "[", "]", ",", ":", '"', "\\", "null", "true", "1", "-0", "1.0", "1e5", "1e999", "1e-400", "007", "NaN",
    "-Infinity",
    "\n", "\r\n", " ", "\t", "\0", "\ufeff", '"type"', '"edge"', '"data"', '"id"', '"id":null', '"data":null', '"from":null,',
    '"slug"', '"small":1,', '"small":"1",', '"text":"x",', "\\u0000", "\\ud800", "\\u00e9", "é", '"\\u0069d":null,', "} null {",
    '{"type":"Note"}', '{"type":"Note","data":{}}', '"2020-01-01"', "2147483648", "9" * 30, '"vector":[1,2,3],', "/**/", "//",
]  # fmt: skip


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """The text of some records with a few things inserted, removed or replaced."""
    separator = draw(st.sampled_from(["\n", "\r\n", " ", "", "\n\n"]))
    indent = draw(st.sampled_from([None, None, None, 1]))
    text = separator.join(json.dumps(one, indent=indent, ensure_ascii=draw(st.booleans())) for one in draw(RECORDS))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 2, 5])))
        text = text[:start] + draw(st.sampled_from(FRAGMENTS)) + text[end:]
    data = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 20)) == 0 and data:
        place = draw(st.integers(0, len(data) - 1))
        data = data[:place] + bytes([draw(st.integers(0, 255))]) + data[place + 1 :]
    return data
