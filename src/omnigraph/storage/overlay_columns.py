"""The values of the rows of a tail, one growing column per property, over the positions of an `OverlayLog`.

A column catches up with its log when it is read, not when a commit is made; positions that are deletes hold nulls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Union

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from omnigraph.language.checked import Value
from omnigraph.storage.columns import (
    cell_value,
    is_string,
    is_vector,
    number_array,
    number_cells,
    number_dtype,
    vector_array,
    vector_cells,
)
from omnigraph.storage.overlay import Growing
from omnigraph.storage.overlay_cells import OverlayCells
from omnigraph.storage.overlay_strings import StringOverlay
from omnigraph.storage.part import Part
from omnigraph.storage.view import Mask, Numbers, Ordinals

if TYPE_CHECKING:
    from omnigraph.storage.overlay import Overlay, OverlayLog


def overlay_column(log: OverlayLog, name: str, type_: pa.DataType) -> OverlayColumn:
    """Return the column of a log for a stored column, made at first use."""
    column = log.columns.get(name)
    if column is None or column.type != type_:
        with log.lock:
            if number_dtype(type_) is not None:
                column = NumberOverlay(log, name, type_)
            elif is_string(type_):
                column = StringOverlay(log, name, type_)
            elif is_vector(type_):
                column = VectorOverlay(log, name, type_)
            else:
                column = ListOverlay(log, name, type_)
            log.columns[name] = column
    return column


class NumberOverlay(OverlayCells):
    """Fixed-width scalars."""

    def __init__(self, log: OverlayLog, name: str, type_: pa.DataType) -> None:
        super().__init__(log, name, type_)
        dtype = number_dtype(type_)
        assert dtype is not None
        self._values = Growing(dtype)
        self._valid = Growing(np.bool_)

    def _extend(self, array: pa.Array) -> None:
        values, valid = number_cells(array)
        self._values.append(values)
        self._valid.append(np.ones(len(values), np.bool_) if valid is None else valid)

    def _pad(self, count: int) -> None:
        if count:
            self._values.append(np.zeros(count, self._values.upto(0).dtype))
            self._valid.append(np.zeros(count, np.bool_))

    def cells(self, length: int) -> tuple[Numbers, Mask]:
        """Return values and validity of the first positions."""
        self.upto(length)
        return self._values.upto(length), self._valid.upto(length)

    def merged(
        self, overlay: Overlay, values: Numbers, valid: Mask | None, admit: Callable[[Part], None]
    ) -> tuple[Numbers, Mask | None]:
        """Return the numbers of all slots and their validity."""
        return self._laid_over(overlay, (values, valid), self.cells(overlay.length), admit)

    def value(self, position: int) -> Value:
        self.upto(position + 1)
        if not self._valid.upto(position + 1).item(position):
            return None
        value: Value = self._values.upto(position + 1).item(position)
        return value

    def take(self, positions: Ordinals) -> pa.Array:
        self.upto(int(positions.max(initial=-1)) + 1)
        values, valid = self._values.upto(self.length), self._valid.upto(self.length)
        return number_array(self.type, values[positions], valid[positions])

    def fork(self, log: OverlayLog, length: int) -> NumberOverlay:
        copied = NumberOverlay(log, self.name, self.type)
        self._copy_into(copied, length)
        copied._values = self._values.copy(copied.length)
        copied._valid = self._valid.copy(copied.length)
        return copied


class VectorOverlay(OverlayCells):
    """Vectors."""

    def __init__(self, log: OverlayLog, name: str, type_: pa.DataType) -> None:
        super().__init__(log, name, type_)
        self._rows = Growing(np.float32, type_.list_size)
        self._valid = Growing(np.bool_)

    def _extend(self, array: pa.Array) -> None:
        rows, valid = vector_cells(array)
        self._rows.append(rows)
        self._valid.append(np.ones(len(rows), np.bool_) if valid is None else valid)

    def _pad(self, count: int) -> None:
        if count:
            self._rows.append(np.zeros((count, self.type.list_size), np.float32))
            self._valid.append(np.zeros(count, np.bool_))

    def cells(self, length: int) -> tuple[npt.NDArray[np.float32], Mask]:
        """Return vectors and validity of the first positions."""
        self.upto(length)
        return self._rows.upto(length), self._valid.upto(length)

    def merged(
        self, overlay: Overlay, matrix: npt.NDArray[np.float32], valid: Mask | None, admit: Callable[[Part], None]
    ) -> tuple[npt.NDArray[np.float32], Mask | None]:
        """Return the vectors of all slots and their validity."""
        return self._laid_over(overlay, (matrix, valid), self.cells(overlay.length), admit)

    def value(self, position: int) -> Value:
        rows, valid = self.cells(position + 1)
        return tuple(rows[position].tolist()) if valid[position] else None

    def take(self, positions: Ordinals) -> pa.Array:
        rows, valid = self.cells(int(positions.max(initial=-1)) + 1)
        return vector_array(self.type, rows[positions], valid[positions])

    def fork(self, log: OverlayLog, length: int) -> VectorOverlay:
        copied = VectorOverlay(log, self.name, self.type)
        self._copy_into(copied, length)
        copied._rows = self._rows.copy(copied.length)
        copied._valid = self._valid.copy(copied.length)
        return copied


class ListOverlay(OverlayCells):
    """Lists, as Python tuples."""

    def __init__(self, log: OverlayLog, name: str, type_: pa.DataType) -> None:
        super().__init__(log, name, type_)
        self._lists: list[Value] = []

    def _extend(self, array: pa.Array) -> None:
        self._lists += [cell_value(array, place) for place in range(len(array))]

    def _pad(self, count: int) -> None:
        self._lists += [None] * count

    def value(self, position: int) -> Value:
        self.upto(position + 1)
        return self._lists[position]

    def take(self, positions: Ordinals) -> pa.Array:
        self.upto(int(positions.max(initial=-1)) + 1)
        lists = self._lists
        cells = [lists[position] for position in positions.tolist()]
        item = self.type.value_type
        if not pa.types.is_date(item):
            return pa.array(cells, self.type)
        plain = pa.int32() if pa.types.is_date32(item) else pa.int64()
        numbers = pa.array(cells, pa.list_(plain))
        return pa.ListArray.from_arrays(numbers.offsets, numbers.values.view(item), type=self.type, mask=numbers.is_null())

    def fork(self, log: OverlayLog, length: int) -> ListOverlay:
        copied = ListOverlay(log, self.name, self.type)
        self._copy_into(copied, length)
        copied._lists = self._lists[: copied.length]
        return copied


OverlayColumn = Union[NumberOverlay, StringOverlay, VectorOverlay, ListOverlay]
