"""What a pull of SharePoint asks of the tenant, in requests counted on the wire: only what moved costs anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from conformance.live import contract_of, offers_by_place, project_for, tenant, write_contract

from connectors.protocol import Offer, Window
from infra.sandbox import process
from pipelines.clock import FixedClock, WallClock
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.pull.outcome import Request, Result
from pipelines.pull.run import pull

LIBRARY = "sharepoint/quality-rules"
#: Requests of a pull for which nothing moved, by the stream's title, while its rights are carried on: a library's feed; a list's columns,
#: its zone (once a connector) and its feed; a site and its list of pages, which have no feed.
QUIET = {"品質規程": 1, "是正処置一覧": 3, "品質ポータル ページ": 2}
#: The same where rights are read anew: place, list of scopes, a request for each scope and group, and the directory.
RIGHTS = {"品質規程": 24, "是正処置一覧": 25, "品質ポータル ページ": 21}
#: Requests of the pull after a right was given on one folder: the feed, the folder, its assignments and the people behind them.
FOLDER_GRANT = 14
CONTENT = {"kind": "file", "ref": "item_id", "name": "name", "media_type": "media_type", "size": "size"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tenant(tmp_path_factory.mktemp("tenant")) as folder:
        yield folder


@pytest.fixture(scope="module")
def offers(home: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Offer]:
    return list(offers_by_place(project_for(tmp_path_factory.mktemp("offers"), home)).values())


@dataclass
class Wire:
    """Every request that left, as its path; a place in a change feed shows as ``?token``."""

    asked: list[str] = field(default_factory=list)

    def count(self, part: str) -> int:
        return sum(part in path for path in self.asked)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    found, send = Wire(), httpx.Client.send

    def heard(client: httpx.Client, request: httpx.Request, **how: Any) -> httpx.Response:
        found.asked.append(request.url.path + ("?token" if b"token=" in request.url.query else ""))
        return send(client, request, **how)

    monkeypatch.setattr(httpx.Client, "send", heard)
    return found


@pytest.fixture
def library(tmp_path: Path, home: Path, offers: list[Offer]) -> Project:
    """A library with its files, pulled once."""
    project = project_for(tmp_path / "project", home)
    offer = next(offer for offer in offers if offer.source.get("name") == "品質規程")
    write_contract(project, contract_of(offer, LIBRARY) | {"content": CONTENT})
    project = load(project.folder)
    done(project, LIBRARY)
    return project


@pytest.mark.parametrize("title", sorted(QUIET))
def test_a_quiet_tick_asks_no_more_than_this(tmp_path: Path, home: Path, offers: list[Offer], wire: Wire, title: str) -> None:
    project = project_for(tmp_path / "project", home)
    write_contract(project, contract_of(next(offer for offer in offers if offer.title == title), "sharepoint/tested"))
    project = load(project.folder)
    done(project, "sharepoint/tested")
    wire.asked.clear()
    result = done(project, "sharepoint/tested")
    assert result.counts["changed"] == result.counts["deleted"] == 0 < result.counts["live"]
    assert len(wire.asked) <= QUIET[title]
    wire.asked.clear()
    later = FixedClock(WallClock().now() + timedelta(hours=2))
    assert pull(project, Request("sharepoint/tested"), later).error is None
    assert QUIET[title] < len(wire.asked) <= RIGHTS[title]


def done(project: Project, stream: str, **request: Any) -> Result:
    result = pull(project, Request(stream, **request), WallClock())
    assert result.error is None, result.error
    return result


def rows(project: Project, table: str = "current") -> dict[str, dict[str, Any]]:
    found = Warehouse(project.root).read(table, LIBRARY)
    assert found is not None
    return {row["item_id" if table == "current" else "ref"]: row for row in found.to_pylist()}


def test_a_grant_on_one_folder_moves_the_rows_below_it_and_downloads_nothing(library: Project, home: Path, wire: Wire) -> None:
    truth = [row for row in process.control(home, "truth", {"site": "quality"})["items"] if row["list"] == "品質規程"]
    folder = next(row for row in truth if row["kind"] == "folder" and not row["unique"])
    below = {row["id"] for row in truth if row["kind"] == "file" and row["path"].startswith(folder["path"] + "/")}
    before, files = rows(library), rows(library, "content")
    assert below and all(files[id]["status"] == "ok" for id in below)
    process.control(home, "grant", {"item": folder["id"], "login": "emma.wilson"})
    result = done(library, LIBRARY)
    after = rows(library)
    assert {id for id in after if after[id]["_scope"] != before[id]["_scope"]} == below
    assert {after[id]["_scope"].rpartition(":")[2] for id in below} == {folder["unique_id"]}
    assert result.counts["changed"] == len(below) and rows(library, "content") == files
    assert wire.count("download.aspx") == wire.count("/content") == 0
    assert wire.count("/delta?token") == 1, "the feed is read once, from where it was left"
    assert wire.count("/children") == 0, "what we hold of a file is not asked for again"
    assert len(wire.asked) <= FOLDER_GRANT


def test_a_right_taken_away_again_is_gone_with_the_pull_that_hears_of_it_though_rights_are_carried_on(
    library: Project, home: Path, wire: Wire
) -> None:
    truth = [row for row in process.control(home, "truth", {"site": "quality"})["items"] if row["list"] == "品質規程"]
    item = next(row["id"] for row in truth if row["kind"] == "file" and not row["unique"])

    def readers() -> set[str]:
        scopes = Warehouse(library.root).read("scopes", LIBRARY)
        assert scopes is not None
        found = dict(zip(scopes["scope"].to_pylist(), scopes["principals"].to_pylist(), strict=True))
        return set(found[rows(library)[item]["_scope"]])

    process.control(home, "grant", {"item": item, "login": "emma.wilson"})
    done(library, LIBRARY)
    with_her, scope = readers(), rows(library)[item]["_scope"]
    process.control(home, "revoke", {"item": item, "login": "emma.wilson"})
    wire.asked.clear()
    done(library, LIBRARY)
    assert rows(library)[item]["_scope"] == scope and len(with_her - readers()) == 1
    assert not [path for path in wire.asked if path.endswith("/items")], "items are asked for alone, not the list"


def test_an_item_with_rights_of_its_own_that_goes_leaves_no_scope_behind_that_nobody_resolves(library: Project, home: Path) -> None:
    truth = [row for row in process.control(home, "truth", {"site": "quality"})["items"] if row["list"] == "品質規程"]
    item = next(row for row in truth if row["kind"] == "file" and not row["unique"])
    process.control(home, "grant", {"item": item["id"], "login": "emma.wilson"})
    done(library, LIBRARY)
    process.control(home, "delete", {"item": item["id"]})
    try:
        result = pull(library, Request(LIBRARY), FixedClock(WallClock().now() + timedelta(hours=2)))
        assert result.error is None and result.counts["deleted"] == 1
        (access,) = [check for check in result.checks if check.name == "access"]
        assert access.passed, access.summary
        scopes = Warehouse(library.root).read("scopes", LIBRARY)
        assert scopes is not None and not [one for one in scopes["scope"].to_pylist() if one.endswith(item["unique_id"])]
    finally:
        process.control(home, "restore", {"item": item["id"]})


def test_a_backfill_of_past_days_leaves_cursor_and_memory_where_they_were(library: Project) -> None:
    warehouse = Warehouse(library.root)
    before = warehouse.published(LIBRARY)
    day = WallClock().now() - timedelta(days=30)
    assert pull(library, Request(LIBRARY, window=Window(day, day + timedelta(days=1))), WallClock()).error is None
    after = warehouse.published(LIBRARY)
    assert before is not None and after is not None and after.number == before.number + 1
    assert (after.cursor, after.tables["memory"]) == (before.cursor, before.tables["memory"])


def test_the_weekly_pass_over_a_feed_that_told_everything_finds_nothing_missed(library: Project, home: Path, wire: Wire) -> None:
    process.advance(home, 5)
    at = FixedClock(WallClock().now() + timedelta(days=8))
    result = pull(library, Request(LIBRARY), at)
    assert result.error is None
    assert result.counts["missed"] == 0 < result.counts["changed"]
    assert wire.count("/delta?token") == 1 and wire.count("/delta") > 1, "first what the feed tells, then everything"
    wire.asked.clear()
    assert pull(library, Request(LIBRARY), at).counts["changed"] == 0
    assert wire.count("/delta?token") == 1, "and the feed is gone on with"


def test_grants_are_kept_with_the_reading_that_first_saw_them_and_the_one_that_missed_them(library: Project, home: Path) -> None:
    truth = [row for row in process.control(home, "truth", {"site": "quality"})["items"] if row["list"] == "品質規程"]
    item = next(row["id"] for row in truth if row["kind"] == "file" and not row["unique"])

    def grants() -> list[dict[str, Any]]:
        found = Warehouse(library.root).read("grants", LIBRARY)
        assert found is not None
        return [row for row in found.to_pylist() if row["principal"] and row["login"].endswith("hiroto.hayashi@sakura-seiki.example")]

    first = grants()
    process.control(home, "grant", {"item": item, "login": "hiroto.hayashi"})
    given_at, taken_at = (FixedClock(WallClock().now() + timedelta(hours=hours)) for hours in (2, 4))
    assert pull(library, Request(LIBRARY), given_at).error is None
    new = [row for row in grants() if row["first_observed"] == given_at.now()]
    assert new and not first, "nobody else in this tenant grants anything to him"
    (reads,) = [row for row in new if row["reads"]]
    assert (reads["via"], reads["gone_at"]) == ("direct", None)
    process.control(home, "revoke", {"item": item, "login": "hiroto.hayashi"})
    assert pull(library, Request(LIBRARY), taken_at).error is None
    ended = [row["gone_at"] for row in grants() if row["first_observed"] == given_at.now() and row["reads"]]
    assert ended == [taken_at.now()], "limited access to what lies above stays, as it does at the source"


def test_links_are_told_without_anything_that_opens_them(library: Project, home: Path) -> None:
    truth = [row for row in process.control(home, "truth", {"site": "quality"})["items"] if row["list"] == "品質規程"]
    item = next(row["id"] for row in truth if row["kind"] == "file" and not row["unique"])
    made = process.control(home, "share", {"item": item, "scope": "anonymous", "type": "view"})
    assert pull(library, Request(LIBRARY), FixedClock(WallClock().now() + timedelta(hours=6))).error is None
    found = Warehouse(library.root).read("grants", LIBRARY)
    assert found is not None
    links = [row for row in found.to_pylist() if row["kind"] == "link" and row["link_scope"] == "anonymous"]
    assert links and all((row["link_expires"], row["link_password"]) == (None, False) for row in links)
    assert made["share_id"] and not [row for row in found.to_pylist() if made["share_id"] in str(row) or "SharingLinks" in str(row)]


def test_a_renamed_folder_costs_no_download_though_every_row_below_it_moved(library: Project, home: Path, wire: Wire) -> None:
    truth = [row for row in process.control(home, "truth", {"site": "quality"})["items"] if row["list"] == "品質規程"]
    folder = next(row for row in truth if row["kind"] == "folder" and not row["unique"])
    below = {row["id"] for row in truth if row["kind"] == "file" and row["path"].startswith(folder["path"] + "/")}
    before, files = rows(library), rows(library, "content")
    assert below and all(files[id]["status"] == "ok" and files[id]["version"] for id in below)
    process.control(home, "rename", {"item": folder["id"], "name": "改名した棚"})
    result = done(library, LIBRARY)
    after = rows(library)
    assert {id for id in after if after[id]["path"] != before[id]["path"]} == below
    assert result.counts["changed"] == len(below) and result.counts["files"] == 0
    assert wire.count("download.aspx") == wire.count("/content") == 0
    assert rows(library, "content") == files


def test_a_renamed_file_is_listed_by_its_new_name_with_the_bytes_we_have_and_an_edited_one_is_fetched(
    library: Project, home: Path, wire: Wire
) -> None:
    truth = [row for row in process.control(home, "truth", {"site": "quality"})["items"] if row["list"] == "品質規程"]
    renamed, edited = [row["id"] for row in truth if row["kind"] == "file"][:2]
    files = rows(library, "content")
    process.control(home, "rename", {"item": renamed, "name": "別名.docx"})
    process.control(home, "edit", {"item": edited, "text": "改訂しました。"})
    wire.asked.clear()
    done(library, LIBRARY)
    after = rows(library, "content")
    assert (after[renamed]["name"], after[renamed]["sha256"]) == ("別名.docx", files[renamed]["sha256"])
    assert after[edited]["sha256"] != files[edited]["sha256"]
    assert wire.count("download.aspx") == 1, "of the two the edited one alone is asked for"
