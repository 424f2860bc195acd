"""One engine in one process: builds its graph, answers the rows, or grows; prints the measurements as JSON.

A phase has a process of its own, so that its memory is its own and no engine meets another one's libraries.
"""

from __future__ import annotations

import json
import pickle
import resource
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.engines import adapter
from bench.engines.engine import Engine, NotMeasuredError, disk_bytes
from bench.measure import Measurement, growth, read, write

Results = dict[str, dict[str, Any]]


def load(engine: Engine, job: dict[str, Any]) -> Results:
    """Build the graph from the files; the peak memory is that of this process."""
    folder = Path(job["folder"])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    start = time.perf_counter()
    engine.load(folder, Path(job["schema"]), Path(job["jsonl"]))
    seconds = time.perf_counter() - start
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "load": asdict(Measurement(seconds)),
        "load_memory": asdict(Measurement(peak_kib / 1e3)),
        "disk": asdict(Measurement(disk_bytes(folder) / 1e6)),
    }


def rows(engine: Engine, job: dict[str, Any]) -> Results:
    """Answer the wanted rows in the order of the table: reads, writes, then reads behind the writes."""
    from bench.workload import ROWS

    with Path(job["workload"]).open("rb") as file:
        work = pickle.load(file)[1]
    folder = Path(job["folder"])
    results: Results = {}
    engine.open(folder)
    for row in ROWS:
        if row.name not in job["rows"]:
            continue
        if row.kind == "read":
            results[row.name] = _cell(lambda row=row: read(engine, row, work.cases[row.name]))
        elif row.kind == "write":
            results[row.name] = _cell(lambda row=row: write(engine, folder, row, work))
        elif row.name == "export":
            results[row.name] = _cell(lambda: _export(engine, folder))
    engine.close()
    return results


def _export(engine: Engine, folder: Path) -> Measurement:
    target = folder / "export"
    target.mkdir()
    start = time.perf_counter()
    engine.export(target)
    seconds = time.perf_counter() - start
    megabytes = disk_bytes(target) / 1e6
    shutil.rmtree(target)
    return Measurement(seconds, note=f"{megabytes:.0f} MB")


def grow(engine: Engine, job: dict[str, Any]) -> Results:
    """Grow the small graph by one-row commits, without waiting for the disk where the engine can."""
    with Path(job["workload"]).open("rb") as file:
        persons = pickle.load(file)[1].growth
    load(engine, job)
    engine.open(Path(job["folder"]), durable=not engine.has_relaxed_writes)
    results = {name: asdict(cell) for name, cell in growth(engine, persons).items()}
    engine.close()
    return results


def _cell(work: Callable[[], Measurement]) -> dict[str, Any]:
    """Measure one cell; what goes wrong in it is its content, and the next cell is measured all the same."""
    try:
        return asdict(work())
    except NotMeasuredError:
        return {}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


PHASES = {"load": load, "rows": rows, "growth": grow}


def main(phase: str, job_path: str) -> None:
    job = json.loads(Path(job_path).read_text())
    results = PHASES[phase](adapter(job["engine"])(), job)
    Path(job["results"]).write_text(json.dumps(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
