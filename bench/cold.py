"""One cold process: import the engine, open the graph, look one person up (run as a module, timed from outside)."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.engines import adapter


def main(name: str, folder: str, key: str) -> None:
    engine = adapter(name)()
    engine.open(Path(folder))
    if len(engine.point(key)) != 1:
        raise SystemExit(f"{name} does not find {key}")
    engine.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
