"""What is known of a stream before it is pulled: filters that match nothing or do nothing, rows that must be there, the end of SOAP."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from xml.etree import ElementTree

import httpx
import pyarrow as pa
import pytest
from soap_fake import EMPTY, SCHEMA, WSDL, WSDL_URL, Fake, envelope, part, reply, stream
from test_soap_sources import NAV_WSDL

from connectors.capabilities import Examines
from connectors.errors import AccessRefused, BrokenReply, ContractBroken, FixConfiguration, SourceError
from connectors.messages import Said
from connectors.protocol import Column, Cursor, Stream, Window
from connectors.soap.config import Config, source_spec
from connectors.soap.presets import Sunset, sunset_at, sunset_of
from connectors.soap.probe import ArgumentFinding, probe_arguments
from connectors.soap.services import Services
from connectors.transport import TransportOptions

ROWS = reply(part("A"), part("B"))
ONCE: dict[str, Any] = {"paging": {"kind": "none"}, "arguments": {"setSize": 9, "filter": [{"Field": "Stock", "Criteria": ">0"}]}}
BODY = (
    '<ReadParts xmlns="urn:parts" xmlns:f="urn:fortnight:template"><filter f:when="stock"><Field>Stock</Field><Criteria>{stock}</Criteria>'
    "</filter><bookmarkKey>{kind?}</bookmarkKey><setSize>{size}</setSize></ReadParts>"
)


def server(narrowed: bytes, whole: bytes, mark: str = "Stock") -> Fake:
    def answer(request: httpx.Request) -> httpx.Response:
        content = narrowed if mark in request.content.decode() else whole
        return httpx.Response(200, content=content, headers={"Content-Type": "text/xml"})

    return Fake(answer)


def tried(fake: Fake, **source: Any) -> tuple[ArgumentFinding, ...]:
    what = stream(**source)
    config = Config.model_validate({"wsdl": "https://erp.example/ws/Parts?wsdl"})
    client = Services(config, TransportOptions(attempts=1), httpx.MockTransport(fake)).client("", stream="-")
    return probe_arguments(client, what, source_spec(what.id, what.source))


@pytest.mark.parametrize(
    ("narrowed", "whole", "verdict"),
    [
        (EMPTY, ROWS, "matches_nothing"),
        (ROWS, ROWS, "changes_nothing"),
        (reply(part("A")), ROWS, "narrows"),
        (EMPTY, EMPTY, "narrows"),
    ],
)
def test_a_declared_filter_is_tried_with_and_without_itself(narrowed: bytes, whole: bytes, verdict: str) -> None:
    fake = server(narrowed, whole)
    (found,) = tried(fake, **ONCE)
    assert (found.name, found.verdict) == ("filter", verdict) and len(fake.asked) == 2
    assert "Stock" in fake.asked[0] and "Stock" not in fake.asked[1] and all("setSize>9<" in one for one in fake.asked)


def test_an_argument_that_the_server_wants_though_its_wsdl_does_not_stops_nothing() -> None:
    fault = envelope("<e:Fault><faultcode>e:Server</faultcode><faultstring>Stock?</faultstring></e:Fault>")
    (found,) = tried(server(ROWS, fault), **ONCE)
    assert (found.with_it, found.without, found.verdict) == (2, 0, "needed")
    assert examined(server(ROWS, fault), **ONCE) == "ReadParts, paging none"
    with pytest.raises(SourceError):
        examined(server(fault, ROWS), **ONCE)


def test_on_small_pages_the_same_number_of_rows_says_nothing() -> None:
    fake = server(ROWS, ROWS)
    paging = {"kind": "bookmark", "request": "bookmarkKey", "size": "setSize", "page": 5000, "from": "Key"}
    (found,) = tried(fake, paging=paging, arguments={"filter": ONCE["arguments"]["filter"]})
    assert found.verdict == "narrows" and "setSize>2<" in fake.asked[0]


def test_places_that_a_body_does_without_are_tried_and_no_others() -> None:
    fake = server(EMPTY, ROWS)
    found = tried(fake, paging={"kind": "none"}, body=BODY, arguments={"stock": ">0", "kind": "x", "other": "y"})
    assert [(one.name, one.with_it, one.without) for one in found] == [("kind", 0, 0), ("stock", 0, 2)]


def test_where_nothing_can_be_left_out_nothing_is_asked() -> None:
    fake = server(EMPTY, ROWS)
    assert tried(fake, paging={"kind": "none"}, arguments={"setSize": 9}) == () and not fake.asked


def examined(fake: Fake, **source: Any) -> Said:
    connector = fake.connector()
    assert isinstance(connector, Examines)
    return connector.examine(stream(**source))


def test_the_line_names_the_filter_that_matches_nothing_in_both_languages() -> None:
    said = examined(server(EMPTY, ROWS), **ONCE)
    assert said == "ReadParts, paging none; with filter there are no rows, without it 2: the server may read another name"
    assert "filter を付けると 0 行" in said.say("ja")
    assert "may ignore it" in examined(server(ROWS, ROWS), **ONCE)
    assert examined(server(reply(part("A")), ROWS), **ONCE) == "ReadParts, paging none"


PAGED: dict[str, Any] = {"paging": {"kind": "bookmark", "request": "bookmarkKey", "size": "setSize", "page": 5000, "from": "Key"}}


def test_where_a_page_can_be_kept_small_one_is_read() -> None:
    fake = server(ROWS, ROWS)
    assert examined(fake, **PAGED) == "ReadParts, paging bookmark; a small page came with 2 rows"
    assert len(fake.asked) == 1 and "setSize>2<" in fake.asked[0]


def test_where_one_reply_is_all_nothing_is_sent_and_the_line_says_so() -> None:
    fake = server(ROWS, ROWS)
    said = examined(fake, paging={"kind": "none"}, arguments={"setSize": 9})
    assert said.endswith("nothing was asked of the server, for its pages can't be kept small") and not fake.asked


NINSHO: dict[str, Any] = {"name": "Ninsho", "values": {"User": "a"}}
NINSHO_WSDL = WSDL.replace(
    '<w:input><s:body use="literal"/>', '<w:input><s:body use="literal"/><s:header message="t:H" part="who" use="literal"/>'
).replace("<w:portType", '<w:message name="H"><w:part name="who" element="p:Ninsho"/></w:message><w:portType')
NINSHO_SCHEMA = SCHEMA.replace('<xs:element name="ReadParts">', '<xs:element name="Ninsho" type="p:Place"/><xs:element name="ReadParts">')


def headed(wsdl: str, auth: dict[str, Any], **source: Any) -> Said:
    fake = Fake(ROWS, documents={WSDL_URL: wsdl, WSDL_URL.replace("?wsdl", "?xsd=parts.xsd"): NINSHO_SCHEMA})
    return fake.connector(auth=auth).examine(stream(**{**PAGED, **source}))


@pytest.mark.parametrize(
    ("namespace", "sent"),
    [("urn:parts", None), ("urn:partz", "urn:partz"), ("", "-")],
)
def test_a_header_in_another_namespace_than_the_wsdl_has_it_in_is_named(namespace: str, sent: str | None) -> None:
    """Whoever writes it: the project, the stream, or a session's login."""
    header = {**NINSHO, "namespace": namespace}
    begun = {"operation": "ReadParts", "arguments": {"setSize": "1"}, "token": "ResultCode"}
    login = {**begun, "as": "header", "name": "Ninsho/sid", "namespace": namespace}
    given: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
        ({"headers": [header]}, {}),
        ({}, {"headers": [header]}),
        ({"login": login}, {}),
    )
    for auth, source in given:
        said = headed(NINSHO_WSDL, auth, **source)
        told = f"the header Ninsho is sent in the namespace {sent}, and the WSDL has it in urn:parts"
        assert (told in said) if sent else ("header" not in said)


def test_children_of_a_header_in_another_namespace_are_named_until_they_say_theirs() -> None:
    """JAX-WS states children in no namespace, unless it is told otherwise."""
    schema = NINSHO_SCHEMA.replace('name="City" type', 'name="City" form="unqualified" type')
    documents = {WSDL_URL: NINSHO_WSDL, WSDL_URL.replace("?wsdl", "?xsd=parts.xsd"): schema}

    def said(values: dict[str, str]) -> tuple[Said, str]:
        header = {"name": "Ninsho", "namespace": "urn:parts", "values": values}
        fakes = [Fake(ROWS, documents=documents) for _ in range(2)]
        project, own = (
            fakes[0].connector(auth={"headers": [header]}).examine(stream(**PAGED)),
            fakes[1].connector().examine(stream(**{**PAGED, "headers": [header]})),
        )
        assert project == own
        sent = [ElementTree.fromstring(fake.asked[0]).find(".//{urn:parts}Ninsho") for fake in fakes]
        assert sent[0] is not None and sent[1] is not None
        names = [[child.tag for child in one] for one in sent if one is not None]
        assert names[0] == names[1]
        return project, " ".join(names[0])

    assert said({"City": "a", "Shelf": "1"})[1] == "{urn:parts}City {urn:parts}Shelf"
    assert "the header Ninsho/City is sent in the namespace urn:parts, and the WSDL has it in -" in said({"City": "a", "Shelf": "1"})[0]
    good, sent = said({"{}City": "a", "Shelf": "1"})
    assert "header" not in good and sent == "City {urn:parts}Shelf"


def test_a_header_that_the_wsdl_does_not_have_or_has_in_pieces_is_no_matter() -> None:
    by_hand = '<ReadParts xmlns="urn:parts"><bookmarkKey>{position?}</bookmarkKey><setSize>{size}</setSize></ReadParts>'
    pieces = NINSHO_WSDL.replace('message name="H"', 'message name="Gone"')
    for wsdl, header in ((NINSHO_WSDL, {**NINSHO, "name": "Other"}), (WSDL, NINSHO), (pieces, NINSHO)):
        assert "header" not in headed(wsdl, {"headers": [header]}, body=by_hand)


def test_a_server_that_tells_no_time_is_said_to_be_read_whole_each_time() -> None:
    modified = Column("modified", "Modified", pa.timestamp("us", "UTC"))
    cursored = stream(modified, cursor="modified", **PAGED)

    def dated(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=ROWS, headers={"Content-Type": "text/xml", "Date": "Mon, 02 Nov 2026 00:00:00 GMT"})

    assert "no Date header" in Fake(ROWS).connector().examine(cursored)
    assert "Date" not in Fake(dated).connector().examine(cursored)
    assert "Date" not in Fake(ROWS).connector().examine(stream(**PAGED)), "nothing is asked since an instant"


def test_credentials_that_the_application_refuses_are_found_before_a_pull() -> None:
    with pytest.raises(AccessRefused, match="BAD_CREDENTIALS"):
        examined(Fake(reply(code="BAD_CREDENTIALS")), **PAGED)


def test_an_element_that_the_request_lacks_is_found_before_a_pull() -> None:
    with pytest.raises(FixConfiguration, match="does not fit the WSDL .*setSize") as caught:
        Fake(EMPTY).connector().examine(stream(paging={"kind": "none"}))
    assert caught.value.code == "soap.request_invalid"


def test_what_a_pull_would_come_to_grief_over_is_raised() -> None:
    with pytest.raises(ContractBroken):
        Fake(EMPTY).connector().examine(stream(Column("gone", "Gone", pa.string())))
    with pytest.raises(BrokenReply) as caught:
        examined(server(EMPTY, EMPTY), expect_nonempty=True, **ONCE)
    assert caught.value.code == "soap.unexpectedly_empty"


# --- rows that must be there


def pulled(fake: Fake, window: Window | None = None, cursor: Cursor | None = None, **source: Any) -> int:
    pages = fake.connector().pull(stream(**source), window or Window(), cursor)
    return sum(page.source_rows for page in pages)


NOT_FOUND = reply(code="NOT_FOUND")


@pytest.mark.parametrize("answer", [EMPTY, NOT_FOUND])
def test_no_row_at_all_is_an_error_where_the_contract_says_that_there_are_some(answer: bytes) -> None:
    with pytest.raises(BrokenReply, match="expect_nonempty") as caught:
        pulled(Fake(answer), expect_nonempty=True)
    assert caught.value.code == "soap.unexpectedly_empty" and caught.value.params["stream"] == "erp/parts"
    assert pulled(Fake(answer)) == 0


def test_one_row_is_enough_though_the_last_page_is_empty() -> None:
    assert pulled(Fake(reply(part("A")), EMPTY), expect_nonempty=True) == 1


def test_a_window_may_be_empty_and_so_may_what_is_left_of_an_interrupted_pull() -> None:
    assert pulled(Fake(EMPTY), Window(since=datetime(2026, 11, 1, tzinfo=UTC)), expect_nonempty=True) == 0
    (page, *_) = Fake(reply(part("A")), EMPTY).connector().pull(stream(), Window())
    assert pulled(Fake(EMPTY), None, page.cursor, expect_nonempty=True) == 0


def test_no_key_at_all_is_no_list_of_deletions() -> None:
    with pytest.raises(BrokenReply):
        list(Fake(EMPTY).connector().keys(stream(expect_nonempty=True)))


# --- the end of SOAP


def test_a_preset_says_when_its_vendor_takes_soap_away() -> None:
    assert sunset_of({"preset": "netsuite-search"}) == Sunset("netsuite-search", "NetSuite 2028.2", date(2028, 7, 1))
    assert sunset_of({"preset": "dolibarr-list"}) is None and sunset_of({"preset": "fax"}) is None and sunset_of({}) is None
    assert sunset_at("urn:microsoft-dynamics-schemas/page/items") == sunset_of({"preset": "dynamics-nav-page"})
    assert sunset_at("urn:messages_2025_2.platform.webservices.netsuite.com") == sunset_of({"preset": "netsuite-search"})
    assert sunset_at("urn:parts") is None and sunset_at("") is None


def test_an_offer_and_the_line_of_a_stream_say_it() -> None:
    url = "https://erp.example/ws/Parts?wsdl"
    nothing = envelope('<ReadMultiple_Result xmlns="urn:microsoft-dynamics-schemas/page/item"><ReadMultiple_Result/></ReadMultiple_Result>')
    fake = Fake(nothing, documents={url: NAV_WSDL})
    notes = [note for offer in fake.connector().discover() for note in offer.notes]
    assert any("SOAP goes with Business Central 29" in note and "2026-10-01" in note and "dynamics-nav-page" in note for note in notes)
    assert not any("SOAP goes" in note for offer in Fake(EMPTY).connector().discover() for note in offer.notes)
    source = {"preset": "dynamics-nav-page", "with": {"page": "Item"}}
    item = Stream("erp", "items", source, ("no",), (Column("no", "No", pa.string(), required=True),))
    assert "SOAP goes with Business Central 29 (2026 release wave 2), on 2026-10-01" in fake.connector().examine(item)
    assert "SOAP goes" not in Fake(EMPTY).connector().examine(stream())
