"""How passes refuse a schema, and what they say about types that a constraint cannot stand on."""

from __future__ import annotations

from omnigraph.errors import CatalogError, ParseError
from omnigraph.language.catalog import PropertyType, Scalar


def refuse(problem: str) -> ParseError:
    """Make an error of the syntax stage."""
    return ParseError(f"parse error: {problem}")


def refuse_catalog(problem: str) -> CatalogError:
    """Make an error of the catalog stage."""
    return CatalogError(f"catalog error: {problem}")


def check_constrainable(kind: str, target: str, type_: PropertyType, property_form: bool) -> None:
    """Refuse ``@key``, ``@unique``, ``@index`` and ``@embed`` on the types that they cannot stand on."""
    if type_.is_list and (kind != "index" or property_form):
        raise refuse(f"@{kind} is not supported on list property {target}")
    if type_.scalar is Scalar.BLOB:
        raise refuse(f"@{kind} is not supported on blob property {target}")
    if type_.scalar is Scalar.VECTOR and kind in ("key", "unique"):
        raise refuse(f"@{kind} is not supported on vector property {target}")
