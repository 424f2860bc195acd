"""How a failed run is told: a sentence for people, an object for programs."""

from __future__ import annotations

from omnigraph.cli.streams import json_text, note
from omnigraph.errors import MergeConflicts, OmnigraphError


def report(error: OmnigraphError, *, as_json: bool) -> None:
    """Print ``error`` on standard error: the sentence, its cause when that says more, and what to do next.

    With ``as_json`` the last line is the error envelope on one line.
    """
    lines = [f"Error: {error.message}"]
    if isinstance(error, MergeConflicts):
        from omnigraph.cli import merge_text

        lines += merge_text.conflicts(error.conflicts)
    cause = error.__cause__
    if cause is not None and str(cause) and str(cause) not in error.message:
        lines.append(f"caused by: {cause}")
    if error.hint is not None:
        lines.append(f"hint: {error.hint}")
    if as_json:
        from msgspec.structs import replace

        from omnigraph.wire.encoding import compact
        from omnigraph.wire.error import ErrorOutput

        envelope = ErrorOutput.of(error)
        lines.append(compact(replace(envelope, error=json_text(envelope.error))).decode())
    note("\n".join(lines))
