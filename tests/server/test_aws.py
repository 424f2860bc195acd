"""Tokens from a Secrets Manager that answers over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omnigraph.errors import OmnigraphError
from omnigraph.server.tokens import SECRET, SINGLE, load_tokens
from server.process import Server, refuse

boto3 = pytest.importorskip("boto3")
TOKENS = {"act-mara": "s3cret-mara", "act-nightly": ["s3cret-old", "s3cret-new"]}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    beside = Path(sys.executable).with_name("ministack")
    program = str(beside) if beside.exists() else shutil.which("ministack")
    if program is None:
        pytest.skip("ministack is not installed")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"GATEWAY_PORT": str(port), "SERVICES": "secretsmanager"}
    with subprocess.Popen([program], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        url = f"http://127.0.0.1:{port}"
        for _ in range(400):
            try:
                with urllib.request.urlopen(f"{url}/_ministack/health", timeout=2):
                    break
            except OSError:
                assert running.poll() is None
                time.sleep(0.05)
        yield url
        running.terminate()


@pytest.fixture
def variables(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found = {
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-central-1",
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def keep(name: str, **value: Any) -> str:
    """Keep a secret and return its ARN."""
    kept = boto3.client("secretsmanager", region_name="eu-central-1").create_secret(Name=name, **value)
    return str(kept["ARN"])


def fault(secret_id: str) -> str:
    with pytest.raises(OmnigraphError) as caught:
        load_tokens({SECRET: secret_id, SINGLE: "never used"})
    assert "s3cret" not in f"{caught.value.message} {caught.value.hint}"
    return caught.value.message


def test_a_secret_is_the_only_source(variables: dict[str, str], tmp_path: Path) -> None:
    arn = keep("prod/tokens", SecretString=json.dumps(TOKENS))
    for secret_id in ("prod/tokens", arn):
        table, source = load_tokens({SECRET: secret_id, SINGLE: "single"})
        assert source == "aws-secrets-manager"
        found = [table.actor_of(token) for token in (b"s3cret-mara", b"s3cret-old", b"s3cret-new", b"single")]
        assert found == ["act-mara", "act-nightly", "act-nightly", None]


def test_faults(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    keep("binary", SecretBinary=b'{"a": "s3cret"}')
    keep("broken", SecretString='{"act-a": "s3cret"')
    keep("blank", SecretString='{"act-a": " "}')
    keep("nobody", SecretString='{" ": "s3cret"}')
    assert fault("binary") == "secret 'binary' has no SecretString — binary secrets are not supported"
    assert fault("broken").startswith("bearer-token secret payload is not a JSON object of actor→token: ")
    assert fault("blank") == "bearer-token secret has a blank token for actor 'act-a'"
    assert fault("nobody") == "bearer-token secret contains a blank actor id"
    assert fault("absent").startswith("fetch AWS Secrets Manager secret 'absent': ")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{port}")
    assert fault("binary").startswith("fetch AWS Secrets Manager secret 'binary': ")


def test_a_server_reads_it_and_says_nothing_of_it(variables: dict[str, str], graph: Path, tmp_path: Path) -> None:
    keep("serving", SecretString=json.dumps(TOKENS))
    more = {**variables, SECRET: "serving"}
    with Server((str(graph),), tmp_path, {**more, "OMNIGRAPH_LOG": "debug"}, token="s3cret-new") as server:
        assert server.send("GET", "/whoami") == (200, server.send("GET", "/whoami")[1])
        assert json.loads(server.send("GET", "/whoami")[1])["actor"] == "act-nightly"
        assert server.stop() == 0
        log = server.logged()
    assert "loaded bearer token source source=aws-secrets-manager" in log
    assert "s3cret" not in log
    refused = refuse(str(graph), folder=tmp_path, more={**more, SECRET: "absent"})
    assert (refused.status, refused.out) == (1, "")
    assert refused.err.startswith("error: fetch AWS Secrets Manager secret 'absent': ")
