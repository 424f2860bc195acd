"""The expected answers, computed from the arrays with NumPy alone: a naive model that shares no code with any engine."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.generator import CITIES, Graph

BM25_K1 = 1.2
BM25_B = 0.75
RRF_K = 60


class Answers:
    """Answers the questions of the workload over one generated graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def _adjacency(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        order = np.argsort(self.graph.knows_src, kind="stable")
        starts = np.zeros(self.graph.size.persons + 1, dtype=np.int64)
        np.cumsum(np.bincount(self.graph.knows_src, minlength=self.graph.size.persons), out=starts[1:])
        return starts, self.graph.knows_dst[order]

    def _neighbours(self, persons: NDArray[np.int32]) -> NDArray[np.int32]:
        starts, targets = self._adjacency
        return np.unique(np.concatenate([targets[starts[p] : starts[p + 1]] for p in persons] or [targets[:0]]))

    def point(self, person: int) -> tuple[object, ...]:
        graph = self.graph
        return (
            graph.person_keys[person],
            graph.names[person],
            int(graph.ages[person]),
            graph.city_names[graph.cities[person]],
            float(graph.scores[person]),
            graph.joined_dates[person],
        )

    def hop(self, person: int) -> list[str]:
        return [self.graph.person_keys[p] for p in self._neighbours(np.array([person], dtype=np.int32))]

    def hops(self, person: int, count: int) -> int:
        """Count the distinct ends of walks of exactly `count` steps."""
        frontier = np.array([person], dtype=np.int32)
        for _ in range(count):
            frontier = self._neighbours(frontier)
        return len(frontier)

    def reach(self, person: int, count: int) -> int:
        """Count the persons other than the start within `count` steps."""
        frontier = np.array([person], dtype=np.int32)
        seen = frontier
        for _ in range(count):
            frontier = np.setdiff1d(self._neighbours(frontier), seen)
            seen = np.union1d(seen, frontier)
        return len(seen) - 1

    def top_scores(self, low: int, high: int, limit: int) -> list[str]:
        """List the keys of the persons of an age range by descending score."""
        chosen = np.flatnonzero((self.graph.ages >= low) & (self.graph.ages <= high))
        best = chosen[np.argsort(-self.graph.scores[chosen], kind="stable")][:limit]
        return [self.graph.person_keys[p] for p in best]

    def popular_cities(self, limit: int) -> list[tuple[str, int]]:
        """List the cities of those known, by how many know somebody there."""
        counts = np.bincount(self.graph.cities[self.graph.knows_dst], minlength=CITIES)
        names = self.graph.city_names
        ranked = sorted(((names[city], int(n)) for city, n in enumerate(counts)), key=lambda row: (-row[1], row[0]))
        return ranked[:limit]

    def loners(self) -> list[str]:
        """List the keys of the persons who know nobody."""
        out = np.bincount(self.graph.knows_src, minlength=self.graph.size.persons)
        return [self.graph.person_keys[p] for p in np.flatnonzero(out == 0)]

    def named(self, names: list[str]) -> int:
        """Count the persons with one of some names."""
        wanted = set(names)
        return sum(name in wanted for name in self.graph.names)

    def written(self) -> tuple[int, int]:
        """Count the rows of all persons with what they wrote, if anything, and the documents among them."""
        documents = self.graph.size.documents
        authors = len(np.unique(self.graph.authors))
        return documents + self.graph.size.persons - authors, documents

    @cached_property
    def document_frequencies(self) -> NDArray[np.int64]:
        """In how many documents each word stands, by its place in the vocabulary."""
        ordered = np.sort(self.graph.words, axis=1)
        first = np.diff(ordered, axis=1, prepend=-1) != 0
        return np.bincount(ordered[first & (ordered >= 0)], minlength=len(self.graph.vocabulary))

    def bm25(self, words: list[int]) -> NDArray[np.float64]:
        """Score every document by Okapi BM25 with Lucene's idf, ln(1 + (N - df + 0.5) / (df + 0.5))."""
        scores = np.zeros(self.graph.size.documents)
        norm = BM25_K1 * (1 - BM25_B + BM25_B * self.graph.lengths / self.graph.lengths.mean())
        for word in words:
            tf = (self.graph.words == word).sum(axis=1)
            df = np.count_nonzero(tf)
            scores += np.log(1 + (len(scores) - df + 0.5) / (df + 0.5)) * tf * (BM25_K1 + 1) / (tf + norm)
        return scores

    def distances(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        difference = self.graph.vectors.astype(np.float32) - vector.astype(np.float32)
        return np.sqrt(np.einsum("ij,ij->i", difference, difference).astype(np.float64))

    def fused(self, words: list[int], vector: NDArray[np.float64], limit: int) -> NDArray[np.float64]:
        """Score every document by reciprocal rank fusion of the `limit` nearest and of all that hold a word."""
        nearest, text = self.distances(vector), self.bm25(words)
        scores = np.zeros(len(text))
        scores[np.argsort(nearest, kind="stable")[:limit]] += 1 / (RRF_K + np.arange(1, limit + 1))
        matching = np.argsort(-text, kind="stable")[: np.count_nonzero(text)]
        scores[matching] += 1 / (RRF_K + np.arange(1, len(matching) + 1))
        return scores
