"""Upkeep: folding and gathering, beside the work of an open graph and never in its way."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from omnigraph.errors import NotFound, OmnigraphError
from omnigraph.graph.branch import BranchHead
from omnigraph.storage.cut import Cut
from omnigraph.storage.log import Log
from omnigraph.storage.tail import TAIL_RECORDS_MAX

if TYPE_CHECKING:
    from omnigraph.storage.fold import OpenTable

LOOK_BYTES: Final = 64 * 1024
LOOK_EVERY: Final = 64
QUIET_S: Final = 0.05
HURRY_S: Final = 1.0
PATIENCE: Final = 16
"""A fold that is due waits until nobody has committed for a moment, for a second at most, and not behind a tail that is so many
times as long as it should be: folds are not to run back to back, nor beside a burst that will be over soon."""

_logger = logging.getLogger(__name__)


def tail_records(cut: Cut) -> int:
    """Return how many commits the tail spans; so many records at most."""
    return cut.tail[-1].step - cut.tail[0].step + 1 if cut.tail else 0


def fold_branch(log: Log, branch: BranchHead, open_table: OpenTable) -> bool:
    """Fold what has grown past its bounds on a branch. Returns whether a new base was published.

    A bulk write that lands meanwhile makes the work void; the files it leaves behind are nobody's and go with a cleanup.
    """
    from omnigraph.storage.fold import fold_tables, types_to_fold
    from omnigraph.storage.history import gather

    cut = branch.known.cut  # whether it is the newest is found out when the fold is published
    due = types_to_fold(cut, tail_records(cut))
    if not due:
        return False
    folded = fold_tables(log.store, cut, due, open_table)
    if not branch.publish_fold(cut, folded):
        return False
    position = cut.entry.position
    if position.branch_id == branch.branch_id:
        gather(log, branch.branch_id, position.seq)
    return True


class Upkeep:
    """One background thread of an open graph. Errors are logged: nothing that a user asked for depends on it."""

    def __init__(self, log: Log, open_table: OpenTable, rebase: Callable[[BranchHead], None]) -> None:
        self._log = log
        self._open_table = open_table
        self._rebase = rebase
        self._queue: queue.SimpleQueue[BranchHead | None] = queue.SimpleQueue()
        self._waiting: set[str] = set()
        self._committed_s: dict[str, float] = {}
        self._looked: dict[str, int] = {}  # length of the tail when it was last looked at
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def after_commit(self, branch: BranchHead, cut: Cut) -> None:
        """Note a commit; cheap. Starts a fold in the background when one may be due."""
        # The exact bounds are looked at by the thread; here a few integers say whether a look can be worth it.
        self._committed_s[branch.name] = time.monotonic()
        items = len(cut.tail)
        looked = self._looked.get(branch.name, 0)
        heavy = cut.entry.size_bytes >= LOOK_BYTES and not cut.record.carried
        if not heavy and looked <= items < looked + LOOK_EVERY and tail_records(cut) <= TAIL_RECORDS_MAX:
            return
        self._looked[branch.name] = items
        with self._lock:
            if branch.name in self._waiting:
                return
            self._waiting.add(branch.name)
            self._queue.put(branch)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="omnigraph-upkeep", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Wait for the work that is under way or waiting."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._closing.set()
            self._queue.put(None)
            thread.join()
            self._closing.clear()

    def _run(self) -> None:
        while (branch := self._queue.get()) is not None:
            try:
                self._await_quiet(branch)
                with self._lock:
                    self._waiting.discard(branch.name)
                fold_branch(self._log, branch, self._open_table)
                self._rebase(branch)
            except NotFound:
                continue  # the branch was deleted meanwhile, and its rows with it
            except OmnigraphError as error:
                _logger.warning("upkeep of branch %s was put off: %s", branch.name, error)
            except Exception:
                _logger.exception("upkeep of branch %s failed", branch.name)

    def _await_quiet(self, branch: BranchHead) -> None:
        """Wait for the moment to fold, if a fold is due."""
        from omnigraph.storage.fold import types_to_fold

        end_s = time.monotonic() + HURRY_S
        while time.monotonic() < end_s and time.monotonic() - self._committed_s[branch.name] < QUIET_S:
            cut = branch.known.cut
            commits = tail_records(cut)
            if not types_to_fold(cut, commits) or types_to_fold(cut, commits, PATIENCE) or self._closing.wait(QUIET_S):
                return
