"""One policy, asked at the door and inside the engine: the same answer for every write, actor and branch."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

import omnigraph
from omnigraph.errors import Forbidden, OmnigraphError
from omnigraph.graph.graph import Graph
from omnigraph.policy.action import ACTIONS, ActionName
from omnigraph.policy.engine import compile_policy, load_policy
from omnigraph.policy.gate import PolicyGate
from omnigraph.server.access import Access, RuntimeState
from server.asgi import Browser, Response
from server.worlds import POLICY, TOKENS

ADD = 'query add() { insert Person { name: "Cy" } }'
LINE = '{"type":"Person","data":{"name":"Cy"}}\n'
ACTORS = tuple(TOKENS)
BRANCHES = ("main", "draft", "release", " main ", "Main")
SCOPED = """\
version: 1
groups: { curators: [act-mara], bots: [act-nightly] }
protected_branches: [main, release]
rules:
  - { id: a, allow: { actors: { group: curators }, actions: [change], branch_scope: protected } }
  - { id: b, allow: { actors: { group: bots }, actions: [change], branch_scope: unprotected } }
  - { id: c, allow: { actors: { group: curators }, actions: [branch_create, branch_delete], target_branch_scope: unprotected } }
  - { id: d, allow: { actors: { group: bots }, actions: [branch_merge], target_branch_scope: unprotected } }
  - { id: e, allow: { actors: { group: curators }, actions: [branch_merge, schema_apply], target_branch_scope: protected } }
"""

Write = tuple[Callable[[Browser, str], Response], Callable[[Graph, str, str], object]]
WRITES: dict[str, Write] = {
    "mutate": (
        lambda server, branch: server.post("/mutate", {"query": ADD, "branch": branch}),
        lambda graph, branch, actor: graph.mutate(ADD, branch=branch, actor=actor),
    ),
    "change": (
        lambda server, branch: server.post("/change", {"query_source": ADD, "branch": branch}),
        lambda graph, branch, actor: graph.mutate(ADD, branch=branch, actor=actor),
    ),
    "load": (
        lambda server, branch: server.post("/load", {"data": LINE, "branch": branch}),
        lambda graph, branch, actor: graph.load(LINE.encode(), "merge", branch=branch, actor=actor),
    ),
    "load that may fork": (
        lambda server, branch: server.post("/load", {"data": LINE, "branch": branch, "from": "main"}),
        lambda graph, branch, actor: graph.load(LINE.encode(), "merge", branch=branch, from_branch="main", actor=actor),
    ),
    "create": (
        lambda server, branch: server.post("/branches", {"name": branch, "from": "main"}),
        lambda graph, branch, actor: graph.create_branch(branch, from_branch="main", actor=actor),
    ),
    "delete": (
        lambda server, branch: server.delete(f"/branches/{branch.replace(' ', '%20')}"),
        lambda graph, branch, actor: graph.delete_branch(branch, actor=actor),
    ),
    "merge": (
        lambda server, branch: server.post("/branches/merge", {"source": "side", "target": branch}),
        lambda graph, branch, actor: graph.merge("side", into=branch, actor=actor),
    ),
}

Failing = tuple[Callable[[Browser, str], Response], ActionName, bool, bool]
FAILING: tuple[Failing, ...] = (
    (lambda server, branch: server.post("/query", {"query": "no query", "branch": branch}), "read", True, False),
    (lambda server, branch: server.post("/export", {"type_names": ["Ghost"], "branch": branch}), "export", True, False),
    (lambda server, branch: server.post("/mutate", {"query": "no query", "branch": branch}), "change", True, False),
    (lambda server, branch: server.post("/branches", {"name": branch, "from": branch}), "branch_create", True, True),
    (lambda server, branch: server.delete(f"/branches/{branch.replace(' ', '%20')}"), "branch_delete", False, True),
    (lambda server, branch: server.post("/branches/merge", {"source": branch, "target": branch}), "branch_merge", True, True),
)


@pytest.mark.parametrize("text", [POLICY, SCOPED], ids=["by group", "by scope"])
def test_the_engine_decides_as_the_door_does(guarded: Browser, graph: Path, text: str) -> None:
    engine = compile_policy(text, "Graph", "alpha", label="test")
    served = guarded.application.service.only_graph
    with omnigraph.open(str(graph)) as stored:
        stored.create_branch("side")
        served.graph.gate = stored.gate = PolicyGate(engine)
        served.access = Access(RuntimeState.POLICY_ENABLED, engine)
        for (name, (over_http, embedded)), branch in itertools.product(WRITES.items(), BRANCHES):
            for actor in ACTORS:
                before = stored.branches(), len(stored.commits())
                answer = over_http(guarded.as_actor(TOKENS[actor]), branch)
                reached = (stored.branches(), len(stored.commits())) != before
                denied = None
                if not reached:  # else the second write would meet another graph
                    try:
                        embedded(stored, branch, actor)
                    except Forbidden as error:
                        denied = error
                    except OmnigraphError:
                        pass
                where = (name, branch, actor, answer.body)
                assert (answer.status == 403) == (denied is not None), where
                if denied is not None:
                    assert denied.message == f"policy: policy denied: {answer.error}", where
                    assert (stored.branches(), len(stored.commits())) == before, where
            if name in ("create", "load that may fork") and branch.strip() not in ("main", "side"):
                stored.gate = None
                if branch.strip() in stored.branches():
                    stored.delete_branch(branch)
                stored.gate = PolicyGate(engine)


def test_random_policies_decide_over_http_as_they_do_alone(guarded: Browser) -> None:
    """What is asked for fails behind the door: a policy alone decides between a 403 and another failure."""
    luck = random.Random(11)
    served = guarded.application.service.only_graph
    actions = [name for name in ACTIONS if name not in ("graph_list", "admin", "invoke_query")]
    for _ in range(40):
        rules = []
        for number in range(luck.randint(0, 4)):
            action, scope = luck.choice(actions), luck.choice([None, "any", "protected", "unprotected"])
            narrowed = {} if scope is None else {ACTIONS[action].scope: scope}
            allow = {"actors": {"group": luck.choice("gh")}, "actions": [action], **narrowed}
            rules.append({"id": f"r{number}", "allow": allow})
        members = [luck.sample(ACTORS, luck.randint(1, len(ACTORS))) for _ in "gh"]
        document = {"version": 1, "groups": dict(zip("gh", members, strict=True)), "protected_branches": ["main", "odd"]}
        engine = compile_policy(json.dumps({**document, "rules": rules}).encode(), "Graph", "alpha", label="test")
        served.access, served.graph.gate = Access(RuntimeState.POLICY_ENABLED, engine), PolicyGate(engine)
        for _ in range(6):
            actor, branch = luck.choice(ACTORS), luck.choice(["main", "odd", "draft", " odd "])
            send, action, names, target = luck.choice(FAILING)
            answer = send(guarded.as_actor(TOKENS[actor]), branch)
            name = branch.strip()
            decision = engine.decide(actor, action, name if names else None, name if target else None)
            assert answer.status >= 400
            assert (answer.status == 403) == (not decision.allowed), (answer, decision, document, rules)
            if not decision.allowed:
                assert answer.error == decision.message


def test_the_engine_refuses_what_the_door_let_through(guarded: Browser) -> None:
    served = guarded.application.service.only_graph
    served.access = Access(RuntimeState.OPEN)
    for over_http, _ in WRITES.values():
        answer = over_http(guarded.as_actor("k-stranger"), "main")
        assert (answer.status, answer.code) == (403, "forbidden")
        assert answer.error.startswith("policy: policy denied: policy denied action '")
    assert guarded.get("/branches").json() == {"branches": ["main"]}


def test_a_write_without_an_actor_never_passes(graph: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(POLICY)
    with omnigraph.open(str(graph), gate=PolicyGate(load_policy(path, "Graph", "x"))) as stored:
        for write in (
            lambda: stored.mutate(ADD),
            lambda: stored.load(LINE.encode(), "merge"),
            lambda: stored.load(LINE.encode(), "merge", branch="new", from_branch="main"),
            lambda: stored.create_branch("x"),
            lambda: stored.delete_branch("x"),
            lambda: stored.merge("x"),
        ):
            with pytest.raises(Forbidden, match="no actor for engine-layer policy check"):
                write()
        assert stored.branches() == ["main"]
        assert len(stored.query("query q() { match { $p: Person } return { $p.name } }")) == 2
        assert stored.mutate(ADD, actor="act-mara").affected_nodes == 1


def test_a_created_branch_without_a_source_has_no_branch_to_decide_by(graph: Path) -> None:
    engine = compile_policy(SCOPED, "Graph", "x", label="test")
    with omnigraph.open(str(graph), gate=PolicyGate(engine)) as stored:
        with pytest.raises(Forbidden) as refused:
            stored.create_branch("release", actor="act-mara")
        assert refused.value.message == (
            "policy: policy denied: policy denied action 'branch_create' targeting branch 'release' for actor 'act-mara'"
        )
        assert stored.create_branch("draft", actor="act-mara").name == "draft"
