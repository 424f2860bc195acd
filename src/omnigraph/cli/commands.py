"""Every command in the order of help, with its plane and the place of its grammar; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from omnigraph.cli.grammar import Command, Option

Plane = Literal["data", "storage", "control", "session"]
PLANES: tuple[Plane, ...] = ("data", "storage", "control", "session")

GLOBAL_OPTIONS = (
    Option("as", "Actor id for embedded writes", value="ACTOR"),
    Option("server", "Address a server defined in the operator config", value="NAME"),
    Option("graph", "Graph on a multi-graph --server", value="GRAPH_ID"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One word of the command line: a command, or a group of commands when it has ``children``.

    ``grammar`` names a module of this package and the :class:`Command` in it. ``aliases`` are shown in help,
    ``silent_aliases`` are not.
    """

    name: str
    summary: str
    plane: Plane = "data"
    grammar: str = ""
    aliases: tuple[str, ...] = ()
    silent_aliases: tuple[str, ...] = ()
    hidden: bool = False
    children: tuple[Entry, ...] = ()

    def answers_to(self, word: str) -> bool:
        return word == self.name or word in self.aliases or word in self.silent_aliases

    def child(self, word: str) -> Entry | None:
        """Find the command of a group that ``word`` means."""
        return next((entry for entry in self.children if entry.answers_to(word)), None)

    def command(self) -> Command:
        """Import the grammar of this command."""
        module, _, attribute = self.grammar.partition(":")
        command: Command = getattr(import_module(f"omnigraph.cli.{module}"), attribute)
        return command


PROGRAM = Entry(
    "omnigraph",
    "Omnigraph graph database CLI",
    children=(
        Entry("query", "Run one read query", grammar="query:QUERY", aliases=("read",)),
        Entry("mutate", "Run one mutation query", grammar="mutate:MUTATE", aliases=("change",)),
        Entry("load", "Bulk load records", grammar="load:LOAD"),
        Entry("ingest", "Bulk load records (deprecated form of load)", grammar="load:INGEST", hidden=True),
        Entry(
            "branch",
            "Work with branches",
            children=(
                Entry("create", "Create a branch", grammar="branch:CREATE"),
                Entry("list", "List all branches", grammar="branch:LIST"),
                Entry("delete", "Delete a branch and its own commits", grammar="branch:DELETE"),
                Entry("merge", "Merge one branch into another", grammar="branch:MERGE"),
            ),
        ),
        Entry("snapshot", "Show tables, versions and row counts of a branch", grammar="snapshot:SNAPSHOT"),
        Entry("export", "Dump a branch as JSON lines", grammar="export:EXPORT"),
        Entry(
            "commit",
            "Look at the history of a graph",
            children=(
                Entry("list", "List the commits of a branch, oldest first", grammar="commit:LIST"),
                Entry("show", "Show one commit", grammar="commit:SHOW"),
                Entry("changes", "Show the rows that one commit changed", grammar="changes:COMMIT_CHANGES"),
            ),
        ),
        Entry("diff", "Show the rows that differ between two states", grammar="changes:DIFF"),
        Entry(
            "changes",
            "Follow what the commits of a branch change",
            children=(
                Entry("poll", "Show the changes behind a cursor", grammar="changes:POLL"),
                Entry("baseline", "Write a whole state, with a cursor behind it", grammar="changes:BASELINE"),
            ),
        ),
        Entry("blame", "Show who set the properties of a row", grammar="changes:BLAME"),
        Entry(
            "schema",
            "Look at the schema of a graph, and change it",
            children=(
                Entry("plan", "Preview a change of the schema", plane="storage", grammar="schema:PLAN"),
                Entry("apply", "Change the schema", grammar="schema:APPLY"),
                Entry("show", "Print the accepted schema source", grammar="schema:SHOW", silent_aliases=("get",)),
            ),
        ),
        Entry(
            "graphs",
            "Look at a server of several graphs",
            children=(Entry("list", "List the graphs of a server", grammar="graphs:LIST"),),
        ),
        Entry("init", "Create a graph", plane="storage", grammar="init:INIT"),
        Entry("optimize", "Compact a graph and its indexes", plane="storage", grammar="maintenance:OPTIMIZE"),
        Entry("repair", "Verify what a graph stores", plane="storage", grammar="maintenance:REPAIR"),
        Entry("cleanup", "Remove old versions and leftover files", plane="storage", grammar="maintenance:CLEANUP"),
        Entry("lint", "Check a query file", plane="storage", grammar="lint:LINT"),
        Entry("fmt", "Format schemas and query files", plane="session", grammar="fmt:FMT"),
        Entry("complete", "Print what an editor can offer in queries", plane="storage", grammar="complete:COMPLETE"),
        Entry(
            "queries",
            "Look at the stored queries of a project file",
            children=(
                Entry("validate", "Check them against a schema", plane="storage", grammar="queries:VALIDATE"),
                Entry("list", "List them", plane="session", grammar="queries:LIST"),
            ),
        ),
        Entry(
            "cluster",
            "Declare graphs, stored queries and policies in one place, and apply them",
            plane="control",
            children=(
                Entry("validate", "Check a declaration", plane="control", grammar="cluster:VALIDATE"),
                Entry("plan", "Show what applying a declaration would change", plane="control", grammar="cluster:PLAN"),
                Entry("apply", "Make the cluster match its declaration", plane="control", grammar="cluster:APPLY"),
                Entry("approve", "Consent to a change that cannot be undone", plane="control", grammar="cluster:APPROVE"),
                Entry("status", "Show what was applied", plane="control", grammar="cluster:STATUS"),
                Entry("refresh", "Bring the ledger up to date with what is there", plane="control", grammar="cluster:REFRESH"),
                Entry("import", "Make the first ledger of a cluster", plane="control", grammar="cluster:IMPORT"),
                Entry("force-unlock", "Remove an abandoned lock", plane="control", grammar="cluster:FORCE_UNLOCK"),
            ),
        ),
        Entry(
            "policy",
            "Check, test and explain a policy file",
            plane="session",
            children=(
                Entry("validate", "Check a policy file", plane="session", grammar="policy:VALIDATE"),
                Entry("test", "Run the tests file of a policy", plane="session", grammar="policy:TEST"),
                Entry("explain", "Explain one decision of a policy", plane="session", grammar="policy:EXPLAIN"),
                Entry("show", "Print the Cedar text of a policy", plane="session", grammar="policy:SHOW"),
            ),
        ),
        Entry("login", "Store a token for a server", plane="session", grammar="login:LOGIN"),
        Entry("logout", "Forget the token of a server", plane="session", grammar="login:LOGOUT"),
        Entry(
            "config",
            "Work on configuration files",
            plane="session",
            children=(
                Entry("migrate", "Split the legacy file into its new homes", plane="session", grammar="migrate:MIGRATE"),
            ),
        ),
        Entry("version", "Print the version", plane="session", grammar="version:VERSION_COMMAND"),
    ),
)


def walk(entry: Entry = PROGRAM, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Entry]]:
    """Visit every command below ``entry`` with the words that call it, hidden ones included."""
    for child in entry.children:
        words = (*path, child.name)
        if child.children:
            yield from walk(child, words)
        else:
            yield words, child
