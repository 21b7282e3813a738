"""受注 (orders): the form, the 20,000 orders of the past, and how one is drawn. Prices and partners come from the company's trade."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from infra.sandbox.clock import JST
from infra.sandbox.company.people import DOMAIN, PEOPLE
from infra.sandbox.company.trade import Item, Partner, customers, items
from infra.sandbox.kintone.forms import Field, system_fields
from infra.sandbox.kintone.store import App, Process, minute

COUNT = 20_000
YEARS_BACK_DAYS = 900
#: Every so many ids one is missing, as where somebody deleted a record long ago.
GAP = 137
KINDS = ("標準", "特注", "予備品", "修理")
TAGS = ("至急", "分納可", "立会検査", "輸出", "校正証明書")
STATES = ("受付", "手配中", "出荷済", "完了")
ACTIONS = (("手配する", "受付", "手配中"), ("出荷する", "手配中", "出荷済"), ("完了する", "出荷済", "完了"))
CERTAINTY = ("確定", "内示", "見込み")
REMARKS = (
    "",
    "",
    "",
    "",
    "納品書は2部必要です。",
    "午前中の納品をご希望です。",
    "梱包は木箱を指定されています。\n吊り具は先方で用意済みです。",
    "検査成績書を同梱してください。",
    "前回と同じ取付寸法であることを図面で確認済みです。",
    "支払条件は月末締め翌月末払いです。",
    "現地据付の立会いを求められています。\n日程は営業から連絡します。",
    "輸出梱包（防錆紙・シリカゲル）でお願いします。",
    "代替品でも可とのことです。",
)
SALES: tuple[str, ...] = tuple(one.login for one in PEOPLE if one.organisation.startswith("eigyo"))
_FOUR_PLACES = Decimal("0.0001")


def plain(number: Decimal) -> str:
    """A computed number as kintone writes it: no exponent, at most four decimals, no trailing zeros."""
    text = format(number.quantize(_FOUR_PLACES, ROUND_HALF_EVEN), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def subtotal(row: dict[str, Any]) -> str:
    """数量 * 単価; empty when a part is missing."""
    quantity, price = row.get("数量"), row.get("単価")
    return plain(Decimal(quantity) * Decimal(price)) if quantity and price else ""


def total(values: dict[str, Any]) -> str:
    """SUM(小計) over the table's rows."""
    return plain(sum((Decimal(row["小計"]) for _, row in values.get("明細") or () if row.get("小計")), Decimal(0)))


def make_app(number: int, created: datetime) -> App:
    """The empty app with its form, process and rights."""
    lines = Field(
        "明細",
        "SUBTABLE",
        inner=[
            Field("製品コード", "SINGLE_LINE_TEXT"),
            Field("製品名", "SINGLE_LINE_TEXT"),
            Field("数量", "NUMBER"),
            Field("単価", "NUMBER"),
            Field("小計", "CALC", expression="数量 * 単価", compute=subtotal),
        ],
    )
    fields = [
        *system_fields(),
        Field("ステータス", "STATUS"),
        Field("作業者", "STATUS_ASSIGNEE"),
        Field("受注番号", "SINGLE_LINE_TEXT", required=True, unique=True),
        Field("受注日", "DATE", required=True),
        Field("顧客コード", "SINGLE_LINE_TEXT", lookup=("CUSTOMERS", "顧客コード", (("顧客名", "顧客名"),))),
        Field("顧客名", "SINGLE_LINE_TEXT"),
        Field("担当者", "USER_SELECT"),
        Field("受注区分", "DROP_DOWN", options=KINDS),
        Field("確度", "RADIO_BUTTON", options=CERTAINTY),
        Field("希望納期", "DATETIME"),
        lines,
        Field("金額合計", "CALC", expression="SUM(小計)", compute=total),
        Field("消費税率", "NUMBER"),
        Field("備考", "MULTI_LINE_TEXT"),
        Field("タグ", "CHECK_BOX", options=TAGS),
    ]
    app = App(number, "ORDERS", "受注", "受注の登録と出荷までの進捗を管理します。", fields, created=created, owner=f"akari.mori@{DOMAIN}")
    app.process = Process(STATES, ACTIONS)
    app.title = "受注番号"
    return app


def fill(app: App, origin: datetime, seed: int) -> None:
    """The orders of the 900 days before the origin's date, spread over working days, oldest first."""
    rng = random.Random(f"orders:{seed}")
    last = origin.astimezone(JST).date() - timedelta(days=1)
    days = [day for back in range(YEARS_BACK_DAYS, -1, -1) if (day := last - timedelta(days=back)).weekday() < 5]
    partners, goods = customers(seed), items(seed)
    number, previous, today_count = 0, date.min, 0
    for place in range(COUNT):
        number += 2 if number % GAP == GAP - 1 else 1
        day = days[place * len(days) // COUNT]
        today_count = today_count + 1 if day == previous else 0
        previous = day
        # Minutes grow with the ids of the day, as they do where people type orders in.
        at = datetime(day.year, day.month, day.day, 9, 0, tzinfo=JST) + timedelta(minutes=min(today_count * 15, 530) + rng.randrange(9))
        age = (last - day).days
        changed = min(age, rng.randrange(0, 21)) if rng.random() < 0.7 else 0
        revision = 1 + (rng.randrange(1, 7) if changed else 0)
        values = draw(app, rng, partners, goods, number, at)
        values["更新日時"] = minute(at + timedelta(days=changed))
        values["更新者"] = rng.choice(SALES) if changed else values["作成者"]
        state = STATES[3] if age > 45 else STATES[min(age // 12, 3)] if revision > 1 else STATES[0]
        values["ステータス"] = state
        values["作業者"] = [] if state == STATES[3] else values["担当者"]
        app.insert(number, values, revision)
    app.next_row += 10


def draw(app: App, rng: random.Random, partners: tuple[Partner, ...], goods: tuple[Item, ...], number: int, at: datetime) -> dict[str, Any]:
    """One new order as its clerk saves it at ``at``."""
    partner = partners[int(rng.random() ** 1.6 * len(partners))]
    clerk = SALES[rng.randrange(len(SALES))]
    stamp = minute(at)
    day = at.astimezone(JST).date()
    lines = []
    for _ in range(1 + int(rng.random() ** 2 * 5)):
        item = goods[rng.randrange(len(goods))]
        row = {"製品コード": item.code, "製品名": item.name, "数量": str(1 + int(rng.random() ** 3 * 60)), "単価": str(item.price)}
        lines.append(app.row(row))
    return app.fill(
        {
            "作成者": clerk,
            "作成日時": stamp,
            "更新者": clerk,
            "更新日時": stamp,
            "ステータス": STATES[0],
            "作業者": [clerk],
            "受注番号": f"SO-{number:06d}",
            "受注日": day.isoformat(),
            "顧客コード": partner.code,
            "顧客名": partner.name,
            "担当者": [clerk],
            "受注区分": KINDS[int(rng.random() ** 2 * 4)],
            "確度": CERTAINTY[int(rng.random() ** 3 * 3)],
            "希望納期": (day + timedelta(days=rng.randrange(7, 60))).isoformat() + ("T00:00:00Z" if rng.random() < 0.7 else "T04:30:00Z")
            if rng.random() < 0.9
            else "",
            "明細": lines,
            "消費税率": "0" if rng.random() < 0.05 else "10",
            "備考": REMARKS[rng.randrange(len(REMARKS))],
            "タグ": [tag for tag in TAGS if rng.random() < 0.12],
        }
    )
