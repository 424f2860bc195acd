"""A row message reads as the batch that Arrow itself would make."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnigraph.storage.cut import decode_rows, encode_schema
from omnigraph.storage.row_message import RowEncoder

INTEGERS = {pa.int32(): 31, pa.int64(): 63, pa.date32(): 31, pa.date64(): 40}
VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): st.text(max_size=20),
    pa.bool_(): st.booleans(),
    pa.uint32(): st.integers(0, 2**32 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.float64(): st.floats(allow_nan=False),
    **{type_: st.integers(-(2**bits), 2**bits - 1) for type_, bits in INTEGERS.items()},
}
VALUES[pa.date64()] = st.integers(-(10**6), 10**6).map(lambda days: days * 86_400_000)


@st.composite
def rows(draw: st.DrawFn) -> tuple[pa.Schema, list[Any]]:
    fields, values = [], []
    for number in range(draw(st.integers(1, 6))):
        item = draw(st.sampled_from(list(VALUES)))
        shape = draw(st.sampled_from(["plain", "plain", "list", "vector"]))
        type_, strategy = item, VALUES[item]
        if shape == "list":
            type_, strategy = pa.list_(pa.field("item", item)), st.lists(strategy, max_size=12)
        elif shape == "vector":
            type_ = pa.list_(pa.field("item", pa.float32()), 3)
            strategy = st.lists(VALUES[pa.float32()], min_size=3, max_size=3)
        fields.append(pa.field(f"c{number}", type_))
        values.append(draw(st.one_of(st.none(), strategy)))
    return pa.schema(fields), values


def by_arrow(schema: pa.Schema, values: list[Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([v], f.type) for f, v in zip(schema, values, strict=True)], schema=schema)


@settings(max_examples=200, deadline=None)
@given(rows())
def test_a_message_reads_as_the_row(row: tuple[pa.Schema, list[Any]]) -> None:
    schema, values = row
    encoder = RowEncoder(schema)
    message = encoder.encode(values)
    batch = encoder.read(message)
    batch.validate(full=True)
    assert batch.equals(by_arrow(schema, values))
    again = decode_rows(encode_schema(schema) + message + b"\xff\xff\xff\xff\0\0\0\0")
    again.validate(full=True)
    assert again.equals(batch)


def test_a_value_that_does_not_fit_is_refused() -> None:
    encoder = RowEncoder(pa.schema([pa.field("a", pa.int32())]))
    with pytest.raises(Exception, match="format requires"):
        encoder.encode([2**31])
