"""Expressions of reads: property accesses, variables, literals, functions."""

from __future__ import annotations

from msgspec.structs import replace

from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import (
    Aggregate,
    AggregateFunction,
    AliasRef,
    Bm25,
    Constant,
    EntityRef,
    Expression,
    Nearest,
    Now,
    ParameterRef,
    PropertyRef,
    Rrf,
    TextFunction,
    TextMatch,
)
from omnigraph.language.checker.arithmetic import check_arithmetic
from omnigraph.language.checker.context import BOOL, DATETIME, F64, I64, Context, Scope
from omnigraph.language.checker.literals import check_literal, floats
from omnigraph.language.checker.operands import Typed, describe, holds_aggregate
from omnigraph.language.query_tree import (
    AGGREGATES,
    TEXT_FUNCTIONS,
    AccessNode,
    ArithmeticNode,
    CallNode,
    ExpressionNode,
    ListNode,
    LiteralNode,
    NegativeNode,
    NowNode,
    VariableNode,
    WholeNode,
)


def check_expression(context: Context, scope: Scope, node: ExpressionNode) -> Typed:
    """Check an expression by itself, without regard to where it stands."""
    if isinstance(node, AccessNode):
        reference = check_access(context, scope, node)
        return reference, reference.type
    if isinstance(node, VariableNode):
        return _check_variable(context, scope, node)
    if isinstance(node, (LiteralNode, ListNode)):
        constant = check_literal(context, node)
        return constant, constant.type
    if isinstance(node, NowNode):
        return Now(), DATETIME
    if isinstance(node, CallNode):
        return _check_call(context, scope, node)
    if isinstance(node, (ArithmeticNode, NegativeNode)):
        return check_arithmetic(context, node, lambda operand: check_expression(context, scope, operand))
    if isinstance(node, WholeNode):
        raise context.error(f"X8: `${node.variable}.*` may only be returned", node.at)
    return AliasRef(node.text), None


def check_access(context: Context, scope: Scope, node: AccessNode) -> PropertyRef:
    """Check ``$x.p``. A parameter of the same name does not hide ``$x`` here: parameters have no properties."""
    variable = scope.find(node.variable)
    if variable is None:
        raise context.error(f"T6: variable `${node.variable}` is not bound", node.at)
    found = context.entity(variable).properties.get(node.property_name)
    if found is None:
        raise context.error(f"T6: type `{variable.type_name}` has no property `{node.property_name}`", node.at)
    type_ = found.type
    if not type_.nullable and scope.is_optional(node.variable):
        type_ = replace(type_, nullable=True)
    return PropertyRef(node.variable, node.property_name, type_)


def _check_variable(context: Context, scope: Scope, node: VariableNode) -> Typed:
    type_ = context.parameters.get(node.name)
    if type_ is not None:
        return ParameterRef(node.name, type_), type_
    variable = scope.find(node.name)
    if variable is None:
        raise context.error(f"variable `${node.name}` is not bound", node.at)
    return EntityRef(node.name, variable.kind, variable.type_name), None


def _check_call(context: Context, scope: Scope, node: CallNode) -> Typed:
    function = node.function
    if function in AGGREGATES:
        aggregate = _check_aggregate(context, scope, node)
        return aggregate, aggregate.type
    if function in TEXT_FUNCTIONS:
        return check_text_match(context, scope, node), BOOL
    if function == "nearest":
        return _check_nearest(context, scope, node), F64
    if function == "bm25":
        return _check_bm25(context, scope, node), F64
    return _check_rrf(context, scope, node), F64


# --- aggregates --------------------------------------------------------------------------------------------------------


def _check_aggregate(context: Context, scope: Scope, node: CallNode) -> Aggregate:
    function: AggregateFunction = node.function  # type: ignore[assignment]  # the caller has looked
    if not node.arguments:
        return Aggregate("count", None, False, I64)
    argument, type_ = check_expression(context, scope, node.arguments[0])
    if holds_aggregate(argument):
        raise context.error("T8: aggregates cannot be nested", node.at)
    if isinstance(argument, (TextMatch, Nearest, Bm25, Rrf)):
        raise context.error(f"T8: {function} cannot be taken of a search function", node.at)
    if function == "count":
        if node.distinct and type_ is not None and type_.scalar in (Scalar.VECTOR, Scalar.BLOB):
            raise context.error(f"X3: distinct cannot compare {type_}", node.at)
        return Aggregate("count", argument, node.distinct, I64)
    numeric = type_ is not None and type_.scalar.is_numeric and not type_.is_list
    if function in ("sum", "avg"):
        if not numeric:
            raise context.error(f"T8: {function} requires numeric type, got {describe(argument, type_)}", node.at)
        return Aggregate(function, argument, False, PropertyType(Scalar.F64, nullable=True))
    textual = type_ is not None and type_.scalar is Scalar.STRING and not type_.is_list
    if type_ is None or not (numeric or textual):
        raise context.error(f"T8: {function} requires numeric or string type, got {describe(argument, type_)}", node.at)
    return Aggregate(function, argument, False, PropertyType(type_.scalar, True, enum_values=type_.enum_values))


# --- search ------------------------------------------------------------------------------------------------------------


def check_text_match(context: Context, scope: Scope, node: CallNode) -> TextMatch:
    """Check ``search``, ``fuzzy`` or ``match_text``."""
    function: TextFunction = node.function  # type: ignore[assignment]  # the caller has looked
    field = _check_text_field(context, scope, node)
    query = _check_text_query(context, scope, node)
    edits: Expression | None = None
    if len(node.arguments) > 2:
        edits = _check_integer(context, scope, node.arguments[2], "T19: fuzzy max_edits")
    return TextMatch(function, field, query, edits)


def _rule(function: str) -> str:
    return "T19" if function in ("search", "fuzzy") else "T20"


def _check_text_field(context: Context, scope: Scope, node: CallNode) -> PropertyRef:
    problem = f"{_rule(node.function)}: {node.function} field must be String"
    at = node.arguments[0].at
    field, type_ = check_expression(context, scope, node.arguments[0])
    _refuse_edge(context, scope, field, at)
    if type_ is None or type_.scalar is not Scalar.STRING or type_.is_list:
        raise context.error(f"{problem}, got {describe(field, type_)}", at)
    if not isinstance(field, PropertyRef):
        raise context.error(f"{problem} property of a bound variable, such as `$x.title`", at)
    return field


def _refuse_edge(context: Context, scope: Scope, field: Expression, at: int) -> None:
    """Refuse an edge in a search function: only nodes are searched."""
    if isinstance(field, (PropertyRef, EntityRef)):
        variable = scope.find(field.variable)
        if variable is not None and variable.kind == "edge":
            raise context.error(f"T23: edge binding `${field.variable}` cannot be used in a search function", at)


def _check_text_query(context: Context, scope: Scope, node: CallNode) -> Constant | ParameterRef:
    problem = f"{_rule(node.function)}: {node.function} query must be String"
    at = node.arguments[1].at
    query, type_ = check_expression(context, scope, node.arguments[1])
    if type_ is None or type_.scalar is not Scalar.STRING or type_.is_list:
        raise context.error(f"{problem}, got {describe(query, type_)}", at)
    if not isinstance(query, (Constant, ParameterRef)):
        raise context.error(f"{problem}: a literal or a parameter", at)
    return query


def _check_integer(context: Context, scope: Scope, node: ExpressionNode, what: str) -> Constant | ParameterRef:
    value, type_ = check_expression(context, scope, node)
    if type_ is None or not type_.scalar.is_integer or type_.is_list:
        raise context.error(f"{what} must be an integer scalar, got {describe(value, type_)}", node.at)
    if not isinstance(value, (Constant, ParameterRef)):
        raise context.error(f"{what} must be an integer scalar: a literal or a parameter", node.at)
    return value


def _check_bm25(context: Context, scope: Scope, node: CallNode) -> Bm25:
    return Bm25(_check_text_field(context, scope, node), _check_text_query(context, scope, node))


def _check_nearest(context: Context, scope: Scope, node: CallNode) -> Nearest:
    access = node.arguments[0]
    assert isinstance(access, AccessNode)
    field = check_access(context, scope, access)
    _refuse_edge(context, scope, field, access.at)
    dimension = field.type.dimension
    if dimension is None:
        variable = scope.find(field.variable)
        owner = "" if variable is None else variable.type_name
        raise context.error(
            f"T15: nearest requires a Vector property, got {owner}.{field.property_name}: {field.type}", access.at
        )
    at = node.arguments[1].at
    query, type_ = check_expression(context, scope, node.arguments[1])
    mismatch = f"T15: nearest vector dimension mismatch: property is Vector({dimension}), "
    if type_ is not None and isinstance(query, Constant) and type_.is_list and type_.scalar.is_numeric:
        values = floats(query.value)
        if len(values) != dimension:
            raise context.error(f"{mismatch}query literal has {len(values)} elements", at)
        return Nearest(field, Constant(values, PropertyType(Scalar.VECTOR, dimension=dimension)))
    if type_ is not None and isinstance(query, (Constant, ParameterRef)):
        if type_.scalar is Scalar.VECTOR:
            if type_.dimension != dimension:
                raise context.error(f"{mismatch}query is Vector({type_.dimension})", at)
            return Nearest(field, query)
        if type_.scalar is Scalar.STRING and not type_.is_list:
            return Nearest(field, query)
    raise context.error(f"T15: nearest query must be Vector({dimension}) or String, got {describe(query, type_)}", at)


def _check_rrf(context: Context, scope: Scope, node: CallNode) -> Rrf:
    first, second = (check_expression(context, scope, each)[0] for each in node.arguments[:2])
    assert isinstance(first, (Nearest, Bm25)) and isinstance(second, (Nearest, Bm25))
    if first.field.variable != second.field.variable:
        raise context.error("T21: rrf needs two rankings of one variable", node.at)
    k: Expression | None = None
    if len(node.arguments) > 2:
        k = _check_integer(context, scope, node.arguments[2], "T21: rrf k")
        if isinstance(k, Constant) and isinstance(k.value, int) and k.value <= 0:
            raise context.error("T21: rrf k must be greater than 0", node.arguments[2].at)
    return Rrf(first, second, k)
