"""Elements that repeat together: one list in the order of the document, each item with what came and its name."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from soap_fake import CODE, WSDL, WSDL_URL, Fake, part, reply, stream
from soap_schemas import XSD_URL, described, drift, typed, with_parts
from soap_wire import SCHEMA_PATH, erp
from soap_zeep import reader
from test_soap_references import ENCODED, PLAIN, rpc

from connectors.errors import ContractBroken, FixConfiguration
from connectors.protocol import Column, Note, Page, Stream, Window
from connectors.soap.config import Config
from connectors.soap.connector import SoapConnector
from connectors.transport import TransportOptions

TYPES = (
    '<xs:complexType name="Cut"><xs:sequence><xs:element name="Depth" type="xs:decimal"/><xs:choice minOccurs="0">'
    '<xs:element name="Wet" type="xs:string"/><xs:element name="Dry" type="xs:string"/></xs:choice></xs:sequence>'
    '<xs:attribute name="by" type="xs:string"/></xs:complexType>'
    '<xs:complexType name="Weight"><xs:simpleContent><xs:extension base="xs:int"><xs:attribute name="unit" type="xs:string"/></xs:extension>'
    "</xs:simpleContent></xs:complexType>"
)
GROUP = (
    '<xs:choice minOccurs="0" maxOccurs="unbounded"><xs:element name="Mill" type="xs:string" nillable="true"/>'
    '<xs:element name="Cut" type="p:Cut" maxOccurs="2"/><xs:element name="Load" type="p:Weight"/></xs:choice>'
)
SCHEMA = with_parts(GROUP, TYPES)
CUT = Column("cut", "Cut", pa.struct([("depth", pa.decimal128(9, 2))]), children=(Column("depth", "Depth", pa.decimal128(9, 2)),))
MILL, BRANCH = Column("mill", "Mill", pa.string()), Column("branch", "$branch", pa.string())
LOAD, UNIT = Column("load", "Load", pa.int32()), Column("unit", "Load@unit", pa.string())
BY = Column("by", "Cut@by", pa.string())
ALONE: dict[str, Any] = {"paging": {"kind": "none"}, "arguments": {"setSize": 0}}


def together(*children: Column, source: str = "$repeat") -> Column:
    kind = pa.list_(pa.struct([(child.name, child.type) for child in children]))
    return Column("steps", source, kind, children=children)


STEPS = together(BRANCH, MILL, CUT, LOAD, UNIT)


def read(*rows: str, column: Column = STEPS, schema: str = SCHEMA) -> list[Any]:
    made, rejects = typed(schema, (column,), *rows, arrays=True)
    assert not rejects, rejects
    return [row[column.name] for row in made]


def came(items: list[dict[str, Any]] | None) -> list[tuple[Any, ...]] | None:
    """Each item as its branch and all that is not null in it."""
    return None if items is None else [tuple(value for value in item.values() if value is not None) for item in items]


def test_what_came_is_one_list_in_the_order_of_the_document() -> None:
    row = '<Mill>1</Mill><Cut><Depth>2.5</Depth></Cut><Mill>3</Mill><Load unit="kg">4</Load><Cut><Depth>5</Depth></Cut>'
    (first, none) = read(row, "")
    assert [(item["branch"], item["mill"], item["cut"] and str(item["cut"]["depth"]), item["load"], item["unit"]) for item in first] == [
        ("Mill", "1", None, None, None),
        ("Cut", None, "2.50", None, None),
        ("Mill", "3", None, None, None),
        ("Load", None, None, 4, "kg"),
        ("Cut", None, "5.00", None, None),
    ]
    assert none is None


def test_rows_with_such_a_list_are_read_by_events_though_all_its_elements_are_values() -> None:
    rows = read(*["<Mill>1</Mill><Load>2</Load><Mill>3</Mill>"] * 30, column=together(BRANCH, MILL, LOAD))
    assert [came(one) for one in rows] == [[("Mill", "1"), ("Load", 2), ("Mill", "3")]] * 30


def test_an_item_that_is_nil_or_of_a_branch_without_a_column_is_an_item_all_the_same() -> None:
    rows = read('<Mill xsi:nil="true"/><Load>4</Load><Mill/><Cut/>', column=together(BRANCH, MILL))
    assert rows == [[{"branch": name, "mill": text} for name, text in (("Mill", None), ("Load", None), ("Mill", ""), ("Cut", None))]]
    assert read(
        "<Cut by='x'><Depth>1</Depth></Cut><Mill>1</Mill>", column=together(BY, Column("depth", "Cut/Depth", pa.int64()), BRANCH)
    ) == [[{"by": "x", "depth": 1, "branch": "Cut"}, {"by": None, "depth": None, "branch": "Mill"}]]


def test_a_value_that_does_not_fit_names_its_item_and_a_choice_inside_of_a_branch_is_looked_at() -> None:
    wet = Column("cut", "Cut", pa.struct([("wet", pa.string())]), children=(Column("wet", "Wet", pa.string()),))
    rows = ("<Mill>1</Mill><Load>x</Load>", "<Cut><Depth>1</Depth><Wet/><Dry/></Cut>", "<Mill>1</Mill><Mill><b/></Mill>", "<Load>1</Load>")
    made, rejects = typed(SCHEMA, (together(MILL, wet, LOAD),), *rows, arrays=True)
    assert len(made) == 1
    assert [one.reason.partition(" ")[0] for one in rejects] == ["value.lexical", "choice.several", "value.mixed"]
    assert "List/Part[2]/$repeat[2]/Load = 'x'" in rejects[0].reason and "List/Part[3]/$repeat[1]/Cut/$branch" in rejects[1].reason
    # Of a branch that is read in parts, its own choice is looked at too.
    (reject,) = typed(SCHEMA, (together(Column("depth", "Cut/Depth", pa.int64())),), rows[1], arrays=True)[1]
    assert reject.reason.startswith("choice.several") and "Cut/$branch" in reject.reason


def test_a_sequence_that_repeats_and_one_inside_of_an_element_are_lists_of_the_same_kind() -> None:
    pairs = (
        '<xs:element name="Plan" minOccurs="0"><xs:complexType><xs:sequence><xs:sequence minOccurs="0" maxOccurs="unbounded">'
        '<xs:element name="Key" type="xs:string"/><xs:element name="Value" type="xs:int" minOccurs="0"/></xs:sequence>'
        '<xs:element name="End" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>'
    )
    schema = with_parts(pairs)
    key, value = Column("key", "Key", pa.string()), Column("value", "Value", pa.int32())
    rows = ("<Plan><Key>a</Key><Value>1</Value><Key>b</Key><Key>c</Key><Value>3</Value><End/></Plan>", "<Plan/>", "", '<Plan xsi:nil="1"/>')
    steps = together(key, value, source="Plan/$repeat")
    assert [came(one) for one in read(*rows, column=steps, schema=schema)] == [[("a",), (1,), ("b",), ("c",), (3,)], [], None, None]
    # As a part of the struct that the element is.
    inner = together(key, value)
    plan = Column(
        "plan", "Plan", pa.struct([("steps", inner.type), ("end", pa.string())]), children=(inner, Column("end", "End", pa.string()))
    )
    (row,) = read(rows[0], column=plan, schema=schema)
    assert row["end"] == "" and came(row["steps"]) == [("a",), (1,), ("b",), ("c",), (3,)]
    # An element that comes twice tells of no list what belongs to it.
    made, rejects = typed(schema, (steps,), "<Plan><Key>a</Key></Plan><Plan/>", arrays=True)
    assert made == [] and rejects[0].column == "steps" and rejects[0].reason.startswith("value.twice")


def test_of_several_groups_each_has_its_name() -> None:
    second = (
        '<xs:sequence minOccurs="0" maxOccurs="9"><xs:element name="In" type="xs:int"/><xs:element name="Out" type="xs:int"/></xs:sequence>'
    )
    schema = with_parts(GROUP + second, TYPES)
    steps = together(BRANCH, Column("in", "In", pa.int32()), source="$repeat:In")
    assert read("<Mill/><In>1</In><Out>2</Out>", column=steps, schema=schema) == [
        [{"branch": "In", "in": 1}, {"branch": "Out", "in": None}]
    ]
    with pytest.raises(ContractBroken, match=r"\$repeat:Mill, \$repeat:In"):
        read("", column=STEPS, schema=schema)
    # Its name holds where there is only one, too, and is no drift.
    named = together(BRANCH, MILL, source="$repeat:Mill")
    assert came(read("<Mill>1</Mill>", column=named)[0]) == [("Mill", "1")]
    assert [one.source for one in described(SCHEMA, named).fields if one.source.startswith("$")] == ["$repeat:Mill"]


def test_an_element_of_it_can_be_read_whole() -> None:
    cut = Column("cut", "Cut", pa.string())
    steps = together(BRANCH, cut)
    rows = '<Cut by="x"><Depth>2.50</Depth></Cut><Mill/>'
    assert came(read(rows, column=steps)[0]) == [("Cut", '{"@by":"x","Depth":"2.50"}'), ("Mill",)]
    live = described(SCHEMA, steps)
    (field,) = [one for one in live.fields if one.source == "$repeat"]
    assert {one.source: one.vendor_type for one in field.children}["Cut"] == "xsd:complexType/json"
    assert drift(live, described(SCHEMA, steps)) == []
    kept = {"$repeat/Cut": {"inside": "xml"}}
    (page,) = Fake(reply(part("A", rows)), documents={XSD_URL: SCHEMA}).connector().pull(stream(steps, read=kept, **ALONE), Window())
    assert page.rows.column("steps").to_pylist()[0][0]["cut"] == '<Depth xmlns="urn:parts">2.50</Depth>'


def test_the_items_of_another_list_have_such_lists_of_their_own() -> None:
    fleet = (
        '<xs:element name="Fleet" minOccurs="0" maxOccurs="9"><xs:complexType><xs:sequence><xs:element name="No" type="xs:int"/>'
        f"{GROUP}</xs:sequence></xs:complexType></xs:element>"
    )
    steps = together(BRANCH, MILL)
    kind = pa.list_(pa.struct([("no", pa.int32()), ("steps", steps.type)]))
    column = Column("fleet", "Fleet", kind, children=(Column("no", "No", pa.int32()), steps))
    row = "<Fleet><No>1</No><Mill>a</Mill><Load>1</Load></Fleet><Fleet><No>2</No></Fleet><Fleet><No>3</No><Mill>b</Mill></Fleet>"
    (items,) = read(row, column=column, schema=with_parts(fleet, TYPES))
    assert [(one["no"], came(one["steps"])) for one in items] == [(1, [("Mill", "a"), ("Load",)]), (2, None), (3, [("Mill", "b")])]


def test_a_reply_of_soap_encoding_has_such_lists_too() -> None:
    schema = with_parts(GROUP, TYPES, PLAIN)
    inner = '<Mill href="#m"/><Load xsi:type="x">4</Load><Mill>2</Mill>'
    content = rpc(f"<Part><Key>k</Key><Code>A</Code>{inner}</Part>", behind='<m id="m">1</m>').encode()
    source = {"operation": "ReadParts", "rows": "parts/Part", "arguments": {"ask": {"Field": "Code", "Criteria": "A"}}}
    columns = (CODE, together(BRANCH, MILL, LOAD))
    fake = Fake(content, documents={WSDL_URL: ENCODED, XSD_URL: schema})
    (page,) = fake.connector().pull(Stream("erp", "parts", source, ("code",), columns), Window())
    assert came(page.rows.column("steps").to_pylist()[0]) == [("Mill", "1"), ("Load", 4), ("Mill", "2")]


@pytest.mark.parametrize("first", [True, False])
def test_an_element_is_read_in_the_list_or_in_a_list_of_its_own_and_not_in_both(first: bool) -> None:
    mills = Column("mills", "Mill", pa.list_(pa.string()))
    for steps in (STEPS, together(BRANCH, LOAD)):
        columns = (steps, mills) if first else (mills, steps)
        with pytest.raises(FixConfiguration) as caught:
            typed(SCHEMA, columns, "", arrays=True)
        assert caught.value.code == "soap.column_twice"
    made, _ = typed(SCHEMA, (mills,), "<Mill>1</Mill><Load>2</Load><Mill>3</Mill>", arrays=True)
    assert made == [{"mills": ["1", "3"]}]


def test_a_column_of_another_type_is_told_what_it_has_to_be() -> None:
    for kind in (pa.string(), pa.list_(pa.string())):
        with pytest.raises(FixConfiguration) as caught:
            read("", column=Column("steps", "$repeat", kind))
        assert caught.value.code == "soap.column_together"


def test_an_element_that_may_stand_alone_too_is_in_no_such_list() -> None:
    schema = with_parts(GROUP + '<xs:element name="Mill" type="xs:string" minOccurs="0"/>', TYPES)
    with pytest.raises(ContractBroken):
        read("", column=STEPS, schema=schema)
    assert {"Mill", "Cut", "Load"} <= {one.source for one in described(schema).fields}


def test_a_choice_around_such_elements_is_looked_at_whether_or_not_they_are_a_list() -> None:
    must = GROUP.replace('<xs:choice minOccurs="0"', "<xs:choice", 1)
    schema = with_parts(f'<xs:choice minOccurs="0"><xs:element name="Whole" type="xs:string"/>{must}</xs:choice>', TYPES)
    whole = Column("whole", "Whole", pa.string())
    made, rejects = typed(schema, (whole, STEPS), "<Whole/>", "<Mill>1</Mill><Mill>2</Mill>", "<Whole/><Load>1</Load>", arrays=True)
    assert [(row["whole"], came(row["steps"])) for row in made] == [("", None), (None, [("Mill", "1"), ("Mill", "2")])]
    assert [one.reason.partition(" ")[0] for one in rejects] == ["choice.several"]


def test_unknown_elements_in_it_are_noted_and_what_is_declared_of_its_parts_holds() -> None:
    content = reply(part("A", "<Mill>Yes</Mill><Cut><Depth>1</Depth><New/></Cut><Odd/>"))
    source: dict[str, Any] = {**ALONE, "read": {"$repeat/Mill": {"values": {"Yes": "1"}}}}
    (page,) = Fake(content, documents={XSD_URL: SCHEMA}).connector().pull(stream(STEPS, **source), Window())
    assert page.rows.column("steps").to_pylist()[0][0]["mill"] == "1"
    assert set(page.notes) == {Note("List/Part/Cut", "element.unknown New"), Note("List/Part", "element.unknown Odd")}


def test_an_element_that_is_sent_under_the_name_of_one_beside_the_group_is_refused() -> None:
    content = reply(part("A", "<Miru>1</Miru><Load>2</Load>"))
    for name, fits in (("Miru", True), ("Stock", False), ("Load", False)):
        source: dict[str, Any] = {**ALONE, "read": {"$repeat/Mill": {"sent_as": name}}}
        pages = Fake(content, documents={XSD_URL: SCHEMA}).connector().pull(stream(together(BRANCH, MILL), **source), Window())
        if fits:
            assert came(next(iter(pages)).rows.column("steps").to_pylist()[0]) == [("Mill", "1"), ("Load",)]
        else:
            with pytest.raises(FixConfiguration) as caught:
                list(pages)
            assert caught.value.code == "soap.column_twice"


def test_its_items_can_be_a_stream_of_their_own() -> None:
    content = reply(part("A", "<Mill>1</Mill><Load>2</Load>"), part("B"))
    columns = (
        Column("place", "$row", pa.int32(), required=True),
        Column("branch", "$repeat/$branch", pa.string()),
        Column("load", "$repeat/Load", pa.int32()),
    )
    given = stream(*columns, key=("code", "place"), table="$repeat", **ALONE)
    (page,) = Fake(content, documents={XSD_URL: SCHEMA}).connector().pull(given, Window())
    rows = page.rows.select(["code", "place", "branch", "load"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [("A", 1, "Mill", None), ("A", 2, "Load", 2)]
    live = Fake(content, documents={XSD_URL: SCHEMA}).connector().describe(given)
    assert {"$row", "$repeat/$branch", "$repeat/Load"} <= {one.source for one in live.fields}


def test_it_is_the_same_over_a_socket_in_pieces_of_any_size() -> None:
    rows = [f"<Mill>{at}</Mill><Cut><Depth>{at}</Depth></Cut><Load unit='個'>{at}</Load><Mill/>" for at in range(40)]
    content = reply(*(part(f"A{at}", row) for at, row in enumerate(rows)))

    def answer(exchange: Any, _: bytes) -> None:
        exchange.begin()
        for at in range(0, len(content), 41):
            exchange.chunk(content[at : at + 41])
        exchange.chunk(b"")

    with erp(answer, {SCHEMA_PATH: SCHEMA}) as server:
        connector = SoapConnector("erp", Config(wsdl=server.url + "/ws/Parts?wsdl"), TransportOptions(attempts=1))
        pages: list[Page] = list(connector.pull(stream(STEPS, **ALONE), Window()))
        connector.close()
    assert [row for page in pages for row in page.rows.column("steps").to_pylist()] == read(*rows)


def test_the_order_is_the_one_that_zeep_reads() -> None:
    zeep = reader({"Parts?wsdl": WSDL.encode(), "Parts?xsd=parts.xsd": SCHEMA.encode()}, "ReadParts")
    row = "<Mill>1</Mill><Load>2</Load><Mill>3</Mill><Cut><Depth>4</Depth></Cut><Load>5</Load><Cut><Depth>6</Depth></Cut><Mill>7</Mill>"
    (theirs,) = zeep(reply(part("A", row)))["List"]["Part"]
    said = [next((name, value) for name, value in item.items() if value is not None) for item in theirs["_value_1"]]
    (mine,) = read(row)
    assert [(item["branch"], item["mill"]) for item in mine] == [(name, value if name == "Mill" else None) for name, value in said]
    assert [item["load"] for item in mine if item["load"]] == [value["_value_1"] for name, value in said if name == "Load"]


# --- the contract ------------------------------------------------------------------------------------------------------------------------


def test_an_offer_proposes_the_list_with_all_its_branches_in_the_place_of_one_for_each() -> None:
    (offer,) = Fake(reply(), documents={XSD_URL: SCHEMA}).connector().discover()
    found = {one.source: one for one in offer.schema.fields}
    assert not {"Mill", "Cut", "Load"} & found.keys()
    steps = found["$repeat"]
    assert [child.source for child in steps.children] == ["$branch", "Mill", "Cut", "Load", "Load@unit"]
    assert pa.types.is_list(steps.type) and steps.children[0].facets["options"] == ("Mill", "Cut", "Load")
    assert not any(child.required for child in steps.children)
    assert "Mill, Cut, Load repeat together: `$repeat` has them in their order, and `$branch` in it says which came" in offer.notes
    assert any("Wet, Dry of $repeat/Cut may stand in a row: `$repeat/Cut/$branch`" in note for note in offer.notes)


def test_a_contract_that_has_a_list_of_each_sees_no_drift_and_keeps_its_fingerprint() -> None:
    mills = Column("mills", "Mill", pa.list_(pa.string()))
    live = described(SCHEMA, mills)
    assert {"Mill", "Cut", "Load"} <= {one.source for one in live.fields} and "$repeat" not in {one.source for one in live.fields}
    assert drift(live, described(SCHEMA, mills)) == []


def test_a_branch_that_is_new_is_drift_by_name_and_so_is_a_group_that_repeats_no_more() -> None:
    before = described(SCHEMA, STEPS)
    assert drift(before, described(SCHEMA, STEPS)) == []
    after = described(SCHEMA.replace('<xs:element name="Load"', '<xs:element name="Drill" type="xs:int"/><xs:element name="Load"'), STEPS)
    found = drift(before, after)
    assert ("added", "$repeat.Drill", False) in found and ("options", "$repeat.$branch", False) in found
    assert not any(blocks for *_, blocks in found) and before.fingerprint != after.fingerprint
    once = described(SCHEMA.replace(GROUP, GROUP.replace('maxOccurs="unbounded"', "")), STEPS)
    assert any(path == "$repeat" and blocks for _, path, blocks in drift(before, once))


def test_a_branch_that_changes_its_type_is_drift_of_its_own_column() -> None:
    after = described(SCHEMA.replace('name="Mill" type="xs:string"', 'name="Mill" type="xs:int"'), STEPS)
    assert any(path == "$repeat.Mill" and blocks for _, path, blocks in drift(described(SCHEMA, STEPS), after))
