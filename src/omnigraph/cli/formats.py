"""The five forms of a query's result. The same bytes go to a pipe and to a terminal.

Every writer takes the values of the rows in the order of the columns and yields pieces of bytes, so that a result of any
size passes through in bounded memory; only ``table`` looks at every row before it writes the first, to know its widths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from omnigraph.config.legacy import CellLayout
from omnigraph.wire.encoding import compact, pretty
from omnigraph.wire.read import ReadMetadata, ReadOutput, Row, Target

Values = Sequence[Any]  # Any: the JSON values of one row
_T = TypeVar("_T")

DEFAULT_COLUMN_WIDTH = 80
_NARROWEST_COLUMN = 8
_BATCH_ROWS = 4096
_CSV_SPECIAL = re.compile('[,"\n\r]')
_CELL_SEPARATOR = " | "
_RULE_SEPARATOR = "-+-"


@dataclass(frozen=True, slots=True)
class ResultHead:
    """What is known of a result before its rows."""

    query_name: str
    branch: str | None
    snapshot: str | None
    row_count: int
    columns: Sequence[str]
    graph_commit_id: str | None = None

    @property
    def target(self) -> Target:
        """The branch or the snapshot, as the documents show it."""
        return Target(None if self.snapshot is not None else self.branch, self.snapshot)

    @property
    def summary(self) -> str:
        """The first line of the forms for people."""
        if self.snapshot is not None:
            where = f"snapshot {self.snapshot}"
        else:
            where = f"branch {self.branch}" if self.branch is not None else "target"
        return f"{self.row_count} rows from {where} via {self.query_name}"


@dataclass(frozen=True, slots=True)
class TableLayout:
    """How ``table`` fits long cells."""

    column_width_max: int = DEFAULT_COLUMN_WIDTH
    cells: CellLayout = "truncate"


def write_result(form: str, head: ResultHead, rows: Iterable[Values], layout: TableLayout) -> Iterator[bytes]:
    """Yield the bytes of a result in the form ``table``, ``kv``, ``csv``, ``jsonl`` or ``json``."""
    if form == "json":
        return write_json(head, rows)
    if form == "jsonl":
        return write_jsonl(head, rows)
    if form == "csv":
        return write_csv(head, rows)
    return write_kv(head, rows) if form == "kv" else write_table(head, rows, layout)


def write_json(head: ResultHead, rows: Iterable[Values]) -> Iterator[bytes]:
    """The envelope, indented by two spaces."""
    columns = list(head.columns) or UNSET
    commit = UNSET if head.graph_commit_id is None else head.graph_commit_id
    document = pretty(ReadOutput(head.query_name, head.target, head.row_count, columns, [], commit))
    before, after = document.split(b'"rows": []', 1)
    yield before + b'"rows": ['
    written = False
    for batch in _objects(head, rows):
        lines = msgspec.json.format(compact(batch), indent=2).removeprefix(b"[").removesuffix(b"\n]")
        yield (b"," if written else b"") + lines.replace(b"\n", b"\n  ")
        written = True
    yield (b"\n  ]" if written else b"]") + after


def write_jsonl(head: ResultHead, rows: Iterable[Values]) -> Iterator[bytes]:
    """A line of metadata, then one compact object on each line."""
    yield compact(ReadMetadata("metadata", head.query_name, head.target, head.row_count)) + b"\n"
    encoder = msgspec.json.Encoder()
    for batch in _objects(head, rows):
        yield encoder.encode_lines(batch)


def write_csv(head: ResultHead, rows: Iterable[Values]) -> Iterator[bytes]:
    """A line of column names, then a line for each row; null is the word ``null``."""
    yield (",".join(_csv_field(name) for name in head.columns) + "\n").encode()
    for batch in _batches(rows):
        lines = [",".join(_csv_field(text(value)) for value in row) for row in batch]
        yield ("\n".join(lines) + "\n").encode()


def write_kv(head: ResultHead, rows: Iterable[Values]) -> Iterator[bytes]:
    """The summary, then the rows as numbered blocks of ``column: value``."""
    yield f"{head.summary}\n".encode()
    number = 0
    for batch in _batches(rows):
        blocks = []
        for row in batch:
            number += 1
            lines = [f"row {number}", *(f"{name}: {text(value)}" for name, value in zip(head.columns, row, strict=True))]
            blocks.append(("\n" if number > 1 else "") + "\n".join(lines) + "\n")
        yield "".join(blocks).encode()
    if number == 0:
        yield b"(no rows)\n"


def write_table(head: ResultHead, rows: Iterable[Values], layout: TableLayout) -> Iterator[bytes]:
    """The summary, the columns' names, a rule, and the rows, every cell padded to the width of its column."""
    if not head.columns:
        yield f"{head.summary}\n(no rows)\n".encode()
        return
    cells = [[text(value).replace("\n", "\\n") for value in row] for row in rows]
    widths = [_column_width(name, (line[at] for line in cells), layout) for at, name in enumerate(head.columns)]
    header = _CELL_SEPARATOR.join(name.ljust(width) for name, width in zip(head.columns, widths, strict=True))
    rule = _RULE_SEPARATOR.join("-" * width for width in widths)
    yield f"{head.summary}\n{header}\n{rule}\n".encode()
    for batch in _batches(cells):
        lines = [line for row in batch for line in _table_lines(row, widths, layout)]
        yield ("\n".join(lines) + "\n").encode()


def text(value: Any) -> str:  # Any: a JSON value
    """Show one value in a cell: strings as they are, everything else as compact JSON."""
    return value if isinstance(value, str) else compact(value).decode()


def _column_width(name: str, cells: Iterable[str], layout: TableLayout) -> int:
    most = layout.column_width_max
    longest = max((min(len(cell), most) for cell in cells), default=0)
    return min(max(len(name), longest), max(most, _NARROWEST_COLUMN))


def _table_lines(cells: Sequence[str], widths: Sequence[int], layout: TableLayout) -> list[str]:
    if layout.cells == "truncate":
        shown = [_truncated(cell, width).ljust(width) for cell, width in zip(cells, widths, strict=True)]
        return [_CELL_SEPARATOR.join(shown)]
    chunks = [_wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    height = max(len(chunk) for chunk in chunks)
    return [
        _CELL_SEPARATOR.join(
            (chunk[line] if line < len(chunk) else "").ljust(width) for chunk, width in zip(chunks, widths, strict=True)
        )
        for line in range(height)
    ]


def _truncated(cell: str, width: int) -> str:
    if len(cell) <= width:
        return cell
    return cell[:width] if width <= 1 else cell[: width - 1] + "…"


def _wrapped(cell: str, width: int) -> list[str]:
    if len(cell) <= width or width == 0:
        return [cell[:width]]
    return [cell[start : start + width] for start in range(0, len(cell), width)]


def _csv_field(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if _CSV_SPECIAL.search(field) else field


def _objects(head: ResultHead, rows: Iterable[Values]) -> Iterator[list[Row]]:
    return ([dict(zip(head.columns, row, strict=True)) for row in batch] for batch in _batches(rows))


def _batches(rows: Iterable[_T]) -> Iterator[list[_T]]:
    remaining = iter(rows)
    while batch := list(islice(remaining, _BATCH_ROWS)):
        yield batch
