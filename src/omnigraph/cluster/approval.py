"""Approvals: a person's consent to one irreversible change, bound to exactly the change that was looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec
from msgspec.structs import replace

from omnigraph.cluster.change import Change
from omnigraph.cluster.findings import Findings
from omnigraph.cluster.ledger import FreeForm
from omnigraph.cluster.root import APPROVALS, StorageRoot
from omnigraph.cluster.stored_document import read_all, write
from omnigraph.errors import OmnigraphError
from omnigraph.wire.cluster import Operation

VERSION: Final = 1


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One artifact. It authorizes once."""

    schema_version: int
    approval_id: str
    resource: str
    operation: Operation
    reason: str
    bound_config_digest: str
    bound_before_digest: str | None = None
    bound_after_digest: str | None = None
    approved_by: str
    created_at: str
    consumed_at: str | None = None
    consumed_by_operation: str | None = None

    @property
    def key(self) -> str:
        return f"{APPROVALS}{self.approval_id}.json"


@dataclass(frozen=True, slots=True)
class Approvals:
    """The artifacts of a cluster, and which of them the ledger knows to be consumed."""

    artifacts: list[tuple[str, Approval]] = field(default_factory=list)
    records: FreeForm = field(default_factory=dict)

    def valid_for(self, change: Change, config_digest: str | None) -> Approval | None:
        """Return an artifact that authorizes a change."""
        for approval in self._unconsumed(change.resource):
            bound = (approval.bound_config_digest, approval.bound_before_digest, approval.bound_after_digest)
            if bound == (config_digest, change.before, change.after):
                return approval
        return None

    def warn_of_stale(self, changes: Iterable[Change], config_digest: str | None, findings: Findings) -> None:
        """Tell of artifacts that were meant for a change and do not fit it any more."""
        for change in changes:
            if any(self._unconsumed(change.resource)) and self.valid_for(change, config_digest) is None:
                message = "an approval artifact exists but its bound digests no longer match the plan; re-run `cluster approve`"
                findings.warning("approval_stale", change.resource, message)

    def unstamped(self, records: FreeForm) -> list[tuple[str, Approval]]:
        """Return the artifacts that a ledger has as consumed and whose file does not say so, stamped."""
        stamped = []
        for key, approval in self.artifacts:
            record = records.get(approval.approval_id)
            if record is None or approval.consumed_at is not None:
                continue
            moment, operation = record.get("consumed_at"), record.get("consumed_by_operation")
            stamp = replace(
                approval,
                consumed_at=moment if isinstance(moment, str) else approval.created_at,
                consumed_by_operation=operation if isinstance(operation, str) else None,
            )
            stamped.append((key, stamp))
        return stamped

    def _unconsumed(self, resource: str) -> Iterable[Approval]:
        return (
            approval
            for _, approval in self.artifacts
            if approval.resource == resource and approval.consumed_at is None and approval.approval_id not in self.records
        )


def read_approvals(root: StorageRoot, records: FreeForm, findings: Findings) -> Approvals:
    """Read all artifacts; ``records`` are those that the ledger has as consumed."""
    try:
        keys = root.documents(APPROVALS)
    except OmnigraphError as error:
        findings.warning("approval_read_error", APPROVALS.rstrip("/"), error.message)
        return Approvals([], records)
    codes = ("approval_read_error", "invalid_approval_artifact", "unsupported_approval_version")
    return Approvals(read_all(root, keys, Approval, VERSION, codes, findings), records)


def stamp(root: StorageRoot, approvals: Approvals, records: FreeForm, findings: Findings) -> None:
    """Write into the files of consumed artifacts that they are; the ledger knows already."""
    for key, approval in approvals.unstamped(records):
        try:
            write(root, key, approval)
        except OmnigraphError as error:
            findings.warning(
                "approval_write_error", key, f"the approval is consumed, its file does not say so yet: {error.message}"
            )
