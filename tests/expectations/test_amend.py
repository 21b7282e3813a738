"""Drift written into a contract's file: what stands in it is what the source says, and what a person wrote there stays."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from connectors.protocol import LiveField, Schema
from expectations.amend import amend, signed
from expectations.contract import Contract
from expectations.drift import compare
from expectations.reading import parse_contract

PATH = Path("orders.yaml")
TEXT = """\
# Who sells what: see the wiki of the sales department.
stream: kintone/orders
version: 3
source:
  app_code: ORDERS
  app_id: 12  # moved in spring
  fingerprint: sha256:old
  revision: 7
key: [order_no]
fields:
  - {name: order_no, source: 受注番号, label: 受注番号, type: string, required: true}
  # without tax
  - {name: amount, source: 金額, label: 金額, type: 'decimal128(16, 4)', unit: JPY}
  - {name: state, source: 区分, label: 区分, type: string, options: [新規, 継続]}
  - name: lines
    source: 明細
    type: list
    fields:
      - {name: qty, source: 数量, type: int32}  # pieces
expectations:
  - {expect: expect_column_values_to_be_in_set, column: state, severity: critical, value_set: [新規, 継続]}
  - {expect: expect_column_values_to_not_be_null, column: amount, severity: warning}
accepted: {by: akari.mori@sakura-seiki.example, at: '2026-06-01', why: first mapping}
"""
LINES = pa.list_(pa.struct([("数量", pa.int32())]))


def live(*changed: LiveField, without: tuple[str, ...] = (), revision: str = "8", decisive: bool = False) -> Schema:
    fields = {
        "受注番号": LiveField("受注番号", "受注番号", pa.string(), "SINGLE_LINE_TEXT", required=True),
        "金額": LiveField("金額", "金額", pa.decimal128(16, 4), "NUMBER"),
        "区分": LiveField("区分", "区分", pa.string(), "DROP_DOWN", facets={"options": ("新規", "継続")}),
        "明細": LiveField("明細", "明細", LINES, "SUBTABLE", children=(LiveField("数量", "", pa.int32(), "NUMBER"),)),
    }
    fields |= {field.source: field for field in changed}
    there = tuple(field for code, field in fields.items() if code not in without)
    return Schema(there, "sha256:new", revision, {}, decisive=decisive)


def amended(schema: Schema, take: dict[str, str] | None = None) -> tuple[str, Contract, list[str]]:
    contract = parse_contract(TEXT, PATH)
    found = amend(TEXT, contract, schema, compare(contract, schema).changes, take)
    return found.text, parse_contract(found.text, PATH), [change.line for change in found.left]


def test_a_source_that_keeps_its_promise_moves_only_what_is_noted_beside_it() -> None:
    text, _, left = amended(live())
    assert text == TEXT.replace("sha256:old", "sha256:new").replace("revision: 7", "revision: 8") and left == []


@pytest.mark.parametrize(
    ("schema", "old", "new"),
    [
        (live(LiveField("売上額", "金額", pa.decimal128(16, 4), "NUMBER"), without=("金額",)), "source: 金額", "source: 売上額"),
        (live(LiveField("金額", "金額", pa.decimal128(18, 4), "NUMBER")), "'decimal128(16, 4)'", "'decimal128(18, 4)'"),
        (live(LiveField("金額", "金額", pa.string(), "SINGLE_LINE_TEXT")), "'decimal128(16, 4)'", "'string'"),
        (live(LiveField("受注番号", "受注番号", pa.string(), "SINGLE_LINE_TEXT")), "type: string, required: true", "type: string"),
        (live(LiveField("金額", "税抜金額", pa.decimal128(16, 4), "NUMBER")), "label: 金額", "label: 税抜金額"),
        (
            live(LiveField("明細", "明細", LINES, "SUBTABLE", children=(LiveField("数量", "", pa.int64(), "N"),))),
            "type: int32",
            "type: int64",
        ),
    ],
)
def test_one_change_is_one_edit_and_comments_stay(schema: Schema, old: str, new: str) -> None:
    text, contract, left = amended(schema)
    wanted = TEXT.replace("sha256:old", "sha256:new").replace("revision: 7", "revision: 8").replace(old, new, 1)
    assert text == wanted and left == []
    assert compare(contract, schema).changes == ()


def test_options_grow_with_the_rule_that_lists_them_and_old_choices_stay_allowed() -> None:
    schema = live(LiveField("区分", "区分", pa.string(), "DROP_DOWN", facets={"options": ("新規", "終了")}))
    _, contract, left = amended(schema)
    assert contract.fields[2].options == ("新規", "終了") and left == []
    assert contract.expectations[0].arguments()["value_set"] == ["新規", "継続", "終了"]


def test_a_new_field_is_left_out_by_name_unless_somebody_takes_it() -> None:
    schema = live(LiveField("備考", "備考", pa.string(), "MULTI_LINE_TEXT"))
    _, left_out, _ = amended(schema)
    assert left_out.exclude == ("備考",) and compare(left_out, schema).changes == ()
    text, taken, _ = amended(schema, {"備考": "remarks"})
    assert (taken.fields[-1].name, taken.fields[-1].source, taken.fields[-1].type) == ("remarks", "備考", "string")
    assert compare(taken, schema).changes == () and "{name: remarks, source: 備考, label: 備考, type: string}" in text


def test_a_field_taken_without_a_name_gets_one_that_no_other_has() -> None:
    schema = live(LiveField("amount", "", pa.string(), "SINGLE_LINE_TEXT"))
    _, taken, _ = amended(schema, {"amount": ""})
    assert taken.fields[-1].name == "amount_2"


def test_a_field_that_is_gone_goes_with_its_rules() -> None:
    text, contract, left = amended(live(without=("金額",)))
    assert [field.name for field in contract.fields] == ["order_no", "state", "lines"] and left == []
    assert [rule.column for rule in contract.expectations] == ["state"] and "# pieces" in text


def test_a_field_that_the_contract_cannot_be_without_is_left_to_people() -> None:
    text, _, left = amended(live(without=("受注番号",)))
    assert left == ["removed 受注番号: 受注番号 → ·"] and "受注番号" in text


@pytest.mark.parametrize(
    "named",
    ["document: {title: order_no, template: 'It costs {amount} yen.'}\n", "bands: {columns: {amount: {}}}\n"],
    ids=["a template", "a band"],
)
def test_a_field_that_the_contract_names_elsewhere_than_in_a_rule_is_left_to_people(named: str) -> None:
    contract = parse_contract(TEXT + named, PATH)
    schema = live(without=("金額",))
    made = amend(TEXT + named, contract, schema, compare(contract, schema).changes)
    assert [change.line for change in made.left] == ["removed 金額: 金額 → ·"]
    assert parse_contract(made.text, PATH).fields == contract.fields


def test_a_field_that_became_a_table_is_left_to_people() -> None:
    schema = live(LiveField("金額", "金額", pa.list_(pa.struct([("a", pa.int64())])), "SUBTABLE"))
    _, contract, left = amended(schema)
    assert len(left) == 1 and contract.fields[1].type == "decimal128(16, 4)"


def test_the_acceptance_stands_in_the_place_of_the_one_before() -> None:
    text = signed(TEXT, 4, {"by": "riku.ikeda", "at": "2026-07-01", "why": "renamed, by the owner", "changes": [], "seconded": None})
    assert "version: 4" in text and text.count("accepted:") == 1
    assert parse_contract(text, PATH).accepted.why == "renamed, by the owner"  # type: ignore[union-attr]
    assert text.splitlines()[:2] == TEXT.splitlines()[:2]


CODES = st.sampled_from(["受注番号", "金額", "区分", "備考", "担当", "x y", "日付/時刻"])
TYPES = st.sampled_from([pa.string(), pa.int64(), pa.decimal128(20, 4), pa.date32(), pa.bool_(), pa.list_(pa.string())])


@given(st.dictionaries(CODES, TYPES), st.booleans())
def test_whatever_comes_and_goes_an_amended_contract_differs_from_its_source_only_in_what_was_left(
    found: dict[str, pa.DataType], take: bool
) -> None:
    schema = Schema(tuple(LiveField(code, code, kind, "ANY") for code, kind in found.items()), "sha256:new", "9", {})
    contract = parse_contract(TEXT, PATH)
    changes = compare(contract, schema).changes
    done = amend(TEXT, contract, schema, changes, dict.fromkeys(found, "") if take else None)
    after = parse_contract(done.text, PATH)
    assert YAML(typ="safe").load(done.text)["stream"] == "kintone/orders"
    still = {change.path for change in compare(after, schema).changes}
    assert still <= {change.path for change in done.left}


@pytest.mark.parametrize("code", ["?0", "...", "税.率", "-", ":", "一\x85二", "- 備考", "# 備考", "yes", "1:30"])
def test_whatever_a_field_is_called_stands_in_the_contract_as_it_is(code: str) -> None:
    schema = live(LiveField(code, code, pa.string(), "DROP_DOWN", facets={"options": (code, "b")}))
    assert amended(schema)[1].exclude == (code,)
    text, contract, _ = amended(schema, {code: ""})
    taken = contract.fields[-1]
    assert (taken.source, taken.label, taken.options) == (code, code, (code, "b"))
    accepted = parse_contract(signed(text, 4, {"by": code, "at": "2026-06-02", "why": code, "changes": [code]}), PATH).accepted
    assert accepted is not None and (accepted.by, accepted.why, accepted.changes) == (code, code, (code,))


@pytest.mark.parametrize("name", ["ORDER_NO", "_op", "_Key"])
def test_a_field_that_is_taken_gets_a_name_that_tables_can_hold(name: str) -> None:
    _, contract, left = amended(live(LiveField("備考", "備考", pa.string(), "TEXT")), {"備考": name})
    assert contract.fields[-1].name == f"{name}_2" and not left


def test_what_a_field_has_from_an_anchor_is_said_anew_and_stays_for_others() -> None:
    mine = "  - {name: order_no, source: 受注番号, label: 受注番号, type: string, required: true}"
    text = TEXT.replace(mine, mine.replace("- {", "- &code {") + "\n  - {<<: *code, name: branch, source: 支店, label: 支店}")
    contract = parse_contract(text, PATH)
    schema = live(LiveField("支店", "支店", pa.string(), "TEXT"))
    written = parse_contract(amend(text, contract, schema, compare(contract, schema).changes).text, PATH)
    assert [(field.name, field.required) for field in written.fields[:2]] == [("order_no", True), ("branch", False)]


def test_a_type_that_a_rule_cannot_be_judged_on_is_left_to_a_person() -> None:
    text, _, left = amended(live(LiveField("区分", "区分", pa.int64(), "NUMBER")))
    assert "retyped" in {line.split()[0] for line in left} and "source: 区分, label: 区分, type: string" in text
