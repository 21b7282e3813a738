"""Today's access rules over whatever an old release still holds."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from pipelines.index.build import cut
from pipelines.index.overlay import NewestAccess, Overlay, overlay_of
from pipelines.index.parse import Parser

from .world import EVERYONE, NOW, QUALITY, SALES, record, rows, scopes, stream

PRINCIPALS = (EVERYONE, SALES, QUALITY)


def today(*records: Mapping[str, object], restricted: Mapping[str, str] | None = None, **principals: list[str] | None) -> Overlay:
    return overlay_of([NewestAccess("kintone/faq", ("record_id",), rows(*records), scopes(**principals), restricted or {})], NOW)


def test_a_deleted_row_is_denied_whatever_the_release_says() -> None:
    with Parser() as parser:
        (made,) = cut([stream(record(1, "題", answer="文。"))], parser).chunks
    assert today(record(1, "題"), all=[EVERYONE]).denial(made, frozenset({EVERYONE})) is None
    assert today(record(2, "題"), all=[EVERYONE]).denial(made, frozenset({EVERYONE})) == "deleted"


def test_a_row_that_moved_to_a_narrower_scope_is_denied_to_those_outside() -> None:
    with Parser() as parser:
        (made,) = cut([stream(record(1, "題", answer="文。"))], parser).chunks
    moved = today(record(1, "題", scope="closed"), all=[EVERYONE], closed=[SALES])
    assert moved.denial(made, frozenset({EVERYONE})) == "scope"
    assert moved.denial(made, frozenset({EVERYONE, SALES})) is None


def test_a_column_restricted_after_the_build_closes_the_text_it_stands_in() -> None:
    with Parser() as parser:
        (made,) = cut([stream(record(1, "題", answer="文。", cost="98万円"))], parser).chunks
        (other,) = cut([stream(record(1, "題", answer="文。"))], parser).chunks
    narrowed = today(record(1, "題"), restricted={"cost": "money"}, all=[EVERYONE], money=[SALES])
    assert narrowed.denial(made, frozenset({EVERYONE})) == "field"
    assert narrowed.denial(made, frozenset({EVERYONE, SALES})) is None
    assert narrowed.denial(other, frozenset({EVERYONE})) is None


def test_a_scope_that_cannot_be_resolved_any_more_is_open_to_nobody() -> None:
    with Parser() as parser:
        (made,) = cut([stream(record(1, "題", answer="文。"))], parser).chunks
    assert today(record(1, "題"), all=None).denial(made, frozenset(PRINCIPALS)) == "scope"


ACL = st.one_of(st.none(), st.lists(st.sampled_from(PRINCIPALS), max_size=3))


@given(
    before=ACL,
    now=ACL,
    field_before=ACL,
    field_now=ACL,
    guarded_before=st.booleans(),
    guarded_now=st.booleans(),
    deleted=st.booleans(),
    reader=st.frozensets(st.sampled_from(PRINCIPALS)),
)
def test_a_chunk_is_shown_exactly_when_build_and_today_both_let_the_reader(
    before: list[str] | None,
    now: list[str] | None,
    field_before: list[str] | None,
    field_now: list[str] | None,
    guarded_before: bool,
    guarded_now: bool,
    deleted: bool,
    reader: frozenset[str],
) -> None:
    row = record(1, "題", answer="文。", cost="98万円")
    with Parser() as parser:
        made = cut([stream(row, restricted={"cost": "money"} if guarded_before else {}, all=before, money=field_before)], parser).chunks
    overlay = today(*([] if deleted else [row]), restricted={"cost": "money"} if guarded_now else {}, all=now, money=field_now)
    for chunk in made:
        secret = "98万円" in chunk.text

        def lets(principals: list[str] | None) -> bool:
            return bool(reader & set(principals or ()))

        expected = not deleted and lets(before) and lets(now)
        if secret and guarded_before:
            expected = expected and lets(field_before)
        if secret and guarded_now:
            expected = expected and lets(field_now)
        assert overlay.allows(chunk, reader) is expected
