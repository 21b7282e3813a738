"""What Sakura Seiki makes, sells and buys: items, customers and suppliers, drawn from a seed.

The same seed gives the same names, codes and prices whatever the day, so that texts (and their embeddings) never move.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

DEFAULT_SEED = 20150401
ITEM_COUNT = 300
CUSTOMER_COUNT = 120
SUPPLIER_COUNT = 40


@dataclass(frozen=True)
class Item:
    """A product or part. ``price`` in JPY, exact to four decimals; ``category`` is one of ``FAMILIES``' keys."""

    code: str
    name: str
    name_en: str
    category: str
    unit: str
    price: Decimal
    weight_kg: Decimal
    purchased: bool
    discontinued: bool


@dataclass(frozen=True)
class Partner:
    """A customer or supplier."""

    code: str
    name: str
    kana: str
    prefecture: str
    city: str
    postal_code: str
    phone: str
    rank: str


FAMILIES: dict[str, tuple[str, str, str]] = {
    # code prefix: (Japanese family, English family, unit)
    "SP": ("スピンドル", "Spindle", "台"),
    "BS": ("ボールねじ", "Ball screw", "本"),
    "LG": ("リニアガイド", "Linear guide", "本"),
    "CP": ("カップリング", "Coupling", "個"),
    "GB": ("減速機", "Gearbox", "台"),
    "SM": ("サーボモータ", "Servo motor", "台"),
    "CT": ("制御盤", "Control panel", "面"),
    "SL": ("シールキット", "Seal kit", "組"),
    "BR": ("軸受", "Bearing", "個"),
    "OL": ("潤滑油", "Lubricant", "缶"),
}
_GRADES = (
    ("標準", "standard"),
    ("高精度", "high-precision"),
    ("耐熱", "heat-resistant"),
    ("防塵", "dust-proof"),
    ("食品機械用", "food-grade"),
)
_PLACES = (
    ("北海道", "札幌市北区", "001"),
    ("宮城県", "仙台市青葉区", "980"),
    ("埼玉県", "川口市", "332"),
    ("東京都", "大田区", "144"),
    ("神奈川県", "川崎市高津区", "213"),
    ("長野県", "諏訪市", "392"),
    ("静岡県", "浜松市中央区", "430"),
    ("愛知県", "刈谷市", "448"),
    ("三重県", "四日市市", "510"),
    ("大阪府", "東大阪市", "577"),
    ("兵庫県", "尼崎市", "660"),
    ("岡山県", "倉敷市", "710"),
    ("広島県", "福山市", "720"),
    ("福岡県", "北九州市小倉北区", "803"),
)
_STEMS = (
    ("山吹", "ヤマブキ"),
    ("青葉", "アオバ"),
    ("若竹", "ワカタケ"),
    ("千歳", "チトセ"),
    ("常盤", "トキワ"),
    ("白鷺", "シラサギ"),
    ("朝霧", "アサギリ"),
    ("葛城", "カツラギ"),
    ("渚", "ナギサ"),
    ("髙嶺", "タカネ"),
    ("﨑田", "サキタ"),
    ("楓", "カエデ"),
)
_TRADES = (("製作所", "セイサクショ"), ("工業", "コウギョウ"), ("機械", "キカイ"), ("産業", "サンギョウ"), ("精密", "セイミツ"))
_FORMS = ("株式会社{}", "{}株式会社", "㈱{}", "有限会社{}")


@lru_cache(maxsize=4)
def items(seed: int = DEFAULT_SEED) -> tuple[Item, ...]:
    """The 300 items, in code order."""
    rng = random.Random(f"items:{seed}")
    made: list[Item] = []
    families = list(FAMILIES.items())
    for number in range(ITEM_COUNT):
        prefix, (ja, en, unit) = families[number % len(families)]
        grade_ja, grade_en = _GRADES[(number // len(families)) % len(_GRADES)]
        size = rng.choice((15, 20, 25, 32, 40, 50, 63, 80))
        made.append(
            Item(
                code=f"{prefix}-{1000 + number:04d}",
                name=f"{grade_ja}{ja} φ{size}",
                name_en=f"{en}, {grade_en}, {size} mm",
                category=prefix,
                unit=unit,
                price=Decimal(rng.randrange(12_000, 9_800_000)) / Decimal(10)
                if prefix != "OL"
                else Decimal(rng.randrange(120_000, 990_000)) / Decimal(10_000),
                weight_kg=Decimal(rng.randrange(10, 90_000)) / Decimal(1000),
                purchased=prefix in ("BR", "OL", "SL", "SM"),
                discontinued=rng.random() < 0.06,
            )
        )
    return tuple(sorted(made, key=lambda item: item.code))


def _partners(kind: str, prefix: str, count: int, seed: int) -> tuple[Partner, ...]:
    rng = random.Random(f"{kind}:{seed}")
    made: list[Partner] = []
    for number in range(count):
        stem, kana = _STEMS[number % len(_STEMS)]
        trade, trade_kana = _TRADES[(number // len(_STEMS)) % len(_TRADES)]
        form = _FORMS[rng.randrange(len(_FORMS))]
        branch = number // (len(_STEMS) * len(_TRADES))
        prefecture, city, postal = _PLACES[rng.randrange(len(_PLACES))]
        made.append(
            Partner(
                code=f"{prefix}{number + 1:04d}",
                name=form.format(stem + trade) + (f" 第{branch + 1}工場" if branch else ""),
                kana=kana + trade_kana,
                prefecture=prefecture,
                city=city,
                postal_code=f"{postal}-{rng.randrange(1, 9999):04d}",
                phone=f"0{rng.randrange(10, 99)}-{rng.randrange(1000, 9999)}-{rng.randrange(1000, 9999)}",
                rank=rng.choice("AABBBC"),
            )
        )
    return tuple(made)


@lru_cache(maxsize=4)
def customers(seed: int = DEFAULT_SEED) -> tuple[Partner, ...]:
    """The 120 customers, codes ``C0001`` onwards."""
    return _partners("customers", "C", CUSTOMER_COUNT, seed)


@lru_cache(maxsize=4)
def suppliers(seed: int = DEFAULT_SEED) -> tuple[Partner, ...]:
    """The 40 suppliers, codes ``S0001`` onwards."""
    return _partners("suppliers", "S", SUPPLIER_COUNT, seed)
