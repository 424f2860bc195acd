"""The state ledger: what was applied last, and the one publish point of the control plane.

It is replaced only while its bytes are the ones that were read (compare-and-set), so that no verb ever overwrites what another
one recorded, with the lock or without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from omnigraph.cluster import address
from omnigraph.cluster.digest import graph_digest, state_identity
from omnigraph.cluster.findings import Findings
from omnigraph.cluster.root import STATE_KEY, StorageRoot
from omnigraph.errors import OmnigraphError
from omnigraph.storage.objects import ObjectChanged, ObjectExists, ObjectMissing
from omnigraph.wire.cluster import StatusRecord

VERSION: Final = 1
Status = Literal["pending", "planned", "applying", "applied", "drifted", "blocked", "error"]
FreeForm = dict[str, dict[str, Any]]  # Any: JSON values, kept as found

_MANIFEST_NAMES: Final = ("manifest_version", "graph_manifest_version")


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One applied resource. ``applies_to`` are the scopes of a policy; old ledgers lack it."""

    digest: str
    applies_to: list[str] | None = None


class _Revision(msgspec.Struct, forbid_unknown_fields=True):
    config_digest: str | None = None
    resources: dict[str, Entry] = {}


class _StatusEntry(msgspec.Struct, forbid_unknown_fields=True):
    status: Status
    conditions: list[str] = []
    message: str | None = None


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    applied_revision: _Revision
    state_revision: int = 0
    resource_statuses: dict[str, _StatusEntry] = {}
    approval_records: FreeForm = {}
    recovery_records: FreeForm = {}
    observations: FreeForm = {}


@dataclass(slots=True)
class Ledger:
    """A ledger in memory; verbs change a copy of what they read and write it once."""

    revision: int = 0
    config_digest: str | None = None
    resources: dict[str, Entry] = field(default_factory=dict)
    statuses: dict[str, StatusRecord] = field(default_factory=dict)
    approval_records: FreeForm = field(default_factory=dict)
    recovery_records: FreeForm = field(default_factory=dict)
    observations: FreeForm = field(default_factory=dict)

    @property
    def digests(self) -> dict[str, str]:
        """Address to digest, ascending."""
        return {where: entry.digest for where, entry in sorted(self.resources.items())}

    @property
    def graph_ids(self) -> list[str]:
        """The applied graphs, ascending."""
        return sorted(where.partition(".")[2] for where in self.resources if address.kind_of(where) == "graph")

    def digest_of(self, where: str) -> str | None:
        entry = self.resources.get(where)
        return None if entry is None else entry.digest

    def composite(self, graph_id: str) -> str:
        """Return the digest of a graph that follows from the schema and the queries standing here."""
        prefix = address.query(graph_id, "")
        queries = {
            where.removeprefix(prefix): entry.digest for where, entry in self.resources.items() if where.startswith(prefix)
        }
        return graph_digest(graph_id, self.digest_of(address.schema(graph_id)), queries)

    def put(self, where: str, digest: str, applies_to: list[str] | None = None) -> None:
        self.resources[where] = Entry(digest, applies_to)

    def set_status(self, where: str, status: Status, condition: str | None = None, message: str | None = None) -> None:
        conditions: list[str] | UnsetType = UNSET if condition is None else [condition]
        self.statuses[where] = StatusRecord(status, conditions, UNSET if message is None else message)

    def drop(self, where: str) -> None:
        """Remove a resource with its status."""
        self.resources.pop(where, None)
        self.statuses.pop(where, None)

    def drop_graph(self, graph_id: str) -> None:
        """Remove a graph with its schema and its queries."""
        for where in [*self.resources, *self.statuses]:
            if address.graph_of(where) == graph_id:
                self.drop(where)

    def copy(self) -> Ledger:
        copied = parse(encode(self), Findings())
        assert copied is not None, "what was read is understood again"
        return copied

    def same_as(self, other: Ledger) -> bool:
        """Whether both hold the same, apart from the number of the revision."""
        return encode(self, revision=0) == encode(other, revision=0)


@dataclass(frozen=True, slots=True)
class ReadLedger:
    """What was found at the ledger's place. ``ledger`` is None when there is none, or none that can be understood."""

    data: bytes | None = None
    ledger: Ledger | None = None

    @property
    def found(self) -> bool:
        return self.data is not None

    @property
    def identity(self) -> str | None:
        return None if self.data is None else state_identity(self.data)


def read_ledger(root: StorageRoot, findings: Findings) -> ReadLedger:
    """Read the ledger; what keeps it from being understood is told, its absence is not."""
    try:
        data = root.store.get(STATE_KEY)
    except ObjectMissing:
        return ReadLedger()
    except OmnigraphError as error:
        findings.error("state_read_error", STATE_KEY, error.message)
        return ReadLedger()
    return ReadLedger(data, parse(data, findings))


def parse(data: bytes, findings: Findings) -> Ledger | None:
    """Understand a ledger completely or not at all."""
    try:
        tree = msgspec.json.decode(data)
        version = tree.get("version") if isinstance(tree, dict) else None
        if isinstance(version, int) and not isinstance(version, bool) and version != VERSION:
            message = f"unsupported cluster state version {version}; this build supports version {VERSION}"
            findings.error("unsupported_state_version", "state.version", message)
            return None
        document = msgspec.convert(tree, _Document)
        if document.state_revision < 0:
            raise msgspec.ValidationError("Expected `int` >= 0 - at `$.state_revision`")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        findings.error("invalid_state_json", STATE_KEY, f"could not parse state JSON: {error}")
        return None
    for where, observation in document.observations.items():
        versions = {observation[name] for name in _MANIFEST_NAMES if isinstance(observation.get(name), int)}
        if len(versions) > 1:
            message = "the observation gives two different manifest versions"
            findings.error("conflicting_graph_manifest_observation", where, message)
            return None
    statuses = {
        where: StatusRecord(one.status, one.conditions or UNSET, UNSET if one.message is None else one.message)
        for where, one in document.resource_statuses.items()
    }
    return Ledger(
        document.state_revision,
        document.applied_revision.config_digest,
        document.applied_revision.resources,
        statuses,
        document.approval_records,
        document.recovery_records,
        document.observations,
    )


def encode(ledger: Ledger, *, revision: int | None = None) -> bytes:
    """Return the bytes of a ledger."""
    document = {
        "version": VERSION,
        "state_revision": ledger.revision if revision is None else revision,
        "applied_revision": {
            "config_digest": ledger.config_digest,
            "resources": dict(sorted(ledger.resources.items())),
        },
        "resource_statuses": dict(sorted(ledger.statuses.items())),
        "approval_records": dict(sorted(ledger.approval_records.items())),
        "recovery_records": dict(sorted(ledger.recovery_records.items())),
        "observations": dict(sorted(ledger.observations.items())),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def write_ledger(root: StorageRoot, ledger: Ledger, before: ReadLedger, findings: Findings) -> ReadLedger | None:
    """Put a ledger in the place of the one that was read; None, with a finding, when it is not written."""
    data = encode(ledger)
    try:
        if before.data is None:
            root.store.put_new(STATE_KEY, data)
        else:
            root.store.replace(STATE_KEY, data, expected=before.data)
    except (ObjectExists, ObjectChanged):
        message = "state.json changed while the command was running; re-run the command against the latest state"
        findings.error("state_cas_mismatch", STATE_KEY, message)
        return None
    except OmnigraphError as error:
        if _is_there(root, data):  # the answer was lost, not the write
            return ReadLedger(data, ledger)
        findings.error("state_write_error", STATE_KEY, error.message)
        return None
    return ReadLedger(data, ledger)


def _is_there(root: StorageRoot, data: bytes) -> bool:
    try:
        return root.store.get(STATE_KEY) == data
    except OmnigraphError:
        return False
