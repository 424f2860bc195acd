"""The JSON of a lint report."""

from __future__ import annotations

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
            {"name": "rename", "kind": "mutation", "status": "ok"},
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
