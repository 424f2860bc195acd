"""Checked expressions and conditions as text, and the variables that they use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import (
    Aggregate,
    AliasRef,
    And,
    Arithmetic,
    Binding,
    Block,
    Bm25,
    Clause,
    Compare,
    Condition,
    Constant,
    Contains,
    EntityRef,
    Expression,
    Filter,
    In,
    IsNull,
    Nearest,
    Negation,
    Not,
    Now,
    Optional,
    Or,
    ParameterRef,
    PropertyRef,
    Rrf,
    StartsWith,
    TextCondition,
    TextMatch,
    Traversal,
    Value,
    Variable,
    WholeRef,
)
from omnigraph.query.encode import encode_value


def value_text(value: Value, type_: PropertyType) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(value_text(item, type_) for item in value[:5])}{', …' if len(value) > 5 else ''}]"
    if type_.scalar in (Scalar.DATE, Scalar.DATETIME) and isinstance(value, int):
        shown = encode_value(value, PropertyType(type_.scalar))
        return f'{type_.scalar.value.lower()}("{shown}")'
    return f'"{value}"' if isinstance(value, str) else str(value)


def expression_text(expression: Expression) -> str:
    """Return an expression about as it was written."""
    match expression:
        case Constant():
            return value_text(expression.value, expression.type)
        case ParameterRef():
            return f"${expression.name}"
        case PropertyRef():
            # The row of a mutation and an edge without a variable have no name of their own.
            named = expression.variable and not expression.variable.startswith("@")
            return f"${expression.variable}.{expression.property_name}" if named else expression.property_name
        case EntityRef():
            return f"${expression.variable}"
        case WholeRef():
            return f"${expression.variable}.*"
        case Now():
            return "now()"
        case Arithmetic():
            return f"({expression_text(expression.left)} {expression.operator} {expression_text(expression.right)})"
        case Aggregate():
            argument = "*" if expression.argument is None else expression_text(expression.argument)
            return f"{expression.function}({'distinct ' if expression.distinct else ''}{argument})"
        case TextMatch():
            return f"{expression.function}({expression_text(expression.field)}, {expression_text(expression.query)})"
        case Nearest():
            return f"nearest({expression_text(expression.field)}, {expression_text(expression.query)})"
        case Bm25():
            return f"bm25({expression_text(expression.field)}, {expression_text(expression.query)})"
        case Rrf():
            return f"rrf({expression_text(expression.first)}, {expression_text(expression.second)})"
        case AliasRef():
            return expression.name


def condition_text(condition: Condition) -> str:
    """Return a condition about as it was written."""
    match condition:
        case Compare():
            return f"{expression_text(condition.left)} {condition.operator} {expression_text(condition.right)}"
        case StartsWith():
            return f"{expression_text(condition.container)} starts_with {expression_text(condition.item)}"
        case Contains():
            return f"{expression_text(condition.container)} contains {expression_text(condition.item)}"
        case In():
            word = "not in" if condition.negated else "in"
            return f"{expression_text(condition.operand)} {word} {expression_text(condition.container)}"
        case IsNull():
            return f"{expression_text(condition.operand)} is {'not ' if condition.negated else ''}null"
        case TextCondition():
            return expression_text(condition.match)
        case And():
            return "(" + " and ".join(map(condition_text, condition.items)) + ")"
        case Or():
            return "(" + " or ".join(map(condition_text, condition.items)) + ")"
        case Not():
            return f"not {condition_text(condition.item)}"


def parts(expression: Expression | Condition) -> tuple[Expression | Condition, ...]:
    """Return the direct parts of an expression or a condition."""
    found = _PARTS.get(type(expression))
    return () if found is None else found(expression)


def walk(expression: Expression | Condition) -> Iterator[Expression | Condition]:
    """Yield an expression or a condition and everything inside it, from left to right."""
    waiting = [expression]
    while waiting:
        item = waiting.pop()
        yield item
        found = _PARTS.get(type(item))
        if found is not None:
            waiting += found(item)[::-1]


def condition_variables(condition: Expression | Condition) -> frozenset[str]:
    """Return the variables that an expression or a condition looks at."""
    return frozenset([part.variable for part in walk(condition) if isinstance(part, PropertyRef | EntityRef | WholeRef)])


def clause_variables(clause: Clause) -> frozenset[str]:
    """Return the variables that a clause names; of a block only those that come from outside it."""
    match clause:
        case Binding():
            return frozenset({clause.variable})
        case Traversal():
            edge = () if clause.edge_variable is None else (clause.edge_variable,)
            return frozenset({clause.source, clause.target, *edge})
        case Filter():
            return condition_variables(clause.condition)
        case Negation() | Optional():
            return outer_variables(clause.block)


def outer_variables(block: Block) -> frozenset[str]:
    """Return the variables of enclosing blocks that a block uses."""
    used = frozenset[str]().union(*(clause_variables(clause) for clause in block.clauses))
    return used - {variable.name for variable in visible_variables(block)}


def visible_variables(block: Block) -> tuple[Variable, ...]:
    """Return the variables that a block binds, those of its optional blocks included."""
    inner = [visible_variables(clause.block) for clause in block.clauses if isinstance(clause, Optional)]
    return (*block.variables, *(variable for variables in inner for variable in variables))


# The planner asks for parts thousands of times a plan: a table costs a tenth of a chain of patterns.
_PARTS: dict[type, Callable[[Any], tuple[Expression | Condition, ...]]] = {  # Any: the key is the type of the argument
    Arithmetic: lambda e: (e.left, e.right),
    Compare: lambda e: (e.left, e.right),
    Aggregate: lambda e: () if e.argument is None else (e.argument,),
    TextMatch: lambda e: (e.field, e.query) if e.edits is None else (e.field, e.query, e.edits),
    Nearest: lambda e: (e.field, e.query),
    Bm25: lambda e: (e.field, e.query),
    Rrf: lambda e: (e.first, e.second) if e.k is None else (e.first, e.second, e.k),
    Contains: lambda e: (e.container, e.item),
    StartsWith: lambda e: (e.container, e.item),
    In: lambda e: (e.operand, e.container),
    IsNull: lambda e: (e.operand,),
    TextCondition: lambda e: (e.match,),
    And: lambda e: e.items,
    Or: lambda e: e.items,
    Not: lambda e: (e.item,),
}
