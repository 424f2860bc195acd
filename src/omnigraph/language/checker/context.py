"""What every part of the checker shares: the catalog, the parameters, the scopes of variables, and how to refuse."""

from __future__ import annotations

from omnigraph.errors import TypeCheckError
from omnigraph.language.catalog import Catalog, EdgeType, NodeType, PropertyType, Scalar
from omnigraph.language.checked import Variable
from omnigraph.language.lexer import Tokens

STRING = PropertyType(Scalar.STRING)
BOOL = PropertyType(Scalar.BOOL)
I64 = PropertyType(Scalar.I64)
F64 = PropertyType(Scalar.F64)
DATETIME = PropertyType(Scalar.DATETIME)


class Context:
    """The state of one check."""

    __slots__ = ("anonymous", "catalog", "parameters", "tokens")

    def __init__(self, catalog: Catalog, tokens: Tokens) -> None:
        self.catalog = catalog
        self.tokens = tokens
        self.parameters: dict[str, PropertyType] = {}
        self.anonymous = 0

    def error(self, message: str, at: int, end: int | None = None) -> TypeCheckError:
        """Make a type error; a code in front of the message becomes its rule."""
        head, colon, _ = message.partition(":")
        rule = head if colon and head[:1] in ("T", "X") and head[1:].isdigit() else ""
        return TypeCheckError(f"type error: {message}", rule=rule, span=self.tokens.span(at, end))

    def fresh_name(self, name: str) -> str:
        """Return the name of a variable; each ``$_`` gets one of its own."""
        if name != "_":
            return name
        self.anonymous += 1
        return f"#{self.anonymous}"

    def entity(self, variable: Variable) -> NodeType | EdgeType:
        """Return the type that a variable ranges over."""
        catalog = self.catalog
        return catalog.nodes[variable.type_name] if variable.kind == "node" else catalog.edges[variable.type_name]


class Scope:
    """The variables of a block, seen through those of the blocks around it.

    ``own`` holds what the block binds itself, ``attached`` what its optional blocks bind, which may be unbound.
    """

    __slots__ = ("attached", "own", "parent")

    def __init__(self, parent: Scope | None = None) -> None:
        self.parent = parent
        self.own: dict[str, Variable] = {}
        self.attached: dict[str, Variable] = {}

    def find(self, name: str) -> Variable | None:
        scope: Scope | None = self
        while scope is not None:
            found = scope.own.get(name) or scope.attached.get(name)
            if found is not None:
                return found
            scope = scope.parent
        return None

    def is_optional(self, name: str) -> bool:
        """Tell whether a variable may be unbound here."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.own:
                return False
            if name in scope.attached:
                return True
            scope = scope.parent
        return False


def compatible(left: PropertyType, right: PropertyType) -> bool:
    """Tell whether two scalar types can be compared: they are equal, or both numeric."""
    return left.scalar is right.scalar or (left.scalar.is_numeric and right.scalar.is_numeric)


def is_plain(type_: PropertyType) -> bool:
    """Tell whether a type is neither a list, nor a vector, nor a Blob."""
    return not type_.is_list and type_.scalar is not Scalar.VECTOR and type_.scalar is not Scalar.BLOB
