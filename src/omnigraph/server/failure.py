"""Failures as answers: one envelope for what the engine refuses, what HTTP refuses, and what should not happen."""

from __future__ import annotations

import traceback
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from omnigraph.errors import OmnigraphError, PreconditionFailed, ResourceLimitExceeded
from omnigraph.server.answer import Answer, Header
from omnigraph.server.logs import error as log_error
from omnigraph.wire.encoding import compact
from omnigraph.wire.error import ErrorOutput, ResourceLimitInfo

_CONTENT_TOO_LARGE: Final = 413


class Refusal(Exception):
    """A request that HTTP itself refuses: its status, its code and its sentence."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: tuple[Header, ...] = (),
        resource_limit: ResourceLimitInfo | UnsetType = UNSET,
    ) -> None:
        super().__init__(message)
        self.resource_limit = resource_limit
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    def answer(self) -> Answer:
        envelope = ErrorOutput(self.message, self.code, resource_limit=self.resource_limit)
        return Answer(compact(envelope), self.status, headers=self.headers)


class NotServed(Refusal):
    """There is no such path, or no such method on it."""


def unauthorized(message: str) -> Refusal:
    """The 401 of a request without a token, or with one that nobody has."""
    return Refusal(401, "unauthorized", message, headers=((b"www-authenticate", b"Bearer"),))


def bad_request(message: str, status: int = 400) -> Refusal:
    """A request that cannot be read."""
    return Refusal(status, "bad_request", message)


def answer_to(error: Exception) -> Answer:
    """Describe any failure. What is no error of ours is told without a word of its own text, and logged without it too."""
    if isinstance(error, Refusal):
        return error.answer()
    if isinstance(error, PreconditionFailed):
        envelope = msgspec.structs.replace(ErrorOutput.of(error), code=msgspec.UNSET)
        return Answer(compact(envelope), error.http_status)
    if isinstance(error, ResourceLimitExceeded):
        return Answer(compact(ErrorOutput.of(error)), _CONTENT_TOO_LARGE)
    if isinstance(error, OmnigraphError):
        if error.http_status >= 500:
            log_error("request failed", error=type(error).__name__, where=_place(error))
        return Answer(compact(ErrorOutput.of(error)), error.http_status)
    log_error("request failed", error=type(error).__name__, where=_place(error))
    if isinstance(error, OSError):
        return Answer(compact(ErrorOutput(f"io: {error.strerror or type(error).__name__}", "internal")), 500)
    return Answer(compact(ErrorOutput("internal error", "internal")), 500)


def _place(error: BaseException) -> str:
    """Return the calls that led to an error, without the error's own text: it may hold data."""
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-6:]))
