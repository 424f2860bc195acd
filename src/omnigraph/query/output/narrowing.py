"""Leaving out, before anything is gathered, rows of a scan that cannot be among the first.

A sample of the first key says about where the bound lies that a few more rows than wanted pass. Comparing the whole column with
it costs a fraction of gathering and partitioning it; should too few pass, nothing is lost but that fraction.
"""

from __future__ import annotations

import numpy as np

from omnigraph.language.checked import OrderKey, PropertyRef
from omnigraph.query.context import Context
from omnigraph.query.frame import Frame
from omnigraph.query.vectors import is_fixed_width

_ROWS_MIN = 4096
_STRIDE = 16
_MARGIN = 8


def narrowed(frame: Frame, key: OrderKey, count: int, context: Context) -> Frame:
    """Return a scan without most of the rows that are not among the first ``count`` by a key, ties included."""
    scan, expression = frame.scan, key.expression
    if scan is None or type(expression) is not PropertyRef or not is_fixed_width(expression.type):
        return frame
    table = scan.table
    if count * 4 * _STRIDE > table.slots or table.slots < _ROWS_MIN or not table.is_warm(expression.property_name):
        return frame
    values, valid = table.column(expression.property_name).numbers()
    mask = scan.mask if scan.mask is not None else table.live
    if valid is not None:
        if not key.descending:
            return frame  # nulls come first
        mask = valid if mask is None else mask & valid
    sample = values[::_STRIDE]
    if mask is not None:
        sample = sample.take(np.flatnonzero(mask[::_STRIDE]))
    wanted = 2 * count // _STRIDE + _MARGIN
    if wanted * 4 > len(sample):
        return frame
    if key.descending:
        passing = values >= np.partition(sample, len(sample) - 1 - wanted)[len(sample) - 1 - wanted]
    else:
        passing = values <= np.partition(sample, wanted)[wanted]
    if mask is not None:
        passing &= mask
    fewer = Frame.scanning(scan.variable, table, passing)
    return fewer if fewer.rows >= count else frame
