"""The ERP's master data before the company lives on: items with their stock fields, and suppliers."""

from __future__ import annotations

import hashlib
import random
from datetime import time, timedelta
from decimal import Decimal

from infra.sandbox.company import trade
from infra.sandbox.company.people import PEOPLE
from infra.sandbox.erp.contract import Row
from infra.sandbox.erp.kikan.pages import ITEMS, SUPPLIERS
from infra.sandbox.erp.living import Calendar

_FULL_WIDTH = str.maketrans("0123456789-", "０１２３４５６７８９－")
PURCHASERS = tuple(p.login for p in PEOPLE if p.organisation == "kobai")


def full_width(text: str) -> str:
    """Digits and hyphens as Japanese users type them: ``１２－３``."""
    return text.translate(_FULL_WIDTH)


def _jan(rng: random.Random) -> int:
    body = f"49{rng.randrange(10**10):010d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body))
    return int(body + str(-total % 10))


def items(seed: int, calendar: Calendar) -> list[Row]:
    """The 300 items in ``No`` order; every one last modified before the origin's day began."""
    rng = random.Random(f"erp:items:{seed}")
    vendors = [partner.code for partner in trade.suppliers(seed)]
    made: list[Row] = []
    for item in trade.items(seed):
        size = item.name.rsplit("φ", 1)[1]
        row: Row = {"Key": ITEMS.bookmark(item.code), "No": item.code, "Description": item.name}
        if rng.random() < 0.9:
            row["Description_EN"] = item.name_en
        row["Item_Category"] = item.category
        spec = rng.choice(
            (
                f"呼び{full_width(size)}ミリ ①級 ０～４０℃",
                f'{full_width(size)}×{full_width(size)} <特注> & "専用"',
                f"㈱標準 {full_width(size)}Ａ型",
                "",
                None,
            )
        )
        if spec is not None:
            row["規格"] = spec
        row["Base_Unit_of_Measure"] = item.unit
        row["Unit_Price"] = item.price
        row["Net_Weight"] = None if item.category == "OL" else item.weight_kg
        if rng.random() < 0.7:
            row["JAN_Code"] = _jan(rng)
        row["Inventory"] = rng.randrange(0, 4_000)
        row["Safety_Stock"] = None if rng.random() < 0.2 else rng.randrange(5, 400)
        row["Lead_Time_Days"] = None if item.discontinued else rng.randrange(3, 120)
        if rng.random() < 0.85:
            row["Shelf_No"] = rng.choice("ＡＢＣＤ") + full_width(f"-{rng.randrange(1, 60):02d}")
        if rng.random() < 0.8:
            row["Last_Counted"] = calendar.day(-rng.randrange(1, 180))
        if item.purchased:
            row["Vendor_No"] = rng.choice(vendors)
        elif rng.random() < 0.5:
            row["Vendor_No"] = None
        row["Purchased"] = item.purchased
        row["Blocked"] = item.discontinued
        if item.category not in ("OL", "SL"):
            row["Dimensions"] = {side: Decimal(rng.randrange(100, 18_000)) / 10 for side in ("Length_mm", "Width_mm", "Height_mm")}
        if not item.purchased and rng.random() < 0.5:
            row["Drawing_Digest"] = hashlib.sha256(f"{seed}:{item.code}".encode()).digest()
        row["Last_Modified"] = calendar.midnight(0) - timedelta(milliseconds=rng.randrange(1, 900 * 86_400_000))
        made.append(row)
    return made


def suppliers(seed: int, calendar: Calendar) -> list[Row]:
    """The 40 suppliers in ``No`` order."""
    rng = random.Random(f"erp:suppliers:{seed}")
    made: list[Row] = []
    for partner in trade.suppliers(seed):
        row: Row = {
            "Key": SUPPLIERS.bookmark(partner.code),
            "No": partner.code,
            "Name": partner.name,
            "Name_Kana": partner.kana,
            "Post_Code": partner.postal_code,
            "Prefecture": partner.prefecture,
            "City": partner.city,
        }
        if rng.random() < 0.9:
            row["Phone_No"] = partner.phone if rng.random() < 0.7 else full_width(partner.phone)
        row["Rank"] = partner.rank
        row["Payment_Terms_Days"] = rng.choice((30, 45, 60, 90))
        row["Credit_Limit"] = None if partner.rank == "C" else rng.randrange(1, 500) * 1_000_000
        row["Defect_Rate"] = None if rng.random() < 0.2 else rng.randrange(0, 400) / 100_000
        if rng.random() < 0.6:
            row["Order_Cutoff"] = time(rng.randrange(11, 18), rng.choice((0, 30)))
        row["Purchaser"] = rng.choice(PURCHASERS)
        row["Blocked"] = rng.random() < 0.05
        held = rng.randrange(-1, 4)
        if held >= 0:
            names = rng.sample(("ISO 9001", "ISO 14001", "JIS Q 9100", "エコアクション２１"), held)
            row["Certificates"] = {
                "Certificate": [
                    {"Name": n, "Valid_Until": None if rng.random() < 0.2 else calendar.day(rng.randrange(30, 900))} for n in names
                ]
            }
        remark = rng.choice(("支払条件は別途協議 ～ 覚書①参照", "㈱髙嶺精密 経由 <直送不可>", "", None, 'R&D "試作" 専用'))
        if remark is not None:
            row["備考"] = remark
        row["Last_Modified"] = calendar.midnight(0) - timedelta(seconds=rng.randrange(1, 700 * 86_400))
        made.append(row)
    return made
