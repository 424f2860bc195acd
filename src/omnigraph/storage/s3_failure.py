"""What obstore raises, as errors of ours: the one seam.

Bodies of answers are never passed on: that of a refused signature repeats the signed headers, session tokens among them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from omnigraph.errors import StorageError
from omnigraph.storage.s3_settings import S3Settings

Nature = Literal["missing", "exists", "changed", "unreachable", "transient", "refused"]

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
_TRANSIENT_STATUS = frozenset({408, 409, 429, 500, 502, 503, 504, 509})
_TRANSIENT_CODES = frozenset({"RequestTimeout", "RequestTimeTooSkewed", "SlowDown", "OperationAborted"})
_HINTS = {
    "NoSuchBucket": "create the bucket first, or correct the address",
    "InvalidAccessKeyId": "check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "check AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "renew the credentials: AWS_SESSION_TOKEN has expired",
    "InvalidToken": "check AWS_SESSION_TOKEN",
    "RequestTimeTooSkewed": "set the clock of this machine",
    "PermanentRedirect": "set AWS_REGION to the region of the bucket",
    "AuthorizationHeaderMalformed": "set AWS_REGION to the region of the bucket",
    "NotImplemented": "the store lacks an operation that is needed; see docs/user/object-storage.md",
    "QuotaExceeded": "free some space; nothing was committed",
    "XMinioStorageFull": "free some space; nothing was committed",
}
_STATUS_HINTS = {
    301: "set AWS_REGION to the region of the bucket",
    401: "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
    403: "check the AWS_* credentials, and that they may get, put, delete and list under this prefix",
    507: "free some space; nothing was committed",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt: what it means for the caller, and what may be said about it.

    ``unreachable`` and ``transient`` may be tried again; after the first the request was certainly not carried out.
    """

    nature: Nature
    reason: str
    hint: str | None
    status: int | None

    @property
    def may_pass(self) -> bool:
        return self.nature in ("unreachable", "transient")

    def error(self, settings: S3Settings, doing: str) -> StorageError:
        """Return the error for a caller who cannot do anything about it."""
        return StorageError(f"storage: {doing}: {self.reason} ({settings.shown_endpoint()})", hint=self.hint)


def failure_of(error: Exception) -> Failure:
    """Return what an exception of obstore stands for."""
    text = str(error)
    head, _, details = text.partition("Debug source:")
    found = _STATUS.search(head)
    status = int(found[1]) if found else None
    found = _CODE.search(head)
    code = found[1] if found else ""
    answer = " ".join(part for part in (str(status) if status else "", code) if part)
    hint = _HINTS.get(code) or _STATUS_HINTS.get(status or 0)
    # Conflicting writes in progress (409) are not "there already": whoever asks again gets one or the other.
    if status in _TRANSIENT_STATUS or code in _TRANSIENT_CODES:
        return Failure("transient", f"the store answered {answer}", hint or "try again", status)
    if isinstance(error, FileNotFoundError) and code != "NoSuchBucket":
        return Failure("missing", "not found", None, status)
    if type(error).__name__ == "AlreadyExistsError":
        return Failure("exists", "already exists", None, status)
    if status == 412:
        return Failure("changed", "it has changed", None, status)
    if status is not None:
        return Failure("refused", f"the store answered {answer}", hint, status)
    if "kind: Connect" in details:
        reason = "the store cannot be reached"
        return Failure("unreachable", reason, "check AWS_ENDPOINT_URL_S3 and the network, then try again", None)
    if "kind: Timeout" in details or "TimedOut" in details:
        return Failure("transient", "the store did not answer in time", "try again; OMNIGRAPH_S3_TIMEOUT_S is the limit", None)
    if "HTTP error" in head or "kind:" in details:
        return Failure("transient", "the connection to the store broke", "try again", None)
    if "credential" in text.lower() or "metadata" in text.lower() or "token" in text.lower():
        hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role"
        return Failure("refused", "no credentials were found", hint, None)
    hint = "check that AWS_ENDPOINT_URL_S3 leads to an S3 store"
    return Failure("refused", f"the answer cannot be understood ({type(error).__name__})", hint, None)
