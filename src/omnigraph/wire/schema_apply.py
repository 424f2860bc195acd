"""What a change of the schema answers."""

from __future__ import annotations

from typing import Any

from omnigraph.wire.encoding import Shape


class SchemaApplyOutput(Shape, frozen=True, gc=False):
    """The steps of a schema change; ``applied`` is false when there was nothing to do."""

    uri: str
    supported: bool
    applied: bool
    step_count: int
    manifest_version: int
    steps: list[dict[str, Any]]  # Any: members differ by the step's kind
