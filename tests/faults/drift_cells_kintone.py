"""What must happen to a small kintone app's stream, by the documents: each break that changes what a contract promises × each policy that its
kind may have.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drift_ends import Cell, End, Row

from expectations.contract import Contract

TEXT, NUMBER, CHOICE, NOTE, CODE = "件名", "数量", "区分", "備考", "案件番号"
SOMEBODY = {"type": "USER", "code": "kenta.suzuki@sakura-seiki.example"}
PLAIN, EVOLVING, HOLDING = ("report", "ask", "stop"), ("report", "ask", "stop", "evolve"), ("report", "ask", "stop", "quarantine")
ALL = ("report", "ask", "stop", "evolve", "quarantine")


def stops(*named: tuple[str, str], **more: Any) -> End:
    return End(code="pull.drift", named=named, says=tuple(path for _, path in named), **more)


def cells_of(
    name: str, rule: str, named: tuple[str, str], policies: tuple[str, ...], body: dict[str, Any] | None = None, **ends: End
) -> list[Cell]:
    """A cell for each policy; ``ends`` are those that go on, ``ask`` and ``stop`` end the pull."""
    return [Cell(name, rule, one, ends.get(one) or stops(named), body or {}) for one in policies]


def unfilled(named: tuple[str, str]) -> End:
    """The change is told, and a column of the contract that nothing fills is published in no mode: it would be a broken promise."""
    return End(code="pull.check_failed", named=(named,), says=("schema",))


def _field(contract: Contract, name: str) -> Any:
    return next(one for one in contract.fields if one.name == name)


def _fits(digits: int, places: int) -> Any:
    """Whether a row's numbers don't fit so many digits with so many places."""

    def held(row: Row) -> bool:
        value = row[NUMBER]
        return value is not None and (value != round(value, places) or abs(value) >= Decimal(10) ** (digits - places))

    return held


def replaced(field: str, kind: str, other: Any, policies: tuple[str, ...]) -> list[Cell]:
    """``other`` is what people save in every second record, and no value of the contract's column."""

    def held(row: Row) -> bool:
        return row[field] is not None and row[field] != Decimal(12)

    goes_on = End(named=(("replaced", field),), held=held)
    body = {"field": field, "type": kind, "saved": other}
    return cells_of(f"replace-type {field} {kind}", "retyped", ("replaced", field), policies, body, report=goes_on, quarantine=goes_on)


RENAMED, REMOVED, ADDED, LABEL = ("renamed", TEXT), ("removed", NOTE), ("added", "追加項目"), ("label", TEXT)
CELLS: list[Cell] = [
    *cells_of("rename-field", "renamed", RENAMED, PLAIN, {"field": TEXT, "to": "案件名"}, report=unfilled(RENAMED)),
    *cells_of("delete-field", "removed", REMOVED, PLAIN, {"field": NOTE}, report=unfilled(REMOVED)),
    *cells_of(
        "add-field", "added", ADDED, EVOLVING, {},
        report=End(named=(ADDED,)),
        evolve=End(named=(), states=lambda contract: _field(contract, "追加項目").type == "string"),
    ),
    *cells_of(
        "rename-label", "label", LABEL, EVOLVING, {"field": TEXT, "to": "案件名称"},
        report=End(named=(LABEL,)),
        evolve=End(named=(), states=lambda contract: _field(contract, TEXT).label == "案件名称"),
    ),
    *cells_of(
        "require-field", "required", ("required", CODE), ALL, {"field": CODE},
        report=End(named=(("required", CODE),)),
        # The contract promises less than the source now holds to: nothing to write.
        evolve=End(named=(("required", CODE),)),
        quarantine=End(named=(("required", CODE),)),
    ),
    *cells_of(
        "require-no-more", "required", ("required", TEXT), ALL, {"field": TEXT},
        # A promise that a value is there is not broken in silence.
        report=End(code="pull.check_failed", named=(("required", TEXT),), says=(TEXT,)),
        evolve=End(named=(), states=lambda contract: not _field(contract, TEXT).required),
        quarantine=End(named=(("required", TEXT),), held=lambda row: row[TEXT] is None),
    ),
    *cells_of(
        "rename-option", "options", ("option_renamed", CHOICE), ALL, {"field": CHOICE, "option": "標準", "to": "定番"},
        report=End(named=(("option_renamed", CHOICE),)),
        # Who reads by the old name is misled: that never becomes a version by itself.
        evolve=stops(("option_renamed", CHOICE), settled="ask"),
        quarantine=End(named=(("option_renamed", CHOICE),), held=lambda row: row[CHOICE] == "定番"),
    ),
    *cells_of(
        "remove-option", "options", ("options", CHOICE), ALL, {"field": CHOICE, "option": "修理"},
        report=End(named=(("options", CHOICE),)),
        evolve=End(named=(), states=lambda contract: "修理" not in _field(contract, CHOICE).options and "特注" in _field(contract, CHOICE).options),
        quarantine=End(named=(("options", CHOICE),)),
    ),
    # A contract that lists no options promises none: there is nothing to hold a row against, and nothing to write.
    *cells_of(
        "remove-option unlisted", "options", ("options", CHOICE), ALL, {"field": CHOICE, "option": "修理"},
        **dict.fromkeys(("report", "evolve", "quarantine"), End(named=(("options", CHOICE),))),
    ),
    *cells_of(
        "precision-wider", "widened", ("widened", NUMBER), HOLDING, {"digits": 30, "places": 10},
        report=End(named=(("widened", NUMBER),), held=_fits(16, 4)),
        quarantine=End(named=(("widened", NUMBER),), held=_fits(16, 4)),
    ),
    *cells_of(
        "precision-narrower", "retyped", ("retyped", NUMBER), HOLDING, {"digits": 10, "places": 2},
        report=End(named=(("retyped", NUMBER),)),
        quarantine=End(named=(("retyped", NUMBER),)),
    ),
    *[cell for kind in ("SINGLE_LINE_TEXT", "LINK") for cell in replaced(NUMBER, kind, "twelve", HOLDING)],
    # Of a field that was replaced, only what the column can take lands: no list in a number's place, no person in a text's.
    *[
        cell
        for field, kind, other in (
            (NUMBER, "MULTI_LINE_TEXT", "十二\n個"), (NUMBER, "DATE", "2026-06-01"), (NUMBER, "DATETIME", "2026-06-01T00:00:00Z"),
            (NUMBER, "TIME", "09:30"), ("受注日", "SINGLE_LINE_TEXT", "六月一日"), ("受注日", "DATETIME", "2026-06-01T00:00:00Z"),
        )
        for cell in replaced(field, kind, other, ("report", "quarantine"))
    ],
    # A list where one value stands fits no row at all: that is the contract's to mend, whatever it says of single rows.
    *[
        Cell(
            f"replace-type {field} {kind}", "retyped", policy,
            End(code="kintone.type_impossible", named=(("replaced", field),), says=(field,)), {"field": field, "type": kind, "saved": other},
        )
        for policy in ("report", "quarantine")
        for field, kind, other in (
            (NUMBER, "USER_SELECT", [{"code": SOMEBODY["code"]}]), (CHOICE, "CHECK_BOX", ["標準"]),
            (CHOICE, "MULTI_SELECT", ["標準", "特注"]), ("タグ", "DROP_DOWN", "至急"),
        )
    ],
    *[
        Cell("remake-field", "removed", one, End(code="pull.emptied", says=(NOTE,)), {"field": NOTE}) for one in ("ask", "stop")
    ],
    Cell("remake-field", "removed", "report", End(empty=(NOTE,)), {"field": NOTE}),
    # What no policy lets pass: the address leads to nothing.
    *[
        Cell(name, "identity", one, End(code="kintone.app_code_unknown", says=("SMALL",)), body)
        for one in PLAIN
        for name, body in (("set-app-code", {"to": "ANOTHER{}"}), ("recreate-app", {}), ("delete-app", {}))
    ],
    # It leads to another app: no policy lets that pass, only the contract that names its number.
    *[
        one
        for name, body in (("recreate-app same code", {"code": "{code}"}), ("renumber-app", {}))
        for one in cells_of(
            name, "identity", ("address", "app_id"), PLAIN, body, report=stops(("address", "app_id"), settled="ask")
        )
    ],
    *[Cell("move-app", "identity", one, End(), {}) for one in PLAIN],
    # A field that the service user may not see is one that is gone, whoever asks.
    *cells_of(
        "change-acl field", "removed", ("removed", TEXT), PLAIN,
        {"area": "field_acl", "rights": [{"code": TEXT, "entities": [{"entity": SOMEBODY, "accessibility": "READ"}]}]},
        report=unfilled(("removed", TEXT)),
    ),
    *[
        Cell(name, "removed", one, End(code=code), {"area": area, "rights": rights})
        for one in PLAIN
        for name, code, area, rights in (
            ("change-acl record", "pull.vanished_with_rights", "record_acl", [
                {"filterCond": "$id <= 6", "entities": [{"entity": SOMEBODY, "viewable": True}]},
                {"filterCond": "", "entities": [{"entity": {"type": "GROUP", "code": "everyone"}, "viewable": True}]},
            ]),
            ("change-acl app", "kintone.app_code_unknown", "app_acl", [{"entity": SOMEBODY, "recordViewable": True, "appEditable": True}]),
        )
    ],
    Cell("change-acl nothing", "removed", "stop", End(named=(("rights", "access"),), settled="report"), {"area": "record_acl", "rights": [
        {"filterCond": "$id <= 6", "entities": [
            {"entity": SOMEBODY, "viewable": True}, {"entity": {"type": "GROUP", "code": "everyone"}, "viewable": True},
        ]},
    ]}),
]  # fmt: skip
#: Of an app with a table, a formula, a lookup and a process.
RICH: list[Cell] = [
    *cells_of("move-into-table", "removed", ("restructured", NOTE), PLAIN, {"field": NOTE}, report=unfilled(("restructured", NOTE))),
    *cells_of("disable-process", "removed", ("feature", "ステータス"), PLAIN, {}, report=unfilled(("feature", "ステータス"))),
    *cells_of(
        "rename-status", "options", ("states", "ステータス"), ALL, {"to": "受付完了"},
        report=End(named=(("states", "ステータス"),)),
        evolve=stops(("states", "ステータス"), settled="ask"),
        quarantine=stops(("states", "ステータス"), settled="ask"),
    ),
    *cells_of("change-format", "retyped", ("retyped", "金額合計"), HOLDING, {"field": "金額合計"},
        report=End(named=(("retyped", "金額合計"),), held=lambda row: row["金額合計"] is not None),
        quarantine=End(named=(("retyped", "金額合計"),), held=lambda row: row["金額合計"] is not None),
    ),
    *cells_of(
        "retarget-lookup", "label", ("lookup", "顧客コード"), EVOLVING, {"field": "顧客コード"},
        report=End(named=(("lookup", "顧客コード"),)),
        evolve=stops(("lookup", "顧客コード"), settled="ask"),
    ),
]  # fmt: skip

EVERY = [*CELLS, *RICH]
#: What people can answer with one command: breaks that wait for them. Where a field moved into a table, more than one line of the contract
#: is theirs to write; columns that change their type are left to the tests of landing.
ANSWERED = [
    cell
    for cell in EVERY
    if cell.policy == "ask" and cell.end.code == "pull.drift" and cell.rule not in ("retyped", "widened") and cell.name != "move-into-table"
]
