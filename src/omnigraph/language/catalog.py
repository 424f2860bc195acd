"""The catalog: what a valid schema declares, in the form every other room asks it for.

Structs of msgspec rather than dataclasses: a frozen dataclass costs forty times as much to define (1 ms against 25 µs, and
every process pays it at start) and eight times as much to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cached_property

from msgspec import Struct, field


class Scalar(Enum):
    """The scalar types of both languages. The value is the name in source texts and error messages."""

    STRING = "String"
    BOOL = "Bool"
    I32 = "I32"
    I64 = "I64"
    U32 = "U32"
    U64 = "U64"
    F32 = "F32"
    F64 = "F64"
    DATE = "Date"
    DATETIME = "DateTime"
    BLOB = "Blob"
    VECTOR = "Vector"

    __hash__ = object.__hash__  # members are singletons; an Enum's own hash is a call into Python

    @property
    def is_integer(self) -> bool:
        return self in (Scalar.I32, Scalar.I64, Scalar.U32, Scalar.U64)

    @property
    def is_float(self) -> bool:
        return self in (Scalar.F32, Scalar.F64)

    @property
    def is_numeric(self) -> bool:
        return self.is_integer or self.is_float


class PropertyType(Struct, frozen=True):
    """The type of a property, a parameter or an expression.

    ``dimension`` is set for vectors only, ``enum_values`` (sorted bytewise) for enums only (their scalar is ``STRING``).
    """

    scalar: Scalar
    nullable: bool = False
    is_list: bool = False
    dimension: int | None = None
    enum_values: tuple[str, ...] | None = None

    def __str__(self) -> str:
        """Return the display name of error texts: ``Vector(3)``, ``[String]?``, ``enum(a, b)``."""
        if self.enum_values is not None:
            name = f"enum({', '.join(self.enum_values)})"
        elif self.scalar is Scalar.VECTOR:
            name = f"Vector({self.dimension})"
        else:
            name = self.scalar.value
        if self.is_list:
            name = f"[{name}]"
        return name + "?" if self.nullable else name


class Annotation(Struct, frozen=True):
    """An annotation as written; values are kept as strings."""

    name: str
    value: str | None = None
    kwargs: tuple[tuple[str, str], ...] = ()


class Range(Struct, frozen=True):
    """``@range``: inclusive bounds, either may be missing."""

    property_name: str
    minimum: int | float | None
    maximum: int | float | None


class Check(Struct, frozen=True):
    """``@check``: a pattern that is searched in the text, not anchored."""

    property_name: str
    pattern: str


class Embed(Struct, frozen=True):
    """``@embed``: the text property that a vector was made from."""

    source: str
    model: str | None = None


class Property(Struct, frozen=True):
    """A property of a type, its own or copied from an interface."""

    name: str
    type: PropertyType
    annotations: tuple[Annotation, ...] = ()
    embed: Embed | None = None


class EntityType(Struct, frozen=True, dict=True):
    """What node and edge types have in common.

    ``properties`` stand in declaration order (own first, then those of interfaces). ``unique`` and ``index`` hold the
    column tuples of ``@unique`` and ``@index`` (on edges they may name ``src`` and ``dst``).
    """

    name: str
    properties: Mapping[str, Property]
    unique: tuple[tuple[str, ...], ...] = ()
    index: tuple[tuple[str, ...], ...] = ()
    annotations: tuple[Annotation, ...] = ()

    @property
    def table_key(self) -> str:
        raise NotImplementedError  # replaced by both subclasses

    @cached_property
    def indexed(self) -> frozenset[str]:
        """The properties with an ``@index`` of their own."""
        return frozenset(columns[0] for columns in self.index if len(columns) == 1)


class NodeType(EntityType, frozen=True, dict=True):
    """A node type. ``key`` holds the members of ``@key`` in byte order of their names, or is empty."""

    key: tuple[str, ...] = ()
    ranges: tuple[Range, ...] = ()
    checks: tuple[Check, ...] = ()
    implements: tuple[str, ...] = ()

    @property
    def table_key(self) -> str:
        return f"node:{self.name}"


class EdgeType(EntityType, frozen=True, dict=True):
    """An edge type between two node types. ``cardinality`` is ``(min, max or None)``."""

    source: str = ""
    target: str = ""
    cardinality: tuple[int, int | None] = (0, None)

    @property
    def table_key(self) -> str:
        return f"edge:{self.name}"


class InterfaceType(Struct, frozen=True):
    """An interface: properties that node types copy."""

    name: str
    properties: Mapping[str, Property]


class Catalog(Struct, frozen=True, dict=True):
    """A whole valid schema. ``source`` is the text it was compiled from, ``digest`` its canonical ``sha256:`` hash."""

    nodes: Mapping[str, NodeType]
    edges: Mapping[str, EdgeType]
    interfaces: Mapping[str, InterfaceType] = field(default_factory=dict)
    source: str = ""
    digest: str = ""

    @cached_property
    def edge_names_folded(self) -> Mapping[str, str]:
        """Lower-cased edge names to declared ones."""
        return {name.lower(): name for name in self.edges}

    def find_edge(self, name: str) -> EdgeType | None:
        """Look an edge type up by exact name, else regardless of case."""
        found = self.edges.get(name)
        if found is not None:
            return found
        folded = self.edge_names_folded.get(name.lower())
        return None if folded is None else self.edges[folded]

    def entity(self, table_key: str) -> NodeType | EdgeType | None:
        """Return the type behind a type key such as ``node:Person``."""
        kind, _, name = table_key.partition(":")
        return self.nodes.get(name) if kind == "node" else self.edges.get(name) if kind == "edge" else None
