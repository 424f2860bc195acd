"""The parser of expressions: operands, arithmetic, functions, literals. The rest of the query parser builds on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from omnigraph.language import limits
from omnigraph.language.catalog import Scalar
from omnigraph.language.lexer import Tokens, is_identifier, is_number
from omnigraph.language.query_tree import (
    AGGREGATES,
    FUNCTIONS,
    AccessNode,
    ArithmeticNode,
    ArithmeticSign,
    CallNode,
    ExpressionNode,
    ListNode,
    LiteralNode,
    NegativeNode,
    NowNode,
    ValueNode,
    VariableNode,
    WholeNode,
    WordNode,
)
from omnigraph.language.token_reader import TokenReader

_SUMS: dict[str, ArithmeticSign] = {"+": "+", "-": "-"}
_PRODUCTS: dict[str, ArithmeticSign] = {"*": "*", "/": "/", "%": "%"}
SIGNS = frozenset((*_SUMS, *_PRODUCTS))

Node = TypeVar("Node")
Operand = Callable[[str], ExpressionNode]
"""A rule that reads one operand; its argument says what is expected."""


class ExpressionParser(TokenReader):
    """Reads expressions.

    ``depth`` counts the brackets and blocks that are open. ``height`` is that of the arithmetic read last: a long chain is a
    deep tree, whoever walks it later.
    """

    __slots__ = ("depth", "height")

    def __init__(self, tokens: Tokens) -> None:
        super().__init__(tokens)
        self.depth = 0
        self.height = 0

    def enter(self) -> None:
        """Count one level of nesting; ``depth`` is counted down when the level ends."""
        self.depth += 1
        if self.depth > limits.NESTING_DEPTH_MAX:
            raise self.tokens.error(f"nested too deeply: at most {limits.NESTING_DEPTH_MAX} levels", self.position)

    def variable(self, what: str = "a variable such as `$x`") -> str:
        text = self.texts[self.position]
        if len(text) < 2 or text[0] != "$":
            raise self.unexpected(what)
        self.position += 1
        return text[1:]

    # --- arithmetic ---

    def sum(self, what: str = "an expression") -> ExpressionNode:
        """Read an operand, or several with arithmetic between them."""
        left = self.signed(what)
        if self.texts[self.position] in SIGNS:
            return self.arithmetic(left, self.signed)
        return left

    def arithmetic(self, left: ExpressionNode, operand: Operand) -> ExpressionNode:
        """Read what follows a first operand; equal operators are taken from left to right."""
        left = self._product(left, operand)
        while (operator := _SUMS.get(self.texts[self.position])) is not None:
            self.position += 1
            height = self.height
            right = self._product(operand("an operand"), operand)
            left = self._joined(operator, left, right, height)
        return left

    def _product(self, left: ExpressionNode, operand: Operand) -> ExpressionNode:
        while (operator := _PRODUCTS.get(self.texts[self.position])) is not None:
            self.position += 1
            height = self.height
            left = self._joined(operator, left, operand("an operand"), height)
        return left

    def _joined(
        self, operator: ArithmeticSign, left: ExpressionNode, right: ExpressionNode, left_height: int
    ) -> ExpressionNode:
        self.rise(left_height)
        return ArithmeticNode(operator, left, right, left.at)

    def rise(self, other: int = 0) -> None:
        """Put one operation on top of the arithmetic read last and of another of the height ``other``."""
        self.height = max(self.height, other) + 1
        if self.height > limits.EXPRESSION_HEIGHT_MAX:
            problem = f"an expression holds at most {limits.EXPRESSION_HEIGHT_MAX} operations one upon the other"
            raise self.tokens.error(problem, self.position - 1)

    def signed(self, what: str) -> ExpressionNode:
        text = self.texts[self.position]
        self.height = 0
        if text == "(":
            return self.parenthesis(self.sum)
        if text == "-" and not is_number(self.texts[self.position + 1]):
            return self.negative(self.sum, self.expression)
        return self.expression(what)

    def negative(self, whole: Operand, operand: Operand) -> NegativeNode:
        """Read ``-`` and its operand, which in parentheses is a ``whole`` expression."""
        at = self.position
        self.position += 1
        inner = self.parenthesis(whole) if self.texts[at + 1] == "(" else operand("a number or an operand")
        self.rise()
        return NegativeNode(inner, at)

    def parenthesis(self, rule: Callable[[str], Node]) -> Node:
        """Read ``( … )``."""
        self.enter()
        self.position += 1
        inner = rule("an expression")
        if not self.accept(")"):
            raise self.unexpected("an operator or `)`")
        self.depth -= 1
        return inner

    # --- operands ---

    def expression(self, what: str = "an expression") -> ExpressionNode:
        at = self.position
        texts = self.texts
        text = texts[at]
        if text[:1] == "$":
            variable = self.variable()
            if texts[at + 1] == ".":
                self.position += 1
                return self.member(variable, at)
            return VariableNode(variable, at)
        if is_identifier(text):
            if texts[at + 1] == "(" and text not in ("date", "datetime"):
                return self.call()
            if text not in ("true", "false", "date", "datetime") or (text[0] == "d" and texts[at + 1] != "("):
                self.position += 1
                return WordNode(text, at)
        return self.literal(what)

    def member(self, variable: str, at: int) -> AccessNode | WholeNode:
        """Read what stands behind ``$x.``."""
        if self.accept("*"):
            return WholeNode(variable, at)
        return AccessNode(variable, self.identifier("the name of a property"), at)

    def call(self) -> ExpressionNode:
        at = self.position
        name = self.texts[at]
        if name == "now":
            return self.now()
        if name not in FUNCTIONS:
            raise self.unexpected("a function of the language")
        self.enter()
        self.position += 2
        distinct = False
        arguments: list[ExpressionNode] = []
        if name == "count":
            # In `count(distinct)` the word is an alias, as it would be anywhere else.
            distinct = self.texts[self.position] == "distinct" and self.texts[self.position + 1] != ")"
            self.position += distinct
            if distinct or not self.accept("*"):
                arguments.append(self.expression())
        elif name in AGGREGATES:
            arguments.append(self.sum())
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
        return CallNode(name, tuple(arguments), at, distinct)

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

    # --- values ---

    def value(self, what: str = "a value") -> ValueNode:
        """Read a literal, a variable or ``now()``."""
        at = self.position
        text = self.texts[at]
        if text[:1] == "$":
            return VariableNode(self.variable(), at)
        if text == "now":
            return self.now()
        return self.literal(what)

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
