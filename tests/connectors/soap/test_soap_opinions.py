"""Three opinions on every built-in type: ours by events and by arrays, zeep's, and a schema validator's.

zeep alone reads some wrong values as None or False (the reason why it never decodes data); wherever it does give a value, it is ours.
"""

from __future__ import annotations

import io
import math
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pytest
import requests
import xmlschema
import zeep
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.protocol import Column
from connectors.soap.bundle import fetch
from connectors.soap.decode import RawRow, decode
from connectors.soap.plan import compile_plan
from connectors.soap.schema import arrow_type
from connectors.soap.values import Rules, Where, batch
from connectors.soap.wsdl import read

URL = "https://erp.example/ws/Types?wsdl"
BOUNDS = {
    "byte": (-(2**7), 2**7 - 1),
    "short": (-(2**15), 2**15 - 1),
    "int": (-(2**31), 2**31 - 1),
    "long": (-(2**63), 2**63 - 1),
    "unsignedByte": (0, 2**8 - 1),
    "unsignedShort": (0, 2**16 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "unsignedLong": (0, 2**64 - 1),
    "integer": (-(10**37), 10**37),
    "nonNegativeInteger": (0, 10**37),
    "positiveInteger": (1, 10**37),
    "nonPositiveInteger": (-(10**37), 0),
    "negativeInteger": (-(10**37), -1),
}
FORMS = ("time", "gYear", "gYearMonth", "gMonth", "gMonthDay", "gDay", "duration")
WORDS = ("string", "normalizedString", "token", "language", "Name", "NCName", "NMTOKEN", "anyURI")
TYPES = (*BOUNDS, "decimal", "float", "double", "boolean", "date", "dateTime", "base64Binary", "hexBinary", *FORMS, *WORDS)


def wsdl() -> str:
    row = "".join(f'<xs:element name="{name}" type="xs:{name}" minOccurs="0" nillable="true"/>' for name in TYPES)
    return f"""<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:t="urn:types"
 xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:types"><w:types><xs:schema targetNamespace="urn:types" elementFormDefault="qualified">
<xs:element name="Read"><xs:complexType><xs:sequence/></xs:complexType></xs:element><xs:element name="Read_Result"><xs:complexType><xs:sequence>
<xs:element name="Row" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>{row}</xs:sequence></xs:complexType></xs:element>
</xs:sequence></xs:complexType></xs:element></xs:schema></w:types>
<w:message name="In"><w:part name="parameters" element="t:Read"/></w:message><w:message name="Out"><w:part name="parameters" element="t:Read_Result"/></w:message>
<w:portType name="P"><w:operation name="Read"><w:input message="t:In"/><w:output message="t:Out"/></w:operation></w:portType>
<w:binding name="B" type="t:P"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/><w:operation name="Read"><s:operation soapAction="r" style="document"/>
<w:input><s:body use="literal"/></w:input><w:output><s:body use="literal"/></w:output></w:operation></w:binding>
<w:service name="S"><w:port name="P" binding="t:B"><s:address location="https://erp.example/ws/Types"/></w:port></w:service></w:definitions>"""


@cache
def plan() -> Any:
    contract = read(fetch(URL, lambda _: (wsdl().encode(), "text/xml")))
    row = contract.walk(contract.operations["Read"].output, "Row")[-1]
    columns = [Column(name, name, arrow_type(contract.simple(contract.walk(row, name)[-1].type))) for name in TYPES]
    return compile_plan(contract, contract.operations["Read"], rows="Row", columns=columns)


def body(*rows: dict[str, str]) -> bytes:
    inner = "".join(
        "<Row>" + "".join(f"<{name}>{escape(row[name])}</{name}>" for name in TYPES if name in row) + "</Row>" for row in ({}, *rows)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
        f'<Read_Result xmlns="urn:types">{inner}</Read_Result></e:Body></e:Envelope>'
    ).encode()


def ours(content: bytes, *, arrays: bool, timezone: str | None = "UTC") -> tuple[list[dict[str, Any]], list[str]]:
    rows: list[dict[str, Any]] = []
    rejects: list[str] = []

    def sink(block: Sequence[RawRow]) -> None:
        good, bad = batch(plan().cells, block, Rules(timezone), Where("Read", "Row", 1), key=(), versions=[""] * len(block), scope="s")
        rows.extend(good.select(TYPES).to_pylist())
        rejects.extend(one.reason for one in bad)

    decode(io.BytesIO(content), plan(), sink, arrays=arrays, head=185)
    return rows[1:], rejects


@pytest.fixture(scope="module")
def zeep_reads(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("wsdl") / "types.wsdl"
    path.write_text(wsdl(), encoding="utf-8")
    client = zeep.Client(str(path), settings=zeep.Settings(strict=True))  # pyright: ignore[reportCallIssue]

    def read_reply(content: bytes) -> list[dict[str, Any]]:
        answer = requests.Response()
        answer.status_code, answer._content = 200, content
        answer.headers["Content-Type"] = "text/xml; charset=utf-8"
        binding: Any = client.service._binding
        rows = binding.process_reply(client, binding.get("Read"), answer)
        return [{name: getattr(row, name, None) for name in TYPES} for row in rows][1:]

    return read_reply


def alike(kind: str, mine: Any, other: Any) -> bool:
    """Whether two libraries mean the same. What stays text with us has a shape of its own in zeep; there only its being there counts."""
    if kind in FORMS:
        return other is not None
    if kind in ("float", "double"):
        if kind == "float" and not (math.isnan(other) or math.isinf(other)):
            return math.isclose(mine, other, rel_tol=1e-6, abs_tol=1e-44)
        return mine == other or (math.isnan(mine) and math.isnan(other))
    if kind == "dateTime":
        other = other if other.tzinfo else other.replace(tzinfo=UTC)
        return mine == other.astimezone(UTC)
    if kind == "hexBinary":
        # zeep leaves it text.
        return mine.hex() == str(other).lower()
    if kind == "date":
        return mine == (other.date() if isinstance(other, datetime) else other)
    return mine == other


def _moment(made: tuple[datetime, int]) -> str:
    return made[0].isoformat() + ("Z" if not made[1] else f"{'-' if made[1] < 0 else '+'}{abs(made[1]) // 60:02d}:{abs(made[1]) % 60:02d}")


_PLAIN_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=20)
_WORD = st.from_regex(r"\A[A-Za-z][A-Za-z0-9]{0,7}\Z")
GOOD: dict[str, st.SearchStrategy[str]] = {
    **{name: st.integers(low, high).map(str) for name, (low, high) in BOUNDS.items()},
    "decimal": st.decimals(-(10**20), 10**20, places=6).map(lambda number: f"{number:f}"),
    "float": st.floats(width=32).map(lambda number: {"inf": "INF", "-inf": "-INF", "nan": "NaN"}.get(repr(number), repr(number))),
    "double": st.floats().map(lambda number: {"inf": "INF", "-inf": "-INF", "nan": "NaN"}.get(repr(number), repr(number))),
    "boolean": st.sampled_from(["true", "false", "1", "0"]),
    "date": st.dates(date(2, 1, 1), date(9998, 12, 31)).map(date.isoformat),
    "dateTime": st.tuples(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 30)), st.integers(-14 * 60 + 1, 14 * 60 - 1)).map(_moment),
    "base64Binary": st.binary(max_size=20).map(lambda raw: b64encode(raw).decode()),
    "hexBinary": st.binary(max_size=20).map(bytes.hex),
    "time": st.times().map(lambda time: time.isoformat()),
    "gYear": st.integers(1000, 9999).map(str),
    "gYearMonth": st.dates().map(lambda day: f"{day:%Y-%m}".zfill(7)),
    "gMonth": st.integers(1, 12).map("--{:02d}".format),
    "gMonthDay": st.dates().map(lambda day: f"--{day:%m-%d}"),
    "gDay": st.integers(1, 31).map("---{:02d}".format),
    "duration": st.timedeltas(timedelta(0), timedelta(days=5000)).map(lambda span: f"P{span.days}DT{span.seconds}S"),
    "string": _PLAIN_TEXT,
    "normalizedString": _PLAIN_TEXT,
    "token": _PLAIN_TEXT.map(lambda text: " ".join(text.split())),
    "language": st.sampled_from(["ja", "en-GB", "de"]),
    "Name": _WORD,
    "NCName": _WORD,
    "NMTOKEN": _WORD,
    "anyURI": _WORD.map("https://erp.example/{}".format),
}


@settings(max_examples=30)
@given(st.lists(st.fixed_dictionaries({}, optional=GOOD), min_size=1, max_size=4))
def test_good_values_of_every_type_are_what_zeep_reads(zeep_reads: Any, rows: list[dict[str, str]]) -> None:
    content = body(*rows)
    by_events, rejects = ours(content, arrays=False)
    assert rejects == [] and repr(by_events) == repr(ours(content, arrays=True)[0])
    for mine, other, told in zip(by_events, zeep_reads(content), rows, strict=True):
        for name in TYPES:
            if name not in told:
                assert mine[name] is None and other[name] is None
            elif told[name] == "":
                # zeep cannot tell empty from absent; an empty text is a text.
                assert mine[name] in ("", b"")
            else:
                assert mine[name] is not None and alike(name, mine[name], other[name]), (name, told[name], mine[name], other[name])


_NEAR = st.text(st.sampled_from("0123456789-+.:TZeEPDINFa１ \n,/"), max_size=14)
_BROKEN = st.sampled_from(
    ["12,5", "2026/11/01", "0000-00-00", "Yes", "TRUE", "2147483648", "1e3", "0x1F", "NaN", "inf", "24:00:00", "１２", ""]
)
TYPED = tuple(name for name in TYPES if name not in WORDS)
VALIDATE = xmlschema.XMLSchema.builtin_types()
#: Why a value that XSD allows does not fit: finer or larger than the Arrow type, or a zone where the column has none.
_LIMITS = ("value.range", "value.inexact")


@settings(max_examples=200)
@given(st.sampled_from(TYPED), st.one_of(_NEAR, _BROKEN, st.sampled_from(TYPED).flatmap(lambda name: GOOD[name])))
def test_a_value_is_accepted_only_if_the_schema_allows_it_and_zeep_reads_the_same(zeep_reads: Any, kind: str, text: str) -> None:
    content = body({kind: text})
    rows, rejects = ours(content, arrays=False)
    assert repr((rows, rejects)) == repr(ours(content, arrays=True))
    assert len(rows) + len(rejects) == 1
    # The validator takes any digit of Unicode for a number; XSD takes ten.
    allowed = text.isascii() and valid(kind, text)
    if rows:
        assert allowed, f"{text!r} is no xsd:{kind}, and was read as {rows[0][kind]!r}"
        assert rows[0][kind] is not None
        if text.strip():
            try:
                other = zeep_reads(content)[0][kind]
            except (ValueError, ArithmeticError):
                return
            # None is the silence that this decoder exists for; anything else must be what we read.
            assert other is None or alike(kind, rows[0][kind], other)
    elif allowed:
        assert any(limit in rejects[0] for limit in _LIMITS) or beyond(kind, text), f"{text!r} is an xsd:{kind}: {rejects[0]}"


def valid(kind: str, text: str) -> bool:
    try:
        return VALIDATE[kind].is_valid(text)
    except OverflowError:
        # The validator counts years to 2**31; XSD knows no last one.
        return True


def beyond(kind: str, text: str) -> bool:
    """Values XSD allows and a column of a database does not: years out of four digits, zones on plain dates."""
    return kind in ("date", "dateTime") and (
        len(text.strip().lstrip("-").partition("-")[0]) != 4
        or text.strip().startswith(("-", "0000"))
        or (kind == "date" and len(text.strip()) > 10)
        or "24:00" in text
    )


def test_what_zeep_reads_as_nothing_is_an_error_with_us(zeep_reads: Any) -> None:
    for kind, text in (("int", "12,5"), ("date", "2026/11/01"), ("date", "0000-00-00"), ("boolean", "Yes")):
        content = body({kind: text})
        assert not zeep_reads(content)[0][kind]
        for arrays in (True, False):
            rows, rejects = ours(content, arrays=arrays)
            assert rows == [] and f"/{kind} = {text!r}" in rejects[0]


def test_numbers_keep_every_digit() -> None:
    rows, _ = ours(body({"decimal": "1234567890123456789012345678.0123456789", "unsignedLong": str(2**64 - 1)}), arrays=True)
    assert rows[0]["decimal"] == Decimal("1234567890123456789012345678.0123456789") and rows[0]["unsignedLong"] == 2**64 - 1
    assert isinstance(pa.scalar(rows[0]["decimal"]), pa.Decimal128Scalar)
