"""Several processes write to one root at once: nothing is lost and the history is one chain."""

import itertools
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

import pytest

import omnigraph

SCHEMA = """
node Counter { name: String @key value: I64 }
node Item { name: String @key }
edge Of: Item -> Counter @card(1..1)
"""

WRITER = """
    import sys
    import omnigraph
    root, name, writes = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with omnigraph.open(root) as graph:
        for number in range(writes):
            graph.mutate(
                'query q($n: String) { insert Item { name: $n } insert Of { from: $n, to: "c" } }',
                {"n": f"{name}-{number}"}, actor=name,
            )
            if number % 5 == 0:
                graph.load([{"type": "Item", "data": {"name": f"{name}-l{number}"}}], "append", actor=name)
"""


def test_processes_lose_nothing(tmp_path: Path) -> None:
    root = str(tmp_path / "g")
    with omnigraph.init(root, SCHEMA) as graph:
        graph.load([{"type": "Counter", "data": {"name": "c", "value": 0}}], "append")
    writes = 60
    script = textwrap.dedent(WRITER)
    processes = [
        subprocess.Popen([sys.executable, "-c", script, root, name, str(writes)], stderr=subprocess.PIPE, text=True)
        for name in ("one", "two", "three")
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    with omnigraph.open(root) as graph:
        rows = [json.loads(line) for line in b"".join(graph.export()).splitlines()]
        items = {row["data"]["id"] for row in rows if row.get("type") == "Item"}
        expected = {f"{name}-{n}" for name in ("one", "two", "three") for n in range(writes)}
        expected |= {f"{name}-l{n}" for name in ("one", "two", "three") for n in range(0, writes, 5)}
        assert items == expected
        assert sum("edge" in row for row in rows) == 3 * writes
        commits = graph.commits()
        assert len(commits) == 2 + 3 * (writes + writes // 5)
        for before, after in itertools.pairwise(commits):
            assert after.parent_commit_id == before.graph_commit_id
            assert after.manifest_version == before.manifest_version + 1
        assert {commit.actor_id for commit in commits} == {None, "one", "two", "three"}


def test_of_racing_inits_one_wins(tmp_path: Path) -> None:
    root = str(tmp_path / "g")
    script = textwrap.dedent("""
        import sys
        import omnigraph
        try:
            omnigraph.init(sys.argv[1], "node N%s { name: String @key }" % sys.argv[2])
        except omnigraph.OmnigraphError as error:
            assert "already initialized" in str(error), error
            sys.exit(7)
    """)
    processes = [subprocess.Popen([sys.executable, "-c", script, root, str(n)]) for n in range(4)]
    codes = [process.wait(60) for process in processes]
    assert sorted(codes) == [0, 7, 7, 7]
    winner = codes.index(0)
    with omnigraph.open(root) as graph:
        assert list(graph.catalog.nodes) == [f"N{winner}"]


def test_threads_share_a_graph(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with omnigraph.init(str(tmp_path / "g"), SCHEMA) as graph:
        graph.load([{"type": "Counter", "data": {"name": "c", "value": 0}}], "append")

        def write(number: int) -> int:
            graph.mutate(
                'query q($n: String) { insert Item { name: $n } insert Of { from: $n, to: "c" } }', {"n": f"t{number}"}
            )
            rows = graph.query("query q() { match { $i: Item $i of $c } return { $i, $c } }").rows()
            assert any(row["i"] == f"t{number}" for row in rows)
            return len(rows)

        with ThreadPoolExecutor(8) as pool:
            counts = list(pool.map(write, range(120)))
        assert max(counts) == 120
        assert graph.snapshot().manifest_version == 122


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_write_sees_what_another_process_has_just_committed(tmp_path: Path, mode: str) -> None:
    root = str(tmp_path / "g")
    with omnigraph.init(root, SCHEMA) as one, omnigraph.open(root) as two:
        one.load([{"type": "Item", "data": {"name": "x"}}], "append")
        if mode == "append":
            with pytest.raises(omnigraph.OmnigraphError, match="key conflict: node:Item already has id 'x'"):
                two.load([{"type": "Item", "data": {"name": "x"}}], "append")
        else:
            two.load([{"type": "Item", "data": {"name": "x"}}], "merge")
            assert one.snapshot().tables[-1].row_count == 1


MERGER = """
    import sys
    import omnigraph
    root, name, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with omnigraph.open(root) as graph:
        for number in range(rounds):
            graph.mutate('query q($n: String) { insert Item { name: $n } }', {"n": f"{name}-{number}"}, branch=name, actor=name)
            graph.merge(name, actor=name)
            if number % 3 == 2:
                graph.merge("main", into=name, actor=name)
            if name == "one":
                graph.optimize()
            if name == "two":
                graph.cleanup(keep=3, confirm=True)
"""


def run_at_once(program: str, root: str, names: Iterable[str], rounds: int) -> None:
    """Run a program once for each name, all at the same time; every one must come to its end."""
    script = textwrap.dedent(program)
    processes = [
        subprocess.Popen([sys.executable, "-c", script, root, name, str(rounds)], stderr=subprocess.PIPE, text=True)
        for name in names
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors


def test_processes_merge_their_branches_at_once(tmp_path: Path) -> None:
    root = str(tmp_path / "g")
    names, rounds = ("one", "two", "three"), 12
    with omnigraph.init(root, SCHEMA) as graph:
        graph.load([{"type": "Counter", "data": {"name": "c", "value": 0}}], "append")
        for name in names:
            graph.create_branch(name)
    run_at_once(MERGER, root, names, rounds)
    with omnigraph.open(root) as graph:
        rows = [json.loads(line) for line in b"".join(graph.export()).splitlines()]
        items = {row["data"]["id"] for row in rows if row.get("type") == "Item"}
        assert items == {f"{name}-{number}" for name in names for number in range(rounds)}
        commits = graph.commits()
        for before, after in itertools.pairwise(commits):
            assert after.parent_commit_id == before.graph_commit_id
            assert after.manifest_version > before.manifest_version
        merges = commits[2:]
        assert all(commit.merged_parent_commit_id for commit in merges)
        assert {name: sum(commit.actor_id == name for commit in merges) for name in names} == dict.fromkeys(names, rounds)
        for name in names:
            own = [commit for commit in graph.commits(name) if commit.manifest_branch == name]
            assert sum(commit.merged_parent_commit_id is None for commit in own) == rounds
            assert [commit for commit in merges if commit.merged_parent_commit_id == own[-1].graph_commit_id] or (
                own[-1].merged_parent_commit_id is not None
            )
        assert not graph.repair().refused


COUNTER = """
    import sys
    import omnigraph
    from omnigraph.errors import MergeConflicts
    root, name, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    read = "query q() { match { $c: Counter } return { $c.value as v } }"
    write = "query q($v: I64, $b: String) { update Counter set { value: $v, by: $b } where value >= 0 }"
    with omnigraph.open(root) as graph:
        for number in range(rounds):
            while True:
                graph.merge("main", into=name, strategy="theirs", actor=name)
                value = int(graph.query(read, branch=name).rows()[0]["v"])
                graph.mutate(write, {"v": value + 1, "b": f"{name}-{number}"}, branch=name, actor=name)
                if number % 3 == 2:
                    graph.optimize(name)
                try:
                    graph.merge(name, actor=name)
                except MergeConflicts:
                    continue  # another was first: begin again from what it left
                break
            graph.optimize()
"""


def test_of_merges_that_change_one_row_none_is_lost(tmp_path: Path) -> None:
    root = str(tmp_path / "g")
    names, rounds = ("one", "two", "three"), 6
    with omnigraph.init(root, "node Counter { name: String @key value: I64 by: String? }") as graph:
        graph.load([{"type": "Counter", "data": {"name": "c", "value": 0}}], "append")
        for name in names:
            graph.create_branch(name)
    run_at_once(COUNTER, root, names, rounds)
    with omnigraph.open(root) as graph:
        read = "query q() { match { $c: Counter } return { $c.value as v, $c.by as b } }"
        seen = [graph.query(read, snapshot=commit.graph_commit_id).rows()[0] for commit in graph.commits()[1:]]
        assert [int(row["v"]) for row in seen] == list(range(len(names) * rounds + 1))
        assert {row["b"] for row in seen[1:]} == {f"{name}-{number}" for name in names for number in range(rounds)}
