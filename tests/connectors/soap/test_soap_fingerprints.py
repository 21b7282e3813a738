"""Two fingerprints: every edit of a schema moves ``contract``, and only what a stream reads moves its ``reader``."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from soap_fake import SCHEMA
from soap_schemas import contract, described, with_parts

from connectors.protocol import Column, Schema
from connectors.soap.fingerprint import contract_fingerprint

TYPES = """<xs:simpleType name="U"><xs:union memberTypes="xs:int xs:boolean"><xs:simpleType><xs:restriction base="xs:date"/></xs:simpleType></xs:union></xs:simpleType>
<xs:simpleType name="L"><xs:list itemType="xs:int"/></xs:simpleType>
<xs:simpleType name="T"><xs:restriction base="xs:string"><xs:pattern value="[A-Z]+"/><xs:whiteSpace value="collapse"/></xs:restriction></xs:simpleType>
<xs:attribute name="shared" type="xs:string"/>
<xs:attributeGroup name="AG"><xs:attribute name="grouped" type="xs:string"/></xs:attributeGroup>
<xs:group name="G"><xs:sequence><xs:element name="InGroup" type="xs:string" minOccurs="0"/></xs:sequence></xs:group>
<xs:element name="Head" type="xs:string" abstract="true"/><xs:element name="One" type="xs:string" substitutionGroup="p:Head"/>
<xs:complexType name="V"><xs:simpleContent><xs:extension base="xs:decimal"><xs:attribute name="unit" type="xs:string" default="kg"/>
<xs:attribute name="code" type="xs:string" fixed="K"/><xs:attribute name="old" type="xs:string" use="prohibited"/><xs:attribute ref="p:shared"/>
<xs:attributeGroup ref="p:AG"/><xs:anyAttribute namespace="##other" processContents="lax"/></xs:extension></xs:simpleContent></xs:complexType>
<xs:complexType name="O"><xs:sequence><xs:any namespace="##any" processContents="skip" minOccurs="0"/></xs:sequence></xs:complexType>
<xs:complexType name="M" mixed="true"><xs:all><xs:element name="A" type="xs:string"/><xs:element name="B" type="xs:string"/></xs:all></xs:complexType>
<xs:complexType name="D"><xs:complexContent><xs:extension base="p:Place"><xs:sequence><xs:element name="Deep" type="xs:string"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>
<xs:element name="Keyed" type="p:Parts"><xs:key name="K"><xs:selector xpath="Part"/><xs:field xpath="Key"/></xs:key></xs:element>
"""
INNER = (
    '<xs:element name="Union" type="p:U" minOccurs="0"/><xs:element name="Weight" type="p:V" minOccurs="0"/>'
    '<xs:element ref="p:Head" minOccurs="0"/><xs:element name="Open" type="p:O" minOccurs="0"/><xs:group ref="p:G"/>'
    '<xs:element name="Text" type="p:T" default="A" minOccurs="0"/>'
)
WHOLE = with_parts(INNER, TYPES)
READ = ("Union", "Weight", "Weight@unit", "Weight@code", "Head", "Text")


def column(source: str) -> Column:
    found = {one.source: one for one in described(WHOLE).fields}[source]
    return Column(re.sub(r"\W", "_", source), source, found.type)


COLUMNS = tuple(column(one) for one in READ)


def live(schema: str) -> Schema:
    return described(schema, *COLUMNS)


BEFORE = live(WHOLE)
#: An edit, and whether a reader of ``READ`` depends on it.
EDITS: dict[str, tuple[str, str, bool]] = {
    "a member of a union": ("xs:int xs:boolean", "xs:int xs:time", True),
    "an inline member of a union": ('<xs:restriction base="xs:date"/>', '<xs:restriction base="xs:dateTime"/>', True),
    "the order of members": ("xs:int xs:boolean", "xs:boolean xs:int", True),
    "the items of a list": ('itemType="xs:int"', 'itemType="xs:long"', False),
    "a pattern": ("[A-Z]+", "[A-Z]*", True),
    "white space": ('value="collapse"', 'value="replace"', True),
    "an element's default": ('type="p:T" default="A"', 'type="p:T" default="B"', True),
    "an attribute's default": ('default="kg"', 'default="g"', True),
    "an attribute's fixed value": ('fixed="K"', 'fixed="L"', True),
    "an attribute that is required": ('default="kg"', 'use="required"', True),
    "an attribute that is prohibited": ('use="prohibited"', 'use="optional"', True),
    "an attribute's form": ('type="xs:string" fixed="K"', 'type="xs:string" form="qualified" fixed="K"', True),
    "an attribute that is referred to": ('<xs:attribute ref="p:shared"/>', "", True),
    "the type of a shared attribute": ('name="shared" type="xs:string"', 'name="shared" type="xs:token"', True),
    "an attribute of a group": ('name="grouped" type="xs:string"', 'name="grouped" type="xs:int"', True),
    "the namespace of any attribute": ('namespace="##other"', 'namespace="##any"', False),
    "how any attribute is checked": ('processContents="lax"', 'processContents="skip"', False),
    "the namespace of any": ('<xs:any namespace="##any"', '<xs:any namespace="##other"', False),
    "how any is checked": ('processContents="skip" minOccurs', 'processContents="lax" minOccurs', False),
    "how often any comes": ('processContents="skip" minOccurs="0"', 'processContents="skip" minOccurs="0" maxOccurs="9"', False),
    "a substitute": ('substitutionGroup="p:Head"', "", True),
    "another substitute": ("</xs:schema>", '<xs:element name="Two" type="xs:string" substitutionGroup="p:Head"/></xs:schema>', True),
    "a head that may stand itself": ('type="xs:string" abstract="true"', 'type="xs:string"', True),
    "mixed content": ('name="M" mixed="true"', 'name="M"', False),
    "an element of a group": ('name="InGroup" type="xs:string"', 'name="InGroup" type="xs:int"', False),
    "a base": ('base="p:Place"', 'base="p:Line"', False),
    "an element of a subtype": ('name="Deep" type="xs:string"', 'name="Deep" type="xs:int"', False),
    "a key": ('<xs:field xpath="Key"/>', '<xs:field xpath="Code"/>', False),
    "an element that nobody reads": ("</xs:schema>", '<xs:element name="Free" type="xs:string"/></xs:schema>', False),
    "an attribute that nobody reads": ('<xs:attribute name="grouped"', '<xs:attribute name="more" type="xs:string"/><xs:attribute name="grouped"', True),
    "a type that nobody reads": ('name="Shelf" type="xs:short"', 'name="Shelf" type="xs:int"', False),
}  # fmt: skip
SAME = {
    "an annotation": ('<xs:any namespace="##any"', '<xs:annotation><xs:documentation>x</xs:documentation></xs:annotation><xs:any namespace="##any"'),
    "an attribute of a tool": ('name="M" mixed="true"', 'name="M" mixed="true" xmlns:j="urn:tool" j:class="M"'),
    "what is said by default": ('name="Deep" type="xs:string"', 'name="Deep" type="xs:string" minOccurs="1" maxOccurs="1" nillable="false"'),
    "another spelling of true": ('name="M" mixed="true"', 'name="M" mixed="1"'),
    "the form that holds anyway": ('name="Deep" type="xs:string"', 'name="Deep" form="qualified" type="xs:string"'),
    "the order inside of all": (
        '<xs:element name="A" type="xs:string"/><xs:element name="B" type="xs:string"/></xs:all>',
        '<xs:element name="B" type="xs:string"/><xs:element name="A" type="xs:string"/></xs:all>',
    ),
    "the order of attributes": (
        '<xs:attribute ref="p:shared"/>\n<xs:attributeGroup ref="p:AG"/>',
        '<xs:attributeGroup ref="p:AG"/><xs:attribute ref="p:shared"/>',
    ),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_each_edit_of_a_schema_moves_the_contract_and_the_reader_only_if_it_reads_that(edit: str) -> None:
    old, new, read = EDITS[edit]
    assert WHOLE.count(old) == 1
    after = live(WHOLE.replace(old, new))
    assert after.revision != BEFORE.revision
    assert (after.fingerprint != BEFORE.fingerprint) is read


@pytest.mark.parametrize("edit", SAME)
def test_what_says_the_same_moves_neither(edit: str) -> None:
    old, new = SAME[edit]
    assert WHOLE.count(old) == 1
    after = live(WHOLE.replace(old, new))
    assert (after.revision, after.fingerprint) == (BEFORE.revision, BEFORE.fingerprint)


NAMES = sorted(set(re.findall(r' name="(\w+)"', SCHEMA)) - {"ReadParts", "ReadParts_Result"})


@given(st.sampled_from(NAMES), st.sampled_from(["Xa", "Yb"]))
def test_renaming_any_one_declaration_moves_the_contract(name: str, new: str) -> None:
    renamed = re.sub(rf'( name="){name}"', rf"\g<1>{new}{name}\"", SCHEMA, count=1)
    assert contract_fingerprint(contract(renamed)) != contract_fingerprint(contract(SCHEMA))


@given(st.sampled_from(sorted(set(re.findall(r'type="(xs:\w+)"', SCHEMA)))), st.sampled_from(["xs:NCName", "xs:anyURI", "xs:gYear"]))
def test_another_type_of_any_one_element_moves_the_contract(old: str, new: str) -> None:
    changed = SCHEMA.replace(f'type="{old}"', f'type="{new}"', 1)
    assert contract_fingerprint(contract(changed)) != contract_fingerprint(contract(SCHEMA))
