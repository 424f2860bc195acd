"""Cutting the rows of a frame so that what each piece grows to stays within bounds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from omnigraph.query.frame import Frame, Positions


def cuts(sizes: npt.NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of runs of rows whose sizes sum to at most ``most``; a row that is larger stands alone."""
    ends = np.cumsum(sizes)
    start, before = 0, 0
    while start < len(sizes):
        stop = max(int(np.searchsorted(ends, before + most, side="right")), start + 1)
        yield start, stop
        start, before = stop, int(ends[stop - 1])


def pieces(frame: Frame, sizes: npt.NDArray[np.int64], most: int) -> Iterator[Frame]:
    """Yield the rows of a frame in runs that grow to at most ``most`` rows."""
    for start, stop in cuts(sizes, most):
        yield frame.part(start, stop)


def spread(starts: Positions, counts: Positions) -> Positions:
    """Return ``starts[i], starts[i] + 1, …`` (``counts[i]`` of them) for every i, one after the other."""
    offsets = np.cumsum(counts) - counts
    places: Positions = np.arange(int(counts.sum())) + np.repeat(starts - offsets, counts)
    return places
