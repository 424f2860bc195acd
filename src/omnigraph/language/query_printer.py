"""From a query tree back to a source text that parses to the same tree. Comments are not part of a tree."""

from __future__ import annotations

from collections.abc import Iterable

from omnigraph.language.catalog import Scalar
from omnigraph.language.lexer import plain_decimal, quote
from omnigraph.language.query_tree import (
    AccessNode,
    AmountNode,
    ArithmeticNode,
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
    LogicNode,
    MatchNode,
    MembershipNode,
    MutationBody,
    NegationNode,
    NegativeNode,
    NotNode,
    NowNode,
    NullTestNode,
    ParameterNode,
    PredicateNode,
    QueryDeclaration,
    QueryFile,
    ReadBody,
    StatementNode,
    TextNode,
    TraversalNode,
    VariableNode,
    WholeNode,
    WordNode,
)

_INDENT = "    "
_PRODUCTS = ("*", "/", "%")


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
    if isinstance(node, WholeNode):
        return f"${node.variable}.*"
    if isinstance(node, NowNode):
        return "now()"
    if isinstance(node, CallNode):
        arguments = ", ".join(print_expression(each) for each in node.arguments) or "*"
        return f"{node.function}({'distinct ' if node.distinct else ''}{arguments})"
    if isinstance(node, ArithmeticNode):
        strength = _strength(node)
        left = _enclosed(print_expression(node.left), _strength(node.left) < strength)
        right = _enclosed(print_expression(node.right), _strength(node.right) <= strength)
        return f"{left} {node.operator} {right}"
    if isinstance(node, NegativeNode):
        return "-" + _enclosed(
            print_expression(node.operand), isinstance(node.operand, (ArithmeticNode, NegativeNode, LiteralNode))
        )
    return node.text


def _strength(node: ExpressionNode) -> int:
    """Return how strongly an expression holds together: sums less than products, all else most."""
    if not isinstance(node, ArithmeticNode):
        return 3
    return 2 if node.operator in _PRODUCTS else 1


def _enclosed(text: str, needed: bool) -> str:
    return f"({text})" if needed else text


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
    lines = ["match {", *_clauses(body.clauses), "}", "return distinct {" if body.distinct else "return {"]
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
        lines.append(f"limit {_amount(body.limit)}")
    if body.offset is not None:
        lines.append(f"offset {_amount(body.offset)}")
    return lines


def _amount(node: AmountNode) -> str:
    return str(node) if isinstance(node, int) else f"${node.name}"


def _clauses(clauses: Iterable[ClauseNode]) -> list[str]:
    return [_INDENT + line for clause in clauses for line in _clause(clause)]


def _clause(node: ClauseNode) -> list[str]:
    if isinstance(node, BindingNode):
        return [f"${node.variable}: {node.type_name}" + (f" {_matches(node.matches)}" if node.matches else "")]
    if isinstance(node, TraversalNode):
        bounds = ""
        if node.bounds is not None:
            minimum, maximum = node.bounds
            bounds = f"{{{minimum},{'' if maximum is None else maximum}}}"
        name = "" if node.variable is None else f"${node.variable}:"
        edge = f"<{node.edge}>" if node.undirected else node.edge
        matches = _matches(node.matches) if node.matches else ""
        return [f"${node.left} {name}{edge}{bounds}{matches} ${node.right}"]
    if isinstance(node, FilterNode):
        text = print_condition(node.condition)
        # Behind the clause above a sign would subtract.
        return [_enclosed(text, text.startswith("-"))]
    word = "not" if isinstance(node, NegationNode) else "optional"
    return [f"{word} {{", *_clauses(node.clauses), "}"]


def _matches(nodes: tuple[MatchNode, ...]) -> str:
    return f"{{ {', '.join(f'{each.property_name}: {print_expression(each.value)}' for each in nodes)} }}"


def print_condition(node: ConditionNode) -> str:
    """Return the source text of a condition."""
    if isinstance(node, CompareNode):
        right = print_expression(node.right)
        # A word between two variables would be an edge.
        is_edge = isinstance(node.left, VariableNode) and right.startswith("$") and node.operator in ("contains", "starts_with")
        return f"{_enclosed(print_expression(node.left), is_edge)} {node.operator} {right}"
    if isinstance(node, TextNode):
        return print_expression(node.call)
    if isinstance(node, PredicateNode):
        return f"{node.property_name} {node.operator} {print_expression(node.value)}"
    if isinstance(node, NullTestNode):
        return f"{print_expression(node.operand)} is {'not ' if node.negated else ''}null"
    if isinstance(node, MembershipNode):
        left = _enclosed(print_expression(node.operand), isinstance(node.operand, VariableNode))
        return f"{left} {'not ' if node.negated else ''}in {print_expression(node.container)}"
    if isinstance(node, NotNode):
        # A property called like an operator is told from one by a parenthesis.
        needed = isinstance(node.item, LogicNode) or (
            isinstance(node.item, (NullTestNode, MembershipNode)) and isinstance(node.item.operand, WordNode)
        )
        return f"not {_enclosed(print_condition(node.item), needed)}"
    return f" {node.operator} ".join(
        _enclosed(print_condition(item), isinstance(item, LogicNode) and (item.operator, node.operator) != ("and", "or"))
        for item in node.items
    )


def _mutation(body: MutationBody) -> list[str]:
    return [line for statement in body.statements for line in _statement(statement)]


def _statement(node: StatementNode) -> list[str]:
    if isinstance(node, InsertNode):
        return [f"insert {node.type_name} {_assignments(node.assignments)}"]
    if isinstance(node, DeleteNode):
        return [f"delete {node.type_name} where {print_condition(node.predicate)}"]
    return [f"update {node.type_name} set {_assignments(node.assignments)} where {print_condition(node.predicate)}"]


def _assignments(nodes: tuple[AssignmentNode, ...]) -> str:
    return f"{{ {', '.join(f'{each.property_name}: {print_expression(each.value)}' for each in nodes)} }}"
