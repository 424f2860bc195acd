"""Counters of requests, in the text format that Prometheus reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Metrics:
    """Requests and their time by operation and status. Used on the event loop."""

    _requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    _seconds: dict[str, float] = field(default_factory=dict)

    def observe(self, operation: str, status: int, elapsed_s: float) -> None:
        """Count one request."""
        self._requests[operation, status] += 1
        self._seconds[operation] = self._seconds.get(operation, 0.0) + elapsed_s

    def text(self, gauges: Mapping[str, tuple[str, float]] | None = None) -> str:
        """Return everything counted so far, and what is measured now: help and value by name."""
        lines = ["# HELP omnigraph_requests_total Requests answered.", "# TYPE omnigraph_requests_total counter"]
        lines += [
            f'omnigraph_requests_total{{operation="{operation}",status="{status}"}} {count}'
            for (operation, status), count in sorted(self._requests.items())
        ]
        lines += ["# HELP omnigraph_request_seconds_total Time of requests.", "# TYPE omnigraph_request_seconds_total counter"]
        lines += [
            f'omnigraph_request_seconds_total{{operation="{operation}"}} {seconds:.6f}'
            for operation, seconds in sorted(self._seconds.items())
        ]
        for name, (help_text, value) in (gauges or {}).items():
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} gauge", f"{name} {value:g}"]
        return "\n".join(lines) + "\n"
