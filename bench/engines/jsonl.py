"""Reads the load file into Arrow tables, for the peers that cannot read it themselves."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json

from bench.engines.engine import Person as PersonRow

PERSON = pa.struct(
    [
        ("key", pa.string()),
        ("name", pa.string()),
        ("age", pa.int32()),
        ("city", pa.string()),
        ("score", pa.float64()),
        ("joined", pa.string()),
    ]
)
DOCUMENT = pa.struct(
    [("slug", pa.string()), ("title", pa.string()), ("body", pa.string()), ("embedding", pa.list_(pa.float32()))]
)
EDGE = [("from", pa.string()), ("to", pa.string())]
RECORDS = {
    "Person": (b'{"type":"Person"', pa.schema([("data", PERSON)])),
    "Document": (b'{"type":"Document"', pa.schema([("data", DOCUMENT)])),
    "Knows": (b'{"edge":"Knows"', pa.schema([*EDGE, ("data", pa.struct([("since", pa.int32())]))])),
    "Wrote": (b'{"edge":"Wrote"', pa.schema(EDGE)),
}
DIMENSION = 128


def tables(path: Path) -> dict[str, pa.Table]:
    """Parse the file into one table per type; the embedding becomes a fixed-size list, joined a date."""
    lines: dict[str, list[bytes]] = {name: [] for name in RECORDS}
    with path.open("rb") as file:
        for line in file:
            for name, (prefix, _) in RECORDS.items():
                if line.startswith(prefix):
                    lines[name].append(line)
                    break
    return {name: _table(name, lines.pop(name)) for name in RECORDS}


def _table(name: str, lines: list[bytes]) -> pa.Table:
    options = json.ParseOptions(explicit_schema=RECORDS[name][1], unexpected_field_behavior="ignore")
    read = json.ReadOptions(block_size=16 << 20)
    table = json.read_json(pa.BufferReader(b"".join(lines)), read, options).combine_chunks()
    if "data" in table.column_names:
        table = table.flatten().rename_columns([n.removeprefix("data.") for n in table.flatten().column_names])
    if name == "Person":
        return table.set_column(5, "joined", pc.cast(table["joined"], pa.date32()))
    if name == "Document":
        values = table["embedding"].combine_chunks()
        values = values.chunk(0) if isinstance(values, pa.ChunkedArray) else values
        return table.set_column(3, "embedding", pa.FixedSizeListArray.from_arrays(values.flatten(), DIMENSION))
    return table


def ordinals(keys: pa.ChunkedArray, values: pa.ChunkedArray) -> pa.Array:
    """Give the place of each value among the keys, for the engines whose edges hold integers."""
    return pc.index_in(values, value_set=keys).combine_chunks()


def table(columns: dict[str, pa.Array | pa.ChunkedArray]) -> pa.Table:
    return pa.table(columns)


def persons_table(persons: list[PersonRow]) -> pa.Table:
    """Give a batch of persons as an Arrow table, joined as a date."""
    columns = dict(zip(PERSON.names, zip(*persons, strict=True), strict=True))
    arrays = {name: pa.array(columns[name], PERSON.field(name).type) for name in PERSON.names}
    return pa.table(arrays | {"joined": pc.cast(arrays["joined"], pa.date32())})
