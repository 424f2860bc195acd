"""The component schemas of the OpenAPI document, read off the wire shapes.

A component says its published name, the shape behind it and which members a reader may rely on; types, member names and
nullability come from the shape itself, so the document cannot drift from what is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import inspect

from omnigraph.wire import branch, change, cluster, commit, error, merge, policy, read, request, schema_apply, service, write

Json = dict[str, Any]  # Any: a JSON Schema

_VERSIONS: Final = frozenset(
    {"manifest_version", "table_version", "expected", "actual", "created_at", "internal_schema_version"}
)


@dataclass(frozen=True, slots=True)
class Component:
    """One schema of the document; ``required`` holds the members that every older reader may count on."""

    name: str
    shape: type[msgspec.Struct]
    required: str = ""


COMPONENTS: Final = (
    Component("BaselineRequest", request.BaselineRequest),
    Component("BlameOutput", change.BlameOutput, "table_key,id,graph_commit_id,properties"),
    Component("ChangeBlock", change.ChangeBlock, "cause,changes"),
    Component("ChangeCause", change.ChangeCause, "graph_commit_id,authored_branch,authored_at"),
    Component("ChangesOutput", change.ChangesOutput, "blocks"),
    Component("CommitChangesOutput", change.CommitChangesOutput, "cause,changes"),
    Component("DiffOutput", change.DiffOutput, "from_commit,to_commit,from_version,to_version,changes,stats,tables,notes"),
    Component("EntityChange", change.EntityChange, "table_key,kind,type_name,id,op,manifest_version"),
    Component("RowChange", change.RowChange, "kind,type,id,op"),
    Component("RowImage", change.RowImage, "properties"),
    Component("BatchLoadOutput", write.BatchLoadOutput, "branch,branch_created,mode,nodes,edges,total_entities"),
    Component("BlobRangeOutput", error.BlobRangeInfo, "start,end,length"),
    Component("BranchCreateOutput", branch.BranchCreateOutput, "uri,from,name"),
    Component("BranchCreateRequest", request.BranchCreateRequest, "name"),
    Component("BranchDeleteOutput", branch.BranchDeleteOutput, "uri,name"),
    Component("BranchListOutput", branch.BranchListOutput, "branches"),
    Component("BranchMergeOutput", service.BranchMergeOutput, "source,target,outcome"),
    Component("BranchMergeRequest", request.BranchMergeRequest, "source"),
    Component("ChangeOutput", write.MutateOutput, "branch,query_name,affected_nodes,affected_edges"),
    Component("ChangeRequest", request.ChangeRequest, "query"),
    Component("BranchHeadOutput", commit.BranchHeadInfo, "branch,graph_commit_id"),
    Component("CommitGraphOutput", commit.CommitGraphOutput, "heads,commits,more"),
    Component("CommitListOutput", commit.CommitListOutput, "commits"),
    Component("CommitOutput", commit.CommitInfo, "graph_commit_id,manifest_version,created_at"),
    Component("ErrorOutput", error.ErrorOutput, "error"),
    Component("ExplainOutput", read.ExplainOutput, "plan"),
    Component("ExplainRequest", request.ExplainRequest, "query"),
    Component("ExportRequest", request.ExportRequest),
    Component("GraphInfo", service.GraphInfo, "graph_id,uri"),
    Component("GraphListResponse", service.GraphListResponse, "graphs"),
    Component("HealthOutput", service.HealthOutput, "status,version"),
    Component("IngestOutput", write.IngestOutput, "uri,branch,branch_created,mode,tables"),
    Component("IngestRequest", request.IngestRequest, "data"),
    Component("IngestTableOutput", write.TableLoad, "table_key,rows_loaded"),
    Component("InvokeStoredQueryRequest", request.InvokeStoredQueryRequest),
    Component("KeyConflictOutput", error.KeyConflictInfo, "table_key,row_id"),
    Component("ManifestConflictOutput", error.ManifestConflictInfo, "table_key,expected,actual"),
    Component("MergeChangeOutput", merge.MergeChangeInfo, "table_key,inserted,updated,deleted"),
    Component("MergeConflictOutput", error.MergeConflictInfo, "table_key,kind,message"),
    Component("PolicyAnswersOutput", policy.PolicyAnswersOutput, "action,protected,unprotected,without_branch"),
    Component("MergePreviewOutput", merge.MergePreviewOutput, "source,target,outcome,mergeable,changes,merge_conflicts"),
    Component("MergePreviewRequest", request.MergePreviewRequest, "source"),
    Component("MergeSettledOutput", commit.SettledInfo, "table_key,strategy,rows"),
    Component("MergeSideOutput", error.MergeSideInfo),
    Component("ParamDescriptor", service.ParamDescriptor, "name,kind,nullable"),
    Component("QueriesCatalogOutput", service.QueriesCatalogOutput, "queries"),
    Component("QueryCatalogEntry", service.QueryCatalogEntry, "name,tool_name,mutation,params"),
    Component("QueryRequest", request.QueryRequest, "query"),
    Component("ReadOutput", read.ReadOutput, "query_name,target,row_count,rows"),
    Component("ReadRequest", request.ReadRequest, "query_source"),
    Component("ReadTargetOutput", read.Target),
    Component(
        "SchemaApplyOutput",
        schema_apply.SchemaApplyOutput,
        "uri,supported,applied,step_count,manifest_version,steps",
    ),
    Component("SchemaApplyRequest", request.SchemaApplyRequest, "schema_source"),
    Component("SchemaOutput", write.SchemaOutput, "schema_source"),
    Component("SnapshotOutput", commit.SnapshotOutput, "branch,manifest_version,tables"),
    Component("SnapshotTableOutput", commit.TableInfo, "table_key,table_path,table_version,row_count"),
    Component("WhoamiOutput", policy.WhoamiOutput, "actor,protected_branches,actions"),
)
CLUSTER_COMPONENTS: Final = (
    Component("DiagnosticOutput", cluster.Diagnostic, "code,severity,path,message"),
    Component("ReloadOutput", service.ReloadOutput, "state_revision,state_cas,config_digest,changed"),
    Component("ServedClusterOutput", service.ServedClusterOutput, "state_revision,state_cas,config_digest,graphs"),
)
"""Of servers that are booted from a cluster."""
_ENUMS: Final = {
    "BranchMergeOutcome": ["already_up_to_date", "fast_forward", "merged"],
    "ErrorCode": [
        "unauthorized",
        "forbidden",
        "bad_request",
        "not_found",
        "method_not_allowed",
        "conflict",
        "too_many_requests",
        "internal",
    ],
    "LoadMode": ["overwrite", "append", "merge"],
    "MergeConflictKindOutput": [
        "divergent_insert",
        "divergent_update",
        "delete_vs_update",
        "orphan_edge",
        "unique_violation",
        "cardinality_violation",
        "value_constraint_violation",
    ],
    "ParamKind": ["string", "bool", "int", "bigint", "float", "date", "datetime", "blob", "vector", "list"],
}
_STRATEGY: Final[Json] = {
    "description": "Which side wins conflicts of rows: one word for all, or one by type (`*` stands for the types not named)",
    "oneOf": [
        {"type": "null"},
        {"type": "string", "enum": ["ours", "theirs"]},
        {"type": "object", "additionalProperties": {"type": "string", "enum": ["ours", "theirs"]}},
    ],
}
# Members whose type says less than is known of them.
_OVERRIDES: Final[dict[tuple[str, str], Json]] = {
    ("BranchMergeOutput", "outcome"): {"$ref": "#/components/schemas/BranchMergeOutcome"},
    ("MergePreviewOutput", "outcome"): {"$ref": "#/components/schemas/BranchMergeOutcome"},
    ("BranchMergeRequest", "strategy"): _STRATEGY,
    ("MergePreviewRequest", "strategy"): _STRATEGY,
    ("ErrorOutput", "code"): {"$ref": "#/components/schemas/ErrorCode"},
    ("MergeConflictOutput", "kind"): {"$ref": "#/components/schemas/MergeConflictKindOutput"},
    ("IngestRequest", "mode"): {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/LoadMode"}]},
    ("IngestOutput", "mode"): {"$ref": "#/components/schemas/LoadMode"},
    ("BatchLoadOutput", "mode"): {"$ref": "#/components/schemas/LoadMode"},
    ("ParamDescriptor", "kind"): {"$ref": "#/components/schemas/ParamKind"},
    ("ParamDescriptor", "item_kind"): {"$ref": "#/components/schemas/ParamKind"},
    ("ChangeRequest", "query"): {
        "type": "string",
        "description": "Text of the mutation; `query_source` is accepted as another name of this member",
    },
    ("ChangeRequest", "name"): {
        "type": ["string", "null"],
        "description": "Query to run when the text holds several; `query_name` is accepted as another name of this member",
    },
}
_PARAMS: Final[Json] = {"type": ["object", "null"], "description": "Values by parameter name, without the dollar sign"}
_HIDDEN: Final = frozenset({("ChangeRequest", "query_source"), ("ChangeRequest", "query_name")})
_NAMES: Final = {component.shape: component.name for component in (*COMPONENTS, *CLUSTER_COMPONENTS)}


def reference(name: str) -> Json:
    """Return a reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def components(*, with_cluster: bool = False) -> Json:
    """Return every component schema, sorted by name; those about clusters where they are served."""
    found: dict[str, Json] = {name: {"type": "string", "enum": words} for name, words in _ENUMS.items()}
    found["InvokeStoredQueryResponse"] = {"oneOf": [reference("ReadOutput"), reference("ChangeOutput")]}
    for component in (*COMPONENTS, *(CLUSTER_COMPONENTS if with_cluster else ())):
        found[component.name] = _object(component)
    return dict(sorted(found.items()))


def _object(component: Component) -> Json:
    properties = {
        field.encode_name: _member(component.name, field)
        for field in _fields(component.shape)
        if (component.name, field.encode_name) not in _HIDDEN
    }
    found: Json = {"type": "object", "properties": properties}
    if component.required:
        found["required"] = component.required.split(",")
    return found


def _member(component: str, field: inspect.Field) -> Json:
    override = _OVERRIDES.get((component, field.encode_name))
    if override is not None:
        return override
    if field.encode_name == "params" and component.endswith("Request"):
        return _PARAMS
    return _schema(field.type, field.encode_name)


def _schema(type_: inspect.Type, name: str) -> Json:
    if isinstance(type_, inspect.UnionType):
        return _union(type_, name)
    if isinstance(type_, inspect.StructType):
        known = _NAMES.get(type_.cls)
        return reference(known) if known is not None else _inline(type_.cls)
    if isinstance(type_, inspect.ListType):
        return {"type": "array", "items": _schema(type_.item_type, name)}
    if isinstance(type_, inspect.DictType):
        return {"type": "object"}
    if isinstance(type_, inspect.IntType):
        number: Json = {"type": "integer", "minimum": 0}
        return {**number, "format": "int64"} if name in _VERSIONS else number
    if isinstance(type_, inspect.LiteralType):
        return {"type": "string", "enum": list(type_.values)}
    if isinstance(type_, inspect.AnyType):
        return {}
    return {"type": {inspect.StrType: "string", inspect.BoolType: "boolean", inspect.FloatType: "number"}[type(type_)]}


def _union(type_: inspect.UnionType, name: str) -> Json:
    nullable = any(isinstance(member, inspect.NoneType) for member in type_.types)
    schemas = [_schema(member, name) for member in type_.types if not isinstance(member, inspect.NoneType)]
    if len(schemas) == 1:
        (schema,) = schemas
        if not nullable:
            return schema
        if isinstance(schema.get("type"), str):
            return {**schema, "type": [schema["type"], "null"]}
        return {"oneOf": [{"type": "null"}, schema]}
    return {"type": [*(schema["type"] for schema in schemas), *(["null"] if nullable else [])]}


def _inline(shape: type[msgspec.Struct]) -> Json:
    fields = _fields(shape)
    return {
        "type": "object",
        "properties": {field.encode_name: _schema(field.type, field.encode_name) for field in fields},
        "required": [field.encode_name for field in fields if field.required],
    }


def _fields(shape: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    described = inspect.type_info(shape)
    assert isinstance(described, inspect.StructType)
    return described.fields
