"""Keeping the rows that meet a condition."""

from __future__ import annotations

from omnigraph.language.checked import Condition
from omnigraph.query.condition import holds
from omnigraph.query.context import Context
from omnigraph.query.frame import Frame
from omnigraph.query.notation import condition_text, condition_variables
from omnigraph.query.operators.step import Step


class FilterRows(Step, frozen=True):
    """Keeps rows for which a condition is true.

    ``single`` names the variable of a condition that looks at one variable only and cannot fail: it may then be tried on
    every row of the table once, when the frame names each of them many times.
    """

    condition: Condition
    single: str | None = None

    def run(self, frame: Frame, context: Context) -> Frame:
        single = self.single
        if frame.scan is None:
            if single is not None and single not in context.scope.optional:
                table = context.table(single)
                if frame.rows > 2 * table.slots:
                    whole = holds(self.condition, Frame.scanning(single, table, None), context)
                    return frame.filtered(whole[frame.columns[single]], self.carry)
        elif single is None:
            frame = frame.settled()
        return frame.filtered(holds(self.condition, frame, context), self.carry)

    def reads(self) -> frozenset[str]:
        return condition_variables(self.condition)

    def describe(self) -> str:
        return f"filter {condition_text(self.condition)}"
