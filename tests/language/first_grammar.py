"""Queries of the grammar without extensions (section 12.1): tokens, and the tree that they have always meant.

Names are taken from the words of the extensions on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

from omnigraph.language import query_tree as t
from omnigraph.language.catalog import Scalar

Drawn = tuple[list[str], Any]
T = TypeVar("T")

NAMES = [
    "or",
    "and",
    "not",
    "in",
    "is",
    "null",
    "distinct",
    "offset",
    "optional",
    "contains",
    "starts_with",
    "count",
    "limit",
    "order",
    "a",
    "b",
]
TYPES = ["A", "Or", "Optional", "In"]
names = st.sampled_from(NAMES)
edges = st.sampled_from([name for name in NAMES if name != "not"])
variables = st.sampled_from([*NAMES, "_"])
words = st.sampled_from([name for name in NAMES if name not in ("as", "asc", "desc")])
integers = st.integers(0, 2**63 - 1)


@st.composite
def literals(draw: st.DrawFn, depth: int = 0) -> Drawn:
    kind = draw(st.sampled_from("nfsbdl" if depth < 2 else "nfsbd"))
    if kind == "n":
        number = draw(integers)
        return [str(number)], t.LiteralNode(number, Scalar.I64)
    if kind == "f":
        return ["2.50"], t.LiteralNode(2.5, Scalar.F64)
    if kind == "s":
        return ['"or \\"and\\" -"'], t.LiteralNode('or "and" -', Scalar.STRING)
    if kind == "b":
        truth = draw(st.booleans())
        return ["true" if truth else "false"], t.LiteralNode(truth, Scalar.BOOL)
    if kind == "d":
        name, scalar = draw(st.sampled_from([("date", Scalar.DATE), ("datetime", Scalar.DATETIME)]))
        return [name, "(", '"2026-01-01"', ")"], t.LiteralNode("2026-01-01", scalar)
    items = draw(st.lists(literals(depth + 1), max_size=3))
    return ["[", *_separated(items), "]"], t.ListNode(tuple(node for _, node in items))


def _separated(items: list[Drawn], separator: str = ",") -> list[str]:
    tokens: list[str] = []
    for number, (item, _) in enumerate(items):
        tokens += [separator, *item] if number else item
    return tokens


@st.composite
def values(draw: st.DrawFn) -> Drawn:
    kind = draw(st.sampled_from(["literal", "negative", "variable", "now"]))
    if kind == "variable":
        name = draw(names)
        return [f"${name}"], t.VariableNode(name)
    if kind == "now":
        return ["now", "(", ")"], t.NowNode()
    if kind == "negative":
        number = draw(integers)
        return ["-", str(number)], t.LiteralNode(-number, Scalar.I64)
    return draw(literals())


@st.composite
def operands(draw: st.DrawFn, depth: int = 0, with_words: bool = True) -> Drawn:
    kinds = ["access", "access", "variable", "literal", "now"]
    if with_words:
        kinds.append("word")
    if depth < 2:
        kinds += ["text", "aggregate", "rank", "rrf"]
    kind = draw(st.sampled_from(kinds))
    if kind == "access":
        return draw(accesses())
    if kind == "variable":
        name = draw(variables)
        return [f"${name}"], t.VariableNode(name)
    if kind == "literal":
        return draw(literals())
    if kind == "now":
        return ["now", "(", ")"], t.NowNode()
    if kind == "word":
        word = draw(words)
        return [word], t.WordNode(word)
    if kind == "text":
        return draw(texts(depth + 1))
    if kind == "aggregate":
        name = draw(st.sampled_from(sorted(t.AGGREGATES)))
        return _call(name, [draw(operands(depth + 1))])
    if kind == "rank":
        return draw(ranks(depth + 1))
    arms = [draw(ranks(depth + 1)), draw(ranks(depth + 1))]
    return _call("rrf", arms + draw(st.lists(operands(depth + 1), max_size=1)))


@st.composite
def accesses(draw: st.DrawFn) -> Drawn:
    variable, name = draw(variables), draw(names)
    return [f"${variable}", ".", name], t.AccessNode(variable, name)


@st.composite
def texts(draw: st.DrawFn, depth: int = 1) -> Drawn:
    name = draw(st.sampled_from(sorted(t.TEXT_FUNCTIONS)))
    count = draw(st.integers(2, 3)) if name == "fuzzy" else 2
    return _call(name, [draw(operands(depth)) for _ in range(count)])


@st.composite
def ranks(draw: st.DrawFn, depth: int) -> Drawn:
    if draw(st.booleans()):
        return _call("nearest", [draw(accesses()), draw(operands(depth))])
    return _call("bm25", [draw(operands(depth)), draw(operands(depth))])


def _call(name: str, arguments: list[Drawn]) -> Drawn:
    return [name, "(", *_separated(arguments), ")"], t.CallNode(name, tuple(node for _, node in arguments))


# --- clauses -----------------------------------------------------------------------------------------------------------


@st.composite
def clauses(draw: st.DrawFn, depth: int = 0) -> Drawn:
    kinds = ["binding", "traversal", "filter", "filter", "text"] + (["not"] if depth < 2 else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "binding":
        variable, type_name = draw(variables), draw(st.sampled_from(TYPES))
        matches = draw(st.lists(st.tuples(names, values()), max_size=2))
        tokens = [f"${variable}", ":", type_name]
        if matches:
            inner = _separated([([name, ":", *value], None) for name, (value, _) in matches])
            tokens += ["{", *inner, *draw(st.sampled_from([[], [","]])), "}"]
        return tokens, t.BindingNode(variable, type_name, tuple(t.MatchNode(name, value) for name, (_, value) in matches))
    if kind == "traversal":
        left, edge, right = draw(variables), draw(edges), draw(variables)
        bounds = draw(st.sampled_from([None, (1, 3), (2, None)]))
        written = [] if bounds is None else ["{", str(bounds[0]), ",", *([] if bounds[1] is None else [str(bounds[1])]), "}"]
        return [f"${left}", edge, *written, f"${right}"], t.TraversalNode(left, edge, right, bounds)
    if kind == "filter":
        operator = draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "contains"]))
        left = draw(operands(with_words=False))
        if operator == "contains" and isinstance(left[1], t.VariableNode):
            left = draw(accesses())
        right = draw(operands())
        return [*left[0], operator, *right[0]], t.FilterNode(t.CompareNode(operator, left[1], right[1]))
    if kind == "text":
        tokens, call = draw(texts())
        return tokens, t.FilterNode(t.TextNode(call))
    inner = draw(st.lists(clauses(depth + 1), min_size=1, max_size=3))
    return ["not", "{", *_separated(inner, "\n"), "}"], t.NegationNode(tuple(node for _, node in inner))


@st.composite
def projections(draw: st.DrawFn) -> Drawn:
    tokens, expression = draw(operands())
    alias = draw(st.none() | names)
    comma = draw(st.sampled_from([[], [","]]))
    return [*tokens, *([] if alias is None else ["as", alias]), *comma], t.ProjectionNode(expression, alias)


@st.composite
def orderings(draw: st.DrawFn) -> Drawn:
    tokens, expression = draw(operands())
    is_nearest = isinstance(expression, t.CallNode) and expression.function == "nearest"
    direction = None if is_nearest else draw(st.sampled_from([None, "asc", "desc"]))
    return [*tokens, *([] if direction is None else [direction])], t.OrderingNode(expression, direction)


@st.composite
def reads(draw: st.DrawFn) -> Drawn:
    matched = draw(st.lists(clauses(), min_size=1, max_size=5))
    returned = draw(st.lists(projections(), min_size=1, max_size=4))
    order = draw(st.lists(orderings(), max_size=3))
    limit = draw(st.none() | integers)
    tokens = ["match", "{", *_separated(matched, "\n"), "}", "return", "{", *_separated(returned, "\n"), "}"]
    if order:
        tokens += ["order", "{", *_separated(order), "}"]
    if limit is not None:
        tokens += ["limit", str(limit)]
    parts = (tuple(node for _, node in each) for each in (matched, returned, order))
    return tokens, t.ReadBody(*parts, limit)


# --- mutations ---------------------------------------------------------------------------------------------------------


@st.composite
def statements(draw: st.DrawFn) -> Drawn:
    kind, type_name = draw(st.sampled_from(["insert", "update", "delete"])), draw(st.sampled_from(TYPES))
    written: list[str] = ["{"]
    assignments: list[t.AssignmentNode] = []
    for name, (tokens, value) in draw(st.lists(st.tuples(names, values()), min_size=1, max_size=3)):
        written += [name, ":", *tokens, *draw(st.sampled_from([[], [","]]))]
        assignments.append(t.AssignmentNode(name, value))
    written.append("}")
    if kind == "insert":
        return ["insert", type_name, *written], t.InsertNode(type_name, tuple(assignments))
    name, operator = draw(names), draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">="]))
    tokens, value = draw(values())
    where = ["where", name, operator, *tokens]
    predicate = t.PredicateNode(name, operator, value)
    if kind == "delete":
        return ["delete", type_name, *where], t.DeleteNode(type_name, predicate)
    return ["update", type_name, "set", *written, *where], t.UpdateNode(type_name, tuple(assignments), predicate)


@st.composite
def mutations(draw: st.DrawFn) -> Drawn:
    drawn = draw(st.lists(statements(), min_size=1, max_size=3))
    return _separated(drawn, "\n"), t.MutationBody(tuple(node for _, node in drawn))


@st.composite
def written(draw: st.DrawFn, bodies: Callable[[], st.SearchStrategy[Drawn]]) -> tuple[str, Any]:
    """Return the text of a query, with white space and comments of all kinds, and the tree of its body."""
    tokens, body = draw(bodies())
    name = draw(names)
    tokens = ["query", name, "(", "$in", ":", "[", "I32", "]", ",", "$is", ":", "String", "?", ")", "{", *tokens, "}"]
    gaps = draw(st.lists(st.sampled_from([" ", " ", "\n", "\t", " /* or */ ", " // and\n", ""]), min_size=1, max_size=9))
    text = ""
    for number, token in enumerate(tokens):
        gap = gaps[number % len(gaps)]
        tight = not text or text[-1] in "(){}[],:" or token in "(){}[],:"
        text += (gap if gap or tight else " ") + token
    return text, body
