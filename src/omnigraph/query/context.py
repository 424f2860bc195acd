"""What the operators of one running query share."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from omnigraph.language.checked import Constant, Now, ParameterRef, Value
from omnigraph.query.frame import Frame
from omnigraph.query.limits import Guard
from omnigraph.query.profile import Profile
from omnigraph.query.settings import Settings
from omnigraph.storage.view import Adjacency, EdgeView, GraphView, TableView

Operand = Constant | ParameterRef | Now


def operand_value(operand: Operand, parameters: Mapping[str, Value], now_ms: int) -> Value:
    """Return the value of a literal, a parameter (null when it was not given) or ``now()``."""
    if type(operand) is ParameterRef:
        return parameters.get(operand.name)
    return operand.value if type(operand) is Constant else now_ms


class Scope(Struct, frozen=True):
    """The variables that can be seen in one block, with kind and type name, and which of them may be unbound."""

    types: Mapping[str, tuple[str, str]]
    optional: frozenset[str] = frozenset()


class Context:
    """One execution: the snapshot, the parameters, the instant, the limits. Not shared between threads."""

    __slots__ = ("_tables", "guard", "memory", "now_ms", "parameters", "profile", "scope", "settings", "view")

    def __init__(
        self,
        view: GraphView | None,
        parameters: Mapping[str, Value],
        now_ms: int,
        guard: Guard,
        settings: Settings,
        scope: Scope,
        profile: Profile | None,
    ) -> None:
        self.view = view
        self.parameters = parameters
        self.now_ms = now_ms
        self.guard = guard
        self.settings = settings
        self.scope = scope
        self.profile = profile
        self.memory: dict[int, Frame | None] = {}
        """What steps that depend on no row have found, by the step's identity."""
        self._tables: dict[str, TableView] = {}

    def within(self, scope: Scope) -> Context:
        """Return the same execution as an inner block sees it: its names may hide outer ones."""
        inner = Context(self.view, self.parameters, self.now_ms, self.guard, self.settings, scope, self.profile)
        inner.memory = self.memory
        return inner

    def table(self, variable: str) -> TableView:
        """Return the table that a variable ranges over."""
        table = self._tables.get(variable)
        if table is None:
            kind, type_name = self.scope.types[variable]
            table = self.nodes(type_name) if kind == "node" else self.edges(type_name)
            self._tables[variable] = table
        return table

    def nodes(self, type_name: str) -> TableView:
        assert self.view is not None, "predicates of mutations look at one table only"
        return self.view.nodes(type_name)

    def edges(self, type_name: str) -> EdgeView:
        assert self.view is not None, "predicates of mutations look at one table only"
        return self.view.edges(type_name)

    def bind(self, variable: str, table: TableView) -> None:
        """Let a variable stand for the rows of a given table (predicates of mutations have no match)."""
        self._tables[variable] = table

    def value(self, operand: Operand) -> Value:
        """Return the value of a literal, a parameter or ``now()``."""
        return operand_value(operand, self.parameters, self.now_ms)

    def adjacency(self, edges: EdgeView, frontier: int, hops: int) -> Adjacency:
        """Return the neighbours of an edge type in the form that suits a frontier of this size.

        In ``auto`` mode small steps take whatever is there already (storage looks edges up while nothing is in memory); a
        large one is worth building the adjacency in memory.
        """
        settings = self.settings
        if settings.traversal_mode == "auto":
            small = frontier <= settings.indexed_frontier_max and hops <= settings.indexed_hops_max
            return edges.adjacency(None if small else False)
        return edges.adjacency(settings.traversal_mode == "indexed")
