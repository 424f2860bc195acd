"""The rows of the budgets table: named questions and writes with their parameters and the answers they must get."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.answers import Answers
from bench.generator import BUILD, CITIES, SEED, Graph, Size, unit_vectors
from bench.generator import VERSION as GENERATED

VERSION = 3
"""Part of the stored workload's mark: raise it whenever the parameters or the answers change."""

CASES = 200
"""Different parameters of one graph question; a search has a quarter of them, since its reference is a full scan."""

BATCHES = 12
BATCH_ROWS = 1_000
LISTED = 10_000
INSERTS = 2_000
TOP = 10
COMMON_SHARE = 0.05
"""A word in more documents than this is left out of text queries, as a stop word would be."""

Kind = Literal["read", "write", "store", "growth"]
Check = Literal["ordered", "set", "equal", "quality"]
Person = tuple[str, str, int, str, float, str]
"""Key, name, age, city, score, day of joining (ISO)."""


@dataclass(frozen=True)
class Row:
    """One line of the table: `method` is the engine's method, `budget` is in the row's unit."""

    name: str
    title: str
    kind: Kind
    budget: float | None
    unit: str = "ms"
    check: Check = "equal"
    quality_min: float = 0.0

    @property
    def method(self) -> str:
        return self.name.removesuffix("_written")


@dataclass(frozen=True)
class Case:
    """One call of a read: its arguments and the answer it must get (for a quality check: the acceptable rows)."""

    args: tuple[Any, ...]
    expected: Any


@dataclass(frozen=True)
class Workload:
    """Everything a worker needs to measure and check one engine, without the graph."""

    cases: dict[str, list[Case]]
    inserts: list[Person]
    inserts_relaxed: list[Person]
    merges: list[Person]
    batches: list[list[Person]]
    growth: list[Person]


ROWS = (
    Row("point", "point lookup by key, all properties", "read", 0.02, check="ordered"),
    Row("hop1", "1 hop, keys of the neighbours", "read", 0.025, check="set"),
    Row("hop2", "2 hops, distinct count", "read", 0.04),
    Row("hop3", "3 hops, distinct count", "read", 0.1),
    Row("reach", "variable length 1..3, distinct count", "read", 0.12),
    Row("scan", "scan with range filter, order, top 20", "read", 0.4, check="ordered"),
    Row("group", "group-by over an edge, top 10", "read", 4.0, check="ordered"),
    Row("loners", "anti-join: persons who know nobody", "read", 0.4, check="set"),
    Row("listed", "filter by a list of 10,000 values", "read", 3.0),
    Row("page", "20 rows behind the first half, in order", "read", 12.0, check="ordered"),
    Row("optional", "optional match for every person", "read", 10.0, check="ordered"),
    Row("compile", "check and plan 30 lines, nothing cached", "read", 1.5),
    Row("bm25", "BM25 top 10, three words", "read", 0.8, check="quality", quality_min=1.0),
    Row("vector", "vector top 10", "read", 2.5, check="quality", quality_min=1.0),
    Row("hybrid", "hybrid RRF, then 1 hop", "read", 4.0, check="quality", quality_min=1.0),
    Row("insert", "insert one person, durable", "write", 0.5),
    Row("insert_relaxed", "insert one person, not durable", "write", 0.12),
    Row("upsert", "upsert 1,000 persons, one commit", "write", 3.0),
    Row("upsert_jsonl", "upsert 1,000 persons, from JSONL text", "write", None),
    Row("branch", "create a branch", "write", 0.2),
    Row("merge", "merge a branch with one new row", "write", 2.0),
    Row("hop2_written", "2 hops, distinct count, after the writes", "read", 0.04),
    Row("load", "bulk load JSONL, indexes included", "store", 9.0, unit="s"),
    Row("load_memory", "memory of the bulk load, peak", "store", 2_000.0, unit="MB"),
    Row("export", "export everything", "store", 3.0, unit="s"),
    Row("disk", "size on disk", "store", 130.0, unit="MB"),
    Row("cold", "cold process: import, open, one lookup", "store", 350.0),
    Row("growth_commit", "one-row commit: after all / after 100 commits", "growth", 1.3, unit="x"),
    Row("growth_point", "point lookup: after all / after 100 commits", "growth", 1.3, unit="x"),
)


def cached(size: Size) -> Workload | None:
    """Read the workload from the build folder, if it is there and of this version."""
    path = _path(size)
    if not path.exists():
        return None
    with path.open("rb") as file:
        mark, work = pickle.load(file)
    return work if mark == _mark(size) else None


def workload(graph: Graph) -> Workload:
    """Draw the parameters, compute the answers and keep both in the build folder: 10 s for M."""
    work = _draw(graph)
    with _path(graph.size).open("wb") as file:
        pickle.dump((_mark(graph.size), work), file)
    return work


def _path(size: Size) -> Path:
    return BUILD / size.name / "workload.pickle"


def _mark(size: Size) -> tuple[Any, ...]:
    return (GENERATED, VERSION, SEED, CASES, size)


def _draw(graph: Graph) -> Workload:
    rng = np.random.default_rng([SEED, 1])
    persons = graph.size.persons
    order = rng.permutation(persons)
    starts, updatable = order[: persons // 5], order[persons // 5 :]
    newcomers = _newcomers(graph, rng)
    batches = []
    for _ in range(BATCHES):
        known = rng.choice(updatable, min(BATCH_ROWS * 4 // 5, len(updatable)), replace=False)
        new = [next(newcomers) for _ in range(BATCH_ROWS - len(known))]
        batches.append([(graph.person_keys[p], *next(newcomers)[1:]) for p in known] + new)
    return Workload(
        cases=_cases(graph, rng, [int(p) for p in starts[:CASES]]),
        inserts=[next(newcomers) for _ in range(INSERTS)],
        inserts_relaxed=[next(newcomers) for _ in range(INSERTS)],
        merges=[next(newcomers) for _ in range(50)],
        batches=batches,
        growth=[next(newcomers) for _ in range(100_000 if persons >= 100_000 else 2_000)],
    )


def _newcomers(graph: Graph, rng: np.random.Generator) -> Iterator[Person]:
    """Yield persons that the graph does not hold."""
    number = 0
    while True:
        for age, city, score, joined in zip(
            rng.integers(18, 90, 4_096).tolist(),
            rng.integers(0, CITIES, 4_096).tolist(),
            np.round(rng.random(4_096) * 100, 9).tolist(),
            rng.integers(14_610, 20_454, 4_096).astype("datetime64[D]").astype(str).tolist(),
            strict=True,
        ):
            yield (f"n{number:07d}", f"Newcomer {number}", age, graph.city_names[city], score, joined)
            number += 1


def _cases(graph: Graph, rng: np.random.Generator, starts: list[int]) -> dict[str, list[Case]]:
    answers = Answers(graph)
    keys = graph.person_keys
    lows = [int(low) for low in rng.integers(20, 60, CASES)]
    cases = {
        "point": [Case((keys[p],), [answers.point(p)]) for p in starts],
        "hop1": [Case((keys[p],), [(key,) for key in answers.hop(p)]) for p in starts],
        "hop2": [Case((keys[p],), answers.hops(p, 2)) for p in starts],
        "hop3": [Case((keys[p],), answers.hops(p, 3)) for p in starts],
        "reach": [Case((keys[p],), answers.reach(p, 3)) for p in starts],
        "scan": [Case((low, low + 19), [(key,) for key in answers.top_scores(low, low + 19, 20)]) for low in lows],
        "group": [Case((), answers.popular_cities(TOP))],
        "loners": [Case((), [(key,) for key in answers.loners()])],
        "optional": [Case((), [answers.written()])],
        "compile": [Case((), True)],
    }
    cases |= _wide(graph, answers)
    return cases | {"hop2_written": cases["hop2"]} | _searches(graph, rng, answers)


def _wide(graph: Graph, answers: Answers) -> dict[str, list[Case]]:
    """Draw lists of names, a tenth of them nobody's, and pages far behind."""
    rng = np.random.default_rng([SEED, 2])
    persons = graph.size.persons
    lists = []
    for _ in range(10):
        known = rng.choice(persons, min(LISTED * 9 // 10, persons // 2), replace=False)
        lists.append([graph.names[p] for p in known] + [f"Nobody {number}" for number in range(LISTED - len(known))])
    starts = [persons // 2 + 20 * page for page in range(10)]
    ranked = [(key,) for key in answers.top_scores(0, 200, starts[-1] + 20)]
    return {
        "listed": [Case((names,), answers.named(names)) for names in lists],
        "page": [Case((start,), ranked[start : start + 20]) for start in starts],
    }


def _searches(graph: Graph, rng: np.random.Generator, answers: Answers) -> dict[str, list[Case]]:
    """Draw three words that stand in one document, and a vector; list all rows that tie with the top ten."""
    cases: dict[str, list[Case]] = {"bm25": [], "vector": [], "hybrid": []}
    common = answers.document_frequencies > COMMON_SHARE * graph.size.documents
    for vector in unit_vectors(rng, CASES // 4):
        document = rng.integers(0, graph.size.documents)
        present = np.unique(graph.words[document, : graph.lengths[document]])
        words = rng.choice(present[~common[present]], 3, replace=False).tolist()
        text, query = " ".join(graph.vocabulary[word] for word in words), vector.tolist()
        cases["bm25"].append(Case((text,), _acceptable(graph, answers.bm25(words))))
        cases["vector"].append(Case((query,), _acceptable(graph, -answers.distances(vector))))
        fused = _acceptable(graph, answers.fused(words, vector, TOP))
        authored = {(slug, graph.person_keys[graph.authors[int(slug[1:])]]) for (slug,) in fused}
        cases["hybrid"].append(Case((text, query), authored))
    return cases


def _acceptable(graph: Graph, scores: NDArray[np.float64]) -> set[tuple[str]]:
    """Name the documents that score no worse than the tenth, but for rounding; a score of 0 is no match."""
    floor = np.partition(scores, -TOP)[-TOP] - 1e-6
    return {(graph.slugs[d],) for d in np.flatnonzero((scores >= floor) & (scores != 0))}
