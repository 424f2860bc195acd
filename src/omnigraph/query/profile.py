"""What one run of a query did: rows and time per operator, and what storage read meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct, field


class OperatorProfile(Struct, frozen=True):
    """One operator's part. ``pieces`` counts how often it ran: more than once when its input came in pieces."""

    operator: str
    depth: int
    rows: int
    time_ms: float
    pieces: int


class Profile(Struct):
    """Collects the figures of one run. ``counters`` is storage's: what it has read so far, by name.

    Give a fresh object to `execute`; afterwards ``operators`` stand in the order in which they began.
    """

    counters: Callable[[], Mapping[str, int]] | None = None
    rows: int = 0
    time_ms: float = 0.0
    storage: dict[str, int] = field(default_factory=dict)
    depth: int = 0
    _begun: dict[tuple[int, str], list[float]] = field(default_factory=dict)
    _before: Mapping[str, int] = field(default_factory=dict)

    def start(self) -> None:
        self._before = {} if self.counters is None else dict(self.counters())

    def enter(self, key: int, operator: str) -> None:
        """Note that an operator begins; ``key`` tells equal operators apart. What runs until `leave` is inside it."""
        self._begun.setdefault((key, operator), [self.depth, 0, 0.0, 0])
        self.depth += 1

    def leave(self) -> None:
        self.depth -= 1

    def record(self, key: int, operator: str, rows: int, seconds: float) -> None:
        """Add what one run of an operator, or one piece of it, gave."""
        entry = self._begun[key, operator]
        entry[1] += rows
        entry[2] += seconds
        entry[3] += 1

    def finish(self, rows: int, seconds: float) -> None:
        self.rows = rows
        self.time_ms = seconds * 1000
        if self.counters is not None:
            after = self.counters()
            self.storage = {name: count - self._before.get(name, 0) for name, count in after.items()}

    @property
    def operators(self) -> list[OperatorProfile]:
        return [
            OperatorProfile(operator, int(depth), int(rows), seconds * 1000, int(pieces))
            for (_, operator), (depth, rows, seconds, pieces) in self._begun.items()
        ]

    def __str__(self) -> str:
        """Return the figures as lines of text: rows, milliseconds, operator."""
        lines = [f"{'rows':>12} {'ms':>10}  operator"]
        lines += [
            f"{entry.rows:>12} {entry.time_ms:>10.3f}  {'  ' * entry.depth}{entry.operator}"
            + (f" ({entry.pieces} pieces)" if entry.pieces > 1 else "")
            for entry in self.operators
        ]
        lines.append(f"{self.rows:>12} {self.time_ms:>10.3f}  result")
        lines += [f"{count:>12} {'':>10}  {name}" for name, count in self.storage.items()]
        return "\n".join(lines)
