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
_DICT_BYTES_A_ROW = 138
_BULK_SHARE = 4  # from a quarter of the rows on, hashing the column is cheaper than probing one by one


class KeyIndex(Protocol):
    """Finds strings of one column, which are distinct where they are not null."""

    @property
    def size_bytes(self) -> int: ...

    @property
    def strings(self) -> tuple[str | None, ...] | None:
        """The keys by place, where the index holds them as Python strings."""

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
    """Look many keys up in one pass over the column, hashing the smaller side. O(column + keys), 30 to 120 ns a row."""
    if not isinstance(keys, pa.Array | pa.ChunkedArray):
        keys = pa.array(keys, pa.string())
    if keys.type != strings.type:
        keys = keys.cast(strings.type)
    if len(keys) < len(strings) // 2:
        if isinstance(keys, pa.ChunkedArray):
            keys = pa.concat_arrays(keys.chunks)
        encoded = keys.dictionary_encode()
        found = _indices(pc.index_in(strings, value_set=encoded.dictionary, skip_nulls=True))
        hits = np.flatnonzero(found >= 0)
        place_of = np.full(len(encoded.dictionary) + 1, -1, np.int32)
        place_of[found[hits]] = hits
        return place_of[_indices(encoded.indices)]
    return _indices(pc.index_in(keys, value_set=strings, skip_nulls=True))


def _indices(found: pa.Array | pa.ChunkedArray) -> Ordinals:
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    places: Ordinals = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return places


class DictKeys:
    """A dictionary of Python strings. They are kept by place too, as a tuple, which the garbage collector does not visit."""

    __slots__ = ("_places", "_strings", "size_bytes", "strings")

    def __init__(self, strings: pa.Array) -> None:
        self._strings = strings
        self.strings: tuple[str | None, ...] = tuple(strings.to_pylist())
        self._places: dict[str, int] = dict(zip(self.strings, range(len(strings)), strict=True))  # type: ignore[arg-type]
        self._places.pop(None, None)  # type: ignore[call-overload]  # the dead slots
        self.size_bytes = _DICT_BYTES_A_ROW * len(strings) + 2 * strings.nbytes

    def find(self, key: str) -> int:
        return self._places.get(key, -1)

    def find_many(self, keys: Sequence[str | None] | pa.Array) -> Ordinals:
        if len(keys) > 64 and len(keys) > len(self._strings) // _BULK_SHARE:
            return find_in_bulk(self._strings, keys)
        get: Any = self._places.get  # Any: keys may hold None, which is simply not there
        if isinstance(keys, pa.Array | pa.ChunkedArray):
            keys = keys.to_pylist()
        return np.array([get(key, -1) for key in keys], np.int32)


class SortedKeys:
    """The keys as fixed-width bytes in order, probed by binary search, each hit verified.

    NumPy's fixed-width bytes drop trailing NULs (``b"a\\0" == b"a"``), hence the verification against the strings.
    """

    __slots__ = ("_order", "_sorted", "_strings", "_width", "size_bytes")

    strings = None

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
        if len(keys) <= 16:
            return np.array([-1 if key is None else find(key) for key in keys], np.int32)
        places = np.full(len(keys), -1, np.int32)
        fitting = [at for at, key in enumerate(keys) if key is not None and len(key.encode()) <= self._width]
        sought = pa.array([keys[at] for at in fitting], self._strings.type)
        encoded = fixed_width_bytes(sought, self._width)
        nearest = np.minimum(self._sorted.searchsorted(encoded), len(self._sorted) - 1)
        candidates = self._order[nearest]
        same = pc.equal(self._strings.take(pa.array(candidates)), sought).to_numpy(zero_copy_only=False)
        places[fitting] = np.where(same, candidates, np.int32(-1))
        for at in np.flatnonzero(~same & (self._sorted[nearest] == encoded)).tolist():  # equal but for NULs at the end
            places[fitting[at]] = find(str(keys[fitting[at]]))
        return places


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
