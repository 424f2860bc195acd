"""Parameters of a run: from a JSON object to the values that checked queries name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import NoReturn

from omnigraph.errors import BadRequest
from omnigraph.language import limits
from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import Parameter, Value
from omnigraph.language.identity import round_to_f32
from omnigraph.language.temporal import TemporalError, parse_date, parse_datetime

_I32_MIN, _I32_MAX = -(2**31), 2**31 - 1
_U32_MAX = 2**32 - 1
_U64_MAX = 2**64 - 1


class ParameterBinder:
    """Binds the parameters of one query: what `bind_parameters` does, with a short way for one String parameter."""

    __slots__ = ("_parameters", "_text")

    def __init__(self, parameters: tuple[Parameter, ...]) -> None:
        self._parameters = parameters
        only = parameters[0] if len(parameters) == 1 else None
        is_text = only is not None and only.type.scalar is Scalar.STRING and not only.type.is_list
        self._text = only.name if only is not None and is_text else None

    def bind(self, given: Mapping[str, object] | None) -> dict[str, Value]:
        """Return the values of a run; raises what `bind_parameters` raises."""
        if self._text is not None and type(given) is dict and len(given) == 1:
            item = given.get(self._text)
            if type(item) is str and item.isascii():
                return {self._text: item}
        return bind_parameters(self._parameters, given)


def bind_parameters(parameters: tuple[Parameter, ...], given: Mapping[str, object] | None) -> dict[str, Value]:
    """Return the value of every declared parameter, and of the undeclared ones as they are.

    ``given`` is a decoded JSON object; keys stand without dollar sign. Integers keep every digit. A parameter that may be
    null is null when it is absent. Raises BadRequest, for a required parameter that is missing also when the query does
    not use it.
    """
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        raise BadRequest("params must be a JSON object")
    values: dict[str, Value] = {}
    if len(given) == len(parameters):  # what nearly every call is: each declared parameter, and nothing else
        try:
            for parameter in parameters:
                values[parameter.name] = _bind(parameter.name, parameter.type, given[parameter.name])
            return values
        except (KeyError, BadRequest):
            values.clear()  # the way below finds the first fault in the order in which the values were given
    declared = {parameter.name: parameter.type for parameter in parameters}
    for name, item in given.items():
        if not isinstance(name, str):
            raise BadRequest("params must be a JSON object")
        type_ = declared.get(name)
        values[name] = _undeclared(name, item) if type_ is None else _bind(name, type_, item)
    for name, type_ in declared.items():
        if name not in values:
            if not type_.nullable:
                raise BadRequest(f"parameter '{name}' not provided", hint=f"it is declared ${name}: {type_}")
            values[name] = None
    return values


def json_type(item: object) -> str:
    """Return the word for the JSON type of a decoded value."""
    if item is None:
        return "null"
    if isinstance(item, bool):
        return "boolean"
    if isinstance(item, (int, float)):
        return "number"
    if isinstance(item, str):
        return "string"
    return "array" if isinstance(item, (list, tuple)) else "object"


def _refuse(name: str, problem: str) -> NoReturn:
    raise BadRequest(f"param '{name}': {problem}")


def _undeclared(name: str, item: object) -> Value:
    if item is None or isinstance(item, (bool, int, float)):
        return item
    if isinstance(item, str):
        return _text(name, item)
    if isinstance(item, (list, tuple)):
        return tuple(item)
    _refuse(name, "object is not supported")


def _bind(name: str, type_: PropertyType, item: object) -> Value:
    if item is None:
        if not type_.nullable:
            _refuse(name, "null is not accepted for non-nullable parameter")
        return None
    if type_.scalar is Scalar.VECTOR:
        return _vector(name, type_, item)
    bind = _BINDERS[type_.scalar]
    if type_.is_list:
        if not isinstance(item, (list, tuple)):
            _refuse(name, f"expected array for [{type_.scalar.value}]")
        whole = _WHOLE_LISTS.get(type_.scalar)
        elements = None if whole is None else whole(item)
        return tuple([bind(name, element) for element in item]) if elements is None else elements
    return bind(name, item)


def _text(name: str, item: str) -> str:
    if not item.isascii():
        try:
            item.encode()
        except UnicodeEncodeError:
            _refuse(name, "the string is not valid Unicode (a lone surrogate)")
    return item


def _bind_string(name: str, item: object) -> str:
    if not isinstance(item, str):
        _refuse(name, f"expected string, got {json_type(item)}")
    return _text(name, item)


def _bind_blob(name: str, item: object) -> str:
    if not isinstance(item, str):
        _refuse(name, f"expected blob URI string, got {json_type(item)}")
    return _text(name, item)


def _bind_bool(name: str, item: object) -> bool:
    if not isinstance(item, bool):
        _refuse(name, "expected boolean")
    return item


def _bind_i64(name: str, item: object) -> int:
    if isinstance(item, str):
        number = _integer_text(item)
        if number is None or not limits.INTEGER_MIN <= number <= limits.INTEGER_MAX:
            _refuse(name, f"expected integer string, got '{item}'")
        return number
    if json_type(item) != "number":
        _refuse(name, "expected integer")
    if not isinstance(item, int) or not limits.INTEGER_MIN <= item <= limits.INTEGER_MAX:
        _refuse(name, "expected integer number")
    return item


def _bind_i32(name: str, item: object) -> int:
    number = _bind_i64(name, item)
    if not _I32_MIN <= number <= _I32_MAX:
        _refuse(name, f"value {number} exceeds I32")
    return number


def _unsigned(name: str, item: object) -> int:
    if isinstance(item, str):
        number = _integer_text(item)
        if number is None or item.startswith("-") or number > _U64_MAX:
            _refuse(name, f"expected unsigned integer string, got '{item}'")
        return number
    if json_type(item) != "number":
        _refuse(name, "expected unsigned integer")
    if not isinstance(item, int) or not 0 <= item <= _U64_MAX:
        _refuse(name, "expected unsigned integer number")
    return item


def _bind_u32(name: str, item: object) -> int:
    number = _unsigned(name, item)
    if number > _U32_MAX:
        _refuse(name, f"value {number} exceeds U32")
    return number


def _bind_u64(name: str, item: object) -> int:
    number = _unsigned(name, item)
    if number > limits.INTEGER_MAX:
        _refuse(name, f"value {number} exceeds current engine range for U64 (max {limits.INTEGER_MAX})")
    return number


def _integer_text(text: str) -> int | None:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits.isascii() or not digits.isdigit() or len(digits.lstrip("0")) > 20:
        return None
    return int(text)


def _bind_f64(name: str, item: object) -> float:
    if json_type(item) != "number":
        _refuse(name, "expected float")
    assert isinstance(item, (int, float))
    return _finite(name, item)


def _bind_f32(name: str, item: object) -> float:
    number = _bind_f64(name, item)
    try:
        return round_to_f32(number)
    except OverflowError:
        _refuse(name, "value must be finite")


def _finite(name: str, item: int | float) -> float:
    try:
        number = float(item)
    except OverflowError:
        _refuse(name, "value must be finite")
    if number != number or number in (float("inf"), float("-inf")):
        _refuse(name, "value must be finite")
    return number


def _bind_date(name: str, item: object) -> int:
    if not isinstance(item, str):
        _refuse(name, "expected date string")
    try:
        return parse_date(item)
    except TemporalError as error:
        _refuse(name, str(error))


def _bind_datetime(name: str, item: object) -> int:
    if not isinstance(item, str):
        _refuse(name, "expected datetime string")
    try:
        return parse_datetime(item)
    except TemporalError as error:
        _refuse(name, str(error))


def _vector(name: str, type_: PropertyType, item: object) -> tuple[float, ...]:
    dimension = type_.dimension
    if not isinstance(item, (list, tuple)):
        _refuse(name, f"expected array for Vector({dimension})")
    if len(item) != dimension:
        _refuse(name, f"expected {dimension} values for Vector({dimension}), got {len(item)}")
    for element in item:
        if json_type(element) != "number":
            _refuse(name, "vector element is not numeric")
    return tuple(_finite(name, element) for element in item)


# --- lists as wholes ---------------------------------------------------------------------------------------------------
#
# A list of thousands is judged a few times faster by functions that loop in C. They answer None for whatever is not plain;
# the way of one element after the other then decides, and names the fault.


def _whole_texts(items: Sequence[object]) -> tuple[Value, ...] | None:
    try:
        "".join(items).encode()  # type: ignore[arg-type]
    except (TypeError, UnicodeEncodeError):
        return None
    return tuple(items)  # type: ignore[arg-type]


def _whole_integers(low: int, high: int) -> Callable[[Sequence[object]], tuple[Value, ...] | None]:
    def whole(items: Sequence[object]) -> tuple[Value, ...] | None:
        if set(map(type, items)) != {int} or min(items) < low or max(items) > high:  # type: ignore[type-var, operator]
            return None
        return tuple(items)  # type: ignore[arg-type]

    return whole


def _whole_floats(items: Sequence[object]) -> tuple[Value, ...] | None:
    if set(map(type, items)) != {float} or not all(map(isfinite, items)):  # type: ignore[arg-type]
        return None
    return tuple(items)  # type: ignore[arg-type]


_WHOLE_LISTS: dict[Scalar, Callable[[Sequence[object]], tuple[Value, ...] | None]] = {
    Scalar.STRING: _whole_texts,
    Scalar.I32: _whole_integers(_I32_MIN, _I32_MAX),
    Scalar.I64: _whole_integers(limits.INTEGER_MIN, limits.INTEGER_MAX),
    Scalar.U32: _whole_integers(0, _U32_MAX),
    Scalar.U64: _whole_integers(0, limits.INTEGER_MAX),
    Scalar.F64: _whole_floats,
}

_BINDERS: dict[Scalar, Callable[[str, object], Value]] = {
    Scalar.STRING: _bind_string,
    Scalar.BOOL: _bind_bool,
    Scalar.I32: _bind_i32,
    Scalar.I64: _bind_i64,
    Scalar.U32: _bind_u32,
    Scalar.U64: _bind_u64,
    Scalar.F32: _bind_f32,
    Scalar.F64: _bind_f64,
    Scalar.DATE: _bind_date,
    Scalar.DATETIME: _bind_datetime,
    Scalar.BLOB: _bind_blob,
}
