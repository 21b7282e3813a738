"""What is said of a held row: every reason in words, and no value that the contract keeps to itself."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.messages import catalogue
from connectors.protocol import Reject
from expectations.contract import Contract
from expectations.quarantine import Fault, HeldRow, detail_of, held, told_of, version_of

ROOT = Path(__file__).resolve().parents[2]
AT = datetime(2026, 6, 1, tzinfo=UTC)
CONTRACT = Contract.model_validate(
    {
        "stream": "books/parts",
        "version": 3,
        "source": {},
        "key": ["id"],
        "fields": [
            {"name": "id", "source": "id", "type": "string"},
            {"name": "price", "source": "単価", "type": "string", "sensitivity": "confidential"},
            {"name": "note", "source": "備考", "type": "string"},
            {
                "name": "lines",
                "source": "明細",
                "type": "list",
                "fields": [{"name": "cost", "source": "原価", "type": "string", "sensitivity": "confidential"}],
            },
        ],
    }
)


def row(raw: str, *faults: Fault) -> HeldRow:
    return HeldRow("7", "1", faults or (Fault("note", "value.lexical"),), raw, "p", AT, 3, AT, None)


@pytest.mark.parametrize(
    "raw",
    [
        {"id": "7", "単価": "980", "備考": "x", "明細": [{"原価": "1"}], "給与": "300"},
        {
            "id": {"type": "T", "value": "7"},
            "単価": {"value": "980"},
            "備考": {"value": "x"},
            "明細": {"value": [{"原価": "1"}]},
            "給与": {"value": "300"},
        },
        {"id": "7", "fields": {"単価": "980", "備考": "x", "明細": [{"原価": "1"}], "給与": "300"}},
    ],
    ids=["soap", "kintone", "sharepoint"],
)
def test_of_a_row_only_what_the_contract_names_and_does_not_call_confidential_is_shown(raw: dict[str, object]) -> None:
    told = told_of(row(json.dumps(raw)), CONTRACT)
    assert told.values == {"id": "7", "note": "x"} and told.withheld == ("price", "lines")


@pytest.mark.parametrize("raw", ["", "<xml/>", "[1]", '"text"'])
def test_a_row_that_is_no_object_shows_nothing(raw: str) -> None:
    assert told_of(row(raw), CONTRACT).values == {}


def test_where_a_fault_lies_is_said_without_its_value_and_not_at_all_of_a_confidential_column() -> None:
    reason = "value.lexical (not an xsd:int): Read List/Part[2]/単価 = 'ABC'"
    assert (Fault("note", reason).code, Fault("note", reason).where) == ("value.lexical", "(not an xsd:int): Read List/Part[2]/単価")
    assert "ABC" not in detail_of(Fault("note", reason), CONTRACT) and "Part[2]" in detail_of(Fault("note", reason), CONTRACT)
    assert detail_of(Fault("price", reason), CONTRACT) == "" == detail_of(Fault("lines.cost", reason), CONTRACT)


def test_every_reason_a_connector_gives_has_its_sentence_in_both_languages() -> None:
    given = set[str]()
    for folder in ("soap", "kintone", "sharepoint"):
        for path in (ROOT / "connectors" / folder).glob("*.py"):
            text = path.read_text(encoding="utf-8")
            given |= set(re.findall(r'(?:Unfit|MisfitError|yield|_BROKEN\w*)\(?\s*f?"((?:value|type|choice|number|date)\.[a-z_]+)', text))
            given |= set(re.findall(r'"((?:number|text|timestamp|date|time|minutes|field)\.[a-z_]+)"', text))
            given |= {f"value.not_{what}" for what in re.findall(r'_need\(.*, "([a-z_]+)"\)', text)}
    assert {"value.lexical", "field.absent", "value.not_text", "number.format", "value.length", "choice.none"} <= given
    known = catalogue()
    assert sorted(code for code in given if f"quarantine.reason.{code}" not in known and not code.endswith((".", "not_"))) == []


def test_a_reason_that_nobody_wrote_a_sentence_for_is_told_by_its_code() -> None:
    assert "odd.thing" in Fault("note", "odd.thing: somewhere").sentence()
    assert "odd.thing" in Fault("note", "odd.thing").sentence().say("ja")
    assert Fault("note", "no code at all").code == "no code at all"


def test_a_row_that_is_judged_the_same_again_keeps_the_pull_that_judged_it() -> None:
    reject = Reject("7", "note", "value.lexical", "{}", (("price", "value.range"),), "v1")
    before = HeldRow("7", "v1", (Fault("note", "value.lexical"), Fault("price", "value.range")), "{}", "first", AT, 3, AT, None)

    def judged(one: Reject, *, looked: bool = True, version: int = 3) -> tuple[str, int]:
        (made,) = held(
            [one], judged={"7"} if looked else (), before=[before], pull_id="second", pulled_at=AT, contract_version=version
        ).to_pylist()
        return made["_pull_id"], made["_contract_version"]

    assert judged(reject) == ("first", 3)
    assert judged(reject, version=4) == ("second", 4)
    assert judged(reject, looked=False, version=4) == ("first", 3), "nobody looked at it again"
    assert judged(Reject("7", "note", "value.range", "{}", (), "v1")) == ("second", 3)
    assert judged(Reject("7", "note", "value.lexical", "{}", (("price", "value.range"),), "v2")) == ("second", 3)


def test_a_row_without_a_version_of_its_own_is_known_by_what_it_is() -> None:
    one, same, other = (Reject("7", "note", "x", raw) for raw in ('{"a": 1}', '{"a": 1}', '{"a": 2}'))
    assert version_of(one) == version_of(same) != version_of(other) and version_of(one).startswith("sha256:")
