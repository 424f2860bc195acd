"""Copies of small tables that are far away, on a disk of this machine, for reading.

Over a network a lookup by index is a dozen reads one after the other, each a round trip. Here the files that it needs are
fetched whole and side by side. Files of tables never change, so a copy never gets old; it is removed when nobody reads it any
more.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from omnigraph.errors import StorageError
from omnigraph.storage.objects import ObjectStore

MIRRORED_BYTES_MAX: Final = 8 * 1024 * 1024
"""A table that is larger in all is read where it is."""
MIRRORED_ROWS_MAX: Final = 500_000
"""Of a table with more rows not even the size is asked."""
_TOTAL_BYTES_MAX: Final = 256 * 1024 * 1024
_PREFIX: Final = "omnigraph-tables-"
_FRESH_S: Final = 60.0
"""A younger directory may be that of a process that has not locked it yet."""


class MirrorFull(StorageError):
    """The copies of this process take as much room as they may."""

    kind = "mirror_full"

    def __init__(self) -> None:
        super().__init__("storage: there is no room for another copy of a table")


class TableMirror:
    """Copies of some files of one table. Safe to share between threads."""

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        """Copy objects whose keys start with ``prefix`` and a slash."""
        self._store = store
        self._prefix = prefix
        self._lock = threading.Lock()
        self._have: set[str] = set()
        self._copies: _Copies | None = None

    @property
    def path(self) -> str:
        """The directory that stands for the prefix."""
        assert self._copies is not None, "something has been fetched"
        return self._copies.path

    def fetch(self, keys: Sequence[str]) -> None:
        """Make sure that files are here: one round trip for all that are not. Raises StorageError, OSError."""
        with self._lock:
            missing = [key for key in keys if key not in self._have]
            if not missing:
                return
            if self._copies is None:
                self._copies = _Copies(_scratch())
                weakref.finalize(self, self._copies.remove)
            for key, data in zip(missing, self._store.get_many(missing), strict=True):
                if data is None:
                    raise StorageError(f"storage: object '{key}' not found", hint="run `omnigraph repair`")
                self._copies.add(key.removeprefix(f"{self._prefix}/"), data)
            self._have.update(missing)


class _Copies:
    """The directory of one mirror, and its share of the room."""

    def __init__(self, scratch: str) -> None:
        self.path = tempfile.mkdtemp(dir=scratch)
        self._size_bytes = 0

    def add(self, name: str, data: bytes) -> None:
        global _total_bytes
        with _total_lock:
            if _total_bytes + len(data) > _TOTAL_BYTES_MAX:
                raise MirrorFull()
            _total_bytes += len(data)
            self._size_bytes += len(data)
        file = Path(self.path, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def remove(self) -> None:
        global _total_bytes
        shutil.rmtree(self.path, ignore_errors=True)
        with _total_lock:
            _total_bytes -= self._size_bytes
            self._size_bytes = 0


_total_bytes = 0
_total_lock = threading.Lock()
_directory: tuple[int, str] | None = None  # the process that made it, and its path
_directory_lock = threading.Lock()


def _scratch() -> str:
    """Return the directory for the copies of this process; made at first use, removed at its end."""
    global _directory
    with _directory_lock:
        if _directory is None or _directory[0] != os.getpid():
            _sweep()
            path = tempfile.mkdtemp(prefix=_PREFIX)
            # Held until the process ends; those that clean up temporary directories look at such locks, too.
            fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
            _directory = os.getpid(), path
            atexit.register(remove_copies)
        return _directory[1]


def remove_copies() -> None:
    """Remove all copies of this process: for one that ends, and for no other."""
    if _directory is not None and _directory[0] == os.getpid():
        shutil.rmtree(_directory[1], ignore_errors=True)


def _sweep() -> None:
    """Remove what killed processes left behind: directories that nobody holds a lock on."""
    with contextlib.suppress(OSError):
        for found in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError):
                if time.time() - found.stat().st_mtime > _FRESH_S:
                    _remove_unlocked(found)


def _remove_unlocked(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory, ignore_errors=True)
    finally:
        os.close(descriptor)
