"""The time, as files of a cluster hold it: UTC, with milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def age_seconds(moment: str) -> int | None:
    """Return how long ago a moment was, in whole seconds; None when the text is no time."""
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return None
    if then.tzinfo is None:
        return None
    return max(0, int((datetime.now(UTC) - then).total_seconds()))
