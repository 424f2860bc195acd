"""``omnigraph login`` and ``logout``: keep the token of a server in the operator's folder."""

from __future__ import annotations

import os
import sys

from omnigraph.cli.addressing import JSON_OPTION
from omnigraph.cli.grammar import Arguments, Command, Option, Positional
from omnigraph.cli.streams import json_text, note, write_bytes, write_text
from omnigraph.config.credentials import CredentialsFile
from omnigraph.config.operator import load_operator
from omnigraph.errors import BadRequest
from omnigraph.wire.session import LoginOutput, LogoutOutput

_SERVER = Positional("NAME", "Name of the server under servers: in the operator config", required=True)


def _login(arguments: Arguments) -> int:
    name = arguments.words[0]
    given = arguments.get("token")
    token = (_typed_token(name) if given is None else given).strip()
    if not token:
        raise BadRequest(f"no token provided: pass --token <TOKEN> or pipe it on stdin (echo $TOKEN | omnigraph login {name})")
    operator = load_operator(os.environ)
    for warning in operator.warnings:
        note(warning)
    credentials = CredentialsFile.of(os.environ)
    credentials.store(name, token)
    declared = name in operator.settings.servers
    if not declared:
        note(
            f"note: '{name}' is not declared under servers: in the operator config; the token applies once you add "
            f"`servers:\n  {name}:\n    url: <server url>` to ~/.omnigraph/config.yaml"
        )
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(LoginOutput(name, json_text(str(credentials.path)), declared)))
    else:
        write_text(f"stored credential for '{name}' in {credentials.path}")
    return 0


def _logout(arguments: Arguments) -> int:
    name = arguments.words[0]
    credentials = CredentialsFile.of(os.environ)
    credentials.remove(name)
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty(LogoutOutput(name, json_text(str(credentials.path)))))
    else:
        write_text(f"removed credential for '{name}' from {credentials.path}")
    return 0


def _typed_token(name: str) -> str:
    """Ask for the token without showing it when a person sits there, else take one line of standard input."""
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass(f"token for '{name}': ", stream=sys.stderr)
    try:
        return sys.stdin.buffer.readline().decode()
    except UnicodeDecodeError:
        raise BadRequest("the token on stdin is not UTF-8 text") from None


LOGIN = Command(
    run=_login,
    options=(Option("token", "Token to store; without it one line of standard input", value="TOKEN"), JSON_OPTION),
    positionals=(_SERVER,),
)
LOGOUT = Command(run=_logout, options=(JSON_OPTION,), positionals=(_SERVER,))
