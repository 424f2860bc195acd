"""Config directories for the tests of the control plane."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCHEMA = "node City {\n  name: String @key\n  population: I64?\n}\n"
WIDER = "node City {\n  name: String @key\n  population: I64?\n  mayor: String?\n}\n"
OTHER_TYPE = "node City {\n  name: String @key\n  population: String?\n}\n"
QUERY = "query city_by_name($name: String) {\n  match { $c: City { name: $name } }\n  return { $c.name, $c.population }\n}\n"
POLICY = "version: 1\nrules: []\n"
CONFIG = """\
version: 1
metadata: { name: geo }
graphs:
  atlas:
    schema: atlas.pg
    queries: { city_by_name: { file: atlas.gq } }
policies:
  base: { file: base.policy.yaml, applies_to: [atlas] }
"""
TWO = CONFIG.replace("policies:", "  old:\n    schema: atlas.pg\npolicies:")
_FILES = {"base_policy": "base.policy.yaml"}


def write_config(folder: Path, config: str = CONFIG, **files: str) -> str:
    """Write a config directory; ``files`` replace or add to the usual ones, with ``_`` for the dot before the extension."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"atlas.pg": SCHEMA, "atlas.gq": QUERY, "base.policy.yaml": POLICY, "cluster.yaml": config}
    texts |= {_FILES.get(name, name.replace("_", ".", 1)): text for name, text in files.items()}
    for name, text in texts.items():
        (folder / name).write_text(text)
    return str(folder)


def ledger(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "__cluster/state.json").read_text())
    return found


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def codes(output: Any) -> list[str]:
    return [one.code for one in output.diagnostics]


def dispositions(output: Any) -> dict[str, str]:
    """Resource to disposition, with the reason behind a colon."""
    found = {}
    for change in output.changes:
        reason = change.reason if isinstance(change.reason, str) else ""
        found[change.resource] = f"{change.disposition}:{reason}" if reason else str(change.disposition)
    return found
