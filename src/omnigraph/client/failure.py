"""From an error envelope back to the error that the engine raised on the other side."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET

from omnigraph import errors
from omnigraph.errors import OmnigraphError
from omnigraph.wire.encoding import decode
from omnigraph.wire.error import ErrorOutput

_BY_CODE: Final[dict[str, type[OmnigraphError]]] = {
    "bad_request": errors.BadRequest,
    "unauthorized": errors.Unauthorized,
    "forbidden": errors.Forbidden,
    "not_found": errors.NotFound,
    "method_not_allowed": errors.BadRequest,
    "conflict": errors.Conflict,
    "too_many_requests": errors.TooManyRequests,
    "internal": OmnigraphError,
}
_BY_STATUS: Final = {400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict"}
_SHOWN_BYTES: Final = 2_000


def error_of(status: int, body: bytes) -> OmnigraphError:
    """Return the error of an answer that is no success, with the server's sentence."""
    try:
        envelope = decode(body, ErrorOutput)
    except (msgspec.DecodeError, UnicodeDecodeError):
        shown = body[:_SHOWN_BYTES].decode(errors="replace").strip()
        return _of_status(status, f"server returned {status}: {shown}")
    error = _of_facts(status, envelope) or _of_code(status, envelope)
    error.message = envelope.error
    error.args = (envelope.error,)
    error.hint = None if envelope.hint is UNSET else envelope.hint
    return error


def _of_facts(status: int, envelope: ErrorOutput) -> OmnigraphError | None:
    """Return the error whose facts the envelope holds, if it holds any."""
    if envelope.key_conflict is not UNSET:
        return errors.KeyConflict(envelope.key_conflict.table_key, envelope.key_conflict.row_id)
    if envelope.manifest_conflict is not UNSET:
        stale = envelope.manifest_conflict
        return errors.WriteConflict(stale.table_key, stale.expected, stale.actual)
    if envelope.merge_conflicts is not UNSET:
        return errors.MergeConflicts(envelope.merge_conflicts)
    if envelope.precondition_failure is not UNSET:
        lost = envelope.precondition_failure
        return errors.PreconditionFailed(lost.expected, None if lost.actual is UNSET else lost.actual)
    if envelope.resource_limit is not UNSET:
        passed = envelope.resource_limit
        return errors.ResourceLimitExceeded(passed.resource, passed.actual, passed.limit)
    if envelope.change_feed_gap is not UNSET:
        gap = envelope.change_feed_gap
        return errors.ChangeFeedGap(gap.first_unreadable_commit_id, None if gap.cursor is UNSET else gap.cursor)
    if envelope.change_diff_refusal is not UNSET:
        refusal = envelope.change_diff_refusal
        type_name = None if refusal.type_name is UNSET else refusal.type_name
        return errors.ChangeDiffRefusal(refusal.reason, refusal.graph_commit_id, type_name)
    return errors.HistoryReclaimed(envelope.error) if status == errors.HistoryReclaimed.http_status else None


def _of_code(status: int, envelope: ErrorOutput) -> OmnigraphError:
    found = None if envelope.code is UNSET else _BY_CODE.get(envelope.code)
    return _of_status(status, envelope.error) if found is None else found(envelope.error)


def _of_status(status: int, message: str) -> OmnigraphError:
    return _BY_CODE[_BY_STATUS.get(status, "internal")](message)


def misshapen(status: int, error: Exception) -> OmnigraphError:
    """Return the error of an answer that should be a success and has another shape than expected."""
    return OmnigraphError(f"server returned {status} with an answer of another shape: {error}")
