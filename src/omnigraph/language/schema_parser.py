"""The parser of ``.pg`` files: recursive descent over tokens, one method for each rule of the grammar."""

from __future__ import annotations

from omnigraph.language.catalog import PropertyType, Scalar
from omnigraph.language.lexer import is_identifier, is_number, tokenize
from omnigraph.language.schema_tree import (
    CONSTRAINT_KINDS,
    AnnotationNode,
    ArgumentNode,
    BoundsNode,
    ConstraintKind,
    ConstraintNode,
    Declaration,
    EdgeDeclaration,
    InterfaceDeclaration,
    NodeDeclaration,
    PropertyNode,
    SchemaTree,
    ValueNode,
    WordNode,
)
from omnigraph.language.token_reader import SCALARS, TokenReader

# Constraints and metadata that are refused on a declaration as such; the words are those of the specification.
_NODE_ONLY = frozenset(("key", "unique", "index", "embed"))


def parse_schema(source: str) -> SchemaTree:
    """Return the syntax tree of a schema. Raises ParseError."""
    return _SchemaParser(tokenize(source)).schema()


class _SchemaParser(TokenReader):
    __slots__ = ()

    def schema(self) -> SchemaTree:
        declarations: list[Declaration] = []
        while word := self.texts[self.position]:
            if word == "node":
                declarations.append(self.node())
            elif word == "edge":
                declarations.append(self.edge())
            elif word == "interface":
                declarations.append(self.interface())
            else:
                raise self.unexpected("`node`, `edge` or `interface`")
        return SchemaTree(tuple(declarations), self.tokens)

    # --- declarations ---

    def interface(self) -> InterfaceDeclaration:
        at = self.position
        self.position += 1
        name = self.type_name()
        self.expect("{")
        properties: list[PropertyNode] = []
        while not self.accept("}"):
            properties.append(self.property(in_interface=True))
        return InterfaceDeclaration(name, tuple(properties), at, self.position)

    def node(self) -> NodeDeclaration:
        at = self.position
        self.position += 1
        name = self.type_name()
        annotations: list[AnnotationNode] = []
        while self.texts[self.position] == "@":
            word = self.texts[self.position + 1]
            if word in _NODE_ONLY:
                raise self.refusal(f"@{word} is only supported on node properties or as body constraint (node {name})")
            annotations.append(self.annotation())
        implements: list[str] = []
        if self.accept("implements"):
            implements.append(self.type_name("the name of an interface"))
            while self.accept(","):
                implements.append(self.type_name("the name of an interface"))
        properties, constraints = self.body()
        return NodeDeclaration(name, tuple(annotations), tuple(implements), properties, constraints, at, self.position)

    def edge(self) -> EdgeDeclaration:
        at = self.position
        self.position += 1
        name = self.type_name()
        self.expect(":")
        source = self.type_name("the node type that the edge starts from")
        self.expect("->")
        target = self.type_name("the node type that the edge leads to")
        cardinality = None
        if self.texts[self.position] == "@" and self.texts[self.position + 1] == "card":
            cardinality = self.cardinality()
        annotations: list[AnnotationNode] = []
        while self.texts[self.position] == "@":
            word = self.texts[self.position + 1]
            if word in _NODE_ONLY:
                raise self.refusal(f"@{word} is not supported on edges (edge {name})")
            if word == "card":
                raise self.unexpected("`@card` directly behind the target type", self.position + 1)
            annotations.append(self.annotation())
        properties: tuple[PropertyNode, ...] = ()
        constraints: tuple[ConstraintNode, ...] = ()
        if self.texts[self.position] == "{":
            properties, constraints = self.body()
        return EdgeDeclaration(
            name, source, target, cardinality, tuple(annotations), properties, constraints, at, self.position
        )

    def cardinality(self) -> tuple[int, int | None]:
        self.position += 2
        self.expect("(")
        minimum = self.integer("the smallest number of edges")
        self.expect("..")
        maximum = None
        if self.texts[self.position] != ")":
            maximum = self.integer("the largest number of edges or `)`")
        self.expect(")")
        if maximum is not None and minimum > maximum:
            raise self.refusal(f"cardinality min ({minimum}) exceeds max ({maximum})")
        return minimum, maximum

    def body(self) -> tuple[tuple[PropertyNode, ...], tuple[ConstraintNode, ...]]:
        self.expect("{")
        properties: list[PropertyNode] = []
        constraints: list[ConstraintNode] = []
        while not self.accept("}"):
            text = self.texts[self.position]
            if text == "@":
                constraints.append(self.constraint())
            elif is_identifier(text):
                properties.append(self.property(in_interface=False))
            else:
                raise self.unexpected("a property, a constraint or `}`")
        return tuple(properties), tuple(constraints)

    # --- properties ---

    def property(self, in_interface: bool) -> PropertyNode:
        at = self.position
        name = self.identifier("a property or `}`")
        self.expect(":")
        kind = self.property_type()
        annotations: list[AnnotationNode] = []
        texts = self.texts
        while texts[self.position] == "@":
            # With an argument these are always the body constraint, wherever they stand.
            is_constraint = texts[self.position + 1] in CONSTRAINT_KINDS and texts[self.position + 2] == "("
            if is_constraint and not in_interface:
                break
            annotations.append(self.annotation())
        return PropertyNode(name, kind, tuple(annotations), at=at, end=self.position)

    def property_type(self) -> PropertyType:
        word = self.texts[self.position]
        enum_values = dimension = None
        is_list = False
        if word == "[":
            self.position += 1
            scalar = self.scalar("a scalar type")
            if scalar is Scalar.BLOB:
                raise self.refusal("list of Blob is not supported")
            self.expect("]")
            is_list = True
        elif word == "enum":
            self.position += 1
            scalar = Scalar.STRING
            enum_values = self.enum_values()
        elif word == "Vector":
            self.position += 1
            scalar = Scalar.VECTOR
            dimension = self.vector_dimension()
        else:
            scalar = self.scalar("a property type")
        return PropertyType(scalar, self.accept("?"), is_list, dimension, enum_values)

    def scalar(self, what: str) -> Scalar:
        scalar = SCALARS.get(self.texts[self.position])
        if scalar is None:
            raise self.unexpected(what)
        self.position += 1
        return scalar

    def enum_values(self) -> tuple[str, ...]:
        self.expect("(")
        values = [self.enum_value()]
        while self.accept(","):
            values.append(self.enum_value())
        self.expect(")")
        if len(set(values)) != len(values):
            raise self.refusal("enum type cannot include duplicate values")
        return tuple(sorted(values))

    def enum_value(self) -> str:
        """Read a value such as ``sky-blue`` or ``2fa``: tokens without white space between them."""
        texts, offsets = self.texts, self.tokens.offsets
        first = position = self.position
        while True:
            text = texts[position]
            is_word = text == "-" or is_identifier(text.lower()) or (is_number(text) and "." not in text)
            touches = position == first or offsets[position] == offsets[position - 1] + len(texts[position - 1])
            if not (is_word and touches):
                break
            position += 1
        if position == first:
            raise self.unexpected("a value of the enum")
        self.position = position
        return "".join(texts[first:position])

    # --- annotations and constraints ---

    def annotation(self) -> AnnotationNode:
        at = self.position
        self.expect("@")
        name = self.identifier("the name of an annotation")
        value: str | None = None
        quoted = False
        kwargs: list[tuple[str, str]] = []
        if self.accept("("):
            quoted = self.texts[self.position][:1] == '"'
            value = self.annotation_value()
            while self.accept(","):
                word = self.identifier("the name of an argument")
                self.expect("=")
                if any(word == other for other, _ in kwargs):
                    raise self.refusal(f"@{name} has the argument '{word}=' twice")
                kwargs.append((word, self.annotation_value()))
            self.expect(")")
        return AnnotationNode(name, value, tuple(kwargs), quoted, at, self.position)

    def annotation_value(self) -> str:
        """Read a literal or a word and keep its text."""
        text = self.texts[self.position]
        if text[:1] == '"':
            return self.string()
        if is_identifier(text):
            self.position += 1
            return text
        if is_number(text):
            self.number()
            return text
        raise self.unexpected("a literal or a word")

    def constraint(self) -> ConstraintNode:
        at = self.position
        self.expect("@")
        word = self.identifier("a constraint")
        if word not in CONSTRAINT_KINDS:
            raise self.unexpected("`key`, `unique`, `index`, `range` or `check`", self.position - 1)
        kind: ConstraintKind = word  # type: ignore[assignment]  # narrowed by the test above
        self.expect("(")
        arguments = [self.argument()]
        while self.accept(","):
            arguments.append(self.argument())
        self.expect(")")
        return ConstraintNode(kind, tuple(arguments), at=at, end=self.position)

    def argument(self) -> ArgumentNode:
        at = self.position
        text = self.texts[at]
        if text[:1] == '"':
            return ValueNode(self.string(), at)
        if text in ("true", "false"):
            self.position += 1
            return ValueNode(text == "true", at)
        if is_identifier(text):
            self.position += 1
            return WordNode(text, at)
        if text == "..":
            self.position += 1
            return BoundsNode(None, self.number(), at)
        if text != "-" and not is_number(text):
            raise self.unexpected("a property name, a literal or a range")
        number = self.number()
        if self.accept(".."):
            follows = self.texts[self.position]
            maximum = self.number() if follows == "-" or is_number(follows) else None
            return BoundsNode(number, maximum, at)
        if text == "-":
            raise self.unexpected("`..`")
        return ValueNode(number, at)
