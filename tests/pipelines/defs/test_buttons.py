"""Buttons: what an operator starts by hand does what its command does, and says why when it does not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import certifi
import dagster as dg
import pytest
from small_project import CUSTOMERS, FAQ, definitions_of, write_env, write_project

from pipelines.defs.instance import instance_of
from pipelines.evidence.plan import claims_of, ledger_of
from pipelines.index.models import embedder_of
from pipelines.index.releases import Coverage, Manifest, point_production, production, record_candidate
from pipelines.index.store.generation import tag_of
from pipelines.project import load

MORNING = datetime(2026, 11, 2, 0, tzinfo=UTC)
INDEX = {"support": {"streams": ["kintone/faq"]}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_project(tmp_path, CUSTOMERS, FAQ, indexes=INDEX)


def pressed(folder: Path, button: str, **form: Any) -> dg.ExecuteInProcessResult:
    job = definitions_of(folder).resolve_job_def(button)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return job.execute_in_process(run_config={"ops": {f"{button}_op": {"config": form}}, **quiet}, raise_on_error=False)


def why(result: dg.ExecuteInProcessResult) -> str:
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    data = failed.step_failure_data.user_failure_data
    assert data is not None
    return str(data.description)


def test_suspend_writes_the_row_that_servers_obey(folder: Path) -> None:
    result = pressed(folder, "suspend", index="support", by="riku.ikeda", why="prices are wrong")
    assert result.success
    (row,) = ledger_of(load(folder)).read(kinds=("decision",))
    assert (row.entry.subject, row.entry.verdict, row.entry.actor) == ("support", "suspend", "riku.ikeda")


@pytest.mark.parametrize(
    ("button", "form", "said"),
    [
        ("suspend", {"index": "support", "by": " ", "why": "x"}, "Nothing was done"),
        ("suspend", {"index": "suport", "by": "riku.ikeda", "why": "x"}, "suport"),
        ("rollback", {"index": "support", "by": "riku.ikeda", "why": "x"}, "in production"),
        ("drill", {"index": "support", "by": "riku.ikeda"}, "support"),
        ("replay", {"stream": "kintone/faqs"}, "kintone/faqs"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_button_that_can_do_nothing_says_why_and_writes_nothing(folder: Path, button: str, form: dict[str, Any], said: str) -> None:
    result = pressed(folder, button, **form)
    assert not result.success
    assert said in why(result)
    assert ledger_of(load(folder)).read() == ()


def test_rollback_goes_by_the_model_of_the_index_and_not_by_the_offline_one(tmp_path: Path) -> None:
    endpoint = {"kind": "openai", "url": "http://127.0.0.1:9/v1", "model": "e5-large", "revision": "1", "dim": 8}
    indexes = {"support": {"streams": ["kintone/faq"], "embedding": endpoint}}
    folder = write_project(tmp_path, CUSTOMERS, FAQ, indexes=indexes)
    write_env(folder, {"FORTNIGHT_CA_FILE": certifi.where()})
    project = load(folder)
    with_endpoint = embedder_of(project, index="support")
    for number in (1, 2):
        made = manifest(number, with_endpoint.model_id, with_endpoint.revision)
        record_candidate(project.root, made)
        tags = Path(project.root) / "indexes" / "support" / "generations" / f"{made.table}.lance" / "_refs" / "tags"
        tags.mkdir(parents=True, exist_ok=True)
        (tags / f"{tag_of(number, made.version)}.json").write_text("{}")
        point_production(project.root, "support", number, at=MORNING, actor="akari.mori", reason="go", after=number - 1)
    assert pressed(folder, "rollback", index="support", by="riku.ikeda", why="wrong answers").success
    now = production(project.root, "support")
    assert now is not None and now.release == 1


def manifest(number: int, model: str, revision: str) -> Manifest:
    return Manifest(
        index="support",
        number=number,
        created_at=MORNING,
        inputs={},
        model_id=model,
        revision=revision,
        dim=8,
        chunker="c",
        table="chunks",
        version=number,
        documents={},
        chunks=1,
        access=Coverage(chunks=1, resolved=1, scopes_unresolved={}),
        omitted=(),
        content_hash=f"sha256:{number}",
    )


def test_replaying_what_is_not_held_asks_nobody_and_leaves_no_claim(folder: Path) -> None:
    assert pressed(folder, "replay", stream="kintone/faq").success
    assert claims_of(load(folder)).read() == ()


def test_every_run_has_an_end_and_tags_to_be_found_by(folder: Path) -> None:
    """Whatever launches it: a job carries its limit, its system or index, and that a person started it until something else did."""
    repository = definitions_of(folder).get_repository_def()
    for job in repository.get_all_jobs():
        if job.name.startswith("__"):
            continue
        assert job.tags["dagster/max_runtime"] == "7200", job.name
        assert job.tags["fortnight/trigger"] == "manual"
        assert job.tags["fortnight/kind"]
    assert repository.get_job("pull_kintone").tags["fortnight/system"] == "kintone"
    assert repository.get_job("index_support").tags["fortnight/index"] == "support"
    assert {"seal", "drill", "rollback", "suspend", "replay"} <= {job.name for job in repository.get_all_jobs()}


def test_what_a_person_started_and_what_died_half_way_is_never_begun_again_by_dagster(folder: Path) -> None:
    from dagster._core.execution.retries import auto_reexecution_should_retry_run

    repository = definitions_of(folder).get_repository_def()

    def tried_again(name: str) -> bool:
        run = dg.DagsterRun(job_name=name, status=dg.DagsterRunStatus.FAILURE, tags=repository.get_job(name).tags)
        instance.add_run(run)
        return auto_reexecution_should_retry_run(instance, run, None)

    with instance_of(load(folder)) as instance:
        assert tried_again("pull_kintone"), "what nobody waits for is"
        assert [name for name in ("drill", "rollback", "suspend", "replay") if tried_again(name)] == []
