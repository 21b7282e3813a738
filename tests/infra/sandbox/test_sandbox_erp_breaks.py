"""Everything ``fortnight sandbox break erp`` can do: what a reader then sees on the wire, whom it befalls, and that healing takes it back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any
from xml.parsers import expat

import httpx
import pytest
from erp_talk import SOAP12, ZUMEN, Talk, fault_of, parts_of, serving, text_of
from lxml import etree

from infra.sandbox.erp.breaks import BREAKS, HANBAI, SAKURA
from infra.sandbox.erp.breaks import ZUMEN as OFFICE
from infra.sandbox.erp.replies import HARD_TEXT

XSD = "{http://www.w3.org/2001/XMLSchema}"
PAGE = "<z:PageIndex>1</z:PageIndex><z:PageSize>5</z:PageSize>"
ALL = (SAKURA, HANBAI, OFFICE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with serving(tmp_path_factory.mktemp("breaks")) as settings:
        yield Talk(settings)


@pytest.fixture
def talk(server: Talk) -> Iterator[Talk]:
    """A whole server before, and a healed one after: what each service answers is the same to the byte but for its ids."""
    yield server
    server.control("heal")
    for service in ALL:
        assert service_reply(server, service).status_code == 200


def service_reply(talk: Talk, service: str) -> httpx.Response:
    """An ordinary list."""
    if service == SAKURA:
        return talk.items(10)
    if service == HANBAI:
        return talk.hanbai("getListOfInvoices", "<filterinvoice/>")
    return talk.zumen("ListDrawings", PAGE)


def broken(talk: Talk, name: str, **body: Any) -> dict[str, Any]:
    done = talk.control("break", name=name, **body)
    assert done["name"] == name and done["healable"] is True
    return done


def parsed(reply: httpx.Response) -> etree._Element:
    return etree.fromstring(reply.content, etree.XMLParser(huge_tree=True))


def rows(reply: httpx.Response, service: str) -> list[etree._Element]:
    name = {SAKURA: "{*}Item", HANBAI: "invoice", OFFICE: f"{{{ZUMEN}}}Drawing"}[service]
    return parsed(reply).findall(f".//{name}")


def children(row: etree._Element) -> dict[str, etree._Element]:
    return {etree.QName(one).localname: one for one in row}


def declared(talk: Talk, service: str, element: str) -> etree._Element | None:
    """The declaration of an element of the list's row."""
    if service == SAKURA:
        root, name = etree.fromstring(talk.get(f"{talk.url(SAKURA)}?xsd=items.xsd").content), "Item"
    else:
        root, name = talk.wsdl(service), {HANBAI: "invoice_short", OFFICE: "Drawing"}[service]
    return root.find(f".//{XSD}complexType[@name='{name}']/*/{XSD}element[@name='{element}']")


# --- the contract -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "old", "new"),
    [(SAKURA, "Unit_Price", "Sales_Price"), (HANBAI, "total_net", "total_ht"), (OFFICE, "Material", "Material_Code")],
)
def test_an_element_is_renamed_in_contract_and_rows_and_gets_its_name_back(talk: Talk, service: str, old: str, new: str) -> None:
    before = [children(row)[old].text for row in rows(service_reply(talk, service), service)]
    done = broken(talk, "rename-element", service=service)
    assert (done["service"], done["element"], done["to"]) == (service, old, new)
    after = rows(service_reply(talk, service), service)
    assert [children(row)[new].text for row in after] == before and old not in children(after[0])
    assert declared(talk, service, old) is None and declared(talk, service, new) is not None
    assert talk.control("heal", name="rename-element")["healed"] == ["rename-element"]
    assert [children(row)[old].text for row in rows(service_reply(talk, service), service)] == before
    assert declared(talk, service, old) is not None and declared(talk, service, new) is None


@pytest.mark.parametrize(("service", "name"), [(SAKURA, "Eco_Rank"), (HANBAI, "department"), (OFFICE, "Checked_By")])
def test_an_element_is_added_in_the_middle(talk: Talk, service: str, name: str) -> None:
    assert broken(talk, "add-element", service=service)["element"] == name
    found = list(children(rows(service_reply(talk, service), service)[0]))
    assert 0 < found.index(name) < len(found) - 1 and declared(talk, service, name) is not None


@pytest.mark.parametrize(("service", "name"), [(SAKURA, "Net_Weight"), (HANBAI, "note_public"), (OFFICE, "Remarks")])
def test_an_element_is_removed(talk: Talk, service: str, name: str) -> None:
    broken(talk, "remove-element", service=service)
    assert declared(talk, service, name) is None
    assert not any(name in children(row) for row in rows(service_reply(talk, service), service))


@pytest.mark.parametrize(
    ("service", "name", "before", "after"),
    [
        (SAKURA, "Inventory", "xsd:int", "xsd:short"),
        (HANBAI, "customer_id", "xsd:int", "xsd:short"),
        (OFFICE, "Sheets", "xsd:int", "xsd:short"),
    ],
)
def test_a_type_is_made_narrower_and_the_rows_still_fit(talk: Talk, service: str, name: str, before: str, after: str) -> None:
    assert declared(talk, service, name).get("type") == before  # type: ignore[union-attr]
    broken(talk, "narrow-type", service=service)
    assert declared(talk, service, name).get("type") == after  # type: ignore[union-attr]
    assert all(-32_768 <= int(children(row)[name].text or "") < 32_768 for row in rows(service_reply(talk, service), service))


@pytest.mark.parametrize(("service", "name"), [(SAKURA, "規格"), (OFFICE, "Remarks")])
def test_an_optional_element_becomes_required_and_no_row_is_without_it(talk: Talk, service: str, name: str) -> None:
    assert declared(talk, service, name).get("minOccurs") == "0"  # type: ignore[union-attr]
    broken(talk, "require-element", service=service)
    assert declared(talk, service, name).get("minOccurs") is None  # type: ignore[union-attr]
    assert all(name in children(row) for row in rows(service_reply(talk, service), service))


@pytest.mark.parametrize(("service", "name"), [(SAKURA, "Inventory"), (OFFICE, "Sheets")])
def test_nillable_changes_and_a_second_time_back(talk: Talk, service: str, name: str) -> None:
    nil = "{http://www.w3.org/2001/XMLSchema-instance}nil"

    def nils() -> set[str | None]:
        many = talk.items(300) if service == SAKURA else talk.zumen("ListDrawings", PAGE.replace("5", "100"))
        return {children(row)[name].get(nil) for row in rows(many, service)}

    assert declared(talk, service, name).get("nillable") is None and nils() == {None}  # type: ignore[union-attr]
    broken(talk, "change-nillable", service=service)
    assert declared(talk, service, name).get("nillable") == "true" and nils() == {None, "true"}  # type: ignore[union-attr]
    broken(talk, "change-nillable", service=service)
    assert declared(talk, service, name).get("nillable") is None and nils() == {None}  # type: ignore[union-attr]


@pytest.mark.parametrize(("service", "name"), [(SAKURA, "Shelf_No"), (OFFICE, "Item_No")])
def test_an_element_may_repeat_and_here_and_there_does(talk: Talk, service: str, name: str) -> None:
    broken(talk, "repeat-element", service=service)
    assert declared(talk, service, name).get("maxOccurs") == "unbounded"  # type: ignore[union-attr]
    many = talk.items(300) if service == SAKURA else talk.zumen("ListDrawings", PAGE.replace("5", "100"))
    assert {1, 2} <= {sum(etree.QName(one).localname == name for one in row) for row in rows(many, service)}


@pytest.mark.parametrize(("service", "name", "value"), [(SAKURA, "Item_Category", "ZZ"), (OFFICE, "Status", "Frozen")])
def test_an_enumeration_gets_a_value_that_rows_have(talk: Talk, service: str, name: str, value: str) -> None:
    assert broken(talk, "add-value", service=service)["value"] == value
    many = talk.items(300) if service == SAKURA else talk.zumen("ListDrawings", PAGE.replace("5", "100"))
    assert value in {children(row)[name].text for row in rows(many, service)}
    documents = talk.get(f"{talk.url(service)}?{'xsd=items.xsd' if service == SAKURA else 'wsdl'}").text
    assert f'<xsd:enumeration value="{value}"/>' in documents


def test_a_break_takes_the_element_and_the_names_it_is_told(talk: Talk) -> None:
    done = broken(talk, "rename-element", service=OFFICE, field="Title", to="名称")
    assert (done["element"], done["to"]) == ("Title", "名称")
    broken(talk, "add-value", field="Item_Category", option="QQ")
    broken(talk, "add-element", service=HANBAI, field="branch", type="int")
    assert [children(row)["branch"].text for row in rows(service_reply(talk, HANBAI), HANBAI)[:2]] == ["1", "1"]
    for wrong in ({"field": "Nope"}, {"field": "No"}, {"field": "Inventory", "to": "No"}):
        assert talk.refusal("break", name="rename-element", **wrong)


def test_a_later_break_that_stands_on_an_earlier_one_must_be_healed_first(talk: Talk) -> None:
    broken(talk, "rename-element", field="Inventory", to="Stock")
    broken(talk, "narrow-type", field="Stock")
    assert "heal narrow_type of Stock first" in talk.refusal("heal", name="rename-element")
    assert "Stock" in children(rows(talk.items(1), SAKURA)[0]), "nothing was taken back"
    assert talk.control("heal")["healed"] == ["narrow-type", "rename-element"]
    assert "Inventory" in children(rows(talk.items(1), SAKURA)[0])


def test_an_earlier_break_can_be_healed_from_under_a_later_one(talk: Talk) -> None:
    broken(talk, "add-element", service=OFFICE)
    broken(talk, "remove-element", service=OFFICE)
    talk.control("heal", name="add-element")
    found = children(rows(service_reply(talk, OFFICE), OFFICE)[0])
    assert "Checked_By" not in found and declared(talk, OFFICE, "Remarks") is None


# --- addresses and secrets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ALL)
def test_a_moved_endpoint_is_named_by_the_wsdl_and_the_old_one_answers_with_a_page(talk: Talk, service: str) -> None:
    done = broken(talk, "move-endpoint", service=service)
    told = talk.wsdl(service).find(".//{*}port/{*}address").get("location", "")  # type: ignore[union-attr]
    assert told == talk.url(service).replace("localhost", "127.0.0.1").replace(done["from"], done["to"])
    gone = service_reply(talk, service)
    assert gone.status_code == 404 and gone.headers["content-type"].startswith("text/html") and "<h1>" in gone.text

    def redirected(_: str, url: str = told) -> str:
        return url

    talk.url, kept = redirected, talk.url  # type: ignore[method-assign]
    try:
        assert service_reply(talk, service).status_code == 200
    finally:
        talk.url = kept  # type: ignore[method-assign]


def test_the_new_endpoint_is_nowhere_before_the_move_and_after_healing(talk: Talk) -> None:
    moved = talk.url(OFFICE).replace("/erp/", "/erp/v2/")
    assert httpx.post(moved, content=b"", trust_env=False).status_code == httpx.get(f"{moved}?wsdl", trust_env=False).status_code == 404
    broken(talk, "move-endpoint", service=OFFICE)
    assert httpx.get(f"{moved}?wsdl", trust_env=False).status_code == 200
    talk.control("heal", name="move-endpoint")
    assert httpx.get(f"{moved}?wsdl", trust_env=False).status_code == 404


def test_a_changed_password_is_refused_in_each_services_own_way(talk: Talk) -> None:
    for service in ALL:
        broken(talk, "change-password", service=service)
    assert service_reply(talk, SAKURA).status_code == 401
    assert text_of(parsed(service_reply(talk, HANBAI)), "result_code") == "BAD_CREDENTIALS"
    assert fault_of(service_reply(talk, OFFICE)) == ("soap:Sender", ["wsse:FailedAuthentication"])


@pytest.mark.parametrize("service", ALL)
def test_every_soap_action_changes_in_the_wsdl(talk: Talk, service: str) -> None:
    def actions() -> list[str]:
        return [one.get("soapAction", "") for one in talk.wsdl(service).iterfind(".//{*}binding/{*}operation/{*}operation")]

    before = actions()
    broken(talk, "change-action", service=service)
    assert before and actions() == [f"{one}:v2" for one in before]


def test_an_old_action_is_refused_where_the_service_looks_at_it(talk: Talk) -> None:
    namespace = "urn:sakura-seiki.example:erp:items"
    body = (
        f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><CountItems xmlns="{namespace}"/></s:Body></s:Envelope>'
    )
    assert talk.post(SAKURA, body, SOAPAction=f'"{namespace}:CountItems"').status_code == 200
    broken(talk, "change-action")
    old, new = (talk.post(SAKURA, body, SOAPAction=f'"{namespace}:CountItems{suffix}"') for suffix in ("", ":v2"))
    assert (old.status_code, text_of(parsed(old), "Code"), new.status_code) == (500, "ACTION_MISMATCH", 200)
    broken(talk, "change-action", service=OFFICE)
    assert fault_of(service_reply(talk, OFFICE)) == ("soap:Sender", ["wsa:ActionNotSupported"])


# --- the wire -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ALL)
def test_a_truncated_reply_is_whole_http_and_half_xml(talk: Talk, service: str) -> None:
    broken(talk, "truncate-reply", service=service)
    reply = service_reply(talk, service)
    assert reply.status_code == 200 and int(reply.headers["content-length"]) == len(reply.content)
    with pytest.raises(etree.XMLSyntaxError):
        parsed(reply)


def test_a_reply_is_cut_after_the_byte_that_was_asked_for_and_never_left_whole(talk: Talk) -> None:
    whole = talk.items(3).content
    for cut in (0, 1, 700, len(whole) - 1, len(whole), 10**9):
        broken(talk, "truncate-reply", bytes=cut, count=1)
        assert talk.items(3).content == whole[: min(cut, len(whole) - 1)]


@pytest.mark.parametrize("service", ALL)
def test_a_dropped_connection_breaks_the_promised_length(talk: Talk, service: str) -> None:
    broken(talk, "drop-connection", service=service, count=1)
    with pytest.raises(httpx.RemoteProtocolError):
        service_reply(talk, service)


def test_counts_are_one_too_high_in_each_services_own_way(talk: Talk) -> None:
    for service in ALL:
        broken(talk, "wrong-count", service=service)
    items, invoices, drawings = (parsed(service_reply(talk, service)) for service in ALL)
    assert text_of(items, "RowCount") == "11" and len(items.findall(".//{*}Item")) == 10
    array = invoices.find(".//invoices")
    assert array is not None and f"[{len(array) + 1}]" in str(array.attrib)
    assert text_of(drawings, "RowCount") == "6" and len(drawings.findall(f".//{{{ZUMEN}}}Drawing")) == 5


@pytest.mark.parametrize("service", ALL)
def test_a_reply_in_shift_jis_is_declared_so_and_is_what_windows_means_by_it(talk: Talk, service: str) -> None:
    plain = [row.xpath("string()") for row in rows(service_reply(talk, service), service)]
    broken(talk, "shift-jis", service=service)
    reply = service_reply(talk, service)
    assert reply.headers["content-type"].endswith("charset=Shift_JIS") and b'encoding="Shift_JIS"' in reply.content[:60]
    text = reply.content.decode("cp932")
    assert HARD_TEXT in text
    for hard in (b"\\", "表".encode("cp932"), "①".encode("cp932"), "髙".encode("cp932"), b"\x81\x60"):
        assert hard in reply.content
    assert "表".encode("cp932")[1:] == b"\\", "0x5C is also half a character"
    again = etree.fromstring(text.split("?>", 1)[1].encode(), etree.XMLParser(huge_tree=True))
    name = {SAKURA: "{*}Item", HANBAI: "invoice", OFFICE: f"{{{ZUMEN}}}Drawing"}[service]
    assert [row.xpath("string()") for row in again.findall(f".//{name}")] == plain


@pytest.mark.parametrize("service", ALL)
def test_a_dripping_reply_comes_whole_in_small_pieces(talk: Talk, service: str) -> None:
    whole = len(service_reply(talk, service).content)
    broken(talk, "slow-drip", service=service, bytes=max(400, whole // 20), milliseconds=1, count=1)
    assert len(rows(service_reply(talk, service), service)) >= 5


def test_a_drip_lasts_longer_than_a_client_that_waits_for_the_end_may_wait(talk: Talk) -> None:
    broken(talk, "slow-drip", bytes=1, milliseconds=100, count=1)
    auth = (talk.told["user"], talk.told["password"])
    body = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>'
    with httpx.stream("POST", talk.url(SAKURA), content=body, auth=auth, trust_env=False) as reply:
        pieces = reply.iter_raw()
        first = next(pieces)
        assert len(first) < int(reply.headers["content-length"])


@pytest.mark.parametrize("service", ALL)
def test_an_entity_bomb_is_well_formed_and_would_grow_beyond_all_memory(talk: Talk, service: str) -> None:
    broken(talk, "entity-bomb", service=service)
    content = service_reply(talk, service).content
    entities: dict[str, str] = {}
    parser = expat.ParserCreate()
    # A default handler keeps expat from expanding what it reads; it still refuses what is not well formed.
    parser.DefaultHandler = lambda _: None
    parser.EntityDeclHandler = lambda name, _, value, *__: entities.__setitem__(name, value)
    parser.Parse(content, True)
    size = {"e0": len(entities["e0"])}
    for number in range(1, 10):
        assert entities[f"e{number}"] == f"&e{number - 1};" * 10
        size[f"e{number}"] = 10 * size[f"e{number - 1}"]
    assert size["e9"] == 10**10 and content.count(b"&e9;") == 1


@pytest.mark.parametrize("service", ALL)
def test_pages_faults_and_storms_replace_the_reply(talk: Talk, service: str) -> None:
    broken(talk, "login-page", service=service, count=1)
    broken(talk, "empty-reply", service=service, count=1)
    broken(talk, "fault-500", service=service, count=1)
    broken(talk, "fault-200", service=service, count=1)
    broken(talk, "storm-503", service=service, count=2)
    broken(talk, "storm-503", service=service, count=1, milliseconds=300_000)
    page, empty, with_500, with_200, first, second, down, well = (service_reply(talk, service) for _ in range(8))
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8") and "ログイン" in page.text
    assert (empty.status_code, empty.content) == (200, b"")
    assert (with_500.status_code, with_200.status_code) == (500, 200)
    assert all(one.find(".//{*}Body/{*}Fault") is not None for one in (parsed(with_500), parsed(with_200)))
    assert [one.status_code for one in (first, second, down, well)] == [503, 503, 503, 200]
    assert (first.headers["retry-after"], down.headers["retry-after"]) == ("1", "300")


def test_a_fault_of_the_server_blames_the_server(talk: Talk) -> None:
    for service in ALL:
        broken(talk, "fault-500", service=service)
    sakura, hanbai = (parsed(service_reply(talk, service)).findtext(".//faultcode") for service in (SAKURA, HANBAI))
    assert (sakura, hanbai) == ("soap:Server", "SOAP-ENV:Server")
    assert fault_of(service_reply(talk, OFFICE)) == ("soap:Receiver", [])


def test_a_business_error_comes_in_a_200_without_rows(talk: Talk) -> None:
    for service, element in ((SAKURA, "ResultCode"), (HANBAI, "result_code"), (OFFICE, "ResultCode")):
        broken(talk, "business-error", service=service)
        reply = service_reply(talk, service)
        assert reply.status_code == 200 and (text_of(parsed(reply), element) or "").startswith("DB_ERROR")
        assert rows(reply, service) == []
    assert text_of(parsed(talk.zumen("GetDrawing", "<z:Drawing_No>A-BS1001</z:Drawing_No>")), "ResultCode") == "DB_ERROR"


def test_every_filter_is_ignored_in_silence(talk: Talk) -> None:
    one = "<filter><Field>No</Field><Criteria>SP-1000</Criteria></filter>"
    asks: dict[str, Callable[[], httpx.Response]] = {
        SAKURA: lambda: talk.items(300, filters=one),
        HANBAI: lambda: talk.hanbai("getListOfInvoices", "<filterinvoice><customer_id>1</customer_id></filterinvoice>"),
        OFFICE: lambda: talk.zumen("ListDrawings", PAGE + "<z:ModifiedSince>2100-01-01T00:00:00</z:ModifiedSince>"),
    }
    before = {service: len(rows(ask(), service)) for service, ask in asks.items()}
    for service in ALL:
        broken(talk, "ignore-filter", service=service)
    after = {service: len(rows(ask(), service)) for service, ask in asks.items()}
    assert before[SAKURA] == 1 and before[HANBAI] < 60 and before[OFFICE] == 0
    assert after == {SAKURA: 300, HANBAI: 600, OFFICE: 5}


def test_the_same_page_comes_again_whatever_was_asked_for(talk: Talk) -> None:
    first = rows(talk.items(5), SAKURA)
    bookmark = children(first[-1])["Key"].text or ""
    broken(talk, "repeat-page")
    again = rows(talk.items(5, bookmark), SAKURA)
    assert [children(row)["Key"].text for row in again] == [children(row)["Key"].text for row in first]
    broken(talk, "repeat-page", service=OFFICE)
    pages = [
        [
            children(row)["Drawing_No"].text
            for row in rows(talk.zumen("ListDrawings", PAGE.replace("<z:PageIndex>1", f"<z:PageIndex>{n}")), OFFICE)
        ]
        for n in (1, 2, 7)
    ]
    assert pages[0] == pages[1] == pages[2]


def test_a_row_that_moves_comes_twice_and_pushes_the_last_one_out(talk: Talk) -> None:
    def walked() -> list[str | None]:
        found: list[str | None] = []
        for number in range(1, 7):
            asked = f"<z:PageIndex>{number}</z:PageIndex><z:PageSize>100</z:PageSize>"
            found += [children(row)["Drawing_No"].text for row in rows(talk.zumen("ListDrawings", asked), OFFICE)]
        return found

    straight = walked()
    broken(talk, "move-row", skip=1)
    crooked = walked()
    assert crooked[99] == crooked[100] == straight[99], "the last row of the first page opens the second one as well"
    assert len(crooked) - len(set(crooked)) >= 1 and set(crooked) <= set(straight)
    broken(talk, "move-row", count=1)


def test_a_part_that_the_root_refers_to_is_missing(talk: Talk) -> None:
    broken(talk, "lose-part", count=1)
    number = "<z:Drawing_No>A-BS1001</z:Drawing_No>"
    (_, root), *others = parts_of(talk.zumen("GetDrawing", number))
    assert others == [] and b"xop:Include" in root
    whole = parts_of(talk.zumen("GetDrawing", number))
    truth = talk.control("truth", service=OFFICE, entity="file", number="A-BS1001")
    assert hashlib.sha256(whole[1][1]).hexdigest() == truth["sha256"]


def test_a_multipart_reply_is_cut_dropped_and_drips_like_any_other(talk: Talk) -> None:
    talk.control("enlarge", number="A-BS1001", megabytes=1)
    number = "<z:Drawing_No>A-BS1001</z:Drawing_No>"
    whole = talk.zumen("GetDrawing", number)
    broken(talk, "truncate-reply", service=OFFICE, count=1)
    cut = talk.zumen("GetDrawing", number)
    assert abs(len(cut.content) - len(whole.content) // 2) <= 1 and int(cut.headers["content-length"]) == len(cut.content)
    broken(talk, "drop-connection", service=OFFICE, count=1)
    with pytest.raises(httpx.RemoteProtocolError):
        talk.zumen("GetDrawing", number)
    broken(talk, "slow-drip", service=OFFICE, count=1, bytes=50_000, milliseconds=1)
    assert len(talk.zumen("GetDrawing", number).content) == len(whole.content)
    talk.control("enlarge", number="A-BS1001", megabytes=0)


# --- what all have in common --------------------------------------------------------------------------------------------------


def test_each_break_has_a_line_in_both_languages_and_a_service_it_begins_with(talk: Talk) -> None:
    listed = talk.control("breaks")["breaks"]
    assert [one["name"] for one in listed] == list(BREAKS)
    for one in listed:
        assert one["ja"] and one["en"] and not one["en"].endswith(".")
        assert broken(talk, one["name"])["service"] == (OFFICE if one["name"] in ("move-row", "lose-part") else SAKURA)
        assert talk.control("heal", name=one["name"]) == {"healed": [one["name"]], "unmet": 0}


def test_a_break_befalls_one_service_only(talk: Talk) -> None:
    broken(talk, "login-page", service=HANBAI)
    assert service_reply(talk, SAKURA).status_code == 200 and rows(service_reply(talk, OFFICE), OFFICE)
    assert service_reply(talk, HANBAI).headers["content-type"].startswith("text/html")


def test_a_count_is_used_up_and_then_there_is_nothing_to_heal(talk: Talk) -> None:
    done = broken(talk, "login-page", count=2, skip=1)
    assert (done["count"], done["skip"]) == (2, 1)
    kinds = [talk.items(1).headers["content-type"].partition(";")[0] for _ in range(4)]
    assert kinds == ["text/xml", "text/html", "text/html", "text/xml"]
    assert talk.control("heal", name="login-page")["healed"] == []


def test_what_cannot_be_is_refused_in_a_sentence_that_names_what_can(talk: Talk) -> None:
    assert "rename-element" in talk.refusal("break", name="explode")
    assert "SakuraErp, hanbai, zumen" in talk.refusal("break", name="login-page", service="kaikei")
    assert "cannot befall hanbai" in talk.refusal("break", name="add-value", service=HANBAI)
    assert "cannot befall SakuraErp" in talk.refusal("break", name="lose-part", service=SAKURA)
    assert "count >= 1" in talk.refusal("break", name="login-page", count=0)
    assert "no such break" in talk.refusal("heal", name="explode")


def test_a_soap_1_2_fault_keeps_its_version(talk: Talk) -> None:
    broken(talk, "fault-500", service=OFFICE)
    assert parsed(service_reply(talk, OFFICE)).tag == f"{{{SOAP12}}}Envelope"
