"""Composes the library 製品マニュアル: eight documents for each product family, about real items, some in English."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from infra.sandbox.company import trade
from infra.sandbox.sharepoint.content.document import Document, Section, blocks, fill


@dataclass
class Facts:
    """What families.txt says of one family, by row kind; each row is its cells."""

    prefix: str
    rows: dict[str, list[list[str]]] = field(default_factory=dict)

    @property
    def family(self) -> str:
        return trade.FAMILIES[self.prefix][0]


def manuals(seed: int) -> list[Document]:
    """The family folders' documents, in a fixed order."""
    made: list[Document] = []
    for number, (prefix, lines) in enumerate(blocks("families.txt")):
        facts = Facts(prefix)
        for line in lines:
            kind, *cells = [cell.strip() for cell in line.split("|")]
            facts.rows.setdefault(kind, []).append(cells)
        made.extend(_family(facts, number, seed))
    return made


def _family(facts: Facts, number: int, seed: int) -> list[Document]:
    of_family = [item for item in trade.items(seed) if item.category == facts.prefix]
    items = random.Random(f"{seed}:manuals:{facts.prefix}").sample(of_family, 7)
    shift_jis = number % 2 == 0
    return [
        _manual(facts, items[0], seed),
        _inspection(facts, items[1], of_family, seed),
        _training(facts, items[2], seed),
        _diagnosis(facts, items[3], seed, "shift_jis" if shift_jis else "utf-8"),
        _sheet(facts, items[4], seed),
        _installation(facts, items[5], seed),
        _datasheet(facts, items[6], seed),
        _faq(facts, seed) if shift_jis else _faq_english(facts, seed),
    ]


def _path(facts: Facts, name: str) -> str:
    return f"製品マニュアル/{facts.family}/{name}"


def _cells(facts: Facts, kind: str, rng: random.Random, seed: int) -> list[list[str]]:
    return [[fill(cell, rng, seed) for cell in row] for row in facts.rows[kind]]


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""


def _specs(facts: Facts, rng: random.Random, seed: int, language: str) -> tuple[tuple[str, ...], ...]:
    rows = [
        (ja if language == "ja" else en, fill(f"{{{numbers}}}", rng, seed) + _unit(unit)) for ja, en, unit, numbers in facts.rows["spec"]
    ]
    return (("項目", "値") if language == "ja" else ("Property", "Value"), *rows)


def _rng(seed: int, kind: str, code: str) -> random.Random:
    return random.Random(f"{seed}:{kind}:{code}")


def _manual(facts: Facts, item: trade.Item, seed: int) -> Document:
    rng = _rng(seed, "manual", item.code)
    steps = [f"{n}. {row[0]}" for n, row in enumerate(_cells(facts, "step", rng, seed), 1)]
    intro = f"{item.name}({item.code})は質量{item.weight_kg} kg、販売単位は{item.unit}である。" + (
        "生産終了品のため、補修部品は最終出荷から10年間だけ供給する。" if item.discontinued else "製造番号は銘板の右下、6桁で示す。"
    )
    return Document(
        _path(facts, f"取扱説明書_{item.code}.docx"),
        f"{item.code} {item.name} 取扱説明書",
        (
            Section("概要と仕様", (intro,), _specs(facts, rng, seed, "ja")),
            Section("据付の手順", tuple(steps)),
            Section("注意", (_cells(facts, "caution", rng, seed)[0][0],)),
        ),
    )


def _inspection(facts: Facts, item: trade.Item, family: list[trade.Item], seed: int) -> Document:
    rng = _rng(seed, "inspection", item.code)
    points = [tuple(row) for row in _cells(facts, "point", rng, seed)]
    header = ("点検箇所", "方法", "基準", "周期")
    spares = [(part.code, part.name, f"{rng.randrange(1, 9)}{part.unit}") for part in rng.sample(family, 3)]
    trouble = _cells(facts, "trouble", rng, seed)[0]
    return Document(
        _path(facts, f"点検基準_{item.code}.xlsx"),
        f"{item.code} {item.name} 点検基準",
        (
            Section("点検", (f"不合格のときは「{trouble[0]}」に進む前に停止し、{trouble[2]}。",), (header, *points)),
            Section("予備品", ("予備品は保全棚に置き、最少数を割ったら当日中に購買部へ依頼する。",), (("品番", "品名", "最少数"), *spares)),
            Section(
                "記録",
                (
                    f"点検票{facts.prefix}-{rng.randrange(10, 99)}に測定値を書き、{rng.choice((5, 7, 10))}年保存する。"
                    f"基準外が{rng.randrange(2, 4)}回続いたら周期を半分にし、3回続けて良好なら元へ戻す。",
                ),
            ),
        ),
    )


def _training(facts: Facts, item: trade.Item, seed: int) -> Document:
    rng = _rng(seed, "training", item.code)
    steps = tuple(row[0] for row in _cells(facts, "step", rng, seed))
    trouble = _cells(facts, "trouble", rng, seed)
    return Document(
        _path(facts, f"据付調整研修_{facts.family}.pptx"),
        f"{facts.family} 据付調整研修",
        (
            Section("据付の要点", steps, notes=f"実習機は{item.code}。1組{rng.randrange(2, 5)}名、所要{rng.randrange(6, 13) * 10}分。"),
            Section("調整値", (), _specs(facts, rng, seed, "ja"), notes=_cells(facts, "caution", rng, seed)[0][0]),
            Section(
                "よくある失敗",
                tuple(f"{s}:{cause}。{cure}。" for s, cause, cure in trouble[:2]),
                notes=f"確認試験は{rng.randrange(14, 19)}問中{rng.randrange(10, 14)}問で合格とする。",
            ),
        ),
    )


def _diagnosis(facts: Facts, item: trade.Item, seed: int, charset: str) -> Document:
    rng = _rng(seed, "diagnosis", item.code)
    rows = [tuple(row) for row in _cells(facts, "trouble", rng, seed)]
    point = _cells(facts, "point", rng, seed)[rng.randrange(3)]
    return Document(
        _path(facts, f"故障診断_{item.code}.html"),
        f"{item.code} {item.name} 故障診断",
        (
            Section("症状から探す", (), (("症状", "原因", "処置"), *rows)),
            Section(
                "最初に確かめること",
                (
                    f"{point[0]}を{point[1]}で調べ、{point[2]}であるかを見る。通常の周期は{point[3]}だが、異常時は直ちに行う。"
                    f"判断に迷うときは運転を止め、品番と製造番号を添えて内線{rng.randrange(2210, 2290)}へ連絡する。",
                ),
            ),
            Section(
                "応急運転", (f"負荷{rng.randrange(3, 7) * 10}%以下、最長{rng.randrange(2, 9)}時間まで。警報が再び出たら再起動しない。",)
            ),
        ),
        charset=charset,
    )


def _sheet(facts: Facts, item: trade.Item, seed: int) -> Document:
    rng = _rng(seed, "sheet", item.code)
    steps = _cells(facts, "step", rng, seed)
    return Document(
        _path(facts, f"仕様書_{item.code}.pdf"),
        f"{item.code} {item.name} 仕様書",
        (
            Section("仕様", (f"標準価格は{item.price:,.1f}円/{item.unit}、質量は{item.weight_kg} kg。",), _specs(facts, rng, seed, "ja")),
            Section(
                "使用条件",
                (
                    f"周囲温度{rng.randrange(0, 6)}から{rng.randrange(38, 51)} ℃、湿度{rng.randrange(70, 91)}%以下(結露なし)、"
                    f"標高1,000 mまで。{steps[0][0]}",
                ),
            ),
            Section(
                "保管と保証",
                (
                    f"未開封で{rng.randrange(6, 25)}か月、6か月ごとに防錆を確かめる。保証は出荷後18か月、"
                    f"予備品の供給は生産終了後10年。納期は標準{rng.randrange(10, 61)}日である。",
                ),
            ),
        ),
    )


def _installation(facts: Facts, item: trade.Item, seed: int) -> Document:
    rng = _rng(seed, "installation", item.code)
    steps = tuple(f"{n}. {row[1]}" for n, row in enumerate(_cells(facts, "step", rng, seed), 1))
    trouble = [tuple(row) for row in _cells(facts, "trouble_en", rng, seed)]
    return Document(
        _path(facts, f"Installation_Guide_{item.code}.docx"),
        f"Installation guide {item.code} {item.name_en}",
        (
            Section("Steps", (f"The unit weighs {item.weight_kg} kg. Keep it packed until the room is between 15 and 30 °C.", *steps)),
            Section("When something is wrong", (), (("Symptom", "Cause", "Remedy"), *trouble)),
            Section("Caution", (_cells(facts, "caution", rng, seed)[0][1],)),
        ),
        language="en",
    )


def _datasheet(facts: Facts, item: trade.Item, seed: int) -> Document:
    rng = _rng(seed, "datasheet", item.code)
    question = _cells(facts, "faq_en", rng, seed)[0]
    return Document(
        _path(facts, f"Datasheet_{item.code}.pdf"),
        f"Datasheet {item.code} {item.name_en}",
        (
            Section("Ratings", (f"List price {item.price:,.1f} yen; mass {item.weight_kg} kg.",), _specs(facts, rng, seed, "en")),
            Section(
                "Ordering",
                (
                    f"Minimum order {rng.randrange(1, 6)}; standard lead time {rng.randrange(10, 61)} days; export packing adds "
                    f"{rng.randrange(2, 6)} days and {rng.randrange(8, 30) * 100} yen per box.",
                ),
            ),
            Section("Note", (" ".join(question), _cells(facts, "caution", rng, seed)[0][1])),
        ),
        language="en",
    )


def _faq(facts: Facts, seed: int) -> Document:
    rng = _rng(seed, "faq", facts.prefix)
    answers = _cells(facts, "faq", rng, seed)
    trouble = _cells(facts, "trouble", rng, seed)[-1]
    points = _cells(facts, "point", rng, seed)
    return Document(
        _path(facts, f"FAQ_{facts.family}.html"),
        f"{facts.family} よくある質問",
        (
            Section("使い方", tuple(f"Q. {question} A. {answer}" for question, answer in answers)),
            Section(
                "困ったとき",
                (
                    f"Q. {trouble[0]}のですが。 A. 原因は{trouble[1]}です。{trouble[2]}。",
                    f"Q. 自分で点検できる所はどこですか A. {points[0][0]}({points[0][2]}、{points[0][3]})と"
                    f"{points[2][0]}({points[2][2]}、{points[2][3]})です。",
                ),
            ),
            Section(
                "連絡先",
                (f"回答率は当日{rng.randrange(82, 96)}%。夜間は内線{rng.randrange(2110, 2190)}で受け、緊急度Sだけ担当者を呼び出す。",),
            ),
        ),
    )


def _faq_english(facts: Facts, seed: int) -> Document:
    rng = _rng(seed, "faq", facts.prefix)
    english = trade.FAMILIES[facts.prefix][1]
    answers = _cells(facts, "faq_en", rng, seed)
    trouble = _cells(facts, "trouble_en", rng, seed)
    return Document(
        _path(facts, f"FAQ_{english.replace(' ', '_')}.html"),
        f"{english}: questions and answers",
        (
            Section("Use", tuple(f"{question} {answer}" for question, answer in answers)),
            Section("Trouble", tuple(f"{symptom}? Usually {cause}: {cure}." for symptom, cause, cure in trouble)),
            Section(
                "Support",
                (
                    f"{rng.randrange(82, 96)} % of questions are answered the same day; at night only urgency S calls out an engineer. "
                    f"Have the item code, serial number and {rng.randrange(2, 5)} photos ready.",
                ),
            ),
        ),
        language="en",
    )
