"""The page about clusters names every code that the control plane can report."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "user" / "clusters.md").read_text(encoding="utf-8")
MODULES = [
    *(ROOT / "src" / "omnigraph" / "cluster").glob("*.py"),
    *(ROOT / "src" / "omnigraph" / "server" / name for name in ("quarantine.py", "cluster_boot.py", "service.py")),
]
REPORTING = {"error": 0, "warning": 0, "fail": 0, "add": 1, "Diagnostic": 0, "SeenLock": 1}
"""Where the code stands among the arguments of what reports one."""
_CODE = re.compile(r"[a-z]+(?:_[a-z0-9]+)+|interrupted")


def codes(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            position = REPORTING.get(name)
            if position is not None and len(node.args) > position:
                yield from constants(node.args[position])
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "codes":
            yield from constants(node.value)


def constants(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and _CODE.fullmatch(part.value):
            yield part.value


def test_every_code_is_on_the_page() -> None:
    used = {code for module in MODULES for code in codes(ast.parse(module.read_text(encoding="utf-8")))}
    assert len(used) > 70
    section = PAGE[PAGE.index("## Findings") : PAGE.index("## Files")]
    assert used - set(re.findall(r"`([a-z0-9_]+)`", section)) == set()
