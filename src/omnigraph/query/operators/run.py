"""Running a list of steps into a sink."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from omnigraph.query.context import Context
from omnigraph.query.frame import Frame, concatenated
from omnigraph.query.operators.step import Step
from omnigraph.query.profile import Profile

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
        if profile is None:
            outcome = step.run(frame, context)
        else:
            outcome = _profiled(step, frame, context, profile)
        guard.check()
        if not isinstance(outcome, Frame):
            for piece in outcome:
                guard.check()
                if piece.rows and run(steps, piece, context, sink, position):
                    return True
            return False
        frame = outcome
        if frame.rows == 0:
            return False
    return sink(frame)


def flow(steps: Sequence[Step], frame: Frame, context: Context) -> Iterator[Frame]:
    """Yield what steps make of a frame, piece by piece: for steps inside a step that gives pieces itself."""
    if not steps:
        yield frame
        return
    outcome = steps[0].run(frame, context)
    for piece in [outcome] if isinstance(outcome, Frame) else outcome:
        context.guard.check()
        if piece.rows:
            yield from flow(steps[1:], piece, context)


def _profiled(step: Step, frame: Frame, context: Context, profile: Profile) -> Frame | Iterator[Frame]:
    """Run a step and record its rows and time; of an operator that gives pieces, piece by piece."""
    operator = step.describe()
    profile.enter(id(step), operator)
    started = time.perf_counter()
    outcome = step.run(frame, context)
    profile.leave()
    if isinstance(outcome, Frame):
        profile.record(id(step), operator, outcome.rows, time.perf_counter() - started)
        return outcome
    return _profiled_pieces(step, operator, outcome, profile)


def _profiled_pieces(step: Step, operator: str, pieces: Iterator[Frame], profile: Profile) -> Iterator[Frame]:
    while True:
        started = time.perf_counter()
        profile.enter(id(step), operator)
        piece = next(pieces, None)
        profile.leave()
        if piece is None:
            return
        profile.record(id(step), operator, piece.rows, time.perf_counter() - started)
        yield piece


def collected(steps: Sequence[Step], frame: Frame, context: Context) -> Frame | None:
    """Return everything that the steps give as one frame, or None when there is nothing."""
    frames: list[Frame] = []

    def keep(piece: Frame) -> bool:
        context.guard.hold(piece.size_bytes())
        frames.append(piece)
        return False

    run(steps, frame, context, keep)
    return concatenated(frames) if frames else None
