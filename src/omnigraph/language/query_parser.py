"""The parser of ``.gq`` files: recursive descent over tokens, one method for each rule of the grammar.

Keywords are words only where the grammar asks for them, so each rule looks at the tokens in front of it. Nested rules
share one counter of depth: no source can exhaust the stack.
"""

from __future__ import annotations

from typing import Literal

from omnigraph.errors import ParseError
from omnigraph.language import limits
from omnigraph.language.catalog import Scalar
from omnigraph.language.lexer import is_identifier, is_number, is_type_name, tokenize
from omnigraph.language.query_tree import (
    AGGREGATES,
    FUNCTIONS,
    TEXT_FUNCTIONS,
    AccessNode,
    AssignmentNode,
    BindingNode,
    CallNode,
    ClauseNode,
    CompareNode,
    CompareWord,
    ConditionNode,
    DeleteNode,
    ExpressionNode,
    FilterNode,
    InsertNode,
    ListNode,
    LiteralNode,
    MatchNode,
    MutationBody,
    NegationNode,
    NowNode,
    OrderingNode,
    ParameterNode,
    PredicateNode,
    ProjectionNode,
    QueryDeclaration,
    QueryFile,
    ReadBody,
    StatementNode,
    TextNode,
    TraversalNode,
    UpdateNode,
    ValueNode,
    VariableNode,
    WordNode,
)
from omnigraph.language.token_reader import TokenReader

_COMPARISONS: dict[str, CompareWord] = {"=": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_OPERATORS: dict[str, CompareWord] = {**_COMPARISONS, "contains": "contains"}
_STATEMENTS = frozenset(("insert", "update", "delete"))


def parse_queries(source: str) -> QueryFile:
    """Return the syntax tree of a query file. Raises ParseError."""
    return _QueryParser(tokenize(source)).file()


class _QueryParser(TokenReader):
    __slots__ = ("depth",)

    depth: int

    def enter(self) -> None:
        """Count one level of nesting; ``depth`` is counted down when the level ends."""
        self.depth += 1
        if self.depth > limits.NESTING_DEPTH_MAX:
            raise self.tokens.error(f"nested too deeply: at most {limits.NESTING_DEPTH_MAX} levels", self.position)

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
        if body.limit is not None:
            return self.unexpected("`}`")
        return self.unexpected("`limit` or `}`" if body.order else "`order`, `limit` or `}`")

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

    def variable(self, what: str = "a variable such as `$x`") -> str:
        text = self.texts[self.position]
        if len(text) < 2 or text[0] != "$":
            raise self.unexpected(what)
        self.position += 1
        return text[1:]

    # --- reads ---

    def read(self) -> ReadBody:
        at = self.position
        self.position += 1
        clauses = self.block()
        self.expect("return")
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
        limit = self.integer("the number of rows, an integer") if self.accept("limit") else None
        return ReadBody(clauses, tuple(projections), tuple(order), limit, at, self.position)

    def block(self) -> tuple[ClauseNode, ...]:
        """Read ``{ clause … }``."""
        self.expect("{")
        self.enter()
        clauses = [self.clause()]
        while not self.accept("}"):
            # A sign behind an operand is reserved for subtraction; it begins no clause there.
            if self.texts[self.position] == "-" and isinstance(clauses[-1], FilterNode):
                raise self.unexpected("a clause or `}`")
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
            if is_identifier(follows) and self.is_traversal(at + 1):
                return self.traversal()
        elif text == "not" and self.texts[at + 1] == "{":
            self.position += 1
            clauses = self.block()
            return NegationNode(clauses, at, self.position)
        condition = self.condition()
        return FilterNode(condition, at, self.position)

    def is_traversal(self, word: int) -> bool:
        """Tell whether the word behind a variable is an edge: a traversal or a bound follows it.

        ``$q contains $m`` is a traversal, ``$q contains "m"`` is not.
        """
        if self.texts[word] == "not":
            return False
        follows = self.texts[word + 1]
        return self.texts[word] != "contains" or follows == "{" or follows[:1] == "$"

    def binding(self) -> BindingNode:
        at = self.position
        variable = self.variable()
        self.position += 1
        type_name = self.type_name("the name of a node type")
        matches: list[MatchNode] = []
        if self.accept("{"):
            matches.append(self.match())
            while not self.accept("}"):
                if not self.accept(","):
                    raise self.unexpected("`,` or `}`")
                if self.accept("}"):
                    break
                matches.append(self.match())
        return BindingNode(variable, type_name, tuple(matches), at, self.position)

    def match(self) -> MatchNode:
        at = self.position
        name = self.identifier("the name of a property")
        self.expect(":")
        return MatchNode(name, self.value(), at)

    def traversal(self) -> TraversalNode:
        at = self.position
        left = self.variable()
        edge = self.identifier("an edge")
        bounds: tuple[int, int | None] | None = None
        if self.accept("{"):
            minimum = self.integer("the smallest number of hops")
            if not self.accept(","):
                raise self.unexpected("`,`: hop bounds are written `{min,max}`")
            maximum = None if self.texts[self.position] == "}" else self.integer("the largest number of hops")
            self.expect("}")
            bounds = (minimum, maximum)
        right = self.variable("the variable at the end of the edge")
        return TraversalNode(left, edge, right, bounds, at, self.position)

    def condition(self) -> ConditionNode:
        at = self.position
        left = self.expression("a clause or `}`")
        operator = _OPERATORS.get(self.texts[self.position])
        if operator is None:
            if isinstance(left, CallNode) and left.function in TEXT_FUNCTIONS:
                return TextNode(left, at)
            raise self.unexpected("an operator")
        self.position += 1
        return CompareNode(operator, left, self.expression(), at)

    def projection(self) -> ProjectionNode:
        at = self.position
        expression = self.expression("an expression or `}`")
        alias = self.identifier("the name of the column") if self.accept("as") else None
        end = self.position
        if not self.accept(",") and self.texts[end] == "-":
            raise self.unexpected("`,` or `}`")
        return ProjectionNode(expression, alias, at, end)

    def ordering(self) -> OrderingNode:
        at = self.position
        expression = self.expression()
        direction: Literal["asc", "desc"] | None = None
        word = self.texts[self.position]
        if word in ("asc", "desc"):
            if isinstance(expression, CallNode) and expression.function == "nearest":
                raise self.unexpected("`,` or `}`: nearest(…) has its own direction")
            self.position += 1
            direction = "asc" if word == "asc" else "desc"
        return OrderingNode(expression, direction, at, self.position)

    # --- expressions ---

    def expression(self, what: str = "an expression") -> ExpressionNode:
        at = self.position
        texts = self.texts
        text = texts[at]
        if text[:1] == "$":
            variable = self.variable()
            if texts[at + 1] == ".":
                self.position += 1
                return AccessNode(variable, self.identifier("the name of a property"), at)
            return VariableNode(variable, at)
        if is_identifier(text):
            if texts[at + 1] == "(" and text not in ("date", "datetime"):
                return self.call()
            if text not in ("true", "false", "date", "datetime") or (text[0] == "d" and texts[at + 1] != "("):
                self.position += 1
                return WordNode(text, at)
        return self.literal(what)

    def call(self) -> ExpressionNode:
        at = self.position
        name = self.texts[at]
        if name == "now":
            return self.now()
        if name not in FUNCTIONS:
            raise self.unexpected("a function of the language")
        self.enter()
        self.position += 2
        arguments: list[ExpressionNode] = []
        if name in AGGREGATES:
            arguments.append(self.expression())
        elif name == "rrf":
            arguments += [self.ranking(), self.next_ranking()]
            if self.accept(","):
                arguments.append(self.expression())
        else:
            if name == "nearest":
                arguments.append(self.vector_access())
            else:
                arguments.append(self.expression())
            self.expect(",")
            arguments.append(self.expression())
            if name == "fuzzy" and self.accept(","):
                arguments.append(self.expression())
        self.expect(")")
        self.depth -= 1
        return CallNode(name, tuple(arguments), at)

    def next_ranking(self) -> ExpressionNode:
        self.expect(",")
        return self.ranking()

    def ranking(self) -> ExpressionNode:
        if self.texts[self.position] not in ("nearest", "bm25") or self.texts[self.position + 1] != "(":
            raise self.unexpected("`nearest(…)` or `bm25(…)`")
        return self.call()

    def vector_access(self) -> AccessNode:
        at = self.position
        variable = self.variable("a property such as `$x.embedding`")
        self.expect(".")
        return AccessNode(variable, self.identifier("the name of a property"), at)

    def now(self) -> NowNode:
        at = self.position
        self.position += 1
        self.expect("(")
        self.expect(")")
        return NowNode(at)

    def value(self) -> ValueNode:
        """Read a literal, a variable or ``now()``."""
        at = self.position
        text = self.texts[at]
        if text[:1] == "$":
            return VariableNode(self.variable(), at)
        if text == "now":
            return self.now()
        return self.literal("a value")

    def literal(self, what: str) -> LiteralNode | ListNode:
        at = self.position
        text = self.texts[at]
        if text[:1] == '"':
            return LiteralNode(self.string(), Scalar.STRING, at)
        if is_number(text) or text == "-":
            number = self.number()
            return LiteralNode(number, Scalar.I64 if isinstance(number, int) else Scalar.F64, at)
        if text == "[":
            return self.list()
        if text in ("true", "false"):
            self.position += 1
            return LiteralNode(text == "true", Scalar.BOOL, at)
        if text in ("date", "datetime"):
            self.position += 1
            self.expect("(")
            moment = self.string()
            self.expect(")")
            return LiteralNode(moment, Scalar.DATE if text == "date" else Scalar.DATETIME, at)
        raise self.unexpected(what)

    def list(self) -> ListNode:
        at = self.position
        self.enter()
        self.position += 1
        items: list[LiteralNode | ListNode] = []
        if not self.accept("]"):
            items.append(self.literal("a literal"))
            while self.accept(","):
                items.append(self.literal("a literal"))
            if not self.accept("]"):
                raise self.unexpected("`,` or `]`")
        self.depth -= 1
        return ListNode(tuple(items), at)

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
            assignments.append(AssignmentNode(name, self.value(), at))
            self.accept(",")
            if self.accept("}"):
                return tuple(assignments)

    def predicate(self) -> PredicateNode:
        at = self.position
        name = self.identifier("the name of a property")
        operator = _COMPARISONS.get(self.texts[self.position])
        if operator is None:
            raise self.unexpected("a comparison")
        self.position += 1
        return PredicateNode(name, operator, self.value(), at)
