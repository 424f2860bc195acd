"""The errors of Omnigraph: one tree, grouped by what a caller can do about them.

Every leaf has a stable ``code`` (the wire word of the error envelope), its facts as attributes, and a message that keeps
the contractual text in one piece. ``kind`` is finer than ``code`` and is stable too: programs may match on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open byte range of a source text, with the place a person would look at.

    ``line`` and ``column`` count from 1; ``column`` counts characters.
    """

    start: int
    end: int
    line: int
    column: int


class OmnigraphError(Exception):
    """Base of every error that Omnigraph raises on purpose."""

    code: ClassVar[str] = "internal"
    kind: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def facts(self) -> dict[str, Any]:  # Any: JSON values of the error envelope
        """Return the optional members of the error envelope, without ``error`` and ``code``."""
        return {}


# --- fix the input -----------------------------------------------------------------------------------------------------


class BadRequest(OmnigraphError):
    """The caller's input cannot be carried out as it stands."""

    code = "bad_request"
    kind = "bad_request"
    http_status = 400


class ParseError(BadRequest):
    """A source text does not follow the grammar, or builds no valid tree. The message starts ``parse error: ``."""

    kind = "parse_error"

    def __init__(self, message: str, *, span: Span | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.span = span


class CatalogError(BadRequest):
    """The declarations of a schema do not fit together. The message starts ``catalog error: ``."""

    kind = "catalog_error"


class TypeCheckError(BadRequest):
    """A query does not fit the schema. The message starts ``type error: ``; ``rule`` is T1…, X1… or empty."""

    kind = "type_error"

    def __init__(self, message: str, *, rule: str = "", span: Span | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.rule = rule
        self.span = span


class PlanError(BadRequest):
    """A checked query has no plan. The message starts ``plan error: ``."""

    kind = "plan_error"


class ExecutionError(BadRequest):
    """A query failed on the values it met while it ran."""

    kind = "execution_error"


class InvalidValue(BadRequest):
    """A value of a write does not fit its property."""

    kind = "invalid_value"


class ConstraintViolation(BadRequest):
    """A write would publish data that breaks its own schema."""

    kind = "constraint_violation"


class UnsupportedMigration(BadRequest):
    """No migration leads from the accepted schema to the desired one. A lint code stands first where there is one."""

    kind = "unsupported_migration"


class InvalidSetting(BadRequest):
    """An argument, an environment variable or a configuration file cannot be used."""

    kind = "invalid_setting"


class ResourceLimitExceeded(BadRequest):
    """A request passed a named limit and was ended; nothing was changed."""

    kind = "resource_limit"

    def __init__(self, resource: str, actual: int | float, limit: int | float, *, hint: str | None = None) -> None:
        super().__init__(f"resource limit exceeded for {resource}: actual {actual}, limit {limit}", hint=hint)
        self.resource, self.actual, self.limit = resource, actual, limit

    def facts(self) -> dict[str, Any]:  # Any: JSON values
        return {"resource_limit": {"resource": self.resource, "limit": self.limit, "actual": self.actual}}


class CursorRejected(BadRequest):
    """A cursor or page token of a change feed is damaged, or belongs to another feed.

    The message starts ``change cursor rejected: ``.
    """

    kind = "cursor_rejected"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"change cursor rejected: {why}", hint="use the cursor with the branch and the filters that it came from"
        )


class UpgradeRequired(BadRequest):
    """The graph was written by a newer format. The message holds ``upgrade omnigraph``."""

    kind = "upgrade_required"


# --- look elsewhere ----------------------------------------------------------------------------------------------------


class NotFound(OmnigraphError):
    """A graph, branch, commit or entity that was named does not exist."""

    code = "not_found"
    kind = "not_found"
    http_status = 404


class ClusterStateMissing(NotFound):
    """A cluster was addressed to which nothing was ever applied."""

    kind = "cluster_state_missing"

    def __init__(self, cluster: str) -> None:
        super().__init__(f"cluster `{cluster}` has no applied state; run `cluster apply` first")
        self.cluster = cluster


class GraphNotApplied(NotFound):
    """A cluster was addressed, and a graph that was not applied to it."""

    kind = "graph_not_applied"

    def __init__(self, cluster: str, graph_id: str, applied: Sequence[str]) -> None:
        super().__init__(
            f"graph `{graph_id}` is not applied in cluster `{cluster}` (applied graphs: [{', '.join(applied)}]); "
            "declare it in cluster.yaml and run `cluster apply`, or check the id"
        )
        self.cluster, self.graph_id, self.applied = cluster, graph_id, tuple(applied)


class HistoryReclaimed(NotFound):
    """A commit exists but its rows were removed by ``cleanup`` or a hard drop."""

    kind = "history_reclaimed"
    http_status = 410


class ChangeFeedGap(HistoryReclaimed):
    """A change feed, or the changes of a commit, begin before what can still be read; a new baseline closes the gap."""

    kind = "change_feed_gap"

    def __init__(self, first_unreadable_commit_id: str, cursor: str | None = None) -> None:
        super().__init__(
            f"the changes of commit '{first_unreadable_commit_id}' can no longer be read: cleanup removed their rows",
            hint="take a new baseline and go on from its cursor",
        )
        self.first_unreadable_commit_id, self.cursor = first_unreadable_commit_id, cursor

    def facts(self) -> dict[str, Any]:  # Any: JSON values
        gap = {"first_unreadable_commit_id": self.first_unreadable_commit_id}
        return {"change_feed_gap": gap if self.cursor is None else {"cursor": self.cursor, **gap}}


# --- resolve, then try again -------------------------------------------------------------------------------------------


class Conflict(OmnigraphError):
    """What is stored does not allow the write."""

    code = "conflict"
    kind = "conflict"
    http_status = 409


class KeyConflict(Conflict):
    """An append met an id that is stored already."""

    kind = "key_conflict"

    def __init__(self, table_key: str, row_id: str) -> None:
        super().__init__(
            f"key conflict: {table_key} already has id '{row_id}'",
            hint="use merge mode to replace stored rows, or give the record another id",
        )
        self.table_key, self.row_id = table_key, row_id

    def facts(self) -> dict[str, Any]:  # Any: JSON values
        return {"key_conflict": {"table_key": self.table_key, "row_id": self.row_id}}


class WriteConflict(Conflict):
    """Other commits kept landing first; a fresh run of the same write is the right reaction."""

    kind = "manifest_conflict"

    def __init__(self, table_key: str, expected: int, actual: int) -> None:
        super().__init__(
            f"stale view of '{table_key}': expected manifest table version {expected} but current is {actual}"
            " — refresh and retry"
        )
        self.table_key, self.expected, self.actual = table_key, expected, actual

    def facts(self) -> dict[str, Any]:  # Any: JSON values
        conflict = {"table_key": self.table_key, "expected": self.expected, "actual": self.actual}
        return {"manifest_conflict": conflict}


class MergeConflicts(Conflict):
    """Two branches do not agree on some rows; nothing was merged. ``conflicts`` holds every one of them.

    Each has ``table_key``, ``row_id`` (None for a rule of the whole type), ``kind`` and ``message``; those of single rows also
    have ``base``, ``ours`` (the target) and ``theirs`` (the source), with the row and the commit behind it.
    """

    kind = "merge_conflicts"
    _named = 3

    def __init__(self, conflicts: Sequence[Any]) -> None:  # Any: wire.merge.MergeConflict, a room above
        def name(conflict: Any) -> str:  # Any: as above
            row = f":{conflict.row_id}" if conflict.row_id is not None else ""
            return f"{conflict.table_key}{row} ({conflict.kind})"

        message = "merge conflicts: " + "; ".join(name(conflict) for conflict in conflicts[: self._named])
        if len(conflicts) > self._named:
            message += f"; and {len(conflicts) - self._named} more"
        super().__init__(
            message, hint="make the rows agree on one of the branches and merge again, or say which side wins with a strategy"
        )
        self.conflicts = list(conflicts)

    def facts(self) -> dict[str, Any]:  # Any: JSON values
        return {"merge_conflicts": self.conflicts}


class ChangeDiffRefusal(Conflict):
    """The changes of a commit cannot be told row by row: it has no parent, or it changed the schema of stored rows."""

    kind = "change_diff_refusal"

    def __init__(self, reason: str, graph_commit_id: str, type_name: str | None = None) -> None:
        if reason == "parentless_commit":
            message = f"commit '{graph_commit_id}' has no parent to compare it with"
        else:
            message = f"commit '{graph_commit_id}' changed the schema of '{type_name}', which has rows"
        super().__init__(message, hint="take a baseline of the state, or `diff` the two states")
        self.reason, self.graph_commit_id, self.type_name = reason, graph_commit_id, type_name

    def facts(self) -> dict[str, Any]:  # Any: JSON values
        refusal = {"reason": self.reason, "graph_commit_id": self.graph_commit_id}
        return {"change_diff_refusal": refusal if self.type_name is None else {**refusal, "type_name": self.type_name}}


class PreconditionFailed(Conflict):
    """The branch head is no longer the commit that the caller named; nothing was written."""

    kind = "precondition_failed"
    http_status = 412
    exit_status = 4

    def __init__(self, expected: str, actual: str | None, *, branch: str = "main") -> None:
        super().__init__(
            f"precondition failed on branch '{branch}': expected head '{expected}' "
            f"but current is {'<absent>' if actual is None else actual}",
            hint="read the branch again and repeat the write on what you find",
        )
        self.expected, self.actual = expected, actual

    def facts(self) -> dict[str, Any]:  # Any: JSON values
        failure = {"expected": self.expected}
        if self.actual is not None:
            failure["actual"] = self.actual
        return {"precondition_failure": failure}


# --- ask for access ----------------------------------------------------------------------------------------------------


class Forbidden(OmnigraphError):
    """The policy denies the action to this actor."""

    code = "forbidden"
    kind = "forbidden"
    http_status = 403


class Unauthorized(OmnigraphError):
    """A server wants a bearer token, or knows nobody with the one that was sent."""

    code = "unauthorized"
    kind = "unauthorized"
    http_status = 401


# --- wait, then try again ----------------------------------------------------------------------------------------------


class TooManyRequests(OmnigraphError):
    """A server has as many writes of this actor under way as it allows; nothing was done."""

    code = "too_many_requests"
    kind = "too_many_requests"
    http_status = 429


class Unreachable(OmnigraphError):
    """A server did not answer, or broke off. The message says whether a write may have been done all the same."""

    kind = "unreachable"
    http_status = 503


# --- report ------------------------------------------------------------------------------------------------------------


class StorageError(OmnigraphError):
    """The object store failed or holds something that cannot be read. The message starts ``storage: ``."""

    kind = "storage"


class CorruptObject(StorageError):
    """A stored object is not what its name and checksum promise."""

    kind = "corrupt_object"


class ConditionalWritesMissing(StorageError):
    """An object store overwrites what it was asked to create only: two writers would both be told that they were first."""

    kind = "conditional_writes_missing"

    def __init__(self, uri: str, condition: str = "If-None-Match: *") -> None:
        super().__init__(
            f"storage: the store of '{uri}' does not honour conditional writes ({condition}), so commits would be lost; "
            "nothing was written",
            hint="use a store that has them, such as AWS S3, RustFS, MinIO or SeaweedFS",
        )


class OutcomeUnknown(StorageError):
    """A write was sent and its answer never came: it may have been carried out or not."""

    kind = "outcome_unknown"

    def __init__(self, key: str, why: str) -> None:
        super().__init__(
            f"storage: the outcome of writing '{key}' is unknown: {why}",
            hint="look whether the write is there (`omnigraph commit list`) before you repeat it",
        )
        self.key = key


class RepairRefused(OmnigraphError):
    """``repair`` found what it cannot make again; its report names every object."""

    kind = "repair_refused"

    def __init__(self, tables: int) -> None:
        super().__init__(
            f"repair refused {tables} suspicious or unverifiable table(s); review the preview output and rerun with "
            "--force --confirm only if publishing that drift is intentional",
            hint="what is missing cannot be made again: restore the named files from a copy, or read an older commit",
        )
        self.tables = tables
