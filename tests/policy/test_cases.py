"""Tests files: what they may hold, and how their cases are told."""

from __future__ import annotations

import pytest

from omnigraph.errors import InvalidSetting
from omnigraph.policy.cases import parse_cases, run_cases
from omnigraph.policy.engine import compile_policy
from policy.texts import GRAPH_POLICY

CASES = """\
version: 1
cases:
  - { id: bot-cannot-touch-main, actor: act-nightly, action: change, branch: main, expect: deny }
  - { id: curator-merges, actor: act-mara, action: branch_merge, branch: draft-7, target_branch: release, expect: allow }
  - { id: wrong-allow, actor: act-nightly, action: read, branch: main, expect: allow }
  - { id: wrong-deny, actor: act-mara, action: read, branch: main, expect: deny }
"""


def test_outcomes() -> None:
    outcomes = run_cases(compile_policy(GRAPH_POLICY, "Graph", "g", label="p"), parse_cases(CASES))
    assert [str(outcome) for outcome in outcomes] == [
        "bot-cannot-touch-main: ok",
        "curator-merges: ok",
        "wrong-allow: expected Allow but got deny",
        "wrong-deny: expected Deny but got allow",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 2", "policy test version must be 1"),
        ("version: 1\ncases: [{ id: ' ', actor: a, action: read, expect: deny }]", "policy test case ids must not be blank"),
        (
            "version: 1\ncases: [&c { id: c, actor: a, action: read, expect: deny }, *c]",
            "duplicate policy test case id 'c'",
        ),
        (
            "version: 1\ncases: [{ id: c, actor: '', action: read, expect: deny }]",
            "policy test case 'c' must not use a blank actor",
        ),
    ],
)
def test_faults(text: str, message: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        parse_cases(text)
    assert caught.value.message == message


def test_no_cases_pass() -> None:
    assert parse_cases("version: 1") == []
