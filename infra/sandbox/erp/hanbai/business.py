"""What the sales system holds: customers, the sales invoices of the past months, and each day sold after them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from infra.sandbox.company import trade
from infra.sandbox.company.people import PEOPLE
from infra.sandbox.erp.contract import Row
from infra.sandbox.erp.living import Calendar

BASE_INVOICES = 600
DRAFT, OPEN, PAID = 0, 1, 2
_PLACES = Decimal("0.00000001")
_SELLERS = tuple(str(place) for place, one in enumerate(PEOPLE, start=1) if one.organisation.startswith("eigyo"))
_NOTES = ("", "", "納品書兼請求書 表①～③ <控>", "検収後 30 日 & 手形不可", "㈱髙嶺精密 様 立会い済", "ソフト更新費を含む \\ 別途見積")


def _yen(value: Decimal) -> Decimal:
    """Down to the yen, with the eight decimals that the system's database keeps."""
    return value.quantize(Decimal(1), ROUND_DOWN).quantize(_PLACES)


def customers(seed: int, calendar: Calendar) -> list[Row]:
    """The 120 customers as one record each, numbered as they were entered."""
    rng = random.Random(f"hanbai:customers:{seed}")
    made: list[Row] = []
    for number, partner in enumerate(trade.customers(seed), start=1):
        created = calendar.midnight(0) - timedelta(seconds=rng.randrange(200, 3_000) * 86_400 + rng.randrange(86_400))
        made.append(
            {
                "id": str(number),
                "ref": partner.name,
                "ref_ext": partner.code if rng.random() < 0.9 else None,
                "status": 0 if rng.random() < 0.05 else 1,
                "customer_code": partner.code,
                "kana": partner.kana,
                "rank": partner.rank,
                "date_creation": created,
                "date_modification": created + timedelta(days=rng.randrange(0, 199)),
                "note_private": rng.choice(("", "締日 20 日 ～ 翌月末払", "与信 ① 要確認 <営業部>", 'R&D "試作" 価格')),
                "address": f"{partner.prefecture}{partner.city}",
                "zip": partner.postal_code,
                "town": partner.city,
                "province": partner.prefecture,
                "country_code": "JP",
                "country": "Japon",
                "phone": partner.phone,
                "fax": None if rng.random() < 0.6 else partner.phone[:-1] + "9",
                "email": None,
                "url": None if rng.random() < 0.8 else f"https://{partner.code.lower()}.example/",
                "capital": str(Decimal(rng.randrange(3, 100) * 1_000_000).quantize(_PLACES)),
                "credit_limit": None if partner.rank == "C" else Decimal(rng.randrange(1, 300) * 100_000).quantize(_PLACES),
            }
        )
    return made


@dataclass(frozen=True)
class Clerk:
    """Who writes invoices: the same for the same seed and number."""

    seed: int
    calendar: Calendar

    def invoice(self, number: int, day: int, status: int) -> Row:
        """The sales invoice of this number, written on this day of the calendar."""
        rng = random.Random(f"hanbai:invoice:{self.seed}:{number}")
        buyer = rng.randrange(len(trade.customers(self.seed)))
        created = self.calendar.at(day, rng.randrange(540, 1_080))
        lines = [self._line(rng, number * 100 + place) for place in range(1, rng.randrange(2, 6))]
        if status == DRAFT and rng.random() < 0.3:
            lines = []
        elif rng.random() < 0.1:
            lines.append(_discount(rng, number * 100 + 99))
        net = sum((line["total_net"] for line in lines), Decimal(0)).quantize(_PLACES)
        vat = sum((line["total_vat"] for line in lines), Decimal(0)).quantize(_PLACES)
        row: Row = {
            "id": str(number),
            "ref": f"U{number:06d}",
            "ref_ext": f"K-{rng.randrange(10**6):06d}" if rng.random() < 0.5 else None,
            "customer_id": buyer + 1,
            "fk_user_author": rng.choice(_SELLERS),
            "fk_user_valid": None,
            "date": self.calendar.day(day),
            "date_due": self.calendar.day(day + rng.choice((30, 45, 60))),
            "date_creation": created,
            "date_validation": "",
            "date_modification": created,
            "payment_mode_id": rng.choice(("2", "4", "7")),
            "type": 0,
            "total_net": net,
            "total_vat": vat,
            "total": net + vat,
            "note_private": "",
            "note_public": rng.choice(_NOTES),
            "status": DRAFT,
            "close_code": "",
            "close_note": "",
            "project_id": None,
            "lines": lines,
        }
        for reached in range(OPEN, status + 1):
            row = moved_on(row, created + timedelta(hours=reached), reached)
        return row

    def _line(self, rng: random.Random, number: int) -> Row:
        place = rng.randrange(trade.ITEM_COUNT)
        item = trade.items(self.seed)[place]
        quantity = Decimal(rng.randrange(1, 30)) / (2 if item.category == "OL" else 1)
        net = _yen(quantity * item.price)
        vat = _yen(net / 10)
        return {
            "id": str(number),
            "type": 0,
            "desc": rng.choice((item.name, f"{item.name} <別紙①>", f"{item.name} ～ 特価 & 送料込")),
            "vat_rate": Decimal("10.0000"),
            "qty": quantity,
            "unitprice": item.price.quantize(_PLACES),
            "total_net": net,
            "total_vat": vat,
            "total": net + vat,
            "date_start": "",
            "date_end": "",
            "product_id": place + 1,
            "product_ref": item.code,
            "product_label": item.name,
            "product_desc": None,
        }


def _discount(rng: random.Random, number: int) -> Row:
    net = _yen(Decimal(-rng.randrange(1, 50) * 100))
    return {
        "id": str(number),
        "type": 0,
        "desc": "出精値引 ▲",
        "vat_rate": Decimal("10.0000"),
        "qty": Decimal(1),
        "unitprice": net,
        "total_net": net,
        "total_vat": _yen(net / 10),
        "total": net + _yen(net / 10),
        "date_start": "",
        "date_end": "",
        "product_id": None,
        "product_ref": None,
        "product_label": None,
        "product_desc": None,
    }


def moved_on(row: Row, at: datetime, status: int) -> Row:
    """The invoice validated or paid at this instant."""
    if status == OPEN:
        return {**row, "status": OPEN, "fk_user_valid": row["fk_user_author"], "date_validation": at, "date_modification": at}
    return {**row, "status": PAID, "close_code": "paid", "date_modification": at}


def base_invoices(clerk: Clerk) -> list[Row]:
    """The first 600 invoices, three a day up to the day before the origin: old ones are paid, the newest may be drafts."""
    made: list[Row] = []
    for number in range(1, BASE_INVOICES + 1):
        day = -((BASE_INVOICES - number) // 3) - 1
        status = PAID if day < -60 else random.Random(f"hanbai:status:{clerk.seed}:{number}").choice((DRAFT, OPEN, OPEN, PAID))
        made.append(clerk.invoice(number, day, status))
    return made


def live(clerk: Clerk, number: int, rows: list[Row]) -> list[Row]:
    """Rows new or changed by the business of the day before day ``number``, as its night batch posts them."""
    rng = random.Random(f"hanbai:day:{clerk.seed}:{number}")
    posted, first = clerk.calendar.midnight(number), len(rows) + 1
    going = [row for row in rows if row["status"] != PAID]
    changed = [moved_on(row, posted, row["status"] + 1) for row in rng.sample(going, min(len(going), rng.randrange(2, 6)))]
    return changed + [clerk.invoice(first + one, number - 1, OPEN) for one in range(rng.randrange(2, 7))]
