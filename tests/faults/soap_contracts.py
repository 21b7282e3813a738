"""Generated SOAP contracts for fuzzing: a WSDL, the stream that reads it, and the same for the reference model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pyarrow as pa
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "connectors" / "soap"))

from soap_oracle import Field, OneOf, Shape, Step, Tree, Turns
from soap_oracle_types import RANGES, Facets, Kind

from connectors.protocol import Column, Stream

URL = "https://erp.example/ws/Fuzz?wsdl"
NS = "urn:fuzz"
BODY = f'<q:Read xmlns:q="{NS}"/>'
#: Texts of each type, not all of them for every facet.
GOOD: dict[str, tuple[str, ...]] = {
    "boolean": ("true", "false", "1", "0"),
    "decimal": ("0", "12.5", "-0.01", "1234567.89", "1.50000", " 7 "),
    "float": ("1.5", "-2.5E3", "INF", "NaN", "0"),
    "double": ("1.5", "-2.5E-3", "-INF", "NaN", "1234567890.25"),
    "date": ("2026-11-01", "1900-01-01", "2024-02-29", " 2026-11-21 "),
    "dateTime": ("2026-11-01T10:00:00Z", "2026-11-01T10:00:00.25+09:00", "1970-01-01T00:00:00-05:30", "2026-11-01T10:00:00"),
    "time": ("10:00:00", "23:59:59.5Z", "24:00:00"),
    "gYear": ("2026", "-0044", "2026+09:00"),
    "gYearMonth": ("2026-11",),
    "gMonth": ("--11",),
    "gMonthDay": ("--02-29", "--11-30"),
    "gDay": ("---31",),
    "duration": ("P1Y2M3DT4H5M6.7S", "-P1D", "PT0S"),
    "base64Binary": ("YQ==", "", "YWJj", "YW Jj"),
    "hexBinary": ("", "0aFF"),
    "QName": ("p:part", "part", " p:部品 "),
    "NMTOKENS": ("a b c", "部品"),
    "anyURI": ("https://erp.example/a b",),
}
_NAMES = (
    "Stock",
    "名称",
    "Price",
    "Qty",
    "Ship",
    "Flag",
    "x_1",
    "Row",
    "a.b",
    "Item",
    "City",
    "Memo",
    "Since",
    "Unit",
    "単価",
    "Lot",
    "Bin",
    "Cls",
)


@dataclass(frozen=True)
class Fuzzed:
    """One generated contract: its documents, how the connector is told to read it, and the same for the reference model."""

    wsdl: str
    stream: Stream
    shape: Shape


def arrow_type(kind: Kind) -> pa.DataType:
    """The table of the sheet's section 2."""
    if kind.listed:
        return pa.list_(arrow_type(replace(kind, listed=False)))
    integers = {"byte": pa.int8(), "short": pa.int16(), "int": pa.int32(), "long": pa.int64(), "unsignedByte": pa.int16()}
    integers |= {"unsignedShort": pa.int32(), "unsignedInt": pa.int64(), "unsignedLong": pa.decimal128(20, 0)}
    others = {"boolean": pa.bool_(), "float": pa.float32(), "double": pa.float64(), "date": pa.date32(), "NMTOKENS": pa.list_(pa.string())}
    others |= {"dateTime": pa.timestamp("us", "UTC" if kind.zoned else None), "base64Binary": pa.binary(), "hexBinary": pa.binary()}
    if kind.xsd in RANGES:
        return integers.get(kind.xsd, pa.decimal128(*(kind.digits or (38, 0))))
    if kind.xsd == "decimal":
        return pa.decimal128(*(kind.digits or (38, 10)))
    return others.get(kind.xsd, pa.string())


def _facets(xsd: str) -> st.SearchStrategy[Facets]:
    none = st.just(Facets())
    if xsd in ("string", "token", "normalizedString"):
        return st.one_of(
            none,
            st.just(Facets(enumeration=("A", "B", "軸受"))),
            st.builds(Facets, max_length=st.integers(0, 5)),
            st.just(Facets(min_length=1)),
            st.just(Facets(length=2)),
            st.just(Facets(pattern="[A-Za-z]{1,3}")),
        )
    if xsd == "decimal":
        return st.one_of(
            none,
            st.just(Facets(total_digits=10, fraction_digits=2)),
            st.just(Facets(min_inclusive="0")),
            st.just(Facets(max_exclusive="100.5")),
        )
    if xsd in RANGES:
        return st.one_of(none, st.just(Facets(max_inclusive={"negativeInteger": "-1", "nonPositiveInteger": "0"}.get(xsd, "120"))))
    return st.one_of(none, st.just(Facets(max_length=3))) if xsd in ("base64Binary", "hexBinary") else none


_TYPES = (*sorted(RANGES), *GOOD, "string", "string", "token", "normalizedString", "language", "NCName")


@st.composite
def kinds(draw: st.DrawFn) -> Kind:
    xsd = draw(st.sampled_from(_TYPES))
    facets = draw(_facets(xsd))
    digits = None
    if xsd == "decimal":
        digits = (10, 2) if facets.total_digits else draw(st.sampled_from([None, (12, 3), (5, 5), (38, 10)]))
    return Kind(
        xsd, facets, digits, zoned=draw(st.booleans()) if xsd == "dateTime" else True, listed=xsd == "int" and draw(st.integers(0, 3)) == 0
    )


@st.composite
def contracts(draw: st.DrawFn) -> Fuzzed:
    """Five to twenty columns: simple ones, some below a wrapper, one attribute, one repeated element; perhaps a choice with a column that says
    its branch, an element that is left open, as XML, one that holds itself, as JSON, and elements that repeat together.
    """
    names = draw(st.permutations(_NAMES))[: draw(st.integers(4, 18))]
    zone = draw(st.sampled_from([None, "Asia/Tokyo", "UTC"]))
    nothing = draw(st.sampled_from([(), ("0001-01-01", "-"), ("none",)]))
    wrapped = draw(st.integers(0, 2))
    fields = [Field("code", (Step("Code"),), Kind("string"), required=True)]
    for at, name in enumerate(names):
        kind = replace(draw(kinds()), timezone=zone)
        step = Step(name, required=draw(st.booleans()), nillable=draw(st.booleans()))
        default, fixed = None, None
        if kind == Kind("string", timezone=zone) and not step.nillable:
            default = draw(st.sampled_from([None, None, "既定"]))
            fixed = None if default else draw(st.sampled_from([None, None, None, "x"]))
            default = default or fixed
        required = step.required and not step.nillable and draw(st.booleans())
        if at < wrapped:
            fields.append(Field(f"c{at}", (Step("Place", required=False), step), kind, default=default, fixed=fixed))
        elif at == wrapped and not kind.listed and kind.xsd != "NMTOKENS":
            fields.append(Field(f"c{at}", (step,), kind, default=default, fixed=fixed))
            fields.append(Field("unit", (step,), Kind("string"), attribute="unit"))
        elif at == wrapped + 1 and not kind.listed and kind.xsd != "NMTOKENS" and default is None:
            fields.append(Field(f"c{at}", (replace(step, required=False, many=True),), kind))
        else:
            fields.append(Field(f"c{at}", (step,), kind, required=required, default=default, fixed=fixed))
    choice: tuple[str, ...] = ()
    plain = [one for one in fields[1:] if len(one.steps) == 1 and not (one.steps[-1].many or one.attribute or one.required or one.xml)]
    plain = [one for one in plain if sum(other.steps == one.steps for other in fields) == 1]
    must = draw(st.booleans())
    if len(plain) >= 2 and draw(st.integers(0, 2)) == 0:
        # The branches of a choice come one after the other, so they are the last of the row.
        branches = plain[-draw(st.integers(2, 3)) :]
        fields = [one for one in fields if one not in branches]
        fields += [replace(one, steps=(replace(one.steps[0], required=False),)) for one in branches]
        choice = tuple(one.steps[0].name for one in branches)
    if draw(st.integers(0, 3)) == 0:
        fields.insert(1, Field("open", (Step("Open", required=False, nillable=draw(st.booleans())),), Kind("string"), xml=True))
    if draw(st.integers(0, 4)) == 0:
        fields.insert(1, Field("deep", (Step("Deep", required=False, nillable=draw(st.booleans())),), Kind("string"), json=True))
    turns = None
    if draw(st.integers(0, 4)) == 0:
        steps = [Step(f"Turn{at}", required=False, nillable=draw(st.booleans())) for at in range(draw(st.integers(2, 3)))]
        each = [Field(f"t{at}", (step,), replace(draw(kinds()), timezone=zone)) for at, step in enumerate(steps)]
        turns = Turns("turns", "turn", tuple(each))
    says = bool(choice) and draw(st.booleans())
    shape = Shape(
        NS,
        "Read_Result",
        ("List", "Row_"),
        tuple(fields),
        ok=("Result", "Code"),
        ok_values=("OK",),
        empty_values=("NOT_FOUND",),
        refused_values=("DENIED",),
        count=("Count",),
        row_types=(f"{{{NS}}}Row",),
        null_values=nothing,
        empty_as_null=draw(st.booleans()),
        choices=(OneOf(tuple((name,) for name in choice), must, "branch" if says else ""),) if choice else (),
        turns=turns,
        known=_known([*fields, *(turns.fields if turns else ())]),
    )
    source: dict[str, Any] = {
        "operation": "Read",
        "rows": "List/Row_",
        "body": BODY,
        "ok": {"path": "Result/Code", "values": ["OK"], "refused": ["DENIED"], "empty": ["NOT_FOUND"]},
        "row_count": "Count",
        "timezone": zone,
        "null_values": nothing,
        "empty_as_null": shape.empty_as_null,
    }
    columns = tuple(Column(one.column, _source(one), _column_type(one), required=one.required) for one in fields)
    if says:
        columns += (Column("branch", "$branch", pa.string()),)
    if turns is not None:
        parts = (
            Column(turns.branch, "$branch", pa.string()),
            *(Column(one.column, _source(one), _column_type(one)) for one in turns.fields),
        )
        kind = pa.list_(pa.struct([(part.name, part.type) for part in parts]))
        columns += (Column(turns.column, "$repeat", kind, children=parts),)
    return Fuzzed(_wsdl(fields, choice, must, turns.fields if turns else ()), Stream("erp", "fuzz", source, ("code",), columns), shape)


def _known(fields: Sequence[Field]) -> Tree:
    """Everything that the contract lets stand in a reply."""
    row: dict[str, Tree | None] = {}
    for one in fields:
        at = row
        for step in one.steps:
            inside = at.setdefault(step.name, None if one.xml else _deep() if one.json else {})
            at = inside if isinstance(inside, dict) else {}
    return {"Result": {"Code": {}}, "Count": {}, "List": {"Row_": row}}


def _deep() -> Tree:
    made: dict[str, Tree | None] = {"A": {}, "B": {}}
    made["Deep"] = made
    return made


def _source(one: Field) -> str:
    return "/".join(step.name for step in one.steps) + (f"@{one.attribute}" if one.attribute else "")


def _column_type(one: Field) -> pa.DataType:
    return pa.list_(arrow_type(one.kind)) if one.steps[-1].many else arrow_type(one.kind)


def _simple_type(at: int, kind: Kind) -> str:
    """A named simple type with the kind's facets."""
    facets = kind.facets
    said = "".join(f"<xs:enumeration value={quoteattr(one)}/>" for one in facets.enumeration)
    stated = {
        "pattern": facets.pattern,
        "length": facets.length,
        "minLength": facets.min_length,
        "maxLength": facets.max_length,
        "totalDigits": facets.total_digits,
        "fractionDigits": facets.fraction_digits,
        "minInclusive": facets.min_inclusive,
        "maxInclusive": facets.max_inclusive,
        "minExclusive": facets.min_exclusive,
        "maxExclusive": facets.max_exclusive,
    }
    said += "".join(f"<xs:{name} value={quoteattr(str(value))}/>" for name, value in stated.items() if value is not None)
    inner = f'<xs:restriction base="xs:{kind.xsd}">{said}</xs:restriction>'
    if not kind.listed:
        return f'<xs:simpleType name="T{at}">{inner}</xs:simpleType>'
    return f'<xs:simpleType name="T{at}"><xs:list><xs:simpleType>{inner}</xs:simpleType></xs:list></xs:simpleType>'


_DEEP = (
    '<xs:complexType name="Deep"><xs:sequence><xs:element name="A" type="xs:string" minOccurs="0" nillable="true"/>'
    '<xs:element name="B" type="xs:string" minOccurs="0" maxOccurs="unbounded" nillable="true"/>'
    '<xs:element name="Deep" type="p:Deep" minOccurs="0" nillable="true"/></xs:sequence><xs:attribute name="k" type="xs:string"/></xs:complexType>'
)


def _wsdl(fields: Sequence[Field], choice: Sequence[str], must: bool, turns: Sequence[Field]) -> str:
    types, own, place, branches = _DEEP, "", "", ""
    with_unit = {one.steps for one in fields if one.attribute}
    for at, one in enumerate(fields):
        if one.attribute:
            continue
        step, kind = one.steps[-1], f"p:T{at}"
        if one.xml:
            own += (
                f'<xs:element name="{step.name}" minOccurs="0" nillable="{str(step.nillable).lower()}"><xs:complexType mixed="true"><xs:sequence>'
                '<xs:any minOccurs="0" maxOccurs="unbounded" processContents="lax"/></xs:sequence></xs:complexType></xs:element>'
            )
            continue
        if one.json:
            own += f'<xs:element name="Deep" type="p:Deep" minOccurs="0" nillable="{str(step.nillable).lower()}"/>'
            continue
        types += _simple_type(at, one.kind)
        if one.steps in with_unit:
            types += (
                f'<xs:complexType name="U{at}"><xs:simpleContent><xs:extension base="{kind}">'
                '<xs:attribute name="unit" type="xs:string"/></xs:extension></xs:simpleContent></xs:complexType>'
            )
            kind = f"p:U{at}"
        stated = f" fixed={quoteattr(one.fixed)}" if one.fixed else f" default={quoteattr(one.default)}" if one.default else ""
        element = (
            f'<xs:element name="{step.name}" type="{kind}" minOccurs="{int(step.required)}" maxOccurs="{"unbounded" if step.many else 1}"'
            f' nillable="{str(step.nillable).lower()}"{stated}/>'
        )
        if one.steps[0].name in choice:
            branches += element.replace('minOccurs="0"', 'minOccurs="1"')
            continue
        own, place = (own + element, place) if len(one.steps) == 1 else (own, place + element)
    if place:
        own += f'<xs:element name="Place" minOccurs="0"><xs:complexType><xs:sequence>{place}</xs:sequence></xs:complexType></xs:element>'
    if turns:
        types += "".join(_simple_type(len(fields) + at, one.kind) for at, one in enumerate(turns))
        each = "".join(
            f'<xs:element name="{one.steps[0].name}" type="p:T{len(fields) + at}" nillable="{str(one.steps[0].nillable).lower()}"/>'
            for at, one in enumerate(turns)
        )
        own += f'<xs:choice minOccurs="0" maxOccurs="unbounded">{each}</xs:choice>'
    if branches:
        own += f'<xs:choice minOccurs="{int(must)}">{branches}</xs:choice>'
    return f"""<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:p="{NS}"
 xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{NS}"><w:types><xs:schema targetNamespace="{NS}" elementFormDefault="qualified">
{types}<xs:complexType name="Row"><xs:sequence>{own}</xs:sequence></xs:complexType>
<xs:element name="Read"><xs:complexType><xs:sequence/></xs:complexType></xs:element>
<xs:element name="Read_Result"><xs:complexType><xs:sequence><xs:element name="Result"><xs:complexType><xs:sequence>
<xs:element name="Code" type="xs:string"/></xs:sequence></xs:complexType></xs:element><xs:element name="Count" type="xs:int"/>
<xs:element name="List" minOccurs="0"><xs:complexType><xs:sequence><xs:element name="Row_" type="p:Row" minOccurs="0" maxOccurs="unbounded"/>
</xs:sequence></xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element></xs:schema></w:types>
<w:message name="In"><w:part name="parameters" element="p:Read"/></w:message><w:message name="Out"><w:part name="parameters" element="p:Read_Result"/></w:message>
<w:portType name="P"><w:operation name="Read"><w:input message="p:In"/><w:output message="p:Out"/></w:operation></w:portType>
<w:binding name="B" type="p:P"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/><w:operation name="Read"><s:operation soapAction="r" style="document"/>
<w:input><s:body use="literal"/></w:input><w:output><s:body use="literal"/></w:output></w:operation></w:binding>
<w:service name="S"><w:port name="P" binding="p:B"><s:address location="https://erp.example/ws/Fuzz"/></w:port></w:service></w:definitions>"""
