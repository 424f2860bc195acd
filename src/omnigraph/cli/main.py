"""The entry of the program: words in, exit status out."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Sequence
from typing import Final

from omnigraph.cli import help as help_text
from omnigraph.cli.commands import GLOBAL_OPTIONS, PROGRAM, Entry
from omnigraph.cli.grammar import HELP, VERSION, Arguments, Scan, UsageError, check, scan
from omnigraph.cli.spelling import canonical
from omnigraph.cli.streams import note, write_text
from omnigraph.version import __version__

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
_CYCLES_MIN: Final = 50_000
"""So many new objects make the collector of cycles look at them; the interpreter's 700 cost a tenth of a short command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status: 0 done, 1 failed, 2 not understood.

    Ctrl-C ends with 130 and a reader that went away with 141, as the shell counts signals. Without ``argv`` the line is that of
    the process, which is made ready for one command and ends with it: this does not return.
    """
    if argv is not None:
        return _guarded(argv)
    gc.set_threshold(_CYCLES_MIN, 20, 20)
    # Else NumPy makes a thread for every core when it is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    status = _guarded(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    mirror = sys.modules.get("omnigraph.storage.mirror")  # not imported by a command that has read no table
    if mirror is not None:
        mirror.remove_copies()
    # What a command opened it has closed; taking the libraries apart would take 30 ms.
    os._exit(status)


def _guarded(argv: Sequence[str]) -> int:
    try:
        status = _run(list(argv))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        _silence_stdout()
        note(f"Error: {_system_text(error)}")
        return EXIT_FAILURE
    return status


def _run(words: list[str]) -> int:
    words, warning = canonical(words)
    if warning is not None:
        note(warning)
    path = [PROGRAM]
    try:
        return _dispatch(words, path)
    except UsageError as error:
        lines = [f"error: {error.phrase}", *error.details, "", help_text.usage(path), ""]
        note("\n".join([*lines, "For more information, try '--help'."]))
        return EXIT_USAGE


def _dispatch(words: list[str], path: list[Entry]) -> int:
    """Walk from the program to a command, then run it; ``path`` is the way taken, also when an error ends it."""
    found = Scan()
    while path[-1].children:
        at_program = path[-1] is PROGRAM
        scan(words, (*GLOBAL_OPTIONS, HELP, *([VERSION] if at_program else [])), found, until_word=True)
        if found.asked == "version":
            write_text(f"omnigraph {__version__}")
            return EXIT_OK
        if found.asked == "help":
            return _print_help(path)
        if not found.rest:
            note(help_text.page(path).removesuffix("\n"))
            return EXIT_USAGE
        word, *words = found.rest
        if at_program and word == "help":
            _descend(words, path)
            return _print_help(path)
        _descend([word], path)

    command = path[-1].command()
    options = (*command.options, *GLOBAL_OPTIONS, HELP)
    scan(words, options, found)
    if found.asked == "help":
        return _print_help(path)
    arguments = check(command, options, found)
    if arguments.get("graph") is not None and arguments.get("server") is None and arguments.get("cluster") is None:
        raise UsageError("the following required arguments were not provided:", ["  --server <NAME>"])
    return _carry_out(path, arguments)


def _descend(words: Sequence[str], path: list[Entry]) -> None:
    for word in words:
        child = path[-1].child(word)
        if child is None:
            raise UsageError(f"unrecognized subcommand '{word}'")
        path.append(child)


def _print_help(path: Sequence[Entry]) -> int:
    write_text(help_text.page(path).removesuffix("\n"))
    return EXIT_OK


def _carry_out(path: list[Entry], arguments: Arguments) -> int:
    """Run the command; a failure is told on standard error, with ``--json`` as an object too."""
    from omnigraph.cli.addressing import guard_plane
    from omnigraph.errors import OmnigraphError, StorageError

    try:
        guard_plane(path, arguments)
        return path[-1].command().run(arguments)
    except (BrokenPipeError, UsageError):
        raise
    except OmnigraphError as error:
        failure = error
    except OSError as error:
        failure = StorageError(_system_text(error))
    except Exception as error:
        if "OMNIGRAPH_TRACEBACK" in os.environ:
            raise
        failure = OmnigraphError(
            f"internal error: {type(error).__name__}: {error}",
            hint="this is a defect of omnigraph; set OMNIGRAPH_TRACEBACK=1 to see where it comes from",
        )
        failure.__cause__ = None
    from omnigraph.cli.failure import report

    report(failure, as_json=arguments.flag("json"))
    return failure.exit_status


def _system_text(error: OSError) -> str:
    where = f"{error.filename}: " if isinstance(error.filename, str) else ""
    return f"io: {where}{error.strerror or error}"


def _silence_stdout() -> None:
    """Keep the interpreter from complaining about what could not be written."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
