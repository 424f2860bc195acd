"""Ladybug, the property graph database that grew out of Kuzu: Cypher, COPY from Arrow, prepared statements.

Each statement is the fastest of two to six ways that were tried on M: an explicit `prepare` beats the cache behind
`execute` (0.07 against 0.12 ms), one thread beats two on small reads (2 hops 0.22 against 0.50 ms) but not on scans,
the group-by is 21 ms from the side of the known and 230 from the other, and `SHORTEST` leaves the start out by itself.
Its full-text and vector extensions are downloaded at run time and are left out.
"""

from __future__ import annotations

import warnings
from datetime import date
from pathlib import Path
from typing import Any

import ladybug

from bench.engines.engine import Engine, Person, Rows

CREATE = (
    """CREATE NODE TABLE Person (key STRING PRIMARY KEY, name STRING, age INT32, city STRING, score DOUBLE,
    joined DATE)""",
    "CREATE NODE TABLE Document (slug STRING PRIMARY KEY, title STRING, body STRING, embedding FLOAT[128])",
    "CREATE REL TABLE Knows (FROM Person TO Person, since INT32)",
    "CREATE REL TABLE Wrote (FROM Person TO Document)",
)
POINT = "MATCH (p:Person {key: $key}) RETURN p.key, p.name, p.age, p.city, p.score, p.joined"
HOP1 = "MATCH (:Person {key: $key})-[:Knows]->(f:Person) RETURN f.key"
HOP2 = "MATCH (:Person {key: $key})-[:Knows]->(:Person)-[:Knows]->(f:Person) RETURN count(DISTINCT f.key)"
HOP3 = """MATCH (:Person {key: $key})-[:Knows]->(:Person)-[:Knows]->(:Person)-[:Knows]->(f:Person)
    RETURN count(DISTINCT id(f))"""
REACH = "MATCH (:Person {key: $key})-[:Knows* SHORTEST 1..3]->(f:Person) RETURN count(*)"
SCAN = """MATCH (p:Person) WHERE p.age >= $low AND p.age <= $high RETURN p.key, p.score
    ORDER BY p.score DESC LIMIT 20"""
GROUP = """MATCH (f:Person)<-[:Knows]-(:Person) RETURN f.city AS city, count(*) AS n
    ORDER BY n DESC, city LIMIT 10"""
LONERS = "MATCH (p:Person) WHERE NOT EXISTS { MATCH (p)-[:Knows]->(:Person) } RETURN p.key"
PROPERTIES = "name: $name, age: $age, city: $city, score: $score, joined: $joined"
INSERT = f"CREATE (:Person {{key: $key, {PROPERTIES}}})"
UPSERT = """UNWIND $rows AS row MERGE (p:Person {key: row.key})
    SET p.name = row.name, p.age = row.age, p.city = row.city, p.score = row.score, p.joined = row.joined"""
COLUMNS = ("key", "name", "age", "city", "score", "joined")
EXPORTS = {
    "Person": "MATCH (p:Person) RETURN p.*",
    "Document": "MATCH (d:Document) RETURN d.*",
    "Knows": "MATCH (a:Person)-[k:Knows]->(b:Person) RETURN a.key, b.key, k.since",
    "Wrote": "MATCH (a:Person)-[:Wrote]->(d:Document) RETURN a.key, d.slug",
}
BUFFER_POOL_BYTES = 4 << 30


class Ladybug(Engine):
    """One connection with one thread for what is small, one with all cores for scans."""

    package = "ladybug"

    def load(self, folder: Path, schema: Path, jsonl: Path) -> None:
        from bench.engines import jsonl as reader

        self.open(folder)
        tables = reader.tables(jsonl)
        for statement in CREATE:
            self.connection.execute(statement)
        for name in ("Person", "Document", "Knows", "Wrote"):
            rows = tables.pop(name)  # COPY finds the local variable by its name
            self.scanner.execute(f"COPY {name} FROM rows")
            del rows
        self.connection.execute("CHECKPOINT")
        self.close()

    def open(self, folder: Path, durable: bool = True) -> None:
        self.database = ladybug.Database(folder / "graph.lbug", buffer_pool_size=BUFFER_POOL_BYTES)
        self.connection = ladybug.Connection(self.database, num_threads=1)
        self.scanner = ladybug.Connection(self.database)
        self.prepared: dict[str, Any] = {}

    def close(self) -> None:
        self.prepared.clear()
        self.connection.close()
        self.scanner.close()
        self.database.close()

    def _rows(self, cypher: str, **parameters: Any) -> Rows:
        statement = self.prepared.get(cypher)
        if statement is None:
            with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
                statement = self.prepared[cypher] = self.connection.prepare(cypher, parameters)
        rows: Rows = self.connection.execute(statement, parameters).get_all()
        return rows

    def _scanned(self, cypher: str, **parameters: Any) -> Rows:
        rows: Rows = self.scanner.execute(cypher, parameters).get_all()
        return rows

    def point(self, key: str) -> Rows:
        return self._rows(POINT, key=key)

    def hop1(self, key: str) -> Rows:
        return self._rows(HOP1, key=key)

    def hop2(self, key: str) -> int:
        return self._rows(HOP2, key=key)[0][0]

    def hop3(self, key: str) -> int:
        return self._rows(HOP3, key=key)[0][0]

    def reach(self, key: str) -> int:
        return self._rows(REACH, key=key)[0][0]

    def scan(self, low: int, high: int) -> Rows:
        return [row[:1] for row in self._scanned(SCAN, low=low, high=high)]

    def group(self) -> Rows:
        return self._scanned(GROUP)

    def loners(self) -> Rows:
        return self._scanned(LONERS)

    def insert(self, person: Person) -> None:
        self._rows(INSERT, **_parameters(person))

    def batch(self, persons: list[Person]) -> Any:
        return [_parameters(person) for person in persons]

    def upsert(self, batch: Any) -> None:
        self._scanned(UPSERT, rows=batch)

    def export(self, target: Path) -> None:
        """Write Parquet."""
        for name, cypher in EXPORTS.items():
            self._scanned(f"COPY ({cypher}) TO '{target / name}.parquet'")


def _parameters(person: Person) -> dict[str, Any]:
    return dict(zip(COLUMNS, person[:5], strict=False)) | {"joined": date.fromisoformat(person[5])}
