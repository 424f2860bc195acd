"""Where rows come from: a key, an index, or the whole table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.checked import Constant, ParameterRef, Value
from omnigraph.language.identity import composite_id, key_text
from omnigraph.query.context import Context, Operand, operand_value
from omnigraph.query.frame import Frame
from omnigraph.query.notation import expression_text
from omnigraph.query.operators.step import Step

Member = tuple[str, Operand, PropertyType]
"""A key member: its property, the value that it must equal, and its type."""


def member_text(value: Value, type_: PropertyType) -> str | None:
    """Return the text that a key member of this value has in an id, or None when no key can equal it.

    Numbers equal by mathematical value: the float 2.0 finds the integer key 2.
    """
    if value is None or isinstance(value, tuple):
        return None
    if type_.scalar.is_integer and isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    return key_text(value, type_.scalar)


def key_of(members: Sequence[Member], parameters: Mapping[str, Value], now_ms: int) -> str | None:
    """Return the id of the node whose key members have the given values, or None when there can be none."""
    if len(members) == 1:
        _, operand, type_ = members[0]
        value = operand_value(operand, parameters, now_ms)
        return value if type(value) is str else member_text(value, type_)
    texts: list[str] = []
    for _, operand, type_ in members:
        text = member_text(operand_value(operand, parameters, now_ms), type_)
        if text is None:
            return None
        texts.append(text)
    return composite_id(texts)


class FindKey(Step, frozen=True):
    """Binds a variable to the one node with a key, if there is one. ``members`` stand in key order."""

    variable: str
    members: tuple[Member, ...]
    type_name: str

    def find(self, context: Context) -> int:
        """Return the node's ordinal, or -1."""
        row_id = key_of(self.members, context.parameters, context.now_ms)
        return -1 if row_id is None else context.table(self.variable).ordinal(row_id)

    def run(self, frame: Frame, context: Context) -> Frame:
        ordinal = self.find(context)
        if ordinal < 0:
            return Frame(0, {})
        found = np.array((ordinal,), np.int32)
        if not self.carry:
            return Frame(frame.rows, {self.variable: found if frame.rows == 1 else found.repeat(frame.rows)}, frame.weights)
        columns = {name: frame.columns[name] for name in self.carry}
        columns[self.variable] = found.repeat(frame.rows)
        return Frame(frame.rows, columns, frame.weights)

    def binds(self) -> frozenset[str]:
        return frozenset({self.variable})

    def describe(self) -> str:
        tests = " and ".join(f"{name} = {expression_text(operand)}" for name, operand, _ in self.members)
        return f"find {shown(self.variable)}: {self.type_name} by key {tests}"


class FindKeys(Step, frozen=True):
    """Binds a variable to the nodes whose key is in a list. Starts a plan."""

    variable: str
    property_name: str
    type: PropertyType
    operand: Constant | ParameterRef
    type_name: str

    def run(self, frame: Frame, context: Context) -> Frame:
        values = context.value(self.operand)
        if not isinstance(values, tuple):
            return Frame(0, {})
        if self.type.scalar is Scalar.STRING:
            texts = {value for value in values if isinstance(value, str)}
        else:
            texts = {text for text in [member_text(value, self.type) for value in values] if text is not None}
        ordinals = np.sort(context.table(self.variable).ordinals(list(texts)))
        found = ordinals[np.searchsorted(ordinals, 0) :]
        return Frame(len(found), {self.variable: found})

    def binds(self) -> frozenset[str]:
        return frozenset({self.variable})

    def describe(self) -> str:
        return f"find {shown(self.variable)}: {self.type_name} by keys {self.property_name} in {expression_text(self.operand)}"


class FindIndexed(Step, frozen=True):
    """Binds a variable to the rows whose property has a value, by an index. Starts a plan."""

    variable: str
    property_name: str
    operand: Operand
    type_name: str
    index: str

    def run(self, frame: Frame, context: Context) -> Frame:
        value = context.value(self.operand)
        if value is None:
            return Frame(0, {})
        ordinals = context.table(self.variable).find(self.property_name, value)
        return Frame(len(ordinals), {self.variable: ordinals})

    def binds(self) -> frozenset[str]:
        return frozenset({self.variable})

    def describe(self) -> str:
        test = f"{self.property_name} = {expression_text(self.operand)}"
        return f"find {shown(self.variable)}: {self.type_name} by {self.index} {test}"


class ScanTable(Step, frozen=True):
    """Binds a variable to every row of a type. Starts a plan. ``why`` says why no index could serve."""

    variable: str
    type_name: str
    why: str = ""

    def run(self, frame: Frame, context: Context) -> Frame:
        return Frame.scanning(self.variable, context.table(self.variable), None)

    def binds(self) -> frozenset[str]:
        return frozenset({self.variable})

    def describe(self) -> str:
        return f"scan {shown(self.variable)}: {self.type_name}" + (f" ({self.why})" if self.why else "")


class Nothing(Step, frozen=True):
    """Ends a match that cannot have rows. It binds its variables so that later steps make sense."""

    variables: tuple[str, ...]
    why: str

    def run(self, frame: Frame, context: Context) -> Frame:
        return Frame(0, {})

    def binds(self) -> frozenset[str]:
        return frozenset(self.variables)

    def describe(self) -> str:
        return f"nothing: {self.why}"


def shown(variable: str) -> str:
    """Return a variable as people write it."""
    return "$_" if variable.startswith("#") else f"${variable}"
