"""Elements that the contract does not know: each is told with its place and its count, by either way of decoding, and none is silent."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pyarrow as pa
import pytest
from soap_fake import EMPTY, SCHEMA, Fake, envelope, part, reply, stream
from soap_schemas import contract, with_parts

from connectors.errors import BrokenReply
from connectors.protocol import Column, Note, Window
from connectors.soap.decode import RawRow, decode
from connectors.soap.plan import compile_plan
from connectors.soap.raw import Block

STOCK = Column("stock", "Stock", pa.int32())
CITY = Column("city", "Place/City", pa.string())
PLACE = Column("place", "Place", pa.struct([("city", pa.string())]), children=(Column("city", "City", pa.string()),))
NESTED = "<New><Deep a='1'><Code>not ours</Code></Deep>text</New>"
#: A part with what the contract knows and no column reads.
UNWANTED = "<Price currency='JPY'>1</Price><Lines><Line><No>1</No><Text/></Line></Lines><Tag>a</Tag><Tag>b</Tag><Opens>10:00:00</Opens>"


def noted(content: bytes, *columns: Column, schema: str = SCHEMA, arrays: bool) -> tuple[set[tuple[str, str, int]], int]:
    """The notes of one reply, and how many of its rows arrays read."""
    found = contract(schema)
    plan = compile_plan(found, found.operations["ReadParts"], rows="List/Part", columns=(Column("code", "Code", pa.string()), *columns))
    by_arrays = 0

    def sink(block: Sequence[RawRow]) -> None:
        nonlocal by_arrays
        by_arrays += len(block) if isinstance(block, Block) else 0

    said = decode(io.BytesIO(content), plan, sink, arrays=arrays, head=700, chunk=900)
    return {(note.column, note.what, note.count) for note in said.notes.all()}, by_arrays


def many(inner: str) -> bytes:
    return reply(*(part(f"A{index}", inner) for index in range(60)))


@pytest.fixture(params=[False, True], ids=["by events", "by arrays"])
def arrays(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        (UNWANTED, set()),
        ("<Stok>3</Stok>", {("List/Part", "element.unknown Stok", 60)}),
        ("<Stok>3</Stok><Stok/><Stock>3</Stock>", {("List/Part", "element.unknown Stok", 120)}),
        (NESTED, {("List/Part", "element.unknown New", 60)}),
        ('<x:Stock xmlns:x="urn:else">3</x:Stock>', {("List/Part", "element.unknown {urn:else}Stock", 60)}),
        ("<Place><City>浜松</City><Citty/></Place>", {("List/Part/Place", "element.unknown Citty", 60)}),
        ("<Lines><Line><No>1</No><Quantity>2</Quantity></Line></Lines>", {("List/Part/Lines/Line", "element.unknown Quantity", 60)}),
        ("<Since>2026-11-01<Zone/></Since>", {("List/Part/Since", "element.unknown Zone", 60)}),
    ],
)
def test_an_element_that_the_contract_does_not_know_is_one_note_with_its_place_and_count(
    inner: str, said: set[tuple[str, str, int]], arrays: bool
) -> None:
    found, by_arrays = noted(many(inner), STOCK, CITY, arrays=arrays)
    assert found == said
    assert (by_arrays > 40) is arrays


def test_the_same_holds_inside_of_a_struct_that_is_read() -> None:
    found, _ = noted(many("<Place><City>浜松</City><Citty/></Place>"), PLACE, arrays=True)
    assert found == {("List/Part/Place", "element.unknown Citty", 60)}


def test_around_the_rows_it_is_told_too_and_headers_are_no_concern_of_the_contract() -> None:
    content = reply(part("A")).replace(b"<List>", b"<Took>7</Took><List><Page/>")
    content = content.replace(b"<e:Body>", b"<e:Header><Trace xmlns='urn:t'/></e:Header><e:Body>")
    found, _ = noted(content.replace(b"</e:Body>", b"</e:Body><e:Trailer/>"), arrays=True)
    assert found == {
        ("ReadParts_Result", "element.unknown Took", 1),
        ("List", "element.unknown Page", 1),
        ("Envelope", "element.unknown Trailer", 1),
    }


@pytest.mark.parametrize("inner", ["<Any><What><ever/></What></Any>", "<Loose><What/></Loose>"])
def test_what_the_contract_leaves_open_is_not_unknown(inner: str, arrays: bool) -> None:
    schema = with_parts(
        '<xs:element name="Any" type="p:Any" minOccurs="0"/><xs:element name="Loose" minOccurs="0"/>',
        '<xs:complexType name="Any"><xs:sequence><xs:element name="Id" type="xs:string" minOccurs="0"/>'
        '<xs:any processContents="lax"/></xs:sequence></xs:complexType>',
    )
    assert noted(many(inner), schema=schema, arrays=arrays)[0] == set()


def test_elements_of_derived_types_and_substitutes_are_known(arrays: bool) -> None:
    schema = with_parts(
        '<xs:element ref="p:Note" minOccurs="0"/>',
        '<xs:element name="Note" type="xs:string"/><xs:element name="Memo" type="xs:string" substitutionGroup="p:Note"/>'
        '<xs:complexType name="Fluid"><xs:complexContent><xs:extension base="p:Part"><xs:sequence>'
        '<xs:element name="Litres" type="xs:decimal"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>',
    )
    assert noted(many("<Memo>m</Memo><Litres>1</Litres><Liters/>"), schema=schema, arrays=arrays)[0] == {
        ("List/Part", "element.unknown Liters", 60)
    }


def test_a_recursive_type_is_known_as_deep_as_a_reply_goes(arrays: bool) -> None:
    schema = with_parts(
        '<xs:element name="Node" type="p:Node" minOccurs="0"/>',
        '<xs:complexType name="Node"><xs:sequence><xs:element name="Node" type="p:Node" minOccurs="0"/></xs:sequence></xs:complexType>',
    )
    deep = "<Node>" * 20 + "<Leaf/>" + "</Node>" * 20
    assert noted(many(deep), schema=schema, arrays=arrays)[0] == {("List/Part" + "/Node" * 20, "element.unknown Leaf", 60)}


def test_a_page_says_what_was_unknown_and_so_does_a_reply_without_rows() -> None:
    odd = reply(part("A", "<Stok>3</Stok>"))
    (page,) = Fake(odd).connector().pull(stream(paging={"kind": "none"}, arguments={"setSize": 0}), Window())
    assert Note("List/Part", "element.unknown Stok") in page.notes
    last = EMPTY.replace(b"<List>", b"<List><Parts/>")
    pages = list(Fake(reply(part("A")), last).connector().pull(stream(), Window()))
    assert [page.source_rows for page in pages] == [1, 0]
    assert pages[1].notes == (Note("List", "element.unknown Parts"),)


def pulled(content: bytes, **source: object) -> int:
    given = {"row_count": None, "paging": {"kind": "none"}, "arguments": {"setSize": 0}, **source}
    return sum(page.source_rows for page in Fake(content).connector().pull(stream(**given), Window()))


def test_a_row_element_that_has_another_name_now_is_no_empty_list() -> None:
    renamed = reply(part("A"), part("B")).replace(b"<Part>", b"<Item>").replace(b"</Part>", b"</Item>")
    with pytest.raises(BrokenReply, match=r"no row List/Part; .*\(Item\)") as caught:
        pulled(renamed)
    assert caught.value.code == "soap.rows_unknown"
    with pytest.raises(BrokenReply, match=r"\{urn:else\}Part"):
        pulled(reply(part("A")).replace(b"<Part>", b'<Part xmlns="urn:else">'))


def test_it_is_one_where_a_count_proves_it_and_where_rows_came_it_is_a_note() -> None:
    proven = EMPTY.replace(b"<List>", b"<List><Item/>")
    assert pulled(proven, row_count="RowCount") == 0
    assert pulled(reply(part("A"), "<Item/>")) == 1
    assert pulled(EMPTY) == 0
    with pytest.raises(BrokenReply):
        pulled(proven)


def test_names_without_measure_are_told_in_bounded_space() -> None:
    odd = "".join(f"<{'N' * 5000}{index}/>" for index in range(300))
    content = envelope(f'<ReadParts_Result xmlns="urn:parts"><List>{part("A", odd)}</List></ReadParts_Result>')
    found, _ = noted(content, arrays=True)
    assert sum(len(path) + len(what) for path, what, _ in found) < 100_000 and sum(count for _, _, count in found) == 300


def test_a_table_of_a_row_hands_the_notes_of_its_rows_on() -> None:
    number = Column("no", "Lines/Line/No", pa.int32(), required=True)
    given = {"table": "Lines/Line", "paging": {"kind": "none"}, "arguments": {"setSize": 0}}
    content = reply(part("A", "<Lines><Line><No>1</No><Quantity/></Line></Lines>"))
    (page,) = Fake(content).connector().pull(stream(number, key=("code", "no"), **given), Window())
    assert Note("List/Part/Lines/Line", "element.unknown Quantity") in page.notes
