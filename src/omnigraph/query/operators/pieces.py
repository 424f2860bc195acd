"""Cutting the rows of a frame so that what each piece grows to stays within bounds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from omnigraph.query.limits import PIECE_ROWS


def cuts(sizes: npt.NDArray[np.int64], most: int = PIECE_ROWS) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of runs of rows whose sizes sum to at most ``most``; a row that is larger stands alone."""
    ends = np.cumsum(sizes)
    start, before = 0, 0
    while start < len(sizes):
        stop = max(int(np.searchsorted(ends, before + most, side="right")), start + 1)
        yield start, stop
        start, before = stop, int(ends[stop - 1])
