"""Key indexes: from the strings of one column to the places where they stand.

Two structures, chosen by the number of rows: a dictionary probe costs 0.1 µs and 130 bytes a row, a probe of sorted bytes
1 to 2 µs and the width of the key plus 4 bytes a row. Bulk look-ups go through one ``pyarrow.compute.index_in``, which
hashes the whole column at every call and is therefore never used for a few.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from omnigraph.storage.view import Ordinals

DICT_ROWS_MAX = 200_000
SORTED_WIDTH_MAX = 64
_DICT_BYTES_A_ROW = 130
_BULK_SHARE = 4  # from a quarter of the rows on, hashing the column is cheaper than probing one by one


class KeyIndex(Protocol):
    """Finds strings of one column, which are distinct where they are not null."""

    @property
    def size_bytes(self) -> int: ...

    def find(self, key: str) -> int:
        """Return the place of a key, or -1."""

    def find_many(self, keys: Sequence[str | None] | pa.Array) -> Ordinals:
        """Return the places of many keys, -1 for those that are not there (null included)."""


def key_index(strings: pa.Array) -> KeyIndex:
    """Build the index that fits a column. Nulls are left out."""
    if len(strings) > DICT_ROWS_MAX:
        width = pc.max(pc.binary_length(strings)).as_py() or 0
        if 0 < width <= SORTED_WIDTH_MAX:
            return SortedKeys(strings, width)
    return DictKeys(strings)


def find_in_bulk(strings: pa.Array, keys: Sequence[str | None] | pa.Array | pa.ChunkedArray) -> Ordinals:
    """Look many keys up by hashing the column once. O(column + keys), about 50 ns a row."""
    if not isinstance(keys, pa.Array | pa.ChunkedArray):
        keys = pa.array(keys, pa.string())
    if keys.type != strings.type:
        keys = keys.cast(strings.type)
    found = pc.index_in(keys, value_set=strings, skip_nulls=True)
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    places: Ordinals = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return places


class DictKeys:
    """A dictionary of Python strings."""

    __slots__ = ("_places", "_strings", "find_place", "size_bytes")

    def __init__(self, strings: pa.Array) -> None:
        self._strings = strings
        self._places: dict[str, int] = dict(zip(strings.to_pylist(), range(len(strings)), strict=True))
        self._places.pop(None, None)  # type: ignore[call-overload]  # the dead slots
        self.find_place = self._places.get
        self.size_bytes = _DICT_BYTES_A_ROW * len(strings) + 2 * strings.nbytes

    def find(self, key: str) -> int:
        return self._places.get(key, -1)

    def find_many(self, keys: Sequence[str | None] | pa.Array) -> Ordinals:
        if len(keys) > 64 and len(keys) > len(self._strings) // _BULK_SHARE:
            return find_in_bulk(self._strings, keys)
        get: Any = self._places.get  # Any: keys may hold None, which is simply not there
        if isinstance(keys, pa.Array | pa.ChunkedArray):
            keys = keys.to_pylist()
        return np.fromiter((get(key, -1) for key in keys), np.int32, len(keys))


class SortedKeys:
    """The keys as fixed-width bytes in order, probed by binary search, each hit verified.

    NumPy's fixed-width bytes drop trailing NULs (``b"a\\0" == b"a"``), hence the verification against the strings.
    """

    __slots__ = ("_order", "_sorted", "_strings", "_width", "size_bytes")

    def __init__(self, strings: pa.Array, width: int) -> None:
        places = np.arange(len(strings), dtype=np.int32)
        if strings.null_count:
            places = places[strings.is_valid().to_numpy(zero_copy_only=False)]
            keys = fixed_width_bytes(strings.drop_null(), width)
        else:
            keys = fixed_width_bytes(strings, width)
        order = np.argsort(keys, kind="stable")
        self._sorted = keys[order]
        self._order: Ordinals = places[order]
        self._strings = strings
        self._width = width
        self.size_bytes = self._sorted.nbytes + self._order.nbytes + strings.nbytes

    def find(self, key: str) -> int:
        encoded = key.encode()
        if len(encoded) > self._width:
            return -1
        keys = self._sorted
        at = int(keys.searchsorted(encoded))
        padded = encoded.rstrip(b"\0")
        while at < len(keys) and keys[at] == padded:
            place = self._order.item(at)
            if self._strings[place].as_py() == key:
                return place
            at += 1
        return -1

    def find_many(self, keys: Sequence[str | None] | pa.Array) -> Ordinals:
        if len(keys) > 64 and len(keys) > len(self._strings) // _BULK_SHARE:
            return find_in_bulk(self._strings, keys)
        if isinstance(keys, pa.Array | pa.ChunkedArray):
            keys = keys.to_pylist()
        find = self.find
        return np.fromiter((-1 if key is None else find(key) for key in keys), np.int32, len(keys))


def fixed_width_bytes(strings: pa.Array, width: int) -> npt.NDArray[np.bytes_]:
    """Return strings without nulls as NumPy bytes of one width, padded with NULs."""
    count = len(strings)
    offset_type = np.int64 if pa.types.is_large_string(strings.type) else np.int32
    _, offsets_buffer, data = strings.buffers()
    if count == 0 or data is None:
        return np.zeros(count, f"S{width}")
    offsets = np.frombuffer(offsets_buffer, offset_type)[strings.offset : strings.offset + count + 1]
    characters = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
    lengths = np.diff(offsets)
    if len(characters) == count * width:
        return characters.view(f"S{width}")
    matrix = np.zeros((count, width), np.uint8)
    matrix[np.arange(width, dtype=lengths.dtype) < lengths[:, None]] = characters
    return matrix.reshape(-1).view(f"S{width}")
