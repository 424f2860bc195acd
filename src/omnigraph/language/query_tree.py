"""The syntax tree of a ``.gq`` file, as written: names are not resolved and nothing has a type yet.

Clauses, conditions and expressions are three kinds of node, as in the grammar. ``at`` is the number of a node's first
token, ``end`` the number behind its last one; ``Tokens.span`` turns them into places.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from omnigraph.language.catalog import Scalar
from omnigraph.language.lexer import Tokens

CompareWord = Literal["=", "!=", "<", "<=", ">", ">=", "contains"]
AGGREGATES = frozenset(("count", "sum", "avg", "min", "max"))
TEXT_FUNCTIONS = frozenset(("search", "fuzzy", "match_text"))
RANKINGS = frozenset(("nearest", "bm25", "rrf"))
FUNCTIONS = AGGREGATES | TEXT_FUNCTIONS | RANKINGS


# --- expressions -------------------------------------------------------------------------------------------------------


class LiteralNode(Struct, frozen=True):
    """A literal. For ``date("…")`` and ``datetime("…")`` the value is the text between the quotes."""

    value: str | bool | int | float
    scalar: Scalar
    at: int = 0


class ListNode(Struct, frozen=True):
    """``[a, b]``."""

    items: tuple[LiteralNode | ListNode, ...]
    at: int = 0


class VariableNode(Struct, frozen=True):
    """``$x``; the name is kept without its dollar sign."""

    name: str
    at: int = 0


class AccessNode(Struct, frozen=True):
    """``$x.p``."""

    variable: str
    property_name: str
    at: int = 0


class NowNode(Struct, frozen=True):
    """``now()``."""

    at: int = 0


class CallNode(Struct, frozen=True):
    """A function of the language and its arguments."""

    function: str
    arguments: tuple[ExpressionNode, ...]
    at: int = 0


class WordNode(Struct, frozen=True):
    """A bare word: the alias of a projection."""

    text: str
    at: int = 0


ExpressionNode: TypeAlias = LiteralNode | ListNode | VariableNode | AccessNode | NowNode | CallNode | WordNode
ValueNode: TypeAlias = LiteralNode | ListNode | VariableNode | NowNode


# --- conditions --------------------------------------------------------------------------------------------------------


class CompareNode(Struct, frozen=True):
    """``left operator right``."""

    operator: CompareWord
    left: ExpressionNode
    right: ExpressionNode
    at: int = 0


class TextNode(Struct, frozen=True):
    """A text function that stands as a condition."""

    call: CallNode
    at: int = 0


ConditionNode: TypeAlias = CompareNode | TextNode


# --- clauses -----------------------------------------------------------------------------------------------------------


class MatchNode(Struct, frozen=True):
    """``prop: value`` in the braces of a binding."""

    property_name: str
    value: ValueNode
    at: int = 0


class BindingNode(Struct, frozen=True):
    """``$x: T { … }``."""

    variable: str
    type_name: str
    matches: tuple[MatchNode, ...] = ()
    at: int = 0
    end: int = 0


class TraversalNode(Struct, frozen=True):
    """``$a edge{min,max} $b``. ``bounds`` is None when none are written; a missing maximum is None."""

    left: str
    edge: str
    right: str
    bounds: tuple[int, int | None] | None = None
    at: int = 0
    end: int = 0


class FilterNode(Struct, frozen=True):
    """A condition as a clause."""

    condition: ConditionNode
    at: int = 0
    end: int = 0


class NegationNode(Struct, frozen=True):
    """``not { … }``."""

    clauses: tuple[ClauseNode, ...]
    at: int = 0
    end: int = 0


ClauseNode: TypeAlias = BindingNode | TraversalNode | FilterNode | NegationNode


# --- queries -----------------------------------------------------------------------------------------------------------


class ParameterNode(Struct, frozen=True):
    """``$k: type``. The type is kept in parts: whether its name is known is for the checker to say."""

    name: str
    type_name: str
    is_list: bool = False
    dimension: int | None = None
    nullable: bool = False
    at: int = 0
    end: int = 0


class ProjectionNode(Struct, frozen=True):
    """``expression as alias``."""

    expression: ExpressionNode
    alias: str | None = None
    at: int = 0
    end: int = 0


class OrderingNode(Struct, frozen=True):
    """``expression desc``. ``direction`` is None when none is written."""

    expression: ExpressionNode
    direction: Literal["asc", "desc"] | None = None
    at: int = 0
    end: int = 0


class ReadBody(Struct, frozen=True):
    """``match { … } return { … } order { … } limit n``."""

    clauses: tuple[ClauseNode, ...]
    projections: tuple[ProjectionNode, ...]
    order: tuple[OrderingNode, ...] = ()
    limit: int | None = None
    at: int = 0
    end: int = 0


class AssignmentNode(Struct, frozen=True):
    """``prop: value`` in an insert or update."""

    property_name: str
    value: ValueNode
    at: int = 0


class PredicateNode(Struct, frozen=True):
    """``prop operator value`` behind ``where``."""

    property_name: str
    operator: CompareWord
    value: ValueNode
    at: int = 0


class InsertNode(Struct, frozen=True):
    """``insert T { … }``."""

    type_name: str
    assignments: tuple[AssignmentNode, ...]
    at: int = 0
    end: int = 0


class UpdateNode(Struct, frozen=True):
    """``update T set { … } where …``."""

    type_name: str
    assignments: tuple[AssignmentNode, ...]
    predicate: PredicateNode
    at: int = 0
    end: int = 0


class DeleteNode(Struct, frozen=True):
    """``delete T where …``."""

    type_name: str
    predicate: PredicateNode
    at: int = 0
    end: int = 0


StatementNode: TypeAlias = InsertNode | UpdateNode | DeleteNode


class MutationBody(Struct, frozen=True):
    """The statements of a mutation."""

    statements: tuple[StatementNode, ...]
    at: int = 0
    end: int = 0


class QueryDeclaration(Struct, frozen=True):
    """``query name(…) { … }``. It holds the tokens of its file, so an error in it can be placed."""

    name: str
    parameters: tuple[ParameterNode, ...]
    body: ReadBody | MutationBody
    tokens: Tokens
    description: str | None = None
    instruction: str | None = None
    at: int = 0
    end: int = 0

    @property
    def kind(self) -> Literal["read", "mutation"]:
        return "read" if isinstance(self.body, ReadBody) else "mutation"


class QueryFile(Struct, frozen=True):
    """A whole file. Several queries may have one name; the first is meant then."""

    queries: tuple[QueryDeclaration, ...]
    tokens: Tokens
