"""The output of an aggregating read: groups, their aggregates, then order, offset and limit over the groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from omnigraph.language.checked import Aggregate, EntityRef, Expression
from omnigraph.query.context import Context
from omnigraph.query.expression import Groups, evaluate
from omnigraph.query.frame import Frame, concatenated
from omnigraph.query.notation import condition_variables, expression_text
from omnigraph.query.operators.expand import Compaction
from omnigraph.query.output.grouping import Grouping, group_by
from omnigraph.query.output.order import Tie, expression_keys, first_rows, vector_tie
from omnigraph.query.output.output import Output, Rows, window
from omnigraph.query.output.projection import no_rows, project
from omnigraph.query.output.reduction import Part, finish, merge_parts, reduce_rows
from omnigraph.query.pairs import paired
from omnigraph.query.scratch import distinct, tallied
from omnigraph.query.vectors import I64, Fixed, Repeated, Vector

_MERGED_ABOVE = 1 << 18  # the groups of pieces are put together when there are so many, and then whenever they have doubled


class Aggregation(Output, frozen=True):
    """Groups rows by ``keys`` and computes ``aggregates``; ``order`` stands over projections and group keys.

    ``counted`` are aggregates that only count rows. ``whole`` says that of one group no value that is counted once comes in two
    frames (`operators.by_start`).
    """

    keys: tuple[Expression, ...]
    aggregates: tuple[Aggregate, ...]
    counted: frozenset[Aggregate]
    whole: bool = False

    def needs(self) -> frozenset[str]:
        used = frozenset[str]().union(*map(condition_variables, self.keys))
        for aggregate in self.aggregates:
            if aggregate not in self.counted:
                used |= condition_variables(aggregate)
        return used

    def mode(self) -> Compaction:
        plain = all(aggregate.distinct or aggregate.function in ("min", "max") for aggregate in self.aggregates)
        return "set" if plain else "bag"

    def collector(self, context: Context) -> _Collector:
        window(self, context)  # refuses an amount that is none, whatever the match gives
        if not self.keys and len(self.counted) == len(self.aggregates):
            return _RowCounter(self, context)
        if not self.whole and any(aggregate.distinct for aggregate in self.aggregates):
            return _WholeCollector(self, context)
        return _Collector(self, context)

    def describe(self) -> str:
        what = ", ".join(expression_text(aggregate) for aggregate in self.aggregates)
        if not self.keys:
            return f"aggregate {what}"
        return f"group by {', '.join(map(expression_text, self.keys))}: {what}{self.order_text()}"

    # --- over the groups ---

    def rows(self, groups: Groups, context: Context) -> Rows:
        """Order and cut the groups, and give the columns of what is left."""
        start, stop = window(self, context)
        if self.distinct:
            return self.distinct_rows(groups, context)
        if self.order and groups.rows > 1:
            keys = [
                key
                for item in self.order
                for key in expression_keys(item.expression, groups, context, descending=item.descending)
            ]
            positions = first_rows(keys, self._ties(groups, context), groups.rows, stop)[start:]
            groups = groups.taken(positions)
        elif start or (stop is not None and stop < groups.rows):
            groups = groups.taken(np.arange(groups.rows)[start:stop])
        return Rows(groups.rows, project(self.projections, groups, context))

    def _ties(self, groups: Groups, context: Context) -> list[Tie]:
        ties = [
            vector_tie(key, evaluate(key, groups, context), groups, context)
            if not isinstance(key, EntityRef)
            else vector_tie(key, Repeated(None, 0, I64), groups, context)
            for key in self.keys
        ]
        return [tie for tie in ties if tie is not None]


class _Collector:
    """Takes the pieces of the match and reduces each at once, so that only groups are kept."""

    def __init__(self, output: Aggregation, context: Context) -> None:
        self._output = output
        self._context = context
        self._parts: list[tuple[Frame, list[Part]]] = []
        self._groups = 0
        self._merged_groups = 0

    def push(self, frame: Frame) -> bool:
        output, context = self._output, self._context
        frame = frame.settled()
        weights = frame.weights
        quick = self._counted_by_entity(frame)
        if quick is not None:
            self._keep(*quick)
            return False
        grouping = group_by(output.keys, frame, context)
        parts = [
            reduce_rows(aggregate, self._argument(aggregate, frame), grouping.codes, grouping.count, weights)
            for aggregate in output.aggregates
        ]
        self._keep(_representatives(frame, grouping, output.keys), parts)
        return False

    def _keep(self, representatives: Frame, parts: list[Part]) -> None:
        self._context.guard.hold(self._size_bytes(representatives))
        self._parts.append((representatives, parts))
        self._groups += representatives.rows
        if self._groups > max(_MERGED_ABOVE, 2 * self._merged_groups):
            self._merge()

    def _size_bytes(self, representatives: Frame) -> int:
        return representatives.size_bytes() + 16 * representatives.rows * len(self._output.aggregates)

    def _merge(self) -> None:
        """Put what all pieces say together."""
        if len(self._parts) < 2:
            return
        output, context = self._output, self._context
        representatives = concatenated([frame for frame, _ in self._parts])
        grouping = group_by(output.keys, representatives, context)
        parts = [
            merge_parts(aggregate, [each[at] for _, each in self._parts], grouping.codes, grouping.count)
            for at, aggregate in enumerate(output.aggregates)
        ]
        merged = _representatives(representatives, grouping, output.keys)
        context.guard.release(self._size_bytes(representatives) - self._size_bytes(merged))
        self._parts = [(merged, parts)]
        self._groups = self._merged_groups = merged.rows

    def _counted_by_entity(self, frame: Frame) -> tuple[Frame, list[Part]] | None:
        """Count rows per node of one variable: the counts of its ordinals are all there is to do."""
        output = self._output
        if len(output.keys) != 1 or len(output.counted) != len(output.aggregates):
            return None
        key = output.keys[0]
        if not isinstance(key, EntityRef) or key.variable in self._context.scope.optional:
            return None
        slots = self._context.table(key.variable).slots
        ordinals, counts = tallied(frame.columns[key.variable], frame.weights, slots)
        return Frame(len(ordinals), {key.variable: ordinals}), [Part(counts)] * len(output.aggregates)

    def _argument(self, aggregate: Aggregate, frame: Frame) -> Vector | None:
        if aggregate in self._output.counted or aggregate.argument is None:
            return None
        argument = aggregate.argument
        if isinstance(argument, EntityRef):
            # Which entity it is says its ordinal; the id is not needed.
            ordinals = frame.columns[argument.variable]
            return Fixed(ordinals, ordinals >= 0 if argument.variable in self._context.scope.optional else None, I64)
        return evaluate(argument, frame, self._context)

    def finish(self) -> Rows:
        output, context = self._output, self._context
        if not self._parts:
            return self._empty()
        self._merge()
        representatives, parts = self._parts[0]
        values = {aggregate: finish(aggregate, part) for aggregate, part in zip(output.aggregates, parts, strict=True)}
        return output.rows(Groups(representatives.rows, representatives, values), context)

    def _empty(self) -> Rows:
        """No row came: one group of nothing without keys, no group with keys."""
        output = self._output
        groups = 0 if output.keys else 1
        values: dict[Aggregate, Vector] = {}
        for aggregate in output.aggregates:
            value = 0 if aggregate.function == "count" else None
            values[aggregate] = Repeated(value, groups, aggregate.type)
        if groups == 0:
            return Rows(0, no_rows(output.projections, self._context))
        return output.rows(Groups(1, Frame.unit(), values), self._context)


class _WholeCollector(_Collector):
    """Keeps the pieces themselves: distinct values of one piece may come again in the next."""

    def __init__(self, output: Aggregation, context: Context) -> None:
        super().__init__(output, context)
        self._frames: list[Frame] = []
        self._alone = output.mode() == "set"
        self._kept = 0
        self._compacted_rows = 0

    def push(self, frame: Frame) -> bool:
        frame = frame.settled()
        if self._alone:
            frame = self._compacted(frame)
        self._context.guard.hold(frame.size_bytes())
        self._frames.append(frame)
        self._kept += frame.rows
        if self._alone and self._kept > max(self._context.settings.piece_rows, 2 * self._compacted_rows):
            whole = self._compacted(concatenated(self._frames))
            self._context.guard.release(sum(each.size_bytes() for each in self._frames) - whole.size_bytes())
            self._frames = [whole]
            self._kept = self._compacted_rows = whole.rows
        return False

    def _compacted(self, frame: Frame) -> Frame:
        """Return a frame without equal rows, if it has one variable or two."""
        columns, context = frame.columns, self._context
        if not 1 <= len(columns) <= 2 or not context.scope.optional.isdisjoint(columns):
            return frame
        name = next(reversed(columns))
        slots = context.table(name).slots
        if len(columns) == 2:
            return paired(columns, None, slots, counted=False)
        ordinals = distinct(columns[name], slots)
        return Frame(len(ordinals), {name: ordinals})

    def finish(self) -> Rows:
        if self._frames:
            frame = concatenated(self._frames)
            entities = self._distinct_entities(frame)
            if entities is None:
                super().push(frame)
            else:
                self._keep(Frame.unit(), [Part(np.array([entities]))])
        return super().finish()

    def _distinct_entities(self, frame: Frame) -> int | None:
        """Count the distinct nodes of a read that asks for nothing else."""
        output, context = self._output, self._context
        if output.keys or len(output.aggregates) != 1:
            return None
        argument = output.aggregates[0].argument
        if not isinstance(argument, EntityRef) or argument.variable in context.scope.optional:
            return None
        ordinals = frame.columns[argument.variable]
        if self._alone and len(self._frames) == 1:
            return len(ordinals)
        return len(distinct(ordinals, context.table(argument.variable).slots))


class _RowCounter(_Collector):
    """Counts rows: nothing is gathered, not even ordinals."""

    def __init__(self, output: Aggregation, context: Context) -> None:
        super().__init__(output, context)
        self._total = 0

    def push(self, frame: Frame) -> bool:
        self._total += frame.total
        return False

    def finish(self) -> Rows:
        output = self._output
        values: dict[Aggregate, Vector] = {
            aggregate: Repeated(self._total, 1, aggregate.type) for aggregate in output.aggregates
        }
        return output.rows(Groups(1, Frame.unit(), values), self._context)


def _representatives(frame: Frame, grouping: Grouping, keys: Sequence[Expression]) -> Frame:
    """Return a row of each group, with the variables that the keys look at."""
    names = frozenset[str]().union(*map(condition_variables, keys))
    columns = {name: frame.columns[name][grouping.first] for name in names}
    return Frame(grouping.count, columns)
