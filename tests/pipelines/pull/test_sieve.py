"""Rows that the contract's own policies hold back: exactly those, with their reason, and none in silence."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from connectors.protocol import OP, SCOPE, SOURCE_VERSION, Cursor, Page, Reject
from expectations.contract import Contract
from pipelines.pull.sieve import Sieve

FIELDS: list[dict[str, Any]] = [
    {"name": "id", "source": "id", "type": "int64", "required": True},
    {"name": "state", "source": "state", "type": "string", "options": ["新規", "継続"]},
    {"name": "tags", "source": "tags", "type": "list<string>", "options": ["至急", "輸出"]},
    {
        "name": "lines",
        "source": "lines",
        "type": "list",
        "fields": [
            {"name": "kind", "source": "kind", "type": "string", "options": ["a", "b"], "required": True},
            {"name": "qty", "source": "qty", "type": "int64"},
        ],
    },
]
LINE = pa.struct([("kind", pa.string()), ("qty", pa.int64())])
SCHEMA = pa.schema(
    [("id", pa.int64()), ("state", pa.string()), ("tags", pa.list_(pa.string())), ("lines", pa.list_(LINE))]
    + [(name, pa.string()) for name in (OP, SOURCE_VERSION, SCOPE)]
)


def sifted(rows: list[dict[str, Any]], rejects: tuple[Reject, ...] = (), **drift: str) -> Page:
    contract = Contract.model_validate({"stream": "s/t", "version": 1, "source": {}, "key": ["id"], "fields": FIELDS, "drift": drift})
    whole = [
        {"tags": [], "lines": [], "state": None, OP: "upsert", SOURCE_VERSION: "1", SCOPE: "all", "id": at} | row
        for at, row in enumerate(rows)
    ]
    return Sieve(contract).sift(Page(pa.RecordBatch.from_pylist(whole, schema=SCHEMA), Cursor({}), len(rows), rejects))


def outcome(page: Page) -> tuple[list[int], list[tuple[str, str]]]:
    return page.rows.column("id").to_pylist(), [(reject.key, reject.column) for reject in page.rejects]


def test_a_contract_that_asks_for_nothing_to_be_held_holds_nothing() -> None:
    assert outcome(sifted([{"state": "謎"}, {"state": None}])) == ([0, 1], [])


def test_a_choice_that_the_contract_does_not_list_is_held_and_an_empty_one_is_not() -> None:
    page = sifted([{"state": "新規"}, {"state": "謎"}, {"state": ""}, {"state": None}], options="quarantine")
    assert outcome(page) == ([0, 2, 3], [("1", "state")])
    assert page.rejects[0].reason.startswith("option.unknown") and json.loads(page.rejects[0].raw)["state"] == "謎"


def test_one_wrong_choice_among_several_holds_the_row() -> None:
    assert outcome(sifted([{"tags": ["至急"]}, {"tags": ["至急", "謎"]}, {"tags": None}], options="quarantine")) == (
        [0, 2],
        [("1", "tags")],
    )


def test_a_row_of_a_table_inside_holds_the_record_around_it() -> None:
    rows = [
        {"lines": [{"kind": "a", "qty": 1}]},
        {"lines": [{"kind": "a", "qty": 1}, {"kind": "z", "qty": 2}]},
        {"lines": [{"kind": None, "qty": 2}]},
    ]
    assert outcome(sifted(rows, options="quarantine")) == ([0, 2], [("1", "lines.kind")])
    assert outcome(sifted(rows, required="quarantine")) == ([0, 1], [("2", "lines.kind")])


def test_what_the_connector_rejected_stays_rejected_and_deletions_pass() -> None:
    before = (Reject("9", "state", "type.mismatch", "{}"),)
    page = sifted(
        [{OP: "delete", "state": "謎", "lines": None, "tags": None}, {"state": "謎"}], before, options="quarantine", required="quarantine"
    )
    assert outcome(page) == ([0], [("9", "state"), ("1", "state")])


STATES = st.sampled_from(["新規", "継続", "謎", "", None])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "state": STATES,
            "tags": st.none() | st.lists(st.sampled_from(["至急", "輸出", "謎"]), max_size=3),
            "lines": st.none()
            | st.lists(st.fixed_dictionaries({"kind": st.sampled_from(["a", "b", "z", None]), "qty": st.integers(0, 9)}), max_size=3),
        }
    ),
    max_size=8,
)


@given(ROWS)
def test_every_row_is_kept_or_held_and_held_only_for_a_reason_that_a_plain_walk_finds(rows: list[dict[str, Any]]) -> None:
    def wrong(row: dict[str, Any]) -> bool:
        lines = row["lines"] or []
        chosen = [row["state"], *(row["tags"] or []), *(line["kind"] for line in lines)]
        return any(one not in ("新規", "継続", "至急", "輸出", "a", "b", "", None) for one in chosen) or any(
            line["kind"] is None for line in lines
        )

    page = sifted(rows, options="quarantine", required="quarantine")
    held = [int(reject.key) for reject in page.rejects]
    assert held == [at for at, row in enumerate(rows) if wrong(row)]
    assert page.rows.column("id").to_pylist() == [at for at, row in enumerate(rows) if not wrong(row)]
