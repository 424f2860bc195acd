"""What a config directory declares, and what is said about one that declares it wrongly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cluster.worlds import CONFIG, QUERY, write_config
from docs.page import matches
from omnigraph.cluster.apply import apply
from omnigraph.cluster.declaration import read_declaration
from omnigraph.cluster.findings import Findings
from omnigraph.cluster.observe import import_state
from omnigraph.cluster.plan import validate

CASES = (Path(__file__).parent / "fixtures" / "declarations.txt").read_text().split("=== ")[1:]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.partition("\n")[0])
def test_diagnostics(case: str, tmp_path: Path) -> None:
    write_config(tmp_path)
    *files, expected = re.split(r"^--- ", case, flags=re.MULTILINE)[1:]
    for file in files:
        name, _, text = file.partition("\n")
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    output = validate(str(tmp_path))
    printed = "\n".join(one.line().partition("\n")[0] for one in output.diagnostics)
    wanted = expected.partition("\n")[2].strip()
    assert matches(wanted, printed), printed
    assert output.ok == ("ERROR" not in wanted)


def test_missing_directory_and_file(tmp_path: Path) -> None:
    output = validate(str(tmp_path / "nowhere"))
    assert [(one.code, one.path) for one in output.diagnostics] == [("config_dir_not_found", str(tmp_path / "nowhere"))]
    output = validate(str(tmp_path))
    assert [(one.code, one.path) for one in output.diagnostics] == [("cluster_config_read_error", "cluster.yaml")]
    (tmp_path / "cluster.yaml").write_bytes(b"\xff")
    assert [one.code for one in validate(str(tmp_path)).diagnostics] == ["cluster_config_read_error"]


def test_digests(tmp_path: Path) -> None:
    """The numbers are those of the specification."""
    write_config(tmp_path)
    declaration = read_declaration(str(tmp_path), Findings())
    assert declaration.digests == {
        "graph.atlas": "1aa7ee62b2076ced345055c70d2fb7795b060360751f29963734d632e1281937",
        "policy.base": "7f2c43106364d8112fcc3060e4ab8b20f5d1a17d9cbf3c2540529663004adff8",
        "query.atlas.city_by_name": "2b272bfdf8520cc2d0c5ecbb92d07c4f9bfcf6837e84951da96e2efc7328a56a",
        "schema.atlas": "896bd414de1ea5586790d56644b09dedc3309ae16d4c77ba5fcbc2ba24427bff",
    }
    assert declaration.config_digest == "5586c59475c0c0afd6f4706258cf60cf280472b72b924e93549721e01b297d69"


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (("metadata: { name: geo }", "metadata:\n  'name': \"geo\" # a comment"), True),
        (("atlas.pg", "./atlas.pg"), False),
        (("applies_to: [atlas]", "applies_to: [graph.atlas]"), False),
        (("metadata: { name: geo }\n", ""), False),
    ],
)
def test_what_the_config_digest_depends_on(tmp_path: Path, change: tuple[str, str], same: bool) -> None:
    before = read_declaration(write_config(tmp_path), Findings()).config_digest
    after = read_declaration(write_config(tmp_path, CONFIG.replace(*change)), Findings()).config_digest
    assert (before == after) is same


def test_dependencies_and_resources(tmp_path: Path) -> None:
    output = validate(write_config(tmp_path))
    assert [(one.dependent, one.needed) for one in output.dependencies] == [
        ("policy.base", "graph.atlas"),
        ("query.atlas.city_by_name", "graph.atlas"),
        ("query.atlas.city_by_name", "schema.atlas"),
        ("schema.atlas", "graph.atlas"),
    ]
    assert [(one.address, one.kind) for one in output.resources] == [
        ("graph.atlas", "graph"),
        ("policy.base", "policy"),
        ("query.atlas.city_by_name", "query"),
        ("schema.atlas", "schema"),
    ]
    assert output.config_file == f"{tmp_path}/cluster.yaml"


def test_a_file_of_several_queries_is_one_digest_for_all(tmp_path: Path) -> None:
    both = QUERY + QUERY.replace("city_by_name", "other")
    folder = write_config(tmp_path, CONFIG.replace("{ city_by_name: { file: atlas.gq } }", "atlas.gq"), atlas_gq=both)
    digests = validate(folder).resource_digests
    assert digests["query.atlas.city_by_name"] == digests["query.atlas.other"]


def test_what_opens_no_graph_is_light(tmp_path: Path) -> None:
    """Verbs run in loops and in CI: where no graph has to be opened, neither the engine nor Arrow is loaded."""
    import subprocess
    import sys

    assert import_state(write_config(tmp_path)).ok
    assert apply(str(tmp_path)).converged
    code = (
        "import sys; from omnigraph.cli.main import main; "
        f"assert main(['cluster', 'validate', '--config', {str(tmp_path)!r}]) == 0; "
        f"assert main(['cluster', 'status', '--config', {str(tmp_path)!r}]) == 0; "
        f"assert main(['cluster', 'apply', '--as', 'x', '--config', {str(tmp_path)!r}]) == 0; "
        "print([m for m in ('pyarrow', 'numpy', 'lance', 'cedarpy', 'omnigraph.graph.graph') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
