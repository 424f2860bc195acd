"""What the branch commands answer."""

from __future__ import annotations

from omnigraph.wire.encoding import Shape


class BranchCreateOutput(Shape, frozen=True, gc=False, rename={"from_": "from"}):
    """The answer of ``branch create``: ``from`` is the branch that it was created from."""

    uri: str
    from_: str
    name: str
    actor_id: str | None


class BranchDeleteOutput(Shape, frozen=True, gc=False):
    """The answer of ``branch delete``."""

    uri: str
    name: str
    actor_id: str | None


class BranchListOutput(Shape, frozen=True, gc=False):
    """All branch names, byte-sorted, main among them."""

    branches: list[str]
