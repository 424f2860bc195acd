"""Aggregates over grouped rows, in parts that can be put together again.

A part is what one piece of the rows says about each group; the parts of several pieces, laid one after the other, are reduced
by the same functions. Sums of integers are exact as long as they fit 64 bits and become doubles at the end.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from omnigraph.language.checked import Aggregate
from omnigraph.query.frame import Weights
from omnigraph.query.output.grouping import Codes, group_codes, vector_codes
from omnigraph.query.output.order import text_ranks
from omnigraph.query.pairs import distinct_pairs
from omnigraph.query.scratch import first_of_each, sums_by
from omnigraph.query.vectors import F64, I64, Arrayed, Fixed, Repeated, Vector
from omnigraph.storage.view import Mask

Counts: TypeAlias = npt.NDArray[np.int64]
_EXACT = 1 << 62


class Part:
    """What some rows say about each group for one aggregate: a count, and a sum or an extreme value."""

    __slots__ = ("counts", "values")

    def __init__(self, counts: Counts, values: Vector | None = None) -> None:
        self.counts = counts
        self.values = values


def reduce_rows(aggregate: Aggregate, argument: Vector | None, codes: Codes, groups: int, weights: Weights | None) -> Part:
    """Reduce the rows of a frame; ``argument`` is None for ``count(*)``."""
    valid = _valid(argument)
    if valid is not None:
        kept = np.flatnonzero(valid)
        codes = codes.take(kept)
        weights = None if weights is None else weights.take(kept)
    if aggregate.function == "count":
        if aggregate.distinct:
            assert argument is not None
            return Part(_distinct_counts(argument, valid, codes, groups))
        return Part(_counts(codes, weights, groups))
    assert argument is not None
    if isinstance(argument, Repeated):
        argument = argument.spread()
    if valid is not None:
        argument = argument.taken(np.flatnonzero(valid))
    if aggregate.function in ("min", "max"):
        counts = _counts(codes, None, groups)
        return Part(counts, _extremes(argument, codes, groups, largest=aggregate.function == "max"))
    assert isinstance(argument, Fixed)
    return Part(_counts(codes, weights, groups), _sums(argument.values, weights, codes, groups))


def merge_parts(aggregate: Aggregate, parts: list[Part], codes: Codes, groups: int) -> Part:
    """Put parts together: ``codes`` says to which group each entry of the concatenated parts belongs."""
    counts = np.concatenate([part.counts for part in parts])
    total = sums_by(codes, counts, groups)
    if aggregate.function == "count":
        return Part(total)
    values = _joined([part.values for part in parts if part.values is not None])
    if aggregate.function in ("min", "max"):
        there = counts > 0
        present = values.taken(np.flatnonzero(there))
        largest = aggregate.function == "max"
        return Part(total, _extremes(present, codes[there], groups, largest=largest))
    assert isinstance(values, Fixed)
    return Part(total, _sums(values.values, None, codes, groups))


def finish(aggregate: Aggregate, part: Part) -> Vector:
    """Return the value of an aggregate in every group."""
    if aggregate.function == "count":
        return Fixed(part.counts, None, I64)
    there: Mask | None = part.counts > 0
    if there is not None and there.all():
        there = None
    values = part.values
    assert values is not None
    if aggregate.function in ("min", "max"):
        return values
    assert isinstance(values, Fixed)
    sums = values.values.astype(np.float64)
    if aggregate.function == "avg":
        sums = sums / np.maximum(part.counts, 1)
    return Fixed(sums, there, F64)


def _valid(argument: Vector | None) -> Mask | None:
    nulls = None if argument is None else argument.nulls()
    return None if nulls is None else ~nulls


def _counts(codes: Codes, weights: Weights | None, groups: int) -> Counts:
    if weights is not None:
        return np.array([weights.sum()]) if groups == 1 else sums_by(codes, weights, groups)
    return np.array([len(codes)]) if groups == 1 else np.bincount(codes, minlength=groups)


def _distinct_counts(argument: Vector, valid: Mask | None, codes: Codes, groups: int) -> Counts:
    values = vector_codes(argument)
    if values is not None and valid is not None:
        values = values[valid]
    if groups == 1:
        return np.array([min(len(codes), 1) if values is None else len(first_of_each(values))])
    if values is None:
        return np.minimum(np.bincount(codes, minlength=groups), 1)
    if len(values) == 0:
        return np.zeros(groups, np.int64)
    low, high = int(values.min()), int(values.max())
    if (high - low + 1) * groups < _EXACT:
        pairs, _ = distinct_pairs(codes, values - low, high - low + 1)
        return np.bincount(pairs, minlength=groups)
    pairs = group_codes([codes, values], len(codes)).first
    return np.bincount(codes[pairs], minlength=groups)


def _sums(values: npt.NDArray[np.generic], weights: Weights | None, codes: Codes, groups: int) -> Fixed:
    if values.dtype.kind in "iu":
        size = max(abs(int(values.max())), abs(int(values.min()))) if len(values) else 0
        heaviest = 1 if weights is None or len(weights) == 0 else int(weights.max())
        if size * heaviest * max(len(values), 1) < _EXACT:
            integers = values.astype(np.int64)
            products = integers if weights is None else integers * weights
            sums = np.array([products.sum()], np.int64) if groups == 1 else sums_by(codes, products, groups)
            return Fixed(sums, None, I64)
    doubles = values.astype(np.float64)
    if weights is not None:
        doubles = doubles * weights
    if groups == 1:
        return Fixed(np.array([doubles.sum()]), None, F64)
    return Fixed(np.bincount(codes, weights=doubles, minlength=groups), None, F64)


def _extremes(argument: Vector, codes: Codes, groups: int, *, largest: bool) -> Vector:
    """Return the least or greatest value per group; null for a group without one. ``argument`` holds no null."""
    if isinstance(argument, Arrayed):
        ranks: npt.NDArray[np.generic] = text_ranks(argument.array)
    else:
        assert isinstance(argument, Fixed)
        ranks = argument.values
    order = np.lexsort((ranks, codes)) if groups > 1 else np.argsort(ranks, kind="stable")
    sizes = np.bincount(codes, minlength=groups)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    places = ends - 1 if largest else starts
    there = starts < ends
    chosen = np.zeros(groups, np.int64)
    chosen[there] = order[places[there]]
    if isinstance(argument, Arrayed):
        return Arrayed(argument.array.take(pa.array(chosen, mask=~there)), argument.type)
    if len(argument.values) == 0:
        return Fixed(np.zeros(groups, argument.values.dtype), np.zeros(groups, np.bool_), argument.type)
    return Fixed(argument.values[chosen], None if there.all() else there, argument.type)


def _joined(vectors: list[Vector]) -> Vector:
    """Lay vectors of one shape one after the other."""
    first = vectors[0]
    if isinstance(first, Arrayed):
        return Arrayed(pa.concat_arrays([vector.arrow() for vector in vectors]), first.type)
    assert isinstance(first, Fixed)
    fixed = [vector for vector in vectors if isinstance(vector, Fixed)]
    assert len(fixed) == len(vectors)
    if any(vector.type.scalar is not first.type.scalar for vector in fixed):
        return Fixed(np.concatenate([vector.values.astype(np.float64) for vector in fixed]), None, F64)
    valid = None
    if any(vector.valid is not None for vector in fixed):
        valid = np.concatenate([np.ones(len(vector), np.bool_) if vector.valid is None else vector.valid for vector in fixed])
    return Fixed(np.concatenate([vector.values for vector in fixed]), valid, fixed[0].type)
