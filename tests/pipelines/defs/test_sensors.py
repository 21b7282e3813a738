"""The change sensor against a kintone that changes: what it asks for, what it remembers, what it says when it asks for nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster_inside import daemon_of, tick_sensors
from small_project import CUSTOMERS, FAQ, definitions_of, write_env, write_project

from infra.sandbox import process
from pipelines.defs.instance import instance_of
from pipelines.evidence.plan import claims_of
from pipelines.project import load

#: One tick with this cursor; what it asks for is launched and ends well, unless ``launched`` is false.
Look = Callable[..., Any]


@dataclass
class Source:
    """A kintone of this module's own, so that its forms may change."""

    home: Path
    added: int = 0

    def change(self, app: str) -> None:
        """The app's owner adds a field; what it is does not matter to the streams of the project."""
        self.added += 1
        process.control(self.home, "add_field", {"app": app, "code": f"新項目{self.added}", "type": "SINGLE_LINE_TEXT"}, server="kintone")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    home = tmp_path_factory.mktemp("changing")
    process.up(home, base_port=0, only=("kintone",))
    yield Source(home)
    process.down(home)


@pytest.fixture
def folder(tmp_path: Path, source: Source) -> Path:
    return write_project(tmp_path, CUSTOMERS, FAQ, home=source.home)


@pytest.fixture
def look(folder: Path) -> Iterator[Look]:
    """One tick of the sensor with this cursor."""
    repository = definitions_of(folder).get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:

        def tick(cursor: str | None, launched: bool = True) -> Any:
            context = dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=repository, sensor_name="kintone_changes")
            said = repository.get_sensor_def("kintone_changes").evaluate_tick(context)
            for request in said.run_requests if launched else ():
                instance.add_run(dg.DagsterRun(job_name="pull_kintone", status=dg.DagsterRunStatus.SUCCESS, tags=request.tags))
            return said

        yield tick


def asked(said: Any) -> set[str]:
    return {key.to_user_string() for request in said.run_requests for key in request.asset_selection}


def test_the_first_look_asks_for_every_stream_in_one_run_of_today(look: Look) -> None:
    said = look(None)
    assert asked(said) == {"kintone/customers", "kintone/faq"}
    assert [request.partition_key for request in said.run_requests] == [datetime.now(ZoneInfo("Asia/Tokyo")).date().isoformat()]


def test_an_unchanged_source_asks_for_nothing_and_says_how_many_streams_it_looked_at(look: Look) -> None:
    said = look(look(None).cursor)
    assert not said.run_requests
    assert said.skip_message == "nothing changed in 2 streams"


def test_a_changed_app_asks_for_its_own_stream_alone(look: Look, source: Source) -> None:
    cursor = look(None).cursor
    source.change("FAQ")
    said = look(cursor)
    assert asked(said) == {"kintone/faq"}
    assert said.cursor != cursor
    assert not look(said.cursor).run_requests


def test_a_source_that_comes_back_to_an_old_state_is_asked_again(look: Look) -> None:
    """A record entered and then deleted leaves the count as it was: both are changes."""
    known = look(look(None).cursor).cursor
    elsewhere = known.replace(":120", ":121")
    assert elsewhere != known
    back = look(elsewhere)
    assert asked(back) == {"kintone/customers"}
    assert back.run_requests[0].run_key is None


def test_a_run_that_never_came_to_be_loses_no_change(look: Look) -> None:
    lost = look(None, launched=False)
    again = look(lost.cursor)
    assert asked(again) == asked(lost) == {"kintone/customers", "kintone/faq"}
    assert again.run_requests[0].tags["fortnight/trigger"] == "sensor"


def test_a_source_that_is_down_is_said_and_nothing_is_forgotten(look: Look, folder: Path, source: Source) -> None:
    cursor = look(None).cursor
    write_env(folder, process.environment(source.home) | {"KINTONE_PASSWORD": "geheim"})
    said = look(cursor)
    assert not said.run_requests
    assert "refused the login name or password" in said.skip_message
    assert said.cursor in (None, cursor)


def test_dagster_launches_what_the_sensor_asks_for_and_the_claim_says_sensor(folder: Path) -> None:
    """Through the daemon's own sensor code: the first tick pulls, the second has nothing to do."""
    with daemon_of(folder) as daemon:
        tick_sensors(daemon, "kintone_changes", times=2)
    project = load(folder)
    with instance_of(project) as instance:
        (run,) = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.SUCCESS
        (state,) = [found for found in instance.all_instigator_state() if found.origin.instigator_name == "kintone_changes"]
        newest, first = instance.get_ticks(state.instigator_origin_id, state.selector_id)
    assert (first.status.value, first.run_ids) == ("SUCCESS", [run.run_id])
    assert (newest.status.value, newest.run_ids) == ("SKIPPED", [])
    assert {claim.trigger for claim in claims_of(project).read()} == {"sensor"}
