"""The drawing of a history, as text."""

from __future__ import annotations

import pytest

from cli.conftest import CommandLine
from omnigraph.cli.commit_drawing import drawing
from omnigraph.wire.commit import BranchHeadInfo, CommitGraphOutput, CommitInfo

# Each line: a commit and its parents, newest first; letters stand for ids.
CASES = {
    "a line": (
        "c b\nb a\na",
        """
* c
* b
* a
""",
    ),
    "a merge": (
        "d c b\nc a\nb a\na",
        """
* d
|\\
* | c
| * b
|/
* a
""",
    ),
    "two heads": (
        "c a\nb a\na",
        """
* c
| * b
|/
* a
""",
    ),
    "three heads": (
        "d a\nc a\nb a\na",
        """
* d
| * c
| | * b
|_|/
|/
* a
""",
    ),
    "crossing merges": (
        "f d e\ne c d\nd b c\nc a\nb a\na",
        """
* f
|\\
| * e
| |\\
|_|/
* | d
|\\ \\
| |/
| * c
* | b
|/
* a
""",
    ),
    "a line that ends beside another": (
        "c a\nb\na",
        """
* c
| * b
* a
""",
    ),
    "a left line that ends": (
        "c\nb a\na",
        """
* c
* b
* a
""",
    ),
}


def history(text: str, more: bool = False) -> CommitGraphOutput:
    commits = []
    for line in text.splitlines():
        name, *parents = line.split()
        first, second = (*parents, None, None)[:2]
        commits.append(CommitInfo(name, None, 1, first, second, None, 0))
    return CommitGraphOutput([], commits, more)


def drawn(found: CommitGraphOutput) -> list[str]:
    return [line.partition(" 1970")[0].rstrip() for line in drawing(found, local_time=False)]


@pytest.mark.parametrize("name", CASES)
def test_drawings(name: str) -> None:
    text, expected = CASES[name]
    assert drawn(history(text)) == expected.strip("\n").splitlines()


def test_a_history_that_goes_on_says_so() -> None:
    assert drawn(history("c a b", more=True))[-2:] == ["| |", "older commits follow; --limit shows more of them"]


def test_a_line_tells_heads_time_branch_version_and_actor() -> None:
    commit = CommitInfo("x", "draft", 7, None, None, "act-ida", 1_700_000_000_123_456)
    found = CommitGraphOutput([BranchHeadInfo("other", "x"), BranchHeadInfo("draft", "x")], [commit], False)
    assert list(drawing(found, local_time=False)) == [
        "* x (draft, other) 2023-11-14T22:13:20Z branch=draft version=7 actor=act-ida"
    ]


def test_a_graph_of_a_server_is_still_named_by_its_option(run: CommandLine) -> None:
    refused = run("commit", "list", "--server", "nowhere", "--graph")
    assert refused.status == 2
    assert "--graph" in refused.err
    assert run("commit", "list", "g", "--graph", "--order", "newest").status == 2
