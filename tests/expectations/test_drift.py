"""Drift by name: what changed between the contract and the live source, and what the contract says to do."""

from __future__ import annotations

import json

import pyarrow as pa

from connectors.protocol import LiveField, Schema
from expectations.contract import Contract
from expectations.drift import ahead, compare, emptied
from expectations.facts import Facts, facts_of

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


def test_an_option_that_went_while_another_came_in_its_place_was_renamed() -> None:
    moved = LiveField("区分", "区分", pa.string(), "DROP_DOWN", facets={"options": ("新規", "解約")})
    assert changes(live(moved)) == [("option_renamed", "区分", "継続", "解約", False)]


def test_options_that_came_and_went_elsewhere_are_named() -> None:
    moved = LiveField("区分", "区分", pa.string(), "DROP_DOWN", facets={"options": ("継続", "解約")})
    assert changes(live(moved)) == [("options", "区分", "新規", "解約", False)]


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


def schema(*fields: LiveField, revision: str = "1", **identity: str) -> Schema:
    return Schema(fields, "sha256:x", revision, identity)


def since(before: Schema, now: Schema, *promised: dict[str, object]) -> list[tuple[str, str, str, bool]]:
    contract = Contract.model_validate({**PROMISED, "key": ["a"], "cursor": None, "expectations": [], "fields": list(promised)})
    return [(one.kind, one.path, one.new, one.reload) for one in compare(contract, now, facts_of(before)).changes]


A: dict[str, object] = {"name": "a", "source": "a", "label": "甲", "type": "string"}


def test_the_sources_own_id_of_a_field_outweighs_label_and_place() -> None:
    before = schema(LiveField("a", "甲", pa.string(), "Text", id="1"))
    now = schema(LiveField("b", "乙", pa.string(), "Text", id="1"), LiveField("c", "甲", pa.string(), "Text", id="2"))
    assert since(before, now, A) == [("renamed", "a", "b", False), ("added", "c", "string", False)]


def test_another_field_under_the_same_code_is_replaced_and_everything_is_read_again() -> None:
    before = schema(LiveField("a", "甲", pa.string(), "Text", id="1"))
    now = schema(LiveField("a", "甲", pa.string(), "Text", id="2"))
    assert since(before, now, A) == [("replaced", "a", "Text (string)", True)]


def test_a_type_accepted_already_moves_nothing_and_one_that_moved_since_reads_everything() -> None:
    wide = {**A, "type": "int32"}
    narrow, broad = (schema(LiveField("a", "甲", kind, "Int")) for kind in (pa.int32(), pa.int64()))
    assert since(narrow, broad, wide) == [("widened", "a", "int64", True)]
    assert since(broad, broad, wide) == [("widened", "a", "int64", False)]
    assert since(narrow, broad, {**A, "type": "int64"}) == []


def test_options_a_contract_does_not_list_are_still_compared_with_what_was_there() -> None:
    before, now = (schema(LiveField("a", "甲", pa.string(), "Choice", facets={"options": names})) for names in (("x", "y"), ("x", "z")))
    assert since(before, now, A) == [("option_renamed", "a", "z", True)]


def test_an_option_rename_not_yet_accepted_is_told_again_and_read_once() -> None:
    now = schema(LiveField("a", "甲", pa.string(), "Choice", facets={"options": ("x", "z")}))
    assert since(now, now, {**A, "options": ["x", "y"]}) == [("option_renamed", "a", "z", False)]


def test_what_is_prepared_and_not_in_force_is_only_what_is_not_there_today() -> None:
    contract = Contract.model_validate({**PROMISED, "key": ["a"], "cursor": None, "expectations": [], "fields": [A]})
    today = schema(LiveField("a", "甲", pa.string(), "Text"), LiveField("b", "乙", pa.string(), "Text"))
    coming = schema(LiveField("a", "丙", pa.string(), "Text"), LiveField("b", "乙", pa.string(), "Text"), revision="2")
    assert [one.kind for one in ahead(contract, today, coming).changes] == ["label"]
    assert ahead(contract, today, today, live_rights="x", coming_rights="y").changes[0].kind == "rights"
    assert ahead(contract, today, today, live_rights="", coming_rights="y").changes == ()


def test_facts_survive_json_and_keep_what_was_not_told_again() -> None:
    before = facts_of(schema(LiveField("a", "甲", pa.string(), "Status", facets={"states": ("x",), "unique": True}), system="1"))
    again = Facts.read(json.loads(json.dumps(before.stored())))
    assert again == before
    silent = schema(LiveField("a", "甲", pa.string(), "Status", facets={"unique": True}), system="1")
    assert facts_of(silent, again) == before
    assert "states" not in facts_of(schema(LiveField("a", "甲", pa.string(), "Status"), revision="2"), again).fields["a"].facets


def test_a_field_that_was_mostly_empty_before_is_not_said_to_have_lost_its_values() -> None:
    contract = Contract.model_validate({**PROMISED, "key": ["a"], "cursor": None, "expectations": [], "fields": [A]})
    assert emptied(contract, {"a": 0.8}, {"a": 1.0}) == ()
    assert emptied(contract, {}, {"a": 1.0}) == ()
    assert [one.kind for one in emptied(contract, {"a": 0.5}, {"a": 0.995})] == ["emptied"]
