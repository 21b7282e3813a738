"""製品FAQ (product questions): the form, who may see what, and the answers that the company has collected."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from html import escape
from typing import Any

from infra.sandbox.clock import JST
from infra.sandbox.company.people import DOMAIN
from infra.sandbox.company.trade import FAMILIES
from infra.sandbox.kintone.faq_texts import LATER, Answered, base_answers
from infra.sandbox.kintone.forms import Field, system_fields
from infra.sandbox.kintone.store import App, minute

CATEGORIES = (*(family[0] for family in FAMILIES.values()), "共通")
AUDIENCES = ("社内", "営業限定", "品質限定")
WRITERS = (f"mio.matsumoto@{DOMAIN}", f"yuto.inoue@{DOMAIN}", f"emma.wilson@{DOMAIN}", f"aoi.kobayashi@{DOMAIN}")


def make_app(number: int, created: datetime) -> App:
    fields = [
        *system_fields(),
        Field("質問", "SINGLE_LINE_TEXT", required=True),
        Field("回答", "RICH_TEXT", required=True),
        Field("カテゴリ", "DROP_DOWN", options=CATEGORIES),
        Field("キーワード", "MULTI_SELECT", options=("選定", "取付", "保守", "故障", "仕様", "取引")),
        Field("公開範囲", "DROP_DOWN", options=AUDIENCES, required=True),
        Field("担当部署", "ORGANIZATION_SELECT"),
        Field("最終確認日", "DATE"),
    ]
    app = App(number, "FAQ", "製品FAQ", "製品についてよくある質問と回答です。", fields, created=created, owner=f"mio.matsumoto@{DOMAIN}")
    app.title = "質問"
    return app


def fill(app: App, origin: datetime, seed: int) -> None:
    rng = random.Random(f"faq:{seed}")
    answers = base_answers()
    for place, one in enumerate(answers):
        at = origin - timedelta(days=int(700 * (1 - place / len(answers))) + 20, minutes=rng.randrange(600))
        values = values_of(one, rng.choice(WRITERS), at)
        if rng.random() < 0.4:
            values["更新日時"] = minute(at + timedelta(days=rng.randrange(1, 19)))
            values["更新者"] = rng.choice(WRITERS)
            app.insert(place + 1, values, 1 + rng.randrange(1, 5))
        else:
            app.insert(place + 1, values, 1)


def values_of(one: Answered, writer: str, at: datetime) -> dict[str, Any]:
    """One question as its writer saves it at ``at``."""
    paragraphs = "".join(f"<div>{escape(sentence)}。</div>" for sentence in one.answer.rstrip("。").split("。"))
    return {
        "作成者": writer,
        "作成日時": minute(at),
        "更新者": writer,
        "更新日時": minute(at),
        "質問": one.question,
        "回答": paragraphs,
        "カテゴリ": one.category,
        "キーワード": [one.topic],
        "公開範囲": one.audience,
        "担当部署": ["hinshitsu" if one.audience == "品質限定" else "eigyo" if one.audience == "営業限定" else "gijutsu"],
        "最終確認日": at.astimezone(JST).date().isoformat(),
    }


def later(number: int) -> Answered:
    """The number-th question written after the origin; they come round again when all are used."""
    return LATER[number % len(LATER)]
