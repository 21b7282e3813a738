"""A page of records as kintone sends it, made here: 500 records of 20 fields, 1.3 kB each, of the types that business apps are made of."""

from __future__ import annotations

import json
import random
from typing import Any

from connectors.kintone.schema import Field, Form, Shape, arrow_type
from connectors.protocol import Column

ROWS = 500
PRECISION = (16, 4)
_PEOPLE = [(f"user{number:02}@sakura-seiki.example", f"担当者 {number:02}号") for number in range(40)]
_KINDS = ("標準", "特注", "修理", "予備品")
_TAGS = ("至急", "分納可", "立会検査", "輸出")
_CERTAINTY = ("確定", "内示", "見込み")
_OPTIONS = {code: {"options": {key: {} for key in names}} for code, names in (("区分", _KINDS), ("確度", _CERTAINTY), ("タグ", _TAGS))}
_NAMES = ("定期点検部品一式", "搬送ライン増設（第2期）", "治具の更新", "主軸ユニット交換", "検査工程の見直しに伴う手配")

#: Field code → type and the shape of its value; CALC gives numbers.
_TYPES: dict[str, tuple[str, Shape]] = {
    "案件番号": ("SINGLE_LINE_TEXT", "text"),
    "件名": ("SINGLE_LINE_TEXT", "text"),
    "顧客名": ("SINGLE_LINE_TEXT", "text"),
    "製品コード": ("SINGLE_LINE_TEXT", "text"),
    "備考": ("MULTI_LINE_TEXT", "text"),
    "数量": ("NUMBER", "number"),
    "単価": ("NUMBER", "number"),
    "値引": ("NUMBER", "number"),
    "金額": ("CALC", "number"),
    "税額": ("CALC", "number"),
    "受注日": ("DATE", "date"),
    "納期": ("DATE", "date"),
    "確認日時": ("DATETIME", "timestamp"),
    "作成日時": ("CREATED_TIME", "timestamp"),
    "更新日時": ("UPDATED_TIME", "timestamp"),
    "区分": ("DROP_DOWN", "text"),
    "確度": ("RADIO_BUTTON", "text"),
    "タグ": ("CHECK_BOX", "texts"),
    "担当者": ("USER_SELECT", "entities"),
    "作成者": ("CREATOR", "entity"),
}


def body(rows: int = ROWS) -> bytes:
    """The same bytes at every call."""
    dice = random.Random(20261121)
    records = [_record(number, dice) for number in range(1, rows + 1)]
    return json.dumps({"records": records, "totalCount": None}, ensure_ascii=False, separators=(",", ":")).encode()


def layout() -> tuple[Form, list[Column]]:
    """The app's form, and a contract's columns over all of its fields and the id."""
    fields: dict[str, Field] = {"$id": Field("$id", "レコードID", "__ID__", "text", {})}
    fields |= {code: Field(code, code, kind, shape, _OPTIONS.get(code, {})) for code, (kind, shape) in _TYPES.items()}
    form = Form("1", fields, PRECISION, precision_known=True)
    return form, [Column(f"column_{at}", code, arrow_type(one, PRECISION)) for at, (code, one) in enumerate(fields.items())]


def _record(number: int, dice: random.Random) -> dict[str, dict[str, Any]]:
    quantity, price = dice.randint(1, 400), dice.randint(100, 9_000_000)
    values: dict[str, Any] = {
        "案件番号": f"PJ-{number:07}",
        "件名": f"{dice.choice(_NAMES)} 図面{dice.randint(1, 9999):04}",
        "顧客名": f"㈱葛城機械 第{dice.randint(1, 300)}工場",
        "製品コード": f"BR-{dice.randint(1000, 9999)}",
        "備考": "" if dice.random() < 0.5 else f"納品書は{dice.randint(2, 9)}部必要です。",
        "数量": str(quantity),
        "単価": f"{price / 100:.2f}",
        "値引": f"{dice.randint(0, 90) / 10}",
        "金額": f"{quantity * price / 100:.2f}",
        "税額": str(quantity * price // 1000),
        "受注日": _day(dice),
        "納期": _day(dice),
        "確認日時": f"{_day(dice)}T{dice.randint(0, 23):02}:{dice.randint(0, 59):02}:00Z",
        "作成日時": f"{_day(dice)}T{dice.randint(0, 23):02}:{dice.randint(0, 59):02}:00Z",
        "更新日時": f"{_day(dice)}T{dice.randint(0, 23):02}:{dice.randint(0, 59):02}:00Z",
        "区分": dice.choice(_KINDS),
        "確度": dice.choice(_CERTAINTY),
        "タグ": dice.sample(_TAGS, dice.randint(0, 2)),
        "担当者": [_person(dice)],
        "作成者": _person(dice),
    }
    record: dict[str, dict[str, Any]] = {code: {"type": _TYPES[code][0], "value": value} for code, value in values.items()}
    record["$id"] = {"type": "__ID__", "value": str(number)}
    record["$revision"] = {"type": "__REVISION__", "value": str(dice.randint(1, 9))}
    return record


def _day(dice: random.Random) -> str:
    return f"2026-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}"


def _person(dice: random.Random) -> dict[str, str]:
    code, name = dice.choice(_PEOPLE)
    return {"code": code, "name": name}
