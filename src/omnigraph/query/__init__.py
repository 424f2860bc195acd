"""The query room: plans a checked read and runs it against one snapshot."""

from __future__ import annotations

from omnigraph.query.execution import execute
from omnigraph.query.limits import DEFAULT_LIMITS, Cancelled, Limits
from omnigraph.query.plan import Plan
from omnigraph.query.planner import plan_read
from omnigraph.query.predicate import match_rows, row_values, single_value
from omnigraph.query.profile import OperatorProfile, Profile
from omnigraph.query.result import Result
from omnigraph.query.settings import DEFAULT_SETTINGS, Settings

__all__ = [
    "DEFAULT_LIMITS",
    "DEFAULT_SETTINGS",
    "Cancelled",
    "Limits",
    "OperatorProfile",
    "Plan",
    "Profile",
    "Result",
    "Settings",
    "execute",
    "match_rows",
    "plan_read",
    "row_values",
    "single_value",
]
