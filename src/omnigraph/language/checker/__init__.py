"""The type checker: from the tree of a query and a catalog to the checked query that the planner reads.

Checking stops at the first error. Within a block all bindings are read first, then traversals in their order, then
everything else: a binding further down the text gives its variable a type all the same.
"""

from __future__ import annotations

from omnigraph.errors import BadRequest, TypeCheckError
from omnigraph.language.catalog import Catalog
from omnigraph.language.checked import MutationQuery, ReadQuery
from omnigraph.language.checker.context import Context
from omnigraph.language.checker.mutations import check_mutation_body, refuse_mixture
from omnigraph.language.checker.parameters import check_parameters
from omnigraph.language.checker.reads import check_read_body
from omnigraph.language.query_tree import MutationBody, QueryDeclaration, ReadBody


def check_query(catalog: Catalog, declaration: QueryDeclaration) -> ReadQuery | MutationQuery:
    """Check a query of either kind. Raises TypeCheckError, and BadRequest for a mutation of both kinds of statement."""
    checked = check_statements(catalog, declaration)
    if isinstance(checked, MutationQuery):
        refuse_mixture(checked)
    return checked


def check_read(catalog: Catalog, declaration: QueryDeclaration) -> ReadQuery:
    """Check a query that is to be read. Raises TypeCheckError for a mutation before looking at it."""
    if not isinstance(declaration.body, ReadBody):
        hint = "run it as a mutation: `omnigraph mutate`, or `graph.mutate` in Python"
        raise TypeCheckError("type error: mutation query cannot be typechecked with read-query API", hint=hint)
    checked = check_query(catalog, declaration)
    assert isinstance(checked, ReadQuery)
    return checked


def check_mutation(catalog: Catalog, declaration: QueryDeclaration) -> MutationQuery:
    """Check a query that is to be run as a mutation. Raises BadRequest for a read before looking at it."""
    if not isinstance(declaration.body, MutationBody):
        raise BadRequest("mutation execution called on a read query; use query instead")
    checked = check_query(catalog, declaration)
    assert isinstance(checked, MutationQuery)
    return checked


def check_statements(catalog: Catalog, declaration: QueryDeclaration) -> ReadQuery | MutationQuery:
    """Check a query but for the mixture of inserts and deletes, of which lint only warns."""
    context = Context(catalog, declaration.tokens)
    parameters = check_parameters(context, declaration.parameters)
    if isinstance(declaration.body, ReadBody):
        return check_read_body(context, declaration, declaration.body, parameters)
    return check_mutation_body(context, declaration, declaration.body, parameters)
