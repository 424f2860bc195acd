"""The checked query: what the type checker hands to the planner.

Names are resolved, directions are settled, literals are Python values of the right kind, and every expression knows its
type. Pure data; nothing here imports Arrow.

A property of a variable that an optional block may leave unbound has a nullable type, whatever the schema says.

Values: String and enum ``str``; Bool ``bool``; integers ``int``; floats ``float``; Date ``int`` days since 1970-01-01;
DateTime ``int`` milliseconds since 1970-01-01T00:00:00Z; Blob ``str``; lists and vectors ``tuple``; null ``None``.
Variables are named without their dollar sign. Every ``$_`` gets a name of its own that starts with ``#``.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, Union

from msgspec import Struct

from omnigraph.language.catalog import PropertyType

Value: TypeAlias = Union[str, bool, int, float, tuple["Value", ...], None]
EntityKind = Literal["node", "edge"]
CompareOperator = Literal["=", "!=", "<", "<=", ">", ">="]
ArithmeticOperator = Literal["+", "-", "*", "/", "%"]
AggregateFunction = Literal["count", "sum", "avg", "min", "max"]
TextFunction = Literal["search", "fuzzy", "match_text"]


# --- expressions -------------------------------------------------------------------------------------------------------


class Constant(Struct, frozen=True):
    """A literal. Its value already has the kind of ``type``."""

    value: Value
    type: PropertyType


class ParameterRef(Struct, frozen=True):
    """``$k`` where ``k`` is a declared parameter."""

    name: str
    type: PropertyType


class PropertyRef(Struct, frozen=True):
    """``$x.p``; in a mutation predicate or assignment ``variable`` is empty and the row itself is meant.

    On an edge ``from`` and ``to`` are spelt ``src`` and ``dst``.
    """

    variable: str
    property_name: str
    type: PropertyType


class EntityRef(Struct, frozen=True):
    """``$x``: the id of the bound node or edge, a string (null when an optional block left it unbound)."""

    variable: str
    kind: EntityKind
    type_name: str


class WholeRef(Struct, frozen=True):
    """``$x.*``: the bound node or edge as an object (section 30.12)."""

    variable: str
    kind: EntityKind
    type_name: str


class Now(Struct, frozen=True):
    """``now()``: the instant at which the query started."""


class Arithmetic(Struct, frozen=True):
    """A binary operation on numbers (section 30.7). A unary minus is ``0 - operand``, the zero an I64 or F64 as the result."""

    operator: ArithmeticOperator
    left: Expression
    right: Expression
    type: PropertyType


class Aggregate(Struct, frozen=True):
    """An aggregate; ``argument`` is None for ``count(*)``."""

    function: AggregateFunction
    argument: Expression | None
    distinct: bool
    type: PropertyType


class TextMatch(Struct, frozen=True):
    """``search``, ``match_text`` or ``fuzzy`` over a String property. ``edits`` is given for ``fuzzy`` only."""

    function: TextFunction
    field: PropertyRef
    query: Expression
    edits: Expression | None = None


class Nearest(Struct, frozen=True):
    """``nearest``: ascending L2 distance to a vector, or to a text that is embedded at run time."""

    field: PropertyRef
    query: Expression


class Bm25(Struct, frozen=True):
    """``bm25``: descending BM25 score."""

    field: PropertyRef
    query: Expression


class Rrf(Struct, frozen=True):
    """``rrf``: reciprocal rank fusion of two rankings of one variable; ``k`` is None for the default."""

    first: Nearest | Bm25
    second: Nearest | Bm25
    k: Expression | None = None


class AliasRef(Struct, frozen=True):
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


class Compare(Struct, frozen=True):
    """``left op right`` over scalars. True or not true; null on either side is not true."""

    operator: CompareOperator
    left: Expression
    right: Expression


class Contains(Struct, frozen=True):
    """``list contains item``, or where the container is a single String ``text contains part``: an exact substring."""

    container: Expression
    item: Expression


class StartsWith(Contains, frozen=True):
    """``text starts_with prefix``: the String ``container`` holds ``item`` at its start. Null on either side is not true."""


class IsNull(Struct, frozen=True):
    """``operand is null``, or with ``negated`` ``is not null``."""

    operand: Expression
    negated: bool


class In(Struct, frozen=True):
    """``operand in container``; a literal list is a ``Constant`` of a list type. With ``negated``: ``not in``."""

    operand: Expression
    container: Expression
    negated: bool


class TextCondition(Struct, frozen=True):
    """A text predicate as a condition."""

    match: TextMatch


class And(Struct, frozen=True):
    """All hold."""

    items: tuple[Condition, ...]


class Or(Struct, frozen=True):
    """One holds."""

    items: tuple[Condition, ...]


class Not(Struct, frozen=True):
    """Holds for exactly the rows that ``item`` alone would drop."""

    item: Condition


Condition: TypeAlias = Compare | Contains | IsNull | In | TextCondition | And | Or | Not


# --- match -------------------------------------------------------------------------------------------------------------


class PropertyMatch(Struct, frozen=True):
    """``prop: value`` in braces: equality, or with ``membership`` "the list holds value". Null matches nothing."""

    property_name: str
    type: PropertyType
    value: Constant | ParameterRef | Now
    membership: bool


class Variable(Struct, frozen=True):
    """A variable of a block and the type of what it ranges over."""

    name: str
    kind: EntityKind
    type_name: str

    @property
    def is_anonymous(self) -> bool:
        return self.name.startswith("#")


class Binding(Struct, frozen=True):
    """``$x: T { … }``: conditions on one variable. Several may stand for the same variable."""

    variable: str
    type_name: str
    matches: tuple[PropertyMatch, ...]


class Traversal(Struct, frozen=True):
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


class Filter(Struct, frozen=True):
    """A condition that rows must meet."""

    condition: Condition


class Negation(Struct, frozen=True):
    """``not { … }``: drops the rows that the block can extend."""

    block: Block


class Optional(Struct, frozen=True):
    """``optional { … }``: extends rows where it can, keeps the others with nulls."""

    block: Block


Clause: TypeAlias = Binding | Traversal | Filter | Negation | Optional


class Block(Struct, frozen=True):
    """The clauses of a match, in textual order, and the variables *first bound* in it (anonymous ones included).

    Every node variable has its type here, also when no ``Binding`` stands for it: it then ranges over all nodes of the type.
    """

    variables: tuple[Variable, ...]
    clauses: tuple[Clause, ...]


# --- queries -----------------------------------------------------------------------------------------------------------


class Parameter(Struct, frozen=True):
    """A declared parameter."""

    name: str
    type: PropertyType


class Projection(Struct, frozen=True):
    """One column of the result. ``type`` is None for whole entities; a node variable has type String."""

    expression: Expression
    column: str
    type: PropertyType | None
    alias: str | None = None


class OrderKey(Struct, frozen=True):
    """One ordering key. ``expression`` may be a ranking (first key only) or an ``AliasRef``."""

    expression: Expression
    descending: bool


Amount: TypeAlias = int | ParameterRef


class ReadQuery(Struct, frozen=True):
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


class Assignment(Struct, frozen=True):
    """``prop: value``. ``value`` may be arithmetic over the row in an update (section 30.11)."""

    property_name: str
    type: PropertyType
    value: Expression


class Insert(Struct, frozen=True):
    """``insert T { … }``; for edges ``source`` and ``target`` are the values of ``from`` and ``to``."""

    kind: EntityKind
    type_name: str
    assignments: tuple[Assignment, ...]
    source: Expression | None = None
    target: Expression | None = None


class Update(Struct, frozen=True):
    """``update T set { … } where …`` (nodes only)."""

    type_name: str
    assignments: tuple[Assignment, ...]
    predicate: Condition


class Delete(Struct, frozen=True):
    """``delete T where …``."""

    kind: EntityKind
    type_name: str
    predicate: Condition


Statement: TypeAlias = Insert | Update | Delete


class MutationQuery(Struct, frozen=True):
    """A checked mutation: only inserts and updates, or only deletes."""

    name: str
    parameters: tuple[Parameter, ...]
    statements: tuple[Statement, ...]
    description: str | None = None
    instruction: str | None = None


CheckedQuery: TypeAlias = ReadQuery | MutationQuery
