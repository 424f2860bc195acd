"""From a query tree back to a source text that parses to the same tree. Comments are not part of a tree."""

from __future__ import annotations

from collections.abc import Iterable

from omnigraph.language.catalog import Scalar
from omnigraph.language.lexer import plain_decimal, quote
from omnigraph.language.query_tree import (
    AccessNode,
    AssignmentNode,
    BindingNode,
    CallNode,
    ClauseNode,
    CompareNode,
    ConditionNode,
    DeleteNode,
    ExpressionNode,
    FilterNode,
    InsertNode,
    ListNode,
    LiteralNode,
    MutationBody,
    NowNode,
    ParameterNode,
    PredicateNode,
    QueryDeclaration,
    QueryFile,
    ReadBody,
    StatementNode,
    TraversalNode,
    VariableNode,
)

_INDENT = "    "


def print_queries(file: QueryFile) -> str:
    """Return the source text of a file."""
    return "\n".join(print_query(query) for query in file.queries)


def print_query(query: QueryDeclaration) -> str:
    """Return the source text of one query, with a newline at its end."""
    parameters = ", ".join(_parameter(each) for each in query.parameters)
    lines = [f"query {query.name}({parameters})"]
    if query.description is not None:
        lines.append(f"{_INDENT}@description({quote(query.description)})")
    if query.instruction is not None:
        lines.append(f"{_INDENT}@instruction({quote(query.instruction)})")
    lines[-1] += " {"
    body = _mutation(query.body) if isinstance(query.body, MutationBody) else _read(query.body)
    lines += [_INDENT + line for line in body]
    return "\n".join([*lines, "}", ""])


def print_expression(node: ExpressionNode) -> str:
    """Return the source text of an expression."""
    if isinstance(node, LiteralNode):
        return _literal(node)
    if isinstance(node, ListNode):
        return f"[{', '.join(print_expression(item) for item in node.items)}]"
    if isinstance(node, VariableNode):
        return f"${node.name}"
    if isinstance(node, AccessNode):
        return f"${node.variable}.{node.property_name}"
    if isinstance(node, NowNode):
        return "now()"
    if isinstance(node, CallNode):
        return f"{node.function}({', '.join(print_expression(each) for each in node.arguments)})"
    return node.text


def _literal(node: LiteralNode) -> str:
    if node.scalar is Scalar.STRING:
        return quote(str(node.value))
    if node.scalar is Scalar.BOOL:
        return "true" if node.value else "false"
    if node.scalar in (Scalar.DATE, Scalar.DATETIME):
        return f"{node.scalar.value.lower()}({quote(str(node.value))})"
    if isinstance(node.value, float):
        return plain_decimal(repr(node.value))
    return str(node.value)


def _parameter(node: ParameterNode) -> str:
    name = f"{node.type_name}({node.dimension})" if node.dimension is not None else node.type_name
    return f"${node.name}: {f'[{name}]' if node.is_list else name}{'?' if node.nullable else ''}"


def _read(body: ReadBody) -> list[str]:
    lines = ["match {", *_clauses(body.clauses), "}", "return {"]
    for each in body.projections:
        alias = "" if each.alias is None else f" as {each.alias}"
        lines.append(f"{_INDENT}{print_expression(each.expression)}{alias},")
    lines.append("}")
    if body.order:
        keys = (
            print_expression(each.expression) + ("" if each.direction is None else f" {each.direction}") for each in body.order
        )
        lines.append(f"order {{ {', '.join(keys)} }}")
    if body.limit is not None:
        lines.append(f"limit {body.limit}")
    return lines


def _clauses(clauses: Iterable[ClauseNode]) -> list[str]:
    return [_INDENT + line for clause in clauses for line in _clause(clause)]


def _clause(node: ClauseNode) -> list[str]:
    if isinstance(node, BindingNode):
        matches = ", ".join(f"{each.property_name}: {print_expression(each.value)}" for each in node.matches)
        return [f"${node.variable}: {node.type_name}" + (f" {{ {matches} }}" if matches else "")]
    if isinstance(node, TraversalNode):
        bounds = ""
        if node.bounds is not None:
            minimum, maximum = node.bounds
            bounds = f"{{{minimum},{'' if maximum is None else maximum}}}"
        return [f"${node.left} {node.edge}{bounds} ${node.right}"]
    if isinstance(node, FilterNode):
        return [_condition(node.condition)]
    return ["not {", *_clauses(node.clauses), "}"]


def _condition(node: ConditionNode) -> str:
    if isinstance(node, CompareNode):
        return f"{print_expression(node.left)} {node.operator} {print_expression(node.right)}"
    return print_expression(node.call)


def _mutation(body: MutationBody) -> list[str]:
    return [line for statement in body.statements for line in _statement(statement)]


def _statement(node: StatementNode) -> list[str]:
    if isinstance(node, InsertNode):
        return [f"insert {node.type_name} {_assignments(node.assignments)}"]
    if isinstance(node, DeleteNode):
        return [f"delete {node.type_name} where {_predicate(node.predicate)}"]
    return [f"update {node.type_name} set {_assignments(node.assignments)} where {_predicate(node.predicate)}"]


def _assignments(nodes: tuple[AssignmentNode, ...]) -> str:
    return f"{{ {', '.join(f'{each.property_name}: {print_expression(each.value)}' for each in nodes)} }}"


def _predicate(node: PredicateNode) -> str:
    return f"{node.property_name} {node.operator} {print_expression(node.value)}"
