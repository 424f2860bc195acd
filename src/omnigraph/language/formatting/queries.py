"""The layout of query files."""

from __future__ import annotations

from collections.abc import Sequence

from omnigraph.language.formatting.layout import Fold, Group, Line, Page
from omnigraph.language.query_tree import (
    FUNCTIONS,
    AssignmentNode,
    BindingNode,
    ClauseNode,
    DeleteNode,
    FilterNode,
    InsertNode,
    MatchNode,
    MutationBody,
    OrderingNode,
    ProjectionNode,
    QueryDeclaration,
    QueryFile,
    ReadBody,
    StatementNode,
    TraversalNode,
)

_CALLS = FUNCTIONS | {"now", "date", "datetime", "Vector", "description", "instruction"}
_SIGNS = frozenset("+-*/%")
_WORDS_BEFORE_SIGNS = frozenset(("and", "or", "not", "contains", "starts_with"))


def lay_out_queries(file: QueryFile) -> str:
    """Return the formatted text of a file."""
    layout = _QueryLayout(file)
    lines = [layout.query(query) for query in file.queries]
    page = Page(file.tokens, layout.glued, layout.breaks)
    for number, (header, folds, body) in enumerate(lines):
        page.begin(0, "made" if number else "kept")
        page.line((*(header if page.fits(header, len(" {")) else folds), body), 0)
    return page.text()


class _QueryLayout:
    """Turns trees into lines. Roles of tokens that depend on the tree are gathered in ``glued`` and ``breaks``."""

    def __init__(self, file: QueryFile) -> None:
        self.texts = file.tokens.texts
        self.glued: set[int] = set()
        self.breaks: set[int] = set()

    def query(self, query: QueryDeclaration) -> tuple[Line, Line, Group]:
        """Return the head of a query in one line and in several, and its body."""
        texts = self.texts
        opening = query.at + 2
        self.glued.add(opening)
        closing = texts.index(")", query.parameters[-1].end if query.parameters else opening)
        parameters = tuple(self._run(each.at, each.end) for each in query.parameters)
        group = Group(opening, parameters, closing)
        start = query.body.at - 1
        self._calls(closing + 1, start)
        head: list[int | Group | Fold] = [query.at, query.at + 1, group]
        flat = (*head, *range(closing + 1, start))
        folds = list(head)
        for token in range(closing + 1, start):
            if texts[token] == "@":
                folds.append(Fold(1))
            folds.append(token)
        if start > closing + 1:
            folds.append(Fold(0))
        items = self.mutation(query.body) if isinstance(query.body, MutationBody) else self.read(query.body)
        return flat, tuple(folds), Group(start, items, query.end - 1, commas=False, expanded=True)

    # --- reads ---

    def read(self, body: ReadBody) -> tuple[Line, ...]:
        end = body.clauses[-1].end
        items: list[Line] = [(body.at, self._block(body.clauses, body.at + 1, end))]
        opening = end + 2 + body.distinct
        closing = self._brace(body.projections[-1].end)
        returned = Group(opening, self._items(body.projections, closing), closing, trailing=True)
        items.append((*range(end + 1, opening), returned))
        token = closing + 1
        if body.order:
            closing = self._brace(body.order[-1].end)
            items.append((token, Group(token + 1, self._items(body.order, closing), closing)))
            token = closing + 1
        if token < body.end:
            items.append(tuple(range(token, body.end)))
        return tuple(items)

    def _block(self, clauses: Sequence[ClauseNode], opening: int, closing: int) -> Group:
        """Return a block; only one of a single plain clause may be closed."""
        is_plain = len(clauses) == 1 and isinstance(clauses[0], (BindingNode, TraversalNode, FilterNode))
        items = tuple(self._clause(each) for each in clauses)
        return Group(opening, items, closing, commas=False, expanded=not is_plain)

    def _clause(self, node: ClauseNode) -> Line:
        if isinstance(node, BindingNode):
            if not node.matches:
                return tuple(range(node.at, node.end))
            opening = node.matches[0].at - 1
            return (*range(node.at, opening), self._matches(node.matches, opening, node.end - 1))
        if isinstance(node, TraversalNode):
            return self._traversal(node)
        if isinstance(node, FilterNode):
            return self._run(node.at, node.end)
        return (node.at, self._block(node.clauses, node.at + 1, node.end - 1))

    def _matches(self, nodes: tuple[MatchNode, ...], opening: int, closing: int) -> Group:
        return Group(opening, self._items(nodes, closing), closing, trailing=True)

    def _traversal(self, node: TraversalNode) -> Line:
        texts = self.texts
        edge = node.at + 1
        if node.variable is not None:
            edge += 2
            self.glued.add(edge)
        if node.undirected:
            self.glued.update((edge + 1, edge + 2))
            edge += 2
        behind = edge + 1
        if node.bounds is not None:
            behind = texts.index("}", edge) + 1
            self.glued.update(range(edge + 1, behind))
        if not node.matches:
            return tuple(range(node.at, node.end))
        self.glued.add(behind)
        return (*range(node.at, behind), self._matches(node.matches, behind, node.end - 2), node.end - 1)

    # --- mutations ---

    def mutation(self, body: MutationBody) -> tuple[Line, ...]:
        return tuple(self._statement(each) for each in body.statements)

    def _statement(self, node: StatementNode) -> Line:
        if isinstance(node, DeleteNode):
            return self._run(node.at, node.end, in_mutation=True)
        opening = node.assignments[0].at - 1
        closing = self._brace(node.assignments[-1].at)
        group = Group(opening, self._items(node.assignments, closing, in_mutation=True), closing, trailing=True)
        if isinstance(node, InsertNode):
            return (*range(node.at, opening), group)
        self.breaks.add(closing + 1)
        return (*range(node.at, opening), group, *self._run(closing + 1, node.end, in_mutation=True))

    # --- runs of tokens ---

    def _items(
        self,
        nodes: Sequence[ProjectionNode | OrderingNode | MatchNode | AssignmentNode],
        closing: int,
        *,
        in_mutation: bool = False,
    ) -> tuple[Line, ...]:
        """Return the items of a group without the commas behind them."""
        lines: list[Line] = []
        for number, node in enumerate(nodes):
            end = nodes[number + 1].at if number + 1 < len(nodes) else closing
            end -= self.texts[end - 1] == ","
            lines.append(self._run(node.at, end, in_mutation=in_mutation))
        return tuple(lines)

    def _brace(self, token: int) -> int:
        return self.texts.index("}", token)

    def _calls(self, first: int, end: int) -> None:
        """Glue parentheses to the names in front of them."""
        for token in range(first, end):
            if self.texts[token] == "(" and self.texts[token - 1] in _CALLS:
                self.glued.add(token)

    def _run(self, first: int, end: int, *, in_mutation: bool = False) -> tuple[int, ...]:
        """Return tokens as a line; find the parentheses of calls, the signs of operands and the places to break at."""
        texts = self.texts
        self._calls(first, end)
        for token in range(first + 1, end):
            text, last = texts[token], texts[token - 1]
            if (
                (text in ("and", "or") and last != ".")
                or last == ","
                or (text in _SIGNS and self._is_binary(token, first, in_mutation))
            ):
                self.breaks.add(token)
        for token in range(first, end - 1):
            if texts[token] == "-" and not self._is_binary(token, first, in_mutation):
                self.glued.add(token + 1)
        return tuple(range(first, end))

    def _is_binary(self, token: int, first: int, in_mutation: bool) -> bool:
        """Tell whether a sign stands between two operands. The answer is about looks only."""
        if token == first:
            return False
        last = self.texts[token - 1]
        if last in _WORDS_BEFORE_SIGNS:
            return in_mutation
        return last[0] in ')]"$' or last[0].isalnum() or last[0] == "_"
