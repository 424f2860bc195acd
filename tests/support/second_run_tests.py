"""Which tests run a second time with their graphs on S3, and which never do."""

from __future__ import annotations

from typing import Final

ALWAYS: Final = (
    "graph/test_graph.py",
    "graph/test_merge.py",
    "cli/test_with_a_graph.py",
    "client/test_remote.py",
)
ON_REQUEST: Final = ("graph/", "cli/", "server/", "client/")

NEVER: Final[dict[str, str]] = {
    "graph/test_crash.py": "wraps and copies local directories",
    "cli/test_process.py": "measures processes, and would measure what diverts them",
    "cli/test_data_commands.py::test_init_leaves_clusters_alone": "leaves a file",
    "graph/test_group_commit.py::test_when_another_writer_is_first_all_are_judged_again": "wraps a local directory",
    "graph/test_group_commit.py::test_a_put_without_an_answer_is_settled_by_reading": "wraps a local directory",
    "graph/test_group_commit.py::test_a_death_leaves_all_of_a_group_or_nothing": "wraps and copies local directories",
    "graph/test_schema_change.py::test_a_text_of_another_layout_is_kept_without_a_commit": "looks at a file",
    "graph/test_schema_races.py::test_an_apply_is_planned_again": "looks at a file",
    "server/test_aws.py": "has variables of its own for AWS",
    "cli/test_maintenance.py::test_repair": "removes files",
    "cli/test_schema.py::test_a_graph_of_a_cluster_may_be_changed_with_a_warning": "leaves a file",
    "graph/test_cleanup.py::test_after_optimize_the_old_files_go": "measures files",
    "graph/test_cleanup.py::test_a_writer_that_looked_long_ago_cannot_write_into_the_past": "removes a file",
    "graph/test_cleanup.py::test_deleted_branches_go_and_what_was_merged_stays_known": "looks at files",
    "graph/test_cleanup.py::test_files_of_a_write_in_flight_are_left_alone": "leaves files",
    "graph/test_cleanup.py::test_a_damaged_table_is_reported_and_left_alone": "damages files",
    "graph/test_cleanup.py::test_death_at_every_store_call": "wraps and copies local directories",
    "graph/test_cleanup.py::test_many_branches_cost_a_commit_nothing": "measures the time that a disk takes",
    "graph/test_repair.py": "damages files",
    "graph/test_object_storage.py": "is on S3 anyway",
    "graph/test_freshness.py": "has no graph",
    "graph/test_whole_model.py::test_long_histories": "runs for half an hour on a local disk",
    "graph/test_cleanup.py::test_what_changed_is_found_without_the_lists_that_a_cleanup_removed": "removes files",
    "graph/test_graph.py::test_a_new_graph_has_one_commit_and_every_type": "looks at files",
    "graph/test_graph.py::test_force_replaces_a_stray_schema_file": "leaves a file",
    "graph/test_graph.py::test_the_schema_copy_has_no_authority": "edits a file",
    "graph/test_graph.py::test_a_newer_format_is_refused": "edits a file",
    "graph/test_graph.py::test_a_damaged_record_says_so": "edits a file",
    "graph/test_graph.py::test_a_root_can_be_copied_and_read_without_write_access": "copies a directory",
    "graph/test_graph.py::test_many_rows_become_a_base_and_stay_the_same": "counts files",
    "graph/test_graph.py::test_a_large_blob_loads_and_exports": "measures a file",
}
"""What is about local files themselves, by path or path::test, and why."""


def runs_on_s3(path: str, test: str, *, every: bool) -> bool:
    """Say whether a test, named by its path under ``tests`` and its function, has a second run."""
    if path in NEVER or f"{path}::{test}" in NEVER:
        return False
    return path.startswith(ON_REQUEST if every else ALWAYS)
