"""Objects under a prefix of an S3 bucket, over obstore.

Retries are our own. A library that repeats a conditional put whose answer was lost is told that the object exists, and takes
its own success for somebody else's; here such a put is settled by reading the object back, for no two objects have equal bytes.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

from omnigraph.errors import ConditionalWritesMissing, OutcomeUnknown, StorageError
from omnigraph.storage.names import PROBE
from omnigraph.storage.objects import ObjectChanged, ObjectExists, ObjectInfo, ObjectMissing, ReadCounters
from omnigraph.storage.s3_failure import Failure, failure_of
from omnigraph.storage.s3_settings import (
    ATTEMPTS_MAX,
    BACKOFF_FIRST_S,
    BACKOFF_MAX_S,
    CONNECT_ATTEMPTS_MAX,
    S3Address,
    S3Settings,
)
from omnigraph.storage.ulid import new_ulid

PARALLEL_MAX: Final = 32
"""Requests of one store that are under way at a time, as far as `S3Store.get_many` starts them."""
LARGE_BYTES: Final = 1024 * 1024
"""A store may take its time over a larger object before it answers."""
MULTIPART_BYTES: Final = 16 * 1024 * 1024
"""A larger object under a key of its own is written in parts of `PART_BYTES`."""
PART_BYTES: Final = 8 * 1024 * 1024
_NO_TAG: Final = '"00000000000000000000000000000000"'
_LIST_CHUNK: Final = 1_000

_T = TypeVar("_T")


class _Failed(Exception):
    """A request failed for good. ``in_doubt`` says that one of its attempts may have been carried out all the same."""

    def __init__(self, failure: Failure, *, in_doubt: bool) -> None:
        super().__init__(failure.reason)
        self.failure = failure
        self.in_doubt = in_doubt


class S3Store:
    """An `ObjectStore` over one prefix. Safe to share between threads."""

    def __init__(self, address: S3Address, settings: S3Settings) -> None:
        self._address = address
        self._settings = settings
        self.counters = ReadCounters()
        self._store = _open(address, settings)
        self._bulk: Any = None  # Any: obstore has types for checkers only
        self._threads: ThreadPoolExecutor | None = None
        self._probed = self._probed_replacing = False
        self._lock = threading.Lock()
        self._probe_lock = threading.Lock()
        self._hints: dict[str, bytes] = {}
        self._hinting: Future[None] | None = None

    def __repr__(self) -> str:
        return f"S3Store({self.uri!r})"

    @property
    def uri(self) -> str:
        return self._address.uri

    @property
    def is_remote(self) -> bool:
        return True

    @property
    def library_options(self) -> Mapping[str, str]:
        return self._settings.lance_options(self._address.bucket)

    # --- reading -------------------------------------------------------------------------------------------------------

    def get(self, key: str) -> bytes:
        data = self._read(key, lambda: bytes(self._store.get(key).bytes()))
        self.counters.add(len(data))
        return data

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        if len(keys) < 2:
            return [self._get_or_none(key) for key in keys]
        return list(self._pool().map(self._get_or_none, keys))

    def get_range(self, key: str, offset: int, size_bytes: int) -> bytes:
        data = self._read(key, lambda: bytes(self._store.get_range(key, start=offset, length=size_bytes)))
        if len(data) != size_bytes:
            raise StorageError(f"storage: object '{key}' ends before byte {offset + size_bytes}; run `omnigraph repair`")
        self.counters.add(len(data))
        return data

    def exists(self, key: str) -> bool:
        try:
            self._read(key, lambda: self._store.head(key))
        except ObjectMissing:
            return False
        return True

    def appeared(self, key: str) -> bool:
        return self.exists(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        def listing() -> list[ObjectInfo]:
            return [
                ObjectInfo(item["path"], item["size"], item["last_modified"].timestamp(), item["e_tag"] or "")
                for chunk in self._store.list(prefix.rstrip("/") or None, chunk_size=_LIST_CHUNK)
                for item in chunk
            ]

        yield from self._read(prefix, listing, "listing")

    # --- writing -------------------------------------------------------------------------------------------------------

    def put_new(self, key: str, data: bytes) -> None:
        self.before_write()
        self._put_new(key, data)

    def put_unique(self, key: str, data: bytes) -> None:
        if len(data) <= MULTIPART_BYTES:
            self.put_new(key, data)
            return
        self.before_write()
        store = self._store_for(data)
        self._write(key, lambda: store.put(key, data, use_multipart=True, chunk_size=PART_BYTES))

    def put(self, key: str, data: bytes, *, durable: bool = False) -> None:
        self.before_write()
        self._write(key, lambda: self._store.put(key, data, use_multipart=False))

    def replace(self, key: str, data: bytes, *, expected: bytes) -> None:
        self.before_write()
        with self._probe_lock:
            self._probe_replacing()

        def look() -> tuple[bytes, str]:
            found = self._store.get(key)
            return bytes(found.bytes()), found.meta["e_tag"]

        try:
            stored, tag = self._read(key, look)
        except ObjectMissing:
            raise ObjectChanged(key) from None
        if stored != expected:
            raise ObjectChanged(key)
        try:
            self._attempts(lambda: self._store.put(key, data, mode={"e_tag": tag}, use_multipart=False))
        except _Failed as failed:
            if failed.in_doubt:
                self._settle(key, data, failed.failure, ObjectChanged)
            elif failed.failure.nature in ("changed", "missing"):
                raise ObjectChanged(key) from None
            else:
                raise failed.failure.error(self._settings, f"writing '{key}'") from None

    def put_hint(self, key: str, data: bytes) -> None:
        # A hint must not cost its writer a round trip: it goes in the background, and only the newest of several.
        with self._lock:
            self._hints[key] = data
            if self._hinting is None:
                self._hinting = self._pool_locked().submit(self._write_hints)

    def delete(self, key: str) -> None:
        with contextlib.suppress(ObjectMissing):
            self._read(key, lambda: self._store.delete(key), "deleting")

    def sync_tree(self, prefix: str, newer_than_s: float) -> None:
        """Nothing to do: what the store has acknowledged is kept."""

    def close(self) -> None:
        """Wait for hints that are under way. The store can be used again."""
        with self._lock:
            hinting, threads = self._hinting, self._threads
            self._threads = None
        if hinting is not None:
            hinting.result()
        if threads is not None:
            threads.shutdown()

    def before_write(self) -> None:
        if not self._probed:
            with self._probe_lock:
                self._probe()

    # --- inside --------------------------------------------------------------------------------------------------------

    def _probe(self) -> None:
        """Find out whether the store refuses to overwrite: once per object, with one request where it was done before."""
        if self._probed:
            return
        try:
            if self._probe_is_new() and self._probe_is_new():
                self.delete(PROBE)
                raise ConditionalWritesMissing(self.uri)
        except _Failed as failed:
            if failed.failure.status in (400, 405, 501):
                raise ConditionalWritesMissing(self.uri) from None
            raise failed.failure.error(self._settings, f"writing to '{self.uri}'") from None
        self._probed = True

    def _probe_replacing(self) -> None:
        """Find out whether the store refuses to replace what has changed: once per object, with one request."""
        if self._probed_replacing:
            return
        data = f"conditional writes are checked with this object; it may be deleted {new_ulid()}\n".encode()
        try:
            self._attempts(lambda: self._store.put(PROBE, data, mode={"e_tag": _NO_TAG}, use_multipart=False))
        except _Failed as failed:
            if failed.failure.nature not in ("changed", "missing"):
                raise failed.failure.error(self._settings, f"writing to '{self.uri}'") from None
            self._probed_replacing = True
            return
        raise ConditionalWritesMissing(self.uri, "If-Match")

    def _probe_is_new(self) -> bool:
        """Put the probe if it is absent and say whether the store took it."""
        data = f"conditional writes are checked with this object; it may be deleted {new_ulid()}\n".encode()
        try:
            self._attempts(lambda: self._store.put(PROBE, data, mode="create", use_multipart=False))
        except _Failed as failed:
            if failed.failure.nature == "exists":
                return False
            raise
        return True

    def _store_for(self, data: bytes) -> Any:  # Any: obstore has types for checkers only
        """Return the client with the patience that an object of this size needs."""
        if len(data) <= LARGE_BYTES:
            return self._store
        with self._lock:
            if self._bulk is None:
                self._bulk = _open(self._address, self._settings, bulk=True)
            return self._bulk

    def _put_new(self, key: str, data: bytes) -> None:
        store = self._store_for(data)
        try:
            self._attempts(lambda: store.put(key, data, mode="create", use_multipart=False))
        except _Failed as failed:
            failure = failed.failure
            if failed.in_doubt:
                self._settle(key, data, failure)
            elif failure.nature == "exists":
                raise ObjectExists(key) from None
            else:
                raise failure.error(self._settings, f"writing '{key}'") from None

    def _settle(self, key: str, data: bytes, failure: Failure, lost: type[ObjectExists | ObjectChanged] = ObjectExists) -> None:
        """Find out whether a put whose answer was lost was carried out."""
        try:
            stored = self.get(key)
        except StorageError:
            # Missing now is no proof: the request may still be on its way.
            raise OutcomeUnknown(key, f"{failure.reason} ({self._settings.shown_endpoint()})") from None
        if stored != data:
            raise lost(key)

    def _get_or_none(self, key: str) -> bytes | None:
        try:
            return self.get(key)
        except ObjectMissing:
            return None

    def _read(self, key: str, call: Callable[[], _T], doing: str = "reading") -> _T:
        try:
            return self._attempts(call)
        except _Failed as failed:
            if failed.failure.nature == "missing":
                raise ObjectMissing(key) from None
            raise failed.failure.error(self._settings, f"{doing} '{key}'") from None

    def _write(self, key: str, call: Callable[[], object]) -> None:
        try:
            self._attempts(call)
        except _Failed as failed:
            raise failed.failure.error(self._settings, f"writing '{key}'") from None

    def _attempts(self, call: Callable[[], _T]) -> _T:
        """Run a request until it succeeds, or fails for good, or has failed too often. Full jitter between attempts."""
        started_s = time.monotonic()
        in_doubt = False
        attempt = 0
        while True:
            attempt += 1
            try:
                return call()
            except Exception as error:  # obstore's errors have no base of their own: some are built-in ones
                failure = failure_of(error)
            attempts_max = CONNECT_ATTEMPTS_MAX if failure.nature == "unreachable" else ATTEMPTS_MAX
            # A conflict between conditional writes (409) and a refusal to listen (429) say that nothing was done.
            in_doubt = in_doubt or (failure.nature == "transient" and failure.status not in (409, 429))
            pause_s = random.uniform(0, min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2**attempt))
            passed_s = time.monotonic() - started_s + pause_s
            if not failure.may_pass or attempt >= attempts_max or passed_s > self._settings.retry_time_max_s:
                raise _Failed(failure, in_doubt=in_doubt)
            time.sleep(pause_s)

    def _write_hints(self) -> None:
        while True:
            with self._lock:
                if not self._hints:
                    self._hinting = None
                    return
                key, data = self._hints.popitem()
            with contextlib.suppress(Exception):  # a hint carries no truth
                self._store.put(key, data, use_multipart=False)

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            return self._pool_locked()

    def _pool_locked(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(PARALLEL_MAX, "omnigraph-s3")
        return self._threads


def _open(address: S3Address, settings: S3Settings, *, bulk: bool = False) -> Any:  # Any: obstore has types for checkers only
    from obstore.store import S3Store as Bucket

    try:
        return Bucket(address.bucket, prefix=address.prefix or None, **settings.obstore_options(address.bucket, bulk=bulk))
    except Exception as error:
        raise failure_of(error).error(settings, f"opening '{address.uri}'") from None
