"""``cluster validate`` and ``cluster plan``: what is declared, and what applying it would change. Nothing is written."""

from __future__ import annotations

from msgspec import UNSET

from omnigraph.cluster import address, engine
from omnigraph.cluster.approval import Approvals, read_approvals
from omnigraph.cluster.change import Change, Circumstances, blast_radius, classify, differences, gated, gates
from omnigraph.cluster.declaration import Declaration, read_declaration
from omnigraph.cluster.findings import Findings
from omnigraph.cluster.ledger import Ledger
from omnigraph.cluster.parallel import each
from omnigraph.cluster.root import StorageRoot
from omnigraph.cluster.session import Interruption, Session
from omnigraph.cluster.sidecar import warn_of_pending
from omnigraph.errors import OmnigraphError
from omnigraph.wire.cluster import DesiredRevision, PlanOutput, ValidateOutput


def validate(config_dir: str) -> ValidateOutput:
    """Check a declaration. Touches no storage."""
    findings = Findings()
    declaration = read_declaration(config_dir, findings)
    return ValidateOutput(
        ok=findings.ok,
        config_dir=config_dir,
        config_file=declaration.config_file,
        resource_digests=declaration.digests,
        resources=declaration.resources,
        dependencies=declaration.dependencies,
        diagnostics=findings.diagnostics,
    )


def desired_revision(declaration: Declaration) -> DesiredRevision:
    digest = declaration.config_digest
    return DesiredRevision(UNSET if digest is None else digest)


def plan(config_dir: str, interruption: Interruption | None = None) -> PlanOutput:
    """Compare a declaration with the ledger. Takes the lock, writes nothing else, opens graphs to preview migrations only."""
    findings = Findings()
    declaration = read_declaration(config_dir, findings)
    session = Session(declaration, findings, interruption)
    changes: list[Change] = []
    approvals = Approvals()
    if findings.ok and session.usable:
        with session.locked("plan") as admitted:
            if admitted:
                warn_of_pending(session.root, findings)
                ledger = session.read() or (None if session.before.found or not findings.ok else Ledger())
                if ledger is not None:
                    changes, approvals = _compared(session, ledger)
    digest = declaration.config_digest

    def is_approved(change: Change) -> bool:
        return approvals.valid_for(change, digest) is not None

    return PlanOutput(
        ok=findings.ok,
        config_dir=config_dir,
        desired_revision=desired_revision(declaration),
        resource_digests=declaration.digests,
        dependencies=declaration.dependencies,
        state_observations=session.seen,
        changes=[change.output() for change in changes],
        blast_radius=blast_radius(changes, declaration.dependencies),
        approvals_required=gates(changes, is_approved),
        diagnostics=findings.diagnostics,
    )


def _compared(session: Session, ledger: Ledger) -> tuple[list[Change], Approvals]:
    declaration, findings = session.declaration, session.findings
    changes = differences(ledger, declaration)
    approvals = read_approvals(session.root, ledger.approval_records, findings)
    approvals.warn_of_stale(gated(changes), declaration.config_digest, findings)
    circumstances = Circumstances.of(
        changes,
        declaration.bindings,
        (),
        lambda change: approvals.valid_for(change, declaration.config_digest) is not None,
    )
    classify(changes, circumstances)
    _preview(session.root, declaration, changes, findings)
    return changes, approvals


def _preview(root: StorageRoot, declaration: Declaration, changes: list[Change], findings: Findings) -> None:
    """Embed the migration of every schema that is to change."""
    updates = [one for one in changes if one.operation == "update" and address.kind_of(one.resource) == "schema"]

    def look(change: Change) -> engine.Preview | OmnigraphError:
        graph_id = change.resource.partition(".")[2]
        catalog = declaration.schemas[graph_id].catalog
        assert catalog is not None, "a declaration with a broken schema is not planned"
        try:
            with engine.opened(root.graph_uri(graph_id)) as graph:
                return engine.preview(graph, catalog)
        except OmnigraphError as error:
            return error

    for change, outcome in zip(updates, each(look, updates), strict=True):
        reason = None
        if isinstance(outcome, OmnigraphError):
            reason = outcome.message
        else:
            change.migration = {"supported": outcome.supported, "steps": outcome.steps}
            reason = outcome.refusal
        if reason is not None:
            message = f"could not preview the schema migration: {reason}"
            findings.warning("schema_preview_unavailable", change.resource, message)
