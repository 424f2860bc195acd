"""Graphs, policies and services for the tests of the server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from omnigraph.graph.graph import init
from omnigraph.server.access import RuntimeState
from omnigraph.server.app import Application
from omnigraph.server.boot import plan_boot
from omnigraph.server.options import Options
from omnigraph.server.service import Service, open_service
from omnigraph.server.table import route_table
from omnigraph.server.tokens import INLINE, load_tokens

SCHEMA = """\
node Person {
  name: String @key
  age: I32?
  born: Date?
}
edge Knows: Person -> Person
"""
ROWS = b"""\
{"type":"Person","data":{"name":"Ida","age":30,"born":"1990-01-02"}}
{"type":"Person","data":{"name":"Bo","age":null}}
{"edge":"Knows","from":"Ida","to":"Bo"}
"""
QUERIES = """\
query people() @description("Everyone") {
  match { $p: Person }
  return { $p.name, $p.age }
  order { $p.name asc }
}
query by_name($name: String, $tags: [String]?) {
  match { $p: Person { name: $name } }
  return { $p.name }
}
query add_person($name: String, $age: I64?) @instruction("Ask first") {
  insert Person { name: $name }
}
"""
TOKENS = {"act-mara": "k-mara", "act-nightly": "k-nightly", "act-stranger": "k-stranger"}
POLICY = """\
version: 1
groups:
  curators: [act-mara]
  bots: [act-nightly]
protected_branches: [main, release]
rules:
  - id: curators-read
    allow: { actors: { group: curators }, actions: [read, export], branch_scope: any }
  - id: curators-write
    allow: { actors: { group: curators }, actions: [change] }
  - id: curators-branch
    allow:
      actors: { group: curators }
      actions: [branch_create, branch_delete, branch_merge, schema_apply]
      target_branch_scope: any
  - id: curators-call
    allow: { actors: { group: curators }, actions: [invoke_query] }
  - id: bots-read
    allow: { actors: { group: bots }, actions: [read], branch_scope: protected }
  - id: bots-write-drafts
    allow: { actors: { group: bots }, actions: [change], branch_scope: unprotected }
"""
SERVER_POLICY = """\
version: 1
groups: { operators: [act-mara] }
rules:
  - id: operators-see-graphs
    allow: { actors: { group: operators }, actions: [graph_list] }
"""
STORED = """\
    people: { file: stored.gq, mcp: { tool_name: list_people } }
    by_name: { file: stored.gq }
    add_person: { file: stored.gq, mcp: { expose: false } }
"""


def make_graph(path: Path) -> Path:
    with init(str(path), SCHEMA) as graph:
        graph.load(ROWS, "merge", actor="seed")
    return path


def write_project(folder: Path, *, policy: bool = True, multi: bool = False, server_policy: bool = False) -> Path:
    """Write an ``omnigraph.yaml`` beside the graphs ``a.omni`` and ``b.omni``."""
    (folder / "stored.gq").write_text(QUERIES)
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "server-policy.yaml").write_text(SERVER_POLICY)
    text = "graphs:\n  alpha:\n    uri: ./a.omni\n"
    text += "    policy: { file: policy.yaml }\n" if policy else ""
    text += "    queries:\n" + STORED.replace("    ", "      ")
    text += "  beta:\n    uri: ./b.omni\n" if multi else ""
    if not multi:
        text += "server: { graph: alpha }\n"
    elif server_policy:
        text += "server: { policy: { file: server-policy.yaml } }\n"
    path = folder / "omnigraph.yaml"
    path.write_text(text)
    return path


def boot(options: Options, environment: Mapping[str, str]) -> tuple[Service, Application]:
    plan = plan_boot(options, environment)
    tokens, _ = load_tokens(environment)
    state = RuntimeState.of(has_tokens=bool(tokens), has_policy=plan.has_policy, consent=options.unauthenticated)
    service = open_service(plan, state, tokens, environment)
    return service, Application(service, route_table(service))


def with_tokens(**more: str) -> dict[str, str]:
    return {INLINE: json.dumps(TOKENS), **more}
