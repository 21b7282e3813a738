"""Elements that are columns as a whole and hold elements alone: JSON, laid out as the contract says, whatever came and however it is written."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from soap_fake import NS, Fake, part, reply, stream
from soap_schemas import XSD_URL, contract, described, drift, typed, with_parts
from soap_wire import SCHEMA_PATH, erp
from test_soap_arrays import page_of
from test_soap_references import read as read_encoded
from test_soap_references import rpc

from connectors.errors import BrokenReply, FixConfiguration
from connectors.protocol import Column, LiveField, Note, Page, Window
from connectors.soap.config import Config
from connectors.soap.connector import SoapConnector
from connectors.soap.decode import RawRow, decode
from connectors.soap.plan import compile_plan
from connectors.soap.raw import Presence
from connectors.soap.xmltree import MAX_DEPTH, MAX_TEXT, UnsafeXml
from connectors.transport import TransportOptions

TYPES = (
    '<xs:complexType name="Node"><xs:sequence><xs:element name="Name" type="xs:string"/><xs:element name="Size" type="xs:decimal" minOccurs="0"'
    ' nillable="true"/><xs:element name="Tag" type="xs:string" minOccurs="0" maxOccurs="unbounded" nillable="true"/>'
    '<xs:element name="Price" type="p:Money" minOccurs="0"/><xs:element name="Kind" type="xs:QName" minOccurs="0"/>'
    '<xs:element name="Note" type="p:Mixed" minOccurs="0"/><xs:element name="Loose" minOccurs="0"/>'
    '<xs:element name="Void" type="p:Void" minOccurs="0"/>'
    '<xs:element name="Node" type="p:Node" minOccurs="0" maxOccurs="unbounded"/></xs:sequence><xs:attribute name="id" type="xs:string"/>'
    "</xs:complexType>"
    '<xs:complexType name="Bigger"><xs:complexContent><xs:extension base="p:Node"><xs:sequence><xs:element name="More" type="xs:int"/>'
    "</xs:sequence></xs:extension></xs:complexContent></xs:complexType>"
    '<xs:complexType name="Mixed" mixed="true"><xs:sequence><xs:element name="b" type="xs:string" minOccurs="0" maxOccurs="9"/>'
    "</xs:sequence></xs:complexType>"
    '<xs:complexType name="Void"/>'
)
SCHEMA = with_parts('<xs:element name="Node" type="p:Node" minOccurs="0" nillable="true"/>', TYPES)
NODE = Column("node", "Node", pa.string())
WHOLE = Column("whole", ".", pa.string())
TREE = Column("tree", "Node", pa.struct([("name", pa.string()), ("deeper", pa.list_(pa.string()))]),
              children=(Column("name", "Name", pa.string()), Column("deeper", "Node", pa.list_(pa.string()))))  # fmt: skip
ALONE: dict[str, Any] = {"paging": {"kind": "none"}, "arguments": {"setSize": 0}}


def read(*inner: str, schema: str = SCHEMA, column: Column = NODE) -> list[Any]:
    """What the column is in rows that hold these."""
    made, rejects = typed(schema, (column,), *inner, arrays=True)
    assert not rejects
    return [row[column.name] for row in made]


def held(*inner: str) -> list[str]:
    """The codes of what holds rows with these nodes."""
    made, rejects = typed(SCHEMA, (NODE,), *inner, arrays=True)
    assert not made
    return [one.reason.partition(" ")[0] for one in rejects]


def pulled(*inner: str, columns: Sequence[Column] = (NODE,), schema: str = SCHEMA, **source: Any) -> Page:
    content = reply(*(part(f"A{at}", one) for at, one in enumerate(inner)))
    (page,) = Fake(content, documents={XSD_URL: schema}).connector().pull(stream(*columns, **ALONE, **source), Window())
    return page


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        ("<Node/>", "{}"),
        ("<Node>\n  <Name>軸受 &amp; 部品</Name>\n</Node>", '{"Name":"軸受 & 部品"}'),
        ("<Node><Name> a\n</Name><Size>007.50</Size></Node>", '{"Name":" a\\n","Size":"007.50"}'),
        ("<Node><Size>1</Size><Name/></Node>", '{"Size":"1","Name":""}'),
        ('<Node><Size xsi:nil="true"/></Node>', '{"Size":null}'),
        ("<Node><Tag>x</Tag></Node>", '{"Tag":["x"]}'),
        ('<Node><Tag>x</Tag><Name>n</Name><Tag xsi:nil="1"/></Node>', '{"Tag":["x",null],"Name":"n"}'),
        ('<Node id="7" xml:lang="ja"><Name>n</Name></Node>', '{"@id":"7","@xml:lang":"ja","Name":"n"}'),
        ('<Node xmlns:q="urn:q" q:id="8" id="7"/>', '{"@id":"7","@{urn:q}id":"8"}'),
        ('<Node><Price currency="JPY">1.50</Price></Node>', '{"Price":{"@currency":"JPY","#text":"1.50"}}'),
        ("<Node><Price>1.50</Price></Node>", '{"Price":{"#text":"1.50"}}'),
        ('<Node xmlns:q="urn:q"><Kind>q:Part</Kind></Node>', '{"Kind":"{urn:q}Part"}'),
        ("<Node><Void/></Node>", '{"Void":{}}'),
        (f'<Node xmlns:q="{NS}" xsi:type="q:Bigger"><More>3</More></Node>', f'{{"@xsi:type":"{{{NS}}}Bigger","More":"3"}}'),
        ("<Node><Note>see <b>here</b>!</Note></Node>", f'{{"Note":"see <b xmlns=\\"{NS}\\">here</b>!"}}'),
        ("<Node><Loose>A &amp; B</Loose></Node>", '{"Loose":"A & B"}'),
        ("<Node><Loose><c>1</c></Loose></Node>", f'{{"Loose":"<c xmlns=\\"{NS}\\">1</c>"}}'),
        ("<Node><Node><Node/></Node><Node/></Node>", '{"Node":[{"Node":[{}]},{}]}'),
        ("<Node>stray<Name>n</Name></Node>", '{"Name":"n","#text":"stray"}'),
    ],
)
def test_an_element_of_elements_is_json_laid_out_as_its_contract_says(inner: str, text: str) -> None:
    assert read(inner, "", '<Node xsi:nil="true"/>') == [text, None, None]
    json.loads(text)


def test_a_list_is_one_by_the_contract_and_never_by_how_many_came() -> None:
    for many in range(1, 4):
        (text,) = read(f"<Node><Name>n</Name>{'<Tag>x</Tag>' * many}</Node>")
        assert json.loads(text) == {"Name": "n", "Tag": ["x"] * many}
    # An element that its type names twice may come twice, wherever it stands.
    twice = SCHEMA.replace('<xs:element name="Void"', '<xs:element name="Name" type="xs:string" minOccurs="0"/><xs:element name="Void"')
    assert read("<Node><Name>n</Name></Node>", schema=twice) == ['{"Name":["n"]}']


def test_a_value_stays_a_text_though_another_type_adds_attributes_to_its_own() -> None:
    named = TYPES + (
        '<xs:complexType name="Named"><xs:simpleContent><xs:extension base="xs:string"><xs:attribute name="lang" type="xs:string"/>'
        "</xs:extension></xs:simpleContent></xs:complexType>"
    )
    schema = with_parts('<xs:element name="Node" type="p:Node"/>', named)
    assert read("<Node><Name>n</Name></Node>", schema=schema) == ['{"Name":"n"}']


def test_what_the_contract_does_not_know_is_a_list_of_texts_or_xml_and_noted() -> None:
    inner = '<Node><New>1</New><x:New xmlns:x="urn:x"><c/></x:New><Name>n</Name><x:Name xmlns:x="urn:x">m</x:Name><New>2</New></Node>'
    page = pulled(inner)
    (text,) = page.rows.column("node").to_pylist()
    assert json.loads(text) == {
        "New": ["1", "2"],
        "{urn:x}New": ['<c xmlns="urn:parts"></c>'],
        "Name": "n",
        "{urn:x}Name": ["m"],
    }
    assert set(page.notes) == {
        Note("List/Part/Node", "element.unknown New", 3),
        Note("List/Part/Node", "element.unknown {urn:x}Name"),
    }


def test_two_children_of_one_local_name_are_told_apart_by_their_namespaces() -> None:
    other = (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:x"><xs:element name="Name" type="xs:int"/></xs:schema>'
    )
    schema = SCHEMA.replace("<xs:simpleType", '<xs:import namespace="urn:x" schemaLocation="other.xsd"/><xs:simpleType', 1).replace(
        '<xs:element name="Void"', '<xs:element xmlns:x="urn:x" ref="x:Name" minOccurs="0"/><xs:element name="Void"'
    )
    content = reply(part("A", '<Node><Name>n</Name><x:Name xmlns:x="urn:x">7</x:Name></Node>'))
    fake = Fake(content, documents={XSD_URL: schema, "https://erp.example/ws/other.xsd": other})
    (page,) = fake.connector().pull(stream(NODE, **ALONE), Window())
    assert page.rows.column("node").to_pylist() == ['{"{urn:parts}Name":"n","{urn:x}Name":"7"}'] and page.notes == ()


@pytest.mark.parametrize(
    ("inner", "why"),
    [
        ("<Node><Name>a</Name><Name>b</Name></Node>", "value.twice"),
        ("<Node><Name>a<b/></Name></Node>", "value.mixed"),
        ('<Node><Name xsi:nil="perhaps"/></Node>', "value.mixed"),
        ('<Node><Size xsi:nil="true">3</Size></Node>', "value.mixed"),
        ('<Node><Node xsi:nil="true"><Name>a</Name></Node></Node>', "value.mixed"),
        ("<Node><Price>1<b/></Price></Node>", "value.mixed"),
        ('<Node xsi:nil="true"><Name>a</Name></Node>', "value.mixed"),
        ("<Node/><Node/>", "value.twice"),
    ],
)
def test_what_can_be_no_value_holds_its_row(inner: str, why: str) -> None:
    assert held(inner) == [why]


def test_one_of_a_list_that_can_be_no_value_holds_its_row_too() -> None:
    schema = SCHEMA.replace(
        'name="Node" type="p:Node" minOccurs="0" nillable="true"', 'name="Node" type="p:Node" minOccurs="0" maxOccurs="9"'
    )
    nodes = Column("nodes", "Node", pa.list_(pa.string()))
    made, rejects = typed(schema, (nodes,), "<Node/><Node><Name>a</Name></Node>", "<Node/><Node><Name/><Name/></Node>", "", arrays=True)
    assert [row["nodes"] for row in made] == [["{}", '{"Name":"a"}'], None]
    assert [one.reason.partition(" ")[0] for one in rejects] == ["value.twice"]


def test_what_lies_deeper_than_the_columns_go_is_json_in_them() -> None:
    (row,) = read("<Node><Name>a</Name><Node><Name>b</Name><Tag>t</Tag></Node></Node>", column=TREE)
    assert row == {"name": "a", "deeper": ['{"Name":"b","Tag":["t"]}']}


def test_a_row_can_be_a_column_as_json_beside_its_other_columns() -> None:
    columns = (Column("stock", "Stock", pa.int32()), NODE, WHOLE)
    made, rejects = typed(SCHEMA, columns, "<Stock>3</Stock><Tag>t</Tag><Node><Name>a</Name></Node><New/>", arrays=True)
    assert not rejects and made[0]["stock"] == 3 and made[0]["node"] == '{"Name":"a"}'
    assert made[0]["whole"] == '{"Key":"k-A0","Code":"A0","Stock":"3","Tag":["t"],"Node":{"Name":"a"},"New":[""]}'
    # The row's other columns see the unknown element, and it is noted once.
    assert pulled("<New/>", columns=(WHOLE,)).notes == (Note("List/Part", "element.unknown New"),)


def test_elements_that_repeat_together_keep_their_order_in_it() -> None:
    group = '<xs:choice minOccurs="0" maxOccurs="unbounded"><xs:element name="Mill" type="xs:string"/><xs:element name="Lathe" type="p:Void"/></xs:choice>'
    schema = with_parts(
        '<xs:element name="Plan" type="p:Plan" minOccurs="0"/>',
        TYPES + f'<xs:complexType name="Plan"><xs:sequence>{group}</xs:sequence></xs:complexType>',
    )
    plan = Column("plan", "Plan", pa.string())
    rows = read("<Plan><Lathe/><Mill>1</Mill><Lathe/></Plan>", "<Plan><Mill>1</Mill></Plan>", schema=schema, column=plan)
    assert rows == ['{"$repeat":[{"Lathe":{}},{"Mill":"1"},{"Lathe":{}}]}', '{"$repeat":[{"Mill":"1"}]}']
    # Where a name of the group may stand alone, too, only XML has the order.
    alone = schema.replace(group, group + '<xs:element name="Mill" type="xs:string" minOccurs="0"/>')
    assert read("<Plan><Mill>1</Mill></Plan>", schema=alone, column=plan) == [f'<Mill xmlns="{NS}">1</Mill>']


def test_the_contract_may_keep_it_as_xml() -> None:
    inner = "<Node><Name>a</Name></Node>"
    kept: dict[str, Any] = {"read": {"Node": {"inside": "xml"}}}
    assert pulled(inner, **kept).rows.column("node").to_pylist() == [f'<Name xmlns="{NS}">a</Name>']
    assert pulled(inner, columns=(TREE,), read={"Node/Node": {"inside": "xml"}}).rows.num_rows == 1
    assert (
        pulled("<Stock>1</Stock>", columns=(WHOLE,), read={".": {"inside": "xml"}})
        .rows.column("whole")
        .to_pylist()[0]
        .endswith(f'<Stock xmlns="{NS}">1</Stock>')
    )
    with pytest.raises(FixConfiguration, match="has no element whole"):
        pulled(inner, columns=(Column("stock", "Stock", pa.int32()),), read={"Stock": {"inside": "xml"}})
    assert described(SCHEMA, NODE).fingerprint != described(SCHEMA, NODE, **kept).fingerprint


def decoded(inner: str, *columns: Column, **how: Any) -> list[RawRow]:
    found = contract(SCHEMA)
    plan = compile_plan(found, found.operations["ReadParts"], rows="List/Part", columns=columns)
    rows: list[RawRow] = []

    def sink(block: Sequence[RawRow]) -> None:
        rows.extend(block)

    decode(io.BytesIO(reply(part("A", inner), part("B"))), plan, sink, **how)
    return rows


@pytest.mark.parametrize("column", [NODE, WHOLE])
@pytest.mark.parametrize("name", ["Node", "Unknown", "Loose"])
def test_depth_and_size_have_their_limits_there_too(column: Column, name: str) -> None:
    with pytest.raises(UnsafeXml, match="nested more than"):
        decoded(f"<Node>{f'<{name}>' * MAX_DEPTH}{f'</{name}>' * MAX_DEPTH}</Node>", column)
    with pytest.raises(UnsafeXml, match="longer than"):
        decoded(f"<Node><{name}>{'x' * (MAX_TEXT // 2)}</{name}><{name}>{'x' * (MAX_TEXT // 2)}</{name}></Node>", column)
    with pytest.raises(UnsafeXml, match="longer than"):
        decoded(f"<Node>{'<Tag/>' * (MAX_TEXT // 8)}</Node>", column)


def test_an_attachment_inside_of_it_has_no_column() -> None:
    include = '<Node><Name><i:Include xmlns:i="http://www.w3.org/2004/08/xop/include" href="cid:a"/></Name></Node>'
    with pytest.raises(BrokenReply) as caught:
        pulled(include)
    assert caught.value.code == "soap.attachment_misplaced"


LINES = Column("lines", "lines", pa.string())
ARRAY = '<invoice><id>6</id><lines {0}><item xsi:type="t:line" xmlns:t="http://www.dolibarr.org/ns/" {1}><id>7</id></item><any><id>8</id></any></lines></invoice>'


def test_an_array_of_soap_encoding_is_a_list_and_is_held_where_it_is_not_whole() -> None:
    kind = "{http://www.dolibarr.org/ns/}line"
    page = page_of("getInvoice", "invoice", ARRAY.format('s:arrayType="t:line[2]"', ""), LINES)
    assert page.rows.column("lines").to_pylist() == [f'[{{"@xsi:type":"{kind}","id":"7"}},{{"id":"8"}}]']
    for said, item, why in (('s:arrayType="t:line[3]"', "", "value.count"), ("", 's:position="[4]"', "value.partial")):
        (reject,) = page_of("getInvoice", "invoice", ARRAY.format(said, item), LINES).rejects
        assert reject.reason.startswith(why)


def test_a_value_that_stands_elsewhere_is_followed_into_it() -> None:
    # In the answer itself, so that nothing but the reference says that there is one.
    content = rpc("<Part><Key>k</Key><Code>A</Code><名称 id='c'>浜松</名称><Place><City href='#c'/></Place></Part>")
    place = Column("place", "Place", pa.string())
    assert read_encoded(content.encode(), place).rows.column("place").to_pylist() == ['{"City":"浜松"}']


def test_it_is_the_same_over_a_socket_in_pieces_of_any_size() -> None:
    content = reply(*(part(f"A{at}", f"<Node><Name>軸受 {at}</Name><Tag>{at}</Tag></Node>") for at in range(50)))

    def answer(exchange: Any, _: bytes) -> None:
        exchange.begin()
        for at in range(0, len(content), 37):
            exchange.chunk(content[at : at + 37])
        exchange.chunk(b"")

    with erp(answer, {SCHEMA_PATH: SCHEMA}) as server:
        connector = SoapConnector("erp", Config(wsdl=server.url + "/ws/Parts?wsdl"), TransportOptions(attempts=1))
        (page,) = connector.pull(stream(NODE, **ALONE), Window())
        connector.close()
    assert page.rows.column("node").to_pylist() == [f'{{"Name":"軸受 {at}","Tag":["{at}"]}}' for at in range(50)]


# --- drift -------------------------------------------------------------------------------------------------------------------------------


def live(schema: str, column: Column = NODE) -> LiveField:
    return next(one for one in described(schema, column).fields if one.source == column.source)


def test_what_is_json_and_what_is_a_list_in_it_belongs_to_the_column() -> None:
    before = described(SCHEMA, NODE)
    assert live(SCHEMA).vendor_type == "xsd:complexType/json" and live(SCHEMA).facets["lists"] == ("Node", "Tag")
    assert drift(before, described(SCHEMA, NODE)) == []
    often = SCHEMA.replace('name="Size" type="xs:decimal" minOccurs="0"', 'name="Size" type="xs:decimal" minOccurs="0" maxOccurs="2"')
    assert drift(before, described(often, NODE)) == [("settings", "Node", True)]
    # In a type that only derives from it, too.
    more = SCHEMA.replace('name="More" type="xs:int"', 'name="More" type="xs:int" maxOccurs="2"')
    assert drift(before, described(more, NODE)) == [("settings", "Node", True)]
    opened = SCHEMA.replace('<xs:element name="Void"', '<xs:any minOccurs="0"/><xs:element name="Void"')
    assert drift(before, described(opened, NODE)) == [("retyped", "Node", True)]
    prints = {described(one, NODE).fingerprint for one in (SCHEMA, often, more, opened)}
    assert len(prints) == 4


def test_a_row_as_json_is_drift_of_the_same_kinds() -> None:
    before = described(SCHEMA, WHOLE)
    assert drift(before, described(SCHEMA, WHOLE)) == []
    opened = SCHEMA.replace('<xs:element name="Opens"', '<xs:any minOccurs="0"/><xs:element name="Opens"')
    assert [kind for kind, path, blocks in drift(before, described(opened, WHOLE)) if path == "." and blocks] == ["replaced"]


# --- whatever came -----------------------------------------------------------------------------------------------------------------------

_TEXTS = st.text(st.sampled_from(list("a &<>\"'\\\t\n軸]0.")), max_size=6)
_NODES = st.recursive(
    st.fixed_dictionaries(
        {"Name": _TEXTS}, optional={"Size": st.none() | _TEXTS, "Tag": st.lists(st.none() | _TEXTS, min_size=1, max_size=3)}
    ),
    lambda inner: st.fixed_dictionaries({"Name": _TEXTS, "Node": st.lists(inner, min_size=1, max_size=3)}, optional={"@id": _TEXTS}),
    max_leaves=6,
)


def written(node: dict[str, Any]) -> str:
    from xml.sax.saxutils import escape, quoteattr

    made = ""
    for key, value in node.items():
        for one in value if isinstance(value, list) else [] if key.startswith("@") else [value]:
            said = written(one) if isinstance(one, dict) else f'<{key} xsi:nil="true"/>' if one is None else f"<{key}>{escape(one)}</{key}>"
            made += said
    spelt = "".join(f" {key[1:]}={quoteattr(value)}" for key, value in node.items() if key.startswith("@"))
    return f"<Node{spelt}>{made}</Node>"


@given(_NODES, st.integers(1, 300))
def test_it_holds_what_was_written_whatever_the_pieces(node: dict[str, Any], chunk: int) -> None:
    (first, second) = decoded(written(node), NODE, chunk=chunk)
    assert json.loads(first[0]) == node and second[0] is Presence.ABSENT
    assert first[0] == decoded(written(node), NODE)[0][0]
