"""How the rows of one variable can be found, and about how many there are."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from omnigraph.language.catalog import EdgeType, NodeType, PropertyType
from omnigraph.language.checked import Compare, Condition, Constant, Contains, In, Now, ParameterRef, PropertyRef
from omnigraph.query.context import Operand
from omnigraph.query.operators.source import FindIndexed, FindKey, FindKeys, ScanTable
from omnigraph.query.operators.step import Step

TABLE_ROWS = 1_000.0
"""The size that every table is taken to have: a plan does not depend on data."""

_OPERANDS = (Constant, ParameterRef, Now)


class Access(Struct, frozen=True):
    """The cheapest way to the rows of a variable. ``used`` are the conditions that the step takes care of."""

    step: Step
    rows: float
    used: tuple[Condition, ...] = ()
    by_key: bool = False


def equality(condition: Condition) -> tuple[PropertyRef, Operand] | None:
    """Return the two sides of ``$x.p = constant``, however it was written."""
    if not isinstance(condition, Compare) or condition.operator != "=":
        return None
    left, right = condition.left, condition.right
    if isinstance(right, PropertyRef):
        left, right = right, left
    if isinstance(left, PropertyRef) and isinstance(right, _OPERANDS):
        return left, right
    return None


def selectivity(condition: Condition) -> float:
    """Return the guessed share of rows that a condition keeps."""
    match condition:
        case Compare(operator="="):
            return 0.05
        case Compare(operator="!="):
            return 0.9
        case Compare():
            return 0.3
        case In(negated=False) | Contains():
            return 0.1
        case _:
            return 0.5


def find_access(variable: str, entity: NodeType | EdgeType, conditions: list[Condition]) -> Access:
    """Return the best access to a variable under the conditions that look at it alone."""
    equalities: dict[str, tuple[Condition, Operand, PropertyType]] = {}
    for condition in conditions:
        sides = equality(condition)
        if sides is not None:
            equalities.setdefault(sides[0].property_name, (condition, sides[1], sides[0].type))
    rest = 1.0
    for condition in conditions:
        rest *= selectivity(condition)
    key = entity.key if isinstance(entity, NodeType) else ()
    if key and all(name in equalities and _keyable(equalities[name]) for name in key):
        members = tuple((name, equalities[name][1], entity.properties[name].type) for name in key)
        step: Step = FindKey(variable, members, entity.name)
        return Access(step, 1.0, tuple(equalities[name][0] for name in key), by_key=True)
    unique = {columns[0] for columns in entity.unique if len(columns) == 1}
    for names, label, rows in ((unique, "@unique", 1.0), (entity.indexed, "@index", 10.0)):
        for name, (condition, operand, _) in equalities.items():
            if name in names:
                step = FindIndexed(variable, name, operand, entity.name, label)
                return Access(step, rows * rest / selectivity(condition), (condition,))
    if len(key) == 1 and not entity.properties[key[0]].type.scalar.is_float:
        for condition in conditions:
            listed = _listed(condition, key[0])
            if listed is not None:
                step = FindKeys(variable, key[0], entity.properties[key[0]].type, listed, entity.name)
                return Access(step, 20.0 * rest / selectivity(condition), (condition,))
    return Access(ScanTable(variable, entity.name, _reason(equalities, conditions)), TABLE_ROWS * rest)


def _listed(condition: Condition, name: str) -> Constant | ParameterRef | None:
    """Return the list of ``$x.name in list``, where its elements have texts as keys do."""
    if not isinstance(condition, In) or condition.negated or not isinstance(condition.operand, PropertyRef):
        return None
    container = condition.container
    if condition.operand.property_name != name or not isinstance(container, Constant | ParameterRef):
        return None
    return container


def _keyable(found: tuple[Condition, Operand, PropertyType]) -> bool:
    """Say whether the id of a key follows from a value: floats could be written in more ways than one."""
    _, operand, type_ = found
    if type_.scalar.is_float:
        return False
    return isinstance(operand, Now) or not operand.type.scalar.is_float or type_.scalar.is_integer


def _reason(equalities: Mapping[str, object], conditions: list[Condition]) -> str:
    if equalities:
        return f"no index on {', '.join(sorted(equalities))}"
    return "no equality to look up" if conditions else "all rows"
