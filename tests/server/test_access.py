"""Tokens, states and policies at the door."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnigraph.server.access import DEFAULT_DENY, SERVER_SCOPED
from omnigraph.server.options import Options
from server.asgi import Browser
from server.conftest import Start
from server.worlds import with_tokens, write_project

ADD = {"query": 'query add() { insert Person { name: "Cy" } }'}
PEOPLE = {"query": "query people() { match { $p: Person } return { $p.name } }"}
LINE = '{"type":"Person","data":{"name":"Cy"}}\n'

PROTECTED = [
    ("GET", "/graphs", None),
    ("GET", "/snapshot", None),
    ("POST", "/query", PEOPLE),
    ("POST", "/read", {"query_source": "x"}),
    ("POST", "/mutate", ADD),
    ("POST", "/change", ADD),
    ("POST", "/export", {}),
    ("GET", "/queries", None),
    ("POST", "/queries/people", None),
    ("GET", "/schema", None),
    ("POST", "/load", {"data": LINE}),
    ("POST", "/ingest", {"data": LINE}),
    ("GET", "/branches", None),
    ("POST", "/branches", {"name": "x"}),
    ("POST", "/branches/merge", {"source": "x"}),
    ("DELETE", "/branches/x", None),
    ("GET", "/commits", None),
    ("GET", "/commits/x", None),
]


@pytest.mark.parametrize(("method", "path", "body"), PROTECTED)
def test_every_route_wants_a_token_and_says_no_more(guarded: Browser, method: str, path: str, body: object) -> None:
    stranger = guarded.as_actor(None)
    answers = [
        stranger.send(method, path, body),
        stranger.send(method, path, body, headers={"Authorization": "Basic k-mara"}),
        stranger.send(method, path, body, headers={"Authorization": "Bearer"}),
        stranger.send(method, path, body, headers={"Authorization": "k-mara"}),
    ]
    assert {answer.body for answer in answers} == {b'{"error":"missing bearer token","code":"unauthorized"}'}
    wrong = [
        stranger.send(method, path, body, headers={"Authorization": value})
        for value in ("Bearer x", "Bearer ", "Bearer  k-mara", "Bearer k-mara ", "Bearer act-mara")
    ]
    assert {answer.body for answer in wrong} == {b'{"error":"invalid bearer token","code":"unauthorized"}'}
    assert {answer.status for answer in (*answers, *wrong)} == {401}
    assert {answer.headers["www-authenticate"] for answer in (*answers, *wrong)} == {"Bearer"}


def test_public_routes_never_look_at_the_token(guarded: Browser) -> None:
    for path in ("/healthz", "/openapi.json"):
        assert guarded.as_actor("nonsense").get(path).status == 200
    assert guarded.as_actor(None).get("/nowhere").status == 404
    assert guarded.as_actor(None).send("PUT", "/query").status == 405


def test_the_actor_comes_from_the_token_alone(guarded: Browser) -> None:
    lies = {"X-Actor-Id": "act-nightly", "X-Forwarded-User": "root"}
    answer = guarded.post("/mutate?actor=act-nightly&actor_id=x", {**ADD, "actor": "x", "actor_id": "y"}, headers=lies)
    assert answer.json()["actor_id"] == "act-mara"
    assert answer.json()["commit"]["actor_id"] == "act-mara"
    stranger = guarded.as_actor("k-stranger").post("/mutate", ADD, headers={"X-Actor-Id": "act-mara"})
    assert stranger.status == 403


def test_an_unknown_actor_is_denied_everywhere(guarded: Browser) -> None:
    stranger = guarded.as_actor("k-stranger")
    for method, path, body in PROTECTED:
        expected = {"/graphs": 405, "/queries/people": 404}.get(path, 403)
        assert stranger.send(method, path, body).status == expected, path
    denied = stranger.post("/mutate", ADD)
    assert denied.json() == {"error": "policy denied action 'change' for unknown actor 'act-stranger'", "code": "forbidden"}


def test_scopes(guarded: Browser) -> None:
    guarded.post("/branches", {"name": "draft"})
    bot = guarded.as_actor("k-nightly")
    assert bot.post("/query", PEOPLE).status == 200
    assert bot.post("/query", {**PEOPLE, "branch": "draft"}).status == 403
    denied = bot.post("/mutate", {**ADD, "branch": " main "})
    assert denied.error == "policy denied action 'change' on branch 'main' for actor 'act-nightly'"
    assert bot.post("/mutate", {**ADD, "branch": "Main"}).status == 404
    assert bot.post("/mutate", {**ADD, "branch": "draft"}).status == 200
    for path in ("/schema", "/branches", "/commits", "/commits/x"):
        assert bot.get(path).status == 403, "no branch: neither protected nor unprotected"
    assert bot.get("/commits?branch=main").status == 200
    assert bot.get("/queries").status == 200
    merge = bot.post("/branches/merge", {"source": "draft"})
    assert (
        merge.error == "policy denied action 'branch_merge' on branch 'draft' targeting branch 'main' for actor 'act-nightly'"
    )
    assert bot.delete("/branches/draft").error == (
        "policy denied action 'branch_delete' targeting branch 'draft' for actor 'act-nightly'"
    )


def test_a_snapshot_is_read_as_its_branch(guarded: Browser) -> None:
    guarded.post("/branches", {"name": "draft"})
    on_draft = guarded.post("/mutate", {**ADD, "branch": "draft"}).json()["commit"]["graph_commit_id"]
    on_main = guarded.get("/commits").json()["commits"][-1]["graph_commit_id"]
    bot = guarded.as_actor("k-nightly")
    assert bot.post("/query", {**PEOPLE, "snapshot": on_main}).status == 200
    assert bot.post("/query", {**PEOPLE, "snapshot": on_draft}).status == 403
    assert bot.post("/query", {**PEOPLE, "snapshot": "unknown"}).status == 404


def test_a_commit_that_may_not_be_read_looks_like_one_that_is_not_there(guarded: Browser) -> None:
    guarded.post("/branches", {"name": "draft"})
    secret = guarded.post("/mutate", {"query": 'query q() { insert Person { name: "Cy" } }', "branch": "draft"}).json()
    commit = secret["commit"]["graph_commit_id"]
    assert guarded.get(f"/commits/{commit}/changes").status == 200
    bot = guarded.as_actor("k-nightly")
    for hidden, missing in ((commit, "01ARZ3NDEKTSV4RRFFQ69G5FAV"), (commit[:1], "Z")):  # a first letter that all ids share
        answers = [bot.get(f"/commits/{one}/changes") for one in (hidden, missing)]
        assert [one.status for one in answers] == [404, 404]
        assert answers[0].body == answers[1].body.replace(missing.encode(), hidden.encode())


def test_a_load_that_forks_needs_two_permissions_before_anything_happens(guarded: Browser) -> None:
    bot = guarded.as_actor("k-nightly")
    denied = bot.post("/load", {"data": LINE, "branch": "draft", "from": "main"})
    assert denied.error == (
        "policy denied action 'branch_create' on branch 'main' targeting branch 'draft' for actor 'act-nightly'"
    )
    assert guarded.get("/branches").json() == {"branches": ["main"]}
    assert guarded.as_actor("k-stranger").post("/load", {"data": LINE, "branch": "ghost"}).status == 403
    assert bot.post("/load", {"data": LINE, "branch": "ghost"}).status == 404


def test_default_deny(start: Start, graph: Path, tmp_path: Path) -> None:
    config = write_project(tmp_path, policy=False)
    browser = start(Options(config=str(config)), with_tokens(), "k-stranger")
    for path in ("/snapshot", "/schema", "/branches", "/commits", "/queries"):
        assert browser.get(path).status == 200
    assert browser.post("/query", PEOPLE).status == 200
    for path, body in (("/mutate", ADD), ("/export", {}), ("/load", {"data": LINE}), ("/branches", {"name": "x"})):
        answer = browser.post(path, body)
        assert (answer.status, answer.error) == (403, DEFAULT_DENY)
    assert browser.post("/queries/people").status == 404
    assert browser.as_actor(None).get("/snapshot").status == 401
    assert "default-deny" in DEFAULT_DENY


def test_open_has_no_actor(open_server: Browser) -> None:
    answer = open_server.post("/mutate", ADD, headers={"Authorization": "Bearer x"})
    assert answer.json()["actor_id"] is None


def test_many_graphs(many: Browser) -> None:
    flat = Browser(many.application, many.loop, "k-mara")
    listed = flat.get("/graphs").json()["graphs"]
    assert [entry["graph_id"] for entry in listed] == ["alpha", "beta"]
    assert (
        flat.as_actor("k-nightly").get("/graphs").error == "policy denied action 'graph_list' for unknown actor 'act-nightly'"
    )
    assert flat.as_actor(None).get("/graphs").status == 401
    assert flat.get("/snapshot").status == 404
    assert many.post("/mutate", ADD).json()["actor_id"] == "act-mara"
    change = many.post("/change", ADD)
    assert change.headers["link"] == '</mutate>; rel="successor-version"'
    beta = Browser(many.application, many.loop, "k-mara", "/graphs/beta")
    assert beta.post("/query", PEOPLE).json()["row_count"] == 2
    assert beta.post("/mutate", ADD).error == DEFAULT_DENY
    missing = flat.get("/graphs/gamma/snapshot")
    assert (missing.status, missing.error) == (404, "graph 'gamma' not found")
    stranger = Browser(many.application, many.loop)
    assert stranger.get("/graphs/gamma/snapshot").body == stranger.get("/graphs/alpha/snapshot").body
    for bad, message in (
        ("%20", "graph_id ' ' must match"),
        ("a" * 65, f"graph_id '{'a' * 65}' is 65 chars; max 64"),
        ("healthz", "graph_id 'healthz' is reserved"),
        ("", "graph_id must not be empty"),
    ):
        answer = flat.get(f"/graphs/{bad}/snapshot")
        assert answer.status == 400
        assert answer.error.startswith(message)


def test_without_a_server_policy_nobody_lists_graphs(start: Start, graph: Path, tmp_path: Path) -> None:
    from server.worlds import make_graph

    make_graph(tmp_path / "b.omni")
    config = write_project(tmp_path, multi=True)
    browser = start(Options(config=str(config)), with_tokens(), "k-mara")
    answer = browser.get("/graphs")
    assert (answer.status, answer.error) == (403, SERVER_SCOPED)
    open_config = write_project(tmp_path, multi=True, policy=False)
    nobody = start(Options(config=str(open_config), unauthenticated=True), {})
    assert (nobody.get("/graphs").status, nobody.get("/graphs").error) == (403, SERVER_SCOPED)
    assert nobody.get("/graphs/beta/snapshot").status == 200


def test_who_am_i(guarded: Browser, open_server: Browser) -> None:
    found = guarded.as_actor("k-nightly").get("/whoami").json()
    assert (found["actor"], found["protected_branches"]) == ("act-nightly", ["main", "release"])
    answers = {row["action"]: row for row in found["actions"]}
    assert answers["change"] == {"action": "change", "protected": False, "unprotected": True, "without_branch": False}
    assert answers["invoke_query"]["protected"] is None
    assert "graph_list" not in answers
    assert guarded.as_actor("k-stranger").get("/whoami").json()["actions"][0]["unprotected"] is False
    assert guarded.as_actor(None).get("/whoami").status == 401
    everything = open_server.get("/whoami").json()
    assert everything["actor"] is None
    assert all(row["without_branch"] for row in everything["actions"])
