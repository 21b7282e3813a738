"""Where a pull ends: never before rows that the source still promises, and never in a circle."""

from __future__ import annotations

from typing import Any

import pytest
from soap_fake import Fake, envelope, part, stream

from connectors.errors import BrokenReply
from connectors.protocol import Window

TOKEN: dict[str, Any] = {"kind": "token", "request": "bookmarkKey", "from": "ResultMessage"}
PAGE: dict[str, Any] = {"kind": "page", "request": "bookmarkKey"}
LAST: dict[str, Any] = {"kind": "last_id", "request": "bookmarkKey", "from": "Key"}
DONE = {"rule": "flag", "path": "ResultCode", "value": "true"}


def page(*codes: str, said: str = "OK", message: str = "") -> bytes:
    told = f"<ResultMessage>{message}</ResultMessage>" if message else ""
    rows = "".join(map(part, codes))
    return envelope(
        f'<ReadParts_Result xmlns="urn:parts"><ResultCode>{said}</ResultCode>{told}<RowCount>{len(codes)}</RowCount><List>{rows}</List></ReadParts_Result>'
    )


def pulled(paging: dict[str, Any], *answers: bytes, **source: Any) -> tuple[list[str], int]:
    fake = Fake(*answers)
    told: dict[str, Any] = {"paging": {"page": 2, "size": "setSize", **paging}, "ok": None, "message": None, **source}
    if paging["kind"] == "none":
        told |= {"paging": paging, "arguments": {"setSize": 2}}
    pages = fake.connector().pull(stream(**told), Window())
    codes = [code for one in pages for code in one.rows.column("code").to_pylist()]
    return codes, len(fake.asked)


@pytest.mark.parametrize(
    ("paging", "answers"),
    [
        ({**TOKEN, "end": DONE}, [page("A", "B", said="false")]),
        ({**TOKEN, "end": DONE}, [page("A", "B", said="false", message="t"), page(said="false")]),
        ({**PAGE, "end": {"rule": "pages", "path": "ResultMessage"}}, [page("A", "B", message="3"), page(message="3")]),
        ({**PAGE, "end": {"rule": "total", "path": "ResultMessage"}}, [page("A", "B", message="5"), page(message="5")]),
        ({**LAST, "end": DONE}, [page("A", "B", said="false"), page(said="false")]),
        ({"kind": "none", "end": DONE}, [page("A", "B", said="false")]),
    ],
)
def test_an_end_where_the_source_says_that_more_follows_is_an_error(paging: dict[str, Any], answers: list[bytes]) -> None:
    with pytest.raises(BrokenReply) as caught:
        pulled(paging, *answers)
    assert caught.value.code == "soap.ended_early"


def test_a_token_on_an_empty_page_is_followed() -> None:
    answers = page("A", message="t1"), page(message="t2"), page(message="t3"), page("B")
    assert pulled(TOKEN, *answers) == (["A", "B"], 4)
    flagged = page("A", said="false", message="t1"), page(said="false", message="t2"), page("B", said="true", message="t3")
    assert pulled({**TOKEN, "end": DONE}, *flagged) == (["A", "B"], 3)


def test_empty_pages_with_ever_new_tokens_come_to_an_end() -> None:
    codes, asked = pulled(TOKEN, page("A", message="t"), *(page(message=f"t{n}") for n in range(100)))
    assert codes == ["A"] and asked < 20
    with pytest.raises(BrokenReply, match="more rows follow"):
        pulled({**TOKEN, "end": DONE}, *(page(said="false", message=f"t{n}") for n in range(100)))


def test_an_empty_page_with_the_token_of_before_is_the_end() -> None:
    assert pulled(TOKEN, page("A", message="t"), page(message="t")) == (["A"], 2)


@pytest.mark.parametrize(("said", "asked"), [("1", 1), ("true", 1), ("0", 2), ("", 2)])
def test_a_flag_is_a_boolean_however_it_is_written(said: str, asked: int) -> None:
    paging = {**LAST, "end": DONE}
    assert pulled(paging, page("A", "B", said=said), page(said="1" if said else "")) == (["A", "B"], asked)


@pytest.mark.parametrize("circle", [[("A", "B"), ("C", "D")], [("A", "B"), ("B", "A")], [("A", "B"), ("C", "D"), ("E", "F")]])
@pytest.mark.parametrize("kind", ["page", "offset"])
def test_pages_that_come_in_a_circle_end_in_an_error(kind: str, circle: list[tuple[str, ...]]) -> None:
    with pytest.raises(BrokenReply) as caught:
        pulled({**PAGE, "kind": kind}, *(page(*codes) for codes in circle * 20))
    assert caught.value.code == "soap.page_repeated"


def test_more_rows_than_the_source_says_there_are_end_in_an_error_at_once() -> None:
    answers = [page(f"A{n}", f"B{n}", message="5") for n in range(50)]
    fake = Fake(*answers)
    told = stream(paging={"page": 2, "size": "setSize", **PAGE}, message=None, total="ResultMessage")
    with pytest.raises(BrokenReply) as caught:
        list(fake.connector().pull(told, Window()))
    assert caught.value.code == "soap.total_differs" and len(fake.asked) == 3


@pytest.mark.parametrize(
    ("now", "rest"),
    [("ABCDEFG", "DEFG"), ("ACDEFG", "ACDEFG"), ("ABXCDEFG", "ABXCDEFG"), ("ABCDEF", "ABCDEF"), ("ABCEFG", "EFG"), ("ABCDXEFG", "DXEFG")],
)
def test_a_part_of_a_page_is_left_out_only_where_the_rows_before_its_end_are_still_the_same(
    monkeypatch: pytest.MonkeyPatch, now: str, rest: str
) -> None:
    """A row that went from the source meanwhile moves those behind it: counted alone, one of them would never be read."""
    monkeypatch.setattr("connectors.soap.events.BLOCK", 1)
    monkeypatch.setattr("connectors.soap.staging.PART", 3)
    whole = stream(paging={"kind": "none"}, arguments={"setSize": 1}, ok=None, message=None)
    first = next(iter(Fake(page(*"ABCDEFG")).connector().pull(whole, Window())))
    assert first.rows.column("code").to_pylist() == ["A", "B", "C"] and "k-C" not in repr(first.cursor.state)
    pages = Fake(page(*now)).connector().pull(whole, Window(), first.cursor)
    assert "".join(code for one in pages for code in one.rows.column("code").to_pylist()) == rest
