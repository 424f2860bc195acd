"""Results for people: a table in a terminal, a table in a notebook."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from omnigraph.query.encode import Json

_CELL_WIDTH = 40


def cell_text(value: Json) -> str:
    """Return a value as one short line; lists and objects as compact JSON."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) > 8:
        return f"[{', '.join(map(str, value[:4]))}, … {len(value)} values]"
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def text_table(columns: Sequence[str], rows: Sequence[Sequence[Json]], count: int) -> str:
    """Return the first rows aligned in columns, numbers to the right, and how many there are in all."""
    cells = [[_shortened(cell_text(value)) for value in row] for row in rows]
    widths = [max([len(name), *(len(row[at]) for row in cells)]) for at, name in enumerate(columns)]
    right = [_holds_numbers(row[at] for row in rows) for at in range(len(columns))]
    lines = [
        " | ".join(name.ljust(width) for name, width in zip(columns, widths, strict=True)).rstrip(),
        "-+-".join("-" * width for width in widths),
    ]
    lines += [
        " | ".join(
            text.rjust(width) if number else text.ljust(width) for text, width, number in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]
    lines.append(_footer(len(rows), count))
    return "\n".join(lines)


def html_table(columns: Sequence[str], rows: Sequence[Sequence[Json]], count: int) -> str:
    """Return the first rows as an HTML table; every text is escaped."""
    import html  # 2 ms, for notebooks only

    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell_text(value))}</td>" for value in row) + "</tr>" for row in rows)
    footer = html.escape(_footer(len(rows), count))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{footer}</p>"


def _holds_numbers(values: Iterable[Json]) -> bool:
    """Say whether a column shows numbers: at least one, and beside numbers only nulls."""
    kinds = {type(value) for value in values} - {type(None)}
    return bool(kinds) and kinds <= {int, float}


def _footer(shown: int, count: int) -> str:
    rows = "row" if count == 1 else "rows"
    return f"({count} {rows})" if shown == count else f"(first {shown} of {count} {rows})"


def _shortened(text: str) -> str:
    line = text.replace("\n", "⏎").replace("\r", "")
    return line if len(line) <= _CELL_WIDTH else line[: _CELL_WIDTH - 1] + "…"
