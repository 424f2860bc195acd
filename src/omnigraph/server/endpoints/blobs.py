"""Blob cells: the bytes of one property of one row, whole or in part."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from omnigraph.errors import CorruptObject
from omnigraph.graph.blob_cell import PIECE_BYTES, BlobCell
from omnigraph.server.answer import Answer, Header, Stream
from omnigraph.server.call import Call
from omnigraph.server.conditional import ByteRange, is_expected, is_unchanged, range_of
from omnigraph.server.endpoints.reading import authorize_read
from omnigraph.server.failure import bad_request
from omnigraph.server.workers import Workers
from omnigraph.wire.encoding import compact
from omnigraph.wire.error import BlobRangeInfo, ErrorOutput

OCTETS: Final = b"application/octet-stream"
_SELECTOR: Final = ("entity", "type", "id", "property")
_URI_LETTERS: Final = "!#$%&'()*+,/:;=?@[]~"


async def blob(call: Call) -> Answer | Stream:
    """``GET`` and ``HEAD /blob``: a managed value with its bytes, an external one as a redirection that is never followed."""
    values = [call.query(name) for name in _SELECTOR]
    missing = [name for name, value in zip(_SELECTOR, values, strict=True) if value is None]
    if missing:
        raise bad_request(f"query parameter '{missing[0]}' is required")
    kind, type_name, row_id, name = [value or "" for value in values]
    if kind not in ("node", "edge"):
        raise bad_request("query parameter 'entity' must be 'node' or 'edge'")
    snapshot, at = call.query("snapshot"), call.query("at")
    branch = await authorize_read(call, call.query("branch"), snapshot, at)
    find = call.served.graph.blob
    cell = await call.service.workers.read(
        find, "node" if kind == "node" else "edge", type_name, row_id, name, branch=branch, snapshot=snapshot, at=at
    )
    facts: tuple[Header, ...] = ((b"omnigraph-snapshot-id", cell.graph_commit_id.encode()),)
    if cell.uri is not None:
        location = quote(cell.uri, safe=_URI_LETTERS).encode()
        return Answer(b"", 302, OCTETS, ((b"location", location), (b"cache-control", b"no-store"), *facts))
    return await _managed(call, cell, facts)


async def _managed(call: Call, cell: BlobCell, facts: tuple[Header, ...]) -> Answer | Stream:
    tag = b'"%b"' % cell.sha256.encode()
    facts = ((b"etag", tag), (b"accept-ranges", b"bytes"), *facts)
    if not is_expected(call, tag):
        return Answer(compact(ErrorOutput("the blob is not the one that If-Match names", "conflict")), 412, headers=facts)
    if is_unchanged(call, tag):
        return Answer(b"", 304, OCTETS, facts)
    if call.is_head:
        return Answer(b"", 200, OCTETS, facts, announced_bytes=cell.size_bytes)
    wanted = range_of(call, tag, cell.size_bytes)
    if wanted is None:
        return await _bytes(call.service.workers, cell, ByteRange(0, cell.size_bytes), 200, facts)
    if wanted.start >= cell.size_bytes:
        output = ErrorOutput(
            f"the range begins behind the {cell.size_bytes} bytes of the blob",
            "bad_request",
            blob_range=BlobRangeInfo(wanted.start, wanted.end, cell.size_bytes),
        )
        return Answer(compact(output), 416, headers=((b"content-range", b"bytes */%d" % cell.size_bytes), *facts))
    shown = b"bytes %d-%d/%d" % (wanted.start, wanted.end - 1, cell.size_bytes)
    return await _bytes(call.service.workers, cell, wanted, 206, ((b"content-range", shown), *facts))


async def _bytes(
    workers: Workers, cell: BlobCell, wanted: ByteRange, status: int, facts: tuple[Header, ...]
) -> Answer | Stream:
    size_bytes = wanted.end - wanted.start
    if size_bytes <= PIECE_BYTES:
        return Answer(await workers.stream(cell.read, wanted.start, size_bytes), status, OCTETS, facts)
    return Stream(_pieces(workers, cell, wanted), OCTETS, status, facts, announced_bytes=size_bytes)


async def _pieces(workers: Workers, cell: BlobCell, wanted: ByteRange) -> AsyncIterator[bytes]:
    """Read a large value piece by piece; a whole one is checked before its last piece is given away."""
    digest = sha256()
    for start in range(wanted.start, wanted.end, PIECE_BYTES):
        piece = await workers.stream(cell.read, start, min(PIECE_BYTES, wanted.end - start))
        digest.update(piece)
        is_last = start + len(piece) >= wanted.end
        if is_last and wanted == ByteRange(0, cell.size_bytes) and digest.hexdigest() != cell.sha256:
            raise CorruptObject("storage: a blob is damaged", hint="run `omnigraph repair`")
        yield piece
