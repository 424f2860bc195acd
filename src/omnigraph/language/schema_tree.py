"""The syntax tree of a ``.pg`` file.

``at`` is the number of a node's first token, ``end`` the number behind its last one; ``Tokens.span`` turns them into
places. Declarations stand in source order.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from omnigraph.language.catalog import PropertyType
from omnigraph.language.lexer import Tokens

ConstraintKind = Literal["key", "unique", "index", "range", "check"]
CONSTRAINT_KINDS: frozenset[str] = frozenset(("key", "unique", "index", "range", "check"))


class AnnotationNode(Struct, frozen=True):
    """``@name``, ``@name(value)``, ``@name(value, word=value)``. ``quoted`` tells a string from a bare word."""

    name: str
    value: str | None = None
    kwargs: tuple[tuple[str, str], ...] = ()
    quoted: bool = False
    at: int = 0
    end: int = 0


class PropertyNode(Struct, frozen=True):
    """``name: type`` and its annotations. ``inherited`` names the interface that a copy came from."""

    name: str
    type: PropertyType
    annotations: tuple[AnnotationNode, ...] = ()
    inherited: str | None = None
    at: int = 0
    end: int = 0


class BoundsNode(Struct, frozen=True):
    """``a..b`` as an argument of a constraint; at least one bound is there."""

    minimum: int | float | None
    maximum: int | float | None
    at: int = 0


class WordNode(Struct, frozen=True):
    """A bare word as an argument of a constraint."""

    text: str
    at: int = 0


class ValueNode(Struct, frozen=True):
    """A literal as an argument of a constraint."""

    value: str | int | float | bool
    at: int = 0


ArgumentNode: TypeAlias = BoundsNode | WordNode | ValueNode


class ConstraintNode(Struct, frozen=True):
    """``@key(…)``, ``@unique(…)``, ``@index(…)``, ``@range(…)`` or ``@check(…)`` in a body, or its property form."""

    kind: ConstraintKind
    arguments: tuple[ArgumentNode, ...]
    shorthand: bool = False
    at: int = 0
    end: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The properties that a key, unique or index constraint names, each once."""
        return tuple(dict.fromkeys(argument.text for argument in self.arguments if isinstance(argument, WordNode)))


class InterfaceDeclaration(Struct, frozen=True):
    """``interface I { … }``."""

    name: str
    properties: tuple[PropertyNode, ...]
    at: int = 0
    end: int = 0


class NodeDeclaration(Struct, frozen=True):
    """``node N @a implements I { … }``."""

    name: str
    annotations: tuple[AnnotationNode, ...] = ()
    implements: tuple[str, ...] = ()
    properties: tuple[PropertyNode, ...] = ()
    constraints: tuple[ConstraintNode, ...] = ()
    at: int = 0
    end: int = 0


class EdgeDeclaration(Struct, frozen=True):
    """``edge E: F -> T @card(a..b) @a { … }``."""

    name: str
    source: str
    target: str
    cardinality: tuple[int, int | None] | None = None
    annotations: tuple[AnnotationNode, ...] = ()
    properties: tuple[PropertyNode, ...] = ()
    constraints: tuple[ConstraintNode, ...] = ()
    at: int = 0
    end: int = 0


Declaration: TypeAlias = InterfaceDeclaration | NodeDeclaration | EdgeDeclaration


class SchemaTree(Struct, frozen=True):
    """A whole file."""

    declarations: tuple[Declaration, ...]
    tokens: Tokens

    @property
    def interfaces(self) -> tuple[InterfaceDeclaration, ...]:
        return tuple(item for item in self.declarations if isinstance(item, InterfaceDeclaration))

    @property
    def nodes(self) -> tuple[NodeDeclaration, ...]:
        return tuple(item for item in self.declarations if isinstance(item, NodeDeclaration))

    @property
    def edges(self) -> tuple[EdgeDeclaration, ...]:
        return tuple(item for item in self.declarations if isinstance(item, EdgeDeclaration))
