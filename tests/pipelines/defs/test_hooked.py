"""From an edit in SharePoint to a run: the sandbox tells the real service over a real socket, which leaves the note that makes the sensor ask."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest
from conformance.live import ORIGIN, write_yaml
from houses import without_rules
from receiving import on_https
from sharepoint_house import House, Target, house, target
from small_project import definitions_of
from typer.testing import CliRunner

from pipelines.cli.main import app as cli
from pipelines.clock import WallClock
from pipelines.project import load
from pipelines.pull import notes
from pipelines.serving.audit.log import audit_of
from pipelines.serving.callers.entrance import tokens_of
from pipelines.serving.doors.http import app_of
from pipelines.serving.metrics import Metrics
from pipelines.serving.reception import Reception
from tests.pipelines.serving.served_house import Words

SYSTEM, SECRET = "sharepoint", "s" * 40


@dataclass
class Hooked:
    """A tenant, a project that pulls one of its sites, and the project's service on https; its index was never built."""

    tenant: House
    at: Target

    @property
    def library(self) -> str:
        return next(stream for stream in self.at.streams if self.at.source(stream)["kind"] == "library")

    @property
    def told(self) -> list[str]:
        return [stream for stream in self.at.streams if self.at.source(stream)["kind"] != "pages"]

    def note(self, kind: Any = "notes") -> str:
        return notes.version(self.at.project.root, kind, SYSTEM)

    def noted(self, before: str, kind: Any = "notes") -> str:
        """The next note, waited for."""
        until = time.monotonic() + 20
        while (now := self.note(kind)) == before:
            assert time.monotonic() < until, "no note came"
            time.sleep(0.05)
        return now

    def edit(self) -> None:
        title = self.at.source(self.library)["name"]
        item = next(one for one in self.at.site.items() if one["list"] == title and one["kind"] == "file")
        self.at.site.do("edit", item=item["id"], text="改訂した。")

    def upkeep(self) -> dict[str, Any]:
        """A run of the job; its numbers."""
        with dg.instance_for_test() as instance:
            run = definitions_of(self.at.folder).resolve_job_def(f"subscriptions_{SYSTEM}").execute_in_process(instance=instance)
        (made,) = run.get_asset_materialization_events()
        found = made.step_materialization_data.materialization.metadata
        return {name: found[name].value for name in ("made", "renewed", "ended")}

    def doctor(self) -> dict[str, bool]:
        """What doctor finds of the notices, by subject."""
        said = CliRunner().invoke(cli, ["doctor", SYSTEM, "--project", str(self.at.folder), "--json", "--lang", "en"])
        return {one["subject"]: one["ok"] for one in json.loads(said.stdout)["findings"] if one["subject"].startswith("notices of")}


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooked]:
    with ExitStack() as stack:
        tenant = stack.enter_context(house(tmp_path_factory.mktemp("tenant"), ORIGIN))
        stack.enter_context(without_rules())
        at = target(tmp_path_factory.mktemp("hooked") / "project", tenant.site())
        stack.callback(at.close)
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("SP_HOOK", SECRET)
        written = at.project.file.model_dump(mode="json", exclude_unset=True)

        def write(**hook: Any) -> None:
            hooks = {SYSTEM: {"secret": {"env": "SP_HOOK"}, **hook}}
            indexes = {"support": {"streams": at.streams}}
            write_yaml(at.folder / "project.yaml", written | {"indexes": indexes, "watch": {"hooks": hooks}})

        write()
        project = load(at.folder)
        reception = Reception(project, "support", WallClock(), embedder=Words(), log=audit_of(project), metrics=Metrics("support"))
        service = app_of(reception, tokens_of(project), "https://search.example")
        url = stack.enter_context(on_https(service, tenant.settings))
        write(url=f"{url}/hooks/{SYSTEM}")
        at.project = load(at.folder)
        made = Hooked(tenant, at)
        for stream in made.told:
            assert at.pull(stream).error is None
        yield made


def tick(at: Target, cursor: str | None, instance: dg.DagsterInstance) -> Any:
    repository = definitions_of(at.folder).get_repository_def()
    context = dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=repository, sensor_name=f"{SYSTEM}_changes")
    return repository.get_sensor_def(f"{SYSTEM}_changes").evaluate_tick(context)


def test_an_edit_at_the_source_is_asked_for_by_the_next_look_and_not_before(hooked: Hooked) -> None:
    assert hooked.doctor() == dict.fromkeys((f"notices of {stream}" for stream in hooked.told), False)
    assert hooked.upkeep() == {"made": len(hooked.told), "renewed": 0, "ended": 0}
    assert hooked.doctor() == dict.fromkeys((f"notices of {stream}" for stream in hooked.told), True)
    before = hooked.note()
    assert before, "what changed before the subscription was there is asked for once"
    with dg.DagsterInstance.ephemeral() as instance:
        first = tick(hooked.at, None, instance)
        assert not first.run_requests
        again = tick(hooked.at, first.cursor, instance)
        assert "no new note" in again.skip_message
        hooked.edit()
        hooked.noted(before)
        told = tick(hooked.at, first.cursor, instance)
    assert [key.to_user_string() for one in told.run_requests for key in one.asset_selection] == [hooked.library]


def test_a_notice_that_asks_for_renewal_is_answered_within_a_quarter_of_an_hour(hooked: Hooked) -> None:
    hooked.upkeep()
    definitions = definitions_of(hooked.at.folder)
    schedule = definitions.get_schedule_def(f"subscriptions_{SYSTEM}_often")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED

    def asks(hour: int, minute: int) -> bool:
        # Tokyo's six o'clock, and a quarter past.
        at = datetime(2026, 11, 27, hour, minute, tzinfo=UTC)
        with dg.build_schedule_context(scheduled_execution_time=at) as context:
            return isinstance(schedule(context), dg.RunRequest)

    assert (asks(21, 0), asks(21, 15)) == (True, False)
    hooked.tenant.control("lifecycle", event="reauthorizationRequired")
    hooked.noted("", "renewals")
    assert asks(21, 15)
    assert hooked.upkeep() == {"made": 0, "renewed": len(hooked.told), "ended": 0}
    assert hooked.note("renewals") == "" and not asks(21, 15)
    assert not any(one["paused"] for one in hooked.tenant.control("subscriptions")["subscriptions"])
