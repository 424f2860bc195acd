"""The parser of conditions: tests, ``not``, ``and``, ``or``; in reads over expressions, in mutations over a row.

A parenthesis in front of a test may open a condition or an operand, and only its end tells which. So one rule reads both, and
what it returns decides: nothing is ever read twice.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from omnigraph.language import limits
from omnigraph.language.expression_parser import ExpressionParser
from omnigraph.language.query_tree import (
    TEXT_FUNCTIONS,
    AccessNode,
    CallNode,
    CompareNode,
    CompareWord,
    ConditionNode,
    ExpressionNode,
    ListNode,
    LogicNode,
    LogicWord,
    MembershipNode,
    NotNode,
    NullTestNode,
    PredicateNode,
    TextNode,
    VariableNode,
    WholeNode,
    WordNode,
)

COMPARISONS: dict[str, CompareWord] = {"=": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
OPERATORS: dict[str, CompareWord] = {**COMPARISONS, "contains": "contains", "starts_with": "starts_with"}

Undecided = ConditionNode | ExpressionNode
_CONDITIONS = (CompareNode, TextNode, NullTestNode, MembershipNode, PredicateNode, LogicNode, NotNode)


class ConditionParser(ExpressionParser):
    """Reads conditions."""

    __slots__ = ()

    # --- reads ---

    def condition(self, what: str = "a condition") -> ConditionNode:
        return self._decided(self._undecided(what))

    def _decided(self, node: Undecided) -> ConditionNode:
        """Refuse an operand that no operator follows."""
        if isinstance(node, _CONDITIONS):
            return node
        raise self.unexpected("an operator")

    def _chain(
        self, word: LogicWord, rule: Callable[[str], Undecided], what: str, operators: Container[str] = OPERATORS
    ) -> Undecided:
        """Read one condition, or several with a word between them. A first operand is left to the caller.

        In front of an operator the word is not the one that joins: it is an operand there.
        """
        at, texts = self.position, self.texts
        first = rule(what)
        if texts[self.position] != word or not isinstance(first, _CONDITIONS):
            return first
        items: list[ConditionNode] = [first]
        while texts[self.position] == word and texts[self.position + 1] not in operators:
            if len(items) == limits.CONDITION_TERMS_MAX:
                problem = f"`{word}` joins at most {limits.CONDITION_TERMS_MAX} conditions"
                raise self.tokens.error(problem, self.position)
            self.position += 1
            items.append(self._decided(rule("a condition")))
        return LogicNode(word, tuple(items), at) if len(items) > 1 else first

    def _conjunction(self, what: str) -> Undecided:
        return self._chain("and", self._unit, what)

    def _unit(self, what: str) -> Undecided:
        at = self.position
        text = self.texts[at]
        if text == "not" and self.texts[at + 1] not in OPERATORS:
            self.enter()
            self.position += 1
            item = self._decided(self._unit("a condition"))
            self.depth -= 1
            return NotNode(item, at)
        if text == "(":
            inner = self.parenthesis(self._undecided)
            if isinstance(inner, _CONDITIONS):
                return inner
            return self._test(self.arithmetic(inner, self.signed), at)
        return self._test(self.sum(what), at)

    def _undecided(self, what: str) -> Undecided:
        return self._chain("or", self._conjunction, what)

    def _test(self, left: ExpressionNode, at: int) -> Undecided:
        word = self.texts[self.position]
        operator = OPERATORS.get(word)
        if operator is not None:
            self.position += 1
            return CompareNode(operator, left, self.sum(), at)
        if word == "is":
            return NullTestNode(left, self.null_test(), at)
        if word == "in" or (word == "not" and self.texts[self.position + 1] == "in"):
            negated = self.membership()
            return MembershipNode(left, self._container(), negated, at)
        if isinstance(left, CallNode) and left.function in TEXT_FUNCTIONS:
            return TextNode(left, at)
        if word == ")":
            return left
        raise self.unexpected("an operator")

    def null_test(self) -> bool:
        """Read ``is null`` or ``is not null``; return whether it is negated."""
        self.position += 1
        negated = self.accept("not")
        if not self.accept("null"):
            raise self.unexpected("`null`" if negated else "`null` or `not null`")
        return negated

    def membership(self) -> bool:
        """Read ``in`` or ``not in``; return whether it is negated."""
        negated = self.accept("not")
        self.position += 1
        return negated

    def _container(self) -> ListNode | VariableNode | AccessNode | WholeNode:
        at = self.position
        if self.texts[at] == "[":
            return self.list()
        variable = self.variable("a list such as `[1, 2]`, a parameter or a property")
        if self.accept("."):
            return self.member(variable, at)
        return VariableNode(variable, at)

    # --- mutations ---

    def predicate(self, what: str = "the name of a property") -> ConditionNode:
        """Read what stands behind ``where``."""
        return self._decided(self._chain("or", self._row_conjunction, what, ()))

    def _row_conjunction(self, what: str) -> Undecided:
        return self._chain("and", self._row_unit, what, ())

    def _row_unit(self, what: str) -> ConditionNode:
        at = self.position
        text = self.texts[at]
        if text == "(":
            self.enter()
            self.position += 1
            inner = self.predicate()
            if not self.accept(")"):
                raise self.unexpected("`and`, `or` or `)`")
            self.depth -= 1
            return inner
        if text == "not" and not self._is_operator(at + 1):
            self.enter()
            self.position += 1
            item = self._row_unit(what)
            self.depth -= 1
            return NotNode(item, at)
        name = self.identifier(what)
        word = self.texts[self.position]
        operator = COMPARISONS.get(word)
        if operator is not None:
            self.position += 1
            return PredicateNode(name, operator, self.value(), at)
        if word == "is":
            return NullTestNode(WordNode(name, at), self.null_test(), at)
        if word == "in" or (word == "not" and self.texts[self.position + 1] == "in"):
            negated = self.membership()
            return MembershipNode(WordNode(name, at), self._row_container(), negated, at)
        raise self.unexpected("a comparison, `is` or `in`")

    def _row_container(self) -> ListNode | VariableNode:
        at = self.position
        if self.texts[at] == "[":
            return self.list()
        return VariableNode(self.variable("a list such as `[1, 2]` or a parameter"), at)

    def _is_operator(self, at: int) -> bool:
        """Tell whether a token is an operator, so that the name in front of it is a property, whatever its name."""
        texts = self.texts
        word, follows = texts[at], texts[at + 1]
        if word == "is":
            return follows == "null" or (follows == "not" and texts[at + 2] == "null")
        if word == "not":
            return follows == "in" and self._is_operator(at + 1)
        if word == "in":
            return follows.startswith(("[", "$"))
        return word in COMPARISONS


def is_condition_word(texts: list[str], at: int) -> bool:
    """Tell whether a word behind the variable that begins a clause is an operator of a condition, not an edge.

    In front of another variable or a brace it is an edge whatever the word: ``$q contains $m``, but ``$q contains "m"``.
    """
    word, follows = texts[at], texts[at + 1]
    if word == "not":
        return True
    if follows == "{" or follows[:1] == "$":
        return False
    return word in ("contains", "starts_with", "is", "in")
