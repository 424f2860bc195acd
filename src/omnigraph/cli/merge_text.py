"""Merges for people: what one would do, and the conflicts of one with what each side holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec import UNSET

from omnigraph.wire.commit import SettledInfo
from omnigraph.wire.encoding import compact
from omnigraph.wire.error import MergeConflictInfo, MergeSideInfo
from omnigraph.wire.merge import MergePreviewOutput

DETAILED_MAX: Final = 20
"""Conflicts that are shown with their sides; every further one has its line."""

_VALUE_CHARS_MAX: Final = 40


def preview(found: MergePreviewOutput) -> list[str]:
    """Return the lines of a dry run."""
    refused = "" if found.mergeable else f", refused by {_counted(len(found.merge_conflicts), 'conflict')}"
    lines = [f"would merge {found.source} into {found.target}: {found.outcome}{refused}"]
    for change in found.changes:
        parts = [
            f"{rows} {word}"
            for rows, word in ((change.inserted, "inserted"), (change.updated, "updated"), (change.deleted, "deleted"))
            if rows
        ]
        lines.append(f"  {change.table_key}: {', '.join(parts)}")
    lines += settled(found.settled)
    return [*lines, *conflicts(found.merge_conflicts)]


def settled(found: Sequence[SettledInfo]) -> list[str]:
    """Return a line for each type whose conflicts a strategy settled."""
    return [f"  {one.table_key}: {_counted(one.rows, 'conflict')} settled by {one.strategy}" for one in found]


def conflicts(found: Sequence[MergeConflictInfo]) -> Iterator[str]:
    """Yield a line for each conflict, and below the first ones a table of what base, ours and theirs hold."""
    for place, one in enumerate(found):
        yield f"  {one.table_key}:{one.row_id or ''} ({one.kind}): {one.message}"
        if place < DETAILED_MAX:
            yield from (f"      {line}" for line in _sides(one))


def _sides(conflict: MergeConflictInfo) -> list[str]:
    if conflict.ours is UNSET or conflict.theirs is UNSET:
        return []
    named = (("base", conflict.base), ("ours", conflict.ours), ("theirs", conflict.theirs))
    sides = [side for _, side in named if side is not UNSET]
    heads = [word for word, side in named if side is not UNSET]
    rows = [["", *heads]]
    if any(side.row is None for side in sides):
        rows.append(["row", *("(none)" if side.row is None else "(there)" for side in sides)])
    for name in _differing([_cells(side) for side in sides if side.row is not None]):
        rows.append([name, *(_shown(_cells(side).get(name, _ABSENT)) for side in sides)])
    rows.append(["commit", *(_shown_word(side.graph_commit_id) for side in sides)])
    rows.append(["actor", *(_shown_word(side.actor_id) for side in sides)])
    return _aligned(row for row in rows if row[0] == "" or any(row[1:]))


_ABSENT: Final = object()


def _cells(side: MergeSideInfo) -> dict[str, Any]:  # Any: JSON values
    if side.row is None:
        return {}
    return {**side.row.get("endpoints", {}), **side.row["properties"]}


def _differing(rows: Sequence[dict[str, Any]]) -> list[str]:  # Any: JSON values
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [name for name in names if any(row.get(name, _ABSENT) != rows[0].get(name, _ABSENT) for row in rows[1:])]


def _shown(value: object) -> str:
    if value is _ABSENT:
        return ""
    text = compact(value).decode()
    return text if len(text) <= _VALUE_CHARS_MAX else f"{text[: _VALUE_CHARS_MAX - 1]}…"


def _shown_word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    table = list(rows)
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
