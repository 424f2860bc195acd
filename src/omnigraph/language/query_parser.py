"""The parser of ``.gq`` files: recursive descent over tokens, one method for each rule of the grammar.

Keywords are words only where the grammar asks for them, so each rule looks at the tokens in front of it. Nested rules
share one counter of depth: no source can exhaust the stack.
"""

from __future__ import annotations

from typing import Literal

from omnigraph.errors import ParseError
from omnigraph.language.condition_parser import ConditionParser, is_condition_word
from omnigraph.language.expression_parser import SIGNS
from omnigraph.language.lexer import is_identifier, is_number, is_type_name, tokenize
from omnigraph.language.query_tree import (
    AmountNode,
    AssignedNode,
    AssignmentNode,
    BindingNode,
    CallNode,
    ClauseNode,
    DeleteNode,
    ExpressionNode,
    FilterNode,
    InsertNode,
    MatchNode,
    MutationBody,
    NegationNode,
    OptionalNode,
    OrderingNode,
    ParameterNode,
    ProjectionNode,
    QueryDeclaration,
    QueryFile,
    ReadBody,
    StatementNode,
    TraversalNode,
    UpdateNode,
    VariableNode,
    WordNode,
)

_STATEMENTS = frozenset(("insert", "update", "delete"))


def parse_queries(source: str) -> QueryFile:
    """Return the syntax tree of a query file. Raises ParseError."""
    return _QueryParser(tokenize(source)).file()


class _QueryParser(ConditionParser):
    __slots__ = ()

    # --- queries ---

    def file(self) -> QueryFile:
        queries: list[QueryDeclaration] = []
        while self.texts[self.position]:
            self.depth = 0
            queries.append(self.query())
        return QueryFile(tuple(queries), self.tokens)

    def query(self) -> QueryDeclaration:
        at = self.position
        self.expect("query")
        name = self.identifier("the name of the query")
        self.expect("(")
        parameters: list[ParameterNode] = []
        if not self.accept(")"):
            parameters.append(self.parameter())
            while self.accept(","):
                parameters.append(self.parameter())
            self.expect(")")
        metadata = self.metadata(name)
        self.expect("{")
        word = self.texts[self.position]
        body: ReadBody | MutationBody
        if word == "match":
            body = self.read()
        elif word in _STATEMENTS:
            body = self.mutation()
        else:
            raise self.unexpected("`match`, `insert`, `update` or `delete`")
        if not self.accept("}"):
            raise self.unexpected_behind(body)
        return QueryDeclaration(
            name,
            tuple(parameters),
            body,
            self.tokens,
            metadata.get("description"),
            metadata.get("instruction"),
            at,
            self.position,
        )

    def unexpected_behind(self, body: ReadBody | MutationBody) -> ParseError:
        if isinstance(body, MutationBody):
            return self.unexpected("`insert`, `update`, `delete` or `}`")
        if body.offset is not None or self.texts[self.position] in ("order", "limit"):
            return self.unexpected("`}`")
        if body.limit is not None:
            return self.unexpected("`offset` or `}`")
        return self.unexpected("`limit`, `offset` or `}`" if body.order else "`order`, `limit` or `}`")

    def metadata(self, query: str) -> dict[str, str]:
        found: dict[str, str] = {}
        while self.accept("@"):
            word = self.texts[self.position]
            if word not in ("description", "instruction"):
                raise self.unexpected("`description` or `instruction`")
            self.position += 1
            self.expect("(")
            text = self.string()
            self.expect(")")
            if word in found:
                raise self.refusal(f"query `{query}` cannot include duplicate @{word} annotations")
            if not text.strip():
                raise self.refusal(f"@{word} on query `{query}` requires a non-empty value")
            found[word] = text
        return found

    def parameter(self) -> ParameterNode:
        at = self.position
        name = self.variable("a parameter such as `$name`")
        self.expect(":")
        is_list = self.accept("[")
        word = self.texts[self.position]
        if not is_type_name(word):
            raise self.unexpected("the type of the parameter")
        self.position += 1
        dimension = None
        if is_list:
            self.expect("]")
        elif word == "Vector":
            dimension = self.vector_dimension()
        nullable = self.accept("?")
        return ParameterNode(name, word, is_list, dimension, nullable, at, self.position)

    # --- reads ---

    def read(self) -> ReadBody:
        at = self.position
        self.position += 1
        clauses = self.block()
        self.expect("return")
        distinct = self.accept("distinct")
        self.expect("{")
        projections = [self.projection()]
        while not self.accept("}"):
            projections.append(self.projection())
        order: list[OrderingNode] = []
        if self.accept("order"):
            self.expect("{")
            order.append(self.ordering())
            while self.accept(","):
                order.append(self.ordering())
            if not self.accept("}"):
                raise self.unexpected("`,` or `}`")
        limit = self.amount("rows") if self.accept("limit") else None
        offset = self.amount("rows to skip") if self.accept("offset") else None
        return ReadBody(clauses, tuple(projections), tuple(order), limit, at, self.position, distinct, offset)

    def amount(self, of: str) -> AmountNode:
        at = self.position
        if self.texts[at][:1] == "$":
            return VariableNode(self.variable(), at)
        return self.integer(f"the number of {of}, an integer or a parameter")

    def block(self) -> tuple[ClauseNode, ...]:
        """Read ``{ clause … }``."""
        self.expect("{")
        self.enter()
        clauses = [self.clause()]
        while not self.accept("}"):
            if self.texts[self.position] == "." and isinstance(clauses[-1], TraversalNode):
                problem = "a condition whose left side is a bare variable is written in parentheses: `($x) in …`"
                raise self.unexpected(f"a clause or `}}`; {problem}")
            clauses.append(self.clause())
        self.depth -= 1
        return tuple(clauses)

    def clause(self) -> ClauseNode:
        at = self.position
        text = self.texts[at]
        if text[:1] == "$":
            follows = self.texts[at + 1]
            if follows == ":":
                return self.binding()
            if follows[:1] == "$" or (is_identifier(follows) and not is_condition_word(self.texts, at + 1)):
                return self.traversal()
            if follows == "<" and is_identifier(self.texts[at + 2]) and self.texts[at + 3] == ">":
                return self.traversal()
        elif text in ("not", "optional") and self.texts[at + 1] == "{":
            self.position += 1
            kind = NegationNode if text == "not" else OptionalNode
            return kind(self.block(), at, self.position)
        condition = self.condition("a clause or `}`")
        return FilterNode(condition, at, self.position)

    def binding(self) -> BindingNode:
        at = self.position
        variable = self.variable()
        self.position += 1
        type_name = self.type_name("the name of a node type")
        matches = self.matches() if self.accept("{") else ()
        return BindingNode(variable, type_name, matches, at, self.position)

    def matches(self) -> tuple[MatchNode, ...]:
        """Read what stands behind ``{``, with its end."""
        matches = [self.match()]
        while not self.accept("}"):
            if not self.accept(","):
                raise self.unexpected("`,` or `}`")
            if self.accept("}"):
                break
            matches.append(self.match())
        return tuple(matches)

    def match(self) -> MatchNode:
        at = self.position
        name = self.identifier("the name of a property")
        self.expect(":")
        return MatchNode(name, self.value(), at)

    def traversal(self) -> TraversalNode:
        at = self.position
        left = self.variable()
        name: str | None = None
        if self.texts[self.position][:1] == "$":
            name = self.variable()
            if not self.accept(":"):
                raise self.unexpected("an edge between the two variables, or `:` and the edge")
        undirected = self.accept("<")
        edge = self.identifier("an edge (its first letter in lower case)")
        if edge == "not":
            raise self.unexpected("an edge", self.position - 1)
        if undirected:
            self.expect(">")
        bounds: tuple[int, int | None] | None = None
        if self.texts[self.position] == "{" and not is_identifier(self.texts[self.position + 1]):
            bounds = self.bounds()
        matches = self.matches() if self.accept("{") else ()
        right = self.variable("the variable at the end of the edge")
        return TraversalNode(left, edge, right, bounds, at, self.position, name, undirected, matches)

    def bounds(self) -> tuple[int, int | None]:
        self.position += 1
        minimum = self.integer("the smallest number of hops")
        if not self.accept(","):
            raise self.unexpected("`,`: hop bounds are written `{min,max}`")
        maximum = None if self.texts[self.position] == "}" else self.integer("the largest number of hops")
        self.expect("}")
        return minimum, maximum

    def projection(self) -> ProjectionNode:
        at = self.position
        expression = self.sum("an expression or `}`")
        alias = self.identifier("the name of the column") if self.accept("as") else None
        end = self.position
        if not self.accept(",") and self.texts[end] == "-":
            raise self.unexpected("`,` or `}`")
        return ProjectionNode(expression, alias, at, end)

    def ordering(self) -> OrderingNode:
        at = self.position
        expression = self.sum()
        direction: Literal["asc", "desc"] | None = None
        word = self.texts[self.position]
        if word in ("asc", "desc"):
            if isinstance(expression, CallNode) and expression.function == "nearest":
                raise self.unexpected("`,` or `}`: nearest(…) has its own direction")
            self.position += 1
            direction = "asc" if word == "asc" else "desc"
        return OrderingNode(expression, direction, at, self.position)

    # --- mutations ---

    def mutation(self) -> MutationBody:
        at = self.position
        statements: list[StatementNode] = []
        while (word := self.texts[self.position]) in _STATEMENTS:
            if word == "insert":
                statements.append(self.insert())
            elif word == "update":
                statements.append(self.update())
            else:
                statements.append(self.delete())
        return MutationBody(tuple(statements), at, self.position)

    def insert(self) -> InsertNode:
        at = self.position
        self.position += 1
        type_name = self.type_name("the name of a node or edge type")
        assignments = self.assignments()
        return InsertNode(type_name, assignments, at, self.position)

    def update(self) -> UpdateNode:
        at = self.position
        self.position += 1
        type_name = self.type_name("the name of a node type")
        self.expect("set")
        assignments = self.assignments()
        self.expect("where")
        predicate = self.predicate()
        return UpdateNode(type_name, assignments, predicate, at, self.position)

    def delete(self) -> DeleteNode:
        at = self.position
        self.position += 1
        type_name = self.type_name("the name of a node or edge type")
        self.expect("where")
        predicate = self.predicate()
        return DeleteNode(type_name, predicate, at, self.position)

    def assignments(self) -> tuple[AssignmentNode, ...]:
        self.expect("{")
        assignments: list[AssignmentNode] = []
        while True:
            at = self.position
            name = self.identifier("the name of a property")
            self.expect(":")
            assignments.append(AssignmentNode(name, self.assigned(), at))
            self.accept(",")
            if self.accept("}"):
                return tuple(assignments)

    def assigned(self, what: str = "a value") -> AssignedNode:
        """Read a value: one of 22.5, a property of the row, or arithmetic over both."""
        value: ExpressionNode = self.assigned_operand(what)
        if self.texts[self.position] in SIGNS:
            value = self.arithmetic(value, self.assigned_operand)
        return value  # type: ignore[return-value]  # the rules of operands give no others

    def assigned_operand(self, what: str) -> ExpressionNode:
        at = self.position
        text = self.texts[at]
        self.height = 0
        if text == "(":
            return self.parenthesis(self.assigned)
        if text == "-" and not is_number(self.texts[at + 1]):
            return self.negative(self.assigned, self.assigned_value)
        return self.assigned_value(what)

    def assigned_value(self, what: str) -> ExpressionNode:
        at = self.position
        text = self.texts[at]
        is_value = text in ("true", "false") or (text in ("now", "date", "datetime") and self.texts[at + 1] == "(")
        if is_identifier(text) and not is_value:
            self.position += 1
            return WordNode(text, at)
        return self.value(what)
