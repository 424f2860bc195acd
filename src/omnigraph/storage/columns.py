"""Columns of a stored table in memory: NumPy for what has a fixed width, Arrow for strings and lists.

One class per kind of column. They know nothing of a tail; `storage.column_view` puts the two together.
"""

from __future__ import annotations

from typing import Any, TypeAlias, Union

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from omnigraph.language.checked import Value
from omnigraph.storage.view import Mask, Numbers, Ordinals

_DTYPES: dict[pa.DataType, np.dtype[Any]] = {
    pa.bool_(): np.dtype(np.bool_),
    pa.int32(): np.dtype(np.int32),
    pa.int64(): np.dtype(np.int64),
    pa.uint32(): np.dtype(np.uint32),
    pa.uint64(): np.dtype(np.uint64),
    pa.float32(): np.dtype(np.float32),
    pa.float64(): np.dtype(np.float64),
    pa.date32(): np.dtype(np.int32),
    pa.date64(): np.dtype(np.int64),
}
_LARGE_BYTES_MIN = 2**31 - 2**20  # 32-bit offsets of Arrow strings end at 2 GiB


def number_dtype(type_: pa.DataType) -> np.dtype[Any] | None:
    """Return the NumPy type of the cells of a fixed-width scalar column; None for other columns."""
    return _DTYPES.get(type_)


def is_string(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def is_vector(type_: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(type_))


def validity(array: pa.Array) -> Mask | None:
    """Return which cells are not null; None when all are."""
    if array.null_count == 0:
        return None
    valid: Mask = array.is_valid().to_numpy(zero_copy_only=False)
    return valid


def number_cells(array: pa.Array) -> tuple[Numbers, Mask | None]:
    """Return the cells of a fixed-width array as NumPy, without a copy where Arrow's layout is NumPy's, and their validity."""
    valid = validity(array)
    if pa.types.is_boolean(array.type):
        if valid is not None:
            array = array.fill_null(False)
        return array.to_numpy(zero_copy_only=False), valid
    dtype = _DTYPES[array.type]
    buffer = array.buffers()[1]
    if buffer is None:
        return np.zeros(len(array), dtype), valid
    start = array.offset * dtype.itemsize
    return np.frombuffer(buffer, dtype, len(array), start), valid


def vector_cells(array: pa.Array) -> tuple[npt.NDArray[np.float32], Mask | None]:
    """Return the cells of a vector array as (rows, dimension) and their validity."""
    dimension = array.type.list_size
    valid = validity(array)
    items = array.values
    if items.null_count:
        items = items.fill_null(0.0)
    cells, _ = number_cells(items)
    start = array.offset * dimension
    return cells[start : start + len(array) * dimension].reshape(len(array), dimension), valid


def list_value(items: pa.Array) -> tuple[Value, ...]:
    """Return the items of one list cell as Python values."""
    if is_string(items.type):
        return tuple(items.to_pylist())
    cells, valid = number_cells(items)
    if valid is None:
        return tuple(cells.tolist())
    return tuple(item if there else None for item, there in zip(cells.tolist(), valid.tolist(), strict=True))


def cell_value(array: pa.Array, place: int) -> Value:
    """Return one cell of an array of any kind in the representation of `language.checked`."""
    scalar = array[place]
    if not scalar.is_valid:
        return None
    type_ = array.type
    if pa.types.is_list(type_) or pa.types.is_fixed_size_list(type_):
        return list_value(scalar.values)
    if pa.types.is_date(type_):
        value: int = scalar.value
        return value
    value_: Value = scalar.as_py()
    return value_


def whole_array(column: pa.ChunkedArray | pa.Array, type_: pa.DataType) -> pa.Array:
    """Return a column as one array of a type (large strings where 32-bit offsets do not reach)."""
    if is_string(type_) and column.nbytes > _LARGE_BYTES_MIN:
        type_ = pa.large_string()
    if column.type != type_:
        column = column.cast(type_)
    if isinstance(column, pa.ChunkedArray):
        if column.num_chunks == 1:
            return column.chunk(0)
        return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], type_)
    return column


def arrow_indices(ordinals: Ordinals) -> pa.Array:
    """Return ordinals as Arrow indices, -1 as null."""
    negative = ordinals < 0
    return pa.array(ordinals, mask=negative) if negative.any() else pa.array(ordinals)


class NumberColumn:
    """Numbers, Bool, Date and DateTime: values and validity."""

    __slots__ = ("size_bytes", "type", "valid", "values")

    def __init__(self, type_: pa.DataType, values: Numbers, valid: Mask | None) -> None:
        self.type = type_
        self.values = values
        self.valid = valid
        self.size_bytes = _bytes_of(values) + (0 if valid is None else _bytes_of(valid))

    def value(self, slot: int) -> Value:
        if self.valid is not None and not self.valid.item(slot):
            return None
        value: Value = self.values.item(slot)
        return value

    def cells(self, slots: Ordinals) -> list[Value]:
        """Return some cells as Python values, -1 as None."""
        values, valid = self.gather(slots)
        cells: list[Value] = values.tolist()
        if valid is None:
            return cells
        return [cell if there else None for cell, there in zip(cells, valid.tolist(), strict=True)]

    def take(self, slots: Ordinals) -> pa.Array:
        return number_array(self.type, *self.gather(slots))

    def gather(self, slots: Ordinals) -> tuple[Numbers, Mask | None]:
        """Return the cells of some slots and their validity; -1 is not valid."""
        if len(self.values) == 0:
            return np.zeros(len(slots), self.values.dtype), np.zeros(len(slots), np.bool_)
        values = self.values[slots]
        valid = None if self.valid is None else self.valid[slots]
        there = slots >= 0
        if not there.all():
            valid = there if valid is None else valid & there
        return values, valid


class StringCells:
    """Single cells of a string array without nulls, decoded from its buffers: half the time of an Arrow scalar."""

    __slots__ = ("_characters", "_offsets")

    def __init__(self, array: pa.Array) -> None:
        _, offsets, characters = array.buffers()
        self._characters = memoryview(b"" if characters is None else characters)
        wide = pa.types.is_large_string(array.type)
        self._offsets = memoryview(offsets or bytes(8)).cast("b").cast("q" if wide else "i")[array.offset :]

    def __getitem__(self, place: int) -> str:
        offsets = self._offsets
        return str(self._characters[offsets[place] : offsets[place + 1]], "utf-8")

    def some(self, places: list[int]) -> list[str]:
        """Return the strings of some places."""
        offsets, characters = self._offsets, self._characters
        return [str(characters[offsets[place] : offsets[place + 1]], "utf-8") for place in places]


class StringColumn:
    """Strings, enums and blob references as one Arrow array."""

    __slots__ = ("_cells", "_valid", "array", "size_bytes", "type")

    def __init__(self, array: pa.Array) -> None:
        self.type = pa.string()
        self.array = array
        self.size_bytes = array.nbytes
        self._valid = validity(array)
        self._cells = StringCells(array)

    def value(self, slot: int) -> Value:
        if self._valid is not None and not self._valid.item(slot):
            return None
        return self._cells[slot]

    def cells(self, slots: Ordinals) -> list[Value]:
        """Return some cells as Python values, -1 as None."""
        places = slots.tolist()
        if self._valid is None and min(places, default=0) >= 0:
            return list(self._cells.some(places))
        return [None if place < 0 else self.value(place) for place in places]

    def take(self, slots: Ordinals) -> pa.Array:
        taken = self.array.take(arrow_indices(slots))
        return taken if taken.type == self.type else taken.cast(self.type)


class VectorColumn:
    """Vectors as one matrix."""

    __slots__ = ("matrix", "size_bytes", "type", "valid")

    def __init__(self, type_: pa.DataType, matrix: npt.NDArray[np.float32], valid: Mask | None) -> None:
        self.type = type_
        self.matrix = matrix
        self.valid = valid
        self.size_bytes = _bytes_of(matrix) + (0 if valid is None else _bytes_of(valid))

    def value(self, slot: int) -> Value:
        if self.valid is not None and not self.valid[slot]:
            return None
        return tuple(self.matrix[slot].tolist())

    def cells(self, slots: Ordinals) -> list[Value]:
        """Return some cells as Python values, -1 as None."""
        return [None if slot < 0 else self.value(slot) for slot in slots.tolist()]

    def take(self, slots: Ordinals) -> pa.Array:
        there = slots >= 0
        if self.valid is not None and len(self.valid):
            there &= self.valid[slots]
        rows = self.matrix[slots] if len(self.matrix) else np.zeros((len(slots), self.matrix.shape[1]), np.float32)
        return vector_array(self.type, rows, there)


class ListColumn:
    """Lists of scalars as one Arrow array."""

    __slots__ = ("array", "size_bytes", "type")

    def __init__(self, array: pa.Array) -> None:
        self.type = array.type
        self.array = array
        self.size_bytes = array.nbytes

    def value(self, slot: int) -> Value:
        return cell_value(self.array, slot)

    def cells(self, slots: Ordinals) -> list[Value]:
        """Return some cells as Python values, -1 as None."""
        return [None if slot < 0 else self.value(slot) for slot in slots.tolist()]

    def take(self, slots: Ordinals) -> pa.Array:
        return self.array.take(arrow_indices(slots))


BaseColumn: TypeAlias = Union[NumberColumn, StringColumn, VectorColumn, ListColumn]


def base_column(array: pa.Array) -> BaseColumn:
    """Return the column of an Arrow array."""
    type_ = array.type
    if type_ in _DTYPES:
        return NumberColumn(type_, *number_cells(array))
    if is_string(type_):
        return StringColumn(array)
    if is_vector(type_):
        return VectorColumn(type_, *vector_cells(array))
    return ListColumn(array)


def absent_column(type_: pa.DataType, slots: int) -> BaseColumn:
    """Return a column of nulls, for a property that the stored table does not have yet."""
    dtype = _DTYPES.get(type_)
    nowhere = np.broadcast_to(np.False_, (slots,))
    if dtype is not None:
        return NumberColumn(type_, np.broadcast_to(np.zeros((), dtype), (slots,)), nowhere)
    if is_vector(type_):
        return VectorColumn(type_, np.broadcast_to(np.float32(0), (slots, type_.list_size)), nowhere)
    return base_column(pa.nulls(slots, type_))


def number_array(type_: pa.DataType, values: Numbers, valid: Mask | None) -> pa.Array:
    """Return cells and their validity as an Arrow array of a fixed-width type."""
    mask = None if valid is None else ~valid
    if pa.types.is_date(type_):
        return pa.array(values, pa.int32() if pa.types.is_date32(type_) else pa.int64(), mask=mask).view(type_)
    return pa.array(values, type_, mask=mask)


def vector_array(type_: pa.DataType, rows: npt.NDArray[np.float32], valid: Mask) -> pa.Array:
    """Return the rows of a matrix as an Arrow array of vectors."""
    items = pa.array(np.ascontiguousarray(rows).reshape(-1), pa.float32())
    mask = None if valid.all() else pa.array(~valid)
    return pa.FixedSizeListArray.from_arrays(items, type=type_, mask=mask)


def _bytes_of(array: npt.NDArray[Any]) -> int:
    """Return the memory behind an array: a broadcast one has none to speak of."""
    return 0 if 0 in array.strides and array.size > 1 else array.nbytes
