"""Conformance cases of the protocol sheet (section 7) that no other test of this folder holds, each as a promise."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import httpx
import pyarrow as pa
import pytest
from soap_fake import EMPTY, Fake, envelope, part, reply, stream

from connectors.errors import AccessRefused, FortnightError, SourceUnavailable
from connectors.protocol import Column, Window

STOCK = Column("stock", "Stock", pa.int32())
SINCE = Column("since", "Since", pa.date32())
ACTIVE = Column("active", "Active", pa.bool_())
MODIFIED = Column("modified", "Modified", pa.timestamp("us", "UTC"))
ALONE: dict[str, Any] = {"paging": {"kind": "none"}, "arguments": {"setSize": 0}}


def codes(fake: Fake, **source: Any) -> list[str]:
    pages = fake.connector().pull(stream(**source), Window())
    return [code for page in pages for code in page.rows.column("code").to_pylist()]


@pytest.mark.parametrize(
    ("inner", "column"),
    [
        ("<Stock>12,5</Stock>", STOCK),
        ("<Since>2026/11/01</Since>", SINCE),
        ("<Since>0000-00-00</Since>", SINCE),
        ("<Active>Yes</Active>", ACTIVE),
    ],
)
def test_case_2_a_value_zeep_reads_as_nothing_is_named_with_its_place_and_is_null_only_where_declared(inner: str, column: Column) -> None:
    raw = inner.partition(">")[2].partition("<")[0]
    (page,) = Fake(reply(part("A"), part("B", inner))).connector().pull(stream(column, **ALONE), Window())
    assert [row["code"] for row in page.rows.to_pylist()] == ["A"]
    assert f"ReadParts List/Part[2]/{column.source} = '{raw}'" in page.rejects[0].reason
    (page,) = Fake(reply(part("B", inner))).connector().pull(stream(column, **ALONE, null_values=[raw]), Window())
    assert page.rows.column(column.name).to_pylist() == [None] and not page.rejects


def test_case_8_bad_credentials_inside_of_a_200_are_asked_for_once_and_never_again() -> None:
    fake = Fake(reply(code="BAD_CREDENTIALS", message="nein"))
    with pytest.raises(AccessRefused):
        codes(fake)
    assert len(fake.asked) == 1


def test_case_9_six_mishaps_are_six_errors() -> None:
    xml = {"Content-Type": "text/xml"}
    broken = envelope("<e:Fault><faultcode>e:Server</faultcode><faultstring>x</faultstring></e:Fault>")
    mishaps = (
        httpx.Response(500, content=broken, headers=xml),
        httpx.Response(404, content=b"<other/>", headers=xml),
        httpx.Response(200, content=b"<html>login</html>", headers={"Content-Type": "text/html"}),
        httpx.Response(200, content=b"", headers=xml),
        httpx.Response(503, content=b"later", headers={"Content-Type": "text/plain", "Retry-After": "7"}),
        reply(code="DB_ERROR"),
    )
    said: list[str] = []
    for mishap in mishaps:
        with pytest.raises(FortnightError) as caught:
            codes(Fake(mishap))
        said.append(caught.value.code)
    assert len(set(said)) == len(mishaps), said


def test_case_9_a_whole_reply_under_201_is_a_reply() -> None:
    answer = httpx.Response(201, content=reply(part("A")), headers={"Content-Type": "text/xml"})
    assert codes(Fake(answer), **ALONE) == ["A"]


def test_case_9_a_busy_server_says_when_to_come_again() -> None:
    answer = httpx.Response(503, content=b"later", headers={"Content-Type": "text/plain", "Retry-After": "7"})
    with pytest.raises(SourceUnavailable) as caught:
        codes(Fake(answer))
    assert caught.value.retry_after == 7


def test_case_9_no_body_reaches_the_log_or_the_message(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "山田の住所と" + "x" * 3000
    for answer in (
        httpx.Response(500, content=secret.encode(), headers={"Content-Type": "text/plain; charset=utf-8"}),
        reply(part("A")) + secret.encode(),
        envelope(f"<Other>{secret}</Other>"),
        reply(code="ERR", message=f"correct-horse {secret}"),
    ):
        with pytest.raises(FortnightError) as caught:
            codes(Fake(answer))
        assert len(str(caught.value)) < 1000 and "correct-horse" not in str(caught.value)
        assert secret not in caplog.text and "correct-horse" not in caplog.text


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7])
def test_case_14_pages_of_any_size_end_on_an_empty_page_also_after_a_last_page_that_is_full(size: int) -> None:
    names = ["A", "B", "C", "D", "E", "F"]
    pages = [reply(*(part(name) for name in names[at : at + size])) for at in range(0, len(names), size)]
    fake = Fake(*pages, EMPTY)
    paging = {"kind": "bookmark", "request": "bookmarkKey", "size": "setSize", "page": size, "from": "Key"}
    assert codes(fake, paging=paging) == names
    assert len(fake.asked) == len(pages) + 1 and f">k-{names[-1]}<" in fake.asked[-1]


def test_case_18_times_with_and_without_a_zone_in_one_column_need_a_declared_zone_and_are_then_the_same_instant() -> None:
    rows = (
        part("A", "<Modified>2026-11-01T09:00:00+09:00</Modified>"),
        part("B", "<Modified>2026-11-01T09:00:00</Modified>"),
        part("C", "<Modified>2026-11-01T00:00:00Z</Modified>"),
    )
    (page,) = Fake(reply(*rows)).connector().pull(stream(MODIFIED, **ALONE), Window())
    assert [one.key for one in page.rejects] == ["B"] and "value.zone" in page.rejects[0].reason
    (page,) = Fake(reply(*rows)).connector().pull(stream(MODIFIED, **ALONE, timezone="Asia/Tokyo"), Window())
    assert page.rows.column("modified").to_pylist() == [datetime(2026, 11, 1, tzinfo=UTC)] * 3


_HOSTILE = """
import httpx
from soap_fake import Fake, envelope, part, reply, stream
from connectors.errors import BrokenReply
from connectors.protocol import Window

whole = reply(part("A", "@"))
lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 11))
head, _, tail = whole.partition(b"@")

def around(begin, piece, times, end):
    # Made while it is sent: the bytes themselves are no cost of the reader.
    yield head + begin
    for _ in range(times // 1000):
        yield piece * 1000
    yield end + tail

bombs = {
    "entities": lambda: [whole.replace(b"?>", f'?><!DOCTYPE x [<!ENTITY l0 "0123456789">{lol}]>'.encode(), 1).replace(b"@", b"&l10;")],
    "external": lambda: [whole.replace(b"?>", b"?><!DOCTYPE x [<!ENTITY f SYSTEM 'file:///etc/passwd'>]>", 1).replace(b"@", b"&f;")],
    "doctype": lambda: [whole.replace(b"?>", b"?><!DOCTYPE x>", 1)],
    "deep": lambda: around(b"", b"<d>", 100_000, b"</d>" * 100_000),
    "text": lambda: around("<\u540d\u79f0>".encode(), b"0123456789", 1_100_000, "</\u540d\u79f0>".encode()),
    "attribute": lambda: around(b'<d a="', b"0123456789", 4_000_000, b'"/>'),
    "comment": lambda: around(b"<!--", b"0123456789", 4_000_000, b"-->"),
    "attributes": lambda: [whole.replace(b"@", b"<d " + b" ".join(b"a%d=''" % n for n in range(400_000)) + b"/>")],
    "prefixes": lambda: [whole.replace(b"@", b"".join(b'<d xmlns:p%d="urn:%d">' % (n, n) for n in range(50_000)))],
}

def peak():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

from connectors.protocol import Column
import pyarrow as pa
source = stream(Column("name", "\u540d\u79f0", pa.string()), paging={"kind": "none"}, arguments={"setSize": 0})
list(Fake(reply(part("A"))).connector().pull(source, Window()))
before = peak()
for name, made in bombs.items():
    try:
        answer = httpx.Response(200, content=iter(made()), headers={"Content-Type": "text/xml"})
        rows = [row for page in Fake(answer).connector().pull(source, Window()) for row in page.rows.to_pylist()]
        print(name, "rows" if [row["name"] for row in rows] == [None] else "other rows")
    except BrokenReply as error:
        print(name, error.code)
print("megabytes", int(peak() - before))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="peak memory is read from /proc")
def test_case_13_hostile_replies_are_refused_and_cost_no_more_than_200_megabytes() -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((os.path.dirname(__file__), os.getcwd()))}
    done = subprocess.run([sys.executable, "-c", _HOSTILE], capture_output=True, text=True, check=True, env=env, timeout=600)
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert int(said.pop("megabytes")) < 200
    # Many attributes on an element that nobody wants are a reply like any other.
    assert said.pop("attributes") == "rows"
    assert set(said.values()) == {"soap.broken"} and len(said) == 8
