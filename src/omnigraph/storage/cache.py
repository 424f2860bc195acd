"""One memory budget for everything that is built from bases: key indexes, columns, adjacency.

A `Part` is one value that can be thrown away and built again. Its owner keeps the part and asks it for the value at every
use; the budget only knows it weakly, so that what nobody owns any more leaves by itself. Eviction is the clock algorithm:
parts stand in a ring; one that was used since the hand passed is spared once. That is close to least-recently-used and costs
a use no lock, only one attribute.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

from omnigraph.storage.adjacency import Csr, build_csr
from omnigraph.storage.image import BaseImage
from omnigraph.storage.part import Part, PartRef
from omnigraph.storage.table_protocol import BaseTable

IMAGES_MAX = 1024
Identity = tuple[str, str]
Key = TypeVar("Key")
Item = TypeVar("Item")


def default_limit_bytes() -> int:
    """Return a quarter of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


class Budget:
    """Keeps the bytes of all admitted parts below a limit."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._used_bytes = 0
        self._ring: deque[PartRef] = deque()
        self._released: deque[int] = deque()  # filled by the garbage collector, which may run while the lock is held
        self._lock = threading.Lock()

    @property
    def used_bytes(self) -> int:
        with self._lock:
            self._forget_released()
            return self._used_bytes

    def admit(self, part: Part) -> None:
        """Take a part in; others that were not used lately go until the limit holds."""
        with self._lock:
            self._forget_released()
            self._used_bytes += part.size_bytes
            for _ in range(2 * len(self._ring)):
                if self._used_bytes <= self.limit_bytes:
                    break
                ref = self._ring.popleft()
                other = ref()
                if other is None:
                    continue
                if other.used:
                    other.used = False
                    self._ring.append(ref)
                    continue
                other.value = None
                ref.size_bytes = 0
                self._used_bytes -= other.size_bytes
            self._ring.append(PartRef(part, self._release))

    def _release(self, ref: weakref.ref[Part]) -> None:
        assert isinstance(ref, PartRef)
        self._released.append(ref.size_bytes)

    def _forget_released(self) -> None:
        while self._released:
            self._used_bytes -= self._released.popleft()
        if len(self._ring) > 64 and sum(ref() is None for ref in self._ring) * 2 > len(self._ring):
            self._ring = deque(ref for ref in self._ring if ref() is not None)


class _Recent(Generic[Key, Item]):
    """A small map that forgets what was asked for longest ago."""

    def __init__(self, items_max: int) -> None:
        self._items: OrderedDict[Key, Item] = OrderedDict()
        self._items_max = items_max
        self._lock = threading.Lock()

    def get(self, key: Key, make: Callable[[], Item]) -> Item:
        with self._lock:
            found = self._items.get(key)
            if found is not None:
                self._items.move_to_end(key)
                return found
        made = make()  # may take a while; two threads may make it, one of the results is kept
        with self._lock:
            found = self._items.setdefault(key, made)
            while len(self._items) > self._items_max:
                self._items.popitem(last=False)
            return found


class CsrHolder:
    """The in-memory adjacency of one edge base between two node bases, built when it is first asked for."""

    __slots__ = ("_lock", "admit", "images", "part")

    def __init__(self, edges: BaseImage, sources: BaseImage, targets: BaseImage, budget: Budget) -> None:
        self.images = edges, sources, targets
        self.admit = budget.admit
        self._lock = threading.Lock()
        self.part = Part(None, 0)

    def get(self) -> Csr:
        """Return it, building it if need be: about 0.3 µs an edge."""
        part = self.part
        csr: Csr | None = part.value
        if csr is not None:
            part.used = True
            return csr
        with self._lock:
            csr = self.part.value
            if csr is None:
                csr = build_csr(*self.images)
                self.part = Part(csr, csr.size_bytes)
                self.admit(self.part)
            return csr

    def is_built(self) -> bool:
        return self.part.value is not None


class GraphCache:
    """The images of bases and the adjacency between them, shared by all snapshots and branches that use the same bases.

    Thread-safe. One per process or per graph; ``limit_bytes`` is ``OMNIGRAPH_CACHE_BYTES``.
    """

    def __init__(self, limit_bytes: int | None = None) -> None:
        self.budget = Budget(default_limit_bytes() if limit_bytes is None else limit_bytes)
        self._images: _Recent[Identity, BaseImage] = _Recent(IMAGES_MAX)
        self._csrs: _Recent[tuple[Identity | None, ...], CsrHolder] = _Recent(IMAGES_MAX)

    def image(self, identity: Identity | None, open_base: Callable[[], BaseTable | None]) -> BaseImage:
        """Return the image of a base; without an identity there is none, and the image is empty. Nothing is read yet."""
        if identity is None:
            return BaseImage(None, self.budget.admit)
        return self._images.get(identity, lambda: BaseImage(open_base(), self.budget.admit))

    def csr(self, edges: BaseImage, sources: BaseImage, targets: BaseImage) -> CsrHolder:
        """Return the holder of the adjacency of three bases. Nothing is built yet."""
        if edges.table is None:
            return CsrHolder(edges, sources, targets, self.budget)
        key = edges.identity, sources.identity, targets.identity
        return self._csrs.get(key, lambda: CsrHolder(edges, sources, targets, self.budget))
