"""What surrounds one run of a command: the project file, the operator's file, the environment."""

from __future__ import annotations

import os
from functools import cached_property

from omnigraph.cli.grammar import Arguments
from omnigraph.cli.streams import note
from omnigraph.config.environment import read_env_file
from omnigraph.config.legacy import QUIET_VARIABLE, LegacyConfig, OutputFormat, load_legacy
from omnigraph.config.operator import OperatorConfig, OperatorSettings, load_operator
from omnigraph.errors import InvalidSetting

DEFAULT_BRANCH = "main"


class Workspace:
    """The configuration in force. Making one loads the project file, tells of its deprecation once, and sets the variables
    of its ``auth.env_file`` that the process does not have yet.

    Raises :class:`InvalidSetting` when the project file cannot be used, even if nothing of it would be needed.
    """

    def __init__(self, arguments: Arguments) -> None:
        self.arguments = arguments
        self.legacy: LegacyConfig = load_legacy(arguments.get("config"), os.environ)
        notice = self.legacy.notice
        if notice is not None and QUIET_VARIABLE not in os.environ:
            note(notice)
        env_file = self.legacy.settings.auth.env_file
        self.env_file = read_env_file(self.legacy.resolved(env_file)) if env_file is not None else {}
        for name, value in self.env_file.items():
            os.environ.setdefault(name, value)

    @cached_property
    def operator(self) -> OperatorConfig:
        """The operator's file. Raises :class:`InvalidSetting` when it is there and unusable."""
        operator = load_operator(os.environ)
        for warning in operator.warnings:
            note(warning)
        return operator

    @property
    def preferences(self) -> OperatorSettings:
        """The operator's file for matters of taste: one that cannot be used counts as empty."""
        try:
            return self.operator.settings
        except InvalidSetting:
            return OperatorSettings()

    @property
    def actor(self) -> str | None:
        """Who writes: ``--as``, else ``cli.actor``, else ``operator.actor``."""
        return self.arguments.get("as") or self.legacy.settings.cli.actor or self.operator.settings.operator.actor

    def bearer_token(self, url: str, graph_name: str | None) -> str | None:
        """The token for a server; ``graph_name`` is the named graph of the project file that led there."""
        from omnigraph.config.credentials import bearer_token

        named = None if graph_name is None else self.legacy.graph(graph_name).bearer_token_env
        return bearer_token(
            url,
            self.operator,
            os.environ,
            legacy_variables=() if named is None else (named,),
            env_file=self.env_file,
        )

    def branch(self, name: str = "branch", alias: str | None = None) -> str:
        """The branch that the option ``name`` means: the flag, else the alias's, else ``cli.branch``, else main."""
        given = self.arguments.get(name)
        if given is not None:
            return given
        return alias or self.legacy.settings.cli.branch or DEFAULT_BRANCH

    def output_format(self, alias: OutputFormat | None = None) -> str:
        """The form of a query's result: ``--json``, ``--format``, the alias's, the project's, the operator's, table."""
        if self.arguments.flag("json"):
            return "json"
        chosen = self.arguments.get("format") or alias or self.legacy.settings.cli.output_format
        return chosen or self.preferences.defaults.output or "table"

    def query_text(self, path: str) -> str:
        """Read a query file found in the folders of the project file, or standard input for ``-``."""
        from omnigraph.cli.files import STANDARD_INPUT, read_text

        return read_text(path if path == STANDARD_INPUT else self.legacy.query_file(path))
