"""A graph of the Python packages of this environment, made on the spot, and five questions to it."""

from __future__ import annotations

import email.utils
import importlib.metadata
import itertools
import json
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

import omnigraph

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
SCHEMA, QUERIES = HERE / "packages.pg", HERE / "queries.gq"
RECORDS, GRAPH = BUILD / "packages.jsonl", BUILD / "packages.omni"

Record = dict[str, Any]  # Any: JSON values

# query, parameters, what it shows, what to try next
QUESTIONS: tuple[tuple[str, dict[str, str], str, str], ...] = (
    (
        "package",
        {"name": "numpy"},
        "A point lookup: the key leads straight to one node.",
        'another name; or `$p.keywords contains "json"` instead of the name.',
    ),
    (
        "licences",
        {"name": "omnigraph"},
        "Two hops: what Omnigraph itself needs, and under which licences that comes.",
        "`--param name=pytest`; or a third hop, `$d writtenBy $a`.",
    ),
    (
        "comes_along",
        {"name": "omnigraph"},
        "Variable length: what is here only because of something else, each package once, however many ways lead there.",
        "`{1,9}` for the whole tree, `{3,9}` for its far end.",
    ),
    (
        "most_needed",
        {},
        "An aggregate: the packages that most others lean on.",
        "`mayNeed` instead of `dependsOn`, and see what the extras ask for.",
    ),
    (
        "unexplained",
        {},
        "An anti-join: installed though nothing here asks for it, not even an extra: what somebody wanted by name.",
        "`installed: false` and only the first `not`: what is spoken of but missing.",
    ),
)

_numbers = itertools.count(1)

SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


def main() -> int:
    began = time.perf_counter()
    omnigraph_program = program("omnigraph")
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir()

    step("Read what is installed in this environment")
    count = write_records(records(installed()))
    say(f"{count} records in {shown(RECORDS)}, made from the metadata of {len(installed())} packages")

    step(f"Create a graph with the schema {shown(SCHEMA)}")
    command(omnigraph_program, "init", "--schema", shown(SCHEMA), shown(GRAPH))
    with omnigraph.init(str(GRAPH), SCHEMA.read_text(encoding="utf-8")) as graph:
        step("Load the records, as one commit")
        command(omnigraph_program, "load", "--data", shown(RECORDS), "--mode", "append", shown(GRAPH))
        graph.load(RECORDS, "append")
        for table in graph.snapshot().tables:
            say(f"{table.row_count:6} {table.table_key}")

        source = QUERIES.read_text(encoding="utf-8")
        for name, parameters, meaning, suggestion in QUESTIONS:
            step(meaning)
            words = [f"--param={key}={value}" for key, value in parameters.items()]
            command(omnigraph_program, "query", "--uri", shown(GRAPH), "--query", shown(QUERIES), "--name", name, *words)
            print(graph.query(source, parameters, name=name))
            say(f"try: {suggestion}")

    step("Go on by yourself")
    say(f"The questions are in {shown(QUERIES)}. A change is a commit, and every commit can be read again:")
    by_hand = ["--name", "needs_too", "--param=from=pip", "--param=to=numpy"]
    command(omnigraph_program, "mutate", "--uri", shown(GRAPH), "--query", shown(QUERIES), *by_hand)
    command(omnigraph_program, "commit", "list", shown(GRAPH))
    command(
        omnigraph_program,
        "query",
        "--uri",
        shown(GRAPH),
        "--query",
        shown(QUERIES),
        "--name",
        "most_needed",
        "--snapshot",
        "<id>",
    )
    command(omnigraph_program, "export", shown(GRAPH))
    say(f"made and asked in {time.perf_counter() - began:.1f} s; run `make demo` again to start afresh")
    return 0


# --- from metadata to records ------------------------------------------------------------------------------------------


def installed() -> dict[str, importlib.metadata.Distribution]:
    """Return the distributions that Python finds here, by normalised name; the first of a name is the one that counts."""
    found: dict[str, importlib.metadata.Distribution] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(canonicalize_name(name), distribution)
    return dict(sorted(found.items()))


def records(distributions: dict[str, importlib.metadata.Distribution]) -> Iterator[Record]:
    """Yield nodes and edges, in any order: a load does not mind an edge that stands before its nodes."""
    licences: set[str] = set()
    authors: set[str] = set()
    spoken_of: set[str] = set()
    for name, distribution in distributions.items():
        yield {"type": "Package", "data": package(name, distribution)}
        for edge in dependencies(name, distribution):
            spoken_of.add(edge["to"])
            yield edge
        for licence in licences_of(distribution):
            licences.add(licence)
            yield {"edge": "LicensedAs", "from": name, "to": licence}
        for author in authors_of(distribution):
            authors.add(author)
            yield {"edge": "WrittenBy", "from": name, "to": author}
    for name in sorted(spoken_of - set(distributions)):
        yield {"type": "Package", "data": {"name": name, "installed": False}}
    yield from ({"type": "Licence", "data": {"name": name}} for name in sorted(licences))
    yield from ({"type": "Author", "data": {"name": name}} for name in sorted(authors))


def package(name: str, distribution: importlib.metadata.Distribution) -> Record:
    about = distribution.metadata
    files = distribution.files or []
    return {
        "name": name,
        "installed": True,
        "version": distribution.version,
        "summary": about.get("Summary"),
        "python": about.get("Requires-Python"),
        "keywords": [word for word in re.split(r"[,\s]+", about.get("Keywords") or "") if word] or None,
        "files": len(files) or None,
        "bytes": sum(file.size or 0 for file in files) or None,
    }


def dependencies(name: str, distribution: importlib.metadata.Distribution) -> Iterator[Record]:
    """Yield the edges of a package: those in force here, and those of an extra or of another platform."""
    for number, text in enumerate(distribution.requires or []):
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        marker = None if requirement.marker is None else str(requirement.marker)
        data: Record = {"id": f"{name}-{number}", "requirement": str(requirement.specifier) or "any", "marker": marker}
        in_force = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if not in_force:
            extra = re.search(r"""extra == ["']([^"']+)""", marker or "")
            data["extra"] = None if extra is None else extra[1]
        kind = "DependsOn" if in_force else "MayNeed"
        yield {"edge": kind, "from": name, "to": canonicalize_name(requirement.name), "data": data}


def licences_of(distribution: importlib.metadata.Distribution) -> list[str]:
    """Return SPDX names where they can be told; an expression such as ``MIT OR Apache-2.0`` names several."""
    about = distribution.metadata
    classifiers = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or [] if line.startswith("License ::")]
    text = about.get("License") or ""
    short = [text] if text and "\n" not in text and len(text) <= 40 else []
    expression = about.get("License-Expression")
    given = re.split(r"\s+(?:AND|OR)\s+", re.sub(r"[()]", " ", expression)) if expression else classifiers or short
    return sorted({SPDX.get(name.strip(), name.strip()) for name in given})


def authors_of(distribution: importlib.metadata.Distribution) -> list[str]:
    """Return the names of the authors; their addresses stay where they are."""
    about = distribution.metadata
    named = [name for name, _ in email.utils.getaddresses(about.get_all("Author-email") or []) if name]
    return sorted({name.strip() for name in named or (about.get("Author") or "").split(",") if name.strip()})


def write_records(found: Iterable[Record]) -> int:
    lines = [json.dumps(record, ensure_ascii=False) for record in found]
    RECORDS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


# --- on the terminal ---------------------------------------------------------------------------------------------------


def step(title: str) -> None:
    print(f"\n{next(_numbers)}. {title}")


def say(text: str) -> None:
    print(f"   {text}")


def command(*words: str) -> None:
    """Print the command that does the same as what follows."""
    print(f"   $ {shlex.join(words)}")


def shown(path: Path) -> str:
    """Return a path as one would type it here."""
    return os.path.relpath(path)


def program(name: str) -> str:
    """Return how to call a program of this environment."""
    beside = Path(sys.executable).parent / name
    found = shutil.which(name)
    return name if found is not None and Path(found).resolve() == beside.resolve() else shown(beside)


if __name__ == "__main__":
    sys.exit(main())
