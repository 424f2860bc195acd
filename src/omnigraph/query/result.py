"""The result of a read: columns that are known up front, rows on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from omnigraph.errors import ExecutionError
from omnigraph.language.catalog import PropertyType
from omnigraph.language.checked import Value
from omnigraph.query.display import html_table, text_table
from omnigraph.query.encode import Encoder, Json
from omnigraph.query.vectors import STRING, Listed, ResultVector

if TYPE_CHECKING:
    import pandas as pd


class Result:
    """Rows of a read, in order. It needs no storage any more, but may hold on to columns in memory until it is gone.

    ``columns`` stand in projection order and may repeat a name; a row as a dictionary then holds the last of them. Values of
    ``rows()`` and of iteration are ready for JSON: dates as text, non-finite floats as ``"NaN"``, Blobs as null.
    """

    __slots__ = (
        "_count",
        "_encoders",
        "_row",
        "_types",
        "_vectors",
        "branch",
        "columns",
        "graph_commit_id",
        "query_name",
        "snapshot",
    )

    branch: str | None
    snapshot: str | None
    graph_commit_id: str | None

    def __init__(
        self,
        query_name: str,
        columns: tuple[str, ...],
        encoders: tuple[Encoder | None, ...],
        count: int,
        vectors: Sequence[ResultVector],
    ) -> None:
        self.query_name = query_name
        self.columns = columns
        self._encoders = encoders
        self._count = count
        self._vectors: Sequence[ResultVector] | None = vectors
        self._row: tuple[Value, ...] | None = None
        self._types: tuple[PropertyType | None, ...] = ()
        self.branch = self.snapshot = self.graph_commit_id = None

    @classmethod
    def of_row(
        cls,
        query_name: str,
        columns: tuple[str, ...],
        encoders: tuple[Encoder | None, ...],
        types: tuple[PropertyType | None, ...],
        row: tuple[Value, ...] | None,
    ) -> Result:
        """Return the result of one row of plain values, or of none."""
        result = cls.__new__(cls)
        result.query_name = query_name
        result.columns = columns
        result._encoders = encoders
        result._types = types
        result._row = row
        result._count = 0 if row is None else 1
        result._vectors = None
        result.branch = result.snapshot = result.graph_commit_id = None
        return result

    def located(self, branch: str | None, snapshot: str | None, graph_commit_id: str | None) -> Result:
        """Note what was read: a branch or a snapshot, and the commit that stood there."""
        self.branch = branch
        self.snapshot = snapshot
        self.graph_commit_id = graph_commit_id
        return self

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[dict[str, Json]]:
        return iter(self.rows())

    def rows(self) -> list[dict[str, Json]]:
        """Return all rows as dictionaries of JSON-ready values."""
        if self._row is not None:
            return [
                {
                    name: value if encode is None or value is None else encode(value)
                    for name, value, encode in zip(self.columns, self._row, self._encoders, strict=True)
                }
            ]
        if self._count == 0:
            return []
        return dictionaries(self.columns, self.value_columns())

    def value_columns(self) -> list[list[Json]]:
        """Return one list of JSON-ready values per column: the cheapest way to many rows."""
        return [
            vector.values if encode is None and type(vector) is Listed else vector.json()
            for vector, encode in zip(self._columns(), self._encoders, strict=True)
        ]

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table of native types; whole nodes and edges are structs."""
        return pa.Table.from_arrays([vector.arrow() for vector in self._columns()], names=list(self.columns))

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a pandas data frame.

        Raises:
            ExecutionError: pandas is not installed.
        """
        try:
            import pandas  # noqa: F401
        except ImportError:
            raise ExecutionError(
                "to_pandas() needs pandas, which is not installed", hint="pip install pandas, or use to_arrow()"
            ) from None
        frame: Any = self.to_arrow().to_pandas()  # Any: pyarrow has no types
        return frame

    def size_bytes(self) -> int:
        """Return about how many bytes the columns take."""
        return sum(vector.size_bytes() for vector in self._columns())

    def _columns(self) -> Sequence[ResultVector]:
        if self._vectors is None:
            values = (None,) * len(self.columns) if self._row is None else self._row
            self._vectors = [
                Listed([value] * self._count, type_ or STRING) for value, type_ in zip(values, self._types, strict=True)
            ]
        return self._vectors

    def __repr__(self) -> str:
        return text_table(self.columns, self._head(), self._count)

    def _repr_html_(self) -> str:
        return html_table(self.columns, self._head(), self._count)

    def _head(self, rows: int = 20) -> list[tuple[Json, ...]]:
        """Return the first rows as tuples, so that columns of one name are all shown."""
        columns = self._columns()
        if self._count > rows:
            import numpy as np

            columns = [vector.taken(np.arange(rows)) for vector in columns]
        return list(zip(*(vector.json() for vector in columns), strict=True))


def dictionaries(names: tuple[str, ...], columns: list[list[Json]]) -> list[dict[str, Json]]:
    """Return rows as dictionaries. Displays for one to three columns are three times as fast as `dict` and `zip`."""
    if len(names) == 1:
        (first,) = names
        return [{first: value} for value in columns[0]]
    if len(names) == 2:
        first, second = names
        return [{first: a, second: b} for a, b in zip(*columns, strict=True)]
    if len(names) == 3:
        first, second, third = names
        return [{first: a, second: b, third: c} for a, b, c in zip(*columns, strict=True)]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
