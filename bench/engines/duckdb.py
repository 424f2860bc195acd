"""DuckDB: integer surrogates, edges sorted by source so that zone maps work, indexes on keys and sources.

`EXECUTE` of a prepared statement takes no parameters from Python and is no faster with literals, so the SQL is sent.

Its full-text extension is downloaded at run time and is left out; the vector search is an exact scan.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from bench.engines.engine import Engine, Person, Rows

CREATE = """
CREATE TABLE person AS SELECT (row_number() OVER () - 1)::INTEGER AS id, * FROM persons;
CREATE TABLE document AS SELECT (row_number() OVER () - 1)::INTEGER AS id, * FROM documents;
CREATE TABLE knows AS SELECT * FROM acquaintances ORDER BY src, dst;
CREATE TABLE wrote AS SELECT * FROM authors ORDER BY dst;
CREATE UNIQUE INDEX person_key ON person (key);
CREATE UNIQUE INDEX document_slug ON document (slug);
CREATE INDEX knows_src ON knows (src);
CREATE SEQUENCE person_ids START WITH 1000000;
CHECKPOINT;
"""
READS = {
    "point": "SELECT key, name, age, city, score, joined FROM person WHERE key = $1",
    "hop1": """SELECT f.key FROM person f WHERE f.id IN
        (SELECT dst FROM knows WHERE src = (SELECT id FROM person WHERE key = $1))""",
    "hop2": """SELECT count(DISTINCT dst) FROM knows WHERE src IN
        (SELECT dst FROM knows WHERE src = (SELECT id FROM person WHERE key = $1))""",
    "hop3": """SELECT count(DISTINCT dst) FROM knows WHERE src IN (SELECT dst FROM knows WHERE src IN
        (SELECT dst FROM knows WHERE src = (SELECT id FROM person WHERE key = $1)))""",
    "reach": """WITH start AS MATERIALIZED (SELECT id FROM person WHERE key = $1),
        one AS MATERIALIZED (SELECT dst FROM knows WHERE src = (SELECT id FROM start)),
        two AS MATERIALIZED (SELECT dst FROM one UNION SELECT dst FROM knows WHERE src IN (SELECT dst FROM one))
        SELECT count(DISTINCT dst) FROM (SELECT dst FROM one UNION ALL
        SELECT dst FROM knows WHERE src IN (SELECT dst FROM two)) WHERE dst <> (SELECT id FROM start)""",
    "scan": "SELECT key FROM person WHERE age BETWEEN $1 AND $2 ORDER BY score DESC LIMIT 20",
    "group": """SELECT city, count(*) AS n FROM knows JOIN person ON id = dst GROUP BY city
        ORDER BY n DESC, city LIMIT 10""",
    "loners": "SELECT key FROM person WHERE id NOT IN (SELECT src FROM knows)",
    "vector": "SELECT slug FROM document ORDER BY array_distance(embedding, $1::FLOAT[128]) LIMIT 10",
}
INSERT = "INSERT INTO person VALUES (nextval('person_ids'), $1, $2, $3, $4, $5, $6)"
UPSERT = """INSERT INTO person SELECT nextval('person_ids'), * FROM persons ON CONFLICT (key) DO UPDATE SET
    name = excluded.name, age = excluded.age, city = excluded.city, score = excluded.score, joined = excluded.joined"""


class DuckDB(Engine):
    """One connection, as many threads as there are cores."""

    package = "duckdb"

    def load(self, folder: Path, schema: Path, jsonl: Path) -> None:
        from bench.engines import jsonl as reader

        tables = reader.tables(jsonl)
        persons, documents = tables["Person"], tables["Document"]
        sources = {"persons": persons, "documents": documents}
        for name, edges, ends in (
            ("acquaintances", tables["Knows"], persons["key"]),
            ("authors", tables["Wrote"], documents["slug"]),
        ):
            columns = {
                "src": reader.ordinals(persons["key"], edges["from"]),
                "dst": reader.ordinals(ends, edges["to"]),
            }
            sources[name] = reader.table(columns | {n: edges[n] for n in edges.column_names if n == "since"})
        with duckdb.connect(folder / "graph.duckdb") as database:
            for name, table in sources.items():
                database.register(name, table)
            database.execute(CREATE)

    def open(self, folder: Path, durable: bool = True) -> None:
        self.database = duckdb.connect(folder / "graph.duckdb")

    def close(self) -> None:
        self.database.close()

    def _rows(self, statement: str, *args: Any) -> Rows:
        rows: Rows = self.database.execute(READS[statement], args).fetchall()
        return rows

    def point(self, key: str) -> Rows:
        return self._rows("point", key)

    def hop1(self, key: str) -> Rows:
        return self._rows("hop1", key)

    def hop2(self, key: str) -> int:
        return self._rows("hop2", key)[0][0]

    def hop3(self, key: str) -> int:
        return self._rows("hop3", key)[0][0]

    def reach(self, key: str) -> int:
        return self._rows("reach", key)[0][0]

    def scan(self, low: int, high: int) -> Rows:
        return self._rows("scan", low, high)

    def group(self) -> Rows:
        return self._rows("group")

    def loners(self) -> Rows:
        return self._rows("loners")

    def vector(self, vector: list[float]) -> Rows:
        return self._rows("vector", vector)

    def insert(self, person: Person) -> None:
        self.database.execute(INSERT, person)

    def batch(self, persons: list[Person]) -> Any:
        from bench.engines import jsonl as reader

        return reader.persons_table(persons)

    def upsert(self, batch: Any) -> None:
        self.database.register("persons", batch)
        self.database.execute(UPSERT)

    def export(self, target: Path) -> None:
        """Write Parquet."""
        self.database.execute(f"EXPORT DATABASE '{target}' (FORMAT parquet)")
