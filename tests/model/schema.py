"""Schemas that change, in plain dictionaries: types and properties have numbers, names are what they are called now."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

Values = dict[int, Any]


@dataclass
class Property:
    name: str
    kind: str
    is_key: bool = False
    words: list[str] = field(default_factory=list)

    def text(self) -> str:
        if self.is_key:
            return "String @key"
        return f"enum({', '.join(self.words)})?" if self.words else self.kind

    def values(self) -> list[Any]:
        if self.words:
            return [None, *self.words]
        return {"I32?": [None, 1, -7], "String?": [None, "", "x"], "[F64]?": [None, [], [1.5]], "Bool?": [None, True]}[
            self.kind
        ]


@dataclass
class Type:
    name: str
    properties: dict[int, Property]
    ends: tuple[int, int] | None = None  # of an edge type: the numbers of its node types


@dataclass
class Row:
    values: Values
    ends: tuple[str, str] | None = None


@dataclass
class World:
    """A schema and the rows under it, by numbers."""

    types: dict[int, Type] = field(default_factory=dict)
    rows: dict[int, dict[str, Row]] = field(default_factory=dict)
    next_number: int = 0
    version: int = 0  # counts schema changes
    drops: frozenset[tuple[int, str]] = frozenset()  # hard drops that were made: the type's number, and which change it was

    def number(self) -> int:
        self.next_number += 1
        return self.next_number

    def copy(self) -> World:
        rows = {
            number: {key: Row(dict(row.values), row.ends) for key, row in table.items()} for number, table in self.rows.items()
        }
        return World(copy.deepcopy(self.types), rows, self.next_number, self.version, self.drops)

    def table_key(self, number: int) -> str:
        type_ = self.types[number]
        return f"{'node' if type_.ends is None else 'edge'}:{type_.name}"

    def orphans(self) -> list[tuple[int, str]]:
        """Return the edges that miss an end."""
        found = []
        for number in self.edges():
            source, target = self.types[number].ends or (0, 0)
            for key, row in self.rows[number].items():
                assert row.ends is not None
                if row.ends[0] not in self.rows[source] or row.ends[1] not in self.rows[target]:
                    found.append((number, key))
        return found

    def text(self, accepted: World | None = None) -> str:
        """Return the schema as a text; names that differ from the accepted ones come with a hint."""
        lines = []
        for number, type_ in self.types.items():
            before = accepted.types.get(number) if accepted is not None else None
            hint = f' @rename_from("{before.name}")' if before is not None and before.name != type_.name else ""
            body = ""
            for key, each in type_.properties.items():
                old = before.properties.get(key) if before is not None else None
                was = f' @rename_from("{old.name}")' if old is not None and old.name != each.name else ""
                body += f" {each.name}: {each.text()}{was}"
            if type_.ends is None:
                lines.append(f"node {type_.name}{hint} {{{body} }}")
            else:
                source, target = (self.types[end].name for end in type_.ends)
                lines.append(f"edge {type_.name}: {source} -> {target}{hint} {{{body} }}")
        return "\n".join(lines) + "\n"

    def documents(self, number: int, rows: dict[str, Row]) -> list[dict[str, Any]]:
        """Return rows of a type as an export shows them under this schema: what they have no value for is null."""
        type_ = self.types[number]
        found = []
        for row_id, row in sorted(rows.items(), key=lambda item: item[0].encode()):
            data: dict[str, Any] = {"id": row_id}
            data |= {each.name: row.values.get(key) for key, each in type_.properties.items()}
            record: dict[str, Any] = {"type": type_.name} if row.ends is None else {"edge": type_.name}
            if row.ends is not None:
                record |= {"from": row.ends[0], "to": row.ends[1]}
            found.append({**record, "data": data})
        return found

    def nodes(self) -> list[int]:
        return [number for number, type_ in self.types.items() if type_.ends is None]

    def edges(self) -> list[int]:
        return [number for number, type_ in self.types.items() if type_.ends is not None]

    def drop_node(self, number: int, row_id: str) -> None:
        """Delete a node and the edges that touch it."""
        del self.rows[number][row_id]
        for edge in self.edges():
            ends = self.types[edge].ends
            assert ends is not None
            for key, row in list(self.rows[edge].items()):
                assert row.ends is not None
                if (ends[0] == number and row.ends[0] == row_id) or (ends[1] == number and row.ends[1] == row_id):
                    del self.rows[edge][key]
