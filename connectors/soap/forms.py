"""How older systems write numbers, days and times, turned into the texts that XML Schema has for them.

Pages: SAP's ABAP keyword documentation, built-in dictionary types (DATS, TIMS, CURR, CUKY); JD Edwards' dates are CYYDDD, a century from
1900, a year and the day of that year. The texts go on through the checks that every other text goes through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Form = Literal["trailing_minus", "grouped", "cyyddd", "dats", "tims"]
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(-)?")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?")
_PLAIN = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
_DATS = re.compile(r"([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})")
_TIMS = re.compile(r"([0-9]{2})(:?)([0-9]{2})\2([0-9]{2})")
#: The decimals of every currency that is not named.
OTHERS = "*"


class Currency(BaseModel):
    """An amount whose point stands where another field says: SAP keeps all amounts with ``stored`` decimals, 12345 yen as ``123.45``.

    ``source`` is the currency's element or attribute, beside the amount's own; ``decimals`` are those of each currency, ``*`` for all that
    are not named. An amount of a currency without decimals here holds its row.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: str = Field(min_length=1)
    decimals: Mapping[str, int] = Field(min_length=1)
    stored: int = Field(default=2, ge=0, le=9)


def written(form: Form, text: str) -> str | None:
    """The text as XML Schema writes the value, None for the form's own nothing. Raises ValueError with the reason."""
    if form == "trailing_minus":
        found = _NUMBER.fullmatch(text)
        if found is None:
            # A minus in front, or what is no number: that is for the type to judge.
            return text
        return f"{found.group(2) or ''}{found.group(1)}"
    if form == "grouped":
        # A comma that stands anywhere else is no separator of thousands: the text goes on as it is, and its type refuses it.
        return text.replace(",", "") if _GROUPED.fullmatch(text) else text
    if form == "cyyddd":
        return _julian(text)
    if form == "dats":
        found = _DATS.fullmatch(text)
        if found is None:
            raise ValueError("value.lexical (not a date of the form YYYYMMDD)")
        return None if not text.strip("0-") else f"{found.group(1)}-{found.group(3)}-{found.group(4)}"
    found = _TIMS.fullmatch(text)
    if found is None:
        raise ValueError("value.lexical (not a time of the form HHMMSS)")
    return f"{found.group(1)}:{found.group(3)}:{found.group(4)}"


def _julian(text: str) -> str | None:
    if not (text.isascii() and text.isdigit()) or len(text) > 6:
        raise ValueError("value.lexical (not a date of the form CYYDDD)")
    years, days = divmod(int(text), 1000)
    if not years and not days:
        return None
    made = date(1900 + years, 1, 1) + timedelta(days=days - 1)
    if not days or made.year != 1900 + years:
        raise ValueError("value.lexical (no such day in the year of a date CYYDDD)")
    return made.isoformat()


def shifted(amount: str, currency: str | None, said: Currency) -> str:
    """The amount with its point where its currency has it. Raises ValueError with the reason."""
    if not _PLAIN.fullmatch(amount):
        raise ValueError("value.lexical (not an amount)")
    places = said.decimals.get(currency, said.decimals.get(OTHERS)) if currency else None
    if places is None:
        if not amount.strip("+-0."):
            return amount
        why = "its currency has no decimals in source.read" if currency else "an amount without its currency"
        raise ValueError(f"value.currency ({why})")
    sign, digits, exponent = Decimal(amount).as_tuple()
    assert isinstance(exponent, int)
    return format(Decimal((sign, digits, exponent + said.stored - places)), "f")
