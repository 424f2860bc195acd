from __future__ import annotations

from pathlib import Path

import pytest

from omnigraph.config import strict_yaml
from omnigraph.config.migration import flow, plan_migration, write_migration
from omnigraph.errors import InvalidSetting, NotFound

PROJECT = """
project: {name: geo}
graphs:
  desk: {uri: ./desk.omni, policy: {file: rules/desk.yaml}, queries: {q: {file: q.gq}}}
  live: {uri: 'https://h/graphs/desk', bearer_token_env: T}
server: {bind: '0.0.0.0:1', policy: {file: server.yaml}}
auth: {env_file: .env}
cli: {graph: desk, branch: main, output_format: kv, actor: ada, table_max_column_width: 40, table_cell_layout: wrap}
query: {roots: [queries]}
aliases:
  ticket: {command: query, query: tickets.gq, name: by_ref, args: [ref]}
policy: {file: top.yaml}
queries: {stored: {file: s.gq}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ada", "ada"), ("https://h:1/x", "https://h:1/x"), ("a b", '"a b"'), ("true", '"true"'), ("", '""'), ("12", '"12"'),
        ("..", '".."'), ("é", '"é"'), (40, "40"), (["a", "b c"], '[a, "b c"]'), ({"k": ["v"], "e": []}, "{ k: [v], e: [] }"),
    ],
)  # fmt: skip
def test_values_on_one_line_read_back(value: object, text: str) -> None:
    assert flow(value) == text
    assert strict_yaml.parse(text) == value


def test_the_split() -> None:
    Path("omnigraph.yaml").write_text(PROJECT)
    plan = plan_migration(None)
    assert plan.source == "omnigraph.yaml"
    assert plan.operator_merge == {
        "operator.actor": "ada",
        "defaults.output": "kv",
        "defaults.table_max_column_width": "40",
        "defaults.table_cell_layout": "wrap",
        "servers.live.url": "https://h/graphs/desk",
        "aliases.ticket": "{ server: TODO-server-name, graph: TODO-graph-id, query: by_ref, args: [ref] }",
    }
    assert [key for key, _ in plan.dropped] == ["cli.graph", "cli.branch", "query.roots", "server.bind / server.graph"]
    assert plan.manual_steps == (
        "store the 'live' token in the keyed chain: echo $TOKEN | omnigraph login live (replaces bearer_token_env)",
        "alias 'ticket': move its query content ('tickets.gq') into the cluster checkout's queries/ so 'by_ref' becomes a "
        "catalog stored query",
        "auth.env_file keeps working during the window; prefer `omnigraph login <server>` per server going forward",
    )
    assert plan.cluster_yaml is not None
    assert strict_yaml.parse(plan.cluster_yaml) == {
        "version": 1,
        "metadata": {"name": "geo"},
        "graphs": {"desk": {"schema": None, "queries": "queries/"}},
        "policies": {
            "desk": {"file": "rules/desk.yaml", "applies_to": ["graph.desk"]},
            "server": {"file": "server.yaml", "applies_to": ["cluster"]},
            "top-level": {"file": "top.yaml", "applies_to": ["TODO-graph-id"]},
        },
    }
    for comment in ("# storage: ", "# formerly ./desk.omni", "schema: # TODO"):
        assert comment in plan.cluster_yaml


def test_a_name_without_a_proposal_is_dropped() -> None:
    Path("omnigraph.yaml").write_text("project: {name: geo}\ngraphs: {live: {uri: 'http://h'}}\n")
    plan = plan_migration(None)
    assert plan.cluster_yaml is None
    assert [key for key, _ in plan.dropped] == ["project.name"]


def test_nothing_to_migrate() -> None:
    with pytest.raises(NotFound, match=r"^no legacy config at 'omnigraph\.yaml' — nothing to migrate$"):
        plan_migration(None)


def test_writing_lets_existing_values_win(folder: Path) -> None:
    Path("omnigraph.yaml").write_text(PROJECT)
    home = {"OMNIGRAPH_HOME": str(folder / "home")}
    former = "# mine\noperator: {actor: me}\nservers: {live: {url: 'http://other'}}\nextra: 1\n"
    (folder / "home").mkdir()
    (folder / "home/config.yaml").write_text(former)
    written = write_migration(plan_migration(None), home)
    assert written == [
        f"backed up prior operator config to {folder}/home/config.yaml.bak",
        f"merged personal keys into {folder}/home/config.yaml",
        "wrote team-half proposal to cluster.yaml",
    ]
    assert (folder / "home/config.yaml.bak").read_text() == former
    merged = strict_yaml.parse((folder / "home/config.yaml").read_text())
    assert merged["operator"] == {"actor": "me"}
    assert merged["servers"] == {"live": {"url": "http://other"}}
    assert merged["defaults"]["output"] == "kv"
    assert merged["extra"] == 1
    again = write_migration(plan_migration(None), home)
    assert again == [
        "operator config already carries every personal key (nothing merged)",
        "wrote team-half proposal to cluster.yaml.proposed",
    ]
    assert (folder / "home/config.yaml.bak").read_text() == former
    assert Path("omnigraph.yaml").read_text() == PROJECT


def test_a_broken_operator_file_is_not_rewritten(folder: Path) -> None:
    Path("omnigraph.yaml").write_text(PROJECT)
    (folder / "config.yaml").write_text("operator: [")
    with pytest.raises(InvalidSetting):
        write_migration(plan_migration(None), {"OMNIGRAPH_HOME": str(folder)})
    assert (folder / "config.yaml").read_text() == "operator: ["
    assert not Path("cluster.yaml").exists()
