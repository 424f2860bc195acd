"""What is given away: the wheel and the source distribution, and the archives that run where they are unpacked."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "constraints.txt", "src", "tests", "docs")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with wheel and source distribution, built from a copy as a frontend would, without an environment of its own."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "copy").mkdir()
    for name in SOURCES:
        place = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        if place.is_dir():
            shutil.copytree(place, folder / "copy" / name, ignore=ignored)
        else:
            shutil.copy(place, folder / "copy" / name)
    code = "from setuptools import build_meta as b; b.build_sdist('../dist'); b.build_wheel('../dist')"
    (folder / "dist").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder / "copy", capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "dist"


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("omnigraph-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        programs = archive.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"omnigraph"}
    assert "omnigraph/py.typed" in names
    written = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / "omnigraph").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == written
    assert sorted(line.split(" = ")[0] for line in programs.splitlines() if " = " in line) == [
        "omnigraph",
        "omnigraph-server",
        "omnigraph-server-aws",
    ]
    assert "License-Expression: MIT" in metadata
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert not [line for line in required if "boto" in line]
    (aws,) = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and 'extra == "aws"' in line]
    assert aws.startswith("Requires-Dist: boto3"), "the extra adds one thing"


def test_the_source_distribution_builds_the_same(built: Path) -> None:
    (sdist,) = built.glob("omnigraph-*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO", "src/omnigraph/py.typed"} <= names
    assert not [name for name in names if name.startswith(("tests", "docs", ".git"))]


PYTHON = """#!/bin/sh
# pip as a stand-in that copies the package; the rest is real.
[ "$1 $2" = '-m pip' ] || exec REAL "$@"
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/bin"
cp -R "$3/src/omnigraph" "$2/"
"""


def archive(folder: Path, system: str) -> Path:
    """Build the archive of a system and unpack it; returns where."""
    (folder / "bin").mkdir()
    for name, text in (("uname", f"#!/bin/sh\n[ $1 = -s ] && echo {system} || echo x86_64\n"), ("python", PYTHON)):
        (folder / "bin" / name).write_text(text.replace("REAL", sys.executable))
        (folder / "bin" / name).chmod(0o755)
    environment = {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHON": "python"}
    done = subprocess.run(
        ["sh", str(ROOT / "scripts" / "build-archive.sh"), str(ROOT), "dist"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = Path(done.stdout.strip())
    digest, name = made.with_name(f"{made.name}.sha256").read_text().split()
    assert (digest, name) == (hashlib.sha256(made.read_bytes()).hexdigest(), made.name)
    with tarfile.open(made) as packed:
        packed.extractall(folder / "unpacked", filter="data")
    return folder / "unpacked"


def test_an_archive_runs_where_it_is_unpacked_and_through_links(tmp_path: Path) -> None:
    root = archive(tmp_path, "Linux")
    assert (tmp_path / "dist" / "omnigraph-linux-x86_64.tar.gz").exists()
    assert (root / "fixtures" / "context" / "context.jsonl").exists()
    (root / "lib" / "omnigraph" / "version.py").write_text('__version__ = "of the archive"\n')
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "first").symlink_to(root / "bin" / "omnigraph")
    (tmp_path / "links" / "second").symlink_to("first")
    environment = {"PATH": os.environ["PATH"], "OMNIGRAPH_PYTHON": sys.executable}
    for program, words in (
        (root / "bin" / "omnigraph", ["version"]),
        (root / "bin" / "omnigraph-server", ["--version"]),
        (tmp_path / "links" / "second", ["version"]),
    ):
        done = subprocess.run(
            [str(program), *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "of the archive" in done.stdout


def test_the_archive_for_windows_has_programs_that_windows_can_start(tmp_path: Path) -> None:
    root = archive(tmp_path, "MINGW64_NT-10.0")
    assert (tmp_path / "dist" / "omnigraph-windows-x86_64.tar.gz").exists()
    for name, module in (("omnigraph", "omnigraph.cli.main"), ("omnigraph-server", "omnigraph.server.main")):
        text = (root / "bin" / f"{name}.cmd").read_bytes().decode()
        assert text.startswith("@echo off\r\n"), "cmd reads lines that end as its own do"
        assert f"from {module} import main" in text
        assert "%~dp0..\\lib" in text
        assert "%*" in text
