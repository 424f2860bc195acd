"""The table of errors says what the code says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from omnigraph.errors import OmnigraphError

ROOT = Path(__file__).resolve().parents[2]


def tree(error: type[OmnigraphError]) -> Iterator[type[OmnigraphError]]:
    yield error
    for child in error.__subclasses__():
        if child.__module__ == "omnigraph.errors":
            yield from tree(child)


def test_every_error_stands_in_the_table_with_its_numbers() -> None:
    page = (ROOT / "docs" / "user" / "errors.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip(" `") for cell in line.strip().strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| `")
    ]
    written = {row[0]: (row[1], row[2], int(row[3]), int(row[4])) for row in rows}
    actual = {leaf.__name__: (leaf.code, leaf.kind, leaf.http_status, leaf.exit_status) for leaf in tree(OmnigraphError)}
    assert written == actual
