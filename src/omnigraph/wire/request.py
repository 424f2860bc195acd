"""The bodies of HTTP requests, as the server reads them and the client writes them.

``None`` and absence mean the same in every optional field. ``params`` is whatever JSON came: that it is an object is checked
where parameters are bound, with the sentence that every door uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from omnigraph.wire.encoding import Shape
from omnigraph.wire.write import LoadMode

Params = Any  # Any: JSON values by parameter name

MergeStrategy: TypeAlias = str | Mapping[str, str] | None
"""``ours`` or ``theirs`` for every type, or one of them by type: a name, a table key, or ``*`` for all that is not named."""


class QueryRequest(Shape, frozen=True, gc=False, omit_defaults=True):
    """A read query."""

    query: str
    name: str | None = None
    params: Params = None
    branch: str | None = None
    snapshot: str | None = None
    at: str | int | None = None


class ExplainRequest(Shape, frozen=True, gc=False, omit_defaults=True):
    """A read query whose plan is asked for; with ``profile`` it is run, and the result comes along."""

    query: str
    name: str | None = None
    params: Params = None
    branch: str | None = None
    snapshot: str | None = None
    at: str | int | None = None
    profile: bool | None = None


class ReadRequest(Shape, frozen=True, gc=False, omit_defaults=True):
    """A read query, as older programs write it."""

    query_source: str
    query_name: str | None = None
    params: Params = None
    branch: str | None = None
    snapshot: str | None = None
    at: str | int | None = None


class ChangeRequest(Shape, frozen=True, gc=False, omit_defaults=True):
    """A mutation; each of its two names has two spellings."""

    query: str | None = None
    query_source: str | None = None
    name: str | None = None
    query_name: str | None = None
    params: Params = None
    branch: str | None = None

    def __post_init__(self) -> None:
        if self.query is None and self.query_source is None:
            raise ValueError("Object missing required field `query`")
        if self.query is not None and self.query_source is not None:
            raise ValueError("`query` and `query_source` are two names of one field; write one of them")
        if self.name is not None and self.query_name is not None:
            raise ValueError("`name` and `query_name` are two names of one field; write one of them")

    @property
    def source(self) -> str:
        """The text of the mutation."""
        return self.query if self.query is not None else self.query_source or ""

    @property
    def chosen(self) -> str | None:
        """The name of the query in it, if one was given."""
        return self.name if self.name is not None else self.query_name


class InvokeStoredQueryRequest(Shape, frozen=True, gc=False, omit_defaults=True):
    """A call of a stored query; ``expect_mutation`` refuses one of the other kind."""

    params: Params = None
    branch: str | None = None
    snapshot: str | None = None
    expect_mutation: bool | None = None
    at: str | int | None = None


class IngestRequest(Shape, frozen=True, gc=False, omit_defaults=True):
    """A bulk load: the records as JSON lines in one string."""

    data: str
    branch: str | None = None
    from_branch: str | None = msgspec.field(name="from", default=None)
    mode: LoadMode | None = None


class ExportRequest(Shape, frozen=True, gc=False, omit_defaults=True):
    """What to export; nothing named means everything."""

    branch: str | None = None
    type_names: list[str] | None = None
    table_keys: list[str] | None = None
    snapshot: str | None = None
    at: str | int | None = None


class BaselineRequest(Shape, frozen=True, gc=False, omit_defaults=True):
    """What a baseline holds; nothing named means everything. The filters go into the cursor that it ends with."""

    branch: str | None = None
    kind: list[str] | None = None
    type: list[str] | None = None
    op: list[str] | None = None


class SchemaApplyRequest(Shape, frozen=True, gc=False, omit_defaults=True):
    """A new schema; ``allow_data_loss`` turns soft drops into hard ones."""

    schema_source: str
    allow_data_loss: bool | None = None


class BranchCreateRequest(Shape, frozen=True, gc=False, omit_defaults=True):
    """A new branch and what it starts from: a branch, that branch ``at`` a version or a time, or a commit."""

    name: str
    from_branch: str | None = msgspec.field(name="from", default=None)
    from_commit: str | None = None
    at: str | int | None = None


class BranchMergeRequest(Shape, frozen=True, gc=False, omit_defaults=True):
    """A merge; ``delete_branch`` deletes the source after success.

    ``strategy`` settles conflicts of rows: ``ours``, ``theirs``, or an object with one of them by type.
    """

    source: str
    target: str | None = None
    delete_branch: bool | None = None
    strategy: str | dict[str, str] | None = None


class MergePreviewRequest(Shape, frozen=True, gc=False, omit_defaults=True):
    """The question what a merge would do."""

    source: str
    target: str | None = None
    strategy: str | dict[str, str] | None = None
