"""The result of a read that a server ran."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from omnigraph.wire.encoding import Shape
from omnigraph.wire.read import Row, Target

if TYPE_CHECKING:
    import pyarrow as pa

Json = Any  # Any: a JSON value


class ReadAnswer(Shape, frozen=True, gc=False):
    """A read as any server tells it; older ones leave members out."""

    query_name: str
    target: Target
    rows: list[Row]
    columns: tuple[str, ...] = ()
    graph_commit_id: str | None = None


class RemoteResult:
    """Rows of a read, in order, ready for JSON. A column name that repeats stands in each row once."""

    def __init__(self, answer: ReadAnswer) -> None:
        self.query_name = answer.query_name
        self.branch = answer.target.branch
        self.snapshot = answer.target.snapshot
        self.graph_commit_id = answer.graph_commit_id
        self.columns = tuple(answer.columns or (answer.rows[0] if answer.rows else ()))
        self._rows = answer.rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def rows(self) -> list[Row]:
        """Return all rows as dictionaries of JSON values."""
        return self._rows

    def value_columns(self) -> list[list[Json]]:
        """Return one list of JSON values per column."""
        return [[row.get(name) for row in self._rows] for name in self.columns]

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table; types are those that Arrow infers from the JSON values."""
        import pyarrow as pa

        return pa.Table.from_arrays([pa.array(column) for column in self.value_columns()], names=list(self.columns))

    def __repr__(self) -> str:
        from omnigraph.query.display import text_table

        head = list(zip(*(column[:20] for column in self.value_columns()), strict=True))
        return text_table(self.columns, head, len(self))


class ExplainAnswer(Shape, frozen=True, gc=False):
    """A plan as any server tells it."""

    plan: str
    profile: str | None = None
    result: ReadAnswer | None = None


class RemoteExplanation:
    """A plan as people read it; if it was run, what the run measured and its result."""

    def __init__(self, answer: ExplainAnswer) -> None:
        self.plan = answer.plan
        self.profile = answer.profile
        self.result = None if answer.result is None else RemoteResult(answer.result)

    def text(self) -> str:
        return self.plan if self.profile is None else f"{self.plan}\n\n{self.profile}"

    def __str__(self) -> str:
        return self.text()
