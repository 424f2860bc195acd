"""The command line of ``omnigraph-server``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from omnigraph.version import __version__

UNAUTHENTICATED_VARIABLE: Final = "OMNIGRAPH_UNAUTHENTICATED"


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    uri: str | None = None
    target: str | None = None
    config: str | None = None
    cluster: str | None = None
    bind: str | None = None
    unauthenticated: bool = False
    allow_quarantine: bool = False
    require_all_graphs: bool = False


def parse_options(words: Sequence[str] | None = None) -> Options:
    """Read the words; help and version end the process with 0, a word that does not fit with 2."""
    parser = argparse.ArgumentParser(
        prog="omnigraph-server", description="Serve one or more graphs over HTTP.", allow_abbrev=False
    )
    parser.add_argument("uri", nargs="?", metavar="URI", help="graph to serve: a local path, file:// or s3:// address")
    parser.add_argument("--target", metavar="NAME", help="serve the graph of this name in the configuration file")
    parser.add_argument("--config", metavar="FILE", help="configuration file (omnigraph.yaml)")
    parser.add_argument("--cluster", metavar="DIR|URI", help="serve the applied revision of a cluster")
    parser.add_argument("--bind", metavar="HOST:PORT", help="address to listen on; default 127.0.0.1:8080")
    parser.add_argument("--unauthenticated", action="store_true", help="consent to a server without tokens and policy")
    parser.add_argument("--allow-quarantine", action="store_true", help="serve a cluster without the graphs that have a fault")
    parser.add_argument("--require-all-graphs", action="store_true", help="serve a cluster whole or not at all; the default")
    parser.add_argument("--version", action="version", version=f"omnigraph-server {__version__}")
    found = parser.parse_args(words)
    return Options(**vars(found))


def truthy(environment: Mapping[str, str], name: str, default: str = "") -> bool:
    """Whether a variable is switched on: not blank, not ``0``, not ``false``."""
    return environment.get(name, default).strip().lower() not in ("", "0", "false")
