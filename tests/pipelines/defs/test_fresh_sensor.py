"""The sensor that keeps an index fresh: pulls every few minutes, a build when the candidate is behind, nothing twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from small_project import CUSTOMERS, FAQ, definitions_of, write_project

from pipelines.defs.fresh import PULL_EVERY, newer_than_candidate
from pipelines.index.releases import Coverage, Input, Manifest, record_candidate
from pipelines.landing.published import Published
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load

STREAMS = ("kintone/customers", "kintone/faq")
NAME = "index_support_fresh"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return load(write_project(tmp_path, CUSTOMERS, FAQ, indexes={"support": {"streams": list(STREAMS)}}))


def publish(project: Project, stream: str) -> None:
    """What a pull leaves for those who only ask whether there was one."""
    warehouse, at = Warehouse(project.root), datetime.now(UTC)
    warehouse.replace("current", stream, pa.table({"_key": ["1"]}))
    before = warehouse.published(stream)
    number = before.number + 1 if before else 1
    told = {"contract_version": 1, "contract_fingerprint": "c", "schema_fingerprint": "s", "revision": "1", "counts": {}}
    record = {"number": number, "stream": stream, "pull_id": warehouse.by, "published_at": at.isoformat(), "tables": {}, **told}
    warehouse.publish(Published(**record))


def build(project: Project, number: int, **published: int) -> None:
    inputs = {f"kintone/{name}": Input(published=one, tables={}, contract_version=1) for name, one in published.items()}
    told: dict[str, Any] = {"model_id": "m", "revision": "1", "dim": 1, "chunker": "c", "table": "t", "documents": {}, "chunks": 1}
    whole = Coverage(chunks=1, resolved=1, scopes_unresolved={})
    made = Manifest(
        index="support", number=number, created_at=datetime.now(UTC), inputs=inputs, access=whole, omitted=(), content_hash="h", **told
    )
    record_candidate(project.root, made)


def look(project: Project, cursor: str | None, instance: dg.DagsterInstance) -> Any:
    repository = definitions_of(project.folder).get_repository_def()
    context = dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=repository, sensor_name=NAME)
    return repository.get_sensor_def(NAME).evaluate_tick(context)


def asked(said: Any) -> list[str]:
    return [request.job_name for request in said.run_requests]


def test_streams_are_pulled_every_few_minutes_and_a_candidate_that_is_behind_is_built_once(project: Project) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        first = look(project, None, instance)
        assert asked(first) == ["pull_kintone"]
        assert {key.to_user_string() for key in first.run_requests[0].asset_selection} == set(STREAMS)
        again = look(project, first.cursor, instance)
        assert not asked(again) and "as new as its streams" in again.skip_message
        for stream in STREAMS:
            publish(project, stream)
        built = look(project, first.cursor, instance)
        assert asked(built) == ["index_support"]
        assert not asked(look(project, built.cursor, instance)), "a build that is under way, or that failed, is not asked for again"
        build(project, 1, customers=1, faq=1)
        publish(project, "kintone/faq")
        assert asked(look(project, built.cursor, instance)) == ["index_support"]
        told = json.loads(built.cursor)
        due = json.dumps(told | {"pulled": (datetime.fromisoformat(told["pulled"]) - PULL_EVERY).isoformat()})
        assert asked(look(project, due, instance)) == ["pull_kintone", "index_support"]


def test_what_is_under_way_is_not_asked_for_twice(project: Project) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions_of(project.folder).resolve_job_def("pull_kintone")
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert not asked(look(project, None, instance))


def test_an_index_is_behind_only_when_every_stream_was_published_and_one_is_newer(project: Project) -> None:
    assert newer_than_candidate(project, "support", STREAMS) == {}
    publish(project, STREAMS[0])
    assert newer_than_candidate(project, "support", STREAMS) == {}, "half an index is no index"
    publish(project, STREAMS[1])
    assert newer_than_candidate(project, "support", STREAMS) == dict.fromkeys(STREAMS, 1)
    build(project, 1, customers=1, faq=1)
    assert newer_than_candidate(project, "support", STREAMS) == {}
    assert timedelta() < PULL_EVERY < timedelta(minutes=15)
