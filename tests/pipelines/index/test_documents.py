"""Rows become documents; what fewer may read never stands in the common text."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import pipelines.index.documents as documents_module
from connectors.messages import catalogue
from pipelines.index.documents import BodyColumn, Document, DocumentShape, Skipped, documents
from pipelines.index.parse import Parser

from .office import docx
from .world import SHAPE, record, rows


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser() as made:
        yield made


def text(document: Document | Skipped) -> str:
    assert isinstance(document, Document)
    return "\n".join(block.text or "/".join("|".join(row) for row in block.rows) for block in document.blocks)


def made(parser: Parser, table: pa.Table, shape: DocumentShape = SHAPE, **more: Any) -> list[Document | Skipped]:
    return list(documents("kintone/faq", shape, table, parser, **more))


def test_a_record_becomes_one_document_with_labelled_values(parser: Parser) -> None:
    (found,) = made(parser, rows(record(7, "主軸が熱い", question="なぜ？", answer="油が足りない。")))
    assert isinstance(found, Document)
    assert (found.id, found.row, found.title, found.scope, found.narrow) == ("kintone/faq#7", "kintone/faq#7", "主軸が熱い", "all", "")
    assert text(found) == "質問: なぜ？\n回答: 油が足りない。"
    assert found.columns == ("title", "url", "question", "answer")


def test_a_restricted_field_becomes_its_own_part_and_leaves_the_common_text(parser: Parser) -> None:
    common, part = made(parser, rows(record(7, "見積", answer="来週出す。", cost="98万円")), restricted={"cost": "accounting"})
    assert isinstance(common, Document) and isinstance(part, Document)
    assert "98万円" not in text(common)
    assert (text(part), part.scope, part.narrow, part.row) == ("原価: 98万円", "all", "accounting", common.row)
    assert part.id != common.id


def test_a_restricted_title_or_address_stands_on_no_document(parser: Parser) -> None:
    found = made(parser, rows(record(7, "合併の件", answer="調整中。")), restricted={"title": "board", "url": "board"})
    assert [(item.title, item.url, item.narrow) for item in found if isinstance(item, Document)] == [("7", "", ""), ("7", "", "board")]
    assert "合併の件" not in text(found[0])
    assert "合併の件" in text(found[1])


def test_a_column_inside_a_restricted_sub_table_takes_the_whole_sub_table_along(parser: Parser) -> None:
    shape = replace(SHAPE, body=(BodyColumn("items", "明細", columns={"part": "品番", "price": "単価"}),))
    table = pa.Table.from_pylist(
        [{"record_id": 1, "title": "注文", "items": [{"part": "SX-1", "price": Decimal("1200.500")}], "_scope": "all"}]
    )
    common, part = made(parser, table, shape, restricted={"items.price": "accounting"})
    assert text(common) == ""
    assert text(part) == "明細:\n品番|単価/SX-1|1200.5"


def test_a_column_whose_readers_each_row_names_is_a_part_of_its_own_scope_in_each_row(parser: Parser) -> None:
    table = rows(
        {**record(1, "見積", answer="来週。", cost="98万円"), "_scope": "all#buyer.user=sato"},
        {**record(2, "見積", answer="来月。", cost="12万円"), "_scope": "all#buyer.user=mori"},
    )
    found = [one for one in made(parser, table, restricted={"cost": "cost?"}) if isinstance(one, Document)]
    assert [(one.row[-1], one.narrow) for one in found] == [
        ("1", ""),
        ("1", "cost?buyer.user=sato"),
        ("2", ""),
        ("2", "cost?buyer.user=mori"),
    ]


def test_a_row_without_a_scope_is_in_the_scope_of_nobody(parser: Parser) -> None:
    (found,) = made(parser, rows({**record(1, "題", answer="文。"), "_scope": None}))
    assert isinstance(found, Document) and found.scope == "unresolved"


def test_html_columns_are_read_as_text_and_instants_in_the_projects_zone(parser: Parser) -> None:
    shape = DocumentShape(
        key=("a", "b"), title="title", body=(BodyColumn("body", "本文", html=True), BodyColumn("at", "更新"), BodyColumn("ok", "可否"))
    )
    table = pa.Table.from_pylist(
        [
            {
                "a": "x",
                "b": 2,
                "title": "題",
                "body": "<div>一行目</div><ul><li>項目</li></ul><script>alert(1)</script>",
                "at": datetime(2026, 11, 1, 20, tzinfo=UTC),
                "ok": True,
                "_scope": "all",
            }
        ]
    )
    (found,) = made(parser, table, shape)
    assert isinstance(found, Document) and found.id == 'kintone/faq#["x",2]'
    assert text(found) == "本文: 一行目\n項目\n更新: 2026-11-02 05:00\n可否: はい"


ITEMS = DocumentShape(
    key=("code",),
    title="code",
    template="品番 {code}({spec})は単価 {price} 円。\n仕入先は {supplier}。\n原価は {cost} 円。",
    body=(BodyColumn("weight", "重さ", unit="kg"), BodyColumn("note", "備考", unit="kg")),
)


def item(**values: Any) -> pa.Table:
    row = {"code": "SX-1", "spec": "M8", "price": Decimal("1200.00"), "supplier": None, "cost": Decimal(800), "weight": 1.5, "note": "軽い"}
    return pa.Table.from_pylist([{**row, **values, "_scope": "all"}])


def test_a_row_of_an_erp_is_told_by_its_template_and_numbers_keep_their_units(parser: Parser) -> None:
    (found,) = made(parser, item(supplier="甲商店"), ITEMS)
    assert text(found) == "品番 SX-1(M8)は単価 1200 円。\n仕入先は 甲商店。\n原価は 800 円。\n重さ: 1.5 kg\n備考: 軽い"
    assert isinstance(found, Document) and {"code", "spec", "price", "supplier", "cost", "weight", "note"} == set(found.columns)


def test_a_line_of_which_nothing_is_known_is_left_out(parser: Parser) -> None:
    (found,) = made(parser, item(cost=None), ITEMS)
    assert "仕入先" not in text(found)
    assert "原価" not in text(found)


def test_a_line_with_a_restricted_column_is_for_those_who_may_read_it(parser: Parser) -> None:
    common, part = made(parser, item(), ITEMS, restricted={"cost": "accounting"})
    assert "800" not in text(common)
    assert (text(part), isinstance(part, Document) and part.narrow) == ("原価は 800 円。", "accounting")


def test_a_line_that_two_narrower_scopes_guard_is_for_nobody(parser: Parser) -> None:
    found = [one for one in made(parser, item(), ITEMS, restricted={"spec": "a", "price": "b"}) if isinstance(one, Document)]
    assert [one.narrow for one in found if "単価" in text(one)] == ["unresolved"]


def test_what_a_file_leaves_out_by_rule_is_said_beside_its_document(parser: Parser) -> None:
    from openpyxl import Workbook

    book = Workbook()
    book.active.append(["甲", "乙"])  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
    book.create_sheet("裏").sheet_state = "hidden"
    book["裏"].append(["秘密"])
    buffer = io.BytesIO()
    book.save(buffer)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    table = pa.Table.from_pylist([{"id": 0, "name": "題", "ref": "r", "_scope": "all"}])
    listed = content({"key": "0", "ref": "r", "name": "a.xlsx", "sha256": digest})
    document, left = made(parser, table, FILES, content=listed, read_blob={digest: buffer.getvalue()}.__getitem__)
    assert isinstance(document, Document) and isinstance(left, Skipped)
    assert (left.document, left.code, left.detail) == (document.id, "hidden_sheet", "裏")


FILES = DocumentShape(key=("id",), title="name", files=True, refs="ref", kind="file")


def content(*files: dict[str, Any]) -> pa.Table:
    names = ("key", "ref", "name", "media_type", "sha256", "status")
    schema = pa.schema([(name, pa.string()) for name in names])
    return pa.Table.from_pylist([{"media_type": "", "status": "ok", **file} for file in files], schema=schema)


def test_a_file_of_a_library_is_a_document_and_one_that_fails_is_a_reason(parser: Parser) -> None:
    file = docx(title="据付", sections=[("節", "水平を確かめる。")])
    blobs = {hashlib.sha256(data).hexdigest(): data for data in (file, b"broken")}
    good, bad = blobs
    table = pa.Table.from_pylist(
        [{"id": n, "name": name, "ref": f"r{n}", "_scope": "all"} for n, name in enumerate(["据付.docx", "壊.docx", "大.pdf"])]
    )
    listed = content(
        {"key": "0", "ref": "r0", "name": "据付.docx", "sha256": good},
        {"key": "1", "ref": "r1", "name": "壊.docx", "sha256": bad},
        {"key": "2", "ref": "r2", "name": "大.pdf", "sha256": None, "status": "too_large"},
        {"key": "9", "ref": "r9", "name": "消えた.docx", "sha256": good},
    )
    found = made(parser, table, FILES, content=listed, read_blob=blobs.__getitem__)
    assert [item.title if isinstance(item, Document) else (item.name, item.code) for item in found] == [
        "据付.docx",
        ("壊.docx", "damaged"),
        ("大.pdf", "not_fetched"),
    ]
    assert "水平を確かめる。" in text(found[0])


def test_an_attachment_that_was_replaced_is_not_read_again(parser: Parser) -> None:
    digest = hashlib.sha256(b"new").hexdigest()
    table = pa.Table.from_pylist([{"id": 0, "name": "題", "ref": "new", "_scope": "all"}])
    listed = content(
        {"key": "0", "ref": "old", "name": "旧.txt", "sha256": "gone"}, {"key": "0", "ref": "new", "name": "新.txt", "sha256": digest}
    )
    assert [text(item) for item in made(parser, table, FILES, content=listed, read_blob={digest: b"new"}.__getitem__)] == ["new"]


def test_bytes_that_do_not_match_their_hash_are_not_indexed(parser: Parser) -> None:
    table = pa.Table.from_pylist([{"id": 0, "name": "題", "ref": "r", "_scope": "all"}])
    listed = content({"key": "0", "ref": "r", "name": "a.txt", "sha256": hashlib.sha256(b"a").hexdigest()})
    (found,) = made(parser, table, FILES, content=listed, read_blob=lambda _: b"b")
    assert isinstance(found, Skipped) and found.code == "blob_damaged"


def test_every_reason_for_leaving_a_file_out_has_a_sentence_in_both_languages() -> None:
    folder = Path(documents_module.__file__).parent
    modules = [folder / name for name in ("formats.py", "parse.py", "parse_worker.py", "documents.py")] + list(
        (folder / "readers").glob("*.py")
    )
    source = "".join(module.read_text(encoding="utf-8") for module in modules)
    codes = set(re.findall(r'(?:Unreadable|Unparsed|Left)\("(\w+)"|"code": "(\w+)"|name, "(\w+)", ', source))
    found = {code for group in codes for code in group if code}
    assert {"damaged", "too_big", "too_slow", "not_fetched", "hidden_sheet"} <= found
    assert [code for code in sorted(found) if set(catalogue().get(f"index.unparsed.{code}", {})) != {"ja", "en"}] == []
