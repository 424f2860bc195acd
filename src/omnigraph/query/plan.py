"""The plan of a read: what is cached by query text and schema, and holds for every snapshot and all parameters."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from omnigraph.language.catalog import PropertyType
from omnigraph.query.context import Scope
from omnigraph.query.encode import Encoder
from omnigraph.query.operators.step import Step
from omnigraph.query.output.output import Output
from omnigraph.query.shortcut import PointRead, Shortcut


class Plan(Struct, frozen=True):
    """A read, ready to run. Made by `planner.plan_read`, run by `execution.execute`; safe to share between threads."""

    name: str
    columns: tuple[str, ...]
    types: tuple[PropertyType | None, ...]
    encoders: tuple[Encoder | None, ...]
    steps: tuple[Step, ...]
    output: Output
    scope: Scope
    hops: int
    search: str | None
    point: PointRead | None
    shortcut: Shortcut | None

    def explain(self) -> str:
        """Return the operators as an indented list, first one first; what runs inside a step stands below it."""
        lines = list(_lines(self.steps, 0))
        lines.append(f"return {self.output.describe()}")
        for word, value in (("offset", self.output.offset), ("limit", self.output.limit)):
            if value is not None:
                lines.append(f"{word} {value if isinstance(value, int) else '$' + value.name}")
        return "\n".join(lines)


def _lines(steps: Iterable[Step], depth: int) -> Iterable[str]:
    for step in steps:
        yield f"{'  ' * depth}{step.describe()}"
        yield from _lines(step.inner(), depth + 1)
