"""The catalog of stored queries, and calls by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnigraph.errors import InvalidSetting
from omnigraph.server.options import Options
from server.asgi import Browser
from server.conftest import Start
from server.worlds import QUERIES, boot, write_project


def test_catalog(guarded: Browser) -> None:
    assert guarded.get("/queries").json() == {
        "queries": [
            {
                "name": "by_name",
                "tool_name": "by_name",
                "mutation": False,
                "params": [
                    {"name": "name", "kind": "string", "nullable": False},
                    {"name": "tags", "kind": "list", "item_kind": "string", "nullable": True},
                ],
            },
            {"name": "people", "tool_name": "list_people", "description": "Everyone", "mutation": False, "params": []},
        ]
    }


def test_invoke(guarded: Browser) -> None:
    read = guarded.post("/queries/people")
    assert [row["p.name"] for row in read.json()["rows"]] == ["Bo", "Ida"]
    assert "deprecation" not in read.headers
    for body in (b"", b"null", b"{}", b"  "):
        assert guarded.post("/queries/people", body, content_type="text/plain").status == 200
    called = guarded.post("/queries/add_person", {"params": {"name": "Cy", "age": "41"}})
    assert called.json()["affected_nodes"] == 1
    assert called.json()["actor_id"] == "act-mara"
    assert guarded.post("/queries/by_name", {"params": {"name": "Cy"}}).json()["row_count"] == 1


def test_invoke_faults(guarded: Browser) -> None:
    for body in (b"{", b"[]", b'{"branch":1}', b"\xff"):
        answer = guarded.post("/queries/people", body)
        assert answer.status == 400
        assert answer.error.startswith("invalid stored-query invocation body: ")
    snapshot = guarded.post("/queries/add_person", {"snapshot": "x", "params": {"name": "x"}})
    assert (snapshot.status, snapshot.error) == (400, "stored mutation cannot target a snapshot")
    assert guarded.post("/queries/by_name").error == "parameter 'name' not provided"
    assert guarded.post("/queries/people", {"expect_mutation": True}).error == "'people' is a read — use omnigraph query people"
    wrong = guarded.post("/queries/add_person", {"expect_mutation": False, "params": {"name": "x"}})
    assert wrong.error == "'add_person' is a mutation — use omnigraph mutate add_person"
    assert guarded.post("/queries/people/if-graph-commit", headers={"Omnigraph-If-Graph-Commit": "x"}).status == 400


def test_a_denied_call_looks_like_an_unknown_query(guarded: Browser) -> None:
    unknown = guarded.post("/queries/ghost")
    bot = guarded.as_actor("k-nightly")
    denied = [bot.post("/queries/people"), bot.post("/queries/add_person", {"snapshot": "x"}), bot.post("/queries/ghost")]
    assert {(answer.status, answer.body) for answer in denied} == {(404, unknown.body)}
    assert unknown.json() == {"error": "stored query not found", "code": "not_found"}


def test_the_inner_gate_is_an_ordinary_denial(start: Start, graph: Path, tmp_path: Path) -> None:
    from server.worlds import with_tokens

    config = write_project(tmp_path)
    policy = (tmp_path / "policy.yaml").read_text()
    (tmp_path / "policy.yaml").write_text(
        policy + "  - { id: b, allow: { actors: { group: bots }, actions: [invoke_query] } }\n"
    )
    bot = start(Options(config=str(config)), with_tokens(), "k-nightly")
    assert bot.post("/queries/people").status == 200
    denied = bot.post("/queries/add_person", {"params": {"name": "x"}})
    assert (denied.status, denied.error) == (403, "policy denied action 'change' on branch 'main' for actor 'act-nightly'")


def refusal(folder: Path, queries: str, stored: str) -> str:
    config = write_project(folder, policy=False)
    text = config.read_text()
    start = text.index("    queries:")
    end = text.index("server:")
    config.write_text(text[:start] + "    queries:\n" + stored + text[end:])
    (folder / "stored.gq").write_text(queries)
    with pytest.raises(InvalidSetting) as caught:
        boot(Options(config=str(config), unauthenticated=True), {})
    return caught.value.message


def test_every_problem_of_a_registry_is_told(graph: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.gq").write_text("query (")
    message = refusal(
        tmp_path,
        QUERIES,
        "      bad: { file: bad.gq }\n      absent: { file: absent.gq }\n      ghost: { file: stored.gq }\n"
        "      people: { file: stored.gq, mcp: { tool_name: by_name } }\n      by_name: { file: stored.gq }\n",
    )
    lines = message.split("\n")
    assert lines[0] == f"graph '{tmp_path}/a.omni': stored-query registry failed to load:"
    assert lines[1].startswith("  stored query 'absent': cannot read '")
    assert lines[2].startswith("  stored query 'bad': parse error: ")
    assert lines[3] == (
        "  stored query 'ghost': no `query ghost` declaration found in its `.gq` file "
        "(the registry key must match the query symbol)"
    )
    assert lines[4] == "  stored query 'people': MCP tool name 'by_name' already claimed by exposed query 'by_name'"


def test_a_query_must_fit_the_schema(graph: Path, tmp_path: Path) -> None:
    message = refusal(
        tmp_path,
        "query a() { match { $x: Ghost } return { $x.y } }\nquery b() { match { $x: Spirit } return { $x.y } }",
        "      a: { file: stored.gq }\n      b: { file: stored.gq }\n",
    )
    lines = message.split("\n")
    assert lines[0] == "graph 'alpha': 2 stored queries failed the schema check:"
    assert lines[1].startswith("  query 'a': type error: ")
    assert len(lines) == 3
