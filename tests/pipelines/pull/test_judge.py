"""What the summary of the value check says of rules that do not hold."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
from pydantic import ValidationError

from connectors.access import Access, Scope
from connectors.protocol import Note, Reject
from expectations.contract import Contract
from expectations.suite import Verdict
from pipelines.pull import judge
from pipelines.pull.judge import access_check, values_check

Weight = Literal["critical", "warning", "info"]


def verdict(column: str, *, passed: bool = False, severity: Weight = "warning") -> Verdict:
    return Verdict("expect_column_values_to_not_be_null", column, "at least 0.99", "0.4", passed, severity)


def judged(monkeypatch: pytest.MonkeyPatch, *verdicts: Verdict, notes: dict[Note, int] | None = None) -> Any:
    monkeypatch.setattr(judge, "judge_values", lambda *_, **__: verdicts)
    fetched = SimpleNamespace(profile=SimpleNamespace(rows=12), live_after=12, rejects=(), notes=Counter(notes))
    return values_check(cast(Any, None), cast(Any, fetched))


def test_a_warning_names_the_rule_its_column_and_what_was_observed_in_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    check = judged(monkeypatch, verdict("受注日", passed=True), verdict("金額"))
    assert not check.passed and check.severity == "warning"
    for lang, observed in (("ja", "実際 0.4"), ("en", "observed 0.4")):
        said = check.summary.say(lang)
        assert "金額 column_values_to_not_be_null" in said and observed in said and "受注日" not in said


def test_critical_rules_come_first_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    check = judged(monkeypatch, *(verdict(name) for name in "abc"), verdict("重大", severity="critical"))
    said = check.summary.say("en")
    assert said.index("重大") < said.index("a column_values") and "c column_values" not in said and said.endswith("and 1 more")


def test_where_every_rule_holds_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    check = judged(monkeypatch, verdict("金額", passed=True))
    assert check.passed and "金額" not in check.summary


def test_what_the_contract_does_not_know_is_a_warning_that_names_the_commonest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = {Note("List/Part", "element.unknown Colour"): 3, Note("List/Part", "element.unknown Stok"): 40}
    check = judged(monkeypatch, verdict("金額", passed=True), notes=notes)
    assert not check.passed and check.severity == "warning" and check.numbers["noted"] == 2
    assert "2 kinds" in check.summary.say("en") and "element.unknown Stok at List/Part: 40 times" in check.summary.say("en")
    assert [row["observed"] for row in check.rows if row["expectation"] == "noted"] == [
        "40: element.unknown Stok",
        "3: element.unknown Colour",
    ]


def test_a_mere_fact_is_told_and_warns_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    check = judged(monkeypatch, verdict("金額", passed=True), notes={Note("phone", "value.nil", fact=True): 7})
    assert check.passed and check.rows[-1]["observed"] == "7: value.nil" and "value.nil" not in check.summary.say("en")


def test_a_value_that_a_list_of_the_contract_lacks_is_named_in_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = {Note("grade", "value.enumeration 'C'"): 3, Note("masked", "value.enumeration"): 2}
    check = judged(monkeypatch, verdict("金額", passed=True), notes=notes)
    assert "enumeration value added: 'C' at grade: 3 times" in check.summary.say("en")
    assert "grade の 契約の列挙にない値 'C'（追加された値） で、3 回" in check.summary.say("ja")
    assert [row["observed"] for row in check.rows if row["expectation"] == "noted"] == ["3: value.enumeration 'C'", "2: value.enumeration"]
    masked = judged(monkeypatch, verdict("金額", passed=True), notes={Note("masked", "value.enumeration"): 2})
    assert "value.enumeration at masked: 2 times" in masked.summary.say("en")


def contract(access: dict[str, Any]) -> Contract:
    fields = [{"name": "no", "source": "No", "type": "string", "required": True}]
    return Contract.model_validate(
        {"stream": "erp/items", "version": 1, "source": {"operation": "Read"}, "key": ["no"], "fields": fields, "access": access}
    )


UNKNOWN = Access((Scope("erp", "ERP", (), resolved=False, reason="no access operation"),), (), ())


def test_readers_that_the_contract_names_stand_for_a_scope_that_the_source_leaves_open() -> None:
    fetched = cast(Any, SimpleNamespace(unresolved=0, rights_missed=0))
    assert not access_check(contract({"from": "source"}), UNKNOWN, fetched).passed
    check = access_check(contract({"from": ["role:erp:sales", "everyone:kintone"]}), UNKNOWN, fetched)
    assert check.passed and check.summary == "scopes resolved: 1 of 1; rows without one: 0"
    assert [(row["principals"], row["state"]) for row in check.rows] == [("2", "resolved")]


@pytest.mark.parametrize("name", ["ito@maruyama.example", "everyone", "person:erp:ito", "user:"])
def test_a_reader_in_no_form_of_a_principal_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="kind:system:id"):
        contract({"from": [name]})


def test_where_all_rows_are_held_back_nobody_says_that_none_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "judge_values", lambda *_, **__: ())
    reject = Reject("erp/items/1", "no", "value.absent", "{}")
    fetched = SimpleNamespace(profile=SimpleNamespace(rows=0), live_after=0, rejects=(reject,), notes=Counter())
    said = values_check(cast(Any, None), cast(Any, fetched)).summary
    assert "no row was read" not in said and "1 for their column no" in said


def test_a_check_counts_held_rows_by_what_is_wrong_and_shows_no_value_that_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "judge_values", lambda *_, **__: ())
    rejects = [Reject(str(n), "salary", f"number.format: Read Items[{n}]/Salary = '¥{n}00'", "{}") for n in (1, 2)]
    fetched = SimpleNamespace(profile=SimpleNamespace(rows=0), live_after=0, rejects=rejects, notes=Counter())
    check = values_check(cast(Any, None), cast(Any, fetched))
    assert [(row["column"], row["observed"]) for row in check.rows] == [("salary", "2: number.format")]
    assert "¥" not in check.summary.say("en")  # type: ignore[attr-defined]
