"""The input of a load as a stream of blocks, and the members that a record may have."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final, TypeAlias, TypeGuard

import msgspec
import pyarrow as pa
from msgspec import Struct

from omnigraph.errors import BadRequest, InvalidSetting, ResourceLimitExceeded
from omnigraph.graph.json_text import Place
from omnigraph.graph.values import Json
from omnigraph.language.catalog import Catalog, EdgeType, NodeType

BLOCK_BYTES: Final = 8 * 1024 * 1024
"""Bytes that are decoded at a time."""

RECORD_BYTES_MAX: Final = 256 * 1024 * 1024
"""Bytes of one record: a blob of 64 MiB in base64 fits with room to spare."""

Stream: TypeAlias = bytes | bytearray | memoryview | str | Path | IO[bytes]
"""JSON text: bytes, a path, or a binary file object.

A ``str`` is JSON text when its first character that is no white space is ``{``, or when it is empty; else it is a path.
"""

Source: TypeAlias = Stream | Mapping[str, pa.Table] | Iterable[Mapping[str, Json]]
"""What can be loaded: JSON text, Arrow tables by type key, or Python records."""

Progress: TypeAlias = Callable[[int, int | None], None]
"""Told the bytes that are decoded and, where it is known, how many there are."""

_NODE_MEMBERS = frozenset(("type", "data"))
_EDGE_MEMBERS = frozenset(("edge", "from", "to", "data"))


class Block(Struct, frozen=True):
    """A piece of the input. ``at_end``: nothing follows it."""

    data: bytes
    place: Place
    at_end: bool


class BlockReader:
    """Cuts a binary stream into blocks that end with a line where there is one.

    After every block say how much of it was used with `accept`; the rest comes again with more behind it.
    """

    def __init__(self, stream: IO[bytes], *, block_bytes: int = BLOCK_BYTES, record_bytes_max: int = RECORD_BYTES_MAX) -> None:
        self._stream = stream
        self._block_bytes, self._record_bytes_max = block_bytes, record_bytes_max
        self._rest = b""
        self._wanted = block_bytes
        self._place = Place()
        self._ended = False

    def next(self) -> Block | None:
        """Return the next block, or None at the end of the input: the lines that are complete among the wanted bytes.

        Where there is none, more is read; after four times as many bytes the block ends without a line.
        """
        chunks, size = [self._rest], len(self._rest)
        has_line = b"\n" in self._rest
        while not self._ended and (size < self._wanted or (not has_line and size < self._patience())):
            chunk = self._stream.read(self._block_bytes)
            if not chunk:
                self._ended = True
                break
            has_line = has_line or b"\n" in chunk
            chunks.append(chunk)
            size += len(chunk)
        if not size:
            return None
        data = b"".join(chunks)
        cut = data.rfind(b"\n", 0, max(self._wanted, self._block_bytes)) + 1 or data.find(b"\n", self._wanted) + 1 or size
        if self._ended and size <= self._wanted:
            cut = size
        self._rest = data[cut:]
        self._block = Block(data if cut == size else data[:cut], self._place, self._ended and not self._rest)
        return self._block

    def _patience(self) -> int:
        return min(4 * self._wanted, self._record_bytes_max + self._block_bytes)

    def accept(self, consumed: int, place: Place) -> None:
        """Take note that ``consumed`` bytes of the last block were used and that the input goes on at ``place``."""
        data = self._block.data
        if consumed < len(data):
            self._rest = data[consumed:] + self._rest
        if consumed:
            self._wanted = self._block_bytes
        else:
            if len(data) > self._record_bytes_max:
                raise ResourceLimitExceeded(
                    "record_size_bytes",
                    len(data),
                    self._record_bytes_max,
                    hint=f"record {place.record} is too large, or one of its braces is never closed",
                )
            self._wanted = min(2 * max(self._wanted, len(data)), self._record_bytes_max + self._block_bytes)
        self._place = place

    def return_to(self, block: Block, later: Sequence[Block]) -> None:
        """Make ``block`` the last one again; ``later`` are those that were read and accepted after it."""
        if later:
            self._rest = b"".join([one.data for one in later]) + self._rest
        self._block = msgspec.structs.replace(block, at_end=block.at_end and not later)
        self._place = block.place


def open_source(source: Stream) -> tuple[IO[bytes], int | None]:
    """Return a binary stream of JSON text and its size where that is known. Raises InvalidSetting for an unreadable file."""
    if isinstance(source, str) and (not source.strip() or source.lstrip().startswith("{")):
        source = source.encode("utf-8", "surrogatepass")
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source), memoryview(source).nbytes
    if isinstance(source, str | Path):
        path = Path(source)
        try:
            return path.open("rb", buffering=0), path.stat().st_size
        except OSError as error:
            raise InvalidSetting(f"cannot read '{path}': {error.strerror}", hint="name a file of JSON lines") from None
    return source, None


def is_stream(source: Source) -> TypeGuard[Stream]:
    """Tell whether a source holds JSON text, as opposed to Python records or tables."""
    return isinstance(source, bytes | bytearray | memoryview | str | Path) or hasattr(source, "read")


def record_entity(record: Mapping[str, Json], number: int, catalog: Catalog) -> NodeType | EdgeType:
    """Return the type a record belongs to, after a check of its members. Raises BadRequest."""
    is_node, is_edge = "type" in record, "edge" in record
    if is_node and is_edge:
        raise BadRequest(f"record {number}: expected exactly one of 'type' or 'edge'")
    entity: NodeType | EdgeType | None
    if is_node and isinstance(record["type"], str):
        entity = catalog.nodes.get(record["type"])
        if entity is None:
            raise BadRequest(f"record {number}: unknown node type '{record['type']}'", hint=_names(catalog.nodes))
    elif is_edge and isinstance(record["edge"], str):
        entity = catalog.find_edge(record["edge"])
        if entity is None:
            raise BadRequest(f"record {number}: unknown edge type '{record['edge']}'", hint=_names(catalog.edges))
    else:
        raise BadRequest(f"record {number}: expected 'type' or 'edge' field", hint="its value is the name of a type")
    members = _EDGE_MEMBERS if is_edge else _NODE_MEMBERS
    for member in record:
        if member not in members:
            raise BadRequest(f"record {number}: unknown input field '{member}'", hint="properties go into 'data'")
    if is_edge:
        for end in ("from", "to"):
            if not isinstance(record.get(end), str):
                raise BadRequest(f"record {number}: edge missing '{end}'", hint="give the id of a node, a string")
    _check_data(record, number, entity)
    return entity


def _check_data(record: Mapping[str, Json], number: int, entity: NodeType | EdgeType) -> None:
    data = record.get("data", {})
    if not isinstance(data, Mapping):
        raise BadRequest(f"record {number}: 'data' must be an object", hint="leave it out if there are no properties")
    for name in data:
        if name != "id" and name not in entity.properties:
            raise BadRequest(
                f"record {number}: unknown input field '{name}' for '{entity.table_key}'", hint=_names(entity.properties)
            )


def _names(names: Iterable[str]) -> str:
    shown = sorted(names)
    return f"known are: {', '.join(shown[:20])}{', …' if len(shown) > 20 else ''}"
