"""Memberships on their own clock: a group's members change, and no row, document or scope is touched."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from conformance.live import project_for, tenant, with_offers

from connectors.errors import AnswerIsNo, SourceError
from connectors.sharepoint.change_log import Changed
from infra.sandbox import process
from infra.sandbox.sharepoint.changes import RETENTION
from pipelines.clock import FixedClock, WallClock
from pipelines.landing.snapshot import snapshot
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.outcome import Request
from pipelines.pull.roster import known_roster, refresh, roster_id
from pipelines.pull.run import pull
from pipelines.pull.versions import known_versions, weigh
from pipelines.serving.callers.identity import Person, closures
from pipelines.serving.desk import directories
from pipelines.serving.examination.agreement import agree, agreement_check

RULES, MANUALS = "sharepoint/quality-rules", "sharepoint/manuals"
PAGES = "sharepoint/quality-pages"
TITLES = {"品質規程": RULES, "製品マニュアル": MANUALS}
AUDITORS = "監査チーム"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tenant(tmp_path_factory.mktemp("tenant")) as folder:
        yield folder


@pytest.fixture
def loaded(home: Path, tmp_path: Path) -> Project:
    named = {("/sites/quality", title): stream for title, stream in {**TITLES, "": PAGES}.items()}
    project = with_offers(tmp_path / "project", home, named)
    for stream in (*TITLES.values(), PAGES):
        assert pull(project, Request(stream), WallClock()).error is None
    return project


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    send = httpx.Client.send

    def heard(client: httpx.Client, request: httpx.Request, **how: Any) -> httpx.Response:
        found.append(request.url.path)
        return send(client, request, **how)

    monkeypatch.setattr(httpx.Client, "send", heard)
    return found


def hours(count: float) -> FixedClock:
    return FixedClock(WallClock().now() + timedelta(hours=count))


def reached(project: Project, principal: str) -> frozenset[str]:
    """Under what the person behind an account asks questions of the rules, as the desk has it."""
    pin = snapshot(Warehouse(project.root), RULES)
    assert pin is not None
    (directory,), _ = directories(project, [pin])
    return closures(Person("p", "", {"sharepoint": principal}), [directory])[RULES]


def principal_of(project: Project, login: str) -> str:
    accounts = Warehouse(project.root).read("accounts", MANUALS)
    assert accounts is not None
    return next(row["principal"] for row in accounts.to_pylist() if row["login"].startswith(f"{login}@"))


def test_somebody_put_into_a_site_group_and_taken_out_again_shows_without_a_row_or_scope_touched(loaded: Project, home: Path) -> None:
    warehouse = Warehouse(loaded.root)
    refresh(loaded, "sharepoint", hours(1))
    emma, before = principal_of(loaded, "emma.wilson"), {stream: warehouse.versions(stream) for stream in TITLES.values()}
    without = reached(loaded, emma)
    process.control(home, "site_group", {"site": "quality", "group": AUDITORS, "add": ["emma.wilson"]})
    came = refresh(loaded, "sharepoint", hours(2))
    (group,) = reached(loaded, emma) - without
    process.control(home, "site_group", {"site": "quality", "group": AUDITORS, "remove": ["emma.wilson"]})
    gone = refresh(loaded, "sharepoint", hours(3))
    assert (came.came, came.left, gone.came, gone.left) == (1, 0, 0, 1)
    assert group.startswith("spgroup:") and reached(loaded, emma) == without
    assert {stream: warehouse.versions(stream) for stream in TITLES.values()} == before, "no document is rewritten"
    members = warehouse.read("members", roster_id("sharepoint"))
    assert members is not None
    (edge,) = [row for row in members.to_pylist() if (row["group"], row["member"]) == (group, emma)]
    assert edge["gone_at"] - edge["first_observed"] > timedelta(minutes=30), "and when it was so stays known"


def test_a_quiet_reading_asks_the_change_log_and_no_site_group(loaded: Project, home: Path, asked: list[str]) -> None:
    first = refresh(loaded, "sharepoint", hours(1))
    asked.clear()
    again = refresh(loaded, "sharepoint", hours(2))
    assert not [path for path in asked if "sitegroups" in path.lower()]
    assert sum("GetChanges" in path for path in asked) == 1
    assert (again.came, again.left, again.members) == (0, 0, first.members) and again.asked < first.asked
    process.control(home, "site_group", {"site": "quality", "group": AUDITORS, "add": ["emma.wilson"]})
    asked.clear()
    refresh(loaded, "sharepoint", hours(3))
    assert sum("sitegroups" in path.lower() for path in asked) == 1, "only the group that the log names"
    process.control(home, "site_group", {"site": "quality", "group": AUDITORS, "remove": ["emma.wilson"]})


def test_who_is_taken_off_the_site_is_out_of_its_groups_though_the_log_names_no_group(loaded: Project, home: Path) -> None:
    process.control(home, "site_group", {"site": "quality", "group": AUDITORS, "add": ["emma.wilson"]})
    refresh(loaded, "sharepoint", hours(1))
    emma = principal_of(loaded, "emma.wilson")
    inside = reached(loaded, emma)
    process.control(home, "remove_user", {"site": "quality", "login": "emma.wilson"})
    refresh(loaded, "sharepoint", hours(2))
    assert {group.partition(":")[0] for group in inside - reached(loaded, emma)} == {"spgroup"}


def test_a_removal_that_the_change_log_lost_is_not_undone_by_a_reading_younger_than_the_pull_that_saw_it(
    loaded: Project, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.control(home, "site_group", {"site": "quality", "group": AUDITORS, "add": ["emma.wilson"]})
    refresh(loaded, "sharepoint", hours(1))
    emma = principal_of(loaded, "emma.wilson")
    inside = reached(loaded, emma)
    process.control(home, "site_group", {"site": "quality", "group": AUDITORS, "remove": ["emma.wilson"]})
    monkeypatch.setattr("connectors.sharepoint.roster.changed_since", lambda rest, site, token: Changed(frozenset(), token))
    assert refresh(loaded, "sharepoint", hours(2)).left == 0, "nothing told of it"
    assert pull(loaded, Request(RULES), hours(4)).error is None
    (group,) = inside - reached(loaded, emma)
    assert refresh(loaded, "sharepoint", hours(5)).left == 1
    assert group not in reached(loaded, emma)
    assert refresh(loaded, "sharepoint", hours(6)).asked == refresh(loaded, "sharepoint", hours(7)).asked, "and it is asked for once"


def test_a_change_log_that_no_longer_goes_back_so_far_is_read_over_by_reading_every_group(
    loaded: Project, home: Path, asked: list[str]
) -> None:
    first = refresh(loaded, "sharepoint", hours(1))
    process.advance(home, RETENTION.days + 1)
    asked.clear()
    again = refresh(loaded, "sharepoint", hours(2))
    assert sum("GetChanges" in path for path in asked) == 1, "a token nobody knows is not asked about again"
    assert again.asked == first.asked


def test_a_pull_younger_than_the_roster_decides_for_its_own_stream(loaded: Project, home: Path) -> None:
    refresh(loaded, "sharepoint", hours(1))
    emma = principal_of(loaded, "emma.wilson")
    without = reached(loaded, emma)
    process.control(home, "site_group", {"site": "quality", "group": AUDITORS, "add": ["emma.wilson"]})
    assert reached(loaded, emma) == without
    assert pull(loaded, Request(RULES), hours(3)).error is None
    assert len(reached(loaded, emma) - without) == 1
    process.control(home, "site_group", {"site": "quality", "group": AUDITORS, "remove": ["emma.wilson"]})


def test_a_reading_that_fails_leaves_the_last_one_as_it_was(loaded: Project, home: Path) -> None:
    first = refresh(loaded, "sharepoint", hours(1))
    process.control(home, "break", {"name": "throttle-storm", "count": 50})
    with pytest.raises(SourceError):
        refresh(loaded, "sharepoint", hours(2))
    process.control(home, "heal", {})
    last = known_roster(Warehouse(loaded.root), "sharepoint")
    assert last is not None and last.record.number == first.published
    assert refresh(loaded, "sharepoint", hours(3)).published == first.published + 1


def test_before_anything_was_pulled_nobody_knows_which_groups_matter(home: Path, tmp_path: Path) -> None:
    with pytest.raises(AnswerIsNo) as caught:
        refresh(project_for(tmp_path / "project", home), "sharepoint", WallClock())
    assert caught.value.code == "roster.nothing_pulled"


def test_the_largest_files_are_weighed_with_all_their_versions(loaded: Project, home: Path) -> None:
    truth = [row for row in process.control(home, "truth", {"site": "quality"})["items"] if row["list"] == "製品マニュアル"]
    edited = next(row["id"] for row in truth if row["kind"] == "file" and row["path"].endswith(".html"))
    assert pull(loaded, Request(MANUALS), WallClock()).error is None
    before = weigh(loaded, "sharepoint", WallClock())
    process.control(home, "edit", {"item": edited, "text": "改訂版"})
    after = weigh(loaded, "sharepoint", WallClock())
    assert before.files == before.asked and after.versions == before.versions + 1 and after.bytes > before.bytes
    assert weigh(loaded, "sharepoint", WallClock(), largest=3).asked == 3
    kept = known_versions(Warehouse(loaded.root), "sharepoint")
    assert kept is not None and (rows := kept.read("versions")) is not None and rows.num_rows == 3


def test_the_source_and_our_tables_agree_on_every_sampled_pair(loaded: Project) -> None:
    found = agree(loaded, "sharepoint", WallClock(), "1", pairs=60)
    assert len(found.pairs) == 60 and {pair.ours for pair in found.pairs} == {True, False}
    assert (found.count("open"), found.count("closed"), found.count("unsaid")) == (0, 0, 0)
    assert {pair.stream for pair in found.pairs} == {RULES, MANUALS, PAGES}
    check = agreement_check(found)
    assert check.passed and check.numbers["rate"] == found.rate == found.count("agree") / found.said
    kept = Warehouse(loaded.root).open("agreement", "sharepoint")
    assert kept is not None and kept.to_pyarrow_table().num_rows == 60
    assert agree(loaded, "sharepoint", WallClock(), "1", pairs=60).pairs == found.pairs, "a sample can be looked at again"


def test_a_yes_of_the_source_to_what_lies_around_a_draft_is_no_agreement_on_the_draft(loaded: Project, home: Path) -> None:
    truth = [row for row in process.control(home, "truth", {"site": "quality"})["items"] if row["list"] == "製品マニュアル"]
    draft = next(row["id"] for row in truth if row["kind"] == "file")
    process.control(home, "draft", {"item": draft})
    try:
        assert pull(loaded, Request(MANUALS, full=True), WallClock()).error is None
        pairs = agree(loaded, "sharepoint", WallClock(), "3", pairs=60).pairs
        yes = {pair.verdict for pair in pairs if pair.key == draft and pair.ours and pair.source}
        assert yes == {"unsaid"}
    finally:
        process.control(home, "draft", {"item": draft, "published": True})


def test_a_right_the_source_took_away_and_we_still_give_fails_the_check_by_name(loaded: Project, home: Path) -> None:
    truth = [row for row in process.control(home, "truth", {"site": "quality"})["items"] if row["list"] == "製品マニュアル"]
    process.control(home, "break_inheritance", {"list": "製品マニュアル", "site": "quality", "copy": False})
    try:
        found = agree(loaded, "sharepoint", WallClock(), "2", pairs=60)
        wrong = [pair for pair in found.pairs if pair.verdict == "open"]
        assert wrong and all(pair.stream == MANUALS and pair.ours and pair.key in {row["id"] for row in truth} for pair in wrong)
        check = agreement_check(found)
        assert (check.passed, check.severity) == (False, "critical") and check.rows[0]["verdict"] == "FAIL"
        assert found.rate is not None and found.rate < 1
    finally:
        process.control(home, "restore_inheritance", {"list": "製品マニュアル", "site": "quality"})
