"""Whether a list holds an item: ``contains`` and ``in``, and substrings of a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import structs

from omnigraph.query.comparison import compare_vectors
from omnigraph.query.vectors import Arrayed, Fixed, Repeated, Vector, from_array
from omnigraph.storage.view import Mask, Numbers

_FEW_ELEMENTS = 16
_TABLE_SHARE = 4  # a table that is so many times longer than the numbers costs less than hashing them
_SIFTED_SHARE = 4  # of so many times more values than sought, most are left out before hashing
_SIFT_SLOTS = 8  # for each number sought: about one of them in so many passes by chance
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def contained(item: Vector, container: Vector, rows: int) -> tuple[Mask, Mask]:
    """Return two masks: where the container holds the item, and where neither is null.

    A container that is a single text holds its substrings.
    """
    known = np.ones(rows, np.bool_)
    for vector in (item, container):
        nulls = vector.nulls()
        if nulls is not None:
            known &= ~nulls
    if not known.any():
        return np.zeros(rows, np.bool_), known
    if not (isinstance(container, Arrayed | Repeated) and container.type.is_list):
        return _substring(item, container, rows) & known, known
    if isinstance(container, Repeated):
        assert isinstance(container.value, tuple)
        found = _in_constant(item, container.value, rows)
    else:
        found = _in_column(item, container, rows)
    return found & known, known


def _in_constant(item: Vector, elements: tuple[Any, ...], rows: int) -> Mask:
    """Test against the elements of one list; Any: they are of one scalar type."""
    if isinstance(item, Repeated):
        return np.full(rows, any(item.value == element for element in elements), np.bool_)
    if isinstance(item, Fixed):
        return _number_in(item.values, elements)
    assert isinstance(item, Arrayed)
    mask: Mask = pc.is_in(item.array, value_set=pa.array(elements, pa.string())).to_numpy(zero_copy_only=False)
    return mask


def _number_in(values: Numbers, elements: Sequence[Any]) -> Mask:
    """Test numbers by mathematical value: elements that the values' type cannot hold equal none of them."""
    kind = values.dtype.kind
    if kind == "b":
        return np.isin(values, np.array(elements, np.bool_))
    if kind == "f":
        return _floats_in(values.astype(np.float64), elements)
    sought = _integers(elements, values.dtype)
    if len(sought) == 0:
        return np.zeros(len(values), np.bool_)
    span = int(sought.max()) - int(sought.min())
    if len(sought) < _FEW_ELEMENTS or span < _TABLE_SHARE * (len(values) + len(sought)):
        return np.isin(values, sought)  # by a loop over the elements, or a table of the span
    return _hashed_in(values, sought)


def _floats_in(values: npt.NDArray[np.float64], elements: Sequence[Any]) -> Mask:
    if set(map(type, elements)) != {float}:
        elements = [element for element in elements if _fits_double(element)]
    sought = np.array(elements, np.float64)
    sought = sought[sought == sought]
    if len(sought) < _FEW_ELEMENTS:
        return np.isin(values, sought)
    return _hashed_in(values + 0.0, sought + 0.0)  # a hash tells -0.0 from 0.0


def _hashed_in(values: Numbers, sought: Numbers) -> Mask:
    """Test by a hash. Of many values, those that miss a table of a bit of their hash are left out before: half of the time."""
    if len(values) < _SIFTED_SHARE * len(sought):
        return _is_in(values, sought)
    bits = (_SIFT_SLOTS * len(sought)).bit_length()
    table = np.zeros(1 << bits, np.bool_)
    table[_hash_bits(sought, bits)] = True
    candidates = np.flatnonzero(table.take(_hash_bits(values, bits)))
    found = np.zeros(len(values), np.bool_)
    found[candidates] = _is_in(values.take(candidates), sought)
    return found


def _hash_bits(values: Numbers, bits: int) -> npt.NDArray[np.int64]:
    """Return the upper bits of a multiplicative hash (Knuth, The Art of Computer Programming 3, 6.4)."""
    words = values if values.dtype.itemsize == 8 else values.astype(np.int64)
    hashes = words.view(np.uint64) * _GOLDEN
    hashes >>= np.uint64(64 - bits)
    return hashes.view(np.int64)


def _is_in(values: Numbers, sought: Numbers) -> Mask:
    found: Mask = pc.is_in(pa.array(values), value_set=pa.array(sought)).to_numpy(zero_copy_only=False)
    return found


def _integers(elements: Sequence[Any], dtype: np.dtype[Any]) -> Numbers:
    """Return the elements that an integer type holds."""
    bounds = np.iinfo(dtype)
    if set(map(type, elements)) != {int}:
        elements = [int(element) for element in elements if _is_whole(element)]
    if elements and (min(elements) < bounds.min or max(elements) > bounds.max):
        elements = [element for element in elements if bounds.min <= element <= bounds.max]
    return np.array(elements, dtype)


def _is_whole(number: int | float) -> bool:
    return isinstance(number, int) or number.is_integer()


def _fits_double(number: int | float) -> bool:
    try:
        return float(number) == number
    except OverflowError:
        return False


def _in_column(item: Vector, container: Arrayed, rows: int) -> Mask:
    """Compare every element of the lists with its row's item."""
    parents = pc.list_parent_indices(container.array).to_numpy(zero_copy_only=False).astype(np.int64)
    elements = from_array(pc.list_flatten(container.array), structs.replace(container.type, is_list=False))
    items = item.taken(parents)
    equal = compare_vectors("=", elements, items, len(parents))
    found = np.zeros(rows, np.bool_)
    found[parents[equal]] = True
    return found


def _substring(item: Vector, container: Vector, rows: int) -> Mask:
    if isinstance(item, Repeated) and isinstance(container, Arrayed):
        matched = pc.match_substring(container.array, item.value).fill_null(False)
        mask: Mask = matched.to_numpy(zero_copy_only=False)
        return mask
    texts, parts = container.arrow().to_pylist(), item.arrow().to_pylist()
    pairs = zip(texts, parts, strict=True)
    return np.fromiter((text is not None and part is not None and part in text for text, part in pairs), np.bool_, rows)


def begins(prefix: Vector, text: Vector, rows: int) -> Mask:
    """Return where a text begins with a prefix, bytewise; null on either side is not true."""
    if isinstance(prefix, Repeated) and isinstance(text, Arrayed):
        if prefix.value is None:
            return np.zeros(rows, np.bool_)
        matched = pc.starts_with(text.array, prefix.value).fill_null(False)
        mask: Mask = matched.to_numpy(zero_copy_only=False)
        return mask
    pairs = zip(text.arrow().to_pylist(), prefix.arrow().to_pylist(), strict=True)
    return np.fromiter((one is not None and part is not None and one.startswith(part) for one, part in pairs), np.bool_, rows)
