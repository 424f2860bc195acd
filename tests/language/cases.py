"""Fixture files: cases of a few lines each.

    == title of the case
    input, any number of lines
    -> a line that the output must hold
    !! a text that the error must hold; no error may be missing or extra

``->`` and ``!!`` exclude each other. Text in front of the first case is a comment.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

FIXTURES = Path(__file__).parent / "fixtures"


class Case(NamedTuple):
    file: str
    title: str
    source: str
    output: tuple[str, ...]
    errors: tuple[str, ...]


def read_cases(file: str) -> list[Case]:
    cases = []
    _, *blocks = ("\n" + (FIXTURES / file).read_text(encoding="utf-8")).split("\n== ")
    for block in blocks:
        title, *lines = block.split("\n")
        output = tuple(line[3:] for line in lines if line.startswith("-> "))
        errors = tuple(line[3:] for line in lines if line.startswith("!! "))
        source = "\n".join(line for line in lines if not line.startswith(("-> ", "!! ")))
        assert bool(output) != bool(errors), f"{file}: {title}: needs either output or errors"
        cases.append(Case(file, title, source, output, errors))
    titles = [case.title for case in cases]
    assert len(set(titles)) == len(titles), f"{file}: a title stands twice"
    return cases
