"""The project file ``omnigraph.yaml``: which one is loaded, what it may hold, what its relative paths mean.

The file is deprecated and keeps working in full. Unknown keys are ignored, wrong types are errors, and a key without a
value counts as absent.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from omnigraph.errors import InvalidSetting, NotFound

DEFAULT_PATH = "omnigraph.yaml"
PATH_VARIABLE = "OMNIGRAPH_CONFIG"
STRICT_VARIABLE = "OMNIGRAPH_NO_LEGACY_CONFIG"
QUIET_VARIABLE = "OMNIGRAPH_SUPPRESS_YAML_DEPRECATION"

OutputFormat = Literal["table", "kv", "csv", "jsonl", "json"]
OUTPUT_FORMATS: tuple[OutputFormat, ...] = ("table", "kv", "csv", "jsonl", "json")
CellLayout = Literal["truncate", "wrap"]
ColumnWidth = Annotated[int, msgspec.Meta(ge=0)]


class PolicySettings(msgspec.Struct, frozen=True):
    """Where the policy of a graph or of the server stands, and its tests if they are not beside it."""

    file: str | None = None
    tests: str | None = None


class McpSettings(msgspec.Struct, frozen=True):
    """How a stored query shows itself to agents."""

    expose: bool = True
    tool_name: str | None = None


class StoredQuerySettings(msgspec.Struct, frozen=True):
    """One stored query: the file that declares it."""

    file: str
    mcp: McpSettings = McpSettings()


class GraphSettings(msgspec.Struct, frozen=True):
    """One named graph."""

    uri: str
    bearer_token_env: str | None = None
    policy: PolicySettings = PolicySettings()
    queries: dict[str, StoredQuerySettings] = {}


class ProjectSettings(msgspec.Struct, frozen=True):
    """A label; it identifies nothing."""

    name: str | None = None


class ServerSettings(msgspec.Struct, frozen=True):
    """What ``omnigraph-server`` starts with."""

    graph: str | None = None
    bind: str | None = None
    policy: PolicySettings = PolicySettings()


class AuthSettings(msgspec.Struct, frozen=True):
    """A file of environment variables that the command line loads."""

    env_file: str | None = None


class CliSettings(msgspec.Struct, frozen=True):
    """Defaults of the command line."""

    graph: str | None = None
    branch: str | None = None
    output_format: OutputFormat | None = None
    table_max_column_width: ColumnWidth | None = None
    table_cell_layout: CellLayout | None = None
    actor: str | None = None


class QuerySettings(msgspec.Struct, frozen=True):
    """Folders in which query files are looked for."""

    roots: list[str] = []


class AliasSettings(msgspec.Struct, frozen=True):
    """A short name for one query of one file, with its positional parameters."""

    command: Literal["read", "query", "change", "mutate"]
    query: str
    name: str | None = None
    args: list[str] = []
    graph: str | None = None
    branch: str | None = None
    format: OutputFormat | None = None

    @property
    def reads(self) -> bool:
        """Whether the alias is for ``query``; otherwise it is for ``mutate``."""
        return self.command in ("read", "query")


class LegacySettings(msgspec.Struct, frozen=True):
    """The keys of ``omnigraph.yaml`` that mean something."""

    project: ProjectSettings = ProjectSettings()
    graphs: dict[str, GraphSettings] = {}
    server: ServerSettings = ServerSettings()
    auth: AuthSettings = AuthSettings()
    cli: CliSettings = CliSettings()
    query: QuerySettings = QuerySettings()
    aliases: dict[str, AliasSettings] = {}
    policy: PolicySettings = PolicySettings()
    queries: dict[str, StoredQuerySettings] = {}


# The notice lists the keys that are present, in this order.
_DESTINATIONS = (
    ("graphs", "cluster.yaml `graphs:` (team surface) — or flags/env for the zero-config tier"),
    ("queries", "the cluster catalog (`.gq` discovery in cluster.yaml)"),
    ("policy", "cluster.yaml `policies:` + `applies_to` bindings"),
    ("server", "flags/env (`--bind`); meaningless under cluster boot"),
    ("auth", "the operator credentials chain (`omnigraph login <server>`)"),
    ("aliases", "operator `aliases:` (bindings) + catalog stored queries (content)"),
    ("query", "obsolete — cluster query discovery replaced `query.roots`"),
    ("project", "cluster.yaml `metadata.name`"),
    ("cli.actor", "`operator.actor` in ~/.omnigraph/config.yaml"),
    ("cli.output_format", "`defaults.output` in ~/.omnigraph/config.yaml"),
    ("cli.table_max_column_width", "`defaults.table_max_column_width` in ~/.omnigraph/config.yaml"),
    ("cli.table_cell_layout", "`defaults.table_cell_layout` in ~/.omnigraph/config.yaml"),
    ("cli.graph", "explicit `--target`/`--server` (no operator default-target yet)"),
    ("cli.branch", "explicit `--branch`"),
)


@dataclass(frozen=True, slots=True)
class LegacyConfig:
    """The loaded project file, or the defaults when there is none (``path`` is then ``None``)."""

    base: str
    path: str | None = None
    settings: LegacySettings = field(default_factory=LegacySettings)
    keys: tuple[str, ...] = ()

    @property
    def notice(self) -> str | None:
        """The deprecation notice for the keys that the file holds."""
        lines = [f"  `{key}` -> {home}" for key, home in _DESTINATIONS if key in self.keys]
        if self.path is None or not lines:
            return None
        head = (
            f"warning: '{self.path}' is deprecated — its keys have new homes; run `omnigraph config migrate` for the split, "
            f"set {QUIET_VARIABLE}=1 to silence:"
        )
        return "\n".join([head, *lines])

    def resolved(self, path: str) -> str:
        """Take a path that the file holds relative to the folder of the file."""
        return os.path.join(self.base, path)  # noqa: PTH118 - keeps the path as it was written

    def graph(self, name: str) -> GraphSettings:
        """Return the named graph. Raises :class:`NotFound` when the file has none of that name."""
        try:
            return self.settings.graphs[name]
        except KeyError:
            known = ", ".join(sorted(self.settings.graphs))
            hint = f"graphs defined there: {known}" if known else None
            raise NotFound(f"graph '{name}' not found in omnigraph.yaml", hint=hint) from None

    def graph_uri(self, name: str) -> str:
        """Return the address of the named graph, relative ones under the folder of the file."""
        uri = self.graph(name).uri
        return uri if "://" in uri else self.resolved(uri)

    def query_file(self, path: str) -> str:
        """Find a query file: in the folder of the project file, then in each of ``query.roots``."""
        candidates = [self.resolved(path)]
        candidates += [os.path.join(self.resolved(root), path) for root in self.settings.query.roots]  # noqa: PTH118
        if Path(path).is_absolute():
            return path
        for candidate in candidates:
            if Path(candidate).exists():
                return candidate
        raise NotFound(f"query file '{path}' not found", hint=f"looked for {', '.join(candidates)}")

    def refuse_shadowed_blocks(self, name: str) -> None:
        """Refuse top-level ``policy.file`` and ``queries`` beside a graph chosen by ``name``: they would not apply."""
        blocks = ["policy.file"] if self.settings.policy.file is not None else []
        blocks += ["queries"] if self.settings.queries else []
        if blocks:
            verb = "are" if len(blocks) > 1 else "is"
            raise InvalidSetting(
                f"named graph '{name}' uses its own `graphs.{name}.…` block, but top-level {' and '.join(blocks)} {verb} set "
                f"and would be ignored. Move it to `graphs.{name}` (e.g. `graphs.{name}.policy.file`, `graphs.{name}.queries`)."
            )


def load_legacy(explicit: str | None, environment: Mapping[str, str]) -> LegacyConfig:
    """Load ``explicit``, else ``$OMNIGRAPH_CONFIG``, else ``./omnigraph.yaml``, else nothing.

    Raises :class:`InvalidSetting` for a file that is named and absent, unreadable, malformed, or refused by strict mode.
    """
    path = explicit if explicit is not None else environment.get(PATH_VARIABLE)
    if path is None and not Path(DEFAULT_PATH).exists():
        return LegacyConfig(base=str(Path.cwd()))
    path = DEFAULT_PATH if path is None else path
    if STRICT_VARIABLE in environment and Path(path).exists():
        raise InvalidSetting(
            f"legacy config '{path}' refused: {STRICT_VARIABLE} is set (strict mode); run `omnigraph config migrate`, "
            "then remove the file — or unset the variable"
        )
    return read_legacy(path)


def read_legacy(path: str) -> LegacyConfig:
    """Read the project file at ``path``, whatever the environment says."""
    from omnigraph.config import strict_yaml

    try:
        document = strict_yaml.read(path)
        settings = msgspec.convert({} if document is None else without_nulls(document), LegacySettings)
    except OSError as error:
        raise InvalidSetting(f"could not read config '{path}': {error.strerror}") from None
    except (InvalidSetting, msgspec.ValidationError) as error:
        raise InvalidSetting(f"could not parse config '{path}': {error}") from None
    base = str(Path.cwd() / Path(path).parent)
    return LegacyConfig(base=base, path=path, settings=settings, keys=_present_keys(document))


def without_nulls(value: Any) -> Any:  # Any: a YAML document of any shape
    """Drop keys that were left empty, at every depth of mappings."""
    if not isinstance(value, dict):
        return value
    return {key: without_nulls(member) for key, member in value.items() if member is not None}


def _present_keys(document: Any) -> tuple[str, ...]:  # Any: a YAML document of any shape
    if not isinstance(document, dict):
        return ()
    cli = document.get("cli")
    below = [f"cli.{key}" for key in cli] if isinstance(cli, dict) else []
    return tuple([str(key) for key in document] + below)
