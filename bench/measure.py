"""Checks and times one engine: every answer is compared before anything is timed."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from bench.engines.engine import Engine, NotMeasuredError, Person
from bench.workload import TOP, Case, Row, Workload

READ_S = 2.0
READ_RUNS = (5, 2_000)
WARM_S = 0.5
WRITE_S = 4.0
GROWTH_S = 240.0
SAMPLE = 200
"""How many commits and lookups stand for one moment of growth."""


class WrongAnswerError(Exception):
    """An engine's answer is not the one that NumPy gives."""


@dataclass
class Measurement:
    """One cell of the table."""

    median: float
    p99: float | None = None
    runs: int = 1
    quality: float | None = None
    note: str = ""
    extra: dict[str, float] = field(default_factory=dict)


def summary(times_ns: list[int], quality: float | None = None) -> Measurement:
    ordered = sorted(times_ns)
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return Measurement(median(ordered) / 1e6, p99 / 1e6, len(ordered), quality)


def read(engine: Engine, row: Row, cases: list[Case]) -> Measurement:
    """Check every case once, warm up, freeze the heap, then time the cases in turn."""
    call = getattr(engine, row.method)
    qualities = [_check(row, case, call(*case.args)) for case in cases]
    arguments = [case.args for case in cases]
    _cycle(call, arguments, WARM_S, (1, READ_RUNS[1]))
    gc.collect()
    gc.freeze()
    times = _cycle(call, arguments, READ_S, READ_RUNS)
    gc.unfreeze()
    return summary(times, sum(qualities) / len(qualities) if row.check == "quality" else None)


def _cycle(call: Callable[..., Any], arguments: list[tuple[Any, ...]], seconds: float, runs: tuple[int, int]) -> list[int]:
    times: list[int] = []
    clock = time.perf_counter_ns
    end = clock() + int(seconds * 1e9)
    while len(times) < runs[0] or (len(times) < runs[1] and clock() < end):
        args = arguments[len(times) % len(arguments)]
        start = clock()
        call(*args)
        times.append(clock() - start)
    return times


def plain(rows: Any) -> list[tuple[Any, ...]]:
    """Bring lists, tuples and dictionaries to tuples, and days to text."""
    lines = (row.values() if isinstance(row, dict) else row for row in rows)
    return [tuple(str(value) if isinstance(value, date) else value for value in line) for line in lines]


def _check(row: Row, case: Case, answer: Any) -> float:
    """Compare one answer; returns the share of the best ten that it holds, 1 for what is exact."""
    if row.check == "equal":
        right = answer == case.expected
    elif row.check == "ordered":
        answer = plain(answer)
        right = answer == case.expected
    elif row.check == "set":
        answer = plain(answer)
        right = sorted(answer) == sorted(case.expected)
    else:
        answer = plain(answer)
        wanted = min(TOP, len(case.expected))
        if len(set(answer)) >= wanted:
            return len(set(answer) & case.expected) / wanted
        right = False
    if not right:
        question = f"{row.name}{case.args}"[:120]
        raise WrongAnswerError(f"{question} gives {str(answer)[:120]} instead of {str(case.expected)[:120]}")
    return 1.0


def insert(engine: Engine, persons: list[Person]) -> Measurement:
    times = _each(engine.insert, persons)
    _verify(engine, persons[: len(times)])
    return summary(times)


def upsert(engine: Engine, batches: list[list[Person]]) -> Measurement:
    prepared = [engine.batch(batch) for batch in batches]
    times = _each(engine.upsert, prepared)
    _verify(engine, batches[len(times) - 1])
    return summary(times)


def upsert_jsonl(engine: Engine, batches: list[list[Person]]) -> Measurement:
    names = ("key", "name", "age", "city", "score", "joined")
    texts = [
        "\n".join(json.dumps({"type": "Person", "data": dict(zip(names, p, strict=True))}) for p in batch).encode()
        for batch in batches
    ]
    times = _each(engine.upsert_jsonl, texts)
    _verify(engine, batches[len(times) - 1])
    return summary(times)


def branch(engine: Engine) -> Measurement:
    return summary(_each(engine.branch, [f"branch{i}" for i in range(50)]))


def merge(engine: Engine, persons: list[Person]) -> Measurement:
    times: list[int] = []
    end = time.monotonic() + WRITE_S * 2
    for number, person in enumerate(persons):
        engine.insert_on(f"merged{number}", person)
        times += _each(engine.merge, [f"merged{number}"])
        if time.monotonic() > end:
            break
    _verify(engine, persons[: len(times)])
    return summary(times)


def _each(call: Callable[[Any], None], arguments: Iterable[Any]) -> list[int]:
    """Time one call per argument until they or the time run out."""
    times: list[int] = []
    clock = time.perf_counter_ns
    end = clock() + int(WRITE_S * 1e9)
    for argument in arguments:
        start = clock()
        call(argument)
        times.append(clock() - start)
        if clock() > end:
            break
    return times


def _verify(engine: Engine, persons: list[Person]) -> None:
    """Read the written persons back; the last of equal keys counts."""
    for person in {person[0]: person for person in persons[-SAMPLE:]}.values():
        found = plain(engine.point(person[0]))
        if found != [person]:
            raise WrongAnswerError(f"wrote {person}, read {found}")


def write(engine: Engine, folder: Path, row: Row, work: Workload) -> Measurement:
    """Run one write row on the open engine."""
    if row.name == "insert":
        return insert(engine, work.inserts)
    if row.name == "insert_relaxed":
        if not engine.has_relaxed_writes:
            raise NotMeasuredError
        engine.close()
        engine.open(folder, durable=False)
        result = insert(engine, work.inserts_relaxed)
        engine.close()
        engine.open(folder)
        return result
    if row.name == "upsert":
        return upsert(engine, work.batches)
    if row.name == "upsert_jsonl":
        return upsert_jsonl(engine, work.batches)
    return branch(engine) if row.name == "branch" else merge(engine, work.merges)


def growth(engine: Engine, persons: list[Person]) -> dict[str, Measurement]:
    """Commit one person at a time; compare commits and lookups after 100 commits with those at the end."""
    clock = time.perf_counter_ns
    commits: list[int] = []
    early: list[int] = []
    end = clock() + int(GROWTH_S * 1e9)
    for person in persons:
        start = clock()
        engine.insert(person)
        commits.append(clock() - start)
        if len(commits) == 100:
            early = _lookups(engine, persons[:100])
        if clock() > end:
            break
    late = _lookups(engine, persons[len(commits) - 100 : len(commits)])
    first, last = median(commits[100 : 100 + SAMPLE]) / 1e6, median(commits[-SAMPLE:]) / 1e6
    before, after = median(early) / 1e6, median(late) / 1e6
    count = f"{len(commits):,} commits"
    return {
        "growth_commit": Measurement(last / first, None, len(commits), None, f"{count}: {first:.3g} -> {last:.3g} ms"),
        "growth_point": Measurement(after / before, None, SAMPLE, None, f"{count}: {before:.3g} -> {after:.3g} ms"),
    }


def _lookups(engine: Engine, persons: list[Person]) -> list[int]:
    keys = [(person[0],) for person in persons]
    _cycle(engine.point, keys, WARM_S, (1, SAMPLE))
    return _cycle(engine.point, keys, 10 * WARM_S, (5, SAMPLE))
