"""What a new version of a contract does to those who rely on the one before."""

from __future__ import annotations

from typing import Any

import pytest

from expectations.changes import EFFECTS, EVOLVED, HELD, KINDS, Change
from expectations.contract import Acceptance, Contract, Seconded, same_person
from expectations.versions import differences

PROMISED: dict[str, Any] = {
    "stream": "kintone/orders",
    "version": 1,
    "source": {"app_code": "ORDERS", "app_id": 12, "revision": 7},
    "key": ["order_no"],
    "cursor": {"field": "updated_at"},
    "fields": [
        {"name": "order_no", "source": "受注番号", "label": "受注番号", "type": "string", "required": True},
        {"name": "amount", "source": "金額", "label": "金額", "type": "decimal128(16, 4)"},
        {"name": "state", "source": "区分", "type": "string", "options": ["新規", "継続"]},
        {"name": "updated_at", "source": "更新日時", "type": "timestamp[us, UTC]"},
        {"name": "lines", "source": "明細", "type": "list", "fields": [{"name": "qty", "source": "数量", "type": "int32"}]},
    ],
    "expectations": [
        {"expect": "expect_column_values_to_be_in_set", "column": "state", "severity": "critical", "value_set": ["新規", "継続"]},
        {"expect": "expect_column_values_to_not_be_null", "column": "amount", "severity": "warning"},
    ],
}


ACCEPTED = {"by": "a", "at": "2026-06-01", "why": "b"}


def field(number: int, **change: Any) -> dict[str, Any]:
    fields = [dict(one) for one in PROMISED["fields"]]
    fields[number] |= change
    return {"fields": fields}


def without(number: int) -> dict[str, Any]:
    return {"fields": [one for at, one in enumerate(PROMISED["fields"]) if at != number], "expectations": [], "key": ["order_no"]}


def found(**change: Any) -> list[tuple[str, str]]:
    before, after = (Contract.model_validate(one) for one in (PROMISED, PROMISED | change))
    return [(one.place, one.effect) for one in differences(before, after)]


@pytest.mark.parametrize(
    "change",
    [
        {"title": "受注"},
        {"description": "One row is one order."},
        {"owners": {"business": "kenta.suzuki@sakura-seiki.example"}},
        {"source": {"app_code": "ORDERS", "app_id": 99, "revision": 8}},
        field(1, label="合計金額", description="Without tax.", unit="JPY"),
        {"accepted": {"by": "a", "at": "2026-06-01", "why": "b"}},
    ],
)
def test_words_owners_and_numbers_of_an_app_are_no_promise(change: dict[str, Any]) -> None:
    assert found(**change) == []
    assert Contract.model_validate(PROMISED | change).fingerprint() == Contract.model_validate(PROMISED).fingerprint()


@pytest.mark.parametrize(
    ("change", "place", "effect"),
    [
        (field(1, type="decimal128(18, 4)"), "fields.amount.type", "extends"),
        (field(1, type="decimal128(16, 2)"), "fields.amount.type", "breaks"),
        (field(1, name="total"), "fields.amount", "breaks"),
        (field(1, source="合計"), "fields.amount.source", "misleads"),
        (field(0, required=False), "fields.order_no.required", "extends"),
        (field(1, required=True), "fields.amount.required", "none"),
        (field(1, sensitivity="public"), "fields.amount.sensitivity", "breaks"),
        (field(1, sensitivity="confidential"), "fields.amount.sensitivity", "none"),
        (field(2, options=["新規", "継続", "終了"]), "fields.state.options", "extends"),
        (field(4, fields=[{"name": "qty", "source": "数量", "type": "int64"}]), "fields.lines.qty.type", "extends"),
        (field(4, fields=[{"name": "count", "source": "数量", "type": "int32"}]), "fields.lines.qty", "breaks"),
        ({"key": ["amount"]}, "key", "breaks"),
        ({"access": {"from": ["everyone:kintone"]}}, "access", "breaks"),
        ({"source": {"app_code": "ORDERS2"}}, "source.app_code", "misleads"),
        ({"source": PROMISED["source"] | {"fingerprint": "sha256:y"}}, "source.fingerprint", "none"),
        ({"cursor": {"field": "updated_at", "deletes": "none"}}, "cursor.deletes", "misleads"),
        ({"accepted": ACCEPTED | {"changes": ["replaced 金額: a → b"]}}, "accepted.changes", "misleads"),
        ({"accepted": ACCEPTED | {"changes": ["settings 金額: a → b"]}}, "accepted.changes", "none"),
        ({"accepted": ACCEPTED | {"changes": ["謎"]}}, "accepted.changes", "misleads"),
        ({"drift": {"removed": "report"}}, "drift.removed", "breaks"),
        ({"drift": {"added": "stop"}}, "drift.added", "none"),
        ({"drift": {"retyped": "quarantine"}}, "drift.retyped", "breaks"),
        ({"vanishing": {"share": 0.5}}, "vanishing.share", "breaks"),
        ({"vanishing": {"rows": 5}}, "vanishing.rows", "none"),
        ({"expectations": PROMISED["expectations"][1:]}, "expectations", "breaks"),
        ({"expectations": PROMISED["expectations"][:1]}, "expectations", "none"),
        ({"exclude": ["備考"]}, "exclude", "none"),
        ({"document": {"title": "order_no"}}, "document", "none"),
        ({"cursor": {"field": "updated_at", "lookback": "PT10M"}}, "cursor", "none"),
    ],
)
def test_a_difference_is_named_by_its_place_and_weighed_by_what_it_does_to_readers(change: dict[str, Any], place: str, effect: str) -> None:
    assert (place, effect) in found(**change)
    assert Contract.model_validate(PROMISED | change).fingerprint() != Contract.model_validate(PROMISED).fingerprint()


def test_where_nothing_else_names_an_app_its_number_is_the_address() -> None:
    before, after = (Contract.model_validate(PROMISED | {"source": {"app_id": number, "revision": 7}}) for number in (12, 99))
    assert [(one.place, one.effect) for one in differences(before, after)] == [("source.app_id", "misleads")]


def test_a_rule_that_allows_more_values_as_a_choice_grew_extends_the_promise_and_breaks_nothing() -> None:
    grown = [dict(PROMISED["expectations"][0], value_set=["新規", "継続", "終了"]), PROMISED["expectations"][1]]
    assert found(expectations=grown) == [("expectations", "extends")]
    shrunk = [dict(PROMISED["expectations"][0], value_set=["新規"]), PROMISED["expectations"][1]]
    assert found(expectations=shrunk) == [("expectations", "breaks"), ("expectations", "none")]


def test_a_column_that_is_gone_breaks_and_one_that_came_extends() -> None:
    assert ("fields.amount", "breaks") in found(**without(1))
    added = {"fields": [*PROMISED["fields"], {"name": "memo", "source": "備考", "type": "string"}]}
    assert found(**added) == [("fields.memo", "extends")]


@pytest.mark.parametrize("second", ["Akari Mori", "ａｋａｒｉ　ｍｏｒｉ", " akari mori "])
def test_one_person_is_not_two_however_the_name_is_written(second: str) -> None:
    assert not Acceptance(by="Akari Mori", at="2026-06-01", why="x", seconded=Seconded(by=second, at="2026-06-02")).by_two


def test_two_people_are_two() -> None:
    assert Acceptance(by="Akari Mori", at="2026-06-01", why="x", seconded=Seconded(by="Riku Ikeda", at="2026-06-02")).by_two
    assert not Acceptance(by="Akari Mori", at="2026-06-01", why="x").by_two


def test_every_kind_of_change_has_an_effect() -> None:
    assert set(EFFECTS) == set(KINDS)


def test_nothing_evolves_that_breaks_or_misleads_readers() -> None:
    assert all(EFFECTS[kind] in ("extends", "none") for kind in EVOLVED)


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_that_a_kind_cannot_have_asks_and_lets_nothing_through_in_silence(kind: Any) -> None:
    for policy in ("quarantine", "evolve"):
        settled = Change(kind, "金額", "", "a", "b", policy).settled()
        if policy == "quarantine":
            assert settled.policy == ("quarantine" if kind in HELD else "ask")
        elif settled.policy != "evolve":
            assert settled.policy == ("report" if settled.effect in ("extends", "none") else "ask")
        else:
            assert kind in EVOLVED


@pytest.mark.parametrize("policy", ["report", "ask", "stop"])
def test_a_plain_policy_stays_what_it_is(policy: Any) -> None:
    assert all(Change(kind, "金額", "", "a", "b", policy).settled().policy == policy for kind in KINDS)


def test_how_much_of_a_contract_is_said_counts_descriptions_units_and_owners() -> None:
    bare = Contract.model_validate(PROMISED).described()
    assert (bare.fields, bare.described, bare.numbers, bare.with_unit, bare.owners, bare.score) == (5, 0, 1, 0, 0, 0.0)
    fields = [{**one, "description": "said"} for one in PROMISED["fields"]]
    fields[1] |= {"unit": "JPY"}
    fields[4] = {**fields[4], "fields": [{"name": "qty", "source": "数量", "type": "int32", "description": "said"}]}
    whole = Contract.model_validate(PROMISED | {"fields": fields, "owners": {"business": "a", "technical": "b"}}).described()
    assert whole.score == 1.0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("渡辺 一", "渡辺一", True),
        ("渡辺 一", "一　渡辺", True),
        ("Akari Mori", "MORI, Akari", True),
        ("akari.mori@sakura-seiki.example", "Akari.Mori@sakura-seiki.example\u200b", True),
        ("Mo\u00adri", "Mori", True),
        ("渡辻", "渡辻\U000e0100", True),
        ("Mori\x00", "Mori", True),
        ("😀", "Mori", True),
        ("森 あかり", "森 ひかり", False),
        ("がく", "かく", False),
    ],
)
def test_one_person_under_two_spellings_is_not_two(one: str, other: str, same: bool) -> None:
    assert same_person(one, other) is same and same_person(other, one) is same
