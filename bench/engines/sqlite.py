"""SQLite: integer surrogates, clustered edge tables both ways, FTS5 with external content, WAL.

Each statement is the fastest of two to four ways that were tried on M (a recursive CTE for `reach` takes twice
as long). There is no vector search: this Python's sqlite3 is built without extension loading.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from pathlib import Path

from bench.engines.engine import Engine, Person, Rows

TABLES = """
CREATE TABLE person (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, name TEXT NOT NULL, age INTEGER NOT NULL,
    city TEXT NOT NULL, score REAL NOT NULL, joined TEXT NOT NULL);
CREATE TABLE document (id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, title TEXT NOT NULL, body TEXT NOT NULL,
    embedding BLOB NOT NULL);
CREATE TABLE knows (src INTEGER NOT NULL, dst INTEGER NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (src, dst))
    WITHOUT ROWID;
CREATE TABLE wrote (src INTEGER NOT NULL, dst INTEGER NOT NULL, PRIMARY KEY (src, dst)) WITHOUT ROWID;
"""
INDEXES = """
CREATE INDEX knows_back ON knows (dst, src);
CREATE INDEX wrote_back ON wrote (dst, src);
"""
TEXT = """
CREATE VIRTUAL TABLE words USING fts5 (body, content='document', content_rowid='id', tokenize='porter unicode61');
INSERT INTO words (words) VALUES ('rebuild');
"""
POINT = "SELECT key, name, age, city, score, joined FROM person WHERE key = ?"
HOP1 = """SELECT f.key FROM person p JOIN knows k ON k.src = p.id JOIN person f ON f.id = k.dst WHERE p.key = ?"""
HOP2 = """SELECT count(DISTINCT b.dst) FROM person p JOIN knows a ON a.src = p.id JOIN knows b ON b.src = a.dst
    WHERE p.key = ?"""
HOP3 = """SELECT count(DISTINCT dst) FROM knows WHERE src IN
    (SELECT b.dst FROM person p JOIN knows a ON a.src = p.id JOIN knows b ON b.src = a.dst WHERE p.key = ?)"""
REACH = """SELECT count(DISTINCT dst) FROM
    (SELECT dst FROM person JOIN knows ON src = id WHERE key = ?1 UNION ALL
    SELECT dst FROM knows WHERE src IN (SELECT dst FROM person JOIN knows ON src = id WHERE key = ?1 UNION
    SELECT b.dst FROM person JOIN knows a ON a.src = id JOIN knows b ON b.src = a.dst WHERE key = ?1))
    WHERE dst <> (SELECT id FROM person WHERE key = ?1)"""
SCAN = "SELECT key FROM person WHERE age BETWEEN ? AND ? ORDER BY score DESC LIMIT 20"
GROUP = """SELECT p.city, sum(n) AS n FROM (SELECT dst, count(*) AS n FROM knows GROUP BY dst) k
    JOIN person p ON p.id = k.dst GROUP BY p.city ORDER BY n DESC, p.city LIMIT 10"""
LONERS = "SELECT key FROM person WHERE id NOT IN (SELECT src FROM knows)"
LISTED = "SELECT count(*) FROM person WHERE name IN (SELECT value FROM json_each(?))"
PAGE = "SELECT key FROM person ORDER BY score DESC LIMIT 20 OFFSET ?"
OPTIONAL = "SELECT count(*), count(dst) FROM person LEFT JOIN wrote ON src = id"
BM25 = """SELECT d.slug FROM (SELECT rowid, rank FROM words WHERE words MATCH ? ORDER BY rank LIMIT 10) w
    JOIN document d ON d.id = w.rowid ORDER BY w.rank"""
INSERT_DOCUMENT = "INSERT INTO document (slug, title, body, embedding) VALUES (?, ?, ?, ?)"
INSERT = "INSERT INTO person (key, name, age, city, score, joined) VALUES (?, ?, ?, ?, ?, ?)"
UPSERT = (
    INSERT + " ON CONFLICT (key) DO UPDATE SET name = excluded.name, age = excluded.age, city = excluded.city,"
    " score = excluded.score, joined = excluded.joined"
)
EXPORTS = (
    """SELECT json_object('type', 'Person', 'data', json_object('key', key, 'name', name, 'age', age, 'city', city,
    'score', score, 'joined', joined)) FROM person""",
    """SELECT json_object('type', 'Document', 'data', json_object('slug', slug, 'title', title, 'body', body,
    'embedding', hex(embedding))) FROM document""",
    """SELECT json_object('edge', 'Knows', 'from', a.key, 'to', b.key, 'data', json_object('since', since))
    FROM knows JOIN person a ON a.id = src JOIN person b ON b.id = dst""",
    """SELECT json_object('edge', 'Wrote', 'from', a.key, 'to', b.slug)
    FROM wrote JOIN person a ON a.id = src JOIN document b ON b.id = dst""",
)


class SQLite(Engine):
    """The stdlib's SQLite."""

    package = "sqlite3"
    has_relaxed_writes = True
    file = "graph.sqlite"

    def load(self, folder: Path, schema: Path, jsonl: Path) -> None:
        self._connect(folder, durable=True)
        database = self.database
        database.executescript(TABLES)
        database.execute("BEGIN")
        self._copy(jsonl)
        database.execute("COMMIT")
        database.executescript(INDEXES)
        database.executescript(TEXT)
        database.execute("ANALYZE")
        self.finish_load()
        self.close()

    def finish_load(self) -> None:
        """Leave the file as compact as the engine can at no great cost."""
        self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _copy(self, jsonl: Path) -> None:
        """Decode line by line; nodes stand before edges in the load file, so their surrogates are known in time."""
        import msgspec  # not at the top: the cold process must not pay for it

        persons: dict[str, int] = {}
        documents: dict[str, int] = {}
        knows, wrote = [], []
        decode = msgspec.json.Decoder().decode
        execute = self.database.execute
        with jsonl.open("rb") as lines:
            for record in map(decode, lines):
                if (edge := record.get("edge")) == "Knows":
                    knows.append((persons[record["from"]], persons[record["to"]], record["data"]["since"]))
                elif edge == "Wrote":
                    wrote.append((persons[record["from"]], documents[record["to"]]))
                elif record["type"] == "Person":
                    values = list(record["data"].values())
                    persons[values[0]] = execute(INSERT, values).lastrowid
                else:
                    slug, title, body, embedding = record["data"].values()
                    blob = array("f", embedding).tobytes()
                    documents[slug] = execute(INSERT_DOCUMENT, (slug, title, body, blob)).lastrowid
        knows.sort()
        wrote.sort()
        self.database.executemany("INSERT INTO knows VALUES (?, ?, ?)", knows)
        self.database.executemany("INSERT INTO wrote VALUES (?, ?)", wrote)

    def open(self, folder: Path, durable: bool = True) -> None:
        self._connect(folder, durable)

    def _connect(self, folder: Path, durable: bool) -> None:
        self.database = sqlite3.connect(folder / self.file, isolation_level=None, cached_statements=256)
        execute = self.database.execute
        execute("PRAGMA journal_mode = WAL")
        execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        execute("PRAGMA cache_size = -524288")
        execute("PRAGMA mmap_size = 1073741824")
        execute("PRAGMA temp_store = MEMORY")

    def close(self) -> None:
        self.database.close()

    def point(self, key: str) -> Rows:
        return self.database.execute(POINT, (key,)).fetchall()

    def hop1(self, key: str) -> Rows:
        return self.database.execute(HOP1, (key,)).fetchall()

    def hop2(self, key: str) -> int:
        return self._count(HOP2, key)

    def hop3(self, key: str) -> int:
        return self._count(HOP3, key)

    def reach(self, key: str) -> int:
        return self._count(REACH, key)

    def _count(self, sql: str, key: str) -> int:
        count: int = self.database.execute(sql, (key,)).fetchone()[0]
        return count

    def scan(self, low: int, high: int) -> Rows:
        return self.database.execute(SCAN, (low, high)).fetchall()

    def group(self) -> Rows:
        return self.database.execute(GROUP).fetchall()

    def loners(self) -> Rows:
        return self.database.execute(LONERS).fetchall()

    def listed(self, names: list[str]) -> int:
        return self._count(LISTED, json.dumps(names))

    def page(self, start: int) -> Rows:
        return self.database.execute(PAGE, (start,)).fetchall()

    def optional(self) -> Rows:
        return self.database.execute(OPTIONAL).fetchall()

    def bm25(self, text: str) -> Rows:
        return self.database.execute(BM25, (" OR ".join(text.split()),)).fetchall()

    def insert(self, person: Person) -> None:
        self.database.execute(INSERT, person)

    def upsert(self, batch: list[Person]) -> None:
        database = self.database
        database.execute("BEGIN IMMEDIATE")
        database.executemany(UPSERT, batch)
        database.execute("COMMIT")

    def export(self, target: Path) -> None:
        """Write JSONL in the load format, the vectors as hexadecimal text."""
        with (target / "export.jsonl").open("w") as out:
            for sql in EXPORTS:
                out.writelines(line + "\n" for (line,) in self.database.execute(sql))
