"""A blob cell of a graph that a server holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from omnigraph.client.connection import Connections
from omnigraph.errors import BadRequest, OmnigraphError


@dataclass(frozen=True, slots=True)
class RemoteBlob:
    """A value of a Blob property, like `omnigraph.graph.blob_cell.BlobCell`; its bytes are fetched when they are read."""

    graph_commit_id: str
    size_bytes: int
    sha256: str
    uri: str | None = None
    _connections: Connections | None = field(default=None, repr=False, compare=False)
    _path: str = field(default="", repr=False)

    def read(self, start: int = 0, size_bytes: int | None = None) -> bytes:
        """Return the bytes, or those of a range. Raises BadRequest for an external value, and when the value has changed."""
        if self.uri is not None or self._connections is None:
            raise BadRequest(f"the value is kept at '{self.uri}', not in the graph", hint="fetch it from there")
        end = self.size_bytes if size_bytes is None else min(start + size_bytes, self.size_bytes)
        if start >= end:
            return b""
        headers = {"If-Match": f'"{self.sha256}"', "Range": f"bytes={start}-{end - 1}"}
        return self._connections.fetch("GET", self._path, headers)[1]


def find_blob(connections: Connections, path: str) -> RemoteBlob:
    """Ask for the head of a blob. Raises NotFound, BadRequest."""
    from urllib.parse import unquote

    try:
        head, _ = connections.fetch("HEAD", path)
    except OmnigraphError:  # the answer to a HEAD has no body that could say why
        head, _ = connections.fetch("GET", path)
    commit_id, location = head.get("Omnigraph-Snapshot-Id", ""), head.get("Location")
    if location is not None:
        return RemoteBlob(commit_id, 0, "", unquote(location))
    digest = head.get("ETag", "").strip('"')
    return RemoteBlob(commit_id, int(head.get("Content-Length", "0")), digest, None, connections, path)
