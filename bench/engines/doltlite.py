"""DoltLite: SQLite's interface over Dolt's storage, with branches and merges; its import replaces `sqlite3`'s library."""

from __future__ import annotations

import doltlite  # noqa: F401  (must stand before anything that imports sqlite3)

from bench.engines.engine import Person
from bench.engines.sqlite import INSERT, SQLite


class DoltLite(SQLite):
    """The SQLite adapter over DoltLite; a write is a version only once `dolt_commit` has run, so every write runs it."""

    package = "doltlite"
    file = "graph.doltlite"

    def finish_load(self) -> None:
        self._commit("load")

    def _commit(self, message: str) -> None:
        self.database.execute("SELECT dolt_commit('-A', '-m', ?)", (message,)).fetchone()

    def insert(self, person: Person) -> None:
        super().insert(person)
        self._commit("insert")

    def upsert(self, batch: list[Person]) -> None:
        super().upsert(batch)
        self._commit("upsert")

    def branch(self, name: str) -> None:
        self.database.execute("SELECT dolt_branch(?)", (name,)).fetchone()

    def insert_on(self, branch: str, person: Person) -> None:
        execute = self.database.execute
        execute("SELECT dolt_checkout('-b', ?)", (branch,)).fetchone()
        execute(INSERT, person)
        self._commit("insert on a branch")
        execute("SELECT dolt_checkout('main')").fetchone()

    def merge(self, branch: str) -> None:
        self.database.execute("SELECT dolt_merge(?)", (branch,)).fetchone()
