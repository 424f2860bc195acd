"""Mutations, loads and branches."""

from __future__ import annotations

import json

import pytest

from server.asgi import Browser

ADD = "query add($name: String) { insert Person { name: $name } }"
AGE = "query age($name: String, $age: I32) { update Person set { age: $age } where name = $name }"
PEOPLE = "query people() { match { $p: Person } return { $p.name as n } order { n asc } }"
LINE = '{"type":"Person","data":{"name":"%s"}}\n'


def names(browser: Browser, branch: str = "main") -> list[str]:
    return [row["n"] for row in browser.post("/query", {"query": PEOPLE, "branch": branch}).json()["rows"]]


@pytest.mark.parametrize("path", ["/mutate", "/change"])
@pytest.mark.parametrize(("source", "name"), [("query", "name"), ("query_source", "query_name")])
def test_mutate_takes_both_spellings(open_server: Browser, path: str, source: str, name: str) -> None:
    answer = open_server.post(path, {source: ADD, name: "add", "params": {"name": "Cy"}})
    document = answer.json()
    commit = document.pop("commit")
    assert document == {"branch": "main", "query_name": "add", "affected_nodes": 1, "affected_edges": 0, "actor_id": None}
    assert open_server.get(f"/commits/{commit['graph_commit_id']}").json() == commit
    assert ("deprecation" in answer.headers) == (path == "/change")
    assert names(open_server) == ["Bo", "Cy", "Ida"]


def test_mutate_faults(open_server: Browser) -> None:
    read = open_server.post("/mutate", {"query": PEOPLE})
    assert (read.status, read.error) == (400, "mutation execution called on a read query; use query instead")
    assert open_server.post("/mutate", {"query": ADD}).error == "parameter 'name' not provided"
    assert open_server.post("/mutate", {"query": ADD, "branch": "draft", "params": {"name": "x"}}).status == 404
    assert open_server.post("/mutate", {"name": "add"}).status == 422
    assert open_server.post("/mutate", {"query": ADD, "query_source": ADD}).status == 422
    nothing = open_server.post("/mutate", {"query": AGE, "params": {"name": "nobody", "age": 1}}).json()
    assert (nothing["affected_nodes"], nothing["commit"]) == (0, None)


def test_load(open_server: Browser) -> None:
    answer = open_server.post("/load", {"data": LINE % "Cy" + LINE % "Di", "from": "anything"})
    document = answer.json()
    assert document.pop("commit")["manifest_version"] == 3
    uri = document.pop("uri")
    assert document == {
        "branch": "main",
        "base_branch": "anything",
        "branch_created": False,
        "mode": "merge",
        "tables": [{"table_key": "node:Person", "rows_loaded": 2}],
        "actor_id": None,
    }
    assert uri.endswith("/a.omni")
    assert names(open_server) == ["Bo", "Cy", "Di", "Ida"]


def test_load_conflicts_and_faults(open_server: Browser) -> None:
    stored = open_server.post("/load", {"data": LINE % "Ida", "mode": "append"})
    assert stored.status == 409
    assert stored.error == "key conflict: node:Person already has id 'Ida'"
    assert stored.json()["key_conflict"] == {"table_key": "node:Person", "row_id": "Ida"}
    assert open_server.post("/load", {"data": LINE % "Cy", "mode": "replace"}).status == 422
    assert open_server.post("/load", {"data": "{"}).status == 400
    missing = open_server.post("/load", {"data": LINE % "Cy", "branch": "draft"})
    assert (missing.status, missing.error) == (404, "branch 'draft' not found; pass `from` to create it")
    assert open_server.get("/branches").json() == {"branches": ["main"]}


def test_ingest_forks_when_a_base_is_named(open_server: Browser) -> None:
    answer = open_server.post("/ingest", {"data": LINE % "Cy", "branch": " draft ", "from": "main", "mode": "append"})
    assert answer.headers["link"] == '</load>; rel="successor-version"'
    document = answer.json()
    assert (document["branch"], document["branch_created"], document["base_branch"]) == ("draft", True, "main")
    assert names(open_server) == ["Bo", "Ida"]
    assert names(open_server, "draft") == ["Bo", "Cy", "Ida"]
    missing = open_server.post("/load", {"data": LINE % "Cy", "branch": "other", "from": "ghost"})
    assert (missing.status, missing.error) == (404, "branch 'ghost' not found")


def test_branches(open_server: Browser) -> None:
    created = open_server.post("/branches", {"name": "review/new-hires"}).json()
    assert created["from"] == "main"
    assert created["name"] == "review/new-hires"
    assert created["actor_id"] is None
    again = open_server.post("/branches", {"name": "review/new-hires", "from": "main"})
    assert (again.status, again.code, again.error) == (409, "conflict", "branch 'review/new-hires' already exists")
    open_server.post("/branches", {"name": "below", "from": "review/new-hires"})
    needed = open_server.delete("/branches/review%2Fnew-hires")
    assert needed.status == 409
    assert needed.error == "cannot delete branch 'review/new-hires' because descendant branch 'below' still depends on it"
    assert open_server.delete("/branches/review/new-hires").status == 404
    assert open_server.delete("/branches/below").json() == {"uri": created["uri"], "name": "below", "actor_id": None}
    assert open_server.delete("/branches/review%2Fnew-hires").status == 200
    assert open_server.delete("/branches/below").status == 404
    for path, body, status, message in (
        ("/branches", {"name": "main"}, 400, "cannot create branch 'main'"),
        ("/branches", {"name": " "}, 400, "branch name cannot be empty"),
        ("/branches", {"name": "x", "from": "ghost"}, 404, "branch 'ghost' not found"),
    ):
        answer = open_server.post(path, body)
        assert (answer.status, answer.error) == (status, message)
    assert open_server.delete("/branches/main").error == "cannot delete branch 'main'"
    assert open_server.delete("/branches/%20").error == "branch name cannot be empty"


def test_merge(open_server: Browser) -> None:
    open_server.post("/branches", {"name": "draft"})
    merge = {"source": " draft ", "target": "main"}
    assert open_server.post("/branches/merge", merge).json()["outcome"] == "already_up_to_date"
    open_server.post("/mutate", {"query": ADD, "params": {"name": "Cy"}, "branch": "draft"})
    document = open_server.post("/branches/merge", {"source": "draft"}).json()
    assert (document["source"], document["target"], document["outcome"]) == ("draft", "main", "fast_forward")
    assert "branch_deleted" not in document
    assert names(open_server) == ["Bo", "Cy", "Ida"]
    open_server.post("/mutate", {"query": AGE, "params": {"name": "Ida", "age": 1}, "branch": "draft"})
    open_server.post("/mutate", {"query": AGE, "params": {"name": "Ida", "age": 2}})
    conflict = open_server.post("/branches/merge", merge)
    assert conflict.status == 409
    assert conflict.error == "merge conflicts: node:Person:Ida (divergent_update)"
    assert conflict.json()["merge_conflicts"][0]["kind"] == "divergent_update"
    same = open_server.post("/branches/merge", {"source": "main"})
    assert (same.status, same.error) == (400, "branch_merge requires distinct source and target branches")


def test_a_merge_is_previewed_and_settled_by_a_strategy(open_server: Browser) -> None:
    open_server.post("/branches", {"name": "draft"})
    open_server.post("/mutate", {"query": AGE, "params": {"name": "Ida", "age": 1}, "branch": "draft"})
    open_server.post("/mutate", {"query": AGE, "params": {"name": "Ida", "age": 2}})
    asked = {"source": "draft", "target": "main"}
    preview = open_server.post("/branches/merge/preview", asked).json()
    assert (preview["outcome"], preview["mergeable"], preview["changes"]) == ("merged", False, [])
    (conflict,) = preview["merge_conflicts"]
    ages = [conflict[side]["row"]["properties"]["age"] for side in ("ours", "theirs")]
    assert ages == [2, 1]
    assert conflict == open_server.post("/branches/merge", asked).json()["merge_conflicts"][0]
    for strategy in ("mine", {"Person": "mine"}, {"Ghost": "ours"}):
        assert open_server.post("/branches/merge", {**asked, "strategy": strategy}).status == 400
        assert open_server.post("/branches/merge/preview", {**asked, "strategy": strategy}).status == 400
    assert open_server.post("/branches/merge/preview", {**asked, "strategy": "theirs"}).json()["mergeable"] is True
    merged = open_server.post("/branches/merge", {**asked, "strategy": {"Person": "theirs"}}).json()
    assert merged["outcome"] == "merged"
    assert merged["settled"] == [{"table_key": "node:Person", "strategy": "theirs", "rows": 1}]
    commit = open_server.get(f"/commits/{merged['commit']['graph_commit_id']}").json()
    assert commit["settled"] == merged["settled"]


def test_merge_may_delete_its_source(open_server: Browser) -> None:
    for name in ("draft", "other", "below"):
        open_server.post("/branches", {"name": name, "from": "other" if name == "below" else "main"})
    deleted = open_server.post("/branches/merge", {"source": "draft", "delete_branch": True}).json()
    assert deleted["branch_deleted"] is True
    kept = open_server.post("/branches/merge", {"source": "other", "delete_branch": True}).json()
    assert kept["branch_deleted"] is False
    assert "descendant branch 'below'" in kept["branch_delete_error"]
    assert open_server.get("/branches").json() == {"branches": ["below", "main", "other"]}


def test_conditional_mutation(open_server: Browser) -> None:
    path, body = "/mutate/if-graph-commit", {"query": ADD, "params": {"name": "Cy"}}
    head = open_server.get("/commits").json()["commits"][-1]["graph_commit_id"]
    assert open_server.post(path, body).error == "Omnigraph-If-Graph-Commit is required on this conditional mutation route"
    for bad in ("", "*", f'"{head}"', "W/x", "a,b"):
        assert open_server.post(path, body, headers={"Omnigraph-If-Graph-Commit": bad}).status == 400
    assert open_server.post(path, body, headers={"Omnigraph-If-Graph-Commit": head}).status == 200
    lost = open_server.post(path, body, headers={"Omnigraph-If-Graph-Commit": head})
    assert lost.status == 412
    document = lost.json()
    actual = document["precondition_failure"]["actual"]
    assert "again" in document.pop("hint")
    assert document == {
        "error": f"precondition failed on branch 'main': expected head '{head}' but current is {actual}",
        "precondition_failure": {"expected": head, "actual": actual},
    }
    for other in ("/mutate", "/change", "/load", "/branches"):
        answer = open_server.post(other, {"query": ADD, "data": "", "name": "x"}, headers={"Omnigraph-If-Graph-Commit": head})
        assert answer.status == 400
        assert "fail-closed conditional route /mutate/if-graph-commit" in answer.error


def test_writes_to_one_branch_keep_their_order_and_their_errors(open_server: Browser) -> None:
    requests = [open_server.request("POST", "/mutate", {"query": ADD, "params": {"name": f"P{i}"}}) for i in range(12)]
    requests.insert(5, open_server.request("POST", "/mutate", {"query": "query x("}))
    answers = open_server.together(*requests)
    assert [answer.status for answer in answers] == [200] * 5 + [400] + [200] * 7
    versions = [answer.json()["commit"]["manifest_version"] for answer in answers if answer.status == 200]
    assert versions == sorted(set(versions))
    assert len(names(open_server)) == 14
    graph = open_server.application.service.only_graph.graph
    assert graph._main.current().cut.entry.position.seq < len(versions), "they share records"


def test_the_body_of_an_error_holds_no_trace(open_server: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    served = open_server.application.service.only_graph

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret /private/path")

    monkeypatch.setattr(served.graph, "snapshot", broken)
    answer = open_server.get("/snapshot")
    assert (answer.status, json.loads(answer.body)) == (500, {"error": "internal error", "code": "internal"})
