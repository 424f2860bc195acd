"""Cleaning: word that a cleanup is deleting, for those who make a branch from an old state.

Both sides write first and look afterwards. A cleanup announces itself and then looks for branches that its plan does not know;
the maker of a branch puts the ref and then looks for an announcement. So one of the two sees the other: the cleanup keeps what
the branch needs, or the maker waits for its end and looks whether the state is still there.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Final

from omnigraph.errors import StorageError
from omnigraph.storage.names import CLEANING_PREFIX
from omnigraph.storage.objects import ObjectStore
from omnigraph.storage.ulid import new_ulid

STALE_S: Final = 3_600.0
"""An announcement that is older was left behind by a cleanup that was killed."""
WAIT_S: Final = 20.0
_POLL_S: Final = 0.05


@contextlib.contextmanager
def announced(store: ObjectStore) -> Iterator[None]:
    """Let others know that objects are being deleted, for as long as it lasts. Takes away what killed runs left."""
    key = CLEANING_PREFIX + new_ulid()
    store.put(key, b"")
    try:
        yield
    finally:
        with contextlib.suppress(StorageError):  # it is passed over when it is old
            store.delete(key)
            for item in store.list(CLEANING_PREFIX):
                if item.modified_s < time.time() - STALE_S:
                    store.delete(item.key)


def wait_for_end(store: ObjectStore) -> bool:
    """Wait until no cleanup deletes anything, for a while; return whether that came. One listing when there is none."""
    end_s = time.monotonic() + WAIT_S
    while any(item.modified_s >= time.time() - STALE_S for item in store.list(CLEANING_PREFIX)):
        if time.monotonic() > end_s:
            return False
        time.sleep(_POLL_S)
    return True
