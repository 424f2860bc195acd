"""The history as a drawing: a line of text for each commit, and the lines of branches and merges beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from omnigraph.wire.commit import CommitGraphOutput, CommitInfo


def drawing(history: CommitGraphOutput, *, local_time: bool) -> Iterator[str]:
    """Yield the lines of a drawing, newest commits first. Needs children before their parents."""
    heads: dict[str, list[str]] = {}
    for head in history.heads:
        heads.setdefault(head.graph_commit_id, []).append(head.branch)
    lanes: list[str] = []
    for commit in history.commits:
        name = commit.graph_commit_id
        if name not in lanes:
            lanes.append(name)
        yield from _joined(lanes, name)
        place = lanes.index(name)
        marks = "".join("* " if lane == place else "| " for lane in range(len(lanes)))
        yield marks + _told(commit, heads.get(name, []), local_time=local_time)
        if commit.merged_parent_commit_id is not None and commit.parent_commit_id is not None:
            lanes[place : place + 1] = [commit.parent_commit_id, commit.merged_parent_commit_id]
            moved = [2 * lane + (lane > place) for lane in range(len(lanes) - 1)]
            yield _row(moved, {2 * place + 1: "\\"})
        elif commit.parent_commit_id is not None:
            lanes[place] = commit.parent_commit_id
        else:
            yield from _ended(lanes, place)
    if history.more:
        yield "| " * len(lanes)
        yield "older commits follow; --limit shows more of them"


def _joined(lanes: list[str], name: str) -> Iterator[str]:
    """Draw the lanes that lead to one commit into the first of them."""
    while lanes.count(name) > 1:
        first = lanes.index(name)
        last = len(lanes) - 1 - lanes[::-1].index(name)
        strokes = dict.fromkeys(range(2 * first + 1, 2 * last - 1, 2), "_")
        del lanes[last]
        # What stands right of the lane that ends moves one place to the left.
        yield _row([2 * lane - (lane >= last) for lane in range(len(lanes) + 1)], strokes)


def _ended(lanes: list[str], place: int) -> Iterator[str]:
    """Take a lane away whose last commit was drawn; those right of it move over."""
    del lanes[place]
    if place < len(lanes):
        yield _row([2 * lane - (lane > place) for lane in range(len(lanes) + 1)], {}, without=place)


def _row(columns: Sequence[int], strokes: Mapping[int, str], without: int = -1) -> str:
    """Return a row between commits: ``|`` for a lane that goes straight down, a slope for one that moves."""
    cells = dict(strokes)
    for lane, column in enumerate(columns):
        if lane != without:
            cells[column] = "|" if column == 2 * lane else "/" if column < 2 * lane else "\\"
    return "".join(cells.get(column, " ") for column in range(max(cells, default=-1) + 1)).rstrip()


def _told(commit: CommitInfo, branches: list[str], *, local_time: bool) -> str:
    words = [commit.graph_commit_id]
    if branches:
        words.append(f"({', '.join(sorted(branches))})")
    words.append(told_time(commit.created_at, local=local_time))
    words.append(f"branch={commit.manifest_branch or 'main'} version={commit.manifest_version}")
    if commit.actor_id is not None:
        words.append(f"actor={commit.actor_id}")
    return " ".join(words)


def told_time(time_us: int, *, local: bool) -> str:
    """Return an instant to the second: in local time for a person at a terminal, else in UTC."""
    at = datetime.fromtimestamp(time_us // 1_000_000, UTC)
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}" if local else f"{at:%Y-%m-%dT%H:%M:%SZ}"
