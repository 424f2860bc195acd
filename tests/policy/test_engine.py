"""Decisions against a model in plain Python, for every action, scope and kind of request."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnigraph.errors import Forbidden, OmnigraphError
from omnigraph.policy import cedar
from omnigraph.policy.action import ACTIONS, action_named
from omnigraph.policy.document import ActorSelector, Allow, PolicyDocument, Rule, check_document
from omnigraph.policy.engine import Decision, PolicyEngine, compile_policy
from omnigraph.policy.gate import PolicyGate
from policy.texts import GRAPH_POLICY, SERVER_POLICY

BRANCHES = (None, "main", "draft", "Main", " main ")
SCOPES = (None, "any", "protected", "unprotected")


def rule(rule_id: str, group: str, actions: list[str], scope: str | None = None) -> Rule:
    key = ACTIONS[actions[0]].scope
    scopes = {} if scope is None or key is None else {key: scope}
    return Rule(rule_id, Allow(ActorSelector(group), actions, **scopes))  # type: ignore[arg-type]


def expected(document: PolicyDocument, actor: str, action: str, branch: str | None, target: str | None) -> str | None:
    """The rule that allows a request, worked out the slow way."""
    matched = []
    for item in document.rules:
        if actor not in document.groups[item.allow.actors.group] or action not in item.allow.actions:
            continue
        if item.allow.scope is not None and item.allow.scope[1] != "any":
            key, scope = item.allow.scope
            looked_at = branch if key == "branch_scope" else target
            if looked_at is None or (looked_at.strip() in document.protected_branches) != (scope == "protected"):
                continue
        matched.append(item.id)
    return min(matched, default=None)


@pytest.mark.parametrize("action", [name for name in ACTIONS if name != "graph_list"])
@pytest.mark.parametrize("scope", SCOPES)
def test_truth_table(action: str, scope: str | None) -> None:
    if scope is not None and ACTIONS[action].scope is None:
        pytest.skip("the action takes no scope")
    document = PolicyDocument(1, {"g": ["in"], "h": ["other"]}, ["main"], [rule("r", "g", [action], scope)])
    check_document(document, "Graph")
    engine = PolicyEngine(document, "Graph", "demo")
    for asked, actor, branch, target in itertools.product(ACTIONS, ("in", "other", "nobody"), BRANCHES, BRANCHES):
        decision = engine.decide(actor, asked, branch, target)
        assert decision.matched_rule_id == expected(document, actor, asked, branch, target)
        assert decision.allowed == (decision.matched_rule_id is not None)


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6).filter(lambda text: bool(text.strip()))


@st.composite
def documents(draw: st.DrawFn) -> PolicyDocument:
    groups = draw(st.dictionaries(names, st.lists(names, min_size=1, max_size=3), min_size=1, max_size=3))
    graph_actions = [name for name in ACTIONS if name != "graph_list"]
    rules = []
    for rule_id in draw(st.lists(names, unique=True, max_size=4)):
        action = draw(st.sampled_from(graph_actions))
        rules.append(rule(rule_id, draw(st.sampled_from(sorted(groups))), [action], draw(st.sampled_from(SCOPES))))
    return PolicyDocument(1, groups, draw(st.lists(names, max_size=2)), rules)


@settings(max_examples=60, deadline=None)
@given(documents(), names, st.data())
def test_random_policies_at_the_door_and_in_the_engine(document: PolicyDocument, graph_id: str, data: st.DataObject) -> None:
    check_document(document, "Graph")
    engine = PolicyEngine(document, "Graph", graph_id)
    gate = PolicyGate(engine)
    branches = st.none() | names | st.sampled_from([*document.protected_branches, "main"])
    for _ in range(6):
        actor = data.draw(st.sampled_from([*document.actors, "nobody"]))
        action, branch, target = data.draw(st.sampled_from(list(ACTIONS))), data.draw(branches), data.draw(branches)
        decision = engine.decide(actor, action, branch, target)
        assert decision.matched_rule_id == _stripped(document, actor, action, branch, target)
        if decision.allowed:
            gate.check(actor, action, branch=branch, target_branch=target)  # type: ignore[arg-type]
        else:
            with pytest.raises(Forbidden) as caught:
                gate.check(actor, action, branch=branch, target_branch=target)  # type: ignore[arg-type]
            assert caught.value.message == f"policy: policy denied: {decision.message}"


def _stripped(document: PolicyDocument, actor: str, action: str, branch: str | None, target: str | None) -> str | None:
    return expected(document, actor, action, branch, target)


def test_messages() -> None:
    engine = compile_policy(GRAPH_POLICY, "Graph", "research", label="p")
    assert engine.decide("act-mara", "read", "main") == Decision(
        True, "policy allowed action 'read' for actor 'act-mara'", "everyone-reads"
    )
    assert engine.decide("act-nightly", "change", " main ").message == (
        "policy denied action 'change' on branch 'main' for actor 'act-nightly'"
    )
    assert engine.decide("act-mara", "branch_merge", "a", "draft").message == (
        "policy denied action 'branch_merge' on branch 'a' targeting branch 'draft' for actor 'act-mara'"
    )
    assert engine.decide("act-mara", "schema_apply", None, "draft").message == (
        "policy denied action 'schema_apply' targeting branch 'draft' for actor 'act-mara'"
    )
    assert engine.decide("stranger", "read", "main").message == "policy denied action 'read' for unknown actor 'stranger'"


def test_the_smallest_of_several_rules_is_named() -> None:
    document = PolicyDocument(1, {"g": ["a"]}, [], [rule("zeta", "g", ["read"]), rule("alpha", "g", ["read"], "any")])
    assert PolicyEngine(document, "Graph", "g").decide("a", "read", "main").matched_rule_id == "alpha"


def test_server_policy() -> None:
    engine = compile_policy(SERVER_POLICY, "Server", "root", label="p")
    assert engine.decide("act-mara", "graph_list").allowed
    assert not engine.decide("act-mara", "read", "main").allowed
    assert not engine.decide("act-jonas", "graph_list").allowed


def test_an_empty_policy_denies_everyone() -> None:
    engine = compile_policy("version: 1", "Graph", "g", label="p")
    assert not engine.decide("a", "read", "main").allowed
    assert engine.cedar_text == ""


@pytest.mark.parametrize("name", ['g"', "g\\", 'g");permit(principal,action,resource);//', "g\n\r\t", "gä\u200b漢", "g\0"])
def test_names_cannot_break_out_of_their_literals(name: str) -> None:
    document = PolicyDocument(1, {name: [name]}, [name], [rule(name, name, ["change"], "protected")])
    engine = PolicyEngine(document, "Graph", name)
    assert engine.decide(name, "change", name).matched_rule_id == (name if name == name.strip() else None)
    assert not engine.decide(name, "read", name).allowed
    assert not engine.decide("other", "change", name).allowed
    assert cedar.literal(name).isascii()


def test_the_gate_never_lets_a_write_without_actor_pass() -> None:
    gate = PolicyGate(compile_policy(GRAPH_POLICY, "Graph", "g", label="p"))
    with pytest.raises(Forbidden, match="no actor for engine-layer policy check"):
        gate.check(None, "change", branch="draft")
    with pytest.raises(Forbidden, match="policy: policy denied: policy denied action 'change' for unknown actor ''"):
        gate.check("", "change", branch="draft")
    gate.check("act-nightly", "change", branch="draft")


def test_a_decision_that_cannot_be_made_is_a_failure() -> None:
    engine = compile_policy(GRAPH_POLICY, "Graph", "g", label="p")
    engine._context = lambda branch, target: {"has_branch": "yes"}  # type: ignore[method-assign, assignment]
    with pytest.raises(OmnigraphError, match="policy: policy evaluation failed:") as caught:
        engine.decide("act-mara", "read", "main")
    assert caught.value.http_status == 500


@pytest.mark.parametrize(
    ("word", "action"),
    [("schema-apply", "schema_apply"), ("schema_apply", "schema_apply"), ("read", "read"), ("Read", None), ("drop", None)],
)
def test_action_words_of_the_command_line(word: str, action: str | None) -> None:
    assert action_named(word) == action
