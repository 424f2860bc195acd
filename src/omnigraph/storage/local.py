"""Objects as files of a local directory, durable before a put returns.

obstore's local store neither syncs nor is fast at it: an unnamed file that is linked under its name takes one sync of
the file and one of its directory, and three syscalls less than a rename.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from omnigraph.errors import StorageError
from omnigraph.storage.objects import ObjectChanged, ObjectExists, ObjectInfo, ObjectMissing, ReadCounters

_DIRECTORY_HANDLES_MAX = 64
TEMPORARY_PREFIX = "~tmp-"
_NO_UNNAMED_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL, errno.ENOSYS}


class LocalStore:
    """An `ObjectStore` over one directory. ``fsync`` off is for throw-away graphs: commits may be lost with the power."""

    def __init__(self, root: Path, *, fsync: bool = True) -> None:
        self._root = os.fspath(root)
        self._fsync = fsync
        self._unnamed_files = hasattr(os, "O_TMPFILE") and Path("/proc/self/fd").is_dir()
        self.counters = ReadCounters()
        self._directories: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def uri(self) -> str:
        return self._root

    @property
    def is_remote(self) -> bool:
        return False

    @property
    def library_options(self) -> Mapping[str, str]:
        return {}

    def path(self, key: str) -> str:
        """Return the file behind a key."""
        return f"{self._root}/{key}"

    def get(self, key: str) -> bytes:
        try:
            with open(self.path(key), "rb", buffering=0) as file:
                data = file.read()
        except (FileNotFoundError, NotADirectoryError):
            raise ObjectMissing(key) from None
        except OSError as error:
            raise _mapped(error, f"reading '{key}'") from error
        self.counters.add(len(data))
        return data

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        found: list[bytes | None] = []
        for key in keys:
            try:
                found.append(self.get(key))
            except ObjectMissing:
                found.append(None)
        return found

    def get_range(self, key: str, offset: int, size_bytes: int) -> bytes:
        try:
            with open(self.path(key), "rb") as file:
                file.seek(offset)
                data = file.read(size_bytes)
        except (FileNotFoundError, NotADirectoryError):
            raise ObjectMissing(key) from None
        except OSError as error:
            raise _mapped(error, f"reading '{key}'") from error
        if len(data) != size_bytes:
            raise StorageError(f"storage: object '{key}' ends before byte {offset + size_bytes}; run `omnigraph repair`")
        self.counters.add(len(data))
        return data

    def exists(self, key: str) -> bool:
        try:
            os.stat(self.path(key))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise _mapped(error, f"reading '{key}'") from error
        return True

    def appeared(self, key: str) -> bool:
        # A third of what `os.stat` costs for a file that is not there: no exception is made.
        return os.access(f"{self._root}/{key}", os.F_OK)

    def put_new(self, key: str, data: bytes) -> None:
        directory, name = self.path(key).rsplit("/", 1)
        try:
            try:
                self._put_new(directory, name, data)
            except FileNotFoundError:
                # The directory was removed and made again since its handle was opened (a new graph in an old place).
                self._forget(directory)
                self._put_new(directory, name, data)
        except FileExistsError:
            raise ObjectExists(key) from None
        except OSError as error:
            raise _mapped(error, f"writing '{key}'") from error

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # the interpreter may be on its way out
            self.close()

    def _put_new(self, directory: str, name: str, data: bytes) -> None:
        with self._directory(directory) as handle:
            if not (self._unnamed_files and self._link_unnamed(directory, handle, name, data)):
                self._link_named(directory, name, data)
            if self._fsync:
                os.fsync(handle)

    def put_unique(self, key: str, data: bytes) -> None:
        self.put_new(key, data)

    def before_write(self) -> None:
        """Nothing to check: exclusive links are what file systems do."""

    def put(self, key: str, data: bytes, *, durable: bool = False) -> None:
        path = self.path(key)
        directory, name = path.rsplit("/", 1)
        temporary = f"{directory}/{TEMPORARY_PREFIX}{os.getpid()}-{threading.get_ident()}-{name[-40:]}"
        try:
            self._make_directories(directory)
            with open(temporary, "wb", buffering=0) as file:
                file.write(data)
                if durable and self._fsync:
                    os.fdatasync(file.fileno())
            os.replace(temporary, path)
            if durable and self._fsync:
                _sync_path(directory)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise _mapped(error, f"writing '{key}'") from error

    def replace(self, key: str, data: bytes, *, expected: bytes) -> None:
        import fcntl

        directory = self.path(key).rpartition("/")[0]
        try:
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            raise ObjectChanged(key) from None
        except OSError as error:
            raise _mapped(error, f"writing '{key}'") from error
        try:
            # Whoever replaces objects of this directory waits here, so nothing comes between the look and the rename.
            fcntl.flock(handle, fcntl.LOCK_EX)
            if self.get(key) != expected:
                raise ObjectChanged(key)
            self.put(key, data, durable=True)
        except ObjectMissing:
            raise ObjectChanged(key) from None
        except OSError as error:
            raise _mapped(error, f"writing '{key}'") from error
        finally:
            os.close(handle)

    def put_hint(self, key: str, data: bytes) -> None:
        # In place: replacing a file makes some file systems flush it first, which costs milliseconds.
        path = self.path(key)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        except OSError as error:
            raise _mapped(error, f"writing '{key}'") from error
        try:
            os.pwrite(descriptor, data, 0)
        except OSError as error:
            raise _mapped(error, f"writing '{key}'") from error
        finally:
            os.close(descriptor)

    def delete(self, key: str) -> None:
        try:
            os.unlink(self.path(key))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise _mapped(error, f"deleting '{key}'") from error

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        pending = [prefix.rstrip("/")]
        while pending:
            directory = pending.pop()
            try:
                entries = list(os.scandir(self.path(directory) if directory else self._root))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise _mapped(error, f"listing '{directory}'") from error
            for entry in entries:
                key = f"{directory}/{entry.name}" if directory else entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending.append(key)
                    continue
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    continue  # deleted between the listing and this look
                yield ObjectInfo(key, status.st_size, status.st_mtime)

    def sync_tree(self, prefix: str, newer_than_s: float) -> None:
        if not self._fsync:
            return
        # Directory times have the resolution of the kernel's tick, so a margin is taken off.
        threshold = newer_than_s - 1.0
        pending = [self.path(prefix.rstrip("/"))]
        try:
            while pending:
                directory = pending.pop()
                changed = False
                # What vanishes between the listing and the look is a temporary file of another process, or was cleaned up.
                with contextlib.suppress(FileNotFoundError):
                    for entry in os.scandir(directory):
                        with contextlib.suppress(FileNotFoundError):
                            if entry.is_dir(follow_symlinks=False):
                                pending.append(entry.path)
                                changed = changed or entry.stat().st_mtime >= threshold
                            elif entry.stat().st_mtime >= threshold:
                                changed = True
                                _sync_path(entry.path)
                    if changed:
                        _sync_path(directory)
        except OSError as error:
            raise _mapped(error, f"syncing '{prefix}'") from error

    def close(self) -> None:
        """Release the directory handles. The store can be used again; it opens what it needs."""
        with self._lock:
            handles, self._directories = list(self._directories.values()), {}
        for handle in handles:
            os.close(handle)

    @contextlib.contextmanager
    def _directory(self, directory: str) -> Iterator[int]:
        """Give an open handle of a directory, making it (and its parents, durably) where it is missing."""
        handle = self._directories.get(directory)
        if handle is not None:
            yield handle
            return
        with self._lock:
            self._make_directories(directory)
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            kept = directory not in self._directories and len(self._directories) < _DIRECTORY_HANDLES_MAX
            if kept:
                self._directories[directory] = handle
        try:
            yield handle
        finally:
            if not kept:
                os.close(handle)

    def _forget(self, directory: str) -> None:
        with self._lock:
            self._directories.pop(directory, None)  # left open: another thread may be about to use it

    def _make_directories(self, directory: str) -> None:
        missing = []
        while not os.path.isdir(directory):
            missing.append(directory)
            directory = os.path.dirname(directory)
        for path in reversed(missing):
            with contextlib.suppress(FileExistsError):
                os.mkdir(path)
            if self._fsync:
                _sync_path(os.path.dirname(path))

    def _link_unnamed(self, directory: str, handle: int, name: str, data: bytes) -> bool:
        try:
            descriptor = os.open(directory, os.O_WRONLY | os.O_TMPFILE, 0o644)
        except OSError as error:
            if error.errno not in _NO_UNNAMED_FILES:
                raise
            self._unnamed_files = False
            return False
        try:
            _write_all(descriptor, data)
            if self._fsync:
                os.fdatasync(descriptor)
            os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=handle, follow_symlinks=True)
        finally:
            os.close(descriptor)
        return True

    def _link_named(self, directory: str, name: str, data: bytes) -> None:
        temporary = f"{directory}/{TEMPORARY_PREFIX}{os.getpid()}-{threading.get_ident()}-{name[-40:]}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            try:
                _write_all(descriptor, data)
                if self._fsync:
                    os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            os.link(temporary, f"{directory}/{name}")
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def _sync_path(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mapped(error: OSError, doing: str) -> StorageError:
    hint = {
        errno.ENOSPC: "free some space; nothing was committed",
        errno.EACCES: "check the permissions of the graph's directory",
        errno.EROFS: "the graph can be read here but not written",
    }.get(error.errno or 0)
    return StorageError(f"storage: {doing}: {error.strerror or error}", hint=hint)
