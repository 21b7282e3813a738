"""Pages: what leaves, what never does, and how paging, windows, counts and errors end. Replies are written by hand, no sockets."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx
import pyarrow as pa
import pytest
from soap_fake import CODE, EMPTY, SCHEMA, Fake, envelope, part, reply, stream

from connectors.errors import AccessRefused, AddressUnknown, BrokenReply, FixConfiguration, SourceError, SourceUnavailable
from connectors.protocol import Column, Cursor, Page, Stream, Window

TEXT = Column("name", "名称", pa.string())
STOCK = Column("stock", "Stock", pa.int32())
MODIFIED = Column("modified", "Modified", pa.timestamp("us", "UTC"))
LINES = Column(
    "lines",
    "Lines/Line",
    pa.list_(pa.struct([("no", pa.int32()), ("text", pa.string())])),
    children=(Column("no", "No", pa.int32(), required=True), Column("text", "Text", pa.string())),
)
WHOLE = reply(part("A"), part("B"))


def pull(fake: Fake, what: Stream | None = None, window: Window | None = None, cursor: Cursor | None = None) -> list[Page]:
    return list(fake.connector().pull(what or stream(), window or Window(), cursor))


def one(inner: str, *columns: Column, **source: Any) -> tuple[list[dict[str, Any]], Page]:
    page = pull(Fake(reply(part("A", inner)), EMPTY), stream(*columns, **source))[0]
    return page.rows.to_pylist(), page


def test_rows_carry_contract_columns_then_op_version_and_scope() -> None:
    page = pull(Fake(reply(part("A", "<Stock>3</Stock>")), EMPTY), stream(STOCK))[0]
    assert page.rows.schema.names == ["code", "stock", "_op", "_source_version", "_scope"]
    assert page.rows.to_pylist() == [{"code": "A", "stock": 3, "_op": "upsert", "_source_version": "k-A", "_scope": "soap:erp:parts"}]
    assert page.source_rows == 1


def test_the_version_of_a_row_is_the_text_of_its_cursor() -> None:
    what = stream(MODIFIED, cursor="modified")
    page = pull(Fake(reply(part("A", "<Modified>2026-11-01T09:00:00.120+09:00</Modified>")), EMPTY), what)[0]
    assert page.rows.column("_source_version").to_pylist() == ["2026-11-01T09:00:00.120+09:00"]


def test_absent_nil_and_empty_text_stay_apart() -> None:
    parts = (part("A"), part("B", '<名称 xsi:nil="true"/>'), part("C", "<名称/>"), part("D", "<名称>軸受①</名称>"))
    page = pull(Fake(reply(*parts), EMPTY), stream(TEXT, Column("stock", "Stock", pa.int32())))[0]
    assert page.rows.column("name").to_pylist() == [None, None, "", "軸受①"]


def test_an_empty_number_is_a_reject_unless_declared_null() -> None:
    rows, page = one("<Stock/>", STOCK)
    assert rows == [] and page.source_rows == 1 and "value.lexical" in page.rejects[0].reason
    assert one("<Stock/>", STOCK, empty_as_null=True)[0][0]["stock"] is None


def test_a_required_value_that_is_absent_or_nil_rejects_the_row() -> None:
    required = Column("stock", "Stock", pa.int32(), required=True)
    assert "value.absent" in one("", required)[1].rejects[0].reason
    assert "value.nil" in one('<Stock xsi:nil="true"/>', required)[1].rejects[0].reason


def test_a_reject_names_operation_path_row_and_raw_value_and_keeps_the_row() -> None:
    page = pull(Fake(reply(part("A", "<Stock>1</Stock>"), part("B", "<名称>軸</名称><Stock>12,5</Stock>")), EMPTY), stream(TEXT, STOCK))[0]
    (reject,) = page.rejects
    assert (reject.key, reject.column) == ("B", "stock")
    assert "ReadParts List/Part[2]/Stock = '12,5'" in reject.reason
    assert reject.raw == '{"Code": "B", "名称": "軸", "Stock": "12,5"}'
    assert page.rows.column("code").to_pylist() == ["A"] and page.source_rows == 2


def test_a_reject_names_every_value_that_does_not_fit_and_the_version_of_its_row() -> None:
    wrong = "<Stock>12,5</Stock><Modified>gestern</Modified>"
    page = pull(Fake(reply(part("A", wrong), part("B", "<Stock>1</Stock>")), EMPTY), stream(TEXT, STOCK, MODIFIED))[0]
    (reject,) = page.rejects
    assert [(column, reason.partition(" ")[0].rstrip(":")) for column, reason in reject.reasons] == [
        ("stock", "value.lexical"),
        ("modified", "value.lexical"),
    ]
    assert "Part[1]/Modified = 'gestern'" in reject.reasons[1][1] and reject.version == "k-A"


def test_a_value_outside_the_enumeration_is_a_reject() -> None:
    assert "value.enumeration" in one("<Grade>C</Grade>", Column("grade", "Grade", pa.string()))[1].rejects[0].reason


def test_nested_parts_lists_and_attributes_are_read() -> None:
    place = Column("place", "Place", pa.struct([("city", pa.string())]), children=(Column("city", "City", pa.string()),))
    columns = (
        place,
        LINES,
        Column("tags", "Tag", pa.list_(pa.string())),
        Column("price", "Price", pa.decimal128(10, 2)),
        Column("currency", "Price@currency", pa.string()),
        Column("since", "Since", pa.date32()),
    )
    rows, _ = one(
        '<Price currency="JPY">12.5</Price><Since>2026-11-01</Since><Place><City>浜松</City><Shelf xsi:nil="true"/></Place>'
        "<Lines><Line><No>1</No></Line><Line><No>2</No><Text/></Line></Lines><Tag>a</Tag><Tag>b</Tag>",
        *columns,
    )
    assert rows[0]["place"] == {"city": "浜松"}
    assert rows[0]["lines"] == [{"no": 1, "text": None}, {"no": 2, "text": ""}]
    assert (rows[0]["tags"], rows[0]["price"], rows[0]["currency"], rows[0]["since"]) == (
        ["a", "b"],
        Decimal("12.50"),
        "JPY",
        date(2026, 11, 1),
    )


def test_an_absent_list_is_null_and_an_empty_one_is_empty() -> None:
    page = pull(Fake(reply(part("A"), part("B", "<Lines/>")), EMPTY), stream(LINES))[0]
    assert page.rows.column("lines").to_pylist() == [None, []]


def test_a_bad_value_inside_a_line_rejects_the_whole_row_with_its_path() -> None:
    _, page = one("<Lines><Line><No>1</No></Line><Line><No>x</No></Line></Lines>", LINES)
    assert "List/Part[1]/Lines/Line[2]/No = 'x'" in page.rejects[0].reason


def test_equal_texts_inside_of_lines_are_each_read_as_what_they_stand_for() -> None:
    alike, odd = "<Line><No>1</No><Text>1</Text></Line>", "<Line><No>x</No><Text>1</Text></Line>"
    pages = pull(
        Fake(reply(part("A", f"<Lines>{alike * 2}</Lines>"), *(part(code, f"<Lines>{alike}{odd}</Lines>") for code in "BC")), EMPTY),
        stream(LINES),
    )
    assert pages[0].rows.column("lines").to_pylist() == [[{"no": 1, "text": "1"}] * 2]
    assert [reject.key for reject in pages[0].rejects] == ["B", "C"], "a text that does not fit is no better for coming again"


def test_a_nested_value_can_be_a_column_of_its_own() -> None:
    assert one("<Place><City>浜松</City><Shelf>7</Shelf></Place>", Column("shelf", "Place/Shelf", pa.int16()))[0][0]["shelf"] == 7


def test_a_value_inside_a_list_can_not_be_a_column() -> None:
    with pytest.raises(FixConfiguration, match="repeated element Line"):
        pull(Fake(EMPTY), stream(Column("no", "Lines/Line/No", pa.int32())))


def test_unknown_elements_are_passed_over_and_rows_in_another_namespace_are_not_rows() -> None:
    assert one("<New><Code>Z</Code></New>")[0][0]["code"] == "A"
    with pytest.raises(BrokenReply, match="ReadParts_Result"):
        pull(Fake(reply(part("A"), ns="urn:else")))


# --- paging


def test_paging_follows_the_bookmark_to_an_empty_page_even_after_a_short_one() -> None:
    fake = Fake(WHOLE, reply(part("C")), EMPTY)
    pages = pull(fake)
    assert [page.rows.column("code").to_pylist() for page in pages] == [["A", "B"], ["C"]]
    assert [re.findall(r"bookmarkKey>([^<]+)<", body) for body in fake.asked] == [[], ["k-B"], ["k-C"]]
    assert all("setSize>2<" in body for body in fake.asked)


def test_an_empty_stream_is_one_empty_page() -> None:
    (page,) = pull(Fake(EMPTY), stream(STOCK))
    assert page.rows.num_rows == 0 and page.rows.schema.field("stock").type == pa.int32()


def test_a_pull_resumed_from_any_page_reads_the_rest_and_only_the_rest() -> None:
    codes = [f"P{n}" for n in range(7)]

    def answer(request: httpx.Request) -> httpx.Response:
        found = re.search(r"bookmarkKey>k-([^<]+)<", request.content.decode())
        at = codes.index(found.group(1)) + 1 if found else 0
        return httpx.Response(200, content=reply(*map(part, codes[at : at + 2])), headers={"Content-Type": "text/xml"})

    def run(cursor: Cursor | None) -> list[Page]:
        return pull(Fake(answer), cursor=cursor)

    whole = run(None)
    assert [code for page in whole for code in page.rows.column("code").to_pylist()] == codes
    for number, page in enumerate(whole, 1):
        rest = [code for later in run(page.cursor) for code in later.rows.column("code").to_pylist()]
        assert rest == codes[2 * number :]


def test_a_server_that_repeats_its_bookmark_is_broken_and_not_read_for_ever() -> None:
    with pytest.raises(BrokenReply, match="same page again"):
        pull(Fake(WHOLE))


def test_a_server_that_goes_back_to_an_earlier_page_is_broken() -> None:
    with pytest.raises(BrokenReply, match="same page again"):
        pull(Fake(WHOLE, reply(part("C")), reply(part("D"), part("B"))))


def test_a_resumed_pull_whose_server_stands_still_is_broken() -> None:
    first = next(iter(Fake(WHOLE, EMPTY).connector().pull(stream(), Window())))
    with pytest.raises(BrokenReply, match="same page again"):
        pull(Fake(WHOLE), cursor=first.cursor)


OFFSET_SCHEMA = SCHEMA.replace('name="bookmarkKey" type="xs:string" minOccurs="0" nillable="true"', 'name="start" type="xs:int"')


@pytest.mark.parametrize(("kind", "expected"), [("offset", ["0", "2", "3"]), ("page", ["1", "2", "3"])])
def test_offset_and_page_number_paging_count_on(kind: str, expected: list[str]) -> None:
    fake = Fake(WHOLE, reply(part("C")), EMPTY, documents={"https://erp.example/ws/Parts?xsd=parts.xsd": OFFSET_SCHEMA})
    pull(fake, stream(paging={"kind": kind, "request": "start", "size": "setSize", "page": 2}))
    assert [re.findall(r"start>([^<]*)<", body)[0] for body in fake.asked] == expected


def test_each_page_is_asked_for_after_the_last_id_of_the_one_before_and_so_is_a_continuation() -> None:
    last_id = stream(paging={"kind": "last_id", "request": "bookmarkKey", "size": "setSize", "page": 2, "from": "Code"})
    fake = Fake(WHOLE, reply(part("C")), EMPTY)
    pages = pull(fake, last_id)
    assert [re.findall(r"bookmarkKey>([^<]+)<", body) for body in fake.asked] == [[], ["B"], ["C"]]
    later = Fake(reply(part("C")), EMPTY)
    assert [page.source_rows for page in pull(later, last_id, cursor=pages[0].cursor)] == [1]
    assert ">B</" in later.asked[0]


def test_without_paging_one_reply_is_all() -> None:
    fake = Fake(WHOLE)
    what = stream(paging={"kind": "none"}, arguments={"setSize": 0})
    (page,) = pull(fake, what)
    assert page.source_rows == 2 and len(fake.asked) == 1
    (after,) = pull(fake, what, cursor=page.cursor)
    assert after.rows.num_rows == 0


# --- a page is a transaction


@pytest.mark.parametrize("part_of", [0.5, 0.99])
def test_a_truncated_reply_is_asked_for_again(part_of: float) -> None:
    fake = Fake(WHOLE[: int(len(WHOLE) * part_of)], WHOLE, EMPTY)
    assert [page.source_rows for page in pull(fake)] == [2]
    assert len(fake.asked) == 3


@pytest.mark.parametrize("cut", [50, 99])
def test_a_reply_that_stays_truncated_gives_no_row(cut: int) -> None:
    fake = Fake(WHOLE[: len(WHOLE) * cut // 100])
    with pytest.raises(BrokenReply, match="No row of it was kept") as caught:
        pull(fake)
    assert caught.value.code == "soap.incomplete" and len(fake.asked) == 3


def test_a_reply_cut_at_any_byte_gives_no_row() -> None:
    body = reply(part("A", "<名称>髙橋①</名称>"))
    for cut in range(0, len(body) - 1, 7):
        pages: list[Page] = []
        with pytest.raises(BrokenReply):
            pages.extend(pull(Fake(body[:cut]), stream(TEXT)))
        assert pages == []


def test_a_connection_dropped_in_the_body_is_asked_for_again() -> None:
    class Dropped(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            yield WHOLE[:200]
            raise httpx.RemoteProtocolError("peer closed connection")

    fake = Fake(httpx.Response(200, stream=Dropped(), headers={"Content-Type": "text/xml"}), WHOLE, EMPTY)
    assert [page.source_rows for page in pull(fake)] == [2]


@pytest.mark.parametrize("count", [1, 3])
def test_a_count_that_differs_from_the_rows_gives_no_row(count: int) -> None:
    with pytest.raises(BrokenReply, match=f"says {count} rows and sent 2"):
        pull(Fake(reply(part("A"), part("B"), count=count)))


def test_a_good_page_before_a_broken_one_has_left_and_its_cursor_goes_on() -> None:
    pulled = Fake(WHOLE, reply(part("C"), count=9)).connector().pull(stream(), Window())
    first = next(pulled)
    with pytest.raises(BrokenReply):
        next(pulled)
    assert [page.rows.column("code").to_pylist() for page in pull(Fake(reply(part("C")), EMPTY), cursor=first.cursor)] == [["C"]]


# --- what is not an answer


def fault(code: str, text: str = "だめ", version: str = "1.1") -> bytes:
    if version == "1.1":
        return envelope(f"<e:Fault><faultcode>e:{code}</faultcode><faultstring>{text}</faultstring></e:Fault>")
    uri = "http://www.w3.org/2003/05/soap-envelope"
    return envelope(
        f"<e:Fault><e:Code><e:Value>e:{code}</e:Value></e:Code><e:Reason><e:Text xml:lang='ja'>{text}</e:Text></e:Reason></e:Fault>",
        version=uri,
    )


def http(status: int, content: bytes = b"", media_type: str = "text/xml", **headers: str) -> httpx.Response:
    return httpx.Response(status, content=content, headers={"Content-Type": media_type, **headers})


CASES: list[tuple[str, Any, type[SourceError] | type[FixConfiguration], str]] = [
    ("Fault in 200", fault("Server"), SourceUnavailable, "soap.fault_server"),
    ("Fault in 500", http(500, fault("Server")), SourceUnavailable, "soap.fault_server"),
    ("SOAP 1.2 Fault", http(500, fault("Receiver", version="1.2"), "application/soap+xml"), SourceUnavailable, "soap.fault_server"),
    ("Fault of the client", http(500, fault("Client")), BrokenReply, "soap.fault"),
    ("Fault for credentials", http(500, fault("FailedAuthentication")), AccessRefused, "soap.fault_refused"),
    ("404 with a Fault", http(404, fault("Client")), BrokenReply, "soap.fault"),
    ("404 with text", http(404, b"nothing", "text/plain"), AddressUnknown, "soap.not_there"),
    ("500 with text", http(500, b"oops", "text/plain"), BrokenReply, "soap.http_status"),
    ("500 with an answer", http(500, WHOLE), BrokenReply, "soap.http_status"),
    ("401", http(401), AccessRefused, "soap.refused"),
    ("403", http(403), AccessRefused, "soap.refused"),
    ("302", http(302, Location="https://login.example/"), FixConfiguration, "soap.redirected"),
    ("503", http(503, b"busy", "text/plain"), SourceUnavailable, "source.unavailable"),
    ("HTML in 200", http(200, b"<!DOCTYPE html><html></html>", "text/html"), BrokenReply, "soap.html"),
    ("HTML that calls itself XML", b"  <html><body/></html>", BrokenReply, "soap.html"),
    ("nothing in 200", b"", BrokenReply, "soap.incomplete"),
    ("another document", b"<other/>", BrokenReply, "soap.broken"),
    ("an empty Body", envelope(""), BrokenReply, "soap.broken"),
    ("two answers", WHOLE.replace(b"</e:Body>", b'<ReadParts_Result xmlns="urn:parts"/></e:Body>'), BrokenReply, "soap.broken"),
    ("no result code", WHOLE.replace(b"<ResultCode>OK</ResultCode>", b""), BrokenReply, "soap.ok_missing"),
    ("a nil row", WHOLE.replace(b"<Part>", b'<Part xsi:nil="true">'), BrokenReply, "soap.broken"),
    ("an error inside", reply(code="DB_ERROR", message="接続不可"), SourceError, "soap.not_ok"),
    ("a refusal inside", reply(code="BAD_CREDENTIALS"), AccessRefused, "soap.refused_inside"),
    ("not found with rows", reply(part("A"), code="NOT_FOUND"), BrokenReply, "soap.count_differs"),
    ("multipart", http(200, b"--x", 'multipart/related; boundary="x"'), BrokenReply, "soap.incomplete"),
    ("multipart without a boundary", http(200, b"--x", "multipart/related"), BrokenReply, "soap.mtom"),
    ("a control character", WHOLE.replace(b"<Code>A", b"<Code>\x01A"), BrokenReply, "soap.broken"),
    ("an unbound prefix", WHOLE.replace(b"<Code>", b"<x:Code>").replace(b"</Code>", b"</x:Code>"), BrokenReply, "soap.broken"),
]


@pytest.mark.parametrize(("answer", "error", "code"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_no_answer_is_an_error_of_its_own_class(answer: Any, error: type[Exception], code: str) -> None:
    with pytest.raises(error) as caught:
        pull(Fake(answer))
    assert getattr(caught.value, "code", "") == code
    assert "{" not in str(caught.value), "a placeholder was not filled"


def test_not_found_is_no_rows() -> None:
    (page,) = pull(Fake(reply(code="NOT_FOUND")))
    assert page.source_rows == 0


def test_an_error_inside_shows_code_and_message_in_both_languages() -> None:
    with pytest.raises(SourceError) as caught:
        pull(Fake(reply(code="DB_ERROR", message="接続不可")))
    assert "DB_ERROR: 接続不可" in caught.value.say("en") and "DB_ERROR: 接続不可" in caught.value.say("ja")


def test_a_server_that_echoes_the_password_does_not_get_it_into_the_message() -> None:
    with pytest.raises(BrokenReply) as caught:
        pull(Fake(fault("Client", "no user reader with correct-horse " + "x" * 900)))
    assert "correct-horse" not in str(caught.value) and len(str(caught.value)) < 500


BOMB = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(10))


@pytest.mark.parametrize(
    ("doctype", "inside"),
    [("<!DOCTYPE x>", "A"), ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>', "&a;"), ("<!DOCTYPE x [" + BOMB + "]>", "&l9;")],
)
def test_a_doctype_external_entity_or_entity_bomb_is_refused(doctype: str, inside: str) -> None:
    with pytest.raises(BrokenReply, match="DOCTYPE"):
        pull(Fake(reply(part(inside), head=f'<?xml version="1.0"?>{doctype}')))


def test_an_undeclared_entity_is_refused() -> None:
    with pytest.raises(BrokenReply, match="undefined entity"):
        pull(Fake(reply(part("&a;"))))


def test_too_deep_a_nesting_is_refused() -> None:
    with pytest.raises(BrokenReply, match="deep"):
        pull(Fake(reply(part("A", "<a>" * 300 + "</a>" * 300))))


def test_too_long_a_text_is_refused() -> None:
    with pytest.raises(BrokenReply, match="longer"):
        pull(Fake(reply(part("A", f"<名称>{'あ' * (10 * 1024 * 1024 + 70_000)}</名称>"))), stream(TEXT))


# --- encodings

JAPANESE = "\\ ～ ① 髙橋 ｶﾅ ―"


@pytest.mark.parametrize("name", ["Shift_JIS", "Windows-31J", "MS932", "x-sjis", "CP932"])
def test_a_shift_jis_family_name_means_what_japanese_servers_mean(name: str) -> None:
    body = reply(part("A", f"<名称>{JAPANESE}</名称>"), head=f'<?xml version="1.0" encoding="{name}"?>').decode().encode("cp932")
    assert pull(Fake(body, EMPTY), stream(TEXT))[0].rows.column("name").to_pylist() == [JAPANESE]


@pytest.mark.parametrize(
    ("declared", "codec"), [("EUC-JP", "euc_jp"), ("UTF-16", "utf-16"), ("utf-8", "utf-8-sig"), ("ISO-2022-JP", "iso2022_jp")]
)
def test_other_declared_encodings_and_byte_order_marks_are_read(declared: str, codec: str) -> None:
    body = reply(part("A", "<名称>軸受</名称>"), head=f'<?xml version="1.0" encoding="{declared}"?>').decode().encode(codec)
    assert pull(Fake(body, EMPTY), stream(TEXT))[0].rows.column("name").to_pylist() == ["軸受"]


def test_bytes_that_do_not_fit_the_declared_encoding_are_refused() -> None:
    body = reply(part("A", "<名称>軸</名称>"), head='<?xml version="1.0" encoding="EUC-JP"?>')
    with pytest.raises(BrokenReply, match="which the reply declares"):
        pull(Fake(body.replace("軸".encode(), b"\xff\xff")), stream(TEXT))


def test_the_charset_of_http_counts_when_the_document_says_nothing() -> None:
    body = reply(part("A", "<名称>①</名称>"), head="").decode().encode("cp932")
    answer = http(200, body, "text/xml; charset=Shift_JIS")
    assert pull(Fake(answer, EMPTY), stream(TEXT))[0].rows.column("name").to_pylist() == ["①"]


# --- windows, keys, counts, watermark


def test_a_window_asks_by_the_declared_field_and_keeps_exactly_its_rows() -> None:
    def at(code: str, clock: str) -> str:
        return part(code, f"<Modified>2026-11-01T{clock}Z</Modified>")

    fake = Fake(reply(at("A", "00:00:00.2"), at("B", "00:00:00.7"), at("C", "01:00:00"), part("D")), EMPTY)
    window = Window(datetime(2026, 11, 1, 0, 0, 0, 500_000, tzinfo=UTC), datetime(2026, 11, 1, 1, tzinfo=UTC))
    page = pull(fake, stream(MODIFIED, cursor="modified"), window)[0]
    assert "Criteria>2026-11-01T00:00:00Z..2026-11-01T01:00:00Z<" in fake.asked[0] and "Field>Modified<" in fake.asked[0]
    assert page.rows.column("code").to_pylist() == ["B", "D"]
    assert page.source_rows == 2


def test_a_field_without_a_zone_is_asked_for_in_the_declared_zone() -> None:
    fake = Fake(EMPTY)
    pull(fake, stream(MODIFIED, cursor="modified", timezone="Asia/Tokyo"), Window(since=datetime(2026, 11, 1, tzinfo=UTC)))
    assert "Criteria>2026-11-01T09:00:00..<" in fake.asked[0]


def test_a_plain_date_is_asked_for_with_a_day_of_overlap() -> None:
    fake = Fake(EMPTY)
    pull(fake, stream(changed_since={"field": "Since"}), Window(since=datetime(2026, 11, 1, tzinfo=UTC)))
    assert "Criteria>2026-10-31..<" in fake.asked[0]


def test_a_window_on_a_stream_without_a_filter_is_a_configuration_error() -> None:
    with pytest.raises(FixConfiguration, match="only be read whole"):
        pull(Fake(EMPTY), stream(changed_since=None), Window(since=datetime(2026, 11, 1, tzinfo=UTC)))


def test_keys_read_all_pages_and_count_without_an_operation_counts_them() -> None:
    what = stream(STOCK)
    batches = list(Fake(reply(part("A", "<Stock>x</Stock>"), part("B")), EMPTY).connector().keys(what))
    assert [batch.to_pydict() for batch in batches] == [{"code": ["A", "B"]}]
    assert Fake(WHOLE, EMPTY).connector().count(what) == 2


def test_rows_are_counted_by_the_streams_own_operation_asked_for_one_of_them() -> None:
    fake = Fake(reply(part("A"), count=240))
    counting = {"operation": "ReadParts", "path": "RowCount", "arguments": {"setSize": 1}}
    assert fake.connector().count(stream(count=counting, row_count=None)) == 240
    assert len(fake.asked) == 1 and "setSize>1<" in fake.asked[0]


def test_a_key_that_can_not_be_read_stops_the_listing_of_keys() -> None:
    number = Stream("erp", "parts", stream().source, ("code",), (Column("code", "Code", pa.int32(), required=True),))
    with pytest.raises(BrokenReply, match="would look deleted"):
        list(Fake(WHOLE, EMPTY).connector().keys(number))


def test_without_a_date_header_the_watermark_never_runs_ahead_of_what_was_read() -> None:
    connector = Fake(reply(part("A", "<Modified>2026-11-01T09:00:00Z</Modified>")), EMPTY).connector()
    assert connector.watermark() == datetime(1970, 1, 1, tzinfo=UTC)
    other = Fake(reply(part("A", "<Modified>2026-11-01T09:00:00Z</Modified>"), part("B")), EMPTY).connector()
    list(other.pull(stream(MODIFIED, cursor="modified"), Window()))
    assert other.watermark() == datetime(2026, 11, 1, 9, tzinfo=UTC)


def test_an_empty_window_moves_the_watermark_to_its_start_and_no_further() -> None:
    connector = Fake(EMPTY).connector()
    since = datetime(2026, 11, 1, tzinfo=UTC)
    list(connector.pull(stream(MODIFIED, cursor="modified"), Window(since=since)))
    assert connector.watermark() == since


def test_without_a_declared_list_of_rights_the_one_scope_is_unresolved() -> None:
    access = Fake(EMPTY).connector().access(stream())
    (scope,) = access.scopes
    assert (scope.id, scope.resolved, scope.principals) == ("soap:erp:parts", False, ())
    assert access.members == access.accounts == ()


def test_a_wrong_source_block_names_the_stream_and_the_line() -> None:
    with pytest.raises(FixConfiguration, match=r"erp/parts is wrong at paging.*needs `request`"):
        pull(Fake(EMPTY), stream(paging={"kind": "bookmark"}))


def test_a_column_shared_with_the_key_is_read_once() -> None:
    assert CODE.source == "Code"
    rows, _ = one("", Column("key", "Key", pa.string()), Column("code_again", "Code", pa.string()))
    assert (rows[0]["key"], rows[0]["code_again"]) == ("k-A", "A")
