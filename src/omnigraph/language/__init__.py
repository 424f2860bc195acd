"""The two languages: ``.pg`` schemas and ``.gq`` queries.

From text to catalog (``compile_schema``), from text to trees (``parse_queries``), from a tree and a catalog to a checked
query (``check_query``), from a JSON object to parameter values (``bind_parameters``), from a text to the same in the one
layout (``format_queries``, ``format_schema``). Nothing here does any I/O. Names are loaded when they are first asked for, so
that a caller pays only for the part that it uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omnigraph.language.assembly import compile_schema as compile_schema
    from omnigraph.language.canonical import canonical_form as canonical_form
    from omnigraph.language.catalog import Catalog as Catalog
    from omnigraph.language.checker import check_mutation as check_mutation
    from omnigraph.language.checker import check_query as check_query
    from omnigraph.language.checker import check_read as check_read
    from omnigraph.language.completions import complete as complete
    from omnigraph.language.formatting import format_queries as format_queries
    from omnigraph.language.formatting import format_schema as format_schema
    from omnigraph.language.identity import composite_id as composite_id
    from omnigraph.language.identity import key_text as key_text
    from omnigraph.language.lexer import decode_source as decode_source
    from omnigraph.language.lint import LintReport as LintReport
    from omnigraph.language.lint import lint_queries as lint_queries
    from omnigraph.language.migration import MigrationPlan as MigrationPlan
    from omnigraph.language.migration import plan_migration as plan_migration
    from omnigraph.language.parameters import bind_parameters as bind_parameters
    from omnigraph.language.query_parser import parse_queries as parse_queries
    from omnigraph.language.query_tree import QueryDeclaration as QueryDeclaration
    from omnigraph.language.query_tree import QueryFile as QueryFile
    from omnigraph.language.selection import select_query as select_query
    from omnigraph.language.temporal import export_date as export_date
    from omnigraph.language.temporal import export_datetime as export_datetime
    from omnigraph.language.temporal import format_date as format_date
    from omnigraph.language.temporal import format_datetime as format_datetime
    from omnigraph.language.temporal import parse_date as parse_date
    from omnigraph.language.temporal import parse_datetime as parse_datetime

_HOMES = {
    "Catalog": "catalog",
    "LintReport": "lint",
    "MigrationPlan": "migration",
    "QueryDeclaration": "query_tree",
    "QueryFile": "query_tree",
    "bind_parameters": "parameters",
    "canonical_form": "canonical",
    "check_mutation": "checker",
    "check_query": "checker",
    "check_read": "checker",
    "compile_schema": "assembly",
    "complete": "completions",
    "composite_id": "identity",
    "decode_source": "lexer",
    "export_date": "temporal",
    "export_datetime": "temporal",
    "format_date": "temporal",
    "format_datetime": "temporal",
    "format_queries": "formatting",
    "format_schema": "formatting",
    "key_text": "identity",
    "lint_queries": "lint",
    "parse_date": "temporal",
    "parse_datetime": "temporal",
    "parse_queries": "query_parser",
    "plan_migration": "migration",
    "select_query": "selection",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
