"""Recovery sidecars: one note for each step that moves a graph, there before the step and gone after it is on record."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from omnigraph.cluster.findings import Findings
from omnigraph.cluster.root import RECOVERIES, StorageRoot, is_name
from omnigraph.cluster.stored_document import read_all, write
from omnigraph.errors import OmnigraphError

VERSION: Final = 1
SidecarKind = Literal["graph_create", "schema_apply", "graph_delete"]


class Sidecar(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A step that was begun."""

    schema_version: int
    operation_id: str
    started_at: str
    actor: str | None = None
    kind: SidecarKind
    graph_id: str
    graph_uri: str
    observed_manifest_version: int | None = None
    expected_manifest_version: int | None = None
    desired_schema_digest: str
    state_cas_base: str | None = None
    approval_id: str | None = None

    @property
    def key(self) -> str:
        return f"{RECOVERIES}{self.operation_id}.json"


def pending_keys(root: StorageRoot, findings: Findings) -> list[str]:
    """Return the keys of all sidecars, ascending, whatever they hold."""
    try:
        return root.documents(RECOVERIES)
    except OmnigraphError as error:
        findings.warning("recovery_sidecar_read_error", RECOVERIES.rstrip("/"), error.message)
        return []


def warn_of_pending(root: StorageRoot, findings: Findings) -> None:
    """Tell of every sidecar, without acting on it."""
    for key in pending_keys(root, findings):
        message = "a recovery sidecar from an interrupted apply is pending; run `omnigraph cluster apply` to recover"
        findings.warning("cluster_recovery_pending", key, message)


def read_sidecars(root: StorageRoot, findings: Findings) -> list[tuple[str, Sidecar]]:
    """Return every sidecar that can be understood with its key, by ascending name."""
    codes = ("recovery_sidecar_read_error", "invalid_recovery_sidecar", "unsupported_recovery_sidecar_version")
    found = []
    for key, sidecar in read_all(root, pending_keys(root, findings), Sidecar, VERSION, codes, findings):
        if all(map(is_name, (sidecar.graph_id or "-", sidecar.operation_id))):
            found.append((key, sidecar))
        else:
            findings.warning("invalid_recovery_sidecar", key, "the file names no graph that could be here; it is left in place")
    return found


def write_sidecar(root: StorageRoot, sidecar: Sidecar, findings: Findings) -> bool:
    """Write or rewrite a sidecar; a finding says why it could not be."""
    try:
        write(root, sidecar.key, sidecar)
        return True
    except OmnigraphError as error:
        findings.error("recovery_sidecar_write_error", sidecar.key, error.message)
        return False
