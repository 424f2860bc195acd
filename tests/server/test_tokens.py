"""Sources of tokens, and every fault in them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from omnigraph.errors import OmnigraphError
from omnigraph.server.tokens import FILE, INLINE, SECRET, SINGLE, load_tokens


def fault(environment: dict[str, str]) -> str:
    with pytest.raises(OmnigraphError) as caught:
        load_tokens(environment)
    return caught.value.message


def test_sources_are_merged(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_text('{" act-b ": " tb ", "act-a": "ta"}')
    table, source = load_tokens({SINGLE: " single ", FILE: str(path), INLINE: "ignored beside a file"})
    assert source == "env-or-file"
    assert [actor for actor, _ in table.digests] == ["act-a", "act-b", "default"]
    assert table.actor_of(b"tb") == "act-b"
    assert table.actor_of(b"single") == "default"
    assert table.actor_of(b" tb ") is None
    assert "tb" not in repr(table)


def test_an_inline_table_and_a_single_token_are_merged() -> None:
    table, source = load_tokens({SINGLE: "single", INLINE: '{"act-a": "ta"}'})
    assert (source, [actor for actor, _ in table.digests]) == ("env-or-file", ["act-a", "default"])


def test_a_table_holds_nothing_but_digests() -> None:
    table, _ = load_tokens({SINGLE: "s3cret-1", INLINE: '{"act-a": ["s3cret-2", "s3cret-3"]}'})
    wanted = [("act-a", "s3cret-2"), ("act-a", "s3cret-3"), ("default", "s3cret-1")]
    assert sorted(table.digests) == sorted((actor, hashlib.sha256(token.encode()).digest()) for actor, token in wanted)
    assert b"s3cret" not in pickle.dumps(table)
    assert [field.name for field in dataclasses.fields(table)] == ["digests"]


@pytest.mark.parametrize("environment", [{}, {SINGLE: "  ", FILE: " ", INLINE: ""}, {INLINE: "{}"}])
def test_no_tokens(environment: dict[str, str]) -> None:
    assert not load_tokens(environment)[0]


def test_faults(tmp_path: Path) -> None:
    absent = tmp_path / "absent.json"
    assert fault({FILE: str(absent)}) == f"failed to read bearer tokens file at {absent}"
    broken = tmp_path / "broken.json"
    for text in ("[1]", "{", '{"a": 1}', "null"):
        broken.write_text(text)
        assert fault({FILE: str(broken)}) == f"failed to parse bearer tokens file at {broken}"
        assert fault({INLINE: text}) == f"{INLINE} must be a JSON object of actor->token"
    assert fault({INLINE: '{" ": "x"}'}) == "bearer token actor names must not be blank"
    assert fault({INLINE: '{"a": " "}'}) == "bearer token for actor 'a' must not be blank"
    assert fault({INLINE: '{"a": "x", " a": "y"}'}) == "duplicate bearer token actor 'a'"
    assert fault({INLINE: '{"a": "x", "a": "y"}'}) == "duplicate bearer token actor 'a'"
    assert fault({INLINE: '{"default": "x"}', SINGLE: "y"}) == "duplicate bearer token actor 'default'"
    assert fault({INLINE: '{"a": "x", "b": " x"}'}) == "duplicate bearer token value configured"


def test_no_fault_holds_a_token() -> None:
    for text in ('{"a": "s3cret"', '{"a": "s3cret", "b": "s3cret"}', '{"a": [["s3cret"]]}', '{"": "s3cret"}'):
        with pytest.raises(OmnigraphError) as caught:
            load_tokens({INLINE: text})
        assert "s3cret" not in f"{caught.value.message} {caught.value.hint}"


def test_an_actor_may_have_several_tokens() -> None:
    table, _ = load_tokens({INLINE: '{"a": ["old", " new "], "b": "x"}'})
    assert [table.actor_of(token) for token in (b"old", b"new", b"x", b"y")] == ["a", "a", "b", None]
    assert fault({INLINE: '{"a": []}'}) == "bearer token for actor 'a' must not be blank"
    assert fault({INLINE: '{"a": ["x", ""]}'}) == "bearer token for actor 'a' must not be blank"
    assert fault({INLINE: '{"a": ["x", "x"]}'}) == "duplicate bearer token value configured"
    assert fault({INLINE: '{"a": ["x", 1]}'}) == f"{INLINE} must be a JSON object of actor->token"


class Secrets:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def client(self, name: str, **given: object) -> Secrets:
        assert name == "secretsmanager"
        assert set(given) == {"region_name", "config"}, "credentials are found by the SDK, by its own chain"
        return self

    def get_secret_value(self, *, SecretId: str) -> Any:  # noqa: N803 - the name of boto3
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    def answering(answer: Any) -> dict[str, str]:
        monkeypatch.setitem(sys.modules, "boto3", Secrets(answer))  # type: ignore[arg-type]
        return {SECRET: " prod/tokens ", SINGLE: "ignored"}

    table, source = load_tokens(answering({"SecretString": json.dumps({"act-a": "ta"})}))
    assert (source, [actor for actor, _ in table.digests]) == ("aws-secrets-manager", ["act-a"])
    assert fault(answering(RuntimeError("denied"))) == "fetch AWS Secrets Manager secret 'prod/tokens': denied"
    assert fault(answering({"SecretBinary": b"x"})) == (
        "secret 'prod/tokens' has no SecretString — binary secrets are not supported"
    )
    assert fault(answering({"SecretString": "[]"})).startswith(
        "bearer-token secret payload is not a JSON object of actor→token: "
    )
    assert fault(answering({"SecretString": '{"": "x"}'})) == "bearer-token secret contains a blank actor id"
    assert fault(answering({"SecretString": '{"a": ""}'})) == "bearer-token secret has a blank token for actor 'a'"


def test_aws_is_never_replaced_by_another_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)  # type: ignore[arg-type]
    message = fault({SECRET: "x", SINGLE: "t"})
    assert SECRET in message
    assert "omnigraph[aws]" in message
