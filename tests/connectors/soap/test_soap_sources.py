"""Sources written as YAML: presets of four systems on replies as those systems send them, and every kind of paging with its end."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from soap_fake import EMPTY, WSDL_URL, Fake, envelope, part, reply, stream
from soap_wsdl import wsdl

from connectors.errors import AccessRefused, BrokenReply, FixConfiguration, SourceError, SourceUnavailable
from connectors.protocol import Column, Cursor, Page, Stream, Window
from connectors.soap.config import Budget, source_spec
from connectors.soap.pace import Pace
from connectors.soap.presets import preset_names

SINCE = Window(since=datetime(2026, 11, 1, tzinfo=UTC))


def pulled(
    fake: Fake, source: dict[str, Any], *columns: Column, window: Window | None = None, cursor: str | None = None, **config: Any
) -> list[Page]:
    what = Stream("erp", "rows", source, (columns[0].name,), columns, cursor)
    return list(fake.connector(**config).pull(what, window or Window()))


def values(pages: list[Page], column: str) -> list[Any]:
    return [value for page in pages for value in page.rows.column(column).to_pylist()]


NAV = "urn:microsoft-dynamics-schemas/page/item"
NAV_WSDL = wsdl(
    NAV,
    f'''<xs:schema targetNamespace="{NAV}" xmlns:t="{NAV}" elementFormDefault="qualified">
<xs:complexType name="Item"><xs:sequence><xs:element name="Key" type="xs:string" minOccurs="0"/><xs:element name="No" type="xs:string" minOccurs="0"/>
<xs:element name="Last_Date_Modified" type="xs:date" minOccurs="0"/></xs:sequence></xs:complexType>
<xs:complexType name="Filter"><xs:sequence><xs:element name="Field" type="xs:string"/><xs:element name="Criteria" type="xs:string"/></xs:sequence></xs:complexType>
<xs:element name="ReadMultiple"><xs:complexType><xs:sequence><xs:element name="filter" type="t:Filter" maxOccurs="unbounded"/>
<xs:element name="bookmarkKey" type="xs:string" minOccurs="0"/><xs:element name="setSize" type="xs:int"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="ReadMultiple_Result"><xs:complexType><xs:sequence><xs:element name="ReadMultiple_Result" minOccurs="0"><xs:complexType><xs:sequence>
<xs:element name="Item" type="t:Item" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element>
</xs:schema>''',
    ReadMultiple=("t:ReadMultiple", "t:ReadMultiple_Result"),
)


def nav(*items: str) -> bytes:
    inner = "".join(f"<Item><Key>k;{no}</Key><No>{no}</No><Last_Date_Modified>0001-01-01</Last_Date_Modified></Item>" for no in items)
    return envelope(f'<ReadMultiple_Result xmlns="{NAV}"><ReadMultiple_Result>{inner}</ReadMultiple_Result></ReadMultiple_Result>')


NO, CHANGED = Column("no", "No", pa.string(), required=True), Column("changed", "Last_Date_Modified", pa.date32())
NAV_SOURCE = {"preset": "dynamics-nav-page", "with": {"page": "Item", "changed": "Last_Date_Modified"}}


def test_a_nav_page_is_read_by_bookmark_until_an_empty_page_and_its_first_day_is_nothing() -> None:
    fake = Fake(nav("1000", "1001"), nav("1002"), nav(), documents={WSDL_URL: NAV_WSDL})
    pages = pulled(fake, NAV_SOURCE, NO, CHANGED)
    assert values(pages, "no") == ["1000", "1001", "1002"] and values(pages, "changed") == [None] * 3
    assert [re.findall(r"<(?:\w+:)?bookmarkKey>([^<]*)<", asked) for asked in fake.asked] == [[], ["k;1001"], ["k;1002"]]


def test_a_nav_page_since_an_instant_overlaps_by_a_day_because_its_field_is_a_day() -> None:
    fake = Fake(nav(), documents={WSDL_URL: NAV_WSDL})
    pulled(fake, {**NAV_SOURCE, "timezone": "Asia/Tokyo"}, NO, CHANGED, window=SINCE)
    assert "Criteria>2026-10-31..<" in fake.asked[0]


V = "2025_2"
CORE, MESSAGES, LISTS = (
    f"urn:core_{V}.platform.webservices.netsuite.com",
    f"urn:messages_{V}.platform.webservices.netsuite.com",
    "urn:customers",
)
NETSUITE_WSDL = wsdl(
    MESSAGES,
    f'''<xs:schema targetNamespace="{CORE}" xmlns:c="{CORE}" elementFormDefault="qualified">
<xs:complexType name="Record" abstract="true"/><xs:complexType name="SearchRecord" abstract="true"/>
<xs:complexType name="Detail"><xs:sequence><xs:element name="code" type="xs:string"/><xs:element name="message" type="xs:string"/></xs:sequence></xs:complexType>
<xs:complexType name="Status"><xs:sequence><xs:element name="statusDetail" type="c:Detail" minOccurs="0" maxOccurs="unbounded"/></xs:sequence><xs:attribute name="isSuccess" type="xs:boolean"/></xs:complexType>
<xs:complexType name="SearchResult"><xs:sequence><xs:element name="status" type="c:Status"/><xs:element name="totalRecords" type="xs:int" minOccurs="0"/>
<xs:element name="totalPages" type="xs:int" minOccurs="0"/><xs:element name="searchId" type="xs:string" minOccurs="0"/>
<xs:element name="recordList" minOccurs="0"><xs:complexType><xs:sequence><xs:element name="record" type="c:Record" minOccurs="0" maxOccurs="unbounded"/>
</xs:sequence></xs:complexType></xs:element></xs:sequence></xs:complexType><xs:element name="searchResult" type="c:SearchResult"/></xs:schema>
<xs:schema targetNamespace="{LISTS}" xmlns:c="{CORE}" elementFormDefault="qualified"><xs:import namespace="{CORE}"/><xs:complexType name="Customer"><xs:complexContent>
<xs:extension base="c:Record"><xs:sequence><xs:element name="companyName" type="xs:string" minOccurs="0"/><xs:element name="lastModifiedDate" type="xs:dateTime" minOccurs="0"/>
</xs:sequence><xs:attribute name="internalId" type="xs:string"/></xs:extension></xs:complexContent></xs:complexType></xs:schema>
<xs:schema targetNamespace="{MESSAGES}" xmlns:c="{CORE}" elementFormDefault="qualified"><xs:import namespace="{CORE}"/>
<xs:element name="search"><xs:complexType><xs:sequence><xs:element name="searchRecord" type="c:SearchRecord"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="searchMoreWithId"><xs:complexType><xs:sequence><xs:element name="searchId" type="xs:string"/><xs:element name="pageIndex" type="xs:int"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="searchResponse"><xs:complexType><xs:sequence><xs:element ref="c:searchResult"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="searchMoreWithIdResponse"><xs:complexType><xs:sequence><xs:element ref="c:searchResult"/></xs:sequence></xs:complexType></xs:element></xs:schema>''',
    search=("t:search", "t:searchResponse"),
    searchMoreWithId=("t:searchMoreWithId", "t:searchMoreWithIdResponse"),
)
NETSUITE_SOURCE = {"preset": "netsuite-search", "with": {"record": "Customer", "search": "CustomerSearch", "namespace": LISTS}}
ID, NAME = Column("id", "@internalId", pa.string(), required=True), Column("name", "companyName", pa.string())


def netsuite(name: str, ids: str, *, total: int = 5, success: str = "true") -> bytes:
    records = "".join(
        f'<record xmlns:l="{LISTS}" xsi:type="l:Customer" internalId="{id}"><l:companyName>会社{id}</l:companyName></record>' for id in ids
    )
    return envelope(
        f'<m:{name}Response xmlns:m="{MESSAGES}"><searchResult xmlns="{CORE}"><status isSuccess="{success}"/><totalRecords>{total}</totalRecords>'
        f"<totalPages>3</totalPages><searchId>WEB-1</searchId><recordList>{records}</recordList></searchResult></m:{name}Response>"
    )


def test_a_netsuite_search_goes_on_by_its_id_and_takes_each_record_once() -> None:
    fake = Fake(
        netsuite("search", "12"),
        netsuite("searchMoreWithId", "23"),
        netsuite("searchMoreWithId", "45"),
        documents={WSDL_URL: NETSUITE_WSDL},
    )
    pages = pulled(fake, NETSUITE_SOURCE, ID, NAME)
    assert values(pages, "id") == ["1", "2", "3", "4", "5"] and values(pages, "name")[4] == "会社5"
    assert 'xsi:type="s:CustomerSearch"' in fake.asked[0] and "basic" not in fake.asked[0]
    assert [re.findall("<m:(searchId|pageIndex)>([^<]*)<", asked) for asked in fake.asked[1:]] == [
        [("searchId", "WEB-1"), ("pageIndex", "2")],
        [("searchId", "WEB-1"), ("pageIndex", "3")],
    ]


def test_a_record_that_slipped_between_two_netsuite_pages_ends_the_pull_in_an_error() -> None:
    fake = Fake(
        netsuite("search", "12"), netsuite("searchMoreWithId", "23"), netsuite("searchMoreWithId", "4"), documents={WSDL_URL: NETSUITE_WSDL}
    )
    with pytest.raises(BrokenReply, match="says 5 rows in all, and 4 came"):
        pulled(fake, NETSUITE_SOURCE, ID, NAME)


def test_a_netsuite_total_that_moves_is_said() -> None:
    fake = Fake(netsuite("search", "12"), netsuite("searchMoreWithId", "34", total=6), documents={WSDL_URL: NETSUITE_WSDL})
    with pytest.raises(BrokenReply, match="from 5 to 6"):
        pulled(fake, NETSUITE_SOURCE, ID, NAME)


def test_a_netsuite_status_without_success_is_an_error_though_http_says_200() -> None:
    with pytest.raises(SourceError) as caught:
        pulled(Fake(netsuite("search", "", success="false"), documents={WSDL_URL: NETSUITE_WSDL}), NETSUITE_SOURCE, ID)
    assert caught.value.code == "soap.not_ok"


def test_a_netsuite_search_since_an_instant_asks_by_the_last_change() -> None:
    fake = Fake(netsuite("search", "12345").replace(b"Pages>3<", b"Pages>1<"), documents={WSDL_URL: NETSUITE_WSDL})
    pulled(fake, NETSUITE_SOURCE, ID, NAME, window=SINCE)
    assert 'operator="onOrAfter"' in fake.asked[0] and "searchValue>2026-11-01T00:00:00Z<" in fake.asked[0]


def test_rows_can_be_of_no_type_that_is_not_derived_from_the_declared_one() -> None:
    source = {"preset": "netsuite-search", "with": {"record": "Status", "search": "S", "namespace": LISTS}}
    with pytest.raises(FixConfiguration, match="row_type"):
        pulled(Fake(EMPTY, documents={WSDL_URL: NETSUITE_WSDL}), source, ID)


SAP = "http://sap.com/xi/SAPGlobal20/Global"
SAP_WSDL = wsdl(
    SAP,
    f'''<xs:schema targetNamespace="{SAP}" xmlns:t="{SAP}"><xs:complexType name="Price"><xs:simpleContent><xs:extension base="xs:decimal">
<xs:attribute name="currencyCode" type="xs:token"/></xs:extension></xs:simpleContent></xs:complexType>
<xs:complexType name="Query"><xs:sequence><xs:any minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
<xs:complexType name="Answer"><xs:sequence><xs:element name="Material" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
<xs:element name="InternalID" type="xs:token"/><xs:element name="Price" type="t:Price" minOccurs="0"/>
<xs:element name="SystemAdministrativeData"><xs:complexType><xs:sequence><xs:element name="LastChangeDateTime" type="xs:dateTime" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
</xs:sequence></xs:complexType></xs:element>
<xs:element name="ProcessingConditions"><xs:complexType><xs:sequence><xs:element name="ReturnedQueryHitsNumberValue" type="xs:int"/>
<xs:element name="MoreHitsAvailableIndicator" type="xs:boolean"/><xs:element name="LastReturnedObjectID" type="xs:token" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="Log" minOccurs="0"><xs:complexType><xs:sequence><xs:element name="MaximumLogItemSeverityCode" type="xs:token" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
</xs:sequence></xs:complexType><xs:element name="MaterialByElementsQuery_sync" type="t:Query"/><xs:element name="MaterialByElementsResponse_sync" type="t:Answer"/></xs:schema>''',
    FindByElements=("t:MaterialByElementsQuery_sync", "t:MaterialByElementsResponse_sync"),
)
SAP_SOURCE = {
    "preset": "sap-bydesign-query",
    "with": {
        "operation": "FindByElements",
        "row": "Material",
        "request": "MaterialByElementsQuery_sync",
        "selection": "MaterialSelectionByElements",
    },
}
MATERIAL = Column("material", "InternalID", pa.string(), required=True)
PRICED = (MATERIAL, Column("price", "Price", pa.decimal128(12, 2)), Column("currency", "Price@currencyCode", pa.string()))


def sap(ids: str, more: str, last: str = "", log: str = "") -> bytes:
    admin = "<SystemAdministrativeData/>"
    rows = "".join(f'<Material><InternalID>M-{id}</InternalID><Price currencyCode="JPY">12.50</Price>{admin}</Material>' for id in ids)
    token = f"<LastReturnedObjectID>{last}</LastReturnedObjectID>" if last else ""
    conditions = f"<ReturnedQueryHitsNumberValue>{len(ids)}</ReturnedQueryHitsNumberValue><MoreHitsAvailableIndicator>{more}</MoreHitsAvailableIndicator>{token}"
    severity = f"<Log><MaximumLogItemSeverityCode>{log}</MaximumLogItemSeverityCode></Log>" if log else ""
    return envelope(
        f'<n:MaterialByElementsResponse_sync xmlns:n="{SAP}">{rows}<ProcessingConditions>{conditions}</ProcessingConditions>{severity}</n:MaterialByElementsResponse_sync>'
    )


def test_a_bydesign_query_goes_on_from_the_last_object_while_more_hits_are_there() -> None:
    fake = Fake(sap("12", "true", "00A2"), sap("3", "false", "00A3", log="1"), documents={WSDL_URL: SAP_WSDL})
    pages = pulled(fake, SAP_SOURCE, *PRICED)
    assert values(pages, "material") == ["M-1", "M-2", "M-3"] and values(pages, "currency") == ["JPY"] * 3
    assert [re.findall(r"<(?:\w+:)?LastReturnedObjectID>([^<]*)<", asked) for asked in fake.asked] == [[], ["00A2"]]
    assert "QueryHitsMaximumNumberValue>1000<" in fake.asked[0] and "Selection" not in fake.asked[0]


def test_a_bydesign_query_since_an_instant_names_its_lower_boundary() -> None:
    fake = Fake(sap("1", "false"), documents={WSDL_URL: SAP_WSDL})
    pulled(fake, SAP_SOURCE, MATERIAL, window=SINCE)
    assert "LowerBoundaryLastChangeDateTime>2026-11-01T00:00:00Z<" in fake.asked[0]


def test_a_bydesign_log_of_errors_and_a_wrong_count_of_hits_are_errors() -> None:
    with pytest.raises(SourceError) as caught:
        pulled(Fake(sap("1", "false", log="3"), documents={WSDL_URL: SAP_WSDL}), SAP_SOURCE, MATERIAL)
    assert caught.value.code == "soap.not_ok"
    with pytest.raises(BrokenReply, match="says 1 rows and sent 2"):
        pulled(Fake(sap("12", "false").replace(b"Value>2<", b"Value>1<"), documents={WSDL_URL: SAP_WSDL}), SAP_SOURCE, MATERIAL)


MAXIMUM, UNLIMITED = "QueryHitsMaximumNumberValue", "QueryHitsUnlimitedIndicator"
TOKEN = {"kind": "token", "request": "position", "from": "b"}


def conditions(unlimited: str, maximum: str) -> str:
    said = f"<{MAXIMUM}>{maximum}</{MAXIMUM}><{UNLIMITED}>{unlimited}</{UNLIMITED}><Last>{{position?}}</Last>"
    return f'<g:Query xmlns:g="urn:g" xmlns:f="urn:fortnight:template"><ProcessingConditions>{said}</ProcessingConditions></g:Query>'


@pytest.mark.parametrize(
    "source",
    [
        {"arguments": {"ProcessingConditions": {UNLIMITED: True}}, "paging": {**TOKEN, "size": f"ProcessingConditions/{MAXIMUM}"}},
        {"arguments": {"ProcessingConditions": {UNLIMITED: True, MAXIMUM: 100}}},
        {"arguments": {"ProcessingConditions": {UNLIMITED: "1", MAXIMUM: 100}}},
        {"body": conditions("true", "{size}"), "paging": TOKEN},
        {"body": conditions("1", "500"), "paging": TOKEN},
        {"body": conditions("{all}", "{size}"), "paging": TOKEN, "arguments": {"all": True}},
        {"body": conditions("false", "{size}"), "paging": {**TOKEN, "more": {"operation": "q", "body": conditions("true", "500")}}},
    ],
)
def test_unlimited_hits_together_with_a_maximum_are_refused_before_anything_is_sent(source: dict[str, Any]) -> None:
    with pytest.raises(FixConfiguration, match="must be absent"):
        source_spec("erp/materials", {"operation": "q", "rows": "r", **source})


@pytest.mark.parametrize(
    "source",
    [
        {"arguments": {"ProcessingConditions": {UNLIMITED: False, MAXIMUM: 100}}},
        {"arguments": {"ProcessingConditions": {UNLIMITED: True}}},
        {"body": conditions("false", "{size}"), "paging": TOKEN},
        {"body": conditions("true", "{size}").replace(f"<{MAXIMUM}>", f'<{MAXIMUM} f:when="limited">'), "paging": TOKEN},
    ],
)
def test_one_of_the_two_alone_is_said_as_it_stands(source: dict[str, Any]) -> None:
    assert source_spec("erp/materials", {"operation": "q", "rows": "r", **source}).operation == "q"


def test_a_dolibarr_list_gives_its_rows_its_errors_and_its_secrets_stay_unsaid() -> None:
    from test_soap_captures import CAPTURES, URL
    from test_soap_captures import WSDL as DOLIBARR

    if not CAPTURES.is_dir():
        pytest.skip("the captured replies are not beside this repository (shared/data/soap-captures)")
    source = {"preset": "dolibarr-list", "with": {"operation": "getListOfThirdParties", "list": "thirdparties"}}
    auth = {"body": {"authentication/dolibarrkey": "key-of-the-shop", "authentication/login": "reader"}}
    id = Column("id", "id", pa.string(), required=True)

    def answered(capture: str, change: Callable[[bytes], bytes] = bytes) -> tuple[list[Any], str]:
        fake = Fake(change((CAPTURES / capture).read_bytes()), documents={URL: DOLIBARR})
        return values(pulled(fake, source, id, wsdl=URL, auth=auth), "id"), fake.asked[0]

    rows, asked = answered("tp_list.res.xml")
    assert rows == ["1", "2", "3", "4"] and ">key-of-the-shop</dolibarrkey>" in asked
    refused = (b">OK<", b">BAD_CREDENTIALS<")
    with pytest.raises(AccessRefused) as caught:
        answered(
            "tp_list.res.xml",
            lambda content: content.replace(*refused).replace(
                b'<result_label xsi:type="xsd:string"/>', b"<result_label>key-of-the-shop</result_label>"
            ),
        )
    assert "key-of-the-shop" not in str(caught.value)
    with pytest.raises(SourceUnavailable):
        answered("tp_list.res.xml", lambda content: content.replace(b">OK<", b">DB_ERROR_LOCK_TIMEOUT<"))


ANY = {"operation": "a", "rows": "b"}


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"preset": "sap-r3"}, "none called sap-r3"),
        ({"preset": "dynamics-nav-page"}, "needs page"),
        ({"preset": "dynamics-nav-page", "with": {"page": "Item", "company": "x"}}, "no parameter company"),
        ({"operation": "a", "rows": "b", "with": {}}, "without a preset"),
        ({"operation": "a", "rows": "b", "body": "<a"}, "no XML element"),
        ({"operation": "a", "rows": "b", "body": "<!DOCTYPE a><a/>"}, "DOCTYPE"),
        ({"operation": "a", "rows": "b", "body": "<a/>", "paging": {"kind": "page", "request": "p"}}, "needs a place"),
        ({"operation": "a", "rows": "b", "paging": {"kind": "query_more", "from": "l"}}, "needs `more`"),
        ({"operation": "a", "rows": "b", "paging": {"kind": "handles", "request": "l"}}, "belong together"),
        ({"operation": "a", "rows": "b", "paging": {"kind": "page", "request": "p", "end": {"rule": "flag"}}}, "needs `path`"),
        ({**ANY, "paging": {"kind": "page", "request": "p", "from": "Key"}}, "leave `from` out"),
        ({**ANY, "paging": {"kind": "none", "request": "p"}}, "asks once"),
        ({**ANY, "paging": {"kind": "page", "request": "p", "end": {"rule": "short", "path": "x"}}}, "leave `path` out"),
        ({**ANY, "paging": {"kind": "page", "request": "p", "end": {"rule": "total", "path": "x", "value": "9"}}}, "a flag's"),
        ({**ANY, "ok": {"path": "x", "values": ["OK"], "empty": ["OK"]}}, "OK stands in two"),
        ({**ANY, "ok": {"path": "x", "values": ["OK"], "refused": ["E"], "retry": ["E"]}}, "E stands in two"),
        ({**ANY, "faults": {"retry": ["Busy"], "empty": ["Busy"]}}, "Busy stands in two"),
        (
            {
                **ANY,
                "chunks": {"field": "Key", "bounds": ["m"]},
                "paging": {"kind": "handles", "request": "k", "handles": {**ANY, "source": "K"}},
            },
            "leave chunks out",
        ),
    ],
)
def test_a_source_that_makes_no_sense_is_refused_with_the_reason(source: dict[str, Any], why: str) -> None:
    with pytest.raises(FixConfiguration, match=re.escape(why)):
        source_spec("erp/rows", source)


def test_every_preset_has_a_test_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{name}"' in text for name in preset_names()) and len(preset_names()) == 4


BODY = """<ReadParts xmlns="urn:parts" xmlns:f="urn:fortnight:template"><filter f:when="since"><Field>Modified</Field><Criteria>{since?}..</Criteria></filter>
<filter f:each="position"><Field>Code</Field><Criteria>{item}</Criteria></filter><setSize>{size}</setSize></ReadParts>"""


def test_values_go_into_a_body_as_text_and_never_as_markup() -> None:
    fake = Fake(EMPTY)
    body = '<ReadParts xmlns="urn:parts"><filter><Field>{what}</Field><Criteria>x</Criteria></filter><setSize>1</setSize></ReadParts>'
    list(fake.connector().pull(stream(body=body, paging={"kind": "none"}, arguments={"what": "</Field><b/>&"}), Window()))
    assert "&lt;/Field&gt;&lt;b/&gt;&amp;" in fake.asked[0]


def test_a_place_without_a_value_is_named() -> None:
    with pytest.raises(FixConfiguration, match="when"):
        list(Fake(EMPTY).connector().pull(stream(body="<a>{when}</a>", paging={"kind": "none"}), Window()))


def test_handles_are_listed_once_and_asked_for_in_slices_until_none_is_left() -> None:
    listing = reply(part("C"), part("A"), part("B"))
    fake = Fake(listing, reply(part("A"), part("B")), reply(part("C")))
    paging = {
        "kind": "handles",
        "request": "filter",
        "page": 2,
        "handles": {"operation": "ReadParts", "rows": "List/Part", "source": "Code"},
    }
    source = {"body": BODY, "paging": paging, "arguments": {"setSize": 1}}
    assert values(list(fake.connector().pull(stream(**source), Window())), "code") == ["A", "B", "C"]
    assert [re.findall(r"<(?:\w+:)?Criteria>([^<]*)<", asked) for asked in fake.asked[1:]] == [["A", "B"], ["C"]]


def test_key_ranges_are_read_in_turn_and_a_row_on_a_bound_once() -> None:
    fake = Fake(reply(part("A"), part("H")), EMPTY, reply(part("H"), part("K")), EMPTY, reply(part("P")), EMPTY)
    pages = list(fake.connector().pull(stream(chunks={"field": "Code", "bounds": ["H", "P"]}), Window()))
    assert values(pages, "code") == ["A", "H", "K", "P"]
    assert [re.findall(r"<(?:\w+:)?Criteria>([^<]*)<", asked)[0] for asked in fake.asked[::2]] == ["..H", "H..P", "P.."]


def test_a_pull_of_key_ranges_goes_on_inside_of_the_range_it_was_cut_in() -> None:
    chunks = {"field": "Code", "bounds": ["H"]}
    whole = list(Fake(reply(part("A")), EMPTY, reply(part("K")), reply(part("L")), EMPTY).connector().pull(stream(chunks=chunks), Window()))
    fake = Fake(reply(part("L")), EMPTY)
    rest = list(fake.connector().pull(stream(chunks=chunks), Window(), Cursor(whole[1].cursor.state)))
    assert values(rest, "code") == ["L"] and "k-K" in fake.asked[0] and "Criteria>H..<" in fake.asked[0]


@pytest.mark.parametrize(
    ("end", "calls"),
    [
        ({"rule": "short"}, 2),
        ({"rule": "total", "path": "RowCount"}, 1),
        ({"rule": "flag", "path": "ResultCode", "value": "OK"}, 1),
        (None, 3),
    ],
)
def test_an_end_rule_saves_the_empty_page(end: dict[str, Any] | None, calls: int) -> None:
    fake = Fake(reply(part("A"), part("B")), reply(part("C")), EMPTY)
    paging = {"kind": "offset", "request": "bookmarkKey", "size": "setSize", "page": 2, **({"end": end} if end else {})}
    list(fake.connector().pull(stream(paging=paging), Window()))
    assert len(fake.asked) == calls


def test_a_pull_that_was_over_by_its_end_rule_asks_nothing_when_it_goes_on() -> None:
    paging = {"kind": "offset", "request": "bookmarkKey", "size": "setSize", "page": 2, "end": {"rule": "short"}}
    (page,) = Fake(reply(part("A"))).connector().pull(stream(paging=paging), Window())
    fake = Fake(EMPTY)
    (rest,) = fake.connector().pull(stream(paging=paging), Window(), page.cursor)
    assert rest.rows.num_rows == 0 and fake.asked == []


def test_a_query_locator_that_comes_again_is_no_endless_loop() -> None:
    fake = Fake(reply(part("A"), message="locator-1"), reply(part("B"), message="locator-1"))
    more = {
        "operation": "ReadParts",
        "body": '<ReadParts xmlns="urn:parts"><bookmarkKey>{position}</bookmarkKey><setSize>1</setSize></ReadParts>',
    }
    paging = {"kind": "query_more", "from": "ResultMessage", "more": more, "end": {"rule": "flag", "path": "ResultCode", "value": "DONE"}}
    with pytest.raises(BrokenReply) as caught:
        list(fake.connector().pull(stream(paging=paging, arguments={"setSize": 1}), Window()))
    assert caught.value.code == "soap.page_repeated" and "locator-1" in fake.asked[1] and len(fake.asked) == 2


def test_a_budget_waits_until_the_oldest_call_has_left_the_window() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(Budget(calls=2, seconds=10), lambda: now[0], sleep)
    for _ in range(5):
        pace.take()
        now[0] += 1
    assert slept == [8.0, 8.0]


def test_all_requests_of_a_system_pass_its_budget() -> None:
    fake = Fake(httpx.Response(200, content=EMPTY, headers={"Content-Type": "text/xml"}))
    connector = fake.connector(budget={"calls": 1000, "seconds": 60})
    list(connector.pull(stream(), Window()))
    assert len(connector._services.client("", stream="-")._pace._sent) == len(fake.asked) == 1
