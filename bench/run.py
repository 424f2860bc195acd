"""Runs the benchmark: `python -m bench.run --size S`. See README.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from bench import report
from bench.engines import ADAPTERS
from bench.generator import BUILD, SIZES, Size, current, files, generate
from bench.workload import ROWS, Workload, cached, workload

PHASE_TIMEOUT_S = 1_200
COLD_RUNS = 7


def main() -> int:
    arguments = _arguments()
    wanted = [row for row in ROWS if not arguments.only or row.name in arguments.only]
    table: report.Table = {row.name: {} for row in wanted}
    work = _prepare(SIZES[arguments.size])
    _prepare(SIZES["S"])
    for name in arguments.engines:
        print(f"{name} {_version(name)} ...", file=sys.stderr, flush=True)
        started = time.monotonic()
        for row, cell in _engine(name, SIZES[arguments.size], set(table), work, arguments.keep).items():
            if row in table:
                table[row][name] = cell
        print(f"  {time.monotonic() - started:.0f} s", file=sys.stderr)
    print(_heading(arguments))
    print(report.markdown(table, arguments.engines))
    print(report.notes(table))
    if arguments.json:
        arguments.json.write_text(json.dumps({"heading": _heading(arguments), "rows": table}, indent=2) + "\n")
    return 1 if any("error" in cell for cells in table.values() for cell in cells.values()) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--size", choices=list(SIZES), default="S")
    parser.add_argument("--engines", nargs="+", choices=list(ADAPTERS), default=list(ADAPTERS), metavar="ENGINE")
    parser.add_argument("--only", nargs="+", choices=[row.name for row in ROWS], metavar="ROW")
    parser.add_argument("--json", type=Path, help="also write all measurements to this file")
    parser.add_argument("--keep", action="store_true", help="use the databases of the last run, keep them for the next")
    return parser.parse_args()


def _prepare(size: Size) -> Workload:
    """Bring the files and the workload of a size up to date; generates the graph only if one of them is not."""
    work = cached(size)
    if work is None or not current(size):
        graph = generate(size)
        files(graph)
        work = workload(graph)
    return work


def _engine(name: str, size: Size, wanted: set[str], work: Workload, keep: bool) -> dict[str, dict[str, Any]]:
    """Measure one engine, phase by phase; a phase that dies leaves its rows with the reason."""
    home = BUILD / "databases" / f"{name}-{size.name}"
    folder = home / "graph"
    job = {
        "engine": name,
        "folder": str(folder),
        "schema": str(BUILD / size.name / "schema.pg"),
        "jsonl": str(BUILD / size.name / "load.jsonl"),
        "workload": str(BUILD / size.name / "workload.pickle"),
        "rows": [row.name for row in ROWS if row.name in wanted],
    }
    results: dict[str, dict[str, Any]] = {}
    kinds = {kind: [r.name for r in ROWS if r.kind == kind and r.name in wanted] for kind in ("read", "write", "growth")}
    if not (keep and folder.exists()):
        results |= _phase("load", home, job, ["load", "load_memory", "disk"])
    if folder.exists() and "error" not in results.get("load", {}):
        if "cold" in wanted:
            results["cold"] = _cold(name, folder, work.cases["point"][0].args[0])
        if kinds["read"] or kinds["write"] or "export" in wanted:
            results |= _phase("rows", home, job, kinds["read"] + kinds["write"])
    if kinds["growth"]:
        small = {"jsonl": str(BUILD / "S" / "load.jsonl"), "folder": str(home / "growing")}
        results |= _phase("growth", home, job | small, kinds["growth"])
    if not keep:
        shutil.rmtree(home, ignore_errors=True)
    return results


def _phase(phase: str, home: Path, job: dict[str, Any], rows: list[str]) -> dict[str, dict[str, Any]]:
    home.mkdir(parents=True, exist_ok=True)
    job_path, results_path = home / f"{phase}.job.json", home / f"{phase}.results.json"
    results_path.unlink(missing_ok=True)
    job_path.write_text(json.dumps(job | {"results": str(results_path)}))
    command = [sys.executable, "-m", "bench.worker", phase, str(job_path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PHASE_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return {row: {"error": f"no end after {PHASE_TIMEOUT_S} s"} for row in rows}
    if results_path.exists():
        results: dict[str, dict[str, Any]] = json.loads(results_path.read_text())
        return results
    reason = done.stderr.strip().splitlines()[-1:] or [f"exit {done.returncode}"]
    return {} if "NotMeasuredError" in reason[0] else {row: {"error": reason[0][:300]} for row in rows}


def _cold(name: str, folder: Path, key: str) -> dict[str, Any]:
    """Time whole processes from outside; the first one, which fills the page cache and compiles, is left out."""
    times = []
    for _ in range(COLD_RUNS + 1):
        start = time.perf_counter()
        command = [sys.executable, "-m", "bench.cold", name, str(folder), key]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        times.append((time.perf_counter() - start) * 1e3)
        if done.returncode:
            return {"error": (done.stderr.strip().splitlines() or ["failed"])[-1][:300]}
    return {"median": median(times[1:]), "p99": None, "quality": None, "runs": COLD_RUNS, "note": ""}


def _version(name: str) -> str:
    if name == "sqlite":
        import sqlite3

        return sqlite3.sqlite_version
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _heading(arguments: argparse.Namespace) -> str:
    versions = ", ".join(f"{name} {_version(name)}" for name in arguments.engines)
    load = os.getloadavg()[0]
    return f"Size {arguments.size}: {versions}; CPython {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f}"


if __name__ == "__main__":
    sys.exit(main())
