"""Today's access rules over whatever an old release still holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.index.build import cut
from pipelines.index.documents import file_suffix
from pipelines.index.overlay import NewestAccess, Overlay, overlay_of
from pipelines.index.parse import Parser

from . import world
from .world import EVERYONE, NOW, QUALITY, SALES, SHAPE, record, rows, scopes, stream

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


def test_a_column_whose_readers_each_row_names_is_denied_by_what_the_row_says_today() -> None:
    mine, his = ({**record(1, "題", answer="文。", cost="98万円"), "_scope": f"all#buyer.user={one}"} for one in ("sato", "mori"))
    lists: dict[str, list[str] | None] = {"cost?buyer.user=sato": [SALES], "cost?buyer.user=mori": [QUALITY]}
    rights = {**lists, mine["_scope"]: [EVERYONE], his["_scope"]: [EVERYONE]}
    with Parser() as parser:
        common, part = cut([stream(mine, restricted={"cost": "cost?"}, **rights)], parser).chunks
    before, after = today(mine, restricted={"cost": "cost?"}, **rights), today(his, restricted={"cost": "cost?"}, **rights)
    seller = frozenset({EVERYONE, SALES})
    assert before.allows(part, seller) and before.allows(common, seller)
    assert after.denial(part, seller) == "field", "the row names somebody else by now"
    assert after.denial(common, seller) is None


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


# Attachments: the row lives on, one of its files does not.

OLD, NEW = "添付-旧", "添付-新"


def attached(table: pa.Table, *refs: str | None) -> pa.Table:
    """The table with one more column: which files each row names."""
    kind = pa.list_(pa.struct([("ref", pa.string()), ("name", pa.string())]))
    named = [[{"ref": ref, "name": ref}] if ref else [] for ref in refs]
    return table.append_column("files", pa.array(named, kind))


def listed(*files: tuple[str, str | None]) -> pa.Table:
    """The content table of row 1: reference and the bytes we hold of it."""
    digest = [None if held is None else hashlib.sha256(held.encode()).hexdigest() for _, held in files]
    return pa.table(
        {
            "key": ["1"] * len(files),
            "ref": [ref for ref, _ in files],
            "name": ["a.txt"] * len(files),
            "media_type": ["text/plain"] * len(files),
            "sha256": pa.array(digest, pa.string()),
            "status": ["ok"] * len(files),
        }
    )


def filed(refs: Sequence[str | None], content: pa.Table | None, column: str = "files") -> Overlay:
    table = attached(rows(record(1, "題")), *refs)
    return overlay_of([NewestAccess("kintone/faq", ("record_id",), table, scopes(all=[EVERYONE]), {}, content, column)], NOW)


def test_an_attachment_taken_off_its_row_is_denied_though_row_and_content_table_still_stand() -> None:
    made = stream(record(1, "題"))
    made = replace(
        made,
        shape=replace(SHAPE, files=True, refs="files"),
        rows=attached(made.rows, OLD),
        content=listed((OLD, "図面の社外秘。")),
        read_blob=lambda _: "図面の社外秘。".encode(),
    )
    with Parser() as parser:
        (file,) = [each for each in cut([made], parser).chunks if "#file:" in each.document]
    reader = frozenset({EVERYONE})
    assert filed([OLD], listed((OLD, "x"))).denial(file, reader) is None
    assert filed([None], listed((OLD, "x"))).denial(file, reader) == "deleted"
    assert filed([NEW], listed((OLD, "x"), (NEW, "y"))).denial(file, reader) == "deleted"


@pytest.mark.parametrize(
    ("content", "column"),
    [(None, "files"), (listed(), "files"), (listed((OLD, None)), "files"), (listed((OLD, "x")), ""), (listed((OLD, "x")), "elsewhere")],
    ids=["no content table", "not listed", "could not be fetched again", "the contract names no files now", "the column is gone"],
)
def test_an_attachment_nothing_current_stands_behind_is_denied(content: pa.Table | None, column: str) -> None:
    file = replace(world.chunk("1", "社外秘", [EVERYONE]), document="kintone/faq#1" + file_suffix(OLD))
    assert filed([OLD], content, column).denial(file, frozenset({EVERYONE})) == "deleted"


def test_a_record_whose_key_looks_like_a_file_is_a_record_all_the_same() -> None:
    odd = replace(world.chunk("1", "文", [EVERYONE]), document="kintone/faq#1#file:x", row="kintone/faq#1#file:x")
    overlay = replace(filed([None], None), live={"kintone/faq#1#file:x": "all"})
    assert overlay.denial(odd, frozenset({EVERYONE})) is None
