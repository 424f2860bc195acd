"""What a verb has to say besides its result: errors and warnings with a code and a place."""

from __future__ import annotations

from omnigraph.wire.cluster import Diagnostic


class Findings:
    """The diagnostics of one run, in the order in which they were met. Not for several threads."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []

    def error(self, code: str, path: str, message: str) -> None:
        self.diagnostics.append(Diagnostic(code, "error", path, message))

    def warning(self, code: str, path: str, message: str) -> None:
        self.diagnostics.append(Diagnostic(code, "warning", path, message))

    @property
    def ok(self) -> bool:
        """Whether nothing is an error."""
        return all(one.severity != "error" for one in self.diagnostics)
