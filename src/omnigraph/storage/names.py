"""Keys of the objects under a graph root."""

from __future__ import annotations

from typing import Final

SCHEMA_COPY: Final = "_schema.pg"
PROBE: Final = "_conditional_writes"
"""On S3: what the first write of a process tries to create again."""
CLEANING_PREFIX: Final = "_cleaning/"
_PIECE_BYTES = 200
_PLAIN_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.-_"
_PLAIN = frozenset(_PLAIN_LETTERS.encode())


def record_key(branch_id: str, seq: int) -> str:
    return f"log/{branch_id}/{seq:020d}"


def head_key(branch_id: str) -> str:
    return f"log/{branch_id}/head"


def history_prefix(branch_id: str) -> str:
    return f"log/{branch_id}/history/"


def history_key(branch_id: str, first: int, last: int) -> str:
    return f"log/{branch_id}/history/{first:020d}-{last:020d}"


def table_prefix(table_id: str) -> str:
    return f"tables/{table_id}"


def changes_key(table_id: str, ulid: str) -> str:
    return f"tables/{table_id}/changes/{ulid}"


def reclaimed_key(table_id: str, version: str) -> str:
    return f"tables/{table_id}/reclaimed/{version}"


def pack_key(pack: str) -> str:
    return f"blobs/{pack}"


def ref_key(branch: str) -> str:
    """Return the key of a branch's ref; names that differ in case only have keys that differ otherwise too."""
    if _is_plain(branch):
        return f"refs/{branch}"
    escaped = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in branch.encode())
    pieces = [escaped[start : start + _PIECE_BYTES] for start in range(0, len(escaped), _PIECE_BYTES)]
    return "refs/" + "+/".join(pieces)


def branch_of_ref_key(key: str) -> str | None:
    """Return the branch name behind a key under ``refs/``; None for a key that is no ref's (a temporary file)."""
    if key.startswith("refs/") and _is_plain(key[5:]):
        return key[5:]
    escaped = key.removeprefix("refs/").replace("+/", "")
    result = bytearray()
    position = 0
    while position < len(escaped):
        if escaped[position] == "%":
            try:
                result.append(int(escaped[position + 1 : position + 3], 16))
            except ValueError:
                return None
            position += 3
        else:
            result += escaped[position].encode()
            position += 1
    try:
        name = result.decode()
    except UnicodeDecodeError:
        return None
    return name if ref_key(name) == key else None


def _is_plain(branch: str) -> bool:
    """Say whether a name is its own key, as most are: there may be tens of thousands in a listing."""
    return 0 < len(branch) <= _PIECE_BYTES and not branch.strip(_PLAIN_LETTERS)
