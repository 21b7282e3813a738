"""The two lists of the quality site: their columns and their rows. Dates in them are fixed, never counted from the clock."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from infra.sandbox.company import trade
from infra.sandbox.company.people import PEOPLE, stable_id

INSTRUMENTS, ACTIONS = "測定機器台帳", "是正処置一覧"
_STAFF = [person.login for person in PEOPLE if person.organisation in ("hinshitsu", "seizo", "gijutsu")]
_TOOLS = (
    ("デジタルノギス", 200, "mm"),
    ("外側マイクロメータ", 25, "mm"),
    ("ダイヤルゲージ", 10, "mm"),
    ("トルクレンチ", 100, "N·m"),
    ("表面粗さ計", 16, "µm"),
    ("硬さ試験機", 70, "HRC"),
    ("振動計", 200, "mm/s"),
    ("絶縁抵抗計", 1000, "V"),
    ("温湿度計", 60, "℃"),
    ("電子天びん", 2, "kg"),
)
_FINDINGS = (
    "{item}の外径が公差を{n} µm外れた",
    "{item}の銘板に旧型式を打刻した",
    "{item}の予圧トルクが下限を{n}%下回った",
    "{item}の梱包で防錆紙の入れ忘れが{n}件",
    "{item}の成績書の添付漏れが{n}件",
    "{item}の締結ねじ{n}本に合いマークがない",
    "{item}の洗浄後に切粉が{n}個残った",
    "{item}のグリース量が指示より{n}%少ない",
)
_CAUSES = (
    "工具交換の基準を回数ではなく目視に頼っていた",
    "図面の版を切り替えた日に旧版の写しが現場に残った",
    "治具の摩耗限度を決めていなかった",
    "前工程の合格印を見ずに流せる置き方だった",
    "測定器の校正が切れる前の周知がなかった",
)
_CURES = (
    "{n}個ごとに工具を替え、計数器で機械を止める",
    "版番号を二次元コードで照合しないと印刷できない形にした",
    "限度ゲージを新設し、点検票に{n}か月周期で加えた",
    "印のない品を受け付けない仕切り箱を{n}個作った",
    "期限の{n}日前に代替機を自動で予約する",
)


def internal_name(display: str) -> str:
    """SharePoint's internal name: what is not ASCII becomes ``_xHHHH_``, cut at 32 characters as the server does."""
    return "".join(c if c.isascii() and c.isalnum() else f"_x{ord(c):04x}_" for c in display)[:32]


def column(listing: str, display: str, facet: dict[str, Any], **common: Any) -> dict[str, Any]:
    """A Graph columnDefinition with exactly one type facet."""
    return {
        "id": stable_id("column", f"{listing}:{display}"),
        "name": internal_name(display),
        "displayName": display,
        "description": "",
        "columnGroup": "Custom Columns",
        "hidden": False,
        "indexed": False,
        "readOnly": False,
        "required": False,
        "enforceUniqueValues": False,
        **common,
        **facet,
    }


def _text(lines: bool = False) -> dict[str, Any]:
    return {
        "text": {
            "allowMultipleLines": lines,
            "appendChangesToExistingText": False,
            "linesForEditing": 6 if lines else 0,
            "maxLength": 255,
            "textType": "plain",
        }
    }


def _choice(*choices: str, display: str = "dropDownMenu") -> dict[str, Any]:
    return {"choice": {"allowTextEntry": False, "choices": list(choices), "displayAs": display}}


_NUMBER = {"number": {"decimalPlaces": "none", "displayAs": "number"}}
_YEN = {"currency": {"locale": "ja-JP"}}
_DAY = {"dateTime": {"displayAs": "default", "format": "dateOnly"}}


def _person(many: bool) -> dict[str, Any]:
    return {"personOrGroup": {"allowMultipleSelection": many, "chooseFromType": "peopleOnly", "displayAs": "nameWithPresence"}}


def columns(listing: str, instruments_guid: str) -> list[dict[str, Any]]:
    """The business columns of one of the two lists."""
    title = {**column(listing, "Title", _text(), required=True), "displayName": "タイトル"}
    if listing == INSTRUMENTS:
        return [
            title,
            column(listing, "管理番号", _text(), indexed=True, enforceUniqueValues=True),
            column(listing, "測定範囲", _text()),
            column(listing, "保管場所", _choice("標準室", "第一工場", "第二工場", "受入検査場")),
            column(listing, "校正周期", _NUMBER),
            column(listing, "次回校正日", _DAY),
            column(listing, "購入価格", _YEN),
            column(listing, "使用可", {"boolean": {}}),
            column(listing, "管理者", _person(False)),
            column(listing, "手順書", {"hyperlinkOrPicture": {"isPicture": False}}),
        ]
    lookup = {
        "lookup": {
            "listId": instruments_guid,
            "columnName": internal_name("管理番号"),
            "allowMultipleValues": False,
            "allowUnlimitedLength": False,
        }
    }
    return [
        title,
        column(listing, "票番号", _text(), indexed=True),
        column(listing, "区分", _choice("重大", "軽微", "観察")),
        column(listing, "状態", _choice("起票", "原因調査", "対策中", "効果確認", "完了")),
        column(listing, "内容", _text(lines=True)),
        column(listing, "数量", _NUMBER),
        column(listing, "費用", _YEN),
        column(listing, "期限", _DAY),
        column(listing, "再発", {"boolean": {}}),
        column(listing, "担当者", _person(False)),
        column(listing, "関係者", _person(True)),
        column(listing, "使用機器", lookup),
        column(listing, "影響工程", _choice("旋削", "研削", "熱処理", "組立", "検査", "出荷", display="checkBoxes")),
    ]


@dataclass(frozen=True)
class Row:
    """One list row: values by display name. Persons are logins (a tuple for several), a date is a civil day of Japan, the lookup a row number."""

    values: dict[str, Any]


def instrument(seed: int, number: int) -> Row:
    """Row ``number`` (from 1) of the ledger of measuring instruments."""
    rng = random.Random(f"{seed}:instrument:{number}")
    name, span, unit = _TOOLS[number % len(_TOOLS)]
    return Row(
        {
            "Title": f"{name} {number:03d}",
            "管理番号": f"MG-{1000 + number}",
            "測定範囲": f"0から{span * rng.randrange(1, 4)} {unit}",
            "保管場所": rng.choice(("標準室", "第一工場", "第二工場", "受入検査場")),
            "校正周期": rng.choice((6, 12, 18, 24)),
            "次回校正日": date(2031, 4, 1) + timedelta(days=rng.randrange(365)),
            "購入価格": rng.randrange(8, 900) * 1000,
            "使用可": rng.random() > 0.1,
            "管理者": rng.choice(_STAFF),
            **({"手順書": ("手順書を見る", f"QP-{rng.randrange(10, 99)}")} if number % 3 == 0 else {}),
        }
    )


def action(seed: int, number: int, instruments: int) -> Row:
    """Row ``number`` (from 1) of the corrective actions. Rare cells are empty, as in real lists."""
    rng = random.Random(f"{seed}:action:{number}")
    item = rng.choice(trade.items(seed))
    found = rng.choice(_FINDINGS).format(item=f"{item.code} {item.name}", n=rng.randrange(2, 30))
    cause, cure = rng.choice(_CAUSES), rng.choice(_CURES).format(n=rng.randrange(2, 50))
    return Row(
        {
            "Title": found,
            "票番号": f"CA-{number:04d}",
            "区分": rng.choice(("重大", "軽微", "軽微", "観察")),
            "状態": rng.choice(("起票", "原因調査", "対策中", "効果確認", "完了")),
            "内容": f"事象:{found}。\n原因:{cause}。\n対策:{cure}。",
            "数量": rng.randrange(1, 400),
            "費用": rng.randrange(0, 900) * 1000,
            "期限": date(2031, 4, 1) + timedelta(days=rng.randrange(120)),
            "再発": rng.random() < 0.12,
            "担当者": rng.choice(_STAFF),
            "関係者": tuple(sorted(rng.sample(_STAFF, rng.randrange(1, 4)))),
            "影響工程": sorted(rng.sample(["旋削", "研削", "熱処理", "組立", "検査", "出荷"], rng.randrange(1, 4))),
            **({"使用機器": rng.randrange(1, instruments + 1)} if number % 4 else {}),
        }
    )
