"""The JSON of a lint report."""

from __future__ import annotations

from typing import Any

from language.cases import FIXTURES
from omnigraph import language

POLICY = language.compile_schema("node Policy { slug: String @key name: String note: String? v: Vector(2)? @embed(name) }")


def test_the_report_of_the_specification() -> None:
    source = """
        query rename($slug: String, $name: String) { update Policy set { name: $name } where slug = $slug }
        query seed() { insert Foo { x: 1 } }
    """
    report = language.lint_queries(source, POLICY, query_path="q.gq", schema_source={"kind": "file", "path": "s.pg"})
    assert report.as_json() == {
        "status": "error",
        "schema_source": {"kind": "file", "path": "s.pg"},
        "query_path": "q.gq",
        "queries_processed": 2,
        "errors": 1,
        "warnings": 2,
        "infos": 0,
        "results": [
            {
                "name": "rename",
                "kind": "mutation",
                "status": "ok",
                "operation": {
                    "result": [],
                    "reads": [{"kind": "node", "type_name": "Policy"}],
                    "writes": [{"kind": "node", "type_name": "Policy"}],
                },
            },
            {
                "name": "seed",
                "kind": "mutation",
                "status": "error",
                "warnings": ["mutation declares no params; hardcoded mutations are easy to miss"],
                "error": "type error: T10: unknown node/edge type `Foo`",
            },
        ],
        "findings": [
            {
                "severity": "warning",
                "code": "L201",
                "message": "Policy.note exists in schema but no update query sets it",
                "type_name": "Policy",
                "property": "note",
                "query_names": ["rename"],
            }
        ],
    }


def test_a_file_that_does_not_parse() -> None:
    report = language.lint_queries("query (", POLICY, query_path="q.gq", schema_source={"kind": "graph", "uri": "g"})
    json = report.as_json()
    assert (json["status"], json["queries_processed"], json["errors"], json["results"]) == ("error", 0, 1, [])
    (finding,) = json["findings"]
    assert (finding["severity"], finding["code"]) == ("error", "Q000")
    assert finding["message"].startswith("parse error: 1:7:")
    assert set(finding) == {"severity", "code", "message"}
    assert report.as_text().split("\n")[0] == "ERROR " + finding["message"].split("\n")[0]


def test_names_of_queries_are_sorted() -> None:
    source = """
        query b($s: String) { update Policy set { name: $s } where slug = $s }
        query a($s: String) { update Policy set { name: $s } where slug = $s }
    """
    (finding,) = language.lint_queries(source, POLICY).findings
    assert finding.query_names == ("a", "b")


GRAPH = language.compile_schema((FIXTURES / "graph.pg").read_text())


def operation(source: str) -> Any:
    (result,) = language.lint_queries(source, GRAPH).results
    assert result.error is None, result.error
    return result.as_json()["operation"]


def types(source: str, kind: str) -> list[str]:
    return [f"{each['kind']} {each['type_name']}" for each in operation(source)[kind]]


def test_the_fields_of_a_read() -> None:
    source = """
        query q($k: I32) {
            match { $p: Person optional { $p $e:knows $f } }
            return {
                $p.slug, $p.age as years, $p.visits, $p.height, $p.member, $p.born, $p.seen, $p.role, $p.tags, $p.face,
                $p.photo, $p, $f, $f.slug as friend, $p.*, $e.*, $k, 5, now(), $p.age + 1 as next, bm25($p.bio, "x"), search($p.bio, "x")
            }
        }
    """
    assert [tuple(each.values()) for each in operation(source)["result"]] == [
        ("slug", "string", False),
        ("years", "int", True),
        ("visits", "bigint", True),
        ("height", "float", True),
        ("member", "bool", True),
        ("born", "date", True),
        ("seen", "datetime", True),
        ("role", "string", True),
        ("tags", "list", "string", True),
        ("face", "vector", 3, True),
        ("photo", "blob", True),
        ("p", "string", False),
        ("f", "string", True),
        ("friend", "string", True),
        ("p", "object", False),
        ("e", "object", True),
        ("k", "int", False),
        ("literal", "bigint", False),
        ("now", "datetime", False),
        ("next", "bigint", True),
        ("bm25", "float", True),
        ("search", "bool", False),
    ]
    assert operation(source)["result"][8] == {"name": "tags", "kind": "list", "item_kind": "string", "nullable": True}
    assert operation(source)["result"][9] == {"name": "face", "kind": "vector", "vector_dim": 3, "nullable": True}


def test_the_fields_of_groups() -> None:
    source = "query q() { match { $p: Person } return { $p.name, count($p), sum($p.age) as total, min($p.age), count(*) } }"
    assert [tuple(each.values()) for each in operation(source)["result"]] == [
        ("name", "string", False),
        ("count", "bigint", False),
        ("total", "float", True),
        ("min", "int", True),
        ("count", "bigint", False),
    ]


def test_the_types_that_a_query_reads_and_writes() -> None:
    read = "query q() { match { $p: Person not { $p worksAt $c } optional { $p wrote $d not { $d cites $_ } } } return { $p } }"
    assert types(read, "reads") == ["edge Cites", "edge WorksAt", "edge Wrote", "node Company", "node Doc", "node Person"]
    assert types(read, "writes") == []
    insert = 'query q() { insert WorksAt { from: "a", to: "b", title: "c" } }'
    assert types(insert, "reads") == ["edge WorksAt", "node Company", "node Person"]
    assert types(insert, "writes") == ["edge WorksAt"]
    delete = 'query q() { delete Company where name = "a" }'
    assert types(delete, "reads") == types(delete, "writes") == ["edge Person", "edge WorksAt", "node Company"]
    assert types("query q() { delete Knows where since is null }", "writes") == ["edge Knows"]
    update = 'query q() { update Company set { founded: 1 } where founded > 2 insert Company { name: "x" } }'
    assert types(update, "reads") == types(update, "writes") == ["node Company"]


def test_interfaces_that_disagree() -> None:
    schema = language.compile_schema(
        "interface A { x: String @index y: String } interface B { x: String y: String } interface C { x: String @index }"
        "node N implements A, B, C {} node M implements B, A { x: String } node O implements A, C {}"
    )
    report = language.lint_queries("", schema)
    assert [finding.as_json() for finding in report.findings] == [
        {
            "severity": "warning",
            "code": "L202",
            "message": "interfaces A and B give N.x different annotations; those of A count",
            "type_name": "N",
            "property": "x",
        }
    ]
    assert report.status == "ok"
