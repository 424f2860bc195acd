"""Moments: how people name a state of a graph that is not the newest one.

=================== =====================================================================================================
``snapshot``        a commit by its id, or by as much of it as is unambiguous
``at``              a version of a branch (``7``), or a time: the last commit at or before it (RFC 3339; no zone is UTC)
a *place* of `diff` a branch, a commit, ``<branch>@<version or time>`` (``@7`` is main's), each with ``~N``: N commits before it
=================== =====================================================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from omnigraph.errors import BadRequest, NotFound
from omnigraph.graph.line import Line
from omnigraph.language.temporal import TemporalError, parse_datetime
from omnigraph.query.encode import encode_datetime
from omnigraph.storage.ancestry import Located
from omnigraph.storage.ulid import ULID_LENGTH
from omnigraph.wire.commit import At

PREFIX_LENGTH_MIN: Final = 4
_VERSION = re.compile(r"v?([1-9][0-9]{0,17})")
_PREFIX = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]*")
_PLACE = re.compile(r"(?P<base>[^@~]*)(?:@(?P<at>[^~]*))?(?:~(?P<back>[0-9]{1,9}))?")


@dataclass(frozen=True, slots=True)
class Place:
    """A state of a graph as `diff` takes it: a branch or a commit, a moment of the branch, and how many commits before that."""

    base: str
    at: str | None
    back: int


def parse_place(text: str) -> Place:
    """Return the parts of a place. Raises BadRequest."""
    match = _PLACE.fullmatch(text.strip())
    if match is None or not (match["base"] or match["at"]):
        raise BadRequest(
            f"'{text}' names no state of a graph",
            hint="write a branch, a commit id, <branch>@<version or time>, or one of these with ~N behind it",
        )
    return Place(match["base"], match["at"], int(match["back"] or 0))


def may_be_commit(text: str) -> bool:
    """Say whether a text can be a commit id or the beginning of one."""
    return PREFIX_LENGTH_MIN <= len(text) <= ULID_LENGTH and _PREFIX.fullmatch(text) is not None


def commit_at(line: Line, at: At) -> Located:
    """Return the commit of a line at a moment. Raises BadRequest for what is none, NotFound."""
    if isinstance(at, str):
        version = _VERSION.fullmatch(at.strip())
        return _of_version(line, int(version[1])) if version is not None else _of_time(line, _microseconds(at.strip()))
    if isinstance(at, datetime):
        aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return _of_time(line, round(aware.timestamp() * 1_000_000))
    if isinstance(at, bool) or at < 1:
        raise BadRequest(f"'{at}' is no version of a branch", hint="versions are whole numbers from 1")
    return _of_version(line, at)


def _of_version(line: Line, version: int) -> Located:
    found = line.of_version(version)
    if found is None:
        raise NotFound(
            f"version {version} not found on branch '{line.name}'",
            hint=f"`omnigraph commit list --branch {line.name}` shows its versions",
        )
    return found


def _of_time(line: Line, time_us: int) -> Located:
    found = line.at_time(time_us)
    if found is None:
        first = next(line.oldest_first())
        raise NotFound(
            f"branch '{line.name}' has no commit at or before {_shown(time_us)}",
            hint=f"its first commit is of {_shown(first.created_at)}",
        )
    return found


def _microseconds(text: str) -> int:
    try:
        milliseconds = parse_datetime(text)
    except TemporalError:
        raise BadRequest(
            f"'{text}' is neither a version nor a time",
            hint="write a version such as 7, or a time such as 2026-01-31T09:30:00Z",
        ) from None
    fraction = re.search(r"\.([0-9]+)", text)
    finer = fraction[1][3:6].ljust(3, "0") if fraction is not None else "0"
    return milliseconds * 1_000 + int(finer)


def _shown(time_us: int) -> str:
    return str(encode_datetime(time_us // 1_000))
