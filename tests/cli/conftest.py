from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from omnigraph.cli import embedded
from omnigraph.cli.main import main
from omnigraph.errors import NotFound, PreconditionFailed
from omnigraph.policy.gate import Gate
from omnigraph.wire.commit import At, CommitInfo, Order, SnapshotOutput, TableInfo
from omnigraph.wire.schema_apply import SchemaApplyOutput
from omnigraph.wire.write import IngestOutput, MutateOutput

COMMITS = [
    CommitInfo("C1", None, 1, None, None, None, 1_700_000_000_000_000),
    CommitInfo("C2", None, 2, "C1", None, "act-ida", 1_700_000_000_000_001),
    CommitInfo("C3", "dev", 3, "C2", "C1", None, 1_700_000_000_000_002),
]


@dataclass
class Outcome:
    status: int
    out: str
    err: str

    @property
    def last_error_line(self) -> str:
        return self.err.rstrip("\n").rpartition("\n")[2]


@dataclass
class FakeResult:
    query_name: str
    columns: list[str]
    values: list[dict[str, Any]]
    branch: str | None
    snapshot: str | None
    graph_commit_id: str | None = "C2"

    def value_columns(self) -> list[list[Any]]:
        return [[row[name] for row in self.values] for name in self.columns]

    def __len__(self) -> int:
        return len(self.values)


@dataclass
class FakeGraph:
    """Answers what it was given and remembers what it was asked."""

    uri: str = ""
    asked: dict[str, Any] = field(default_factory=dict)
    columns: list[str] = field(default_factory=lambda: ["i.sku", "i.qty"])
    rows: list[dict[str, Any]] = field(default_factory=lambda: [{"i.sku": "A-1", "i.qty": 3}, {"i.sku": "B-7", "i.qty": None}])

    def __enter__(self) -> FakeGraph:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.asked["closed"] = True

    def query(
        self,
        source: str,
        params: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
    ) -> FakeResult:
        self.asked.update(source=source, params=params, name=name, branch=branch, snapshot=snapshot)
        return FakeResult(name or "stock_below", self.columns, self.rows, branch, snapshot)

    def mutate(
        self,
        source: str,
        params: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        branch: str | None = None,
        actor: str | None = None,
        if_commit: str | None = None,
    ) -> MutateOutput:
        if if_commit not in (None, "C2"):
            raise PreconditionFailed(str(if_commit), "C2")
        self.asked.update(source=source, params=params, name=name, branch=branch, actor=actor)
        return MutateOutput(branch or "main", name or "set_age", 1, 2, actor, COMMITS[1])

    def load(
        self,
        data: Any,
        mode: Any,
        *,
        branch: str | None = None,
        from_branch: str | None = None,
        actor: str | None = None,
        progress: Any = None,
    ) -> IngestOutput:
        text = data.read_text() if isinstance(data, Path) else data.read().decode()
        self.asked.update(data=text, mode=mode, branch=branch, from_branch=from_branch, actor=actor)
        if progress is not None:
            progress(len(text), len(text))
            self.asked["progress"] = True
        return IngestOutput.of_counts(
            [("node:Person", 2), ("edge:Knows", 1)],
            uri="/normal",
            branch=branch or "main",
            mode=mode,
            base_branch=from_branch,
            branch_created=from_branch is not None,
            actor_id=actor,
            commit=COMMITS[1],
        )

    def export(
        self,
        *,
        branch: str | None = None,
        snapshot: str | None = None,
        at: At | None = None,
        types: Sequence[str] = (),
        tables: Sequence[str] = (),
    ) -> Iterator[bytes]:
        self.asked.update(branch=branch, snapshot=snapshot, types=types, tables=tables)
        yield b'{"edge":"Knows","from":"a","to":"b","data":{"id":"e"}}\n'
        yield b'{"type":"Person","data":{"id":"a"}}\n'

    def snapshot(self, branch: str | None = None, *, snapshot: str | None = None, at: At | None = None) -> SnapshotOutput:
        self.asked.update(branch=branch)
        tables = [TableInfo("edge:Knows", "tables/1", 3, None, 12), TableInfo("node:Person", "tables/2", 4, "dev", 2)]
        return SnapshotOutput(branch or "main", 7, tables)

    def commits(
        self,
        branch: str | None = None,
        *,
        order: Order = "oldest",
        limit: int | None = None,
        actor: str | None = None,
        after: str | None = None,
    ) -> list[CommitInfo]:
        self.asked.update(branch=branch)
        listed = COMMITS if order == "oldest" else COMMITS[::-1]
        return [commit for commit in listed if actor is None or commit.actor_id == actor][:limit]

    def commit(self, commit_id: str) -> CommitInfo:
        for commit in COMMITS:
            if commit.graph_commit_id == commit_id:
                return commit
        raise NotFound(f"commit '{commit_id}' not found")

    def schema_source(self, branch: str | None = None, *, snapshot: str | None = None, at: At | None = None) -> str:
        return "node Person {\n  name: String @key\n}\n"

    def apply_schema(self, source: str, *, allow_data_loss: bool = False, actor: str | None = None) -> SchemaApplyOutput:
        self.asked.update(source=source, allow_data_loss=allow_data_loss, actor=actor)
        steps = [{"kind": "drop_type", "type_kind": "edge", "name": "Knows", "mode": "soft"}]
        return SchemaApplyOutput("somewhere", True, True, 1, 8, steps)


class CommandLine:
    """Runs command lines in this process, in a folder of their own, on a graph that is not there."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[bytes]) -> None:
        self.folder = folder
        self.graph = FakeGraph()
        self._capture = capture

    def __call__(self, *words: str) -> Outcome:
        self.graph.asked.clear()
        self._capture.readouterr()
        status = main(list(words))
        captured = self._capture.readouterr()
        return Outcome(status, captured.out.decode(), captured.err.decode(errors="surrogateescape"))

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMNIGRAPH_HOME", str(tmp_path / "home"))
    for name in ("OMNIGRAPH_CONFIG", "OMNIGRAPH_NO_LEGACY_CONFIG", "OMNIGRAPH_BEARER_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMNIGRAPH_SUPPRESS_YAML_DEPRECATION", "1")
    line = CommandLine(tmp_path, capsysbinary)

    def open_graph(uri: str, gate: Gate | None = None) -> FakeGraph:
        line.graph.asked.update(uri=uri)
        return line.graph

    def init_graph(uri: str, schema_source: str, *, force: bool = False) -> FakeGraph:
        line.graph.asked.update(uri=uri, schema=schema_source, force=force)
        return line.graph

    monkeypatch.setattr(embedded, "open_embedded", open_graph)
    monkeypatch.setattr(embedded, "init_embedded", init_graph)
    return line
