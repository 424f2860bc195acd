"""The checked query: what the type checker hands to the planner.

Names are resolved, directions are settled, literals are Python values of the right kind, and every expression knows its
type. Pure data; nothing here imports Arrow.

The tree has room for the whole language, section 30 of its specification included: conditions are trees, amounts may be
parameters, optional blocks, edge variables and edge conditions have their places. A construct that the grammar does not
offer yet is simply never produced.

Values: String and enum ``str``; Bool ``bool``; integers ``int``; floats ``float``; Date ``int`` days since 1970-01-01;
DateTime ``int`` milliseconds since 1970-01-01T00:00:00Z; Blob ``str``; lists and vectors ``tuple``; null ``None``.
Variables are named without their dollar sign. Every ``$_`` gets a name of its own that starts with ``#``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, Union

from omnigraph.language.catalog import PropertyType

Value: TypeAlias = Union[str, bool, int, float, tuple["Value", ...], None]
EntityKind = Literal["node", "edge"]
CompareOperator = Literal["=", "!=", "<", "<=", ">", ">="]
ArithmeticOperator = Literal["+", "-", "*", "/", "%"]
AggregateFunction = Literal["count", "sum", "avg", "min", "max"]
TextFunction = Literal["search", "fuzzy", "match_text"]


# --- expressions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal. Its value already has the kind of ``type``."""

    value: Value
    type: PropertyType


@dataclass(frozen=True, slots=True)
class ParameterRef:
    """``$k`` where ``k`` is a declared parameter."""

    name: str
    type: PropertyType


@dataclass(frozen=True, slots=True)
class PropertyRef:
    """``$x.p``; in a mutation predicate or assignment ``variable`` is empty and the row itself is meant.

    On an edge ``from`` and ``to`` are spelt ``src`` and ``dst``.
    """

    variable: str
    property_name: str
    type: PropertyType


@dataclass(frozen=True, slots=True)
class EntityRef:
    """``$x``: the id of the bound node or edge, a string (null when an optional block left it unbound)."""

    variable: str
    kind: EntityKind
    type_name: str


@dataclass(frozen=True, slots=True)
class WholeRef:
    """``$x.*``: the bound node or edge as an object (section 30.12)."""

    variable: str
    kind: EntityKind
    type_name: str


@dataclass(frozen=True, slots=True)
class Now:
    """``now()``: the instant at which the query started."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A binary operation on numbers (section 30.7). A unary minus is ``0 - operand`` of the operand's type."""

    operator: ArithmeticOperator
    left: Expression
    right: Expression
    type: PropertyType


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregate; ``argument`` is None for ``count(*)``."""

    function: AggregateFunction
    argument: Expression | None
    distinct: bool
    type: PropertyType


@dataclass(frozen=True, slots=True)
class TextMatch:
    """``search``, ``match_text`` or ``fuzzy`` over a String property. ``edits`` is given for ``fuzzy`` only."""

    function: TextFunction
    field: PropertyRef
    query: Expression
    edits: Expression | None = None


@dataclass(frozen=True, slots=True)
class Nearest:
    """``nearest``: ascending L2 distance to a vector, or to a text that is embedded at run time."""

    field: PropertyRef
    query: Expression


@dataclass(frozen=True, slots=True)
class Bm25:
    """``bm25``: descending BM25 score."""

    field: PropertyRef
    query: Expression


@dataclass(frozen=True, slots=True)
class Rrf:
    """``rrf``: reciprocal rank fusion of two rankings of one variable; ``k`` is None for the default."""

    first: Nearest | Bm25
    second: Nearest | Bm25
    k: Expression | None = None


@dataclass(frozen=True, slots=True)
class AliasRef:
    """A bare word in ``order``: the name of a projection. It may be unknown; that is found at run time."""

    name: str


Ranking: TypeAlias = Nearest | Bm25 | Rrf
Expression: TypeAlias = (
    Constant
    | ParameterRef
    | PropertyRef
    | EntityRef
    | WholeRef
    | Now
    | Arithmetic
    | Aggregate
    | TextMatch
    | Nearest
    | Bm25
    | Rrf
    | AliasRef
)


# --- conditions --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Compare:
    """``left op right`` over scalars. True or not true; null on either side is not true."""

    operator: CompareOperator
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Contains:
    """``list contains item``."""

    container: Expression
    item: Expression


@dataclass(frozen=True, slots=True)
class IsNull:
    """``operand is null``, or with ``negated`` ``is not null``."""

    operand: Expression
    negated: bool


@dataclass(frozen=True, slots=True)
class In:
    """``operand in container``; a literal list is a ``Constant`` of a list type. With ``negated``: ``not in``."""

    operand: Expression
    container: Expression
    negated: bool


@dataclass(frozen=True, slots=True)
class TextCondition:
    """A text predicate as a condition."""

    match: TextMatch


@dataclass(frozen=True, slots=True)
class And:
    """All hold."""

    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One holds."""

    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Holds for exactly the rows that ``item`` alone would drop."""

    item: Condition


Condition: TypeAlias = Compare | Contains | IsNull | In | TextCondition | And | Or | Not


# --- match -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PropertyMatch:
    """``prop: value`` in braces: equality, or with ``membership`` "the list holds value". Null matches nothing."""

    property_name: str
    type: PropertyType
    value: Constant | ParameterRef | Now
    membership: bool


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a block and the type of what it ranges over."""

    name: str
    kind: EntityKind
    type_name: str

    @property
    def is_anonymous(self) -> bool:
        return self.name.startswith("#")


@dataclass(frozen=True, slots=True)
class Binding:
    """``$x: T { … }``: conditions on one variable. Several may stand for the same variable."""

    variable: str
    type_name: str
    matches: tuple[PropertyMatch, ...]


@dataclass(frozen=True, slots=True)
class Traversal:
    """Walks ``edge`` from ``source`` to ``target``: in stored terms ``source`` is the edges' ``src``, ``target`` their ``dst``.

    The order in which the query wrote the two ends is ``written`` (left, right): section 14.3 counts each end once per row
    of the *left* side. For ``undirected`` either direction counts. ``edge_variable`` binds the edge itself, one row per edge;
    otherwise parallel edges are one. ``edge_matches`` restrict the edges that are walked.
    """

    edge: str
    source: str
    target: str
    written: tuple[str, str]
    minimum: int = 1
    maximum: int = 1
    undirected: bool = False
    edge_variable: str | None = None
    edge_matches: tuple[PropertyMatch, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition that rows must meet."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Negation:
    """``not { … }``: drops the rows that the block can extend."""

    block: Block


@dataclass(frozen=True, slots=True)
class Optional:
    """``optional { … }``: extends rows where it can, keeps the others with nulls."""

    block: Block


Clause: TypeAlias = Binding | Traversal | Filter | Negation | Optional


@dataclass(frozen=True, slots=True)
class Block:
    """The clauses of a match, in textual order, and the variables *first bound* in it (anonymous ones included).

    Every node variable has its type here, also when no ``Binding`` stands for it: it then ranges over all nodes of the type.
    """

    variables: tuple[Variable, ...]
    clauses: tuple[Clause, ...]


# --- queries -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared parameter."""

    name: str
    type: PropertyType


@dataclass(frozen=True, slots=True)
class Projection:
    """One column of the result. ``type`` is None for whole entities; a node variable has type String."""

    expression: Expression
    column: str
    type: PropertyType | None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One ordering key. ``expression`` may be a ranking (first key only) or an ``AliasRef``."""

    expression: Expression
    descending: bool


Amount: TypeAlias = int | ParameterRef


@dataclass(frozen=True, slots=True)
class ReadQuery:
    """A checked read. ``aggregating`` is true if a projection holds an aggregate."""

    name: str
    parameters: tuple[Parameter, ...]
    block: Block
    projections: tuple[Projection, ...]
    aggregating: bool
    distinct: bool = False
    order: tuple[OrderKey, ...] = ()
    limit: Amount | None = None
    offset: Amount | None = None
    description: str | None = None
    instruction: str | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """``prop: value``. ``value`` may be arithmetic over the row in an update (section 30.11)."""

    property_name: str
    type: PropertyType
    value: Expression


@dataclass(frozen=True, slots=True)
class Insert:
    """``insert T { … }``; for edges ``source`` and ``target`` are the values of ``from`` and ``to``."""

    kind: EntityKind
    type_name: str
    assignments: tuple[Assignment, ...]
    source: Expression | None = None
    target: Expression | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """``update T set { … } where …`` (nodes only)."""

    type_name: str
    assignments: tuple[Assignment, ...]
    predicate: Condition


@dataclass(frozen=True, slots=True)
class Delete:
    """``delete T where …``."""

    kind: EntityKind
    type_name: str
    predicate: Condition


Statement: TypeAlias = Insert | Update | Delete


@dataclass(frozen=True, slots=True)
class MutationQuery:
    """A checked mutation: only inserts and updates, or only deletes."""

    name: str
    parameters: tuple[Parameter, ...]
    statements: tuple[Statement, ...]
    description: str | None = None
    instruction: str | None = None


CheckedQuery: TypeAlias = ReadQuery | MutationQuery
