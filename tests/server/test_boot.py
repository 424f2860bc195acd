"""Which graphs are served, and every reason not to serve."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnigraph.errors import OmnigraphError
from omnigraph.server.access import RuntimeState
from omnigraph.server.boot import BootPlan, normalized_uri, plan_boot
from omnigraph.server.options import Options
from server.worlds import POLICY, QUERIES, SERVER_POLICY, TOKENS, boot, make_graph, with_tokens

GRAPHS = "graphs:\n  research: { uri: ./stores/research.omni }\n  archive: { uri: 's3://acme/graphs/archive//' }\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(POLICY)
    (tmp_path / "s.yaml").write_text(SERVER_POLICY)
    (tmp_path / "q.gq").write_text(QUERIES)
    return tmp_path


def write(text: str, name: str = "omnigraph.yaml") -> str:
    Path(name).write_text(text)
    return name


def refusal(options: Options, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(OmnigraphError) as caught:
        boot(options, environment or {})
    return caught.value.message


def uris(plan: BootPlan) -> list[str]:
    return [graph.uri for graph in plan.graphs]


def test_a_uri_wins(folder: Path) -> None:
    config = write(GRAPHS + "server: { graph: research, bind: '0.0.0.0:9000' }\npolicy: { file: p.yaml }\n")
    plan = plan_boot(Options(uri="x/../y.omni/", target="archive", config=config), {})
    assert (plan.mode, uris(plan), plan.bind) == ("single", [f"{folder}/y.omni"], "0.0.0.0:9000")
    assert plan.graphs[0].policy_id == f"{folder}/y.omni"
    assert plan.graphs[0].policy_file == f"{folder}/p.yaml"
    assert plan_boot(Options(uri="y", config=config, bind="[::1]:0"), {}).bind == "[::1]:0"


def test_a_target_wins_over_the_configured_graph(folder: Path) -> None:
    config = write(GRAPHS + "server: { graph: research }\n")
    plan = plan_boot(Options(target="archive", config=config), {})
    assert (plan.mode, uris(plan), plan.graphs[0].policy_id) == ("single", ["s3://acme/graphs/archive"], "archive")
    found = plan_boot(Options(), {})
    assert (uris(found), found.bind) == ([f"{folder}/stores/research.omni"], "127.0.0.1:8080")
    assert refusal(Options(target="ghost", config=config)) == "graph 'ghost' not found in omnigraph.yaml"


def test_many_graphs_need_the_flag(folder: Path) -> None:
    config = write(GRAPHS, "other.yaml")
    plan = plan_boot(Options(config=config), {})
    assert plan.mode == "multi"
    assert [graph.policy_id for graph in plan.graphs] == ["archive", "research"]
    with pytest.raises(OmnigraphError, match="no graph to serve: pass a URI"):
        plan_boot(Options(), {"OMNIGRAPH_CONFIG": config})
    write(GRAPHS)
    message = refusal(Options())
    for way in ("a URI", "--target <name> --config omnigraph.yaml", "server.graph: <name>", "graphs:", "--config"):
        assert way in message


def test_cluster_is_exclusive() -> None:
    write("graphs: [malformed")
    expected = "--cluster is an exclusive boot source; it cannot combine with a graph URI, --target, or --config"
    for options in (Options(cluster="c", uri="g"), Options(cluster="c", target="t"), Options(cluster="c", config="f")):
        assert expected in refusal(options)
    assert "is not ready to serve" in refusal(Options(cluster="c"))


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("policy: { file: p.yaml }\n", "policy.file is"),
        ("queries: { people: { file: q.gq } }\n", "queries is"),
        ("policy: { file: p.yaml }\nqueries: { people: { file: q.gq } }\n", "policy.file and queries are"),
    ],
)
def test_blocks_that_would_be_ignored(text: str, blocks: str) -> None:
    config = write(GRAPHS + text)
    named = refusal(Options(target="research", config=config))
    assert named.startswith(f"named graph 'research' uses its own `graphs.research.…` block, but top-level {blocks} set")
    many = refusal(Options(config=config))
    assert many.startswith(f"multi-graph mode: top-level {blocks} not honored — each graph uses its own")


@pytest.mark.parametrize(
    ("graph_id", "reason"),
    [
        ("a_b", "graph_id 'a_b' must match ^[a-zA-Z0-9-]{1,64}$"),
        ("graphs", "graph_id 'graphs' is reserved"),
        ("x" * 65, f"graph_id '{'x' * 65}' is 65 chars; max 64"),
    ],
)
def test_graph_ids(graph_id: str, reason: str) -> None:
    config = write(f"graphs: {{ '{graph_id}': {{ uri: ./g }} }}")
    message = refusal(Options(config=config))
    assert message.startswith(f"invalid graph id '{graph_id}' in omnigraph.yaml: {reason}")
    assert plan_boot(Options(target=graph_id, config=config), {}).mode == "single"


def test_states() -> None:
    def state(tokens: bool, policy: bool, consent: bool) -> str:
        try:
            return RuntimeState.of(has_tokens=tokens, has_policy=policy, consent=consent).value
        except OmnigraphError as error:
            return error.message.partition(".")[0].partition(" — ")[0]

    nothing = "server has no bearer tokens and no policy file configured"
    unmatched = "policy file is configured but no bearer tokens"
    assert [state(False, False, False), state(False, False, True)] == [nothing, "open"]
    assert [state(True, False, False), state(True, False, True)] == ["default-deny"] * 2
    assert [state(False, True, False), state(False, True, True)] == [unmatched] * 2
    assert [state(True, True, False), state(True, True, True)] == ["policy-enabled"] * 2


def test_the_order_of_refusals(folder: Path) -> None:
    config = write(
        "graphs:\n  a:\n    uri: ./missing.omni\n    policy: { file: absent.yaml }\n    queries: { ghost: { file: q.gq } }\n"
        "server: { graph: a }\n"
    )
    assert "stored-query registry failed to load" in refusal(Options(config=config))
    write(Path(config).read_text().replace("ghost", "people"))
    assert "policy file is configured but no bearer tokens" in refusal(Options(config=config))
    assert "missing.omni" in refusal(Options(config=config), with_tokens())
    make_graph(folder / "missing.omni")
    assert "could not read policy file" in refusal(Options(config=config), with_tokens())
    assert "duplicate bearer token" in refusal(Options(config=config), with_tokens(OMNIGRAPH_SERVER_BEARER_TOKEN="k-mara"))


def test_many_graphs_that_cannot_be_served(folder: Path) -> None:
    config = write("graphs: { a: { uri: ./a.omni }, b: { uri: ./b.omni } }")
    consent = Options(config=config, unauthenticated=True)
    make_graph(folder / "a.omni")
    assert refusal(consent).startswith(f"open graph 'b' at {folder}/b.omni: ")
    write(f"graphs: {{ a: {{ uri: ./a.omni }}, b: {{ uri: 'file://{folder}/x/../a.omni/' }} }}")
    assert refusal(consent) == f"multi-graph registry: URI '{folder}/a.omni' is already registered as another graph"


def test_policies_of_the_wrong_kind(folder: Path) -> None:
    make_graph(folder / "a.omni")
    graph = write("graphs: { a: { uri: ./a.omni, policy: { file: s.yaml } } }")
    assert "uses server-scoped action 'graph_list' in a Graph policy file" in refusal(Options(config=graph), with_tokens())
    server = write("graphs: { a: { uri: ./a.omni } }\nserver: { policy: { file: p.yaml } }")
    assert "in a Server policy file" in refusal(Options(config=server), with_tokens())
    single = write("graphs: { a: { uri: ./a.omni } }\nserver: { graph: a, policy: { file: absent.yaml } }")
    service, _ = boot(Options(config=single), with_tokens())
    assert service.state is RuntimeState.DEFAULT_DENY
    service.close()


def test_files_that_cannot_be_read() -> None:
    assert "absent.yaml" in refusal(Options(config="absent.yaml"))
    assert "could not parse config" in refusal(Options(config=write("graphs: [")))
    write("server: { graph: a }")
    with pytest.raises(OmnigraphError, match="OMNIGRAPH_NO_LEGACY_CONFIG"):
        plan_boot(Options(), {"OMNIGRAPH_NO_LEGACY_CONFIG": ""})


def test_addresses(folder: Path) -> None:
    assert normalized_uri("g/") == f"{folder}/g"
    assert normalized_uri(f"file://{folder}/./g") == f"{folder}/g"
    assert normalized_uri("s3://b/k//") == "s3://b/k"
    assert len(TOKENS) == 3
