"""Policies of the tests."""

from __future__ import annotations

GRAPH_POLICY = """\
version: 1
groups:
  curators: [act-mara, act-jonas]
  bots: [act-nightly]
protected_branches: [main, release]
rules:
  - id: everyone-reads
    allow:
      actors: { group: curators }
      actions: [read, export]
      branch_scope: any
  - id: bots-write-drafts
    allow:
      actors: { group: bots }
      actions: [change]
      branch_scope: unprotected
  - id: curators-promote
    allow:
      actors: { group: curators }
      actions: [branch_merge, schema_apply]
      target_branch_scope: protected
  - id: bots-call-tools
    allow:
      actors: { group: bots }
      actions: [invoke_query]
"""

SERVER_POLICY = """\
version: 1
kind: server
groups: { operators: [act-mara] }
rules:
  - id: operators-see-graphs
    allow: { actors: { group: operators }, actions: [graph_list] }
"""
