"""One property of a table at one snapshot: the base column with the tail's cells laid over it.

Whole columns are evaluated in the base and the tail's positions are scattered over the result; gathers take from both and
pick. With an empty tail the base answers alone.
"""

from __future__ import annotations

import operator as operators
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, Union, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from omnigraph.language.checked import CompareOperator, Value
from omnigraph.storage.columns import (
    BaseColumn,
    ListColumn,
    NumberColumn,
    StringColumn,
    VectorColumn,
    cell_value,
    is_string,
    is_vector,
    number_array,
    number_cells,
    number_dtype,
    validity,
)
from omnigraph.storage.comparison import UFUNCS, compare_numbers
from omnigraph.storage.image import PartName
from omnigraph.storage.overlay_columns import (
    ListOverlay,
    NumberOverlay,
    OverlayColumn,
    VectorOverlay,
    overlay_column,
)
from omnigraph.storage.overlay_strings import StringOverlay
from omnigraph.storage.part import Part
from omnigraph.storage.view import Mask, Numbers, Ordinals

if TYPE_CHECKING:
    from omnigraph.storage.dictionary import StringDictionary, StringPlaces
    from omnigraph.storage.table_view import StoredView

_FEW = 32  # up to so many rows a loop over single strings beats Arrow
_SCANS_BEFORE_DICTIONARY = 3
_SCANS_BEFORE_PLACES = 8
_ARROW: dict[CompareOperator, Callable[..., Any]] = {  # Any: Arrow has no types here
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_PYTHON: dict[CompareOperator, Callable[[str, str], bool]] = {
    "=": operators.eq,
    "!=": operators.ne,
    "<": operators.lt,
    "<=": operators.le,
    ">": operators.gt,
    ">=": operators.ge,
}


class _ColumnView:
    """What the kinds share: single cells and gathers."""

    def __init__(self, table: StoredView, stored: str, type_: pa.DataType) -> None:
        self.type = type_
        self.stored = stored
        self.part: PartName = ("column", stored)
        self._image = table.image
        self._mode = table.mode
        self._overlay = table.overlay

    def base(self) -> BaseColumn:
        return self._image.column(self.stored, self.type)

    def tail(self) -> OverlayColumn:
        return overlay_column(self._overlay.log, self.stored, self.type)

    def is_cold(self, rows: int) -> bool:
        """Say whether to look some rows up in storage instead of using the column in memory."""
        return self._image.warm(self.part) is None and not self._image.prefers_memory(self.part, rows, self._mode)

    def value(self, ordinal: int) -> Value:
        if ordinal < 0:
            return None
        if self._overlay.length:
            position = self._overlay.position_of(ordinal)
            if position >= 0:
                return self.tail().value(position)
            if ordinal >= self._image.slots:
                return None  # an ordinal that was reserved and never used
        column: BaseColumn | None = self._image.warm(self.part)
        if column is None:
            if self.is_cold(1):
                return cell_value(self._image.take(np.array([ordinal], np.int32), self.stored, self.type), 0)
            column = self.base()
        return column.value(ordinal)

    def values(self, ordinals: Ordinals) -> list[Value]:
        base_ordinals, positions = self.parted(ordinals)
        column: BaseColumn | None = self._image.warm(self.part)
        if column is None and self.is_cold(len(ordinals)):
            array = self._image.take(base_ordinals, self.stored, self.type)
            cells = [cell_value(array, place) for place in range(len(array))]
        else:
            cells = (column or self.base()).cells(base_ordinals)
        if positions is not None:
            value = self.tail().value
            for place, position in enumerate(positions.tolist()):
                if position >= 0:
                    cells[place] = value(position)
        return cells

    def take(self, ordinals: Ordinals) -> pa.Array:
        base_ordinals, positions = self.parted(ordinals)
        if positions is None:
            return self._take_base(base_ordinals)
        hits = np.flatnonzero(positions >= 0)
        written = self.tail().take(positions[hits])
        if len(hits) == len(ordinals):
            return written
        stored = self._take_base(base_ordinals)
        pick = np.arange(len(ordinals))
        pick[hits] = len(ordinals) + np.arange(len(hits))
        return pa.concat_arrays([stored, written]).take(pa.array(pick))

    def parted(self, ordinals: Ordinals) -> tuple[Ordinals, Ordinals | None]:
        """Return the ordinals that the base answers for, -1 for others, and the tail's positions (None: none at all)."""
        overlay = self._overlay
        if overlay.length == 0:
            return ordinals, None
        positions = overlay.positions_of(ordinals)
        elsewhere = ordinals >= self._image.slots if overlay.slots > self._image.slots else None
        if positions is not None:
            written = positions >= 0
            elsewhere = written if elsewhere is None else elsewhere | written
        return (ordinals if elsewhere is None else np.where(elsewhere, np.int32(-1), ordinals)), positions

    def _take_base(self, ordinals: Ordinals) -> pa.Array:
        if self.is_cold(len(ordinals)):
            return self._image.take(ordinals, self.stored, self.type)
        return self.base().take(ordinals)

    def numbers(self) -> tuple[Numbers, Mask | None]:
        raise TypeError(f"a {self.type} column has no numbers")

    def matrix(self) -> tuple[npt.NDArray[np.float32], Mask | None]:
        raise TypeError(f"a {self.type} column has no matrix")

    def codes(self) -> npt.NDArray[np.int64]:
        raise TypeError(f"a {self.type} column has no codes")

    def compare(self, operator: CompareOperator, value: Value, ordinals: Ordinals | None = None) -> Mask:
        raise TypeError(f"a {self.type} column is not compared")

    def among(self, values: Sequence[Value], ordinals: Ordinals | None = None, *, negated: bool = False) -> Mask:
        raise TypeError(f"a {self.type} column is not looked up in lists")


class NumberColumnView(_ColumnView):
    """Numbers, Bool, Date and DateTime."""

    def base(self) -> NumberColumn:
        return cast(NumberColumn, super().base())

    def tail(self) -> NumberOverlay:
        return cast(NumberOverlay, super().tail())

    def numbers(self) -> tuple[Numbers, Mask | None]:
        base = self.base()
        if self._overlay.length == 0:
            return base.values, base.valid
        return self.tail().merged(self._overlay, base.values, base.valid, self._image.admit)

    def compare(self, operator: CompareOperator, value: Value, ordinals: Ordinals | None = None) -> Mask:
        overlay = self._overlay
        if ordinals is not None:
            return compare_numbers(*self._gather(ordinals), operator, value)
        base = self.base()
        if overlay.length == 0:
            return compare_numbers(base.values, base.valid, operator, value)
        result = np.empty(overlay.slots, np.bool_)
        compare_numbers(base.values, base.valid, operator, value, out=result[: self._image.slots])
        result[self._image.slots :] = False
        result[overlay.ordinals] = self.compare_tail(operator, value)
        return result

    def compare_tail(self, operator: CompareOperator, value: Value) -> Mask:
        """Compare the cells of every position of the tail."""
        values, valid = self.tail().cells(self._overlay.length)
        return compare_numbers(values, valid, operator, value)

    def take(self, ordinals: Ordinals) -> pa.Array:
        return number_array(self.type, *self._gather(ordinals))

    def _gather(self, ordinals: Ordinals) -> tuple[Numbers, Mask | None]:
        """Return the cells of some rows and their validity."""
        ordinals, positions = self.parted(ordinals)
        if self.is_cold(len(ordinals)):
            values, valid = number_cells(self._image.take(ordinals, self.stored, self.type))
        else:
            values, valid = self.base().gather(ordinals)
        if positions is None:
            return values, valid
        written = positions >= 0
        tail_values, tail_valid = self.tail().cells(self._overlay.length)
        chosen = positions[written]
        values = values.copy()
        values[written] = tail_values[chosen]
        assert valid is not None, "the base does not answer for what the tail has written"
        valid = valid.copy()
        valid[written] = tail_valid[chosen]
        return values, valid


class StringColumnView(_ColumnView):
    """Strings, enums and blob references."""

    _codes: Part | None = None

    def base(self) -> StringColumn:
        return cast(StringColumn, super().base())

    def tail(self) -> StringOverlay:
        return cast(StringOverlay, super().tail())

    def codes(self) -> npt.NDArray[np.int64]:
        overlay = self._overlay
        if overlay.length == 0:
            return self._image.codes(self.stored)
        codes: npt.NDArray[np.int64] | None = None if self._codes is None else self._codes.value
        if codes is None:
            dictionary = self._image.dictionary(self.stored)
            table, written = self.tail().merged_codes(dictionary, overlay.length)
            codes = np.full(overlay.slots, -1, np.int64)
            np.take(table, dictionary.ranks, out=codes[: self._image.slots], mode="wrap")  # the rank -1 is the last cell
            codes[overlay.ordinals] = written
            self._codes = Part(codes, codes.nbytes)
            self._image.admit(self._codes)
        return codes

    def take(self, ordinals: Ordinals) -> pa.Array:
        if len(ordinals) <= _FEW:
            column: StringColumn | None = self._image.warm(self.part)
            if column is not None:
                value = self.value if self._overlay.length else column.value
                cells = [value(ordinal) if ordinal >= 0 else None for ordinal in ordinals.tolist()]
                return pa.array(cells, self.type)
        return super().take(ordinals)

    def compare(self, operator: CompareOperator, value: Value, ordinals: Ordinals | None = None) -> Mask:
        overlay = self._overlay
        if not isinstance(value, str):
            return np.zeros(overlay.slots if ordinals is None else len(ordinals), np.bool_)
        if ordinals is not None:
            return self._compare_some(operator, value, ordinals)
        dictionary = self._dictionary()
        result = np.empty(overlay.slots, np.bool_)
        base = result[: self._image.slots]
        if dictionary is None:
            base[:] = _compare_strings(self.base().array, operator, value)
        else:
            _compare_ranks(dictionary, operator, value, base)
        if overlay.length:
            result[self._image.slots :] = False
            result[overlay.ordinals] = self.compare_tail(dictionary, operator, value)
        return result

    def among(self, values: Sequence[Value], ordinals: Ordinals | None = None, *, negated: bool = False) -> Mask:
        strings = cast(Sequence[str], values)
        if ordinals is not None:
            return _strings_among(self.take(ordinals), strings, negated)
        overlay = self._overlay
        places = self._places()
        if places is None:
            base = _strings_among(self.base().array, strings, negated)
        else:
            base = places.among(strings, negated=negated)
        if overlay.length == 0:
            return base
        result = np.zeros(overlay.slots, np.bool_)
        result[: self._image.slots] = base
        written, sought = self.tail().values(overlay.length), frozenset(strings)
        holds = [string is not None and (string in sought) is not negated for string in written]
        result[overlay.ordinals] = holds
        return result

    def _places(self) -> StringPlaces | None:
        """Return what finds strings by value, when it is there or when it pays: building it costs as much as many scans."""
        part = "places", self.stored
        found: StringPlaces | None = self._image.warm(part)
        if found is None and self._image.scans(part) > _SCANS_BEFORE_PLACES:
            found = cast("StringPlaces", self._image.places(self.stored, self.type))
        return found

    def _dictionary(self) -> StringDictionary | None:
        """Return the dictionary when it is there or when it pays: a scan of the strings costs a tenth of building it."""
        part = "dictionary", self.stored
        found: StringDictionary | None = self._image.warm(part)
        if found is None and self._image.scans(part) > _SCANS_BEFORE_DICTIONARY:
            found = self._image.dictionary(self.stored)
        return found

    def compare_tail(self, dictionary: StringDictionary | None, operator: CompareOperator, value: str) -> Mask:
        """Compare the cells of every position of the tail."""
        length = self._overlay.length
        if dictionary is None:
            holds = _PYTHON[operator]
            strings = self.tail().values(length)
            return np.fromiter((s is not None and holds(s, value) for s in strings), np.bool_, length)
        labels, constant, known = self.tail().labels(dictionary, length, value)
        return _compare_places(labels, operator, constant, known)

    def _compare_some(self, operator: CompareOperator, value: str, ordinals: Ordinals) -> Mask:
        ordinals, positions = self.parted(ordinals)
        dictionary: StringDictionary | None = self._image.warm(("dictionary", self.stored))
        if dictionary is not None and len(dictionary.ranks):
            place, known = dictionary.lower_bound(value)
            ranks = np.where(ordinals < 0, np.int32(-1), dictionary.ranks[ordinals])
            result = _compare_places(ranks, operator, place, known)
        else:
            result = _compare_strings(self._take_base(ordinals), operator, value)
        if positions is not None:
            written = positions >= 0
            holds = _PYTHON[operator]
            tail = self.tail()
            tail.upto(self._overlay.length)
            strings = [tail.strings[position] for position in positions[written].tolist()]
            result[written] = [s is not None and holds(s, value) for s in strings]
        return result


class VectorColumnView(_ColumnView):
    """Vectors."""

    def matrix(self) -> tuple[npt.NDArray[np.float32], Mask | None]:
        base = cast(VectorColumn, self.base())
        if self._overlay.length == 0:
            return base.matrix, base.valid
        return cast(VectorOverlay, self.tail()).merged(self._overlay, base.matrix, base.valid, self._image.admit)


class ListColumnView(_ColumnView):
    """Lists."""

    def base(self) -> ListColumn:
        return cast(ListColumn, super().base())

    def tail(self) -> ListOverlay:
        return cast(ListOverlay, super().tail())


ColumnView: TypeAlias = Union[NumberColumnView, StringColumnView, VectorColumnView, ListColumnView]


def column_view(table: StoredView, stored: str, type_: pa.DataType) -> ColumnView:
    """Return the view of a stored column of a type."""
    if number_dtype(type_) is not None:
        return NumberColumnView(table, stored, type_)
    if is_string(type_):
        return StringColumnView(table, stored, type_)
    if is_vector(type_):
        return VectorColumnView(table, stored, type_)
    return ListColumnView(table, stored, type_)


def _strings_among(array: pa.Array, strings: Sequence[str], negated: bool) -> Mask:
    found: Mask = pc.is_in(array, value_set=pa.array(strings, array.type)).to_numpy(zero_copy_only=False)
    valid = validity(array)
    if negated:
        found = ~found
        return found if valid is None else found & valid
    return found


def _compare_ranks(dictionary: StringDictionary, operator: CompareOperator, value: str, out: Mask) -> None:
    place, known = dictionary.lower_bound(value)
    _compare_places(dictionary.ranks, operator, place, known, out)


def _compare_places(
    places: npt.NDArray[Any], operator: CompareOperator, constant: int, known: bool, out: Mask | None = None
) -> Mask:
    """Compare places in an order (negative for null) with that of a constant, or of what follows it if it is not known."""
    result = np.empty(len(places), np.bool_) if out is None else out
    if operator == "=":
        if known:
            np.equal(places, constant, out=result)
        else:
            result[:] = False
        return result
    if operator == "!=":
        np.greater_equal(places, 0, out=result)
        if known:
            result &= places != constant
        return result
    if not known:
        operator = "<" if operator in ("<", "<=") else ">="
    if operator in ("<", "<="):
        places = places.view(f"u{places.itemsize}")  # so that nulls are above everything
    UFUNCS[operator](places, places.dtype.type(constant), out=result)
    return result


def _compare_strings(array: pa.Array, operator: CompareOperator, value: str) -> Mask:
    result = _ARROW[operator](array, pa.scalar(value, array.type))
    if result.null_count:
        result = result.fill_null(False)
    mask: Mask = result.to_numpy(zero_copy_only=False)
    return mask
