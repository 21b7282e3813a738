"""Everything ``fortnight sandbox break sharepoint`` can do: what a client then sees, and that healing takes it back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sharepoint_talk import Server, serving

from infra.sandbox.company.people import PEOPLE
from infra.sandbox.sharepoint.breaks import ACTIONS, BREAKS, COLUMN, FOLDER, SHARED

PREFER = {"Prefer": "hierarchicalsharing, deltashowsharingchanges", "deltaExcludeParent": "1"}
GUEST = next(one.login for one in PEOPLE if one.guest)
INSIDE = f"{FOLDER}/受入検査規程.docx"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.getbasetemp() / "sharepoint") as server:
        yield server


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """A whole tenant before, and a healed one after."""
    yield running
    running.control("heal")
    assert running.get("/v1.0/sites/localhost:/sites/quality").status_code == 200


def broken(server: Server, name: str, **body: Any) -> dict[str, Any]:
    done = server.control("break", name=name, **body)
    assert done["name"] == name
    return done


def readers(server: Server, item: str) -> set[str]:
    return set(server.control("effective", items=[item])["items"][0]["readers"])


def latest(server: Server, title: str = "品質規程") -> str:
    return server.get(f"/v1.0/drives/{server.drive('quality', title)}/root/delta?token=latest").json()["@odata.deltaLink"]


def told(server: Server, link: str) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in server.get(link, headers=PREFER).json()["value"]}


def columns(server: Server) -> dict[str, dict[str, Any]]:
    rows = server.get(f"/v1.0/sites/localhost:/sites/quality:/lists/{ACTIONS}/columns").json()["value"]
    return {one["displayName"]: one for one in rows}


def values(server: Server, name: str) -> int:
    """How many rows of the list have something in the column."""
    rows = server.get(f"/v1.0/sites/localhost:/sites/quality:/lists/{ACTIONS}/items?$expand=fields").json()["value"]
    return sum(name in row["fields"] for row in rows)


def test_each_break_has_its_line_in_both_languages(server: Server) -> None:
    listed = server.control("breaks")["breaks"]
    assert [one["name"] for one in listed] == list(BREAKS)
    assert all(one["en"].isascii() and not one["ja"].isascii() for one in listed)


@pytest.mark.parametrize("count", [1, 3])
def test_a_delta_token_expires_and_the_location_answers_after_so_many_refusals(server: Server, count: int) -> None:
    link, refusals = latest(server), 0
    assert broken(server, "expire-delta", count=count) == {"name": "expire-delta", "healable": False, "answers": count}
    while (reply := server.get(link)).status_code == 410:
        assert reply.json()["error"]["code"] == "resyncRequired"
        link, refusals = reply.headers["location"], refusals + 1
    assert (refusals, reply.status_code) == (count, 200)
    assert len(server.round(link)[0]) > 40


def test_a_right_is_taken_and_the_feed_does_not_tell_until_it_is_given_back(server: Server) -> None:
    link = latest(server, "製品マニュアル")
    assert GUEST in readers(server, SHARED)
    done = broken(server, "lose-permission-change")
    assert (done["login"], done["right"]) == (GUEST, "revoked")
    assert GUEST not in readers(server, SHARED) and not told(server, link)
    server.control("heal", name="lose-permission-change")
    assert GUEST in readers(server, SHARED)
    assert [one["@microsoft.graph.sharedChanged"] for one in told(server, link).values()] == ["True"]


def test_a_lost_change_may_also_be_a_right_given(server: Server) -> None:
    assert broken(server, "lose-permission-change", item=INSIDE, login="taro.gaibu")["right"] == "granted"
    assert GUEST in readers(server, INSIDE)


def test_a_renamed_column_keeps_its_id_its_internal_name_and_its_values(server: Server) -> None:
    before = columns(server)[COLUMN]
    broken(server, "rename-column", to="対応期限")
    after = columns(server)
    assert COLUMN not in after and after["対応期限"] == before | {"displayName": "対応期限"}
    server.control("heal")
    assert columns(server)[COLUMN] == before


def test_a_recreated_column_has_the_same_names_another_id_and_no_values(server: Server) -> None:
    before, filled = columns(server)[COLUMN], values(server, columns(server)[COLUMN]["name"])
    assert filled > 0
    broken(server, "recreate-column")
    after = columns(server)[COLUMN]
    assert after["id"] != before["id"] and after | {"id": before["id"]} == before
    assert values(server, before["name"]) == 0
    server.control("heal")
    assert columns(server)[COLUMN] == before and values(server, before["name"]) == filled


def test_a_moved_folder_is_told_alone_and_who_reads_its_files_changes(server: Server) -> None:
    link, before = latest(server), readers(server, INSIDE)
    done = broken(server, "move-folder")
    (moved,) = told(server, link).values()
    assert "folder" in moved and readers(server, f"{done['to']}/受入検査規程.docx") < before
    server.control("heal")
    assert readers(server, INSIDE) == before


@pytest.mark.parametrize(("name", "status", "code"), [("archive-site", 423, "resourceLocked"), ("refuse-site", 403, "accessDenied")])
def test_a_closed_site_answers_so_on_every_side_is_listed_still_and_leaves_the_others_open(
    server: Server, name: str, status: int, code: str
) -> None:
    drive = server.drive("quality", "品質規程")
    where = server.get(f"/v1.0/drives/{drive}/root:/検査/受入検査規程.docx").json()["@microsoft.graph.downloadUrl"]
    broken(server, name)
    for path in ("/v1.0/sites/localhost:/sites/quality", f"/v1.0/drives/{drive}/root/delta"):
        reply = server.get(path)
        assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert server.get(f"{server.told['site_urls'][0]}/_api/web").status_code == status
    assert server.client.get(where).status_code == status
    assert "quality" in [one["name"] for one in server.get("/v1.0/sites/getAllSites").json()["value"]]
    assert server.get("/v1.0/sites/localhost:/sites/jinji").status_code == 200
    server.control("heal", name=name)
    assert server.client.get(where).status_code == 200


def test_a_storm_of_429_says_when_to_come_again_and_ends_after_so_many(server: Server) -> None:
    broken(server, "throttle-storm", count=2, path="/delta")
    drive = server.drive("quality", "品質規程")
    replies = [server.get(f"/v1.0/drives/{drive}/root/delta") for _ in range(3)]
    assert [one.status_code for one in replies] == [429, 429, 200] and replies[0].headers["retry-after"] == "1"
    assert server.control("heal")["healed"] == [], "it is over by itself"
    broken(server, "throttle-storm")
    assert server.get("/v1.0/sites/root").status_code == 429
    assert server.control("heal") == {"healed": ["throttle-storm"], "unmet": 0, "waiting": 0}


def test_an_expired_certificate_buys_no_token_and_the_secret_still_does(server: Server) -> None:
    assert "access_token" in server.token()
    broken(server, "expire-certificate")
    assert server.token()["error_codes"] == [700027]
    assert "access_token" in server.token("secret")
    server.control("heal")
    assert "access_token" in server.token()


@pytest.mark.parametrize("group", ["閲覧者", "engineering-all"])
def test_an_emptied_group_takes_access_away_and_no_feed_of_documents_tells(server: Server, group: str) -> None:
    item = "製品マニュアル/共通/梱包と輸送の基準.docx"
    link, before = latest(server, "製品マニュアル"), readers(server, item)
    done = broken(server, "empty-group", group=group)
    assert done["members"] > 0 and readers(server, item) < before and not told(server, link)
    server.control("heal")
    assert readers(server, item) == before


def test_a_folder_goes_and_comes_back_and_the_feed_names_neither_time_what_is_in_it(server: Server) -> None:
    link = latest(server)
    inside = server.control("truth", site="quality")["items"]
    below = {one["id"] for one in inside if one["path"].startswith(f"{FOLDER}/")}
    done = broken(server, "folder-restore")
    assert done["inside"] == len(below)
    (gone,) = told(server, link).values()
    assert "deleted" in gone and gone["id"] not in below
    drive = server.drive("quality", "品質規程")
    assert all(server.get(f"/v1.0/drives/{drive}/items/{key}").status_code == 404 for key in below)
    server.control("heal")
    (back,) = told(server, link).values()
    assert back["id"] == gone["id"] and back["folder"] == {"childCount": len(below)}
    assert all(server.get(f"/v1.0/drives/{drive}/items/{key}").status_code == 200 for key in below)


def test_inheritance_is_broken_and_only_owners_and_admins_read_what_is_below(server: Server) -> None:
    link, before = latest(server), readers(server, INSIDE)
    broken(server, "break-inheritance")
    assert readers(server, INSIDE) == {"misaki.sato@sakura-seiki.example", "akari.mori@sakura-seiki.example"} < before
    assert [one["@microsoft.graph.sharedChanged"] for one in told(server, link).values()] == ["True"]
    server.control("heal")
    assert readers(server, INSIDE) == before


@pytest.mark.parametrize(
    ("name", "body", "why"),
    [
        ("move-folder", {"item": INSIDE}, "a folder is moved"),
        ("rename-column", {"field": "無い列"}, COLUMN),
        ("rename-column", {"to": "票番号"}, "already"),
        ("recreate-column", {"list": "無い一覧"}, "無い一覧"),
        ("archive-site", {"site": "eigyo"}, "quality, jinji"),
        ("empty-group", {"group": "無い"}, "閲覧者"),
        ("folder-restore", {"item": INSIDE}, "no folder"),
        ("break-inheritance", {"item": "品質規程/監査結果"}, "already"),
        ("lose-permission-change", {"item": "無い"}, "無い"),
        ("latency", {}, "expire-delta"),
    ],
)
def test_what_a_break_cannot_do_is_refused_in_a_sentence(server: Server, name: str, body: dict[str, Any], why: str) -> None:
    url = f"{server.settings.https_url}/_sandbox/break"
    response = server.client.post(url, json={"name": name} | body, headers={"X-Sandbox-Admin": "open-sesame"})
    assert response.status_code == 400 and why in response.json()["error"]
