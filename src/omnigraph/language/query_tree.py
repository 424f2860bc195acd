"""The syntax tree of a ``.gq`` file, as written: names are not resolved and nothing has a type yet.

Clauses, conditions and expressions are three kinds of node, as in the grammar. ``at`` is the number of a node's first
token, ``end`` the number behind its last one; ``Tokens.span`` turns them into places.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from omnigraph.language.catalog import Scalar
from omnigraph.language.lexer import Tokens

CompareWord = Literal["=", "!=", "<", "<=", ">", ">=", "contains", "starts_with"]
ArithmeticSign = Literal["+", "-", "*", "/", "%"]
LogicWord = Literal["and", "or"]
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


class WholeNode(Struct, frozen=True):
    """``$x.*``."""

    variable: str
    at: int = 0


class NowNode(Struct, frozen=True):
    """``now()``."""

    at: int = 0


class CallNode(Struct, frozen=True):
    """A function of the language and its arguments. ``count(*)`` has none."""

    function: str
    arguments: tuple[ExpressionNode, ...]
    at: int = 0
    distinct: bool = False


class WordNode(Struct, frozen=True):
    """A bare word: in a read the alias of a projection, in a mutation a property of the row."""

    text: str
    at: int = 0


class ArithmeticNode(Struct, frozen=True):
    """``left operator right``. Equal operators lean to the left; parentheses are not part of a tree."""

    operator: ArithmeticSign
    left: ExpressionNode
    right: ExpressionNode
    at: int = 0


class NegativeNode(Struct, frozen=True):
    """``-operand``, but for a sign in front of digits: that belongs to the literal."""

    operand: ExpressionNode
    at: int = 0


ExpressionNode: TypeAlias = (
    LiteralNode
    | ListNode
    | VariableNode
    | AccessNode
    | WholeNode
    | NowNode
    | CallNode
    | WordNode
    | ArithmeticNode
    | NegativeNode
)
ValueNode: TypeAlias = LiteralNode | ListNode | VariableNode | NowNode
AssignedNode: TypeAlias = ValueNode | WordNode | ArithmeticNode | NegativeNode


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


class NullTestNode(Struct, frozen=True):
    """``operand is null``, or with ``negated`` ``operand is not null``."""

    operand: ExpressionNode
    negated: bool = False
    at: int = 0


class MembershipNode(Struct, frozen=True):
    """``operand in container``, or with ``negated`` ``operand not in container``."""

    operand: ExpressionNode
    container: ListNode | VariableNode | AccessNode | WholeNode
    negated: bool = False
    at: int = 0


class PredicateNode(Struct, frozen=True):
    """``prop operator value``, in mutations only."""

    property_name: str
    operator: CompareWord
    value: ValueNode
    at: int = 0


class LogicNode(Struct, frozen=True):
    """Two conditions or more, joined by one word."""

    operator: LogicWord
    items: tuple[ConditionNode, ...]
    at: int = 0


class NotNode(Struct, frozen=True):
    """``not condition``."""

    item: ConditionNode
    at: int = 0


ConditionNode: TypeAlias = CompareNode | TextNode | NullTestNode | MembershipNode | PredicateNode | LogicNode | NotNode


# --- clauses -----------------------------------------------------------------------------------------------------------


class MatchNode(Struct, frozen=True):
    """``prop: value`` in the braces of a binding or a traversal."""

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
    """``$a $e:edge{min,max}{prop: value} $b``, with ``undirected`` ``$a <edge> $b``.

    ``bounds`` is None when none are written; a missing maximum is None. ``variable`` is the edge's name, if it has one.
    """

    left: str
    edge: str
    right: str
    bounds: tuple[int, int | None] | None = None
    at: int = 0
    end: int = 0
    variable: str | None = None
    undirected: bool = False
    matches: tuple[MatchNode, ...] = ()


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


class OptionalNode(Struct, frozen=True):
    """``optional { … }``."""

    clauses: tuple[ClauseNode, ...]
    at: int = 0
    end: int = 0


ClauseNode: TypeAlias = BindingNode | TraversalNode | FilterNode | NegationNode | OptionalNode


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


AmountNode: TypeAlias = int | VariableNode


class ReadBody(Struct, frozen=True):
    """``match { … } return distinct { … } order { … } limit n offset m``."""

    clauses: tuple[ClauseNode, ...]
    projections: tuple[ProjectionNode, ...]
    order: tuple[OrderingNode, ...] = ()
    limit: AmountNode | None = None
    at: int = 0
    end: int = 0
    distinct: bool = False
    offset: AmountNode | None = None


class AssignmentNode(Struct, frozen=True):
    """``prop: value`` in an insert or update."""

    property_name: str
    value: AssignedNode
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
    predicate: ConditionNode
    at: int = 0
    end: int = 0


class DeleteNode(Struct, frozen=True):
    """``delete T where …``."""

    type_name: str
    predicate: ConditionNode
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
