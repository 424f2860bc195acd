"""How the project file splits: a team half for ``cluster.yaml`` and a personal half for the operator's file.

Planning reads only the loaded project file; writing never changes it, nor any file that it names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omnigraph.config.legacy import DEFAULT_PATH, LegacyConfig, LegacySettings, read_legacy
from omnigraph.config.operator import load_operator, operator_home
from omnigraph.errors import InvalidSetting, NotFound

_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./-]*(:[A-Za-z0-9_./-]+)*", re.ASCII)
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})

_DROPPED = {
    "cli.graph": "name the graph with `--target` or `--server`; there is no operator default target yet",
    "cli.branch": "pass `--branch`",
    "query.roots": "cluster query discovery replaced it",
    "server.bind / server.graph": "pass `--bind`; a cluster boot serves every applied graph",
    "project.name": "a label for the cluster proposal, and there is nothing to propose",
}

Merge = dict[tuple[str, ...], Any]  # Any: values of a YAML file, by the path of their key


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """Where every key of the project file goes."""

    source: str
    cluster_yaml: str | None
    personal: Merge
    dropped: tuple[tuple[str, str], ...]
    manual_steps: tuple[str, ...]

    @property
    def operator_merge(self) -> dict[str, str]:
        """The personal half as dotted keys and YAML text."""
        return {".".join(key): flow(value) for key, value in self.personal.items()}


def plan_migration(path: str | None) -> MigrationPlan:
    """Read the project file at ``path`` (by default ``./omnigraph.yaml``, in strict mode too) and plan its split."""
    source = DEFAULT_PATH if path is None else path
    if not Path(source).exists():
        raise NotFound(f"no legacy config at '{source}' — nothing to migrate")
    legacy = read_legacy(source)
    proposal = _cluster_proposal(legacy.settings)
    return MigrationPlan(
        source=source,
        cluster_yaml=proposal,
        personal=dict(_personal(legacy.settings)),
        dropped=tuple((key, _DROPPED[key]) for key in _dropped(legacy, has_proposal=proposal is not None)),
        manual_steps=tuple(_manual_steps(legacy.settings)),
    )


def write_migration(plan: MigrationPlan, environment: Mapping[str, str]) -> list[str]:
    """Merge the personal half and write the proposal; return what was done, one sentence each.

    Keys that the operator's file has already always win, and a copy of the former file is kept beside it.
    """
    written = _merge_personal(plan.personal, environment)
    if plan.cluster_yaml is not None:
        target = Path(plan.source).parent / "cluster.yaml"
        if target.exists():
            target = target.with_name("cluster.yaml.proposed")
        _write(target, plan.cluster_yaml)
        written.append(f"wrote team-half proposal to {target}")
    return written


def flow(value: Any) -> str:  # Any: values of a YAML file
    """Show a value as YAML on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{flow(key)}: {flow(member)}" for key, member in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(flow(member) for member in value) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS and value.strip("."):
        return value
    return json.dumps(value, ensure_ascii=False)


# --- where keys go -----------------------------------------------------------------------------------------------------


def _personal(settings: LegacySettings) -> Iterator[tuple[tuple[str, ...], Any]]:  # Any: values of a YAML file
    homes = (
        (("operator", "actor"), settings.cli.actor),
        (("defaults", "output"), settings.cli.output_format),
        (("defaults", "table_max_column_width"), settings.cli.table_max_column_width),
        (("defaults", "table_cell_layout"), settings.cli.table_cell_layout),
    )
    yield from ((key, value) for key, value in homes if value is not None)
    for name, graph in settings.graphs.items():
        if _is_remote(graph.uri):
            yield ("servers", name, "url"), graph.uri
    for name, alias in settings.aliases.items():
        yield (
            ("aliases", name),
            {
                "server": "TODO-server-name",
                "graph": alias.graph or "TODO-graph-id",
                "query": alias.name or name,
                "args": list(alias.args),
            },
        )


def _manual_steps(settings: LegacySettings) -> Iterator[str]:
    for name, graph in settings.graphs.items():
        if _is_remote(graph.uri) and graph.bearer_token_env is not None:
            yield (
                f"store the '{name}' token in the keyed chain: echo $TOKEN | omnigraph login {name} (replaces bearer_token_env)"
            )
    for name, alias in settings.aliases.items():
        yield (
            f"alias '{name}': move its query content ('{alias.query}') into the cluster checkout's queries/ so "
            f"'{alias.name or name}' becomes a catalog stored query"
        )
    if settings.auth.env_file is not None:
        yield "auth.env_file keeps working during the window; prefer `omnigraph login <server>` per server going forward"


def _dropped(legacy: LegacyConfig, *, has_proposal: bool) -> Iterator[str]:
    settings = legacy.settings
    if settings.cli.graph is not None:
        yield "cli.graph"
    if settings.cli.branch is not None:
        yield "cli.branch"
    if settings.query.roots:
        yield "query.roots"
    if settings.server.bind is not None or settings.server.graph is not None:
        yield "server.bind / server.graph"
    if settings.project.name is not None and not has_proposal:
        yield "project.name"


def _cluster_proposal(settings: LegacySettings) -> str | None:
    graphs = {name: graph for name, graph in settings.graphs.items() if not _is_remote(graph.uri)}
    policies = [(name, graph.policy.file, f"[graph.{name}]") for name, graph in graphs.items() if graph.policy.file]
    if settings.server.policy.file is not None:
        policies.append(("server", settings.server.policy.file, "[cluster]"))
    if not graphs and not policies and not settings.queries and settings.policy.file is None:
        return None
    lines = ["version: 1"]
    if settings.project.name is not None:
        lines += ["metadata:", f"  name: {flow(settings.project.name)}"]
    lines.append("# storage: s3://bucket/prefix  # where the graphs live; without it, beside this file")
    if graphs:
        lines.append("graphs:")
    for name, graph in graphs.items():
        lines += [f"  {flow(name)}:", f"    # formerly {graph.uri}", "    schema: # TODO path of the .pg file"]
        if graph.queries:
            lines.append("    queries: queries/")
    if settings.queries:
        names = ", ".join(settings.queries)
        lines.append(f"# TODO the top-level stored queries ({names}) go to the queries/ folder of their graph")
    if policies or settings.policy.file is not None:
        lines.append("policies:")
    for name, file, scope in policies:
        lines += [f"  {flow(name)}:", f"    file: {flow(file)}", f"    applies_to: {scope}"]
    if settings.policy.file is not None:
        lines += ["  top-level:", f"    file: {flow(settings.policy.file)}", "    applies_to: [TODO-graph-id]"]
    return "\n".join(lines) + "\n"


def _is_remote(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


# --- writing -----------------------------------------------------------------------------------------------------------


def _merge_personal(personal: Merge, environment: Mapping[str, str]) -> list[str]:
    home = operator_home(environment)
    if home is None:
        raise InvalidSetting("no home directory for the operator config", hint="set OMNIGRAPH_HOME to a folder")
    load_operator(environment)  # a file that cannot be understood is not rewritten

    import yaml

    from omnigraph.config import strict_yaml

    path = home / "config.yaml"
    try:
        former = path.read_text(encoding="utf-8") if path.exists() else None
    except OSError as error:
        raise InvalidSetting(f"could not read operator config '{path}': {error.strerror}") from None
    document = (strict_yaml.parse(former) if former is not None else None) or {}
    if not [key for key, value in personal.items() if _add(document, key, value)]:
        return ["operator config already carries every personal key (nothing merged)"]
    written = []
    if former is not None:
        backup = path.with_name("config.yaml.bak")
        _write(backup, former)
        written.append(f"backed up prior operator config to {backup}")
    _write(path, yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    written.append(f"merged personal keys into {path}")
    return written


def _add(document: dict[str, Any], key: tuple[str, ...], value: Any) -> bool:  # Any: values of a YAML file
    """Put ``value`` at ``key`` unless something stands there; tell whether it was put."""
    place = document
    for step in key[:-1]:
        if place.get(step) is None:
            place[step] = {}
        place = place[step]
    if place.get(key[-1]) is not None:
        return False
    place[key[-1]] = value
    return True


def _write(path: Path, text: str) -> None:
    sibling = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sibling.write_text(text, encoding="utf-8")
        sibling.replace(path)
    except OSError as error:
        raise InvalidSetting(f"could not write '{path}': {error.strerror}") from None
