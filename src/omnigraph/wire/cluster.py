"""The JSON documents of the ``cluster`` verbs. Keys that are optional are absent, not null."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from omnigraph.wire.encoding import Shape

Severity = Literal["error", "warning"]
Operation = Literal["create", "update", "delete"]
Disposition = Literal["applied", "derived", "deferred", "blocked"]


class Diagnostic(Shape, frozen=True, gc=False):
    """One finding: what kind, how bad, where, and a sentence."""

    code: str
    severity: Severity
    path: str
    message: str

    def line(self) -> str:
        """Return the line that a person reads."""
        label = "ERROR" if self.severity == "error" else "WARN "
        return f"{label} {self.code} {self.path}: {self.message}"


class Resource(Shape, frozen=True, gc=False):
    """One declared resource."""

    address: str
    kind: str
    digest: str
    path: str | UnsetType = UNSET


class Dependency(Shape, frozen=True, gc=False):
    """One edge: from the dependent to what it needs."""

    dependent: str = msgspec.field(name="from")
    needed: str = msgspec.field(name="to")


class StateObservations(Shape, frozen=True, gc=False, kw_only=True):
    """What was seen of the ledger and its lock. ``locked`` is about somebody else's lock."""

    state_path: str
    lock_path: str
    state_found: bool = False
    applied_config_digest: str | UnsetType = UNSET
    state_revision: int = 0
    state_cas: str | UnsetType = UNSET
    resource_count: int = 0
    locked: bool = False
    lock_id: str | UnsetType = UNSET
    lock_operation: str | UnsetType = UNSET
    lock_created_at: str | UnsetType = UNSET
    lock_pid: int | UnsetType = UNSET
    lock_age_seconds: int | UnsetType = UNSET
    lock_acquired: bool = False
    acquired_lock_id: str | UnsetType = UNSET


class DesiredRevision(Shape, frozen=True, gc=False):
    """The revision that is declared."""

    config_digest: str | UnsetType = UNSET


class ChangeOutput(Shape, frozen=True, gc=False, kw_only=True):
    """One difference between what is declared and what was applied."""

    resource: str
    operation: Operation
    before_digest: str | UnsetType = UNSET
    after_digest: str | UnsetType = UNSET
    disposition: Disposition | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    binding_change: bool | UnsetType = UNSET
    migration: dict[str, Any] | UnsetType = UNSET  # Any: steps differ by their kind


class BlastRadius(Shape, frozen=True, gc=False):
    """The resources that depend on a changed one."""

    resource: str
    affected: list[str]


class ApprovalRequired(Shape, frozen=True, gc=False):
    """A change that a person must agree to."""

    resource: str
    reason: str
    satisfied: bool


class StatusRecord(Shape, frozen=True, gc=False):
    """The status of one resource; conditions and message only where there are any."""

    status: str
    conditions: list[str] | UnsetType = UNSET
    message: str | UnsetType = UNSET


Observation = dict[str, Any]  # Any: JSON values; free-form, kept as found


class ClusterOutput(Shape, frozen=True, gc=False, kw_only=True):
    """What every verb answers."""

    ok: bool
    config_dir: str


class ValidateOutput(ClusterOutput, frozen=True, gc=False, kw_only=True):
    """The declaration and nothing else."""

    config_file: str
    resource_digests: dict[str, str]
    resources: list[Resource]
    dependencies: list[Dependency]
    diagnostics: list[Diagnostic]


class PlanOutput(ClusterOutput, frozen=True, gc=False, kw_only=True):
    """What ``apply`` would do."""

    desired_revision: DesiredRevision
    resource_digests: dict[str, str]
    dependencies: list[Dependency]
    state_observations: StateObservations
    changes: list[ChangeOutput]
    blast_radius: list[BlastRadius]
    approvals_required: list[ApprovalRequired]
    diagnostics: list[Diagnostic]


class ApplyOutput(ClusterOutput, frozen=True, gc=False, kw_only=True):
    """What was done, and whether anything is left to do."""

    actor: str | UnsetType = UNSET
    desired_revision: DesiredRevision
    state_observations: StateObservations
    changes: list[ChangeOutput]
    applied_count: int
    deferred_count: int
    converged: bool
    state_written: bool
    resource_statuses: dict[str, StatusRecord]
    diagnostics: list[Diagnostic]


class ApproveOutput(ClusterOutput, frozen=True, gc=False, kw_only=True):
    """The approval that was recorded."""

    approval_id: str | UnsetType = UNSET
    resource: str | UnsetType = UNSET
    operation: Operation | UnsetType = UNSET
    approved_by: str | UnsetType = UNSET
    diagnostics: list[Diagnostic]


class StatusOutput(ClusterOutput, frozen=True, gc=False, kw_only=True):
    """The ledger as it stands."""

    state_observations: StateObservations
    resource_digests: dict[str, str]
    resource_statuses: dict[str, StatusRecord]
    observations: dict[str, Observation]
    diagnostics: list[Diagnostic]


class RefreshOutput(ClusterOutput, frozen=True, gc=False, kw_only=True):
    """The ledger after it was rewritten from observation."""

    operation: Literal["refresh", "import"]
    state_observations: StateObservations
    resource_digests: dict[str, str]
    resource_statuses: dict[str, StatusRecord]
    observations: dict[str, Observation]
    diagnostics: list[Diagnostic]


class ForceUnlockOutput(ClusterOutput, frozen=True, gc=False, kw_only=True):
    """Whether a lock was removed."""

    state_observations: StateObservations
    lock_removed: bool
    diagnostics: list[Diagnostic]
