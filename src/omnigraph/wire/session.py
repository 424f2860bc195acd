"""The documents of commands that address no graph: versions, credentials and the split of the project file."""

from __future__ import annotations

from omnigraph.wire.encoding import Shape


class VersionOutput(Shape, frozen=True, gc=False):
    """The version of the program and the storage format that it writes."""

    version: str
    internal_schema: int


class LoginOutput(Shape, frozen=True, gc=False):
    """Where the token of a server was put; ``declared`` says whether the operator's file knows the server."""

    server: str
    credentials_path: str
    declared: bool


class LogoutOutput(Shape, frozen=True, gc=False):
    """Where the token of a server was removed."""

    server: str
    credentials_path: str


class DroppedKey(Shape, frozen=True, gc=False):
    """A key of the project file that has no new home, and why."""

    key: str
    reason: str


class MigrationReport(Shape, frozen=True, gc=False):
    """How the project file splits. ``operator_merge`` maps dotted keys to their values as YAML text."""

    source: str
    cluster_yaml: str | None
    operator_merge: dict[str, str]
    dropped: list[DroppedKey]
    manual_steps: list[str]


class MigrationOutput(Shape, frozen=True, gc=False):
    """The document of ``config migrate --write``: the report and what was written."""

    report: MigrationReport
    written: list[str]
