"""JSON objects one after the other, read exactly: the path that names the record, the line and the reason.

Slow (about 20 MB/s) and used where the column-wise path cannot decide or refuses.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

import msgspec
from msgspec import Struct

from omnigraph.errors import BadRequest
from omnigraph.graph.values import Json, json_float, json_integer, json_kind

_SPACE = re.compile(r"[ \t\r\n]*")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TOKEN_SIZE_MAX: Final = 16
"""Characters that a literal or an escape cut off at the end of a block can have lost their meaning by."""


OBJECTS_MAX: Final = 50_000
"""Objects that are read at a time: each costs memory many times its text."""


class Place(Struct, frozen=True):
    """A place in the input: the number of the record that starts there, its line and column, and the bytes before it."""

    record: int = 1
    line: int = 1
    column: int = 1
    offset: int = 0


class Objects(Struct, frozen=True):
    """The objects of a block, how many of its bytes they take with the white space behind them, and what comes next."""

    values: list[dict[str, Json]]
    consumed: int
    after: Place


class _DuplicateMember(Exception):
    def __init__(self, name: str) -> None:
        self.name = name


class _NotJson(Exception):
    def __init__(self, detail: str) -> None:
        self.detail = detail


def read_objects(block: bytes, place: Place, at_end: bool) -> Objects:
    """Read the first `OBJECTS_MAX` objects of a block; one cut off at its end is left over unless the input is ``at_end``.

    Raises BadRequest at the first byte that is no JSON, at the first value that is no object and at the first duplicate
    member.
    """
    text, damage = _decode(block, at_end)
    values: list[dict[str, Json]] = []
    position = _skip_space(text, 0)
    while position < len(text) and len(values) < OBJECTS_MAX:
        number = place.record + len(values)
        try:
            value, end = _read_object(text, position)
        except _DuplicateMember as error:
            raise BadRequest(
                f"record {number}: duplicate JSON member '{_printable(error.name)}'", hint="keep one of the two"
            ) from None
        except json.JSONDecodeError as error:
            if not at_end and damage is None and _is_cut_off(text, error):
                break
            if damage is not None and _is_cut_off(text, error):
                _refuse(damage, number, text, len(text), place)
            _refuse(error.msg, number, text, error.pos, place)
        except _NotJson as error:
            _refuse(error.detail, number, text, position, place)
        except RecursionError:
            _refuse("values are nested too deeply", number, text, position, place)
        values.append(value)
        position = _skip_space(text, end)
    if damage is not None and position == len(text) and len(values) < OBJECTS_MAX:
        _refuse(damage, place.record + len(values), text, position, place)
    consumed = position if text.isascii() else len(text[:position].encode())
    after = advance(place, text[:position], len(values))
    return Objects(values, consumed, msgspec.structs.replace(after, offset=place.offset + consumed))


def advance(place: Place, text: str | bytes, records: int) -> Place:
    """Return the place behind ``text``, which holds so many records. The column counts characters, the offset bytes."""
    if isinstance(text, bytes):
        lines, last_line = text.count(b"\n"), text[text.rfind(b"\n") + 1 :]
        width = len(last_line) if last_line.isascii() else len(last_line.decode(errors="replace"))
    else:
        lines, width = text.count("\n"), len(text) - text.rfind("\n") - 1
    column = width + (1 if lines else place.column)
    return Place(place.record + records, place.line + lines, column, place.offset + len(text))


def _decode(block: bytes, at_end: bool) -> tuple[str, str | None]:
    """Return the text up to the first byte that is not UTF-8, and what is wrong there."""
    try:
        return block.decode(), None
    except UnicodeDecodeError as error:
        text = block[: error.start].decode()
        if error.reason == "unexpected end of data" and error.end == len(block) and not at_end:
            return text, None
        return text, "invalid UTF-8"


def _skip_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    assert found is not None
    return found.end()


def _read_object(text: str, position: int) -> tuple[dict[str, Json], int]:
    if text[position] != "{":
        if text[position] == "\ufeff":
            raise _NotJson("unexpected byte order mark; save the file as UTF-8 without one")
        value, _ = _DECODER.raw_decode(text, position)
        raise _NotJson(f"expected an object, got {json_kind(value)}")
    value, end = _DECODER.raw_decode(text, position)
    if _SURROGATE_ESCAPE.search(text, position, end) and _has_surrogate(value):
        raise _NotJson("a string holds half of a surrogate pair")
    return value, end


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _DuplicateMember(name)
            seen.add(name)
    return members


def _constant(text: str) -> NoReturn:
    raise _NotJson(f"'{text}' is no JSON value")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=json_float, parse_int=json_integer, parse_constant=_constant
)


def _has_surrogate(value: Any) -> bool:  # Any: a JSON value
    if isinstance(value, str):
        return _SURROGATE.search(value) is not None
    if isinstance(value, list):
        return any(_has_surrogate(item) for item in value)
    if isinstance(value, dict):
        return any(_has_surrogate(name) or _has_surrogate(item) for name, item in value.items())
    return False


def _is_cut_off(text: str, error: json.JSONDecodeError) -> bool:
    """Tell whether more input could mend the error: only white space, or a started token, stands between it and the end."""
    if error.msg.startswith("Unterminated string"):
        return True
    rest = len(text) - _skip_space(text, min(error.pos, len(text)))
    return rest == 0 or (rest < _TOKEN_SIZE_MAX and text[-1] not in " \t\r\n")


def _refuse(detail: str, record: int, text: str, position: int, place: Place) -> NoReturn:
    where = advance(place, text[:position], 0)
    detail = _printable(detail.removesuffix(" at"))
    raise BadRequest(
        f"invalid JSON at record {record}: {detail} at line {where.line} column {where.column}",
        hint="correct the input and load it again; nothing was loaded",
    )


def _printable(text: str) -> str:
    """Replace what cannot be encoded, so that the message can be sent anywhere."""
    return text.encode("utf-8", "backslashreplace").decode()
