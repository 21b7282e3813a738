"""Drift by name: what changed between the contract and the live source, and what the contract says to do."""

from __future__ import annotations

import pyarrow as pa

from connectors.protocol import LiveField, Schema
from expectations.contract import Contract
from expectations.drift import compare

PROMISED = {
    "stream": "kintone/orders",
    "version": 1,
    "source": {"app_code": "ORDERS"},
    "key": ["order_no"],
    "fields": [
        {"name": "order_no", "source": "受注番号", "label": "受注番号", "type": "string", "required": True},
        {"name": "amount", "source": "金額", "label": "金額", "type": "decimal128(16, 4)"},
        {"name": "state", "source": "区分", "label": "区分", "type": "string", "options": ["新規", "継続"]},
        {
            "name": "lines",
            "source": "明細",
            "label": "明細",
            "type": "list",
            "fields": [{"name": "qty", "source": "数量", "type": "int64"}],
        },
    ],
}
LINES = pa.list_(pa.struct([("数量", pa.int64())]))


def live(*changed: LiveField, without: tuple[str, ...] = ()) -> Schema:
    fields = {
        "受注番号": LiveField("受注番号", "受注番号", pa.string(), "SINGLE_LINE_TEXT", required=True),
        "金額": LiveField("金額", "金額", pa.decimal128(16, 4), "NUMBER"),
        "区分": LiveField("区分", "区分", pa.string(), "DROP_DOWN", facets={"options": ("新規", "継続")}),
        "明細": LiveField("明細", "明細", LINES, "SUBTABLE", children=(LiveField("数量", "", pa.int64(), "NUMBER"),)),
    }
    fields |= {field.source: field for field in changed}
    return Schema(tuple(field for code, field in fields.items() if code not in without), "sha256:x", "7", {})


def changes(schema: Schema, **policy: str) -> list[tuple[str, str, str, str, bool]]:
    contract = Contract.model_validate({**PROMISED, "drift": policy})
    return [(c.kind, c.path, c.old, c.new, c.blocks) for c in compare(contract, schema).changes]


def test_a_source_that_keeps_its_promise_has_no_drift() -> None:
    assert changes(live()) == []


def test_a_new_field_is_reported_and_stops_nothing() -> None:
    assert changes(live(LiveField("備考", "備考", pa.string(), "MULTI_LINE_TEXT"))) == [("added", "備考", "", "string", False)]


def test_a_field_that_is_gone_stops_the_pull() -> None:
    assert changes(live(without=("金額",))) == [("removed", "金額", "金額", "", True)]


def test_a_field_renamed_keeps_its_label_and_is_asked_about_not_dropped() -> None:
    renamed = LiveField("金額_税込", "金額", pa.decimal128(16, 4), "NUMBER")
    assert changes(live(renamed, without=("金額",))) == [("renamed", "金額", "金額", "金額_税込", True)]


def test_two_candidates_for_a_rename_are_no_rename() -> None:
    twins = [LiveField(code, "金額", pa.decimal128(16, 4), "NUMBER") for code in ("甲", "乙")]
    assert [kind for kind, *_ in changes(live(*twins, without=("金額",)))] == ["removed", "added", "added"]


def test_more_digits_are_a_widening_and_fewer_a_change_of_type() -> None:
    assert changes(live(LiveField("金額", "金額", pa.decimal128(18, 4), "NUMBER")))[0][0] == "widened"
    assert changes(live(LiveField("金額", "金額", pa.decimal128(14, 2), "NUMBER")))[0][0] == "retyped"
    assert changes(live(LiveField("金額", "金額", pa.decimal128(16, 6), "NUMBER")))[0][0] == "retyped", "integer digits were lost"


def test_options_that_came_and_went_are_named() -> None:
    moved = LiveField("区分", "区分", pa.string(), "DROP_DOWN", facets={"options": ("新規", "解約")})
    assert changes(live(moved)) == [("options", "区分", "継続", "解約", False)]


def test_a_change_inside_a_sub_table_is_named_by_its_path() -> None:
    text = LiveField(
        "明細", "明細", pa.list_(pa.struct([("数量", pa.string())])), "SUBTABLE", children=(LiveField("数量", "", pa.string(), "TEXT"),)
    )
    assert ("retyped", "明細.数量", "int64", "string", True) in changes(live(text))


def test_the_contract_decides_what_a_kind_of_drift_does() -> None:
    assert changes(live(LiveField("備考", "備考", pa.string(), "TEXT")), added="stop")[0][-1] is True
    assert changes(live(without=("区分",)), removed="report")[0][-1] is False


def test_a_field_left_out_on_purpose_is_no_drift() -> None:
    contract = Contract.model_validate({**PROMISED, "exclude": ["社外秘"]})
    assert compare(contract, live(LiveField("社外秘", "社外秘", pa.string(), "TEXT"))).changes == ()
