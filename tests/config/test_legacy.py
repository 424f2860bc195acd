from __future__ import annotations

from pathlib import Path

import pytest

from omnigraph.config.legacy import LegacyConfig, load_legacy
from omnigraph.errors import InvalidSetting, NotFound


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str) -> LegacyConfig:
    Path("omnigraph.yaml").write_text(text)
    return load_legacy(None, {})


def test_which_file_is_loaded(folder: Path) -> None:
    assert load_legacy(None, {}) == LegacyConfig(base=str(folder))
    Path("omnigraph.yaml").write_text("cli: {graph: here}")
    Path("sub").mkdir()
    Path("sub/a.yaml").write_text("cli: {graph: a}")
    Path("sub/b.yaml").write_text("cli: {graph: b}")
    variable = {"OMNIGRAPH_CONFIG": "sub/a.yaml"}
    assert load_legacy(None, {}).settings.cli.graph == "here"
    assert load_legacy(None, variable).settings.cli.graph == "a"
    chosen = load_legacy("sub/b.yaml", variable)
    assert (chosen.settings.cli.graph, chosen.base, chosen.path) == ("b", str(folder / "sub"), "sub/b.yaml")


@pytest.mark.parametrize("variable", [{}, {"OMNIGRAPH_CONFIG": "nope.yaml"}])
def test_a_named_file_must_exist(variable: dict[str, str]) -> None:
    with pytest.raises(InvalidSetting, match="No such file or directory"):
        load_legacy(None if variable else "nope.yaml", variable)


@pytest.mark.parametrize("text", ["", "# nothing\n", "~", "unknown: {deep: [1]}\ngraphs:\n", "cli:\n  graph:\n"])
def test_files_that_set_nothing(text: str, folder: Path) -> None:
    assert load(text).settings == LegacyConfig(base=str(folder)).settings


@pytest.mark.parametrize(
    "text",
    [
        "[]", "7", "graphs: []", "graphs: {a: {}}", "graphs: {a: {uri: 7}}", "cli: {output_format: xml}",
        "cli: {table_max_column_width: -1}", "cli: {table_cell_layout: fold}", "cli: {graph: true}", "query: {roots: queries}",
        "aliases: {a: {command: read}}", "aliases: {a: {command: drop, query: q}}", "queries: {q: {mcp: {}}}",
        "queries: {q: {file: f, mcp: {expose: 'yes'}}}", "cli: [", "cli: {}\ncli: {}",
    ],
)  # fmt: skip
def test_wrong_types_are_errors(text: str) -> None:
    with pytest.raises(InvalidSetting, match=r"could not parse config 'omnigraph\.yaml': "):
        load(text)


def test_everything_that_means_something() -> None:
    settings = load(
        """
        project: {name: p}
        graphs: {g: {uri: u, bearer_token_env: T, policy: {file: f}, queries: {q: {file: q.gq, mcp: {expose: false}}}}}
        server: {graph: g, bind: '1.2.3.4:5', policy: {file: s}}
        auth: {env_file: .env}
        cli: {graph: g, branch: b, output_format: kv, table_max_column_width: 0, table_cell_layout: wrap, actor: a}
        query: {roots: [x, y]}
        aliases: {a: {command: change, query: q, name: n, args: [p], graph: g, branch: b, format: csv}}
        policy: {file: top}
        queries: {q: {file: f}}
        """
    ).settings
    assert settings.graphs["g"].queries["q"].mcp.expose is False
    assert settings.queries["q"].mcp.expose is True
    assert settings.cli.table_max_column_width == 0
    assert not settings.aliases["a"].reads


def test_graph_addresses(folder: Path) -> None:
    config = load("graphs: {a: {uri: ./a.omni}, b: {uri: /abs}, c: {uri: 's3://x/y'}, d: {uri: ~/d}}")
    assert [config.graph_uri(name) for name in "abcd"] == [f"{folder}/./a.omni", "/abs", "s3://x/y", f"{folder}/~/d"]
    with pytest.raises(NotFound, match=r"^graph 'z' not found in omnigraph\.yaml$"):
        config.graph_uri("z")


def test_query_files_are_found_in_order(folder: Path) -> None:
    config = load("query: {roots: [one, two]}")
    with pytest.raises(NotFound, match=r"^query file 'q\.gq' not found$"):
        config.query_file("q.gq")
    for place in ("two", "one", "."):
        (folder / place).mkdir(exist_ok=True)
        (folder / place / "q.gq").write_text("")
        expected = folder / place / "q.gq"
        assert Path(config.query_file("q.gq")) == expected
    assert config.query_file("/absent.gq") == "/absent.gq"


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("policy: {file: p}", "policy.file is"),
        ("queries: {q: {file: f}}", "queries is"),
        ("policy: {file: p}\nqueries: {q: {file: f}}", "policy.file and queries are"),
    ],
)
def test_shadowed_blocks(text: str, blocks: str) -> None:
    config = load(text)
    with pytest.raises(InvalidSetting) as caught:
        config.refuse_shadowed_blocks("g")
    assert f"but top-level {blocks} set and would be ignored" in caught.value.message


def test_empty_blocks_shadow_nothing() -> None:
    load("policy: {}\nqueries: {}\n").refuse_shadowed_blocks("g")


def test_the_notice_lists_present_keys_in_order() -> None:
    config = load("cli: {branch: b, actor: a}\npolicy: {}\ngraphs: {}\nquery: {roots: []}\nproject: {}\n")
    assert config.notice == (
        "warning: 'omnigraph.yaml' is deprecated — its keys have new homes; run `omnigraph config migrate` for the split, "
        "set OMNIGRAPH_SUPPRESS_YAML_DEPRECATION=1 to silence:\n"
        "  `graphs` -> cluster.yaml `graphs:` (team surface) — or flags/env for the zero-config tier\n"
        "  `policy` -> cluster.yaml `policies:` + `applies_to` bindings\n"
        "  `query` -> obsolete — cluster query discovery replaced `query.roots`\n"
        "  `project` -> cluster.yaml `metadata.name`\n"
        "  `cli.actor` -> `operator.actor` in ~/.omnigraph/config.yaml\n"
        "  `cli.branch` -> explicit `--branch`"
    )
    assert load("").notice is None
    assert load("other: 1").notice is None


def test_strict_mode() -> None:
    strict = {"OMNIGRAPH_NO_LEGACY_CONFIG": ""}
    load_legacy(None, strict)
    Path("omnigraph.yaml").write_text("")
    with pytest.raises(InvalidSetting) as caught:
        load_legacy(None, strict)
    assert caught.value.message == (
        "legacy config 'omnigraph.yaml' refused: OMNIGRAPH_NO_LEGACY_CONFIG is set (strict mode); "
        "run `omnigraph config migrate`, then remove the file — or unset the variable"
    )
