"""The files that are shipped for deployments: linted, parsed, and held against what they promise."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted([*ROOT.glob("docker/*.sh"), *ROOT.glob("scripts/*.sh"), *ROOT.glob("deploy/**/*.sh"), ROOT / ".ci" / "run"])
DOCKERFILES = [ROOT / "Dockerfile", ROOT / "deploy" / "railway" / "Dockerfile"]


def tool(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found is not None, f"{name} comes with the development tools: run make install"
    return found


def test_scripts_are_sound() -> None:
    done = subprocess.run([tool("shellcheck"), *map(str, SCRIPTS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert all(os.access(script, os.X_OK) for script in SCRIPTS)


def test_dockerfiles_are_sound() -> None:
    done = subprocess.run([tool("hadolint"), *map(str, DOCKERFILES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "line",
    [
        'ENTRYPOINT ["/usr/local/bin/omnigraph-entrypoint"]',
        "WORKDIR /var/lib/omnigraph",
        "EXPOSE 8080",
        "HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \\",
        'CMD ["curl", "-fsS", "http://127.0.0.1:8080/healthz"]',
        "ENV OMNIGRAPH_BIND=0.0.0.0:8080 \\",
        "USER 10001:10001",
        'ARG OMNIGRAPH_EXTRAS=""',
        "COPY --chmod=755 docker/entrypoint.sh /usr/local/bin/omnigraph-entrypoint",
    ],
)
def test_the_image_is_as_promised(line: str) -> None:
    lines = [one.strip() for one in (ROOT / "Dockerfile").read_text().splitlines()]
    assert line in lines


def documents() -> list[Path]:
    return sorted([*ROOT.glob("deploy/**/*.json"), *ROOT.glob("deploy/**/*.yaml"), *ROOT.glob(".github/workflows/*.yml")])


def test_documents_parse() -> None:
    found = documents()
    assert len(found) >= 9
    for path in found:
        parsed = json.loads(path.read_text()) if path.suffix == ".json" else yaml.safe_load(path.read_text())
        assert isinstance(parsed, dict), path


def container(name: str) -> dict[str, Any]:
    definition = json.loads((ROOT / "deploy" / "aws" / name).read_text())
    (only,) = definition["containerDefinitions"]
    return {**only, "volumes": definition["volumes"]}


def test_task_definitions() -> None:
    bucket, volume = container("task-definition.json"), container("task-definition-volume.json")
    for one in (bucket, volume):
        assert one["portMappings"] == [{"containerPort": 8080, "protocol": "tcp"}]
        assert one["secrets"][0]["name"] == "OMNIGRAPH_SERVER_BEARER_TOKENS_JSON"
        assert re.fullmatch(r"arn:aws:secretsmanager:.*:secret:.+-SUFFIX", one["secrets"][0]["valueFrom"]), (
            "ECS wants all of it"
        )
        assert "http://127.0.0.1:8080/healthz" in one["healthCheck"]["command"]
    assert bucket["readonlyRootFilesystem"] is True
    assert volume["readonlyRootFilesystem"] is False, "ECS Exec, by which this shape is changed, has to write"
    assert {"name": "OMNIGRAPH_CLUSTER", "value": "s3://BUCKET/PREFIX"} in bucket["environment"]
    assert {"name": "OMNIGRAPH_CLUSTER", "value": "/var/lib/omnigraph/cluster"} in volume["environment"]
    assert "/var/lib/omnigraph/cluster" in [mount["containerPath"] for mount in volume["mountPoints"]]
    assert any("efsVolumeConfiguration" in one for one in volume["volumes"])
    service = json.loads((ROOT / "deploy" / "aws" / "service.json").read_text())
    assert service["deploymentConfiguration"] == {"minimumHealthyPercent": 100, "maximumPercent": 200}
    assert service["taskDefinition"] == "omnigraph"
    roles = json.loads((ROOT / "deploy" / "aws" / "task-role-policy-volume.json").read_text())["Statement"]
    assert [statement["Sid"] for statement in roles] == ["Volume", "Exec", "Tokens"]
    assert all(action.startswith("ssmmessages:") for action in roles[1]["Action"])


def test_the_task_role_may_do_what_the_server_does_and_no_more() -> None:
    policy = json.loads((ROOT / "deploy" / "aws" / "task-role-policy.json").read_text())
    actions: set[str] = set()
    for statement in policy["Statement"]:
        named = statement["Action"]
        actions |= {named} if isinstance(named, str) else set(named)
        assert statement["Resource"] != "*"
    assert actions == {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "secretsmanager:GetSecretValue"}


def test_railway() -> None:
    folder = ROOT / "deploy" / "railway"
    deploy = json.loads((folder / "railway.json").read_text())["deploy"]
    assert deploy["healthcheckPath"] == "/healthz"
    assert (deploy["healthcheckTimeout"], deploy["restartPolicyType"], deploy["restartPolicyMaxRetries"]) == (
        300,
        "ON_FAILURE",
        5,
    )
    assert 'exec omnigraph-server "$OMNIGRAPH_TARGET_URI"' in deploy["startCommand"]
    assert '--bind "0.0.0.0:$PORT"' in deploy["startCommand"]
    environment = {**os.environ, "OMNIGRAPH_SUPPRESS_YAML_DEPRECATION": "1"}
    code = "import sys; from omnigraph.cli.main import main; sys.exit(main(['policy', 'test', '--config', 'omnigraph.yaml']))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "policy tests passed: 10 cases\n"), done.stderr


def test_the_init_script_never_overwrites_and_loads_nothing(tmp_path: Path) -> None:
    script = ROOT / "deploy" / "railway" / "init.sh"
    calls = tmp_path / "calls"
    for name, text in (
        ("omnigraph", f'#!/bin/sh\necho "$*" >>{calls}\n[ "$1" != snapshot ] || [ -e {tmp_path}/graph ]\n'),
        ("curl", '#!/bin/sh\necho "node A { k: String @key }" >"$7"\n'),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", **variables}
        return subprocess.run(["sh", str(script)], env=environment, capture_output=True, text=True, check=False)

    for missing in ("OMNIGRAPH_TARGET_URI", "OMNIGRAPH_SCHEMA_URL"):
        given = {"OMNIGRAPH_TARGET_URI": "s3://b/g", "OMNIGRAPH_SCHEMA_URL": "http://127.0.0.1/s.pg"}
        del given[missing]
        done = run(**given)
        assert done.returncode != 0
        assert missing in done.stderr
    assert not calls.exists()
    assert run(**{**given, "OMNIGRAPH_TARGET_URI": "s3://b/g", "OMNIGRAPH_SCHEMA_URL": "http://127.0.0.1/s.pg"}).returncode == 0
    first, second = calls.read_text().splitlines()
    assert first == "snapshot s3://b/g --json"
    assert re.fullmatch(r"init s3://b/g --schema \S+/schema\.pg", second)
    (tmp_path / "graph").touch()
    done = run(OMNIGRAPH_TARGET_URI="s3://b/g", OMNIGRAPH_SCHEMA_URL="http://127.0.0.1/s.pg")
    assert (done.returncode, done.stdout) == (0, "already initialized; skipping\n")
    assert "force" not in script.read_text()


def test_the_context_fixture_is_large_enough() -> None:
    fixture = ROOT / "fixtures" / "context"
    records = [json.loads(line) for line in (fixture / "context.jsonl").read_text().splitlines()]
    assert sum("type" in record for record in records) >= 20
    assert len({record["edge"] for record in records if "edge" in record}) >= 3
