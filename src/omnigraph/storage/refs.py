"""Refs as objects, and what a listing tells of them.

A branch cannot be deleted while another that was made from it lives. Nobody wants to read ten thousand refs to find that out,
and a listing has no more than names and sizes: so a ref is padded to a size that depends on the name of its parent.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

import msgspec

from omnigraph.storage.record import MAIN, Ref, encode

SIZES_FROM: Final = 2_048
SIZES_END: Final = 4_096
"""Sizes in this range tell of the parent. Refs were never padded once, and those are smaller; larger ones tell nothing."""
_HEADER_BYTES: Final = 1
"""Of more than 255 bytes the header takes one byte more than that of none."""
_PADDING_MIN: Final = 256


def encode_ref(ref: Ref) -> bytes:
    """Return the bytes of a ref, as many as its parent asks for."""
    size_bytes = len(encode(ref)) + _HEADER_BYTES
    target = size_of_child(ref.parent)
    if size_bytes + _PADDING_MIN > target:
        target = max(SIZES_END, size_bytes + _PADDING_MIN)
    return encode(msgspec.structs.replace(ref, padding=bytes(target - size_bytes)))


def size_of_child(parent: str) -> int:
    """Return the size of refs of branches that were made from one of this name, and of a few others."""
    if parent == MAIN:
        return SIZES_FROM
    return SIZES_FROM + 1 + crc32(parent.encode()) % (SIZES_END - SIZES_FROM - 1)


def may_be_child(size_bytes: int, parent: str) -> bool:
    """Say whether a ref of a size may be that of a branch that was made from ``parent``."""
    return not SIZES_FROM <= size_bytes < SIZES_END or size_bytes == size_of_child(parent)
