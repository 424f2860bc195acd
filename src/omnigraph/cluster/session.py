"""One run of a verb: what is declared, the ledger it read, the lock it holds, and what it has to say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from omnigraph.cluster.declaration import Declaration
from omnigraph.cluster.findings import Findings
from omnigraph.cluster.ledger import Ledger, ReadLedger, read_ledger
from omnigraph.cluster.lock import Lock, acquire, release
from omnigraph.cluster.root import LOCK_KEY, STATE_KEY, StorageRoot, usable
from omnigraph.wire.cluster import StateObservations

_UNLOCKED: Final = {
    "plan": "plan read state without acquiring the cluster state lock",
    "apply": "apply ran without acquiring the cluster state lock",
    "approve": "approve ran without acquiring the cluster state lock",
    "refresh": "refresh ran without acquiring the cluster state lock",
    "import": "import ran without acquiring the cluster state lock",
}


class Interruption:
    """A request to stop after the step in progress; a signal sets it, verbs look at it between steps."""

    def __init__(self) -> None:
        self.requested = False

    def request(self) -> None:
        self.requested = True


class Session:
    """The state of one run of a verb on one storage root."""

    def __init__(self, declaration: Declaration, findings: Findings, interruption: Interruption | None = None) -> None:
        self.declaration = declaration
        self.findings = findings
        self.interruption = interruption or Interruption()
        self.before = ReadLedger()
        root = declaration.root or StorageRoot(os.path.abspath(declaration.config_dir))  # noqa: PTH100 - lexically
        self.seen = StateObservations(state_path=root.display(STATE_KEY), lock_path=root.display(LOCK_KEY))

    @property
    def root(self) -> StorageRoot:
        root = self.declaration.root
        assert root is not None
        return root

    @property
    def usable(self) -> bool:
        """Whether there is a storage root to work on; a finding says why not."""
        return self.declaration.root is not None and usable(self.declaration.root, self.findings)

    @contextmanager
    def locked(self, operation: str) -> Iterator[bool]:
        """Hold the lock, if the declaration wants one; gives whether the verb may go on. It is given back at the end."""
        if not self.declaration.locks:
            message = f"state.lock is false; {_UNLOCKED[operation]}"
            self.findings.warning("state_lock_disabled", "state.lock", message)
            yield True
            return
        taken = acquire(self.root, operation, self.findings)
        if not isinstance(taken, Lock):
            if taken is not None:
                self.seen = taken.noted(self.seen)
            self.glance()
            yield False
            return
        self.seen = replace(self.seen, lock_acquired=True, acquired_lock_id=taken.lock_id)
        try:
            yield True
        finally:
            release(self.root, taken, self.findings)

    def read(self) -> Ledger | None:
        """Read the ledger; None when there is none, or none that can be understood, which is told."""
        self.before = read_ledger(self.root, self.findings)
        self.observe(self.before)
        return self.before.ledger

    def observe(self, found: ReadLedger) -> None:
        """Note what is known of a ledger."""
        ledger = found.ledger
        digest = None if ledger is None else ledger.config_digest
        self.seen = replace(
            self.seen,
            state_found=found.found,
            state_cas=UNSET if found.identity is None else found.identity,
            applied_config_digest=UNSET if digest is None else digest,
            state_revision=0 if ledger is None else ledger.revision,
            resource_count=0 if ledger is None else len(ledger.resources),
        )

    def glance(self) -> None:
        """See what the ledger is, for the observations alone: somebody else is at work on it."""
        self.observe(read_ledger(self.root, Findings()))
