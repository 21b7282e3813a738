"""What exists: the graph of the example project as one text to review, and what a broken contract does to it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from graph_text import graph_text
from small_project import CUSTOMERS, FAQ, definitions_of, write_project
from syrupy.assertion import SnapshotAssertion

EXAMPLE = Path(__file__).resolve().parents[3] / "infra" / "project"


def test_the_graph_of_the_example_project_is_as_reviewed(snapshot: SnapshotAssertion) -> None:
    """Where the change is meant: ``pytest tests/pipelines/defs/test_graph.py --snapshot-update``, and the diff goes into the review."""
    assert graph_text(definitions_of(EXAMPLE)) == snapshot


def test_every_stream_of_the_example_is_pulled_by_exactly_one_scheduled_job() -> None:
    repository = definitions_of(EXAMPLE).get_repository_def()
    streams = [
        key
        for key in repository.asset_graph.get_all_asset_keys()
        if repository.asset_graph.get(key).group_name not in ("index", "evidence")
    ]
    scheduled = [repository.get_job(schedule.job_name) for schedule in repository.schedule_defs]
    assert streams
    for stream in streams:
        assert sum(stream in job.asset_layer.selected_asset_keys for job in scheduled) == 1, stream


def test_a_broken_contract_becomes_an_asset_that_says_what_is_wrong_and_takes_no_other_down(tmp_path: Path) -> None:
    folder = write_project(tmp_path, CUSTOMERS, FAQ)
    (folder / "contracts" / "kintone" / "orders.yaml").write_text("stream: kintone/orders\nversion: eins\n", encoding="utf-8")
    definitions = definitions_of(folder)
    assert {spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()} >= {
        "kintone/customers",
        "kintone/faq",
        "kintone/orders",
    }
    with dg.DagsterInstance.ephemeral() as instance:
        broken = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey(["kintone", "orders"])], raise_on_error=False
        )
    assert not broken.success
    (failure,) = [event for event in broken.all_events if event.is_step_failure]
    said = str(failure.step_failure_data.user_failure_data.description)
    assert "orders.yaml" in said
    assert "version" in said
    pulled = definitions.resolve_job_def("pull_kintone").asset_layer.selected_asset_keys
    assert {key.to_user_string() for key in pulled} == {"kintone/customers", "kintone/faq"}
