"""The whole connector against the running sandbox: every stream against its truth, every scope against its naive evaluator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sharepoint_world import config_of, options_of, rows_of, stream_of

from connectors.access import Access
from connectors.conformance import Holding
from connectors.errors import AccessRefused, AddressUnknown, FixConfiguration
from connectors.protocol import Blob, Connector, Cursor, Offer, Stream, Window
from connectors.sharepoint import connect
from connectors.sharepoint import rows as rows_module
from infra.sandbox import process
from infra.sandbox.company.people import PEOPLE


def opened(home: Path, **changes: Any) -> Connector:
    return connect("sharepoint", config_of(home, **changes), options_of(home))


def truth(home: Path) -> list[dict[str, Any]]:
    sites = [url.split("/sites/")[1] for url in process.describe(home)["sharepoint"]["site_urls"]]
    return [row for site in sites for row in process.control(home, "truth", {"site": site})["items"]]


def stream(offer: Offer) -> Stream:
    return stream_of(offer.source, offer.schema.fields, offer.key[0])


def named(connector: Connector, title: str) -> Stream:
    return stream(next(offer for offer in connector.discover() if offer.title == title))


def readers(access: Access, scope: str) -> set[str]:
    """Mails of everybody a scope's principals reach, by the edges alone."""
    groups: dict[str, set[str]] = {}
    for edge in access.members:
        groups.setdefault(edge.group, set()).add(edge.member)
    reached, todo = set[str](), [one for known in access.scopes if known.id == scope for one in known.principals]
    while todo:
        one = todo.pop()
        if one not in reached:
            reached.add(one)
            todo += groups.get(one, ())
    return {account.mail for account in access.accounts if account.principal in reached}


@pytest.fixture(scope="module")
def connector(founded: Path) -> Iterator[Connector]:
    one = opened(founded)
    yield one
    one.close()


@pytest.fixture(scope="module")
def offers(connector: Connector) -> list[Offer]:
    return list(connector.discover())


def test_check_proves_token_sites_permissions_and_directory(connector: Connector, founded: Path) -> None:
    health = connector.check()
    assert health.ok and health.sandbox and health.endpoint == config_of(founded).graph
    assert {name for name, _, _ in health.probes} >= {"token", "permissions", "directory"}


def test_every_stream_holds_exactly_the_rows_of_the_truth(connector: Connector, offers: list[Offer], founded: Path) -> None:
    expected = {(row["site"], row["list"], str(row["list_item_id"])): row for row in truth(founded) if row["kind"] != "folder"}
    pages_of = {row["unique_id"]: row for row in expected.values()}
    seen = 0
    for offer in offers:
        site = offer.source["site"].rpartition("/")[2]
        rows = rows_of(list(connector.pull(stream(offer), Window())))
        assert len(rows) == offer.rows == connector.count(stream(offer))
        assert sorted(row[offer.key[0]] for row in rows) == sorted(
            key for batch in connector.keys(stream(offer)) for key in batch.column(0).to_pylist()
        )
        for row in rows:
            if offer.source["kind"] == "pages":
                known = pages_of[row["page_id"]]
            else:
                known = expected[(site, offer.title, str(row["list_item_id"] if "item_id" in row else row["id"]))]
            assert row["_source_version"] == known["etag"]
            if "item_id" in row:
                assert (offer.title + row["path"], row["size"], row["quick_xor_hash"]) == (known["path"], known["size"], known["quick_xor"])
            seen += 1
    assert seen == len(expected)


def test_the_scopes_reach_exactly_the_people_who_may_read(connector: Connector, offers: list[Offer], founded: Path) -> None:
    told = process.control(founded, "effective", {})["items"]
    by_item = {(row["site"], row["list"], str(row["list_item_id"])): set(row["readers"]) for row in told}
    by_page = {row["unique_id"]: set(row["readers"]) for row in told}
    for offer in offers:
        site = offer.source["site"].rpartition("/")[2]
        access = connector.access(stream(offer))
        assert all(scope.resolved for scope in access.scopes)
        for row in rows_of(list(connector.pull(stream(offer), Window()))):
            who = (
                by_page[row["page_id"]] if "page_id" in row else by_item[(site, offer.title, str(row.get("list_item_id") or row.get("id")))]
            )
            assert readers(access, row["_scope"]) == who, row


def test_everybody_of_the_company_has_an_account(connector: Connector, offers: list[Offer]) -> None:
    accounts = connector.access(stream(offers[0])).accounts
    assert {account.mail for account in accounts} >= {person.mail for person in PEOPLE}


def test_every_file_of_a_library_downloads_whole(connector: Connector, offers: list[Offer]) -> None:
    library = stream(next(offer for offer in offers if offer.title == "品質規程"))
    for row in rows_of(list(connector.pull(library, Window()))):
        data = b"".join(connector.blob(library, Blob(row["item_id"], row["name"], row["media_type"], row["size"])))
        assert len(data) == row["size"]


def test_offers_have_ascii_names_and_japanese_titles(offers: list[Offer]) -> None:
    assert all(offer.name.isascii() for offer in offers) and len({offer.name for offer in offers}) == len(offers)
    assert {"製品マニュアル", "品質規程", "測定機器台帳"} <= {offer.title for offer in offers}


def test_describe_finds_a_list_by_name_and_gives_the_same_fingerprint_as_by_id(connector: Connector, offers: list[Offer]) -> None:
    offer = next(offer for offer in offers if offer.source["kind"] == "list")
    by_name = {key: value for key, value in offer.source.items() if key != "id"}
    live = connector.describe(stream_of(by_name, offer.schema.fields, "id"))
    assert live.fingerprint == offer.schema.fingerprint and live.identity["id"] == offer.source["id"]


def test_an_unknown_list_is_told_with_the_ones_there_are(connector: Connector, offers: list[Offer]) -> None:
    with pytest.raises(AddressUnknown, match="製品マニュアル"):
        connector.describe(stream_of({"site": "/sites/quality", "kind": "library", "name": "ない"}, offers[0].schema.fields, "item_id"))


def test_an_unknown_site_is_told_with_what_was_tried(connector: Connector, offers: list[Offer]) -> None:
    with pytest.raises(AddressUnknown, match="localhost:/sites/nowhere"):
        connector.count(stream_of({"site": "/sites/nowhere", "kind": "pages"}, offers[0].schema.fields, "page_id"))


def test_a_contract_with_a_column_the_list_no_longer_has_is_stopped_before_any_row(connector: Connector, offers: list[Offer]) -> None:
    offer = next(offer for offer in offers if offer.source["kind"] == "list")
    other = stream_of(
        offer.source, (*offer.schema.fields, offer.schema.fields[-1].__class__("Lost", "失", offer.schema.fields[-1].type, "text")), "id"
    )
    with pytest.raises(AddressUnknown, match="Lost"):
        next(iter(connector.pull(other, Window())))


def test_a_secret_reads_content_but_every_row_is_unresolved(founded: Path, offers: list[Offer]) -> None:
    secret = process.describe(founded)["sharepoint"]["client_secret"]
    one = opened(founded, certificate=None, client_secret=secret)
    rows = rows_of(list(one.pull(stream(offers[0]), Window())))
    assert rows and {row["_scope"] for row in rows} == {"unresolved"}
    (scope,) = one.access(stream(offers[0])).scopes
    assert not scope.resolved and "certificate" in scope.reason
    assert [good for name, good, _ in one.check().probes if name == "permissions"] == [False]


def test_a_wrong_secret_is_told_by_its_number_and_never_shown(founded: Path) -> None:
    one = opened(founded, certificate=None, client_secret="not-the-right-secret")
    with pytest.raises(AccessRefused) as refused:
        list(one.discover())
    assert "AADSTS7000215" in refused.value.say() and "not-the-right-secret" not in refused.value.say() + repr(config_of(founded))


def test_a_pem_without_a_key_is_a_configuration_error(founded: Path, tmp_path: Path) -> None:
    pem = tmp_path / "half.pem"
    text = Path(process.describe(founded)["sharepoint"]["certificate"]).read_text()
    pem.write_text(text[text.index("-----BEGIN CERTIFICATE") :])
    with pytest.raises(FixConfiguration, match="no private key"):
        opened(founded, certificate=pem).check()


def test_a_ca_bundle_in_the_environment_does_not_win_over_the_configured_one(
    founded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "empty.pem"
    other.write_text("")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(other))
    assert opened(founded).check().ok


def test_an_authority_with_a_foreign_certificate_is_a_tls_error(founded: Path) -> None:
    from connectors.transport import TransportOptions

    with pytest.raises(FixConfiguration, match="TLS"):
        connect("sharepoint", config_of(founded), TransportOptions()).check()


def test_the_source_tells_its_own_time(connector: Connector) -> None:
    assert abs(connector.watermark() - datetime.now(UTC)) < timedelta(minutes=10)


@pytest.mark.parametrize("title", ["製品マニュアル", "測定機器台帳", "品質ポータル ページ"])
def test_a_pull_killed_after_any_page_ends_with_the_same_rows(
    connector: Connector, offers: list[Offer], monkeypatch: pytest.MonkeyPatch, title: str
) -> None:
    monkeypatch.setattr(rows_module, "PAGE_ROWS", 13)
    monkeypatch.setattr("connectors.sharepoint.pull.PAGE_ROWS", 3)
    one = stream(next(offer for offer in offers if offer.title == title))
    whole = list(connector.pull(one, Window()))
    assert len(whole) > 1
    for at in range(len(whole)):
        cursor = Cursor(json.loads(json.dumps(whole[at].cursor.state)))
        held = Holding(one, whole if at == len(whole) - 1 else ())
        assert rows_of([*whole[: at + 1], *connector.pull(one, Window(), cursor, held)]) == rows_of(whole)


def test_days_lived_come_as_changes_and_end_as_the_truth(living: Path) -> None:
    one = opened(living)
    streams = {offer.title: (stream(offer), offer.key[0]) for offer in one.discover()}
    held: dict[str, dict[Any, dict[str, Any]]] = {}
    cursors: dict[str, Cursor] = {}
    known: dict[str, Holding] = {title: Holding(what) for title, (what, _) in streams.items()}
    changes: set[tuple[str, bool]] = set()
    for day in range(5):
        for title, (what, key) in streams.items():
            window = Window() if day == 0 else Window(since=datetime(2026, 1, 1, tzinfo=UTC))
            pages = list(one.pull(what, window, cursors.get(title), known[title]))
            cursors[title] = pages[-1].cursor
            for page in pages:
                known[title].take(page)
            for row in rows_of(pages):
                changes |= {(row["_op"], row[key] in held.get(title, {}))} if day else set()
                mine = held.setdefault(title, {})
                if row["_op"] == "delete":
                    del mine[row[key]]
                else:
                    mine[row[key]] = row
        process.advance(living, 3)
    assert changes == {("upsert", False), ("upsert", True), ("delete", True)}
    for title, (what, key) in streams.items():
        for row in rows_of(list(one.pull(what, Window(since=datetime(2026, 1, 1, tzinfo=UTC)), cursors[title], known[title]))):
            held[title].pop(row[key], None)
            if row["_op"] == "upsert":
                held[title][row[key]] = row
        fresh = {row[key]: row for row in rows_of(list(one.pull(what, Window())))}
        assert held[title] == fresh, title
        assert one.count(what) == len(fresh)


def test_a_right_given_to_one_file_moves_only_that_row_to_a_scope_of_its_own(living: Path) -> None:
    one = opened(living)
    library = named(one, "品質規程")
    first = list(one.pull(library, Window()))
    target = next(row for row in rows_of(first) if row["_scope"].endswith(":web") or ":list:" in row["_scope"])
    process.control(living, "grant", {"item": target["item_id"], "login": "emma.wilson"})
    rows = rows_of(list(one.pull(library, Window(since=datetime(2026, 1, 1, tzinfo=UTC)), first[-1].cursor, Holding(library, first))))
    assert [row["item_id"] for row in rows] == [target["item_id"]] and ":item:" in rows[0]["_scope"]
    assert "emma.wilson@sakura-seiki.example" in readers(one.access(library), rows[0]["_scope"])


def test_expired_delta_tokens_are_survived_by_a_whole_reading(living: Path) -> None:
    one = opened(living)
    library = named(one, "品質規程")
    first = list(one.pull(library, Window()))
    process.control(living, "expire_tokens", {})
    again = list(one.pull(library, Window(since=datetime(2026, 1, 1, tzinfo=UTC)), first[-1].cursor, Holding(library, first)))
    assert rows_of(again) == rows_of(first)


def test_throttling_and_a_cut_line_are_survived(living: Path) -> None:
    one = opened(living)
    library = named(one, "品質規程")
    expected = rows_of(list(one.pull(library, Window())))
    process.control(living, "fault", {"kind": "429", "count": 2, "retry_after": 1, "path": "/delta"})
    process.control(living, "fault", {"kind": "drop", "count": 1, "path": "_api"})
    process.control(living, "fault", {"kind": "drop", "count": 1, "path": "download.aspx"})
    assert rows_of(list(one.pull(library, Window()))) == expected
    row = expected[0]
    assert len(b"".join(one.blob(library, Blob(row["item_id"], row["name"], row["media_type"], row["size"])))) == row["size"]


def test_an_expired_secret_says_that_it_has_expired(living: Path) -> None:
    process.control(living, "set_secret_expired", {"expired": True})
    secret = process.describe(living)["sharepoint"]["client_secret"]
    try:
        with pytest.raises(AccessRefused, match=r"expired.*AADSTS7000222"):
            list(opened(living, certificate=None, client_secret=secret).discover())
    finally:
        process.control(living, "set_secret_expired", {"expired": False})
