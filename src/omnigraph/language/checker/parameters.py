"""Declared parameters of a query."""

from __future__ import annotations

from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import Parameter
from omnigraph.language.checker.context import Context
from omnigraph.language.query_tree import ParameterNode
from omnigraph.language.token_reader import SCALARS

NOW_PARAMETER = "__nanograph_now"


def check_parameters(context: Context, nodes: tuple[ParameterNode, ...]) -> tuple[Parameter, ...]:
    """Check the declarations and enter them into the context."""
    for node in nodes:
        if node.name == NOW_PARAMETER:
            raise context.error(f"parameter name `${node.name}` is reserved for runtime timestamp injection", node.at, node.end)
        if node.name in context.parameters:
            raise context.error(f"duplicate parameter `${node.name}`", node.at, node.end)
        context.parameters[node.name] = _type(context, node)
    return tuple(Parameter(name, type_) for name, type_ in context.parameters.items())


def _type(context: Context, node: ParameterNode) -> PropertyType:
    if node.dimension is not None:
        return PropertyType(Scalar.VECTOR, node.nullable, dimension=node.dimension)
    scalar = SCALARS.get(node.type_name)
    if scalar is None or (node.is_list and scalar is Scalar.BLOB):
        name = f"[{node.type_name}]" if node.is_list else node.type_name
        raise context.error(f"unknown parameter type `{name}` for `${node.name}`", node.at, node.end)
    return PropertyType(scalar, node.nullable, node.is_list)
