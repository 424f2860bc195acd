"""Putting the steps of a match in order.

Rows start where fewest are expected; every condition is tried as soon as its variables are bound; a link whose two ends are
bound is a test and comes before any that makes rows more. What no traversal connects becomes a product.
"""

from __future__ import annotations

from msgspec import structs

from omnigraph.language.catalog import Catalog, EdgeType
from omnigraph.language.checked import Block, Compare, PropertyRef, Traversal
from omnigraph.query.context import Scope
from omnigraph.query.notation import condition_variables, outer_variables, visible_variables
from omnigraph.query.operators.block import ROW, Attach, Exclude
from omnigraph.query.operators.equijoin import JoinEqual, joinable
from omnigraph.query.operators.expand import Expand, ExpandEdges
from omnigraph.query.operators.filter import FilterRows
from omnigraph.query.operators.join import JoinEnds
from omnigraph.query.operators.product import Product
from omnigraph.query.operators.reach import JoinReach, Reach
from omnigraph.query.operators.source import Nothing
from omnigraph.query.operators.step import Step
from omnigraph.query.planning.access import TABLE_ROWS, Access, find_access, selectivity
from omnigraph.query.planning.liveness import settle
from omnigraph.query.planning.pattern import Link, Pattern, take_apart

_FANOUT = 10.0
_MUCH = 0.2  # of a table: reading all of it instead is no great loss


def arrange_match(block: Block, catalog: Catalog, preferred: frozenset[str] = frozenset()) -> tuple[list[Step], Scope]:
    """Return the steps that find the rows of a whole match, and the scope they run in.

    It begins at one of the ``preferred`` variables where another start would have most of a table to read too.
    """
    pattern = take_apart(block, catalog, Scope({}), frozenset())
    return _Arranger(pattern, catalog, starts=True, preferred=preferred).arranged(), pattern.scope


class _Arranger:
    """Orders the steps of one pattern. ``starts`` says that no rows come in from outside, so that a source may begin."""

    def __init__(self, pattern: Pattern, catalog: Catalog, *, starts: bool, preferred: frozenset[str] = frozenset()) -> None:
        self._starts = starts
        self._preferred = preferred
        self._pattern = pattern
        self._catalog = catalog
        self._bound = set(pattern.bound)
        self._steps: list[Step] = []
        self._nodes = [name for name in pattern.nodes if name not in self._bound]
        self._links = list(pattern.links)
        self._conditions = list(pattern.conditions)
        self._used = {id(condition): condition_variables(condition) for condition in pattern.conditions}
        self._negations = list(pattern.negations)

    def arranged(self) -> list[Step]:
        self._bind_keys()
        self._bind_all()
        pattern = self._pattern
        self._steps += [FilterRows(condition) for condition in pattern.fallible]
        self._exclude(everything=True)
        for block in pattern.optionals:
            self._attach(block)
        self._steps += [FilterRows(condition) for condition in pattern.late]
        self._exclude(everything=True)
        assert not self._links and not self._conditions and not self._negations
        return self._steps

    # --- the parts in order ---

    def _bind_keys(self) -> None:
        """Bind every variable that a key gives: it costs a microsecond and never makes rows more."""
        self._test()
        for name in list(self._nodes):
            access = self._access(name)
            if access.by_key:
                self._start(name, access)

    def _bind_all(self) -> None:
        while self._nodes or self._links:
            link = self._next_link()
            if link is not None:
                self._walk(link)
            elif self._starts and not self._bound:
                self._start(*self._cheapest())
            else:
                self._multiply()

    def _cheapest(self) -> tuple[str, Access]:
        """Return the variable to begin with, and how."""
        accesses = {name: self._access(name) for name in self._nodes}
        name = min(accesses, key=lambda name: accesses[name].rows)
        if accesses[name].rows >= _MUCH * TABLE_ROWS:
            name = min(self._preferred.intersection(accesses) or (name,), key=lambda name: accesses[name].rows)
        return name, accesses[name]

    def _start(self, name: str, access: Access) -> None:
        self._steps.append(access.step)
        self._nodes.remove(name)
        for condition in access.used:
            self._conditions.remove(condition)
        self._binds(name)

    def _binds(self, *names: str) -> None:
        self._bound.update(names)
        self._test()
        self._exclude(everything=False)

    def _test(self) -> None:
        """Try the conditions whose variables are all bound, the most selective first."""
        ready = [condition for condition in self._conditions if self._used[id(condition)] <= self._bound]
        for condition in sorted(ready, key=selectivity):
            self._conditions.remove(condition)
            names = self._used[id(condition)]
            self._steps.append(FilterRows(condition, next(iter(names)) if len(names) == 1 else None))

    # --- links ---

    def _next_link(self) -> Link | None:
        """Take the cheapest link that has a bound end, turned so that it starts there."""
        best: tuple[float, int, Link] | None = None
        for place, link in enumerate(self._links):
            both = link.source in self._bound and link.target in self._bound
            if not both and link.source not in self._bound:
                if link.target not in self._bound:
                    continue
                link = link.turned()
            cost = 0.0 if both else self._growth(link)
            if best is None or cost < best[0]:
                best = (cost, place, link)
        if best is None:
            return None
        del self._links[best[1]]
        return best[2]

    def _growth(self, link: Link) -> float:
        """Return by how much a link is expected to multiply rows, conditions on its target included."""
        edge = self._catalog.edges[link.walk.edge]
        if link.maximum > 1:
            fanout = _FANOUT ** min(link.maximum, 3)
        elif not link.walk.undirected and _single(edge, link.walk.reverse):
            fanout = 1.0
        else:
            fanout = _FANOUT
        for condition in link.walk.conditions:
            fanout *= selectivity(condition)
        return fanout * self._access(link.target).rows / TABLE_ROWS

    def _walk(self, link: Link) -> None:
        source, target, walk = link.source, link.target, link.walk
        known = target in self._bound
        if link.minimum > link.maximum:
            self._steps.append(Nothing((target,), f"{walk.edge} joins different types, so it makes one hop at most"))
        elif link.edge_variable is not None:
            self._steps.append(ExpandEdges(source, target, link.edge_variable, walk, known))
            self._bound.add(link.edge_variable)
        elif link.maximum > 1:
            bounds = (link.minimum, link.maximum)
            self._steps.append(
                JoinReach(source, target, walk, *bounds) if known else Reach(source, target, self._type(target), walk, *bounds)
            )
        elif known:
            self._steps.append(JoinEnds(source, target, walk))
        else:
            self._steps.append(Expand(source, target, self._type(target), walk))
        if target in self._nodes:
            self._nodes.remove(target)
        self._binds(target)

    # --- what no link connects ---

    def _multiply(self) -> None:
        """Join with the part of the pattern around the cheapest variable that is not bound yet."""
        first = min(self._nodes, key=lambda name: self._access(name).rows)
        part = {first}
        grown = True
        while grown:
            grown = False
            for link in self._links:
                if link.variables & part and not link.variables <= part:
                    part |= link.variables
                    grown = True
        whole = self._pattern
        inside = [condition for condition in self._conditions if self._used[id(condition)] <= part]
        links = [link for link in self._links if link.variables & part]
        pattern = structs.replace(
            whole,
            bound=frozenset(),
            nodes=tuple(name for name in self._nodes if name in part),
            links=tuple(links),
            conditions=tuple(inside),
            fallible=(),
            optionals=(),
            late=(),
            negations=(),
        )
        steps = tuple(_Arranger(pattern, self._catalog, starts=True).arranged())
        sides = self._equal_sides(part)
        if sides is None:
            self._steps.append(Product(steps))
        else:
            condition, left, right = sides
            self._conditions.remove(condition)
            self._steps.append(JoinEqual(steps, left, right))
        self._nodes = [name for name in self._nodes if name not in part]
        self._links = [link for link in self._links if link not in links]
        self._conditions = [condition for condition in self._conditions if condition not in inside]
        self._binds(*part)

    def _equal_sides(self, part: set[str]) -> tuple[Compare, PropertyRef, PropertyRef] | None:
        """Find a condition that equals a property of a bound variable with one of a variable of the part."""
        usable = self._bound - self._pattern.scope.optional
        for condition in self._conditions:
            if not isinstance(condition, Compare) or condition.operator != "=":
                continue
            left, right = condition.left, condition.right
            if not (isinstance(left, PropertyRef) and isinstance(right, PropertyRef) and joinable(left.type, right.type)):
                continue
            for near, far in ((left, right), (right, left)):
                if near.variable in usable and far.variable in part:
                    return condition, near, far
        return None

    # --- blocks ---

    def _exclude(self, *, everything: bool) -> None:
        """Drop rows by the negations whose variables are bound: simple ones at once, others when all else is done."""
        for block in list(self._negations):
            outer = outer_variables(block)
            if outer <= self._bound and (everything or _is_simple(block)):
                self._negations.remove(block)
                self._steps.append(self._exclusion(block, outer))

    def _exclusion(self, block: Block, outer: frozenset[str]) -> Exclude:
        scope = self._pattern.scope
        pattern = take_apart(block, self._catalog, scope, outer)
        steps = _Arranger(pattern, self._catalog, starts=False).arranged()
        names = tuple(sorted(outer))
        by_row = len(names) != 1 or names[0] in scope.optional
        key = ROW if by_row else names[0]
        needed = frozenset({key})
        backward = None if by_row else self._backward(pattern, names[0])
        return Exclude(
            steps=settle(steps, needed, "set"),
            outer=names,
            scope=pattern.scope,
            by_row=by_row,
            backward=None if backward is None else settle(backward, needed, "set"),
        )

    def _backward(self, pattern: Pattern, outer: str) -> list[Step] | None:
        """Arrange a negated block as a match of its own, if that does not start at its outer variable."""
        if not pattern.links or not pattern.conditions:
            return None
        pattern = structs.replace(pattern, bound=frozenset(), nodes=(*pattern.nodes, outer))
        steps = _Arranger(pattern, self._catalog, starts=True).arranged()
        return None if outer in steps[0].binds() else steps

    def _attach(self, block: Block) -> None:
        outer = outer_variables(block)
        pattern = take_apart(block, self._catalog, self._pattern.scope, outer)
        steps = _Arranger(pattern, self._catalog, starts=False).arranged()
        names = tuple(variable.name for variable in visible_variables(block))
        self._steps.append(Attach(tuple(steps), tuple(sorted(outer)), pattern.scope, names))
        self._bound.update(names)

    # --- looking things up ---

    def _type(self, variable: str) -> str:
        return self._pattern.scope.types[variable][1]

    def _access(self, name: str) -> Access:
        alone = [condition for condition in self._conditions if self._used[id(condition)] == {name}]
        return find_access(name, self._catalog.nodes[self._type(name)], alone)


def _single(edge: EdgeType, reverse: bool) -> bool:
    """Say whether a node has at most one edge of a type in a direction."""
    if ("dst" if reverse else "src",) in edge.unique:
        return True
    return not reverse and edge.cardinality[1] == 1


def _is_simple(block: Block) -> bool:
    """Say whether a block only looks at the neighbours of one node."""
    return len(block.clauses) == 1 and isinstance(block.clauses[0], Traversal)
