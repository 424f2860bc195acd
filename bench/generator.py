"""A deterministic graph of persons and documents, as NumPy arrays and as the files an engine loads.

Everything follows from the size and `SEED`, so every process that generates a size holds the same graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

import msgspec
import numpy as np
from numpy.typing import NDArray

SEED = 20261122
VERSION = 1
"""Part of the build folder's stamp: raise it whenever the generated data changes."""

DIMENSION = 128
DOCUMENT_WORDS = (40, 80)
TITLE_WORDS = 4
CITIES = 200
VECTOR_CENTRES = 256
BUILD = Path(__file__).parent / "build"

SCHEMA = """\
node Person {
    key: String @key
    name: String
    age: I32
    city: String
    score: F64
    joined: Date
}

node Document {
    slug: String @key
    title: String
    body: String @index
    embedding: Vector(128) @index
}

edge Knows: Person -> Person { since: I32 }

edge Wrote: Person -> Document
"""

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Size:
    """How many rows of each type a graph has."""

    name: str
    persons: int
    knows: int
    documents: int
    vocabulary: int


SIZES = {
    "S": Size("S", persons=1_000, knows=10_000, documents=1_000, vocabulary=3_000),
    "M": Size("M", persons=100_000, knows=1_000_000, documents=100_000, vocabulary=30_000),
}


@dataclass(frozen=True)
class Graph:
    """The generated graph; a row's position is its ordinal, edges hold ordinals.

    `words` holds one document a row, as places in the vocabulary, with -1 behind the document's end.
    """

    size: Size
    names: list[str]
    ages: Ints
    cities: Ints
    scores: Floats
    joined: Ints
    knows_src: Ints
    knows_dst: Ints
    knows_since: Ints
    titles: list[str]
    words: Ints
    lengths: Ints
    vocabulary: list[str]
    vectors: Floats
    authors: Ints

    @cached_property
    def person_keys(self) -> list[str]:
        return [f"p{i:07d}" for i in range(self.size.persons)]

    @cached_property
    def slugs(self) -> list[str]:
        return [f"d{i:07d}" for i in range(self.size.documents)]

    @cached_property
    def city_names(self) -> list[str]:
        return [f"{syllables(i + 40, 2).title()} {i:03d}" for i in range(CITIES)]

    @cached_property
    def joined_dates(self) -> list[str]:
        return [str(day) for day in self.joined.astype("datetime64[D]")]

    @cached_property
    def bodies(self) -> list[str]:
        vocabulary, lengths = self.vocabulary, self.lengths.tolist()
        return [
            " ".join([vocabulary[word] for word in row[:length]])
            for row, length in zip(self.words.tolist(), lengths, strict=True)
        ]


def syllables(number: int, length: int) -> str:
    """Spell a number as a pronounceable word that no English stemmer changes and no stop list holds."""
    consonants, vowels, last = "bdfgjklmnprtvz", "aou", "kmp"
    parts, ending = [], last[number % len(last)]
    for _ in range(length):
        number, consonant = divmod(number, len(consonants))
        number, vowel = divmod(number, len(vowels))
        parts.append(consonants[consonant] + vowels[vowel])
    return "".join(parts) + ending


def generate(size: Size) -> Graph:
    """Generate the whole graph in memory: 5 s and about 500 MB for M."""
    rng = np.random.default_rng([SEED, size.persons])
    persons = size.persons
    src, dst = _acquaintances(rng, persons, size.knows)
    vocabulary = [syllables(i, 3) for i in range(size.vocabulary)]
    shortest, longest = DOCUMENT_WORDS
    lengths = rng.integers(shortest, longest + 1, size.documents, dtype=np.int32)
    words = _zipf(rng, size.vocabulary, (size.documents, longest), exponent=1.0)
    words[np.arange(longest) >= lengths[:, None]] = -1
    titles = _zipf(rng, size.vocabulary, (size.documents, TITLE_WORDS), exponent=0.8)
    given = [syllables(i + 7, 2).title() for i in range(120)]
    family = [syllables(i + 500, 3).title() for i in range(2_000)]
    return Graph(
        size=size,
        names=[
            f"{given[a]} {family[b]}"
            for a, b in zip(rng.integers(0, 120, persons), rng.integers(0, 2_000, persons), strict=True)
        ],
        ages=rng.integers(18, 90, persons, dtype=np.int32),
        cities=_zipf(rng, CITIES, (persons,), exponent=0.6),
        scores=np.round(rng.permutation(persons) / persons * 100.0 + rng.random(persons) * 1e-4, 9),
        joined=rng.integers(14_610, 20_454, persons, dtype=np.int32),
        knows_src=src,
        knows_dst=dst,
        knows_since=rng.integers(1980, 2026, size.knows, dtype=np.int32),
        titles=[" ".join([vocabulary[word] for word in row]) for row in titles.tolist()],
        words=words,
        lengths=lengths,
        vocabulary=vocabulary,
        vectors=unit_vectors(rng, size.documents),
        authors=_zipf(rng, persons, (size.documents,), exponent=0.4),
    )


def unit_vectors(rng: np.random.Generator, count: int) -> Floats:
    """Unit vectors around fixed centres, rounded to the seven decimals that the load file holds."""
    centres = np.random.default_rng(SEED).standard_normal((VECTOR_CENTRES, DIMENSION))
    vectors = centres[rng.integers(0, VECTOR_CENTRES, count)] + 0.8 * rng.standard_normal((count, DIMENSION))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.round(vectors, 7)


def _zipf(rng: np.random.Generator, count: int, shape: tuple[int, ...], exponent: float) -> Ints:
    """Draw from `count` things whose popularity falls as rank ** -exponent, ranks spread at random over the things."""
    weights = np.cumsum(np.arange(1, count + 1) ** -exponent)
    ranks = np.searchsorted(weights, rng.random(shape) * weights[-1])
    return rng.permutation(count).astype(np.int32)[ranks]


def _acquaintances(rng: np.random.Generator, persons: int, edges: int) -> tuple[Ints, Ints]:
    """Draw distinct directed pairs: out-degrees are log-normal, 1% know nobody, 60% of the known live near by."""
    popularity = rng.lognormal(sigma=0.9, size=persons)
    popularity[rng.permutation(persons)[: persons // 100]] = 0
    out = np.cumsum(popularity)
    shuffle = rng.permutation(persons)
    src = np.flatnonzero(popularity)
    pairs = np.empty(0, dtype=np.int64)
    while len(pairs) < edges:
        near = (src + rng.geometric(0.02, len(src)) * rng.choice([-1, 1], len(src))) % persons
        dst = np.where(rng.random(len(src)) < 0.6, near, _well_known(rng, persons, len(src)))
        fresh = np.unique((src * persons + dst)[src != dst])
        pairs = np.union1d(pairs, rng.permutation(fresh)[: edges - len(pairs)])
        src = np.searchsorted(out, rng.random(int((edges - len(pairs)) * 1.2) + 16) * out[-1])
    pairs = rng.permutation(pairs)
    return shuffle[pairs // persons].astype(np.int32), shuffle[pairs % persons].astype(np.int32)


def _well_known(rng: np.random.Generator, persons: int, count: int) -> NDArray[np.int64]:
    """Draw well known persons: popularity falls as rank ** -0.7, and the rank is a person's place before shuffling."""
    weights = np.cumsum(np.arange(1, persons + 1) ** -0.7)
    stride = 7_919 if persons % 7_919 else 7_907
    return np.searchsorted(weights, rng.random(count) * weights[-1]) * stride % persons


def current(size: Size) -> bool:
    """Whether the files of a size are in the build folder and of this version."""
    stamp = BUILD / size.name / "stamp"
    return stamp.exists() and stamp.read_text() == _mark(size)


def _mark(size: Size) -> str:
    return f"{VERSION} {SEED} {size}"


def files(graph: Graph) -> None:
    """Write `schema.pg` and `load.jsonl` of a graph into its build folder; the stamp comes last."""
    folder = BUILD / graph.size.name
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / "stamp"
    stamp.unlink(missing_ok=True)
    (folder / "schema.pg").write_text(SCHEMA)
    with (folder / "load.jsonl").open("wb") as out:
        _write_persons(graph, out)
        _write_documents(graph, out)
        _write_edges(graph, out)
    stamp.write_text(_mark(graph.size))


def _write_persons(graph: Graph, out: IO[bytes]) -> None:
    encode = msgspec.json.Encoder().encode
    cities = graph.city_names
    columns = (graph.person_keys, graph.names, graph.ages.tolist(), graph.cities.tolist(), graph.scores.tolist())
    for key, name, age, city, score, joined in zip(*columns, graph.joined_dates, strict=True):
        data = {"key": key, "name": name, "age": age, "city": cities[city], "score": score, "joined": joined}
        out.write(encode({"type": "Person", "data": data}) + b"\n")


def _write_documents(graph: Graph, out: IO[bytes]) -> None:
    encode = msgspec.json.Encoder().encode
    for slug, title, body, vector in zip(graph.slugs, graph.titles, graph.bodies, graph.vectors, strict=True):
        data = {"slug": slug, "title": title, "body": body, "embedding": vector.tolist()}
        out.write(encode({"type": "Document", "data": data}) + b"\n")


def _write_edges(graph: Graph, out: IO[bytes]) -> None:
    keys, slugs = graph.person_keys, graph.slugs
    for src, dst, since in zip(graph.knows_src.tolist(), graph.knows_dst.tolist(), graph.knows_since.tolist(), strict=True):
        out.write(f'{{"edge":"Knows","from":"{keys[src]}","to":"{keys[dst]}","data":{{"since":{since}}}}}\n'.encode())
    for document, author in enumerate(graph.authors.tolist()):
        out.write(f'{{"edge":"Wrote","from":"{keys[author]}","to":"{slugs[document]}"}}\n'.encode())
