"""Value rules: enums, ``@range`` and ``@check``, over columns.

Whether a value is there and of its type is settled before (`values`, `columns`); these rules look at stored values, whichever
write they come from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from omnigraph.errors import ConstraintViolation
from omnigraph.graph.values import INTEGER_BOUNDS
from omnigraph.language.catalog import Check, EdgeType, NodeType, PropertyType, Range, Scalar

FEW_ROWS: Final = 16
"""Up to so many rows Python compares values sooner than Arrow starts to."""

Rows: TypeAlias = pa.Table | pa.RecordBatch
_Rule = Callable[[Rows, "Numbers | None"], None]
Numbers = NDArray[np.int64]


class ValueRules:
    """The value rules of one type, made ready once: in Arrow's terms bounds are exact and sets are arrays."""

    def __init__(self, entity: NodeType | EdgeType) -> None:
        self._rules: list[_Rule] = []
        for name, property_ in entity.properties.items():
            if property_.type.enum_values is not None:
                self._rules.append(_enum_rule(entity.name, name, property_.type.enum_values))
        if isinstance(entity, NodeType):
            for range_ in entity.ranges:
                type_ = entity.properties[range_.property_name].type
                self._rules.append(_range_rule(entity.name, range_, type_))
            self._rules += [_check_rule(entity.name, check) for check in entity.checks]

    @property
    def is_empty(self) -> bool:
        """True if every value of the right type is allowed."""
        return not self._rules

    def check(self, rows: Rows, record_numbers: Numbers | None = None) -> None:
        """Check all rows; the record number of the first bad one goes into the text where numbers are given.

        Costs nothing where the type has no rules; one row costs 2 µs a rule, but 20 µs a ``@check``, which Arrow compiles every
        time. Raises ConstraintViolation.
        """
        for rule in self._rules:
            rule(rows, record_numbers)


def _violation(message: str, row: int, record_numbers: Numbers | None, hint: str | None = None) -> ConstraintViolation:
    where = "" if record_numbers is None else f"record {int(record_numbers[row])}: "
    return ConstraintViolation(where + message, hint=hint)


def _column(rows: Rows, name: str) -> pa.Array | pa.ChunkedArray:
    return rows.column(name)


def _first(bad: pa.Array | pa.ChunkedArray) -> int:
    """Return the first place that is true, or -1; null is not true."""
    place: int = pc.index(bad, True).as_py()
    return place


def _text_items(column: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, NDArray[np.int64] | None]:
    """Return the texts of a column, those in lists one by one; with the row of each if it was a list column."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not pa.types.is_list(column.type):
        return column, None
    return column.flatten(), pc.list_parent_indices(column).to_numpy()


def _few_texts(rows: Rows, name: str) -> list[str]:
    """Return the texts of a column, those in lists among them, without the nulls."""
    texts: list[str] = []
    for value in _column(rows, name).to_pylist():
        if isinstance(value, list):
            texts += value
        elif value is not None:
            texts.append(value)
    return texts


def _enum_rule(type_name: str, name: str, allowed: tuple[str, ...]) -> _Rule:
    value_set = pa.array([*allowed, None], pa.string())
    known_texts = frozenset(allowed)

    def check(rows: Rows, record_numbers: Numbers | None) -> None:
        if rows.num_rows <= FEW_ROWS and known_texts.issuperset(_few_texts(rows, name)):
            return
        texts, parents = _text_items(_column(rows, name))
        known = pc.is_in(texts, value_set=value_set)
        if pc.all(known).as_py() is not False:
            return
        place = _first(pc.invert(known))
        message = f"invalid enum value '{texts[place]}' for {type_name}.{name} (expected: {', '.join(allowed)})"
        raise _violation(message, place if parents is None else int(parents[place]), record_numbers)

    return check


def _check_rule(type_name: str, check_: Check) -> _Rule:
    name, pattern = check_.property_name, check_.pattern

    def check(rows: Rows, record_numbers: Numbers | None) -> None:
        if rows.num_rows <= FEW_ROWS and not _few_texts(rows, name):
            return
        texts, parents = _text_items(_column(rows, name))
        matches = pc.match_substring_regex(texts, pattern)
        if pc.all(matches).as_py() is not False:
            return
        place = _first(pc.invert(matches))
        message = f"@check violation on {type_name}.{name}: value '{texts[place]}' does not match pattern '{pattern}'"
        raise _violation(message, place if parents is None else int(parents[place]), record_numbers)

    return check


def _range_rule(type_name: str, range_: Range, type_: PropertyType) -> _Rule:
    name, scalar = range_.property_name, type_.scalar
    minimum = None if range_.minimum is None else _bound(range_.minimum, scalar, upward=True)
    maximum = None if range_.maximum is None else _bound(range_.maximum, scalar, upward=False)
    subject = f"@range violation on {type_name}.{name}: value"
    least, most = (-math.inf if minimum is None else minimum), (math.inf if maximum is None else maximum)

    def check(rows: Rows, record_numbers: Numbers | None) -> None:
        if rows.num_rows <= FEW_ROWS:
            values = _column(rows, name).to_pylist()
            if all(value is None or least <= value <= most for value in values):
                return
        column = _column(rows, name)
        if scalar is Scalar.F32:
            column = column.cast(pa.float64())
        if scalar.is_float:
            place = _first(pc.is_nan(column))
            if place >= 0:
                raise _violation(f"{subject} is NaN", place, record_numbers)
        bounds = pc.min_max(column).as_py()
        if bounds["min"] is None:
            return
        if minimum is not None and bounds["min"] < minimum:
            place = _first(_beyond(column, minimum, pc.less))
            raise _violation(f"{subject} {_shown(rows, name, place)} < min {range_.minimum}", place, record_numbers)
        if maximum is not None and bounds["max"] > maximum:
            place = _first(_beyond(column, maximum, pc.greater))
            raise _violation(f"{subject} {_shown(rows, name, place)} > max {range_.maximum}", place, record_numbers)

    return check


def _bound(bound: int | float, scalar: Scalar, *, upward: bool) -> int | float:
    """Return the nearest value that the comparison can be done with: exact, whatever is compared with what."""
    if scalar in INTEGER_BOUNDS:
        return math.ceil(bound) if upward else math.floor(bound)
    try:
        value = float(bound)
    except OverflowError:
        return math.inf if bound > 0 else -math.inf
    exact = Fraction(bound)
    if upward and Fraction(value) < exact:
        return math.nextafter(value, math.inf)
    if not upward and Fraction(value) > exact:
        return math.nextafter(value, -math.inf)
    return value


def _beyond(column: Any, bound: int | float, compare: Callable[..., Any]) -> Any:  # Any: an array, chunked or not
    """Compare with a bound that some value passes; one outside the type of the column is passed by all of them."""
    try:
        return compare(column, pa.scalar(bound, column.type))
    except (OverflowError, pa.ArrowInvalid):
        return pc.is_valid(column)


def _shown(rows: Rows, name: str, place: int) -> str:
    value = _column(rows, name)[place]
    return str(np.float32(value.as_py())) if pa.types.is_float32(value.type) else str(value.as_py())
