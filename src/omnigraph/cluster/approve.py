"""``cluster approve``: a person's consent to one change, on record before anything irreversible is done."""

from __future__ import annotations

from omnigraph.cluster.approval import VERSION, Approval
from omnigraph.cluster.change import GATE_REASON, Change, differences, gated
from omnigraph.cluster.clock import now
from omnigraph.cluster.declaration import read_declaration
from omnigraph.cluster.findings import Findings
from omnigraph.cluster.root import STATE_KEY
from omnigraph.cluster.session import Interruption, Session
from omnigraph.cluster.stored_document import write
from omnigraph.errors import OmnigraphError
from omnigraph.storage.ulid import new_ulid
from omnigraph.wire.cluster import ApproveOutput


def approve(config_dir: str, resource: str, approver: str, interruption: Interruption | None = None) -> ApproveOutput:
    """Write an approval for the pending change of a resource, if that change needs one."""
    findings = Findings()
    session = Session(read_declaration(config_dir, findings), findings, interruption)
    approval: Approval | None = None
    if findings.ok and session.usable:
        with session.locked("approve") as admitted:
            if admitted:
                approval = _approved(session, resource, approver)
    if approval is None or not findings.ok:
        return ApproveOutput(ok=findings.ok, config_dir=config_dir, diagnostics=findings.diagnostics)
    return ApproveOutput(
        ok=True,
        config_dir=config_dir,
        approval_id=approval.approval_id,
        resource=resource,
        operation=approval.operation,
        approved_by=approver,
        diagnostics=findings.diagnostics,
    )


def _approved(session: Session, resource: str, approver: str) -> Approval | None:
    findings = session.findings
    ledger = session.read()
    if ledger is None:
        if not session.before.found and findings.ok:
            message = "approve requires an existing state.json; run `cluster import` first"
            findings.error("state_missing", STATE_KEY, message)
        return None
    change = next((one for one in gated(differences(ledger, session.declaration)) if one.resource == resource), None)
    if change is None:
        message = "no pending change for this resource requires approval (check `cluster plan`)"
        findings.error("approval_not_required", resource, message)
        return None
    approval = _artifact(change, session.declaration.config_digest or "", approver)
    try:
        write(session.root, approval.key, approval)
    except OmnigraphError as error:
        findings.error("approval_write_error", approval.key, error.message)
        return None
    return approval


def _artifact(change: Change, config_digest: str, approver: str) -> Approval:
    return Approval(
        schema_version=VERSION,
        approval_id=new_ulid(),
        resource=change.resource,
        operation=change.operation,
        reason=GATE_REASON,
        bound_config_digest=config_digest,
        bound_before_digest=change.before,
        bound_after_digest=change.after,
        approved_by=approver,
        created_at=now(),
    )
