"""The conformance cases that a connector to SharePoint has to pass, by their numbers: rights, pages, sites that close, credentials. See ``test_sharepoint_cases``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from requests.adapters import HTTPAdapter
from sharepoint_house import SYSTEM, House, Site, Target, target
from sharepoint_site import (
    EMMA,
    GUEST,
    LIBRARY,
    LIST,
    MISAKI,
    OWNER,
    PAGES,
    YUI,
    deltas,
    done,
    readers,
    table,
)

from connectors.certificate import thumbprint_of
from connectors.errors import AccessRefused, Locked
from infra.sandbox.company.people import PEOPLE, person
from infra.sandbox.sharepoint.answers import Ask, GraphError
from infra.sandbox.sharepoint.graph_lists import Lists
from pipelines.reports.access.explain import explain_item
from pipelines.reports.access.figures import Limits
from pipelines.reports.access.tables import open_tables
from pipelines.reports.access.write import make_report

# --- rights -----------------------------------------------------------------------------------------------------------------


def test_case_20_below_a_folder_with_rights_of_its_own_in_a_public_site_the_folders_grants_count(at: Target, site: Site) -> None:
    site.do("grant", site=site.key, who="eeeu")
    folder = site.item("文書/月次")
    site.do("break_inheritance", item=folder["unique_id"], copy=False)
    site.do("grant", item=folder["unique_id"], who="engineering-all")
    done(at)
    assert EMMA in readers(at, "文書/月次/集計/年間.html") and YUI not in readers(at, "文書/月次/集計/年間.html")
    assert YUI in readers(at, "文書/手順.html")
    scope = next(row["_scope"] for row in at.rows(LIBRARY).values() if row["path"] == "/月次/集計/年間.html")
    (tokens,) = [row["principals"] for row in table(at, "scopes") if row["scope"] == scope]
    assert scope.endswith(folder["unique_id"]) and not [one for one in tokens if one.startswith("members:")]


def test_case_22_group_5_of_two_site_collections_is_two_groups(home: House, site: Site, tmp_path: Path) -> None:
    other = home.site()
    site.do("site_group", site=site.key, group="5", add=["hiroto.hayashi"])
    at = target(tmp_path / "project", site, other)
    try:
        for stream in at.streams:
            done(at, stream)
        hiroto = person("hiroto.hayashi").login
        sees = {at.source(stream)["site"] for stream, rows in at.readers().items() for who in rows.values() if hiroto in who}
        assert sees == {f"/sites/{site.key}"}
        fives = {one for stream in at.streams for row in table(at, "scopes", stream) for one in row["principals"] if one.endswith(":5")}
        assert len(fives) == 2 and all(one.startswith("spgroup:") for one in fives)
    finally:
        at.close()


def test_case_23_somebody_taken_out_of_a_nested_group_loses_the_item_and_no_document_is_written(at: Target, site: Site) -> None:
    site.do("grant", item=site.item("文書/手順.html")["unique_id"], who="support-desk")
    for stream in at.streams:
        done(at, stream)
    at.roster()
    assert YUI in readers(at, "文書/手順.html"), "in sales-all, which is in support-desk"
    before = {stream: at.published(stream) for stream in at.streams}
    site.do("membership", group="sales-all", remove=[YUI])
    try:
        at.site.house.later(minutes=5)
        assert at.roster().left
        assert YUI not in readers(at, "文書/手順.html")
        assert {stream: at.published(stream) for stream in at.streams} == before
    finally:
        site.do("membership", group="sales-all", add=[YUI])


def test_case_24_an_organization_link_makes_a_file_findable_for_nobody_and_the_report_names_it(at: Target, site: Site) -> None:
    done(at)
    before = readers(at, "文書/手順.html")
    link = site.do("share", item=site.item("文書/手順.html")["unique_id"], scope="organization")
    at.site.house.later(hours=2)
    done(at)
    assert readers(at, "文書/手順.html") == before
    report = make_report(at.project, SYSTEM, Limits(at.site.house.clock.now(), 3, 100))
    (row,) = [one for one in report.figure("open_links").head if "手順.html" in json.dumps(one, default=str, ensure_ascii=False)]
    assert "organization" in row.values() and link["share_id"] not in json.dumps(row, default=str)
    assert row.get("expires") is None


def test_case_25_however_graph_shows_inheritance_the_same_grants_come_out(home: House, site: Site, tmp_path: Path) -> None:
    site.do("share", item=site.item("文書/月次")["unique_id"], scope="users", logins=["emma.wilson"])
    site.do("grant", item=site.item("文書/手順.html")["unique_id"], who="engineering-all")
    found: list[Any] = []
    try:
        for mode in ("object", "absent", "full"):
            home.control("inherited_from", mode=mode)
            at = target(tmp_path / mode, site)
            done(at)
            grants = [{name: value for name, value in row.items() if not name.startswith("_")} for row in table(at, "grants")]
            found.append((sorted(map(str, table(at, "scopes"))), sorted(map(str, grants)), at.readers()))
            at.close()
    finally:
        home.control("inherited_from", mode="object")
    assert found[0] == found[1] == found[2] and found[0][1]


def test_case_26_of_a_file_whose_sharing_changed_the_rights_are_read_once_and_not_those_of_the_folders_above(
    at: Target, site: Site, wire: list[httpx.Request]
) -> None:
    done(at)
    shared = site.item("文書/月次/集計/年間.html")
    site.do("grant", item=shared["unique_id"], who="emma.wilson")
    wire.clear()
    done(at)
    assigned = [path for one in wire if "roleassignments" in (path := one.url.path.lower())]
    assert len(assigned) == 1 and f"/items/getbyid({shared['list_item_id']})/" in assigned[0]
    assert EMMA in readers(at, "文書/月次/集計/年間.html") and EMMA not in readers(at, "文書/月次/一月.html")


def test_case_28_everybody_but_guests_inside_a_site_group_is_reported_with_the_way_and_lets_no_guest_in(at: Target, site: Site) -> None:
    site.do("site_group", site=site.key, group="閲覧者", add=["eeeu"])
    done(at)
    at.roster()
    may = readers(at, "文書/手順.html")
    assert GUEST.login not in may and {one.login for one in PEOPLE if not one.guest} == may
    tables = open_tables(at.project, SYSTEM)
    _, (explained,) = explain_item(tables, "/手順.html", 50)
    ways = [way.names for way in explained.ways if any("閲覧者" in name for name in way.names)]
    assert any(len(names) >= 2 for names in ways)
    report = make_report(at.project, SYSTEM, Limits(at.site.house.clock.now(), 3, 100))
    assert "閲覧者" in json.dumps(report.figure("everyone").head, default=str, ensure_ascii=False)


def test_case_29_where_a_list_shows_people_their_own_items_only_the_author_and_admins_find_each(at: Target, site: Site) -> None:
    site.do("create", path=f"{site.lists['記録']}/佐藤の件", kind="row", login="misaki.sato")
    site.do("read_security", list=site.lists["記録"], value=2)
    done(at, LIST)
    assert readers(at, "記録/佐藤の件", LIST) == {MISAKI}
    assert readers(at, "記録/記録1", LIST) == {OWNER}
    held = site.readers()
    for key, one in at.wanted(LIST).items():
        assert at.readers()[LIST][key] == held[one["unique_id"]]


def test_case_30_one_page_that_cannot_be_rendered_keeps_its_metadata_and_spares_the_others(
    at: Target, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = site.item("サイトのページ/予定.aspx")["unique_id"]
    page = Lists.page

    def rendered(lists: Lists, listing: Any, entry: Any, ask: Ask) -> dict[str, Any]:
        if entry.guid == broken and "canvaslayout" in ask.query.get("$expand", "").lower():
            raise GraphError(400, "invalidRequest", "The page's canvas cannot be read.")
        return page(lists, listing, entry, ask)

    monkeypatch.setattr(Lists, "page", rendered)
    done(at, PAGES)
    rows = at.rows(PAGES)
    assert rows[broken]["name"] == "予定.aspx" and rows[broken]["text"] is None
    (whole,) = [row for key, row in rows.items() if key != broken]
    assert whole["text"] == "案内\n案内です。", "the text of its web part, without its HTML"


@pytest.mark.parametrize(("name", "status"), [("archive-site", 423), ("refuse-site", 403)])
def test_case_31_a_site_that_closes_hides_its_documents_deletes_none_and_keeps_no_other_site_back(
    home: House, site: Site, tmp_path: Path, name: str, status: int
) -> None:
    other = home.site()
    at = target(tmp_path / "project", site, other)
    try:
        for stream in at.streams:
            done(at, stream)
        assert all(who for rows in at.readers().values() for who in rows.values())
        site.do("break", name=name, site=site.key)
        home.later(minutes=5)
        for stream in at.streams:
            result = at.pull(stream)
            if at.source(stream)["site"] == f"/sites/{other.key}":
                assert result.error is None
            else:
                assert isinstance(result.error, Locked) and str(status) in result.error.say()
        for stream, rows in at.readers().items():
            closed = at.source(stream)["site"] == f"/sites/{site.key}"
            assert len(rows) == len(at.rows(stream)) and all(bool(who) is not closed for who in rows.values())
            assert not closed or {row["reason"] for row in table(at, "scopes", stream)} != {""}
        site.do("heal", name=name)
        home.later(minutes=5)
        for stream in at.streams:
            done(at, stream)
        assert all(who for rows in at.readers().values() for who in rows.values())
    finally:
        at.close()


# --- credentials ------------------------------------------------------------------------------------------------------------


def test_case_33_a_certificates_assertion_is_what_entra_wants_and_a_wrong_key_is_refused_by_number_and_asked_once(
    at: Target, site: Site, tmp_path: Path
) -> None:
    done(at)
    # The authority of the sandbox checks the signature, the audience (its own endpoint) and that the assertion ends within ten minutes.
    header = site.do("tokens_given")["assertion"]
    assert header["alg"] == "PS256" and {"x5t#S256", "x5c"} <= header.keys()
    pem = Path(site.house.told["certificate"]).read_bytes()
    certificate = x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERTIFICATE") :])
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    digits = thumbprint_of(certificate)
    file = at.project.file
    system = {**file.systems[SYSTEM], "certificate": {"file": str(wrong), "thumbprint": digits}}
    project = replace(at.project, file=file.model_copy(update={"systems": {SYSTEM: system}}))
    before = site.do("tokens_given")["asked"]
    connector = project.connect(SYSTEM)
    try:
        with pytest.raises(AccessRefused, match="AADSTS700027"):
            list(connector.discover())
    finally:
        connector.close()
    assert site.do("tokens_given")["asked"] == before + 1


def test_case_34_a_claims_challenge_is_answered_with_one_token_and_a_second_401_fails(at: Target, site: Site) -> None:
    done(at)
    try:
        site.do("challenge", nonce="1790000001")
        before = site.do("tokens_given")["asked"]
        done(at)
        # Graph and SharePoint are one host here, so one token serves both.
        assert site.do("tokens_given")["asked"] == before + 1
        site.do("challenge", nonce="1790000002", in_vain=True)
        before, held = site.do("tokens_given")["asked"], at.published(LIBRARY)
        result = at.pull(LIBRARY)
        assert isinstance(result.error, AccessRefused) and result.error.code == "sharepoint.token_refused"
        assert site.do("tokens_given")["asked"] == before + 1 and at.published(LIBRARY) == held
    finally:
        site.do("challenge")


@pytest.mark.usefixtures("small_pages")
def test_case_35_every_request_names_us_and_every_page_of_a_feed_is_asked_for_changes_of_sharing(
    at: Target, site: Site, wire: list[httpx.Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    agents: list[str] = []
    sent: Callable[..., requests.Response] = HTTPAdapter.send

    def seen(adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **how: Any) -> requests.Response:
        agents.append(str(request.headers.get("User-Agent")))
        return sent(adapter, request, *args, **how)

    monkeypatch.setattr(HTTPAdapter, "send", seen)
    at.reconnect()
    for stream in at.streams:
        done(at, stream)
    for number in range(5):
        site.do("create", path=f"{site.lists['文書']}/追加{number}.html")
    at.site.house.later(hours=2)
    done(at)
    at.roster()
    agents += [one.headers.get("User-Agent", "") for one in wire]
    assert {*agents} == {f"NONISV|Sakura Seiki|fortnight/{metadata.version('fortnight')}"}
    asked = deltas(wire)
    assert sum(b"token=" in one.url.query for one in asked) >= 3, "second pages and a deltaLink are among them"
    wanted = {"hierarchicalsharing", "deltashowsharingchanges", "deltashowremovedasdeleted", "deltatraversepermissiongaps"}
    assert all({part.strip() for part in one.headers["Prefer"].split(",")} == wanted for one in asked)


def test_case_36_neither_tokens_nor_links_nor_what_opens_them_are_in_any_log_or_table(
    with_files: Target, site: Site, wire: list[httpx.Request], caplog: pytest.LogCaptureFixture
) -> None:
    """The whole sweep, over everything a project writes, is ``tests/faults/test_sharepoint_secrets.py``."""
    caplog.set_level("DEBUG")
    link = site.do("share", item=site.item("文書/手順.html")["unique_id"], scope="anonymous")
    done(with_files)
    assert [one for one in wire if one.url.path.endswith("download.aspx")], "files came by links"
    tokens = {one.headers["Authorization"].removeprefix("Bearer ") for one in wire if "Authorization" in one.headers}
    tickets = {one.url.query.decode() for one in wire if one.url.path.endswith("download.aspx")}
    assert tokens and tickets
    written = [str(table(with_files, name)) for name in ("landing", "current", "content", "scopes", "grants", "members", "accounts")]
    for text in (caplog.text, *written):
        assert not [one for one in (*tokens, *tickets, link["share_id"], "tempauth") if one in text]
        assert not re.search(r"/:[a-z]:/", text), "no address of a link"
