"""The ERP's business data: purchase orders and stock movements, the base years and each day lived after them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from infra.sandbox.company import trade
from infra.sandbox.company.people import COMPANY, PEOPLE
from infra.sandbox.erp.contract import Row
from infra.sandbox.erp.kikan.masters import PURCHASERS, full_width
from infra.sandbox.erp.kikan.pages import MOVEMENT_TYPE, PURCHASE_ORDERS, STOCK_MOVEMENTS
from infra.sandbox.erp.living import Calendar

BASE_ORDERS = 1_500
BASE_MOVEMENTS = 30_000
_TENTH = Decimal("0.1")
_LOCATIONS = ("本社倉庫", "第１倉庫", "東工場 ②番棚", "髙崎デポ", "外部委託 ㈱若竹産業")
_OPERATORS = tuple(p.login for p in PEOPLE if p.organisation in ("seizo", "kobai"))
_NEXT_STATUS = {"Open": "Released", "Released": "Partially_Received", "Partially_Received": "Closed"}


@dataclass(frozen=True)
class Day:
    """What one day of business did: new movements and orders, orders that moved on, and changed columns of items by ``No``."""

    movements: list[Row]
    orders: list[Row]
    changed_orders: list[Row]
    changed_items: dict[str, Row] = field(default_factory=dict)


def _order(rng: random.Random, seed: int, number: int, day: int, status: str, modified: datetime, calendar: Calendar) -> Row:
    vendor = rng.choice(trade.suppliers(seed))
    no = f"PO-{number:06d}"
    row: Row = {
        "Key": PURCHASE_ORDERS.bookmark(no),
        "No": no,
        "Status": status,
        "Revision": 1,
        "Buy_from_Vendor_No": vendor.code,
        "Buy_from_Vendor_Name": vendor.name,
        "Order_Date": calendar.day(day),
    }
    if status != "Open" or rng.random() < 0.5:
        row["Expected_Receipt_Date"] = calendar.day(day + rng.randrange(7, 90))
    lines: list[Row] = []
    count = 0 if status == "Cancelled" else rng.randrange(1, 9)
    for position, item in enumerate(rng.sample(trade.items(seed), count), start=1):
        cost = (item.price * Decimal(rng.randrange(45, 80)) / 100).quantize(_TENTH)
        quantity = Decimal(rng.randrange(1, 60)) / (2 if item.category == "OL" else 1)
        line: Row = {
            "Line_No": position * 10_000,
            "Item_No": item.code,
            "Description": item.name,
            "Quantity": quantity,
            "Unit_of_Measure": item.unit,
            "Direct_Unit_Cost": cost,
            "Line_Amount": quantity * cost,
            "Planned_Receipt_Date": None if rng.random() < 0.1 else calendar.day(day + rng.randrange(7, 90)),
            "Received": status == "Closed",
        }
        if rng.random() < 0.15:
            line["Line_Note"] = rng.choice(("図面№①－③ 参照", "分納可 <２回まで>", ""))
        lines.append(line)
    row["Purchaser"] = rng.choice(PURCHASERS)
    row["Currency_Code"] = "JPY"
    row["Amount"] = sum((line["Line_Amount"] for line in lines), Decimal(0))
    row["Urgent"] = rng.random() < 0.1
    row["Approved_At"] = None if status in ("Open", "Cancelled") else min(modified, calendar.at(day, rng.randrange(540, 1080)))
    if rng.random() < 0.4:
        ship_to: Row = {
            "Name": f"{COMPANY} {rng.choice(_LOCATIONS[:4])}",
            "Post_Code": "392-0012",
            "Address": f"長野県諏訪市四賀{full_width('1-22-3')}",
        }
        if rng.random() < 0.5:
            ship_to["Address_2"] = rng.choice((None, "東門 守衛所ＢＦ"))
        row["Ship_To"] = ship_to
    note = rng.choice((None, None, '至急 <要確認> & "折返し"', "納期厳守 ～ 検収は①→②の順", ""))
    if note is not None:
        row["Note"] = note
    if lines or status == "Cancelled":
        row["Purch_Lines"] = {"Purch_Line": lines}
    if status == "Open" and rng.random() < 0.2:
        row.pop("Purch_Lines")
        row["Amount"] = Decimal(0)
    row["Last_Modified"] = modified
    return row


def base_orders(seed: int, calendar: Calendar) -> list[Row]:
    """The first 1,500 purchase orders, three a day up to the day before the origin."""
    rng = random.Random(f"erp:orders:{seed}")
    made: list[Row] = []
    for number in range(1, BASE_ORDERS + 1):
        day = -((BASE_ORDERS - number) // 3) - 1
        if day < -60:
            status = "Cancelled" if rng.random() < 0.05 else "Closed"
        else:
            status = rng.choice(("Open", "Released", "Partially_Received", "Closed", "Cancelled"))
        modified = min(calendar.midnight(0), calendar.at(day + rng.randrange(0, 45), rng.randrange(540, 1200)))
        made.append(_order(rng, seed, number, day, status, modified, calendar))
    return made


def _movements(rng: random.Random, seed: int, first: int, count: int, day: int, calendar: Calendar) -> list[Row]:
    """``count`` movements of one business day, posted by the night batch that ends it."""
    catalogue = trade.items(seed)
    posted, posting_date, opening = calendar.midnight(day + 1), calendar.day(day), calendar.midnight(day)
    offsets = sorted(rng.randrange(8 * 3_600_000, 19 * 3_600_000) for _ in range(count))
    made: list[Row] = []
    for number, offset in enumerate(offsets, start=first):
        item = rng.choice(catalogue)
        kind = rng.choice(MOVEMENT_TYPE)
        sign = -1 if kind in ("Sale", "Negative_Adjmt", "Consumption") else 1
        quantity = Decimal(rng.randrange(1, 900)) / (8 if item.category == "OL" else 1) * sign
        row: Row = {
            "Key": STOCK_MOVEMENTS.bookmark(number),
            "Entry_No": number,
            "Posting_Date": posting_date,
            "Occurred_At": opening + timedelta(milliseconds=offset),
            "Entry_Type": kind,
            "Item_No": item.code,
            "Location": rng.choice(_LOCATIONS),
        }
        chance = rng.random()
        if chance < 0.6:
            row["Lot_No"] = f"L{rng.randrange(10**7):07d}" if chance > 0.02 else ""
        row["Quantity"] = quantity
        row["Cost_Amount"] = None if kind == "Transfer" else (quantity * item.price).quantize(_TENTH)
        if not kind.endswith("Adjmt"):
            row["Document_No"] = f"{kind[:2].upper()}{rng.randrange(10**6):06d}"
        row["Corrected"] = chance > 0.97
        row["Operator"] = rng.choice(_OPERATORS)
        if kind.endswith("Adjmt"):
            row["Note"] = rng.choice(("棚卸差異 ①", "返品 <不良> & 手直し", "数量訂正 １２→２１", ""))
        row["Last_Modified"] = posted
        made.append(row)
    return made


def base_movements(seed: int, calendar: Calendar) -> list[Row]:
    """The first 30,000 stock movements, 60 to 120 a day up to the day before the origin."""
    rng = random.Random(f"erp:movements:{seed}")
    counts: list[int] = []
    left = BASE_MOVEMENTS
    while left:
        counts.append(min(left, rng.randrange(60, 121)))
        left -= counts[-1]
    made: list[Row] = []
    for place, count in enumerate(counts):
        made += _movements(rng, seed, len(made) + 1, count, place - len(counts), calendar)
    return made


def live(seed: int, number: int, calendar: Calendar, *, orders: list[Row], items: list[Row], last_entry: int) -> Day:
    """Business of the day before day ``number`` (1 is the first after the origin), as the night batch at its 00:00 JST posts it."""
    rng = random.Random(f"erp:day:{seed}:{number}")
    posted, day = calendar.midnight(number), number - 1
    movements = _movements(rng, seed, last_entry + 1, rng.randrange(60, 121), day, calendar)
    new = [_order(rng, seed, len(orders) + 1 + n, day, "Open", posted, calendar) for n in range(rng.randrange(2, 7))]
    going = [row for row in orders if row["Status"] in _NEXT_STATUS]
    changed: list[Row] = []
    for row in rng.sample(going, min(len(going), rng.randrange(1, 5))):
        status = _NEXT_STATUS[row["Status"]]
        moved_on = {
            **row,
            "Status": status,
            "Revision": row["Revision"] + 1,
            "Approved_At": row["Approved_At"] or posted,
            "Last_Modified": posted,
        }
        if status == "Closed" and "Purch_Lines" in row:
            moved_on["Purch_Lines"] = {"Purch_Line": [{**line, "Received": True} for line in row["Purch_Lines"]["Purch_Line"]]}
        changed.append(moved_on)
    changes: dict[str, Row] = {}
    for row in rng.sample(items, rng.randrange(3, 9)):
        price: Decimal = row["Unit_Price"]
        percent = rng.choice((-3, -2, 2, 3, 5))
        moved = (price * (100 + percent) / 100).quantize(Decimal("0.0001") if row["Item_Category"] == "OL" else _TENTH)
        changes[row["No"]] = {"Unit_Price": moved, "Last_Modified": posted}
    counted = rng.choice(items)
    changes.setdefault(counted["No"], {"Last_Modified": posted}).update(
        {"Inventory": rng.randrange(0, 4_000), "Last_Counted": calendar.day(day)}
    )
    return Day(movements, new, changed, changes)
