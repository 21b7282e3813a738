"""The pulls of one run go through one connector: what they share is dated honestly, and nothing that is to be known now is shared."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scripted import START, STREAM, Row, Source, names, project_of

from connectors.access import Access, Scope
from connectors.errors import AnswerIsNo, SourceUnavailable
from connectors.protocol import Connector, Stream
from connectors.readings import Readings
from pipelines.clock import Clock, ClockKind, FixedClock
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.outcome import Request, Result
from pipelines.pull.run import pull
from pipelines.pull.sharing import Sharing


class Ticking:
    """A clock that a test puts forward."""

    kind: ClockKind = "simulated"

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at


@dataclass
class Shared(Source):
    """A source whose rights and view are read through the readings of its run. ``told`` is what it says of them now, ``read`` how often it did."""

    readings: Readings = field(default_factory=Readings)
    told: str = "rules-1"
    member: str = "user:books/before"
    before_access: Callable[[], None] = lambda: None
    read: int = 0
    closed: int = 0

    def access(self, stream: Stream) -> Access:
        def ask() -> Access:
            self.before_access()
            self.read += 1
            return Access((Scope("all", "all", ("everyone:books",)),), (), (), view=self.told)

        return self.readings.once("rights", ask)

    def scopes(self, stream: Stream, ids: Collection[str]) -> tuple[Scope, ...]:
        member = self.readings.once("directory", lambda: self.member)
        return tuple(Scope(one, one, (member,)) for one in ids)

    def close(self) -> None:
        self.closed += 1


class Life:
    """One project, one source, and a run that another stream of the system was pulled in already."""

    def __init__(self, folder: Path, **contract: Any) -> None:
        self.project, self.clock = project_of(folder, **contract), Ticking()
        self.source = Shared({number: Row(f"部品{number}") for number in range(1, 30)})

    def begin(self, minutes: float = 0) -> None:
        """A run in which the rights were read for another stream first."""
        self.clock.at += timedelta(minutes=minutes)
        self.source.readings = Readings(self.clock.now)
        self.source.access(Stream("books", "other", {}, (), ()))

    def pull(self, seconds: float = 30, **request: Any) -> Result:
        self.clock.at += timedelta(seconds=seconds)
        self.source.later()
        return pull(self.project, Request(STREAM, **request), self.clock, connector=self.source)

    @property
    def read_at(self) -> datetime:
        record = Warehouse(self.project.root).published(STREAM)
        assert record is not None and record.access_at is not None
        return datetime.fromisoformat(record.access_at)


def test_shared_rights_carry_the_instant_they_were_really_read_at(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.begin()
    assert life.pull().succeeded
    assert (life.source.read, life.read_at) == (1, START)
    life.begin(minutes=120)
    again = life.clock.at
    assert life.pull().succeeded
    assert (life.source.read, life.read_at) == (2, again)


def test_rights_that_this_pull_read_carry_its_own_instant(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.source.readings = Readings(life.clock.now)
    assert life.pull().succeeded
    assert life.read_at == life.clock.at


def test_nothing_shared_is_older_than_the_contract_lets_rights_become(tmp_path: Path) -> None:
    life = Life(tmp_path, access={"from": "source", "refresh": "PT1M"})
    life.begin()
    assert life.pull(seconds=90).succeeded
    assert (life.source.read, life.read_at) == (2, life.clock.at)


def test_a_pull_that_reads_everything_anew_shares_no_rights(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.begin()
    assert life.pull(full=True).succeeded
    assert (life.source.read, life.read_at) == (2, life.clock.at)


def test_rights_never_go_back_to_what_was_read_before_another_run_read_them_for_the_stream(tmp_path: Path) -> None:
    life = Life(tmp_path)
    assert life.pull().succeeded
    life.begin(minutes=120)
    between = life.clock.at + timedelta(seconds=10)
    life.source.told, shared, life.source.readings = "rules-2", life.source.readings, Readings()
    assert pull(life.project, Request(STREAM), FixedClock(between), connector=life.source).succeeded
    life.source.readings = shared
    # So that rights are not carried on.
    life.source.revision = "2"
    assert life.pull().succeeded
    record = Warehouse(life.project.root).published(STREAM)
    assert record is not None and (record.view, life.read_at) == ("rules-2", life.clock.at)


def test_a_reading_made_while_another_run_pulled_the_stream_does_not_take_its_rights_back(tmp_path: Path) -> None:
    life = Life(tmp_path)
    assert life.pull().succeeded
    life.begin(minutes=120)
    # That run had begun before this one read the rights for another stream, and read them after they had moved.
    other, shared = Ticking(), life.source.readings
    other.at = life.clock.at - timedelta(seconds=10)

    def slowly() -> None:
        other.at = life.clock.at + timedelta(seconds=20)

    life.source.told, life.source.readings, life.source.before_access = "rules-2", Readings(), slowly
    assert pull(life.project, Request(STREAM), other, connector=life.source).succeeded
    life.source.readings, life.source.before_access = shared, lambda: None
    # So that rights are not carried on.
    life.source.revision = "2"
    assert life.pull().succeeded
    record = Warehouse(life.project.root).published(STREAM)
    assert record is not None and (record.view, life.read_at) == ("rules-2", life.clock.at)


@pytest.mark.parametrize("request_of", [{}, {"full": True}])
def test_a_scope_that_rows_make_is_resolved_by_nothing_older_than_the_rights_themselves(tmp_path: Path, request_of: dict[str, Any]) -> None:
    life = Life(tmp_path, access={"from": "source", "refresh": "PT1M"})
    life.begin()
    life.source.scopes(Stream("books", "other", {}, (), ()), ["own?1"])
    life.source.rows = {1: Row("部品1", scope="own?1")}
    life.source.member = "user:books/after"
    assert life.pull(seconds=90, **request_of).succeeded
    scopes = Warehouse(life.project.root).read("scopes", STREAM)
    assert scopes is not None
    assert {row["scope"]: row["principals"] for row in scopes.to_pylist()}["own?1"] == ["user:books/after"]
    assert life.read_at == life.clock.at


def test_before_rows_are_taken_for_deleted_what_decides_our_view_is_asked_now_and_not_of_the_run(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.begin()
    assert life.pull().succeeded
    life.begin(minutes=120)
    # Since the run read it, our login left a group: the row is hidden from us, and not gone.
    life.source.told = "rules-2"
    hidden = life.source.rows.pop(1)
    refused = life.pull()
    assert isinstance(refused.error, AnswerIsNo) and refused.error.code == "pull.vanished_with_rights"
    assert 1 in names(life.project)
    life.source.rows[1], life.source.told = hidden, "rules-1"
    life.begin()
    del life.source.rows[2]
    assert life.pull().succeeded and 2 not in names(life.project), "the view stands, and the row is gone"


class Opened:
    """In the place of the project's own ``connect``: a source for each call, with the readings a run gets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sources: list[Shared] = []
        self.down = False

        def connect(project: Project, system: str, *, run: Clock | None = None) -> Connector:
            assert run is not None
            source = Shared({1: Row(project.folder.name)}, readings=Readings(run.now))
            if self.down:
                source.before_pull = self._fail
            self.sources.append(source)
            return source

        monkeypatch.setattr(Project, "connect", connect)

    def _fail(self) -> None:
        raise SourceUnavailable("source.cut", host="books.example", reason="test")


def test_pulls_of_a_run_share_a_connector_which_is_closed_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, sharing, clock = Opened(monkeypatch), Sharing(), Ticking()
    project = project_of(tmp_path)
    assert all(sharing.pull(project, Request(STREAM), clock).succeeded for _ in range(2))
    assert [source.closed for source in opened.sources] == [0]
    sharing.close()
    assert [source.closed for source in opened.sources] == [1]


def test_after_a_pull_that_failed_the_next_one_gets_another_connector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, sharing, clock = Opened(monkeypatch), Sharing(), Ticking()
    project = project_of(tmp_path)
    opened.down = True
    assert not sharing.pull(project, Request(STREAM), clock).succeeded
    assert [source.closed for source in opened.sources] == [1]
    opened.down = False
    assert sharing.pull(project, Request(STREAM), clock).succeeded
    assert len(opened.sources) == 2 and opened.sources[1].read == 1
    sharing.close()
    assert [source.closed for source in opened.sources] == [1, 1]


def test_systems_of_the_same_name_in_two_projects_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, sharing, clock = Opened(monkeypatch), Sharing(), Ticking()
    projects = [project_of(tmp_path / name) for name in ("here", "there")]
    for project in projects:
        assert sharing.pull(project, Request(STREAM), clock).succeeded
    assert [names(project) for project in projects] == [{1: "here"}, {1: "there"}]
    assert [source.read for source in opened.sources] == [1, 1]
    sharing.close()
