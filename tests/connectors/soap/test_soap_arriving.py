"""Replies of SOAP encoding and replies with parts are decoded while they arrive, too; what comes of it is what reading them whole gives."""

from __future__ import annotations

import io
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from typing import IO, Any, cast

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from soap_fake import EMPTY, SCHEMA, WSDL, envelope, part, reply, stream
from soap_multipart import INCLUDE, PICTURE, PICTURES, TYPE, multipart, piece
from soap_wire import SCHEMA_PATH, WSDL_PATH, Erp, Exchange, erp

from connectors.errors import BrokenReply, FortnightError
from connectors.protocol import Column, Stream, Window
from connectors.soap import staging
from connectors.soap.arriving import Arriving, TooLarge, received
from connectors.soap.aside import Aside
from connectors.soap.bundle import fetch
from connectors.soap.client import SoapClient
from connectors.soap.components import Contract
from connectors.soap.config import source_spec
from connectors.soap.decode import decode
from connectors.soap.multiref import resolved
from connectors.soap.plan import Plan, compile_plan
from connectors.soap.pull import pages
from connectors.soap.raw import RawRow
from connectors.soap.wsdl import read
from connectors.soap.xmltree import UnsafeXml

COUNT = 40_000
ENCODED = (
    WSDL.replace('element="p:ReadParts"', 'type="p:Ask"')
    .replace('element="p:ReadParts_Result"', 'type="p:Parts"')
    .replace('style="document"', 'style="rpc"')
    .replace('use="literal"', 'use="encoded" namespace="urn:rpc"')
    .replace('name="parameters" type="p:Ask"', 'name="ask" type="p:Filter"')
    .replace('name="parameters" type="p:Parts"', 'name="parts" type="p:Parts"')
)
PLAIN = SCHEMA.replace('elementFormDefault="qualified"', "")
CODE = Column("code", "Code", pa.string(), required=True)
RPC = Stream(
    "erp",
    "parts",
    {"operation": "ReadParts", "rows": "parts/Part", "arguments": {"ask": {"Field": "Code", "Criteria": "A"}}},
    ("code",),
    (CODE,),
)


def rpc(*parts: str, behind: str = "") -> bytes:
    return envelope(f'<r:ReadPartsResponse xmlns:r="urn:rpc"><parts>{"".join(parts)}</parts></r:ReadPartsResponse>{behind}')


def plan_of(wsdl: str, schema: str, rows: str, *columns: Column) -> Plan:
    def get(url: str) -> tuple[bytes, str]:
        return (schema if "xsd=" in url else wsdl).encode(), "text/xml"

    contract: Contract = read(fetch("https://erp.example/ws/Parts?wsdl", get))
    return compile_plan(contract, contract.operations["ReadParts"], rows=rows, columns=(CODE, *columns))


RPC_PLAN = plan_of(ENCODED, PLAIN, "parts/Part")
PICTURE_PLAN = plan_of(WSDL, PICTURES, "List/Part", PICTURE)


class Sinks:
    """Makes receivers; only the last one's rows count. ``made`` is how often a reply was begun to be read."""

    def __init__(self) -> None:
        self.rows: list[RawRow] = []
        self.made = 0

    def __call__(self) -> Callable[[Sequence[RawRow]], None]:
        self.made += 1
        self.rows = []
        return self.rows.extend


def as_it_comes(content: bytes, plan: Plan, chunk: int = 1000, **how: Any) -> tuple[list[Any], int]:
    sinks = Sinks()
    said = {"content_type": "text/xml", "charset": None, "encoded": True, **how}
    with Aside(1_000_000) as aside:
        source = Arriving((content[at : at + chunk] for at in range(0, len(content), chunk)), 10**9)
        received(source, plan, sinks, aside, **said)
        return [list(map(exact, row)) for row in sinks.rows], sinks.made


def exact(value: Any) -> Any:
    """A raw value, the bytes of an attachment in its place."""
    return b"".join(value.pieces()) if hasattr(value, "pieces") else value


def read_whole(content: bytes, plan: Plan) -> list[Any]:
    """The same reply, all of it there before the first byte is decoded."""
    rows: list[RawRow] = []
    with tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(io.BytesIO(content), spool)
        spool.seek(0)
        held = cast("IO[bytes]", spool)
        decode(resolved(held), plan, rows.extend)
    return [list(row) for row in rows]


# --- the first rows before the last byte


def halves(content: bytes, rows_came: threading.Event) -> Callable[[Exchange, bytes], None]:
    """Sends the end of a reply only when rows of its beginning have been staged."""

    def answer(exchange: Exchange, body: bytes) -> None:
        exchange.begin(kind=TYPE if content.startswith(b"--MIME") else "text/xml")
        exchange.chunk(content[:-2000])
        if not rows_came.wait(60):
            return
        exchange.chunk(content[-2000:])
        exchange.chunk(b"")

    return answer


def pulled(client: SoapClient, what: Stream) -> list[str]:
    found = pages(client, what, source_spec(what.id, what.source), Window(), None, "s")
    return [code for page in found for code in page.rows.column("code").to_pylist()]


@pytest.fixture
def rows_came(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    event = threading.Event()
    add = staging.Stage.add

    def adding(self: staging.Stage, batch: pa.RecordBatch, rejects: Any) -> None:
        add(self, batch, rejects)
        event.set()

    monkeypatch.setattr(staging.Stage, "add", adding)
    return event


def test_rows_of_an_encoded_reply_are_staged_before_its_last_byte_is_sent(rows_came: threading.Event) -> None:
    content = rpc(*(part(f"P-{n}") for n in range(COUNT)))
    with erp(halves(content, rows_came), {WSDL_PATH: ENCODED, SCHEMA_PATH: PLAIN}) as server:
        client = server.client()
        assert pulled(client, RPC) == [f"P-{n}" for n in range(COUNT)] and len(server.asked) == 1
        client.close()


def test_rows_of_a_root_part_that_comes_first_are_staged_before_its_last_byte_is_sent(rows_came: threading.Event) -> None:
    content = multipart(piece("root@erp", reply(*(part(f"P-{n}") for n in range(COUNT)))))
    with erp(halves(content, rows_came), {SCHEMA_PATH: PICTURES}) as server:
        client = server.client()
        what = stream(PICTURE, paging={"kind": "none"}, arguments={"setSize": 9})
        assert pulled(client, what) == [f"P-{n}" for n in range(COUNT)] and len(server.asked) == 1
        client.close()


# --- the same rows


REFERENCES = [
    (rpc(part("A"), part("B")), 1),
    (rpc(part("A"), '<Part href="#b"/>', behind=f'<m id="b">{part("B")[6:-7]}</m>'), 2),
    (rpc(part("A"), *(part(f"C-{n}") for n in range(500)), '<Part href="#b"/>', behind=f"<m id='b'>{part('B')[6:-7]}</m>"), 2),
    (rpc(part("A"), "<Part href='#b'/>", behind=f'<m id="b">{part("B")[6:-7]}</m>'), 2),
    (rpc(part('say href="#none"')), 1),
    (rpc(), 1),
]


@pytest.mark.parametrize(("content", "readings"), REFERENCES)
@pytest.mark.parametrize("chunk", [1, 7, 100, 100_000])
def test_an_encoded_reply_gives_the_same_rows_as_read_whole(content: bytes, readings: int, chunk: int) -> None:
    rows, made = as_it_comes(content, RPC_PLAN, chunk)
    assert rows == read_whole(content, RPC_PLAN) and made == readings


ROWS = st.lists(st.tuples(st.booleans(), st.text("abc", min_size=1, max_size=8)), max_size=40)


@given(rows=ROWS, chunk=st.integers(1, 3000))
@settings(max_examples=60, deadline=None)
def test_references_anywhere_in_an_encoded_reply_are_filled_in(rows: list[tuple[bool, str]], chunk: int) -> None:
    said = [f'<Part href="#i{n}"/>' if apart else part(text) for n, (apart, text) in enumerate(rows)]
    behind = "".join(f'<m id="i{n}">{part(text)[6:-7]}</m>' for n, (apart, text) in enumerate(rows) if apart)
    content = rpc(*said, behind=behind)
    found, _ = as_it_comes(content, RPC_PLAN, chunk)
    assert [row[0] for row in found] == [text for _, text in rows] and found == read_whole(content, RPC_PLAN)


def test_a_reference_in_what_is_too_large_to_resolve_is_refused_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("arriving", "multiref"):
        monkeypatch.setattr(f"connectors.soap.{module}.MAX_BYTES", 50_000)
    rows = [part(f"P-{n}") for n in range(5000)]
    assert len(as_it_comes(rpc(*rows), RPC_PLAN)[0]) == 5000
    for at in (1, 4999):
        with pytest.raises(UnsafeXml, match="with references is larger"):
            as_it_comes(rpc(*rows[:at], '<Part href="#b"/>', *rows[at:], behind=f'<m id="b">{part("B")[6:-7]}</m>'), RPC_PLAN)


INSIDE = reply(*(part(f"P-{n}") for n in range(300)), part("A", INCLUDE.format("a")), part("B", "<Picture>AAEC</Picture>"))
PARTS = [
    ([piece("root@erp", INSIDE), piece("a", b"xyz")], 2),
    ([piece("a", b"xyz"), piece("root@erp", INSIDE)], 1),
    ([piece("root@erp", reply(part("B", "<Picture>AAEC</Picture>"))), piece("a", b"xyz")], 1),
    ([piece("root@erp", reply(part("A", INCLUDE.format("a")))), piece("a", b"eHl6", "Content-Transfer-Encoding: base64")], 2),
]


@pytest.mark.parametrize(("pieces", "readings"), PARTS)
@pytest.mark.parametrize("chunk", [1, 50, 100_000])
def test_a_reply_with_parts_gives_the_same_values_wherever_its_root_stands(pieces: list[bytes], readings: int, chunk: int) -> None:
    rows, made = as_it_comes(multipart(*pieces), PICTURE_PLAN, chunk, content_type=TYPE, encoded=False)
    whole = {row[0]: row[1] for row in rows}
    assert made == readings
    assert whole.get("A", b"xyz") == b"xyz" and whole.get("B", "AAEC") == "AAEC" and {"A", "B"} & whole.keys()


def test_a_root_part_in_base64_is_read_as_before() -> None:
    import base64

    pieces = [piece("root@erp", base64.b64encode(INSIDE), "Content-Transfer-Encoding: base64"), piece("a", b"xyz")]
    rows, _ = as_it_comes(multipart(*pieces), PICTURE_PLAN, content_type=TYPE, encoded=False)
    assert len(rows) == 302 and rows[300][1] == b"xyz"


# --- nothing before the whole reply is judged


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (multipart(piece("root@erp", EMPTY), piece("a", b"x"), piece("a", b"y")), TYPE, "soap.mtom"),
        (multipart(piece("root@erp", EMPTY), piece("root@erp", EMPTY)), TYPE, "soap.mtom"),
        (multipart(piece("root@erp", EMPTY), piece("a", b"x", "Content-Transfer-Encoding: x-uue")), TYPE, "soap.mtom"),
        (multipart(piece("root@erp", EMPTY), piece("a", b"x" * 5000))[:-300], TYPE, "soap.incomplete"),
        (multipart(piece("root@erp", reply(part("A"), count=2))), TYPE, "soap.count_differs"),
    ],
)
def test_what_is_wrong_behind_the_root_part_is_found_though_its_rows_were_read(content: bytes, kind: str, code: str) -> None:
    def answer(exchange: Exchange, body: bytes) -> None:
        exchange.say(content, kind=kind)

    with erp(answer, {SCHEMA_PATH: PICTURES}) as server:
        assert refused(server, stream(PICTURE, paging={"kind": "none"}, arguments={"setSize": 9})) == code


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (rpc(*(part(f"P-{n}") for n in range(3000)))[:-500], "soap.incomplete"),
        (rpc(part("A"), '<Part href="#gone"/>'), "soap.broken"),
        (rpc(part("A"), '<Part href="#b"/>', behind='<m id="b"><Part href="#b"/></m>'), "soap.broken"),
    ],
)
def test_what_is_wrong_at_the_end_of_an_encoded_reply_is_found_though_its_rows_were_read(content: bytes, code: str) -> None:
    with erp(lambda exchange, body: exchange.say(content), {WSDL_PATH: ENCODED, SCHEMA_PATH: PLAIN}) as server:
        assert refused(server, RPC) == code


def refused(server: Erp, what: Stream) -> str:
    client = server.client()
    try:
        with pytest.raises(BrokenReply) as caught:
            pulled(client, what)
    finally:
        client.close()
    error: FortnightError = caught.value
    return error.code


def test_more_bytes_than_a_reply_may_have_are_refused_by_the_limit() -> None:
    source = Arriving(iter([b"x" * 60, b"x" * 60]), 100)
    with pytest.raises(TooLarge, match="100"):
        source.read(200)
