"""How long the control plane takes on a store that is far away: 20 graphs, 100 stored queries, 30 ms for each request.

    python -m bench.cluster
    python -m bench.cluster --graphs 20 --queries 2000 --latency-ms 30

The store is ministack behind the proxy of the tests, which delays every request and counts them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.s3_proxy import S3Proxy
from support.s3_servers import BUCKET, ministack

APPLY_BUDGET_S = 10.0
CONVERGED_BUDGET_S = 2.0
SCHEMA = "node City {{\n  name: String @key\n  population: I64?\n{more}}}\nedge Road: City -> City\n"
QUERY = """\
query q{number}($name: String) {{
  match {{
    $c: City {{ name: $name }}
    $c road $d
  }}
  return {{ $d.name, $d.population }}
  limit {number}
}}
"""


def write_config(folder: Path, storage: str, graphs: int, queries: int, more: str = "") -> str:
    """Write a config directory whose queries stand in a file each."""
    lines = ["version: 1", f"storage: {storage}", "graphs:"]
    (folder / "schema.pg").write_text(SCHEMA.format(more=more))
    for graph in range(graphs):
        own = folder / f"g{graph}"
        own.mkdir(exist_ok=True)
        for number in range(queries // graphs):
            (own / f"q{number}.gq").write_text(QUERY.format(number=number + 1))
        lines.append(f"  g{graph}: {{ schema: schema.pg, queries: g{graph} }}")
    (folder / "cluster.yaml").write_text("\n".join(lines) + "\n")
    return str(folder)


def measured(name: str, proxy: S3Proxy, work: Callable[[], Any], budget_s: float | None = None) -> bool:
    """Print how long a verb takes and what it asks of the store; whether it stays within its budget."""
    before = len(proxy.requests)
    started = time.perf_counter()
    output = work()
    seconds = time.perf_counter() - started
    counted = Counter(request.operation for request in proxy.requests[before:])
    shown = ", ".join(f"{count} {operation}" for operation, count in sorted(counted.items()))
    budget = "" if budget_s is None else f" of {budget_s:.0f} s"
    print(f"{name:20} {seconds:6.2f} s{budget:9} {shown}")
    assert output.ok, output.diagnostics
    return budget_s is None or seconds <= budget_s


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, default=20)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--latency-ms", type=float, default=30.0)
    asked = parser.parse_args()
    with ministack() as server, S3Proxy(server.url, latency_s=asked.latency_ms / 1000) as proxy:
        os.environ.update(server.environment(proxy.url))
        from omnigraph.cluster.apply import apply
        from omnigraph.cluster.observe import import_state, refresh
        from omnigraph.cluster.plan import plan
        from omnigraph.cluster.serving import read_snapshot
        from omnigraph.cluster.status import status

        with tempfile.TemporaryDirectory() as name:
            folder = write_config(Path(name), f"s3://{BUCKET}/geo", asked.graphs, asked.queries)
            good = [
                measured("import", proxy, lambda: import_state(folder)),
                measured("plan", proxy, lambda: plan(folder)),
                measured("apply, new", proxy, lambda: apply(folder), APPLY_BUDGET_S),
                *(measured("apply, converged", proxy, lambda: apply(folder), CONVERGED_BUDGET_S) for _ in range(3)),
                measured("status", proxy, lambda: status(folder)),
                measured("refresh", proxy, lambda: refresh(folder)),
            ]
            write_config(Path(name), f"s3://{BUCKET}/geo", asked.graphs, asked.queries, "  mayor: String?\n")
            good.append(measured("plan, all schemas", proxy, lambda: plan(folder)))
            good.append(measured("apply, all schemas", proxy, lambda: apply(folder), APPLY_BUDGET_S))
            started = time.perf_counter()
            read_snapshot(f"s3://{BUCKET}/geo")
            print(f"{'read for serving':20} {time.perf_counter() - started:6.2f} s")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
