"""One blob cell of one row, as of one commit: what it refers to, and its bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from omnigraph.errors import BadRequest, NotFound
from omnigraph.language.catalog import Scalar
from omnigraph.storage.blob import BlobReader, ExternalBlob, parse_reference
from omnigraph.storage.cut import Schema
from omnigraph.storage.snapshot_view import SnapshotView

EntityKind = Literal["node", "edge"]
PIECE_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BlobCell:
    """A value of a Blob property. A managed one has bytes here; an external one is a URI that is never followed.

    ``sha256`` and ``size_bytes`` are those of the bytes, empty and 0 for an external value; ``graph_commit_id`` is the commit
    that was read.
    """

    graph_commit_id: str
    size_bytes: int
    sha256: str
    uri: str | None = None
    _reference: str = field(default="", repr=False)
    _reader: BlobReader | None = field(default=None, repr=False, compare=False)

    def read(self, start: int = 0, size_bytes: int | None = None) -> bytes:
        """Return the bytes, or those of a range; all of them are checked against their digest, a range cannot be.

        Raises BadRequest for an external value, whose bytes are not here.
        """
        blob = parse_reference(self._reference)
        if isinstance(blob, ExternalBlob) or self._reader is None:
            raise BadRequest(f"the value is kept at '{self.uri}', not in the graph", hint="fetch it from there")
        if start == 0 and (size_bytes is None or size_bytes >= self.size_bytes):
            return self._reader.read(blob)
        end = self.size_bytes if size_bytes is None else min(start + size_bytes, self.size_bytes)
        return self._reader.read_range(blob, start, max(end - start, 0))


def find_blob(
    schema: Schema, view: SnapshotView, reader: BlobReader, commit_id: str, kind: str, type_name: str, row_id: str, name: str
) -> BlobCell:
    """Look a cell up. Raises BadRequest for what is no Blob property, NotFound for a missing row or a null."""
    if kind not in ("node", "edge"):
        raise BadRequest(f"unknown kind of entity '{kind}'", hint="it is 'node' or 'edge'")
    entities = schema.catalog.nodes if kind == "node" else schema.catalog.edges
    entity = entities.get(type_name)
    if entity is None:
        raise BadRequest(f"unknown {kind} type '{type_name}'", hint="`omnigraph schema show` lists the types")
    property_ = entity.properties.get(name)
    if property_ is None or property_.type.scalar is not Scalar.BLOB or property_.type.is_list:
        raise BadRequest(f"'{type_name}.{name}' is not a Blob property", hint="`omnigraph schema show` lists them")
    table = view.nodes(type_name) if kind == "node" else view.edges(type_name)
    ordinal = table.ordinal(row_id)
    text = None if ordinal < 0 else table.values(ordinal, [name])[0]
    if not isinstance(text, str):
        what = f"has no {kind} '{row_id}'" if ordinal < 0 else f"has no value of '{name}' at '{row_id}'"
        raise NotFound(f"'{type_name}' {what}")
    blob = parse_reference(text)
    if isinstance(blob, ExternalBlob):
        return BlobCell(commit_id, 0, "", blob.uri, text)
    return BlobCell(commit_id, blob.size_bytes, blob.sha256, None, text, reader)
