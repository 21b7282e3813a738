"""Everything the two sites hold on the first day, and the new documents of later days. Texts follow from the seed alone, never from a date."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import lru_cache

from infra.sandbox.company import trade
from infra.sandbox.sharepoint.content import document, manuals
from infra.sandbox.sharepoint.content.document import Document, Section

_OWNERS = {"製品マニュアル": "技術部", "品質規程": "品質保証部", "規程と通知": "人事総務部"}
_OWNERS_EN = {"製品マニュアル": "Engineering", "品質規程": "Quality Assurance", "規程と通知": "Human Resources"}
_PREFIXES = {"製品マニュアル": "TM", "品質規程": "QR", "規程と通知": "HR"}


@lru_cache(maxsize=2)
def documents(seed: int) -> tuple[Document, ...]:
    """Every file of the three libraries on the first day, with its closing line about number, owner and review."""
    texts = [*manuals.manuals(seed), *document.read("quality.txt", seed), *document.read("hr.txt", seed)]
    return tuple(_closed(text, number, seed) for number, text in enumerate(texts, 1))


@lru_cache(maxsize=2)
def pages(seed: int) -> tuple[Document, ...]:
    """The modern site pages of both sites; the first part of the path is the site."""
    return tuple(document.read("pages.txt", seed))


def _closed(text: Document, number: int, seed: int) -> Document:
    rng = random.Random(f"{seed}:closing:{text.path}")
    library = text.path.split("/")[0]
    code, copies, months = f"{_PREFIXES[library]}-{number:03d}", rng.randrange(2, 9), rng.choice((12, 18, 24, 36))
    if text.language == "en":
        line = f"Document {code}, owner {_OWNERS_EN[library]}; reviewed every {months} months; {copies} controlled copies."
        # English texts are long enough without a contact line.
    else:
        line = f"文書番号{code}、主管は{_OWNERS[library]}。{months}か月ごとに見直し、管理された写しは{copies}部である。"
        line += f"疑問は内線{rng.randrange(2200, 2500)}へ。改訂の提案は様式QF-{rng.randrange(300, 400)}で受け、{rng.randrange(5, 16)}営業日以内に採否を答える。"
    last = text.sections[-1]
    return replace(text, sections=(*text.sections[:-1], replace(last, paragraphs=(*last.paragraphs, line))))


def bulletin(seed: int, day: int) -> Document:
    """The one document that day ``day`` adds: a quality flash or, every third day, a notice of Human Resources."""
    rng = random.Random(f"{seed}:bulletin:{day}")
    if day % 3 == 0:
        line, places, hours = rng.choice(("A", "B", "C")), rng.randrange(2, 9), rng.randrange(2, 7)
        return Document(
            f"規程と通知/通知/人事通知_第{day:03d}号.html",
            f"人事通知 第{day:03d}号 構内の通行と休憩所",
            (
                Section(
                    "変更点",
                    (
                        f"工場{line}棟の通路工事のため、休憩所を{places}か所に分け、昼休みの入れ替え間隔を{rng.randrange(15, 31)}分とする。"
                        f"台車は1列{rng.randrange(2, 5)}台まで、速度は{rng.randrange(3, 7)} km/h以下とする。",
                    ),
                ),
                Section(
                    "対象と連絡",
                    (
                        f"対象は{line}棟で働く約{rng.randrange(20, 90)}名と来客。工事音が{rng.randrange(78, 86)} dBを超える{hours}時間は耳栓を配る。"
                        f"問い合わせは内線{rng.randrange(2400, 2490)}、欠品は総務の{rng.randrange(1, 9)}番窓口で受け取る。",
                    ),
                ),
            ),
        )
    item, supplier = rng.choice(trade.items(seed)), rng.choice(trade.suppliers(seed))
    found, checked = rng.randrange(1, 9), rng.randrange(40, 400)
    return Document(
        f"品質規程/品質速報/品質速報_第{day:03d}号_{item.code}.docx",
        f"品質速報 第{day:03d}号 {item.code} {item.name}",
        (
            Section(
                "事象",
                (
                    f"{item.code} {item.name}の検査で{checked}個中{found}個に外れを見つけた。特性は{rng.choice(('外径', '真円度', '予圧', '硬さ', '外観'))}、"
                    f"外れ量は最大{rng.randrange(3, 28)} µmである。関係する仕入先は{supplier.name}。",
                ),
            ),
            Section(
                "処置",
                (f"在庫{checked * 2}個を隔離棚R-{rng.randrange(1, 7)}へ移し、{rng.randrange(4, 25)}時間以内に全数を測る。",),
                (("区分", "数量", "判定"), ("良品", str(checked - found), "払出可"), ("外れ", str(found), "赤札")),
            ),
            Section(
                "予防",
                (
                    f"加工条件の送りを{rng.randrange(5, 21)}%下げ、{rng.randrange(5, 31)}個ごとに測る。同型の{item.category}系{rng.randrange(2, 7)}品番を点検する。",
                ),
            ),
        ),
    )


def revision(seed: int, day: int, path: str, language: str) -> str:
    """The sentence a revision made on day ``day`` adds to the document at ``path``."""
    rng = random.Random(f"{seed}:revision:{day}:{path}")
    before, after, clause = rng.randrange(10, 60), rng.randrange(61, 120), rng.randrange(1, 6)
    if language == "en":
        return f"Item {clause}: the check interval changed from {after} to {before} hours, and {rng.randrange(2, 6)} readings are now averaged."
    return f"第{clause}項の確認間隔を{after}時間から{before}時間へ短縮し、測定は{rng.randrange(2, 6)}回の平均とする。理由は現場提案{rng.randrange(100, 999)}号である。"
