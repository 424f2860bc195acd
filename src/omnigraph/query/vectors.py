"""Values of one expression over the rows of a frame: what evaluation gives, and what a result is made of.

Four shapes are enough: fixed-width values in NumPy, texts and lists in Arrow, one constant for all rows, and objects of
several members. Each converts itself to JSON values and to Arrow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import Value
from omnigraph.query.encode import Json, encode_array, encode_numbers, encode_value, encoder
from omnigraph.storage.arrow import arrow_type
from omnigraph.storage.view import Mask, Numbers

STRING = PropertyType(Scalar.STRING, nullable=True)
I64 = PropertyType(Scalar.I64, nullable=True)
F64 = PropertyType(Scalar.F64, nullable=True)
DATETIME = PropertyType(Scalar.DATETIME)

_NUMPY: dict[Scalar, npt.DTypeLike] = {
    Scalar.BOOL: np.bool_,
    Scalar.I32: np.int32,
    Scalar.I64: np.int64,
    Scalar.U32: np.uint32,
    Scalar.U64: np.uint64,
    Scalar.F32: np.float32,
    Scalar.F64: np.float64,
    Scalar.DATE: np.int32,
    Scalar.DATETIME: np.int64,
}


def is_fixed_width(type_: PropertyType) -> bool:
    """Say whether values of a type fit a NumPy array: numbers, Bool, Date and DateTime, not in lists."""
    return not type_.is_list and type_.scalar in _NUMPY


class Fixed:
    """Numbers, Bool, Date (days) and DateTime (milliseconds), with validity (None: all valid)."""

    __slots__ = ("type", "valid", "values")

    def __init__(self, values: Numbers, valid: Mask | None, type_: PropertyType) -> None:
        self.values = values
        self.valid = valid
        self.type = type_

    def __len__(self) -> int:
        return len(self.values)

    def taken(self, positions: npt.NDArray[np.int64]) -> Fixed:
        return Fixed(self.values.take(positions), None if self.valid is None else self.valid.take(positions), self.type)

    def nulls(self) -> Mask | None:
        return None if self.valid is None else ~self.valid

    def json(self) -> list[Json]:
        return encode_numbers(self.values, self.valid, self.type.scalar)

    def arrow(self) -> pa.Array:
        mask = None if self.valid is None else ~self.valid
        target = arrow_type(self.type)
        if self.type.scalar in (Scalar.DATE, Scalar.DATETIME):
            plain = pa.int32() if self.type.scalar is Scalar.DATE else pa.int64()
            return pa.array(self.values, plain, mask=mask).view(target)
        return pa.array(self.values, target, mask=mask)

    def size_bytes(self) -> int:
        return int(self.values.nbytes)


class Arrayed:
    """Texts, lists and vectors, as one Arrow array."""

    __slots__ = ("array", "type")

    def __init__(self, array: pa.Array, type_: PropertyType) -> None:
        self.array = array
        self.type = type_

    def __len__(self) -> int:
        return len(self.array)

    def taken(self, positions: npt.NDArray[np.int64]) -> Arrayed:
        return Arrayed(self.array.take(pa.array(positions)), self.type)

    def nulls(self) -> Mask | None:
        if self.array.null_count == 0:
            return None
        mask: Mask = self.array.is_null().to_numpy(zero_copy_only=False)
        return mask

    def json(self) -> list[Json]:
        return encode_array(self.array, self.type)

    def arrow(self) -> pa.Array:
        return pa.nulls(len(self.array), pa.string()) if self.type.scalar is Scalar.BLOB else self.array

    def size_bytes(self) -> int:
        return int(self.array.nbytes)


class Repeated:
    """The same value in every row."""

    __slots__ = ("_rows", "type", "value")

    def __init__(self, value: Value, rows: int, type_: PropertyType) -> None:
        self.value = value
        self._rows = rows
        self.type = type_

    def __len__(self) -> int:
        return self._rows

    def taken(self, positions: npt.NDArray[np.int64]) -> Repeated:
        return Repeated(self.value, len(positions), self.type)

    def nulls(self) -> Mask | None:
        return np.ones(self._rows, np.bool_) if self.value is None else None

    def json(self) -> list[Json]:
        return [encode_value(self.value, self.type)] * self._rows

    def arrow(self) -> pa.Array:
        target = arrow_type(self.type)
        if self.value is None or self.type.scalar is Scalar.BLOB:
            return pa.nulls(self._rows, target)
        one = to_arrow([self.value], self.type)
        return one.take(pa.array(np.zeros(self._rows, np.int64)))

    def spread(self) -> Fixed | Arrayed:
        """Return the same values with one entry per row."""
        if is_fixed_width(self.type):
            return fixed_from([self.value], self.type).taken(np.zeros(self._rows, np.int64))
        return Arrayed(self.arrow(), self.type)

    def size_bytes(self) -> int:
        return 8 * self._rows


class Listed:
    """Values of a few rows in a Python list: only for results, never for evaluation."""

    __slots__ = ("type", "values")

    def __init__(self, values: list[Value], type_: PropertyType) -> None:
        self.values = values
        self.type = type_

    def __len__(self) -> int:
        return len(self.values)

    def taken(self, positions: npt.NDArray[np.int64]) -> Listed:
        return Listed([self.values[at] for at in positions.tolist()], self.type)

    def json(self) -> list[Json]:
        encode = encoder(self.type)
        if encode is None:
            return self.values
        return [None if value is None else encode(value) for value in self.values]

    def arrow(self) -> pa.Array:
        return to_arrow(self.values, self.type)

    def size_bytes(self) -> int:
        return sum(len(value) if isinstance(value, str | tuple) else 8 for value in self.values)


class Deferred:
    """A property or the ids of many rows, fetched when they are first asked for: a result that is only counted is free.

    It holds on to columns that are in memory anyway; nothing is read from storage later.
    """

    __slots__ = ("_fetch", "_rows", "_vector")

    def __init__(self, fetch: Callable[[], Vector], rows: int) -> None:
        self._fetch = fetch
        self._rows = rows
        self._vector: Vector | None = None

    def __len__(self) -> int:
        return self._rows

    def fetched(self) -> Vector:
        if self._vector is None:
            self._vector = self._fetch()
        return self._vector

    def taken(self, positions: npt.NDArray[np.int64]) -> Vector:
        return self.fetched().taken(positions)

    def json(self) -> list[Json]:
        return self.fetched().json()

    def arrow(self) -> pa.Array:
        return self.fetched().arrow()

    def size_bytes(self) -> int:
        return self.fetched().size_bytes()


class Objects:
    """Whole nodes or edges: members of equal length, in order, and which rows are there at all."""

    __slots__ = ("_members", "_rows", "_valid")

    def __init__(self, members: list[tuple[str, Vector]], rows: int, valid: Mask | None) -> None:
        self._members = members
        self._rows = rows
        self._valid = valid

    def __len__(self) -> int:
        return self._rows

    def taken(self, positions: npt.NDArray[np.int64]) -> Objects:
        members = [(name, vector.taken(positions)) for name, vector in self._members]
        return Objects(members, len(positions), None if self._valid is None else self._valid.take(positions))

    def nulls(self) -> Mask | None:
        return None if self._valid is None else ~self._valid

    def json(self) -> list[Json]:
        names = [name for name, _ in self._members]
        columns = [vector.json() for _, vector in self._members]
        rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
        if self._valid is None:
            return rows
        return [row if there else None for row, there in zip(rows, self._valid.tolist(), strict=True)]

    def arrow(self) -> pa.Array:
        mask = None if self._valid is None else pa.array(~self._valid)
        return pa.StructArray.from_arrays(
            [vector.arrow() for _, vector in self._members], [name for name, _ in self._members], mask=mask
        )

    def size_bytes(self) -> int:
        return sum(vector.size_bytes() for _, vector in self._members)


Vector: TypeAlias = Fixed | Arrayed | Repeated | Objects
ResultVector: TypeAlias = Vector | Listed | Deferred


def fixed_from(values: list[Value], type_: PropertyType) -> Fixed:
    """Return a short list of values of a fixed-width type as a vector."""
    valid = np.array([value is not None for value in values], np.bool_)
    dtype: Any = _NUMPY[type_.scalar]  # Any: one of several NumPy types
    if type_.scalar is Scalar.U64 or not type_.scalar.is_integer:
        numbers = np.array([0 if value is None else value for value in values], dtype)
    else:
        # Widened: a parameter may be declared narrower than what it was given.
        numbers = np.array([0 if value is None else value for value in values], np.int64)
    return Fixed(numbers, None if valid.all() else valid, type_)


def to_arrow(values: list[Value], type_: PropertyType) -> pa.Array:
    """Return values in the representation of `language.checked` as an Arrow array of the type they are stored in."""
    target = arrow_type(type_)
    if type_.scalar in (Scalar.DATE, Scalar.DATETIME):
        plain = pa.int32() if type_.scalar is Scalar.DATE else pa.int64()
        if type_.is_list:
            return pa.array(values, pa.list_(plain)).cast(target)
        return pa.array(values, plain).view(target)
    return pa.array(values, target)


def from_array(array: pa.Array, type_: PropertyType) -> Fixed | Arrayed:
    """Return an Arrow array in the shape that evaluation works with."""
    if not is_fixed_width(type_):
        return Arrayed(array, type_)
    valid: Mask | None = None
    if array.null_count:
        valid = array.is_valid().to_numpy(zero_copy_only=False)
    if type_.scalar is Scalar.DATE:
        array = array.view(pa.int32())
    elif type_.scalar is Scalar.DATETIME:
        array = array.view(pa.int64())
    if array.null_count:
        array = array.fill_null(False if type_.scalar is Scalar.BOOL else 0)
    return Fixed(array.to_numpy(zero_copy_only=False), valid, type_)
