"""What every engine's adapter offers; a method that an engine lacks stays as it is here and counts as not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Rows = Sequence[Sequence[Any]] | Sequence[Mapping[str, Any]]
Person = tuple[str, str, int, str, float, str]


class NotMeasuredError(Exception):
    """Raised where an engine has no way to do an operation, or nobody has written it yet."""


class Engine:
    """One engine over one graph in one folder.

    Reads return Python values, so that every engine pays for handing them over; a distinct count returns an integer.
    """

    package: str
    """The distribution whose version is shown."""

    has_relaxed_writes = False
    """Whether `open(durable=False)` gives commits that do not wait for the disk."""

    def load(self, folder: Path, schema: Path, jsonl: Path) -> None:
        """Build the graph with all indexes from the load file and close it."""
        raise NotMeasuredError

    def open(self, folder: Path, durable: bool = True) -> None:
        """Open the graph that `load` built."""
        raise NotMeasuredError

    def close(self) -> None:
        raise NotMeasuredError

    def point(self, key: str) -> Rows:
        """Give key, name, age, city, score and joined of one person."""
        raise NotMeasuredError

    def hop1(self, key: str) -> Rows:
        raise NotMeasuredError

    def hop2(self, key: str) -> int:
        raise NotMeasuredError

    def hop3(self, key: str) -> int:
        raise NotMeasuredError

    def reach(self, key: str) -> int:
        """Count the persons within 1 to 3 hops, the start left out."""
        raise NotMeasuredError

    def scan(self, low: int, high: int) -> Rows:
        """Give the keys of the 20 best scores among the persons of an age range, best first."""
        raise NotMeasuredError

    def group(self) -> Rows:
        """Give the ten cities where most of those known live, with their numbers of edges."""
        raise NotMeasuredError

    def loners(self) -> Rows:
        """Give the keys of all persons who know nobody."""
        raise NotMeasuredError

    def listed(self, names: list[str]) -> int:
        """Count the persons with one of thousands of names."""
        raise NotMeasuredError

    def page(self, start: int) -> Rows:
        """Give the keys of 20 persons by score, best first, after leaving out as many as `start` says."""
        raise NotMeasuredError

    def optional(self) -> Rows:
        """Give the number of rows of all persons with what they wrote, if anything, and of documents in them."""
        raise NotMeasuredError

    def compile(self) -> bool:
        """Check and plan a query of some thirty lines from its text, with nothing cached."""
        raise NotMeasuredError

    def bm25(self, text: str) -> Rows:
        """Give the slugs of the ten best documents."""
        raise NotMeasuredError

    def vector(self, vector: list[float]) -> Rows:
        """Give the slugs of the ten nearest documents."""
        raise NotMeasuredError

    def hybrid(self, text: str, vector: list[float]) -> Rows:
        """Give slug and author's key of the ten best documents by reciprocal rank fusion."""
        raise NotMeasuredError

    def insert(self, person: Person) -> None:
        """Insert one person in a commit of its own."""
        raise NotMeasuredError

    def batch(self, persons: list[Person]) -> Any:
        """Bring persons into the form that `upsert` likes best; not timed."""
        return persons

    def upsert(self, batch: Any) -> None:
        """Insert or replace persons in one commit."""
        raise NotMeasuredError

    def upsert_jsonl(self, text: bytes) -> None:
        """Insert or replace persons given in the load format."""
        raise NotMeasuredError

    def branch(self, name: str) -> None:
        raise NotMeasuredError

    def insert_on(self, branch: str, person: Person) -> None:
        """Create a branch that holds one more person; not timed."""
        raise NotMeasuredError

    def merge(self, branch: str) -> None:
        """Merge a branch into the main one."""
        raise NotMeasuredError

    def export(self, target: Path) -> None:
        """Write everything into the folder `target`, in the engine's own best bulk form."""
        raise NotMeasuredError


def disk_bytes(folder: Path) -> int:
    """Sum the sizes of the files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
