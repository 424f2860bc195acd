"""Blobs: references in cells, bytes in packs. See `docs/dev/storage-format.md`, section 8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from omnigraph.errors import CorruptObject, InvalidValue
from omnigraph.storage.names import pack_key
from omnigraph.storage.objects import ObjectStore
from omnigraph.storage.ulid import new_ulid

PACK_BYTES: Final = 64 * 1024 * 1024
URI_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class ManagedBlob:
    """A blob whose bytes are kept in the graph. Two are equal when size and digest are."""

    pack: str
    offset: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ExternalBlob:
    """A URI that is kept as it is and never followed."""

    uri: str


def parse_reference(text: str) -> ManagedBlob | ExternalBlob:
    """Return what the text of a blob cell refers to. Raises CorruptObject."""
    if text.startswith("u:"):
        return ExternalBlob(text[2:])
    parts = text.split(":")
    if len(parts) == 5 and parts[0] == "m":
        try:
            return ManagedBlob(parts[1], int(parts[2]), int(parts[3]), parts[4])
        except ValueError:
            pass
    raise CorruptObject(f"storage: '{text[:80]}' is no blob reference", hint="run `omnigraph repair`")


def content_key(text: str) -> str:
    """Return a text that is equal for equal blobs, wherever their bytes are kept."""
    blob = parse_reference(text)
    return text if isinstance(blob, ExternalBlob) else f"m:{blob.size_bytes}:{blob.sha256}"


class BlobWriter:
    """Gathers the blobs of one write in packs. Nothing refers to them until the write commits.

    Call `flush` before the commit: afterwards all bytes are durable.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._pack = ""
        self._chunks: list[bytes] = []
        self._size_bytes = 0

    def add(self, data: bytes) -> str:
        """Take the bytes of a managed blob and return its reference."""
        import hashlib  # 3 ms: only for those who have blobs

        digest = hashlib.sha256(data).hexdigest()
        if not data:
            return f"m::0:0:{digest}"
        if self._chunks and self._size_bytes + len(data) > PACK_BYTES:
            self.flush()
        if not self._chunks:
            self._pack = new_ulid()
        offset = self._size_bytes
        self._chunks.append(data)
        self._size_bytes += len(data)
        return f"m:{self._pack}:{offset}:{len(data)}:{digest}"

    def external(self, uri: str) -> str:
        """Return the reference of an external blob."""
        if len(uri.encode()) > URI_BYTES_MAX:
            raise InvalidValue(f"blob URI is longer than {URI_BYTES_MAX} bytes; store the bytes with base64: instead")
        return f"u:{uri}"

    def flush(self) -> None:
        """Write what was gathered; durable on return."""
        if not self._chunks:
            return
        self._store.put_unique(pack_key(self._pack), b"".join(self._chunks))
        self._chunks, self._size_bytes = [], 0


class BlobReader:
    """Reads managed blobs."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def read(self, blob: ManagedBlob) -> bytes:
        """Return the bytes of a blob, checked against its digest."""
        if blob.size_bytes == 0:
            return b""
        import hashlib

        data = self._store.get_range(pack_key(blob.pack), blob.offset, blob.size_bytes)
        if hashlib.sha256(data).hexdigest() != blob.sha256:
            raise CorruptObject(f"storage: blob in '{pack_key(blob.pack)}' is damaged", hint="run `omnigraph repair`")
        return data

    def read_range(self, blob: ManagedBlob, start: int, size_bytes: int) -> bytes:
        """Return some bytes of a blob, unchecked: its digest is one over all of them."""
        if not 0 <= start <= start + size_bytes <= blob.size_bytes:
            raise ValueError("the range is not within the blob")
        return self._store.get_range(pack_key(blob.pack), blob.offset + start, size_bytes) if size_bytes else b""
