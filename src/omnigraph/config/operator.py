"""The operator's own file ``~/.omnigraph/config.yaml``: who they are, which servers they know, what they prefer.

An absent file is an empty layer. Unknown keys are reported and ignored. No token ever stands in this file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from omnigraph.config.legacy import CellLayout, ColumnWidth, OutputFormat, without_nulls
from omnigraph.errors import InvalidSetting, NotFound

HOME_VARIABLE = "OMNIGRAPH_HOME"


class IdentitySettings(msgspec.Struct, frozen=True):
    """Who acts when nothing else says so."""

    actor: str | None = None


class DefaultSettings(msgspec.Struct, frozen=True):
    """Preferences for output."""

    output: OutputFormat | None = None
    table_max_column_width: ColumnWidth | None = None
    table_cell_layout: CellLayout | None = None


class OperatorServer(msgspec.Struct, frozen=True):
    """One server; its name in the file keys the credential."""

    url: str

    @property
    def base_url(self) -> str:
        """The address without the slash at its end."""
        return self.url.rstrip("/")


class OperatorAlias(msgspec.Struct, frozen=True):
    """A short name for a stored query on a server."""

    server: str
    query: str
    graph: str | None = None
    args: list[str] = []
    params: dict[Any, Any] = {}  # Any: JSON values; keys are checked when the alias is used
    format: OutputFormat | None = None


class OperatorSettings(msgspec.Struct, frozen=True):
    """The keys of the operator's file that mean something."""

    operator: IdentitySettings = IdentitySettings()
    defaults: DefaultSettings = DefaultSettings()
    servers: dict[str, OperatorServer] = {}
    aliases: dict[str, OperatorAlias] = {}


@dataclass(frozen=True, slots=True)
class OperatorConfig:
    """The loaded layer: its settings and the warnings that a person should see once."""

    settings: OperatorSettings
    warnings: tuple[str, ...] = ()

    def server(self, name: str) -> OperatorServer:
        """Return the named server. Raises :class:`NotFound` and lists the known ones."""
        try:
            return self.settings.servers[name]
        except KeyError:
            known = ", ".join(sorted(self.settings.servers))
            raise NotFound(
                f"unknown server '{name}' — servers defined in the operator config: [{known}] "
                "(add it under servers: in ~/.omnigraph/config.yaml)"
            ) from None

    def server_of(self, url: str) -> str | None:
        """Name the server that ``url`` belongs to: equal to its address or below it; the longest one wins."""
        owners = [
            (len(server.base_url), name)
            for name, server in self.settings.servers.items()
            if url.rstrip("/") == server.base_url or url.startswith(server.base_url + "/")
        ]
        return max(owners)[1] if owners else None


def operator_home(environment: Mapping[str, str]) -> Path | None:
    """Return the operator's folder, or ``None`` when no home directory can be found."""
    chosen = environment.get(HOME_VARIABLE)
    if chosen is None:
        home = _home_folder()
        return None if home is None else home / ".omnigraph"
    if chosen == "~" or chosen.startswith("~/"):
        home = _home_folder()
        return None if home is None else home / chosen[2:]
    return Path(chosen)


def load_operator(environment: Mapping[str, str]) -> OperatorConfig:
    """Load ``config.yaml`` of the operator's folder. Raises :class:`InvalidSetting` when it is there and unusable."""
    home = operator_home(environment)
    path = None if home is None else home / "config.yaml"
    if path is None or not path.exists():
        return OperatorConfig(OperatorSettings())

    from omnigraph.config import strict_yaml

    try:
        document = strict_yaml.read(str(path))
        settings = msgspec.convert(_cleaned(document), OperatorSettings)
    except OSError as error:
        raise InvalidSetting(f"could not read operator config '{path}': {error.strerror}") from None
    except (InvalidSetting, msgspec.ValidationError) as error:
        raise InvalidSetting(f"could not parse operator config '{path}': {error}") from None
    warnings = [
        f"warning: unknown key `{key}` (newer CLI feature or typo); ignored in operator config '{path}'"
        for key in _unknown_keys(document)
    ]
    return OperatorConfig(settings, tuple(warnings))


def _home_folder() -> Path | None:
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home raises where this returns the tilde
    return None if home == "~" else Path(home)


def _cleaned(document: Any) -> Any:  # Any: a YAML document of any shape
    """Drop empty keys, except inside the fixed parameters of an alias, where null is a value."""
    if document is None:
        return {}
    cleaned = without_nulls(document)
    aliases = document.get("aliases") if isinstance(document, dict) else None
    for name, alias in aliases.items() if isinstance(aliases, dict) else ():
        if isinstance(alias, dict) and isinstance(alias.get("params"), dict):
            cleaned["aliases"][name]["params"] = alias["params"]
    return cleaned


def _unknown_keys(document: Any) -> Iterator[str]:  # Any: a YAML document of any shape
    if not isinstance(document, dict):
        return
    yield from _unknown_members(document, OperatorSettings, "")
    yield from _unknown_members(document.get("operator"), IdentitySettings, "operator.")
    yield from _unknown_members(document.get("defaults"), DefaultSettings, "defaults.")
    for section, shape in (("servers", OperatorServer), ("aliases", OperatorAlias)):
        entries = document.get(section)
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            yield from _unknown_members(entry, shape, f"{section}.{name}.")


def _unknown_members(entry: Any, shape: type[msgspec.Struct], prefix: str) -> Iterator[str]:  # Any: any YAML value
    if isinstance(entry, dict):
        yield from (f"{prefix}{key}" for key in entry if key not in shape.__struct_fields__)
