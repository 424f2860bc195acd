"""The methods of a graph that write rows and schemas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any, TypeVar

from omnigraph.errors import BadRequest, NotFound
from omnigraph.graph import commits as commit_log
from omnigraph.graph.branch import BranchHead
from omnigraph.graph.branch_name import name_of, refuse_reserved
from omnigraph.graph.branching import Branching
from omnigraph.storage.record import MAIN
from omnigraph.wire.schema_apply import SchemaApplyOutput
from omnigraph.wire.write import LOAD_MODES, IngestOutput, LoadMode, MutateOutput

if TYPE_CHECKING:
    from omnigraph.graph.write import Write
    from omnigraph.language.migration import MigrationPlan

T = TypeVar("T")

# What only writes and exports need is imported by them: a process that asks one question must not pay for it.


class Writing(Branching):
    """The methods of a graph that make commits on one branch."""

    def mutate(
        self,
        source: str,
        params: Mapping[str, Any] | None = None,  # Any: JSON values
        *,
        name: str | None = None,
        branch: str | None = None,
        actor: str | None = None,
        if_commit: str | None = None,
    ) -> MutateOutput:
        """Run one mutation query as one commit, or as none when it matches nothing; durable on return.

        Any failure leaves the graph as it was. When another commit lands first it is evaluated again on the newer state.
        Raises ParseError, TypeCheckError, InvalidValue, ConstraintViolation, WriteConflict, NotFound.
        """
        write = self.prepare_mutation(source, params, name=name, branch=branch, actor=actor, if_commit=if_commit)
        return self._carry_out(write)

    def prepare_mutation(
        self,
        source: str,
        params: Mapping[str, Any] | None = None,  # Any: JSON values
        *,
        name: str | None = None,
        branch: str | None = None,
        actor: str | None = None,
        if_commit: str | None = None,
    ) -> Write[MutateOutput]:
        """Return what `mutate` would carry out, for `commit_some`."""
        from omnigraph.graph.write import MutationWrite

        self._admit(actor, "change", branch=name_of(branch))
        refuse_reserved("mutate", name_of(branch))
        return MutationWrite(self._branch(branch), self._compiled, self._store, source, params, name, actor, if_commit)

    def load(
        self,
        data: Any,  # Any: bytes, str, path, binary file, or records
        mode: LoadMode,
        *,
        branch: str | None = None,
        from_branch: str | None = None,
        actor: str | None = None,
        progress: Any = None,  # Any: Callable[[int, int], None]
    ) -> IngestOutput:
        """Load records as one commit, or fail and leave everything as it was; durable on return.

        ``data`` is JSON-lines text or bytes, a path, a binary file, or an iterable of records (dictionaries). Modes:
        ``overwrite`` replaces each type that the data names, ``append`` refuses ids that are stored, ``merge`` replaces rows by
        id. Raises BadRequest, InvalidValue, ConstraintViolation, KeyConflict, NotFound, Forbidden.
        """
        write = self.prepare_load(data, mode, branch=branch, from_branch=from_branch, actor=actor, progress=progress)
        return self._carry_out(write)

    def prepare_load(
        self,
        data: Any,  # Any: bytes, str, path, binary file, or records
        mode: LoadMode,
        *,
        branch: str | None = None,
        from_branch: str | None = None,
        actor: str | None = None,
        progress: Any = None,  # Any: Callable[[int, int], None]
    ) -> Write[IngestOutput]:
        """Decode what `load` would carry out, for `commit_some`. A branch that is missing is made here."""
        from omnigraph.graph.load_source import LoadSource
        from omnigraph.graph.write import LoadWrite

        if mode not in LOAD_MODES:
            raise BadRequest(f"unknown load mode '{mode}'", hint="use overwrite, append or merge")
        refuse_reserved("load", name_of(branch))
        target, created = self._load_target(branch, from_branch, actor)
        records = LoadSource(data, mode, self._store, progress)
        schema = target.current().cut.schema
        decoded = records.decode(schema)
        open_table = self._views.open_table
        return LoadWrite(target, records, decoded, schema, mode, self._store, open_table, actor, self.uri, from_branch, created)

    def commit_some(self, writes: Sequence[Write[T]]) -> list[T | Exception]:
        """Commit writes to a branch in one record, each as a commit of its own, evaluated on what those before it leave.

        Returns the answers of the first of them, as many as shared the record and at least one; an exception in the place of
        a write that failed, which leaves no trace and hinders no other. Durable on return. One record costs about what one
        commit does: this is how a server carries many small writes at a time (group commit).
        """
        target = writes[0].target
        together = takewhile(lambda write: write.target is target, writes)  # one record is of one branch
        outcomes = target.publish_some([write.evaluate for write in together])
        answers: list[T | Exception] = []
        head = None
        for write, outcome in zip(writes, outcomes, strict=False):
            if isinstance(outcome, Exception):
                answers.append(outcome)
                continue
            if outcome is not None:
                head = outcome.head
            answers.append(write.answer(None if outcome is None else commit_log.info(outcome.commit)))
        if head is not None:
            self._after_commit(target, head)
        return answers

    def _carry_out(self, write: Write[T]) -> T:
        answer = self.commit_some([write])[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def plan_schema(self, source: str, *, allow_data_loss: bool = False) -> MigrationPlan:
        """Return the steps that `apply_schema` would make of a schema text, supported or not; changes nothing.

        Raises ParseError, CatalogError.
        """
        from omnigraph.graph.schema_change import plan_schema

        return plan_schema(self._main.current().cut.schema, source, allow_data_loss=allow_data_loss)

    def apply_schema(self, source: str, *, allow_data_loss: bool = False, actor: str | None = None) -> SchemaApplyOutput:
        """Change the schema of main to ``source`` as one commit, or as none when there is no step; durable on return.

        A text that differs in layout only replaces the accepted one. ``allow_data_loss`` makes drops hard: earlier commits
        can no longer be read for the types in question, and their bytes go. Raises ParseError, CatalogError,
        UnsupportedMigration, Conflict while there are other branches; the graph is as it was then.
        """
        from omnigraph.graph.schema_change import apply_schema
        from omnigraph.language.migration_steps import step_json

        self._admit(actor, "schema_apply", target_branch=MAIN)
        plan, published = apply_schema(
            self._main, self._log, self._views.open_table, source, allow_data_loss=allow_data_loss, actor=actor
        )
        if published is not None:
            self._after_commit(self._main, published)
        version = (published or self._main.known).cut.state.version
        steps: list[dict[str, Any]] = [step_json(step) for step in plan.steps]  # Any: members differ by the step's kind
        return SchemaApplyOutput(self.uri, plan.supported, published is not None, len(steps), version, steps)

    def _load_target(self, branch: str | None, base: str | None, actor: str | None) -> tuple[BranchHead, bool]:
        """Return the branch to load onto, and whether it was made for that: only when it is missing and a base was named."""
        name = name_of(branch)
        try:
            found = self._branch(branch)
        except NotFound:
            if base is not None:  # both before anything is made
                self._admit(actor, "branch_create", branch=base.strip(), target_branch=name)
            self._admit(actor, "change", branch=name)
            if base is None:
                raise
        else:
            self._admit(actor, "change", branch=name)
            return found, False
        self.create_branch(name, from_branch=base, actor=actor)
        return self._branch(name), True
