"""Choosing one query of a file."""

from __future__ import annotations

from omnigraph.errors import BadRequest
from omnigraph.language.query_tree import QueryDeclaration, QueryFile


def select_query(file: QueryFile, name: str | None = None) -> QueryDeclaration:
    """Return the query of that name, or without a name the only one. Raises BadRequest.

    Of several queries with one name the first is meant.
    """
    if name is not None:
        for query in file.queries:
            if query.name == name:
                return query
        raise BadRequest(f"query '{name}' not found")
    if len(file.queries) > 1:
        raise BadRequest("query file contains multiple queries; pass --name")
    if not file.queries:
        raise BadRequest("query file contains no queries")
    return file.queries[0]
