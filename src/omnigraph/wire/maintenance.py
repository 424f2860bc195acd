"""What maintenance reports: `optimize`, `repair` and `cleanup`, one entry for each type."""

from __future__ import annotations

from typing import Literal

import msgspec

from omnigraph.wire.encoding import Shape

Classification = Literal["no_drift", "verified_maintenance", "suspicious", "unverifiable"]
RepairAction = Literal["no_op", "preview", "healed", "forced", "refused"]


class PendingIndex(Shape, frozen=True, gc=False):
    """An index that a property asks for and that is not there yet, and why."""

    property: str
    reason: str


class OptimizeTable(Shape, frozen=True, gc=False):
    """One type: how many stored pieces it had and has, if this run rewrote it (``committed``); else both are 0.

    ``skipped`` and the two versions are set for storage that drifts; ours cannot.
    """

    table_key: str
    fragments_removed: int
    fragments_added: int
    committed: bool
    skipped: str | None = None
    manifest_version: int | None = None
    lance_head_version: int | None = None
    pending_indexes: list[PendingIndex] = msgspec.field(default_factory=list)


class OptimizeOutput(Shape, frozen=True, gc=False):
    """The answer of `optimize`, sorted by ``table_key``."""

    uri: str
    tables: list[OptimizeTable]


class RepairTable(Shape, frozen=True, gc=False):
    """One type: both versions are its ``table_version``; ``error`` says what is damaged, ``operations`` what was made again."""

    table_key: str
    manifest_version: int
    lance_head_version: int
    classification: Classification
    action: RepairAction
    operations: list[str]
    error: str | None


class RepairOutput(Shape, frozen=True, gc=False):
    """The answer of `repair`, sorted by ``table_key``. ``manifest_version`` is null: nothing is published."""

    uri: str
    confirm: bool
    force: bool
    manifest_version: int | None
    tables: list[RepairTable]


class CleanupTable(Shape, frozen=True, gc=False):
    """One type: the bytes freed, and how many of its versions can no longer be read."""

    table_key: str
    bytes_removed: int
    old_versions_removed: int
    error: str | None


class CleanupOutput(Shape, frozen=True, gc=False):
    """The answer of `cleanup`, sorted by ``table_key``; the two bounds are null when they were not given."""

    uri: str
    keep_versions: int | None
    older_than_secs: int | None
    tables: list[CleanupTable]
