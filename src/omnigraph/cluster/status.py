"""``cluster status`` and ``cluster force-unlock``: the ledger and its lock, looked at without touching either first."""

from __future__ import annotations

from omnigraph.cluster.catalog import tell, verify
from omnigraph.cluster.declaration import read_header
from omnigraph.cluster.findings import Findings
from omnigraph.cluster.ledger import Ledger
from omnigraph.cluster.lock import described, observe
from omnigraph.cluster.root import LOCK_KEY, STATE_KEY
from omnigraph.cluster.session import Session
from omnigraph.cluster.sidecar import warn_of_pending
from omnigraph.errors import OmnigraphError
from omnigraph.wire.cluster import ForceUnlockOutput, StatusOutput


def status(config_dir: str) -> StatusOutput:
    """Report what is on record. Takes no lock and writes nothing."""
    findings = Findings()
    session = Session(read_header(config_dir, findings), findings)
    ledger: Ledger | None = None
    if findings.ok and session.usable:
        held = observe(session.root)
        if held is not None:
            session.seen = held.noted(session.seen)
            if held.lock is None:
                findings.warning(held.code, LOCK_KEY, held.message)
        warn_of_pending(session.root, findings)
        ledger = session.read()
        if ledger is not None:
            tell(verify(session.root, ledger), findings)
        elif not session.before.found and findings.ok:
            message = "state.json is missing; no applied cluster revision has been recorded"
            findings.warning("state_missing", STATE_KEY, message)
    ledger = ledger or Ledger()
    return StatusOutput(
        ok=findings.ok,
        config_dir=config_dir,
        state_observations=session.seen,
        resource_digests=ledger.digests,
        resource_statuses=dict(sorted(ledger.statuses.items())),
        observations=dict(sorted(ledger.observations.items())),
        diagnostics=findings.diagnostics,
    )


def force_unlock(config_dir: str, lock_id: str) -> ForceUnlockOutput:
    """Remove the lock if it is the one that was named; any other stays."""
    findings = Findings()
    session = Session(read_header(config_dir, findings), findings)
    removed = False
    if findings.ok and session.usable:
        removed = _unlock(session, lock_id)
    return ForceUnlockOutput(
        ok=findings.ok,
        config_dir=config_dir,
        state_observations=session.seen,
        lock_removed=removed,
        diagnostics=findings.diagnostics,
    )


def _unlock(session: Session, lock_id: str) -> bool:
    findings = session.findings
    held = observe(session.root)
    session.glance()
    if held is None:
        findings.error("state_lock_missing", LOCK_KEY, "no cluster state lock is present")
        return False
    if held.lock is None:
        session.seen = held.noted(session.seen)
        findings.error(held.code, LOCK_KEY, held.message)
        return False
    if held.lock.lock_id != lock_id:
        session.seen = held.noted(session.seen)
        message = f"lock id mismatch: held lock is {held.lock.lock_id}, refusing to remove it for '{lock_id}'"
        findings.error("state_lock_id_mismatch", LOCK_KEY, message)
        return False
    session.seen = described(session.seen, held.lock)
    try:
        session.root.store.delete(LOCK_KEY)
    except OmnigraphError as error:
        session.seen = held.noted(session.seen)
        findings.error("state_lock_error", LOCK_KEY, error.message)
        return False
    return True
