"""The state lock: one object that only one verb at a time can create. No waiting, no expiry, no guess about who is alive."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from omnigraph.cluster.clock import age_seconds, now
from omnigraph.cluster.findings import Findings
from omnigraph.cluster.root import LOCK_KEY, StorageRoot
from omnigraph.errors import OmnigraphError
from omnigraph.storage.objects import ObjectExists, ObjectMissing, OutcomeUnknown
from omnigraph.storage.ulid import new_ulid
from omnigraph.wire.cluster import StateObservations

VERSION: Final = 1


class Lock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lock as it is stored."""

    version: int
    lock_id: str
    operation: str
    created_at: str
    pid: int


@dataclass(frozen=True, slots=True)
class SeenLock:
    """A lock that is there. ``lock`` is None when it cannot be understood; ``code`` and ``message`` then say why."""

    lock: Lock | None
    code: str = ""
    message: str = ""

    def noted(self, seen: StateObservations) -> StateObservations:
        """Return observations with what is known of this lock."""
        if self.lock is None:
            return replace(seen, locked=True)
        return replace(described(seen, self.lock), locked=True)


def described(seen: StateObservations, lock: Lock) -> StateObservations:
    """Return observations with the particulars of a lock."""
    age = age_seconds(lock.created_at)
    return replace(
        seen,
        lock_id=lock.lock_id,
        lock_operation=lock.operation,
        lock_created_at=lock.created_at,
        lock_pid=lock.pid,
        lock_age_seconds=UNSET if age is None else age,
    )


def acquire(root: StorageRoot, operation: str, findings: Findings) -> Lock | SeenLock | None:
    """Take the lock. Whoever holds it is returned instead; None when the store does not answer. Both are told."""
    lock = Lock(VERSION, new_ulid(), operation, now(), os.getpid())
    data = msgspec.json.format(msgspec.json.encode(lock), indent=2)
    try:
        root.store.put_new(LOCK_KEY, data)
        return lock
    except ObjectExists:
        pass
    except OutcomeUnknown as unknown:
        if _held_id(root) == lock.lock_id:
            return lock
        findings.error("state_lock_error", LOCK_KEY, unknown.message)
        return None
    except OmnigraphError as error:
        findings.error("state_lock_error", LOCK_KEY, error.message)
        return None
    held = observe(root)
    known = None if held is None else held.lock
    if known is None:
        message = "cluster state lock already exists; remove it only after confirming no cluster operation is active"
    else:
        message = (
            f"cluster state lock already exists (lock id {known.lock_id}); run `omnigraph cluster force-unlock "
            f"{known.lock_id}` only after confirming no cluster operation is active"
        )
    findings.error("state_lock_held", LOCK_KEY, message)
    return held or SeenLock(None)


def release(root: StorageRoot, lock: Lock, findings: Findings) -> None:
    """Give the lock back, unless it is somebody else's by now."""
    try:
        if _held_id(root) == lock.lock_id:
            root.store.delete(LOCK_KEY)
    except OmnigraphError as error:
        message = f"could not remove the lock; run `omnigraph cluster force-unlock {lock.lock_id}`: {error.message}"
        findings.error("state_lock_error", LOCK_KEY, message)


def observe(root: StorageRoot) -> SeenLock | None:
    """Look at the lock without taking it; None when there is none."""
    try:
        data = root.store.get(LOCK_KEY)
    except ObjectMissing:
        return None
    except OmnigraphError as error:
        return SeenLock(None, "state_lock_read_error", error.message)
    try:
        tree = msgspec.json.decode(data)
        version = tree.get("version") if isinstance(tree, dict) else None
        if isinstance(version, int) and version != VERSION:
            return SeenLock(None, "unsupported_state_lock_version", f"unsupported cluster state lock version {version}")
        return SeenLock(msgspec.convert(tree, Lock))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return SeenLock(None, "invalid_state_lock", f"could not parse state lock: {error}")


def _held_id(root: StorageRoot) -> str | None:
    held = observe(root)
    return None if held is None or held.lock is None else held.lock.lock_id
