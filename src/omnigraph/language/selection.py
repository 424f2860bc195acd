"""Choosing one query of a file."""

from __future__ import annotations

from omnigraph.errors import BadRequest
from omnigraph.language.query_tree import QueryDeclaration, QueryFile

_NAMES_SHOWN = 20


def select_query(file: QueryFile, name: str | None = None) -> QueryDeclaration:
    """Return the query of that name, or without a name the only one. Raises BadRequest.

    Of several queries with one name the first is meant.
    """
    if name is not None:
        for query in file.queries:
            if query.name == name:
                return query
        raise BadRequest(f"query '{name}' not found", hint=_those_of(file))
    if len(file.queries) > 1:
        raise BadRequest("query file contains multiple queries; pass --name", hint=_those_of(file))
    if not file.queries:
        raise BadRequest("query file contains no queries")
    return file.queries[0]


def _those_of(file: QueryFile) -> str | None:
    names = list(dict.fromkeys(query.name for query in file.queries))
    if not names:
        return None
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"queries there: {', '.join(names[:_NAMES_SHOWN])}{more}"
