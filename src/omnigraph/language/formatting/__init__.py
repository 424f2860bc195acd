"""The formatter: one layout for every source text of both languages, comments kept.

It works on the tokens of a text, which stay as they are, but for commas that the grammar leaves open. The syntax tree only
says where clauses, properties and lists begin and end.
"""

from __future__ import annotations

from omnigraph.language.formatting.proof import prove
from omnigraph.language.formatting.queries import lay_out_queries
from omnigraph.language.formatting.schemas import lay_out_schema
from omnigraph.language.query_parser import parse_queries
from omnigraph.language.schema_parser import parse_schema


def format_queries(source: str) -> str:
    """Return the text of a query file in the one layout; formatting it again changes nothing.

    Raises ParseError for a text that does not parse. The result is parsed, and compared with the source, before it is returned.
    """
    file = parse_queries(source)
    text = lay_out_queries(file)
    again = parse_queries(text)
    prove(file.queries, again.queries, file.tokens, again.tokens)
    return text


def format_schema(source: str) -> str:
    """Return the text of a schema in the one layout; as ``format_queries``. What only the catalog refuses is formatted too."""
    tree = parse_schema(source)
    text = lay_out_schema(tree)
    again = parse_schema(text)
    prove(tree.declarations, again.declarations, tree.tokens, again.tokens)
    return text
