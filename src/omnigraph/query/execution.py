"""Running a plan against one snapshot."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from omnigraph.language.checked import Value
from omnigraph.query import search
from omnigraph.query.context import Context
from omnigraph.query.frame import Frame
from omnigraph.query.limits import DEFAULT_LIMITS, Guard, Limits
from omnigraph.query.operators.run import run
from omnigraph.query.operators.source import key_of
from omnigraph.query.output.output import Rows
from omnigraph.query.plan import Plan
from omnigraph.query.profile import Profile
from omnigraph.query.result import Result
from omnigraph.query.settings import DEFAULT_SETTINGS, Settings
from omnigraph.query.shortcut import PointRead
from omnigraph.storage.view import GraphView


def execute(
    plan: Plan,
    view: GraphView,
    parameters: Mapping[str, Value],
    *,
    now_ms: int,
    limits: Limits = DEFAULT_LIMITS,
    settings: Settings = DEFAULT_SETTINGS,
    profile: Profile | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Result:
    """Run a plan and return its result; nothing is read from storage afterwards.

    ``parameters`` are bound values (`language.parameters.bind_parameters`), ``now_ms`` the instant of ``now()`` in milliseconds
    since 1970. ``cancelled`` is asked between operators and between the pieces of long ones.

    Raises:
        ExecutionError: the values do not allow an answer (``arithmetic overflow``, a negative limit, a search function).
        ResourceLimitExceeded: a limit was passed.
    """
    point = plan.point
    if point is not None and profile is None and limits is DEFAULT_LIMITS:
        return _read_point(plan, point, view, parameters, now_ms)
    started = 0.0 if profile is None else time.perf_counter()
    if plan.search is not None:
        search.ensure_available(plan.search)
    guard = Guard(limits, cancelled)
    if plan.hops > 1:
        guard.check_hops(plan.hops)
    if profile is not None:
        profile.start()
    context = Context(view, parameters, now_ms, guard, settings, plan.scope, profile)
    rows = _rows(plan, context)
    guard.check()
    guard.check_rows(rows.count)
    if guard.counts_bytes:
        guard.check_bytes(sum(vector.size_bytes() for vector in rows.vectors))
    if profile is not None:
        profile.finish(rows.count, time.perf_counter() - started)
    return Result(plan.name, plan.columns, plan.encoders, rows.count, rows.vectors)


def _rows(plan: Plan, context: Context) -> Rows:
    """Return the rows of a plan: by its shortcut as far as that leads, then by the operators."""
    shortcut = plan.shortcut
    if shortcut is None or context.profile is not None:
        frame, position = Frame.unit(), 0
    else:
        frontier = shortcut.follow(context)
        position = frontier.steps
        if shortcut.ending is not None and position == len(plan.steps):
            return shortcut.ending.rows(frontier, context)
        frame = Frame(len(frontier.ordinals), {shortcut.variables[position - 1]: frontier.ordinals})
    collector = plan.output.collector(context)
    if frame.rows:
        run(plan.steps, frame, context, collector.push, position)
    return collector.finish()


def _read_point(plan: Plan, point: PointRead, view: GraphView, parameters: Mapping[str, Value], now_ms: int) -> Result:
    row_id = key_of(point.members, parameters, now_ms)
    table = view.nodes(point.type_name)
    ordinal = -1 if row_id is None else table.ordinal(row_id)
    if ordinal < 0:
        return Result.of_row(plan.name, plan.columns, plan.encoders, plan.types, None)
    values = table.values(ordinal, point.names) if point.names else ()
    if point.places is not None:
        values = tuple(row_id if place == -1 else None if place == -2 else values[place] for place in point.places)
    return Result.of_row(plan.name, plan.columns, plan.encoders, plan.types, values)
