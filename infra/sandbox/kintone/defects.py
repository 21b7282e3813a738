"""品質不具合 (quality defects): the form, the cases of the past with their attachments, and their states."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any

from infra.sandbox.clock import JST
from infra.sandbox.company.people import DOMAIN, GROUPS, ORGANISATIONS, person
from infra.sandbox.company.trade import Item, items
from infra.sandbox.kintone import attachments
from infra.sandbox.kintone.comments import Comment, Comments, hang
from infra.sandbox.kintone.defect_texts import CASES, TALK, Case, Remark
from infra.sandbox.kintone.directory import user_code
from infra.sandbox.kintone.forms import Field, system_fields
from infra.sandbox.kintone.store import App, Record, StoredFile, minute

COUNT = 120
#: Records that somebody has commented on at the origin.
TALKED_OF = 40
STATES = ("受付", "調査中", "対策中", "完了")
FOUND_IN = ("受入検査", "工程内検査", "出荷検査", "客先")
CAUSES = ("設計", "加工", "組立", "材料", "梱包・輸送", "使用条件")
INSPECTORS = (f"misaki.sato@{DOMAIN}", f"ren.nakamura@{DOMAIN}", f"aoi.kobayashi@{DOMAIN}")

_NAMED = {one.code: one.name for one in (*GROUPS, *ORGANISATIONS)}


def make_app(number: int, created: datetime) -> App:
    fields = [
        *system_fields(),
        Field("不具合番号", "SINGLE_LINE_TEXT", required=True, unique=True),
        Field("件名", "SINGLE_LINE_TEXT", required=True),
        Field("発生日", "DATE"),
        Field("発見工程", "DROP_DOWN", options=FOUND_IN),
        Field("製品コード", "SINGLE_LINE_TEXT"),
        Field("製品名", "SINGLE_LINE_TEXT"),
        Field("ロット番号", "SINGLE_LINE_TEXT"),
        Field("不良数", "NUMBER"),
        Field("重大度", "RADIO_BUTTON", options=("軽微", "中", "重大")),
        Field("現象", "MULTI_LINE_TEXT"),
        Field("原因分類", "DROP_DOWN", options=CAUSES),
        Field("原因の詳細", "MULTI_LINE_TEXT"),
        Field("対策", "MULTI_LINE_TEXT"),
        Field("対応状況", "DROP_DOWN", options=STATES, required=True),
        Field("担当者", "USER_SELECT"),
        Field("完了日", "DATE"),
        Field("添付ファイル", "FILE"),
    ]
    told = "社内と客先で見つかった不具合の調査と対策を記録します。"
    app = App(number, "DEFECTS", "品質不具合", told, fields, created=created, owner=f"misaki.sato@{DOMAIN}")
    app.title = "件名"
    return app


def fill(app: App, origin: datetime, seed: int) -> dict[str, StoredFile]:
    """120 cases of about two years, the newest fifth still open. Returns the attachments by file key."""
    rng = random.Random(f"defects:{seed}")
    by_family: dict[str, list[Item]] = {}
    for item in items(seed):
        by_family.setdefault(item.category, []).append(item)
    files: dict[str, StoredFile] = {}
    for place in range(COUNT):
        case = CASES[place % len(CASES)]
        at = origin - timedelta(days=6 * (COUNT - place), minutes=rng.randrange(60, 500))
        item = rng.choice(by_family[case.family])
        open_for = COUNT - place
        state = STATES[3] if open_for > COUNT // 5 else STATES[min(2, open_for // 8)]
        values = _values(case, item, rng, place + 1, at, state)
        hung = _files(case, item, values, seed, place + 1)
        files |= hung
        values["添付ファイル"] = [
            {"fileKey": key, "name": file.name, "contentType": file.content_type, "size": str(file.size)} for key, file in hung.items()
        ]
        app.insert(place + 1, app.fill(values), 1 + STATES.index(state) + rng.randrange(2))
    return files


def talk(app: App, seed: int) -> Comments:
    """What was said of a third of the cases, a remark a day from the day after each was entered."""
    rng = random.Random(f"defects-talk:{seed}")
    kept: Comments = {}
    for number in sorted(rng.sample(range(1, COUNT + 1), TALKED_OF)):
        record = app.records[number]
        thread = rng.choice([one for one in TALK if one.cause == record.values["原因分類"]])
        entered = datetime.fromisoformat(record.values["作成日時"]).astimezone(JST).date()
        for days, one in enumerate(thread.remarks, start=1):
            at = datetime.combine(entered + timedelta(days=days), time(8, 40), JST) + timedelta(seconds=rng.randrange(9 * 3600))
            say(kept, app, record, one, at)
    return kept


def say(kept: Comments, app: App, record: Record, remark: Remark, at: datetime) -> Comment:
    """Let a person of the company make this remark about a case. As kintone shows it, the names of those it is for come first."""
    values = record.values
    text = remark.text.format(lot=values["ロット番号"], count=values["不良数"], item=values["製品名"])
    names, mentions = "", []
    for one in remark.to:
        kind, _, code = one.rpartition(":")
        mentions.append((kind.upper() or "USER", code if kind else user_code(person(code))))
        names += f"{_NAMED[code] if kind else person(code).name} "
    return hang(kept, app, record, user_code(person(remark.who)), f"{names}\n{text}" if names else text, at, tuple(mentions))


def _values(case: Case, item: Item, rng: random.Random, number: int, at: datetime, state: str) -> dict[str, Any]:
    who = rng.choice(INSPECTORS)
    day = at.astimezone(JST).date()
    closed = day + timedelta(days=rng.randrange(14, 80)) if state == STATES[3] else None
    return {
        "作成者": who,
        "作成日時": minute(at),
        "更新者": rng.choice(INSPECTORS),
        "更新日時": minute(at + timedelta(days=rng.randrange(0, 6))),
        "不具合番号": f"QD-{number:05d}",
        "件名": f"{item.name}：{case.title}",
        "発生日": day.isoformat(),
        "発見工程": FOUND_IN[int(rng.random() * 4)],
        "製品コード": item.code,
        "製品名": item.name,
        # A lot number names no date: the texts must not move with the origin.
        "ロット番号": f"L{item.category}{rng.randrange(10_000, 99_999)}",
        "不良数": str(rng.randrange(1, 25)),
        "重大度": rng.choice(("軽微", "軽微", "中", "中", "重大")),
        "現象": case.phenomenon,
        "原因分類": case.cause,
        "原因の詳細": case.detail if state in STATES[2:] else "",
        "対策": case.remedy if state in STATES[2:] else "",
        "対応状況": state,
        "担当者": [who],
        "完了日": closed.isoformat() if closed else None,
    }


def _files(case: Case, item: Item, values: dict[str, Any], seed: int, number: int) -> dict[str, StoredFile]:
    """One or two files of the case. They are made again from the same facts whenever they are read, so only their size is kept."""
    name, lot = values["不具合番号"], values["ロット番号"]
    lines = [f"製品：{item.code} {item.name}", f"ロット番号：{lot}", f"現象：{case.phenomenon}", f"原因分類：{case.cause}"]
    lines = [piece for line in lines for piece in (line[at : at + 44] for at in range(0, len(line), 44))]
    kinds: list[tuple[str, str, Callable[[], bytes]]] = [
        (f"{name}_調査報告書.pdf", "application/pdf", partial(attachments.report, f"不具合調査報告書 {name}", lines)),
        (f"{name}_外観.png", "image/png", partial(attachments.photograph, f"{seed}:{number}")),
        (f"{name}_測定記録.csv", "text/csv", partial(attachments.measurements, f"{seed}:{number}", lot)),
        (f"{name}_聞き取りメモ.txt", "text/plain", partial(attachments.note, [f"{name} 聞き取りメモ", *lines])),
    ]
    chosen = kinds[number % 4 : number % 4 + 1] if number % 3 == 0 else [kinds[number % 4], kinds[(number + 1) % 4]]
    found: dict[str, StoredFile] = {}
    for filename, content_type, load in chosen:
        key = hashlib.sha256(f"file:{seed}:{filename}".encode()).hexdigest()[:48].upper()
        found[key] = StoredFile("DEFECTS", filename, content_type, len(load()), load)
    return found
