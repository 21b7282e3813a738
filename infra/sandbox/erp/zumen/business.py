"""What the drawing office keeps: assembly and part drawings of the company's own items, jigs, approvals, and each day drawn after them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal

from infra.sandbox.company import trade
from infra.sandbox.company.people import PEOPLE, person
from infra.sandbox.erp.contract import TYPE, Row
from infra.sandbox.erp.living import Calendar
from infra.sandbox.erp.zumen.pages import MATERIAL, SHEET_SIZE

_PARTS = ("本体", "主軸", "フランジ", "取付ブラケット", "カバー（表）", "スペーサ ①")
_JIGS = ("圧入治具", "検査治具 ②", "位置決めブロック", "ソケット表示板")
_REMARKS = ("溶接部は ①→② の順", "表面処理 ～ 黒染め", "㈱髙嶺精密 <支給品>", 'C:\\図面\\旧番号 "参照" & 廃止', "")
_DRAWERS = tuple(one.login for one in PEOPLE if one.organisation == "gijutsu" and not one.guest)
_CHIEF = person("kaito.sasaki").login


def _naive(day: date, minutes: int) -> datetime:
    """Tokyo's wall clock, as the system writes it: without a zone."""
    return datetime.combine(day, time(minutes // 60, minutes % 60))


@dataclass
class Day:
    """New and changed drawings, and approvals without their numbers."""

    drawings: list[Row] = field(default_factory=list)
    approvals: list[Row] = field(default_factory=list)


def _drawing(rng: random.Random, number: str, title: str, item_no: str | None, day: int, calendar: Calendar) -> Row:
    part = not number.startswith("A-")
    status = rng.choice(("Released", "Released", "Released", "Draft", "Obsolete"))
    drawn = calendar.day(day)
    row: Row = {"Drawing_No": number, "Title": title, "Revision": "A" if status == "Draft" else rng.choice("ABCD"), "Status": status}
    if item_no is not None:
        row["Item_No"] = item_no
    row["Material"] = rng.choice(MATERIAL.values) if part else None
    row["Mass_kg"] = None if rng.random() < 0.1 else Decimal(rng.randrange(10, 90_000)) / 1000
    row["Sheets"] = rng.randrange(1, 6)
    row["Drawn_By"] = rng.choice(_DRAWERS)
    row["Drawn_On"] = drawn
    row["Released_At"] = None if status == "Draft" else _naive(drawn, rng.randrange(540, 1_080))
    row["Modified_At"] = row["Released_At"] or _naive(drawn, rng.randrange(540, 1_080))
    if rng.random() < 0.5:
        row["Document"] = {
            TYPE: "Paper_Sheet",
            "File_Name": f"{number}.pdf",
            "Sheet_Size": rng.choice(SHEET_SIZE.values),
            "Cabinet": rng.choice(("図面庫 Ｂ－１２", "本社３階 ①番棚", "東工場 表示棚")),
            "Scanned_On": None if rng.random() < 0.3 else drawn,
        }
    else:
        row["Document"] = {
            TYPE: "Cad_Model",
            "File_Name": f"{number}.pdf",
            "Cad_System": "図脳ＣＡＤ",
            "Format": rng.choice(("STEP", "DXF")),
        }
        if rng.random() < 0.7:
            row["Document"]["Bodies"] = rng.randrange(1, 40)
    if rng.random() < 0.6:
        row["Remarks"] = rng.choice(_REMARKS)
    return row


def base_drawings(seed: int, calendar: Calendar) -> list[Row]:
    """An assembly and some parts for each item the company makes itself, in number order; each names the others of its item."""
    rng = random.Random(f"zumen:drawings:{seed}")
    made: list[Row] = []
    for item in trade.items(seed):
        if item.purchased:
            continue
        code, day = item.code.replace("-", ""), -rng.randrange(2, 1_500)
        names = rng.sample(_PARTS, rng.randrange(1, 4))
        family = [_drawing(rng, f"A-{code}", f"{item.name} 組立図", item.code, day, calendar)]
        family += [
            _drawing(rng, f"P-{code}-{n:02d}", f"{item.name} {name}", item.code, day, calendar) for n, name in enumerate(names, start=1)
        ]
        numbers = [row["Drawing_No"] for row in family]
        for row in family:
            if rng.random() < 0.9:
                row["Related"] = {"Drawing_No": [number for number in numbers if number != row["Drawing_No"]]}
            elif rng.random() < 0.5:
                row["Related"] = {"Drawing_No": []}
        made += family
    return sorted(made, key=lambda row: row["Drawing_No"])


def _approval(rng: random.Random, row: Row, at: datetime) -> Row:
    made: Row = {
        "Drawing_No": row["Drawing_No"],
        "Revision": row["Revision"],
        "Verdict": "Returned" if rng.random() < 0.1 else "Approved",
        "Approver": _CHIEF,
        "Approved_At": at,
    }
    if rng.random() < 0.4:
        made["Comment"] = rng.choice(("寸法公差を確認", "表面粗さ ①のみ修正", "客先承認 <済>"))
    return made


def base_approvals(seed: int, drawings: list[Row]) -> list[Row]:
    """One for each drawing that was released, in the order of time."""
    rng = random.Random(f"zumen:approvals:{seed}")
    released = sorted((row for row in drawings if row["Released_At"] is not None), key=lambda row: (row["Released_At"], row["Drawing_No"]))
    return [_approval(rng, row, row["Released_At"]) for row in released]


def live(seed: int, number: int, calendar: Calendar, drawings: list[Row]) -> Day:
    """What was drawn and approved on the day before day ``number``, entered at its 00:00."""
    rng = random.Random(f"zumen:day:{seed}:{number}")
    entered = _naive(calendar.day(number), 0)
    day = Day()
    going = [row for row in drawings if row["Status"] != "Obsolete" and row["Revision"] < "Z"]
    for row in rng.sample(going, rng.randrange(1, 5)):
        changed = {**row, "Status": "Released", "Released_At": entered, "Modified_At": entered}
        if row["Status"] == "Released":
            changed["Revision"] = chr(ord(row["Revision"]) + 1)
        day.drawings.append(changed)
        day.approvals.append(_approval(rng, changed, entered))
    for place in range(rng.randrange(0, 3)):
        fresh = _drawing(rng, f"J-{number:05d}-{place + 1}", f"{rng.choice(_JIGS)} {rng.choice('ＡＢＣ')}型", None, number - 1, calendar)
        day.drawings.append({**fresh, "Status": "Draft", "Revision": "A", "Released_At": None, "Modified_At": entered})
    return day
