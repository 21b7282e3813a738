"""Choices: a row makes one branch where one may be, whether or not a column reads it, and a column can say which."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from soap_fake import CODE, WSDL_URL, Fake, part, reply, stream
from soap_schemas import XSD_URL, contract, described, drift, typed, with_parts
from test_soap_references import ENCODED, PLAIN, rpc

from connectors.errors import ContractBroken
from connectors.protocol import Column, Stream, Window
from connectors.soap.components import Choice, ComplexType

MILL = '<xs:element name="Mill" type="xs:string"/>'
LATHE = '<xs:element name="Lathe" type="xs:string"/>'
PAIR = '<xs:sequence><xs:element name="Saw" type="xs:string"/><xs:element name="Blade" type="xs:string" minOccurs="0"/></xs:sequence>'
MUST = with_parts(f"<xs:choice>{MILL}{LATHE}{PAIR}</xs:choice>")
MAY = with_parts(f'<xs:choice minOccurs="0">{MILL}{LATHE}{PAIR}</xs:choice>')
BRANCH = Column("branch", "$branch", pa.string())
COLUMNS = (Column("mill", "Mill", pa.string()), Column("blade", "Blade", pa.string()))


@pytest.fixture(params=[False, True], ids=["by events", "by arrays"])
def arrays(request: pytest.FixtureRequest) -> bool:
    return request.param


def made(schema: str, *rows: str, columns: tuple[Column, ...] = (*COLUMNS, BRANCH), arrays: bool) -> tuple[list[Any], list[Any]]:
    """The last column of the rows that stand, and of the others key, column and code."""
    good, rejects = typed(schema, columns, *rows, arrays=arrays)
    return [row[columns[-1].name] for row in good], [(one.key, one.column, one.reason.partition(" ")[0]) for one in rejects]


def test_a_row_says_which_branch_it_made_whether_the_branch_is_read_or_not(arrays: bool) -> None:
    rows = ("<Mill>m</Mill>", "<Lathe/>", "<Saw>s</Saw><Blade>b</Blade>", "<Saw>s</Saw>", '<Mill xsi:nil="false">m</Mill>')
    assert made(MAY, *rows, arrays=arrays) == (["Mill", "Lathe", "Saw", "Saw", "Mill"], [])
    assert made(MAY, "", "<Mill/>", arrays=arrays) == ([None, "Mill"], [])


@pytest.mark.parametrize("columns", [(*COLUMNS, BRANCH), COLUMNS, (Column("stock", "Stock", pa.int32()),)], ids=["all", "two", "none"])
def test_two_branches_hold_the_row_and_so_does_none_where_one_is_wanted(columns: tuple[Column, ...], arrays: bool) -> None:
    rows = ("<Mill>m</Mill>", "<Mill>m</Mill><Lathe>l</Lathe>", "", "<Lathe>l</Lathe><Blade>b</Blade>", "<Lathe>l</Lathe>")
    good, held = made(MUST, *rows, columns=columns, arrays=arrays)
    assert len(good) == 2
    assert held == [
        ("A1", "$branch", "choice.several"),
        ("A2", "$branch", "choice.none"),
        ("A3", "$branch", "choice.several"),
    ]
    _, rejects = typed(MUST, columns, *rows, arrays=arrays)
    told = {one.key: one.reason for one in rejects}
    assert "ReadParts List/Part[3]/$branch = 'Mill, Lathe'" in told["A1"] and told["A2"].endswith("'Mill, Lathe, Saw'")


def test_a_branch_that_comes_again_is_one_branch(arrays: bool) -> None:
    often = MILL.replace("/>", ' maxOccurs="9"/>')
    schema = with_parts(f"<xs:choice>{often}{LATHE}</xs:choice>")
    assert made(schema, "<Mill>1</Mill><Mill>2</Mill>", "<Lathe/><Mill/>", columns=(BRANCH,), arrays=arrays) == (
        ["Mill"],
        [("A1", "$branch", "choice.several")],
    )


def test_what_the_schema_lets_be_empty_or_repeat_is_held_to_nothing(arrays: bool) -> None:
    for wanted in (
        f'<xs:choice minOccurs="0">{MILL}{LATHE}</xs:choice>',
        f'<xs:choice>{MILL}<xs:element name="Lathe" type="xs:string" minOccurs="0"/></xs:choice>',
        f"<xs:choice>{MILL}<xs:any/></xs:choice>",
        f'<xs:sequence minOccurs="0"><xs:choice>{MILL}{LATHE}</xs:choice></xs:sequence>',
    ):
        assert made(with_parts(wanted), "", "<Mill/>", columns=COLUMNS[:1], arrays=arrays)[1] == []
    for many in (
        f'<xs:choice maxOccurs="unbounded">{MILL}{LATHE}</xs:choice>',
        f'<xs:sequence maxOccurs="2"><xs:choice>{MILL}{LATHE}</xs:choice></xs:sequence>',
    ):
        column = Column("mill", "Mill", pa.list_(pa.string()))
        assert made(with_parts(many), "<Mill>1</Mill><Lathe/><Mill>2</Mill>", columns=(column,), arrays=arrays) == ([["1", "2"]], [])


def test_an_element_that_may_stand_outside_of_its_choice_too_says_nothing_of_it(arrays: bool) -> None:
    perhaps = MILL.replace("/>", ' minOccurs="0"/>')
    schema = with_parts(f'<xs:choice minOccurs="0">{MILL}{LATHE}</xs:choice>{perhaps}')
    assert made(schema, "<Lathe/><Mill/>", columns=COLUMNS[:1], arrays=arrays)[1] == []


BELOW = with_parts(
    '<xs:element name="Machine" type="p:Machine" minOccurs="0" nillable="true"/><xs:element name="Fleet" type="p:Machine" minOccurs="0" maxOccurs="9"/>',
    f'<xs:complexType name="Machine"><xs:sequence><xs:choice>{MILL}{LATHE}</xs:choice><xs:element name="Age" type="xs:int" minOccurs="0"/>'
    '<xs:choice minOccurs="0"><xs:element name="Own" type="xs:string"/><xs:element name="Rent" type="xs:string"/></xs:choice>'
    "</xs:sequence></xs:complexType>",
)


def test_a_choice_inside_of_an_element_is_looked_at_where_the_element_is_there(arrays: bool) -> None:
    columns = (Column("age", "Machine/Age", pa.int32()), Column("own", "Machine/$branch:Own", pa.string()))
    rows = (
        "<Machine><Mill/><Age>3</Age><Rent/></Machine>",
        "",
        '<Machine xsi:nil="true"/>',
        "<Machine><Age>3</Age></Machine>",
        "<Machine><Mill/><Lathe/></Machine>",
        "<Machine><Mill/><Own/><Rent/></Machine>",
    )
    assert made(BELOW, *rows, columns=columns, arrays=arrays) == (
        ["Rent", None, None],
        [
            ("A3", "Machine/$branch:Mill", "choice.none"),
            ("A4", "Machine/$branch:Mill", "choice.several"),
            ("A5", "Machine/$branch:Own", "choice.several"),
        ],
    )


def test_the_items_of_a_list_make_their_own_choices() -> None:
    inner = (Column("branch", "$branch:Mill", pa.string()), Column("age", "Age", pa.int32()))
    fleet = Column("fleet", "Fleet", pa.list_(pa.struct([("branch", pa.string()), ("age", pa.int32())])), children=inner)
    rows = ("<Fleet><Mill/></Fleet><Fleet><Lathe/><Age>1</Age></Fleet>", "<Fleet><Mill/></Fleet><Fleet/>")
    good, rejects = typed(BELOW, (fleet,), *rows, arrays=True)
    assert good == [{"fleet": [{"branch": "Mill", "age": None}, {"branch": "Lathe", "age": 1}]}]
    assert [(one.key, one.column) for one in rejects] == [("A1", "fleet")]
    assert "choice.none" in rejects[0].reason and "List/Part[3]/Fleet[2]/$branch:Mill" in rejects[0].reason


def test_of_several_choices_each_has_its_name_and_one_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ContractBroken, match=r"\$branch:Mill, \$branch:Own"):
        made(BELOW, "", columns=(Column("x", "Machine/$branch", pa.string()),), arrays=True)
    with pytest.raises(ContractBroken):
        made(MAY, "", columns=(Column("x", "Place/$branch", pa.string()),), arrays=True)


def test_a_branch_that_is_new_is_drift_of_the_column_that_says_it() -> None:
    before = described(MAY, BRANCH)
    live = next(one for one in before.fields if one.source == "$branch")
    assert live.type == pa.string() and live.facets["options"] == ("Mill", "Lathe", "Saw")
    after = described(MAY.replace(LATHE, LATHE + '<xs:element name="Drill" type="xs:string"/>'), BRANCH)
    assert ("options", "$branch", False) in drift(before, after)
    assert before.fingerprint != after.fingerprint
    assert drift(before, described(MAY, BRANCH)) == []


def test_the_contract_keeps_what_a_choice_asks_for() -> None:
    def choices(schema: str) -> tuple[Choice, ...]:
        kind = contract(schema).types["{urn:parts}Part"]
        assert isinstance(kind, ComplexType)
        return kind.choices

    mill, lathe, saw, blade = (f"{{urn:parts}}{name}" for name in ("Mill", "Lathe", "Saw", "Blade"))
    assert choices(MUST) == (Choice("Mill", ((mill,), (lathe,), (saw, blade)), required=True, repeated=False),)
    assert choices(MAY) == (Choice("Mill", ((mill,), (lathe,), (saw, blade)), required=False, repeated=False),)
    nested = with_parts(f"<xs:choice>{MILL}<xs:sequence><xs:choice>{LATHE}{PAIR}</xs:choice></xs:sequence></xs:choice>")
    assert choices(nested) == (
        Choice("Mill", ((mill,), (lathe, saw, blade)), required=True, repeated=False),
        Choice("Lathe", ((lathe,), (saw, blade)), required=False, repeated=False),
    )


def test_an_offer_says_what_its_choices_are_and_which_list_has_repeated_ones_in_their_order() -> None:
    schema = with_parts(
        f'<xs:choice>{MILL}{LATHE}</xs:choice><xs:choice maxOccurs="unbounded"><xs:element name="Own" type="xs:string"/>'
        '<xs:element name="Rent" type="xs:string"/></xs:choice>'
    )
    (offer,) = Fake(reply(), documents={XSD_URL: schema}).connector().discover()
    assert "only one of Mill, Lathe may stand in a row: `$branch` as a column says which" in offer.notes
    assert "Own, Rent repeat together: `$repeat` has them in their order, and `$branch` in it says which came" in offer.notes
    alone = schema.replace(
        '</xs:choice><xs:element name="Opens"', '</xs:choice><xs:element name="Own" type="xs:string"/><xs:element name="Opens"'
    )
    (offer,) = Fake(reply(), documents={XSD_URL: alone}).connector().discover()
    assert "Own, Rent repeat together: each becomes a list of its own, and the order between them is lost" in offer.notes


def test_what_is_encoded_makes_no_choices_and_has_no_column_that_says_which() -> None:
    schema = with_parts(f"<xs:choice>{MILL}{LATHE}</xs:choice>", "", PLAIN)
    content = rpc("<Part><Key>k</Key><Code>A</Code><Mill/><Lathe/></Part>").encode()
    source = {"operation": "ReadParts", "rows": "parts/Part", "arguments": {"ask": {"Field": "Code", "Criteria": "A"}}}

    def rows(*columns: Column) -> int:
        fake = Fake(content, documents={WSDL_URL: ENCODED, XSD_URL: schema})
        (page,) = fake.connector().pull(Stream("erp", "parts", source, ("code",), (CODE, *columns)), Window())
        return page.rows.num_rows

    assert rows(*COLUMNS[:1]) == 1
    with pytest.raises(ContractBroken):
        rows(BRANCH)


def test_a_pull_holds_such_rows_and_gives_the_others() -> None:
    given: dict[str, Any] = {"paging": {"kind": "none"}, "arguments": {"setSize": 0}}
    content = reply(part("A", "<Mill/>"), part("B", "<Mill/><Lathe/>"))
    (page,) = Fake(content, documents={XSD_URL: MUST}).connector().pull(stream(BRANCH, **given), Window())
    assert page.rows.column("branch").to_pylist() == ["Mill"] and [one.key for one in page.rejects] == ["B"]
