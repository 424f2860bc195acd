"""``omnigraph version``."""

from __future__ import annotations

from omnigraph.cli.grammar import Arguments, Command, Option
from omnigraph.cli.streams import write_bytes, write_text
from omnigraph.version import __version__


def _version(arguments: Arguments) -> int:
    if arguments.flag("json"):
        from omnigraph.storage.record import FORMAT
        from omnigraph.wire.encoding import pretty
        from omnigraph.wire.session import VersionOutput

        write_bytes(pretty(VersionOutput(__version__, FORMAT)))
    else:
        write_text(f"omnigraph {__version__}")
    return 0


VERSION_COMMAND = Command(run=_version, options=(Option("json", "Print a JSON document"),))
