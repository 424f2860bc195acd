"""The source of a load: decoded once, and once more when the schema changed before the load was committed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from omnigraph.errors import Conflict
from omnigraph.graph.decode import DecodedLoad, decode_load
from omnigraph.graph.layout import layouts_of
from omnigraph.graph.records import Progress
from omnigraph.storage.blob import BlobWriter
from omnigraph.storage.cut import Schema
from omnigraph.storage.objects import ObjectStore
from omnigraph.wire.write import LoadMode


@dataclass(slots=True)
class LoadSource:
    """Records as they were given. Files are rewound where they can be; what was read to its end can be decoded only once."""

    data: Any  # Any: bytes, str, path, binary file, or records
    mode: LoadMode
    store: ObjectStore
    progress: Progress | None
    _start: int | None = None

    def __post_init__(self) -> None:
        if hasattr(self.data, "seekable") and self.data.seekable():
            self._start = self.data.tell()

    def decode(self, schema: Schema) -> DecodedLoad:
        """Return the records in the columns of a schema; their blobs are stored. Raises what `decode_load` does."""
        layouts = layouts_of(schema)
        keys = {key: layouts[key].key for key in schema.by_key if layouts[key].key}
        blobs = BlobWriter(self.store)
        decoded = decode_load(self.data, schema.catalog, mode=self.mode, blobs=blobs, progress=self.progress, keys=keys)
        blobs.flush()
        return decoded

    def decode_again(self, schema: Schema, decoded: DecodedLoad, before: Schema) -> DecodedLoad:
        """Return what was decoded under one schema as another one sees it. Raises Conflict if the source is used up."""
        if all(_same_type(key, schema, before) for key in decoded.tables):
            return decoded
        if self._start is not None:
            self.data.seek(self._start)
        elif hasattr(self.data, "read") or isinstance(self.data, Iterator):
            raise Conflict(
                "the schema changed while the records were read, and they cannot be read again", hint="run the load again"
            )
        return self.decode(schema)


def _same_type(table_key: str, schema: Schema, before: Schema) -> bool:
    """Tell whether a type is declared alike in two schemas, with the same stable ids."""
    return schema.by_key.get(table_key) == before.by_key[table_key] and schema.catalog.entity(
        table_key
    ) == before.catalog.entity(table_key)
