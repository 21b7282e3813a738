"""顧客 (customers): the master app that orders look up."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal

from infra.sandbox.clock import JST
from infra.sandbox.company.people import DOMAIN
from infra.sandbox.company.trade import customers
from infra.sandbox.kintone.forms import Field, system_fields
from infra.sandbox.kintone.orders import SALES
from infra.sandbox.kintone.store import App, minute

RANKS = ("A", "B", "C")


def make_app(number: int, created: datetime) -> App:
    fields = [
        *system_fields(),
        Field("顧客コード", "SINGLE_LINE_TEXT", required=True, unique=True),
        Field("顧客名", "SINGLE_LINE_TEXT", required=True),
        Field("フリガナ", "SINGLE_LINE_TEXT"),
        Field("郵便番号", "SINGLE_LINE_TEXT"),
        Field("都道府県", "SINGLE_LINE_TEXT"),
        Field("市区町村", "SINGLE_LINE_TEXT"),
        Field("電話番号", "LINK"),
        Field("ランク", "RADIO_BUTTON", options=RANKS),
        Field("担当者", "USER_SELECT"),
        Field("担当部署", "ORGANIZATION_SELECT"),
        Field("取引開始日", "DATE"),
        Field("受付開始時刻", "TIME"),
        Field("与信限度額", "NUMBER"),
    ]
    told = "顧客マスタです。受注アプリから参照します。"
    app = App(number, "CUSTOMERS", "顧客", told, fields, created=created, owner=f"akari.mori@{DOMAIN}")
    app.title = "顧客名"
    return app


def fill(app: App, origin: datetime, seed: int) -> None:
    rng = random.Random(f"kintone-customers:{seed}")
    for place, one in enumerate(customers(seed)):
        at = origin - timedelta(days=905, minutes=-7 * place)
        clerk = rng.choice(SALES)
        values = app.fill(
            {
                "作成者": f"akari.mori@{DOMAIN}",
                "作成日時": minute(at),
                "更新者": clerk,
                "更新日時": minute(at + timedelta(days=rng.randrange(0, 880))),
                "顧客コード": one.code,
                "顧客名": one.name,
                "フリガナ": one.kana,
                "郵便番号": one.postal_code,
                "都道府県": one.prefecture,
                "市区町村": one.city,
                "電話番号": one.phone,
                "ランク": one.rank,
                "担当者": [clerk],
                "担当部署": ["eigyo-east" if rng.random() < 0.5 else "eigyo-west"],
                "取引開始日": (at.astimezone(JST).date() - timedelta(days=rng.randrange(30, 7000))).isoformat(),
                "受付開始時刻": rng.choice(("08:30", "09:00", "09:00", "10:00")),
                "与信限度額": str(Decimal(rng.randrange(1, 60)) * 500_000) if rng.random() < 0.9 else "",
            }
        )
        app.insert(place + 1, values, 1 + rng.randrange(5))
