"""The pages for developers name what is there: rooms, dependencies, notes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEV = ROOT / "docs" / "dev"


def first_cells(page: str) -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))


def test_architecture_names_every_room() -> None:
    source = ROOT / "src" / "omnigraph"
    rooms = {path.parent.name for path in source.glob("*/__init__.py")} | {"errors"}
    assert first_cells((DEV / "architecture.md").read_text(encoding="utf-8")) == rooms


def test_files_named_in_the_architecture_exist() -> None:
    page = (DEV / "architecture.md").read_text(encoding="utf-8")
    for room, place in re.findall(r"^\| `(\w+)` \|.*\| (`[^|]*) \|$", page, re.MULTILINE):
        folder = ROOT / "src" / "omnigraph" / ("" if room == "errors" else room)
        for name in re.findall(r"`([^`]+)`", place):
            assert (folder / name).exists(), f"{room}/{name}"


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = {
        re.split(r"[\[<>=!~ ]", line)[0].lower() for lines in (project["dependencies"], *extras.values()) for line in lines
    }
    assert first_cells((DEV / "dependencies.md").read_text(encoding="utf-8")) == declared


def test_notes_are_numbered_and_end_with_the_decision() -> None:
    notes = sorted((DEV / "notes").glob("*.md"))
    assert [int(note.name[:4]) for note in notes] == list(range(1, len(notes) + 1))
    for note in notes:
        text = note.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(note.name[:4])}. ")
        assert text.rstrip().split("\n\n")[-1].startswith("**Decision.**")


def test_constraints_hold_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"#.*|[A-Za-z0-9_.-]+==[A-Za-z0-9_.!+-]+", line) for line in lines)


def test_the_checklist_of_deployments_names_what_is_there() -> None:
    rows = re.findall(
        r"^\| (\d+) \| .+? \| (.+) \|$", (DEV / "deployment-checklist.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [int(number) for number, _ in rows] == list(range(1, 86))
    for number, proof in rows:
        named = re.findall(r"`([^`]+)`", proof) + re.findall(r"\]\(([^)]+)\)", proof)
        assert named, number
        for name in named:
            path, _, test = name.partition("::")
            found = (DEV / path).resolve() if path.startswith("..") else ROOT / path
            assert found.exists(), name
            assert not test or f"def {test}(" in found.read_text(encoding="utf-8"), name
