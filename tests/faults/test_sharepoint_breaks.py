"""Everything ``fortnight sandbox break sharepoint`` can do, and what a pull makes of it: the tenant's rows and readers, or a sentence that helps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from conformance.live import rows_by_key, tenant, with_offers

from connectors.messages import catalogue
from infra.sandbox import process
from infra.sandbox.company.people import PEOPLE
from infra.sandbox.sharepoint.breaks import BREAKS, COLUMN, SHARED
from pipelines.clock import FixedClock, WallClock
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.outcome import Request, Result
from pipelines.pull.run import pull
from pipelines.serving.callers.identity import closure

RULES, MANUALS, ACTIONS = "sharepoint/rules", "sharepoint/manuals", "sharepoint/actions"
TITLES = {"品質規程": RULES, "製品マニュアル": MANUALS, "是正処置一覧": ACTIONS}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tenant(tmp_path_factory.mktemp("tenant")) as folder:
        yield folder


@pytest.fixture(scope="module")
def loaded(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two libraries and a list, pulled once."""
    named = {("/sites/quality", title): stream for title, stream in TITLES.items()}
    project = with_offers(tmp_path_factory.mktemp("broken") / "project", home, named)
    for stream in TITLES.values():
        assert pull(project, Request(stream), WallClock()).error is None
    return project


@pytest.fixture(autouse=True)
def healed(home: Path) -> Iterator[None]:
    yield
    process.control(home, "heal", {})


def broken(home: Path, name: str, **body: Any) -> dict[str, Any]:
    return process.control(home, "break", {"name": name} | body)


#: Pulls so far: each lies two hours after the one before, so that it reads rights anew (they are carried on for ``access.refresh``).
_PULLS = count(1)


def pulled(project: Project, stream: str) -> Result:
    return pull(project, Request(stream), FixedClock(WallClock().now() + timedelta(hours=2 * next(_PULLS))))


def published(project: Project, stream: str) -> dict[str, frozenset[str]]:
    """Who may read each row, by the published tables and the rule by which people are linked."""
    warehouse = Warehouse(project.root)
    rows, scopes, members, accounts = (
        warehouse.current(stream),
        *(warehouse.read(table, stream) for table in ("scopes", "members", "accounts")),
    )
    assert rows is not None and scopes is not None and members is not None and accounts is not None
    grants = dict(zip(scopes["scope"].to_pylist(), scopes["principals"].to_pylist(), strict=True))
    reach = {person.login: closure(person.mail, accounts, members) for person in PEOPLE}
    return {
        str(row.get("item_id") or row["id"]): frozenset(login for login, own in reach.items() if own & set(grants[row["_scope"]]))
        for row in rows.to_pylist()
    }


def truth(home: Path, stream: str) -> dict[str, frozenset[str]]:
    """The same, by the tenant's own evaluation, item by item."""
    key = "list_item_id" if stream == ACTIONS else "id"
    rows = process.control(home, "truth", {"site": "quality"})["items"]
    mine = [row["unique_id"] for row in rows if row["kind"] != "folder" and TITLES.get(row["list"]) == stream]
    return {str(row[key]): frozenset(row["readers"]) for row in process.control(home, "effective", {"items": mine})["items"]}


def right(project: Project, home: Path, stream: str) -> None:
    """The next pull succeeds, and rows and readers are the tenant's."""
    result = pulled(project, stream)
    assert result.error is None, result.error
    assert published(project, stream) == truth(home, stream)


def refused(project: Project, stream: str, code: str, *names: str) -> None:
    """The next pull fails by this code, in both languages, naming these things; not a row is changed."""
    before = rows_by_key(project, stream)
    error = pulled(project, stream).error
    assert error is not None and error.code == code and rows_by_key(project, stream) == before
    assert {code, f"{code}.remedy"} <= catalogue().keys()
    for said in (error.say("ja"), error.say("en")):
        assert all(name in said for name in names), said
    assert re.search("[ぁ-ん]", error.say("ja")) and not re.search("[ぁ-ん]", error.say("en"))


SEEN_THROUGH = [
    ("expire-delta", RULES, {}), ("expire-delta", RULES, {"count": 2}), ("lose-permission-change", MANUALS, {}),
    ("rename-column", ACTIONS, {}), ("move-folder", RULES, {}), ("empty-group", RULES, {}),
    ("empty-group", RULES, {"group": "quality-members"}), ("break-inheritance", RULES, {}), ("folder-restore", RULES, {}),
    ("throttle-storm", RULES, {"count": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "stream", "body"), SEEN_THROUGH)
def test_what_a_pull_sees_through_leaves_rows_and_readers_as_the_tenant_has_them_broken_and_healed(
    loaded: Project, home: Path, name: str, stream: str, body: dict[str, Any]
) -> None:
    before = truth(home, stream)
    broken(home, name, **body)
    changes = name in ("lose-permission-change", "move-folder", "empty-group", "break-inheritance", "folder-restore")
    assert (truth(home, stream) != before) is changes
    right(loaded, home, stream)
    process.control(home, "heal", {})
    right(loaded, home, stream)
    assert published(loaded, stream) == before


def test_a_guest_whose_right_was_taken_in_silence_reads_the_file_no_more_once_rights_are_read_again(loaded: Project, home: Path) -> None:
    guest = next(person.login for person in PEOPLE if person.guest)
    (item,) = process.control(home, "effective", {"items": [SHARED]})["items"]
    assert guest in published(loaded, MANUALS)[item["id"]]
    assert pulled(loaded, MANUALS).counts["rights_missed"] == 0
    broken(home, "lose-permission-change")
    assert pulled(loaded, MANUALS).counts["rights_missed"] == 1, "a change the feed lost is counted"
    right(loaded, home, MANUALS)
    assert guest not in published(loaded, MANUALS)[item["id"]]
    process.control(home, "heal", {})
    right(loaded, home, MANUALS)


def test_a_column_made_again_stops_the_pull_by_its_id_before_an_empty_column_is_believed(loaded: Project, home: Path) -> None:
    internal = broken(home, "recreate-column", field=COLUMN)["internal"]
    refused(loaded, ACTIONS, "pull.drift", internal)
    process.control(home, "heal", {})
    right(loaded, home, ACTIONS)


@pytest.mark.parametrize(("name", "code", "says"), [("archive-site", "sharepoint.locked", "423"), ("refuse-site", "sharepoint.forbidden", "403")])  # fmt: skip
def test_a_closed_site_fails_by_its_reason_hides_its_rows_from_everybody_and_deletes_none(
    loaded: Project, home: Path, name: str, code: str, says: str
) -> None:
    broken(home, name)
    refused(loaded, RULES, code, says, "/sites/quality")
    assert set(published(loaded, RULES).values()) == {frozenset()}
    process.control(home, "heal", {})
    right(loaded, home, RULES)


@pytest.mark.parametrize(
    ("name", "body", "code", "says"),
    [
        ("expire-delta", {"count": 5}, "sharepoint.resync_required", "resyncRequired"),
        ("throttle-storm", {"count": 200}, "source.unavailable", "429"),
        ("expire-certificate", {}, "sharepoint.certificate_refused", "AADSTS700027"),
    ],
)
def test_what_lasts_fails_by_name_and_the_next_pull_goes_on(
    loaded: Project, home: Path, name: str, body: dict[str, Any], code: str, says: str
) -> None:
    broken(home, name, **body)
    refused(loaded, RULES, code, says)
    process.control(home, "heal", {})
    # Feeds that asked for one resync after the other are asked once more than they refuse.
    for _ in range(2):
        pulled(loaded, RULES)
    right(loaded, home, RULES)


def test_every_break_is_met_here() -> None:
    met = {name for name, _, _ in SEEN_THROUGH} | {"recreate-column", "archive-site", "refuse-site", "expire-certificate"}
    assert met == set(BREAKS)
