"""Running a list of steps into a sink."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from omnigraph.query.context import Context
from omnigraph.query.frame import Frame, concatenated
from omnigraph.query.operators.step import Step

Sink: TypeAlias = Callable[[Frame], bool]
"""Takes a frame of at least one row; returns true when it needs no more."""


def run(steps: Sequence[Step], frame: Frame, context: Context, sink: Sink, position: int = 0) -> bool:
    """Send a frame through the steps from ``position`` on, and what comes out into the sink.

    A step may answer with pieces; each then goes through the rest of the steps before the next one is made, so memory stays
    bounded by the pieces and by what the sink keeps. Returns true when the sink wants no more.
    """
    guard, profile = context.guard, context.profile
    while position < len(steps):
        step = steps[position]
        position += 1
        started = 0.0 if profile is None else time.perf_counter()
        outcome = step.run(frame, context)
        guard.check()
        if not isinstance(outcome, Frame):
            pieces = iter(outcome)
            while (piece := next(pieces, None)) is not None:
                guard.check()
                if profile is not None:
                    profile.record(id(step), step.describe(), piece.rows, time.perf_counter() - started)
                if piece.rows and run(steps, piece, context, sink, position):
                    return True
                started = 0.0 if profile is None else time.perf_counter()
            return False
        frame = outcome
        rows = frame.rows
        if profile is not None:
            profile.record(id(step), step.describe(), rows, time.perf_counter() - started)
        if rows == 0:
            return False
    return sink(frame)


def collected(steps: Sequence[Step], frame: Frame, context: Context) -> Frame | None:
    """Return everything that the steps give as one frame, or None when there is nothing."""
    frames: list[Frame] = []

    def keep(piece: Frame) -> bool:
        context.guard.hold(piece.size_bytes())
        frames.append(piece)
        return False

    run(steps, frame, context, keep)
    return concatenated(frames) if frames else None
