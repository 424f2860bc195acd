"""Tokens of servers: the file that ``login`` writes, and the chain that finds the token of one call."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from omnigraph.config.environment import unquoted
from omnigraph.config.operator import OperatorConfig, operator_home
from omnigraph.errors import Forbidden, InvalidSetting

FALLBACK_VARIABLE = "OMNIGRAPH_BEARER_TOKEN"
_PRIVATE_MODE = 0o600
_POSIX = os.name == "posix"


class CredentialsFile:
    """The file ``credentials`` in the operator's folder: one section per server, readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> CredentialsFile:
        """Locate the file. Raises :class:`InvalidSetting` when there is no home directory."""
        home = operator_home(environment)
        if home is None:
            raise InvalidSetting("no home directory for credentials", hint="set OMNIGRAPH_HOME to a folder")
        return cls(home / "credentials")

    def token(self, server: str) -> str | None:
        """Return the first token of the section ``[server]``; an empty one counts as none."""
        for line in self._section(server):
            name, separator, value = line.partition("=")
            if separator and name.strip() == "token":
                return unquoted(value.strip()) or None
        return None

    def store(self, server: str, token: str) -> None:
        """Replace the section of ``server``; everything else in the file stays as it is.

        Raises :class:`InvalidSetting` for a name or a token that would break the lines of the file.
        """
        if not server.strip() or not server.isprintable() or "]" in server:
            raise InvalidSetting(f"invalid server name {server!r}", hint="use the name under servers: in the operator config")
        if not token.isprintable():
            raise InvalidSetting("the token holds a line break or another control character")
        written = f'"{token}"' if unquoted(token) != token else token
        kept = self._without(server)
        gap = "\n" if kept else ""
        self._write(f"{kept}{gap}[{server}]\ntoken = {written}\n")

    def remove(self, server: str) -> None:
        """Remove the section of ``server`` if there is one; the file exists afterwards."""
        self._write(self._without(server))

    def _section(self, server: str) -> list[str]:
        lines: list[str] = []
        inside = False
        for raw in self._text().split("\n"):
            line = raw.strip()
            name = _section_name(line)
            if name is not None:
                inside = name == server
            elif inside and line and not line.startswith("#"):
                lines.append(line)
        return lines

    def _without(self, server: str) -> str:
        """The text without the section, ended by one newline unless nothing is left."""
        kept: list[str] = []
        inside = False
        for line in self._text().split("\n"):
            name = _section_name(line.strip())
            inside = name == server if name is not None else inside
            if not inside:
                kept.append(line)
        text = "\n".join(kept).rstrip("\n")
        return f"{text}\n" if text.strip() else ""

    def _text(self) -> str:
        try:
            with self.path.open(encoding="utf-8") as file:
                mode = os.fstat(file.fileno()).st_mode & 0o777
                if _POSIX and mode & 0o077:
                    raise Forbidden(
                        f"credentials file '{self.path}' is group/world-accessible (mode {mode:03o}); "
                        f"run `chmod 600 {self.path}`"
                    )
                return file.read()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise InvalidSetting(f"could not read credentials file '{self.path}': {error.strerror}") from None
        except UnicodeDecodeError:
            raise InvalidSetting(f"could not read credentials file '{self.path}': it is not UTF-8 text") from None

    def _write(self, text: str) -> None:
        sibling = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}.tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(sibling, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            sibling.replace(self.path)
        except OSError as error:
            sibling.unlink(missing_ok=True)
            raise InvalidSetting(f"could not write credentials file '{self.path}': {error.strerror}") from None


def bearer_token(
    url: str,
    operator: OperatorConfig,
    environment: Mapping[str, str],
    *,
    legacy_variables: Sequence[str] = (),
    env_file: Mapping[str, str] | None = None,
) -> str | None:
    """Find the token for a call to ``url``, or ``None``.

    A server of the operator's file comes first (its variable, then its stored credential); a token keyed to a server never
    goes to another address. Then each of ``legacy_variables`` and ``OMNIGRAPH_BEARER_TOKEN`` is looked up in the process
    environment and in ``env_file``.
    """
    server = operator.server_of(url)
    if server is not None:
        keyed = _present(environment.get(f"OMNIGRAPH_TOKEN_{server.upper().replace('-', '_')}"))
        keyed = keyed or _present(CredentialsFile.of(environment).token(server))
        if keyed is not None:
            return keyed
    for variable in (*legacy_variables, FALLBACK_VARIABLE):
        found = _present(environment.get(variable)) or _present((env_file or {}).get(variable))
        if found is not None:
            return found
    return None


def _present(token: str | None) -> str | None:
    return token.strip() if token is not None and token.strip() else None


def _section_name(line: str) -> str | None:
    return line[1:-1].strip() if line.startswith("[") and line.endswith("]") else None
