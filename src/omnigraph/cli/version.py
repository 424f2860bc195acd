"""``omnigraph version``."""

from __future__ import annotations

from omnigraph.cli.grammar import Arguments, Command, Option
from omnigraph.cli.streams import write_bytes, write_text
from omnigraph.version import __version__


def _version(arguments: Arguments) -> int:
    if arguments.flag("json"):
        from omnigraph.wire.encoding import pretty

        write_bytes(pretty({"version": __version__}))
    else:
        write_text(f"omnigraph {__version__}")
    return 0


VERSION_COMMAND = Command(run=_version, options=(Option("json", "Print a JSON document"),))
