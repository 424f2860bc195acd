"""Short texts for catalogs and checked queries, so that a fixture can say in a line what it expects."""

from __future__ import annotations

from collections.abc import Iterator

from omnigraph.language import checked as c
from omnigraph.language.catalog import Catalog, EdgeType, NodeType


def describe_catalog(catalog: Catalog) -> Iterator[str]:
    yield "ok"
    for interface in catalog.interfaces.values():
        yield f"interface {interface.name}: {', '.join(interface.properties)}"
    for node in catalog.nodes.values():
        yield f"node {node.name}: {', '.join(node.properties)}"
        if node.key:
            yield f"{node.name} key {' '.join(node.key)}"
        for each in node.ranges:
            yield f"{node.name} range {each.property_name} {each.minimum}..{each.maximum}"
        for check in node.checks:
            yield f"{node.name} check {check.property_name} {check.pattern}"
        if node.implements:
            yield f"{node.name} implements {' '.join(node.implements)}"
        yield from _entity(node)
    for edge in catalog.edges.values():
        minimum, maximum = edge.cardinality
        yield f"edge {edge.name}: {edge.source} -> {edge.target} {minimum}..{maximum}"
        yield from _entity(edge)


def _entity(entity: NodeType | EdgeType) -> Iterator[str]:
    for each in entity.properties.values():
        yield f"{entity.name}.{each.name}: {each.type}"
        if each.embed is not None:
            yield f"{entity.name}.{each.name} embed {each.embed.source} {each.embed.model}"
        for annotation in each.annotations:
            yield f"{entity.name}.{each.name} @{annotation.name} {annotation.value}"
    for columns in entity.unique:
        yield f"{entity.name} unique {' '.join(columns)}"
    for columns in entity.index:
        yield f"{entity.name} index {' '.join(columns)}"
    for annotation in entity.annotations:
        yield f"{entity.name} @{annotation.name} {annotation.value}"


def describe_query(query: c.ReadQuery | c.MutationQuery) -> Iterator[str]:
    yield "ok"
    for parameter in query.parameters:
        yield f"${parameter.name}: {parameter.type}"
    if query.description is not None:
        yield f"description {query.description}"
    if isinstance(query, c.MutationQuery):
        for statement in query.statements:
            yield _statement(statement)
        return
    yield from _block(query.block, "")
    yield f"columns {', '.join(each.column for each in query.projections)}"
    yield f"types {', '.join(str(each.type) for each in query.projections)}"
    for each in query.projections:
        yield f"return {expression(each.expression)}"
    if query.aggregating:
        yield "aggregating"
    if query.distinct:
        yield "distinct"
    for key in query.order:
        yield f"order {expression(key.expression)} {'desc' if key.descending else 'asc'}"
    for word, amount in (("limit", query.limit), ("offset", query.offset)):
        if amount is not None:
            yield f"{word} {amount if isinstance(amount, int) else expression(amount)}"


def _block(block: c.Block, indent: str) -> Iterator[str]:
    for variable in block.variables:
        yield f"{indent}{variable.name}: {variable.type_name}{' edge' if variable.kind == 'edge' else ''}"
    for clause in block.clauses:
        match clause:
            case c.Binding(variable=name, matches=matches):
                yield from _matches(matches, f"{indent}{name}")
            case c.Traversal():
                name = "" if clause.edge_variable is None else f"{clause.edge_variable}:"
                arrow = "-" if clause.undirected else "->"
                text = f"{indent}{clause.source} -{name}{clause.edge}{arrow} {clause.target}"
                yield text if (clause.minimum, clause.maximum) == (1, 1) else (f"{text} {clause.minimum}..{clause.maximum}")
                yield f"{indent}written {' '.join(clause.written)}"
                yield from _matches(clause.edge_matches, f"{indent}{clause.edge}")
            case c.Filter(condition=each):
                yield f"{indent}where {condition(each)}"
            case c.Negation(block=inner) | c.Optional(block=inner):
                yield f"{indent}{'not' if isinstance(clause, c.Negation) else 'optional'}"
                yield from _block(inner, indent + "| ")


def _matches(matches: tuple[c.PropertyMatch, ...], owner: str) -> Iterator[str]:
    for each in matches:
        yield f"{owner}.{each.property_name} {'has' if each.membership else '='} {expression(each.value)}"


def condition(node: c.Condition) -> str:
    match node:
        case c.Compare(operator=operator, left=left, right=right):
            return f"{expression(left)} {operator} {expression(right)}"
        case c.Contains(container=container, item=item):
            word = "starts_with" if isinstance(node, c.StartsWith) else "contains"
            return f"{expression(container)} {word} {expression(item)}"
        case c.IsNull(operand=operand, negated=negated):
            return f"{expression(operand)} is {'not ' if negated else ''}null"
        case c.In(operand=operand, container=container, negated=negated):
            return f"{expression(operand)} {'not ' if negated else ''}in {expression(container)}"
        case c.And(items=items):
            return f"({' and '.join(map(condition, items))})"
        case c.Or(items=items):
            return f"({' or '.join(map(condition, items))})"
        case c.Not(item=item):
            return f"not {condition(item)}"
        case c.TextCondition(match=match):
            return expression(match)
    raise AssertionError(node)


def expression(node: c.Expression) -> str:
    match node:
        case c.Constant(value=value, type=type_):
            return f"{value!r} {type_}"
        case c.ParameterRef(name=name):
            return f"${name}"
        case c.PropertyRef(variable=variable, property_name=name):
            return f"{variable}.{name}"
        case c.EntityRef(variable=variable):
            return f"id({variable})"
        case c.Now():
            return "now"
        case c.WholeRef(variable=variable, kind=kind):
            return f"{kind} {variable}.*"
        case c.Arithmetic(operator=operator, left=left, right=right, type=type_):
            return f"({expression(left)} {operator} {expression(right)}):{type_}"
        case c.Aggregate(function=function, argument=argument, distinct=distinct):
            return f"{function}({'distinct ' if distinct else ''}{'*' if argument is None else expression(argument)})"
        case c.TextMatch(function=function, field=field, query=query, edits=edits):
            arguments = [field, query] if edits is None else [field, query, edits]
            return f"{function}({', '.join(map(expression, arguments))})"
        case c.Nearest(field=field, query=query):
            return f"nearest({expression(field)}, {expression(query)})"
        case c.Bm25(field=field, query=query):
            return f"bm25({expression(field)}, {expression(query)})"
        case c.Rrf(first=first, second=second, k=k):
            return f"rrf({expression(first)}, {expression(second)}, {'None' if k is None else expression(k)})"
        case c.AliasRef(name=name):
            return f"alias {name}"
    raise AssertionError(node)


def _statement(node: c.Statement) -> str:
    match node:
        case c.Insert(type_name=name, assignments=assignments, source=source, target=target):
            ends = "" if source is None or target is None else f" {expression(source)} -> {expression(target)}"
            return f"insert {name}{ends} {_assignments(assignments)}".rstrip()
        case c.Update(type_name=name, assignments=assignments, predicate=predicate):
            return f"update {name} {_assignments(assignments)} where {condition(predicate)}"
        case c.Delete(kind=kind, type_name=name, predicate=predicate):
            return f"delete {kind} {name} where {condition(predicate)}"
    raise AssertionError(node)


def _assignments(nodes: tuple[c.Assignment, ...]) -> str:
    return ", ".join(f"{each.property_name}: {expression(each.value)}" for each in nodes)
