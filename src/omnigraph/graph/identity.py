"""Identity of rows: ids from keys, explicit ids, fresh ids."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omnigraph.errors import InvalidValue
from omnigraph.graph.values import Json, Stored
from omnigraph.language.catalog import EdgeType, NodeType, Scalar
from omnigraph.language.identity import composite_id, key_text

_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DIGIT_PAIRS: Final = np.frombuffer("".join(a + b for a in _DIGITS for b in _DIGITS).encode(), np.uint16)
_PLAIN = r"^[ !#-\[\]-~]*$"
"""Texts that JSON needs no escape for, ASCII only."""


def fresh_ids(count: int) -> pa.Array:
    """Return that many new ULIDs, ascending, as a string column. About 30 ns each.

    All carry the present millisecond; the 80 random bits start at a random number and grow by random steps, so that
    neither order nor distinctness hangs on luck.
    """
    millisecond = time.time_ns() // 1_000_000
    steps = np.frombuffer(os.urandom(4 * count), np.uint32).astype(np.uint64) + np.uint64(1)
    # The random part as 16 high and 64 low bits; the low ones start in the lower half, where 2**31 steps do not overflow them.
    low = np.cumsum(steps, dtype=np.uint64) + np.uint64(int.from_bytes(os.urandom(8), "big") >> 1)
    high = (millisecond << 16) | int.from_bytes(os.urandom(2), "big")
    text = np.empty((count, 13), np.uint16)  # two digits of 5 bits each at a time
    for pair in range(13):
        shift = 120 - 10 * pair
        if shift >= 64:
            text[:, pair] = _DIGIT_PAIRS[high >> (shift - 64) & 1023]
        elif shift == 60:
            text[:, pair] = _DIGIT_PAIRS[(low >> np.uint64(60)) | np.uint64((high & 63) << 4)]
        else:
            text[:, pair] = _DIGIT_PAIRS[low >> np.uint64(shift) & np.uint64(1023)]
    offsets = np.arange(0, 26 * (count + 1), 26, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(text)])


def row_id(entity: NodeType | EdgeType, data: Mapping[str, Json], stored: Mapping[str, Stored]) -> str | None:
    """Return the id of one record, or None where a fresh one is due. Raises InvalidValue.

    ``data`` is what the record says, ``stored`` its converted properties.
    """
    given = data.get("id")
    kind = "node" if isinstance(entity, NodeType) else "edge"
    if "id" in data and not isinstance(given, str):
        raise InvalidValue(f"{kind} {entity.name} has an id that is not a string", hint="leave 'id' out, or quote it")
    if given == "":
        raise InvalidValue(f"{kind} {entity.name} has an empty id")
    key = entity.key if isinstance(entity, NodeType) else ()
    if not key:
        return given
    derived = derived_id(entity, stored)
    if derived == "":
        raise InvalidValue(f"node {entity.name} has an empty id", hint=f"it is made from @key property '{key[0]}'")
    if given is not None and given != derived:
        raise InvalidValue(
            f"node {entity.name} has explicit id '{given}' that does not match"
            f" @key property '{column_names(key)}' value '{derived}'",
            hint="leave 'id' out: it follows from the key",
        )
    return derived


def derived_id(entity: NodeType | EdgeType, stored: Mapping[str, Stored]) -> str:
    """Return the id that follows from the key of a node. Raises InvalidValue when a member is null."""
    assert isinstance(entity, NodeType)
    texts = []
    for name in entity.key:
        value = stored[name]
        if value is None:
            raise missing_key(entity, name)
        texts.append(key_text(value, entity.properties[name].type.scalar))
    return texts[0] if len(texts) == 1 else composite_id(texts)


def missing_key(entity: NodeType, name: str) -> InvalidValue:
    """Return the error for a node without a value of its key."""
    return InvalidValue(f"node {entity.name} missing @key property '{name}'")


def column_names(columns: tuple[str, ...]) -> str:
    """Return the columns of a constraint as error texts show them."""
    return columns[0] if len(columns) == 1 else f"({', '.join(columns)})"


def key_text_column(values: pa.Array, scalar: Scalar) -> pa.Array:
    """Return the canonical texts of a stored column; null stays null."""
    if scalar is Scalar.STRING:
        return values
    if scalar is Scalar.DATE:
        return values.cast(pa.int32()).cast(pa.string())
    if scalar is Scalar.DATETIME:
        return values.cast(pa.int64()).cast(pa.string())
    if scalar.is_float:
        texts = [None if value is None else key_text(value, scalar) for value in values.to_pylist()]
        return pa.array(texts, pa.string())
    return values.cast(pa.string())


def derived_ids(entity: NodeType, columns: Mapping[str, pa.Array]) -> pa.Array:
    """Return the id column that follows from the key columns of a node type; null where a member is null."""
    texts = [key_text_column(columns[name], entity.properties[name].type.scalar) for name in entity.key]
    if len(texts) == 1:
        return texts[0]
    if all(pc.all(pc.match_substring_regex(column, _PLAIN)).as_py() is not False for column in texts):
        parts = [part for column in texts for part in ('","', column)][1:]
        return pc.binary_join_element_wise('["', *parts, '"]', "")
    rows = zip(*(column.to_pylist() for column in texts), strict=True)
    return pa.array([None if None in row else composite_id(list(row)) for row in rows], pa.string())
