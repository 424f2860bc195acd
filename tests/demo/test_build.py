"""The demonstration runs as it stands, and reads the metadata of packages rightly."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import itertools
import json
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import omnigraph
from omnigraph.language import check_query, compile_schema, parse_queries

ROOT = Path(__file__).resolve().parents[2]
METADATA = """\
Metadata-Version: 2.4
Name: Small_Thing.Kit
Version: 1.5
Summary: A thing
License-Expression: MIT AND (Apache-2.0 OR BSD-3-Clause)
Keywords: red,green  blue
Author-email: Nobody In Particular <nobody@example.org>, solo@example.org
Requires-Python: >=3.11
Requires-Dist: Needed_Always>=2,<3
Requires-Dist: never-here; python_version < "3"
Requires-Dist: with.extra>=1; extra == "fancy"
"""


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_build", ROOT / "demo" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def distribution(tmp_path: Path) -> Distribution:
    folder = tmp_path / "small_thing_kit-1.5.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(METADATA)
    (folder / "RECORD").write_text("a.py,,10\nb.py,,32\n")
    (tmp_path / "a.py").write_text("")
    (tmp_path / "b.py").write_text("")
    return PathDistribution(folder)


def test_package_and_its_edges(build: ModuleType, distribution: Distribution) -> None:
    name = "small-thing-kit"
    found = list(build.records({name: distribution}))
    assert found[0] == {
        "type": "Package",
        "data": {
            "name": name,
            "installed": True,
            "version": "1.5",
            "summary": "A thing",
            "python": ">=3.11",
            "keywords": ["red", "green", "blue"],
            "files": 2,
            "bytes": 42,
        },
    }
    edges = {(edge["edge"], edge["to"]): edge.get("data") for edge in found if "edge" in edge}
    assert set(edges) == {
        ("DependsOn", "needed-always"),
        ("MayNeed", "never-here"),
        ("MayNeed", "with-extra"),
        ("LicensedAs", "MIT"),
        ("LicensedAs", "Apache-2.0"),
        ("LicensedAs", "BSD-3-Clause"),
        ("WrittenBy", "Nobody In Particular"),
    }
    assert edges["MayNeed", "with-extra"]["extra"] == "fancy"
    assert edges["MayNeed", "never-here"]["extra"] is None
    missing = [record["data"] for record in found if record.get("data", {}).get("installed") is False]
    assert missing == [{"name": name, "installed": False} for name in ("needed-always", "never-here", "with-extra")]


def test_records_of_a_made_up_package_load(build: ModuleType, distribution: Distribution, tmp_path: Path) -> None:
    schema = (ROOT / "demo" / "packages.pg").read_text()
    with omnigraph.init(str(tmp_path / "packages.omni"), schema) as graph:
        graph.load(list(build.records({"small-thing-kit": distribution})), "append")
        assert {table.table_key: table.row_count for table in graph.snapshot().tables}["node:Package"] == 4


def test_every_query_fits_the_schema() -> None:
    catalog = compile_schema((ROOT / "demo" / "packages.pg").read_text())
    for query in parse_queries((ROOT / "demo" / "queries.gq").read_text()).queries:
        check_query(catalog, query)


def test_the_whole_demonstration(tmp_path: Path) -> None:
    """Run it as `make demo` does, on a copy, and then one of the commands that it prints; then serve what it has made."""
    folder = tmp_path / "demo"
    folder.mkdir()
    for name in ("build.py", "serve.py", "packages.pg", "queries.gq"):
        (folder / name).write_bytes((ROOT / "demo" / name).read_bytes())
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "demo/build.py"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(re.findall(r"^\(\d+ rows?\)$", done.stdout, re.MULTILINE)) == 5
    assert re.search(r"^omnigraph +\|", done.stdout, re.MULTILINE)
    command = next(line.strip(" $") for line in done.stdout.splitlines() if "--name most_needed" in line)
    again = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60
    )
    assert again.returncode == 0, again.stderr
    assert "needed_by" in again.stdout
    served_without_a_terminal(tmp_path)
    served_on_a_terminal(tmp_path)


def served_without_a_terminal(folder: Path) -> None:
    """The answers are shown and the program ends by itself."""
    done = subprocess.run(
        [sys.executable, "demo/serve.py"], cwd=folder, capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(re.findall(r"^   \$ curl -s ", done.stdout, re.MULTILINE)) == 8
    assert len(re.findall(r'^\{"query_name": ', done.stdout, re.MULTILINE)) == 6
    assert done.stdout.endswith("the server has stopped\n")


def served_on_a_terminal(folder: Path) -> None:
    """The server stays until Ctrl-C, on a free port when 8080 is taken, and the lines for curl give what they gave."""
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", 8080)):
        serve_and_ask(folder)
        return
    serve_and_ask(folder)  # somebody else has it


def serve_and_ask(folder: Path) -> None:
    outer, inner = pty.openpty()
    with subprocess.Popen([sys.executable, "demo/serve.py"], cwd=folder, stdin=inner, stdout=inner, stderr=inner) as running:
        os.close(inner)
        text = ""
        while "press Ctrl-C" not in text:
            text += os.read(outer, 65_536).decode()
        assert "port 8080 is taken, so the server takes a free one" in text
        lines = text.replace("\r\n", "\n").splitlines()
        for line, answer in itertools.pairwise(lines):
            if line.startswith("   $ curl -s ") and answer.startswith("{"):
                found, shown = repeated(shlex.split(line.removeprefix("   $ "))), json.loads(answer)
                assert found.pop("rows", [])[:3] == shown.pop("rows", [])
                assert found == shown
        running.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # the end of a terminal
            while piece := os.read(outer, 65_536):
                text += piece.decode()
        assert running.wait(30) == 0
    os.close(outer)
    assert text.rstrip().endswith("the server has stopped")
    assert "Traceback" not in text


def repeated(words: list[str]) -> Any:
    """Send the request of a line for curl."""
    options = argparse.ArgumentParser()
    options.add_argument("-s", action="store_true")
    options.add_argument("-X")
    options.add_argument("-H", action="append", default=[])
    options.add_argument("-d")
    options.add_argument("url")
    found = options.parse_args(words[1:])
    data = None if found.d is None else found.d.encode()
    headers = dict(header.split(": ", 1) for header in found.H)
    request = urllib.request.Request(found.url, data, headers, method=found.X or ("GET" if data is None else "POST"))
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
