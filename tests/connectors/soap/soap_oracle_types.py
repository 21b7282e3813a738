"""Reference reading of one XSD value from its text, written from the XSD recommendation and the protocol sheet, never from the connector.

Slow and plain on purpose: a value is either a Python value or a ``BadValue``. Nothing is rounded, guessed or replaced by None.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

Value = None | str | bool | int | float | Decimal | date | datetime | bytes | list["Value"] | tuple["Value", ...] | dict[str, "Value"]


class BadValue(Exception):
    """The text is no value of its type."""


@dataclass(frozen=True)
class Facets:
    """The facets of one restriction; texts as a schema writes them. Patterns use only what XSD and Python regular expressions share."""

    enumeration: tuple[str, ...] = ()
    pattern: str | None = None
    length: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    total_digits: int | None = None
    fraction_digits: int | None = None
    min_inclusive: str | None = None
    max_inclusive: str | None = None
    min_exclusive: str | None = None
    max_exclusive: str | None = None


@dataclass(frozen=True)
class Kind:
    """What a value has to become: an XSD built-in, its facets, and where the contract narrows it (digits) or widens it (zone)."""

    xsd: str
    facets: Facets = Facets()
    digits: tuple[int, int] | None = None
    """Precision and scale of a decimal column."""
    zoned: bool = True
    """A dateTime column holds instants; else civil times without a zone."""
    timezone: str | None = None
    """What a dateTime without a zone means in a zoned column."""
    listed: bool = False
    """An xs:list of values of this kind."""


#: XSD part 2 §3.4: the integer types by their bounds (None is open).
RANGES: Mapping[str, tuple[int | None, int | None]] = {
    "byte": (-(2**7), 2**7 - 1),
    "short": (-(2**15), 2**15 - 1),
    "int": (-(2**31), 2**31 - 1),
    "long": (-(2**63), 2**63 - 1),
    "unsignedByte": (0, 2**8 - 1),
    "unsignedShort": (0, 2**16 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "unsignedLong": (0, 2**64 - 1),
    "integer": (None, None),
    "nonNegativeInteger": (0, None),
    "positiveInteger": (1, None),
    "nonPositiveInteger": (None, 0),
    "negativeInteger": (None, -1),
}
#: Types that the sheet reads as they are: text, its white space normalised. The empty text is a value, and no text stands for "nothing".
TEXTS = frozenset(
    {"string", "normalizedString", "token", "language", "Name", "NCName", "NMTOKEN", "ID", "IDREF", "ENTITY", "anyURI", "QName", "NOTATION"}
)
LISTS: Mapping[str, str] = {"NMTOKENS": "NMTOKEN", "IDREFS": "IDREF", "ENTITIES": "ENTITY"}

_SPACE = " \t\n\r"
_ZONE = r"(Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))?"
_DAY = r"(?:0[1-9]|[12][0-9]|3[01])"
_MONTH = r"(?:0[1-9]|1[0-2])"
_YEAR = r"-?(?:[1-9][0-9]{3,}|0[0-9]{3})"
_CLOCK = r"(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?|24:00:00(?:\.0+)?)"
_START = r"A-Z_a-z\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u02FF\u0370-\u037D\u037F-\u1FFF\u200C-\u200D\u2070-\u218F\u2C00-\u2FEF\u3001-\uD7FF\uF900-\uFDCF\uFDF0-\uFFFD\U00010000-\U000EFFFF"
_REST = _START + r"\-.0-9\u00B7\u0300-\u036F\u203F-\u2040"
_NCNAME = rf"[{_START}][{_REST}]*"
#: Types that stay text once their form is checked (the sheet's table, section 2).
FORMS: Mapping[str, str] = {
    "time": _CLOCK + _ZONE,
    "gYear": _YEAR + _ZONE,
    "gYearMonth": rf"{_YEAR}-{_MONTH}{_ZONE}",
    "gMonth": rf"--{_MONTH}{_ZONE}",
    "gMonthDay": rf"--(?:(?:0[13578]|1[02])-{_DAY}|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9])){_ZONE}",
    "gDay": rf"---{_DAY}{_ZONE}",
    "duration": r"-?P(?=.)(\d+Y)?(\d+M)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?",
}
_DECIMAL = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
_B64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)?")


def spaced(text: str, xsd: str) -> str:
    """The text after its type's whitespace facet: preserve, replace, or collapse."""
    if xsd in ("string", "anySimpleType"):
        return text
    replaced = "".join(" " if sign in _SPACE else sign for sign in text)
    return replaced if xsd == "normalizedString" else " ".join(part for part in replaced.split(" ") if part)


def read(text: str, kind: Kind, prefixes: Mapping[str | None, str]) -> Value:
    """The value of a text that already went through ``spaced``. Raises BadValue."""
    if kind.listed or kind.xsd in LISTS:
        item = replace(kind, xsd=LISTS.get(kind.xsd, kind.xsd), listed=False)
        return [read(part, item, prefixes) for part in text.split(" ") if part]
    value = _READERS.get(kind.xsd, _text)(text, kind, prefixes)
    _within(text, value, kind)
    return value


def _text(text: str, kind: Kind, prefixes: Mapping[str | None, str]) -> Value:
    return _form(text, kind.xsd)


def _form(text: str, xsd: str) -> str:
    if xsd in FORMS and not re.fullmatch(FORMS[xsd], text, re.ASCII):
        raise BadValue(f"{text!r} is no {xsd}")
    return text


def _boolean(text: str, kind: Kind, prefixes: Mapping[str | None, str]) -> Value:
    if text not in ("true", "false", "1", "0"):
        raise BadValue(f"{text!r} is no boolean")
    return text in ("true", "1")


def _integer(text: str, kind: Kind, prefixes: Mapping[str | None, str]) -> Value:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise BadValue(f"{text!r} is no integer")
    if len(text.lstrip("+-0")) > 38:
        raise BadValue(f"{text!r} has more than 38 digits")
    number = int(text)
    low, high = RANGES[kind.xsd]
    if (low is not None and number < low) or (high is not None and number > high):
        raise BadValue(f"{text!r} is out of the range of {kind.xsd}")
    if kind.digits is not None:
        _fits(Decimal(number), kind.digits)
    return number


def _decimal(text: str, kind: Kind, prefixes: Mapping[str | None, str]) -> Value:
    if not re.fullmatch(_DECIMAL, text):
        raise BadValue(f"{text!r} is no decimal")
    number = Decimal(text)
    _fits(number, kind.digits or (38, 10))
    return number


def _fits(number: Decimal, digits: tuple[int, int]) -> None:
    """Exact at the scale and within the precision, or BadValue: never rounded."""
    whole, fraction = _digits(number)
    precision, scale = digits
    if fraction > scale or whole > precision - scale:
        raise BadValue(f"{number} does not fit decimal({precision}, {scale})")


def _digits(number: Decimal) -> tuple[int, int]:
    """Digits before and after the point that the value needs."""
    plain = format(number.copy_abs(), "f")
    whole, _, fraction = plain.partition(".")
    return len(whole.lstrip("0")), len(fraction.rstrip("0"))


def _double(text: str, kind: Kind, prefixes: Mapping[str | None, str]) -> Value:
    if text in ("INF", "-INF", "NaN"):
        return float(text.replace("INF", "inf"))
    if not re.fullmatch(_DECIMAL + r"([Ee][+-]?[0-9]+)?", text):
        raise BadValue(f"{text!r} is no {kind.xsd}")
    number = float(text)
    if kind.xsd == "float":
        try:
            number = float(struct.unpack("<f", struct.pack("<f", number))[0])
        except OverflowError:
            number = math.inf
    if math.isinf(number):
        raise BadValue(f"{text!r} is beyond {kind.xsd}")
    return number


def _civil(text: str, xsd: str) -> tuple[datetime, str]:
    """The civil time (years 1 to 9999) and its zone as written, empty where there is none."""
    form = rf"([0-9]{{4}})-([0-9]{{2}})-([0-9]{{2}}){'' if xsd == 'date' else 'T([0-9]{2}):([0-9]{2}):([0-9]{2})' + r'(?:[.]([0-9]+))?'}"
    found = re.fullmatch(form + _ZONE, text)
    if found is None:
        raise BadValue(f"{text!r} is no {xsd}")
    zone = found.groups()[-1] or ""
    numbers = [int(part) for part in found.groups()[: 3 if xsd == "date" else 6]]
    fraction = "" if xsd == "date" else (found.group(7) or "")
    if len(fraction.rstrip("0")) > 6:
        raise BadValue(f"{text!r} is finer than a microsecond")
    midnight = numbers[3:] == [24, 0, 0] and not fraction.strip("0")
    if midnight:
        numbers[3] = 0
    try:
        civil = datetime(*numbers, microsecond=int((fraction[:6] or "0").ljust(6, "0")))  # pyright: ignore[reportArgumentType] - six ints at most
        return (civil + timedelta(days=1) if midnight else civil), zone
    except (ValueError, OverflowError) as error:
        raise BadValue(f"{text!r} is no {xsd}: {error}") from error


def _date(text: str, kind: Kind, prefixes: Mapping[str | None, str]) -> Value:
    midnight, zone = _civil(text, "date")
    if zone:
        # The sheet: kept in a column of its own, or required to be the zone that is declared.
        local = None if kind.timezone is None else midnight.replace(tzinfo=ZoneInfo(kind.timezone)).utcoffset()
        if _offset(zone).utcoffset(None) != local:
            raise BadValue(f"{text!r} has another zone than the declared one")
    return midnight.date()


def _datetime(text: str, kind: Kind, prefixes: Mapping[str | None, str]) -> Value:
    civil, zone = _civil(text, "dateTime")
    if not kind.zoned:
        if zone:
            raise BadValue(f"{text!r} has a zone in a column without zones")
        return civil
    if not zone and (kind.timezone is None or kind.xsd == "dateTimeStamp"):
        raise BadValue(f"{text!r} has no zone and none is declared")
    try:
        return civil.replace(tzinfo=_offset(zone) if zone else ZoneInfo(kind.timezone or "")).astimezone(UTC)
    except OverflowError as error:
        raise BadValue(f"{text!r} is outside of the years 1 to 9999 in UTC") from error


def _offset(zone: str) -> timezone:
    if zone == "Z":
        return UTC
    distance = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    return timezone(-distance if zone[0] == "-" else distance)


def _base64(text: str, kind: Kind, prefixes: Mapping[str | None, str]) -> Value:
    packed = text.replace(" ", "")
    if not _B64.fullmatch(packed):
        raise BadValue("no base64")
    alphabet = {sign: at for at, sign in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}
    bits = "".join(format(alphabet[sign], "06b") for sign in packed.rstrip("="))
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) - len(bits) % 8, 8))


def _hex(text: str, kind: Kind, prefixes: Mapping[str | None, str]) -> Value:
    if len(text) % 2 or not re.fullmatch(r"[0-9a-fA-F]*", text):
        raise BadValue("no hexadecimal")
    return bytes(int(text[at : at + 2], 16) for at in range(0, len(text), 2))


def _qname(text: str, kind: Kind, prefixes: Mapping[str | None, str]) -> Value:
    found = re.fullmatch(rf"(?:({_NCNAME}):)?({_NCNAME})", text)
    if found is None or (found.group(1) and found.group(1) not in prefixes):
        raise BadValue(f"{text!r} is no QName here")
    space = prefixes.get(found.group(1))
    return f"{{{space}}}{found.group(2)}" if space else found.group(2)


_READERS: Mapping[str, Callable[[str, Kind, Mapping[str | None, str]], Value]] = {
    **dict.fromkeys(RANGES, _integer),
    "boolean": _boolean,
    "decimal": _decimal,
    "float": _double,
    "double": _double,
    "date": _date,
    "dateTime": _datetime,
    "dateTimeStamp": _datetime,
    "base64Binary": _base64,
    "hexBinary": _hex,
    "QName": _qname,
}


def _sized(size: int, facets: Facets) -> None:
    if (
        (facets.length is not None and size != facets.length)
        or (facets.min_length is not None and size < facets.min_length)
        or (facets.max_length is not None and size > facets.max_length)
    ):
        raise BadValue(f"{size} is a length the type forbids")


def _within(text: str, value: Value, kind: Kind) -> None:
    """The facets. Enumerations of numbers are compared by value, of texts by text; patterns hold for the text as written."""
    facets = kind.facets
    if facets.pattern is not None and not re.fullmatch(facets.pattern, text):
        raise BadValue(f"{text!r} does not match {facets.pattern}")
    if facets.enumeration and text not in facets.enumeration:
        raise BadValue(f"{text!r} is none of {facets.enumeration}")
    if isinstance(value, str | bytes):
        _sized(len(value), facets)
    if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool)):
        whole, fraction = _digits(Decimal(value))
        if (facets.total_digits is not None and whole + fraction > facets.total_digits) or (
            facets.fraction_digits is not None and fraction > facets.fraction_digits
        ):
            raise BadValue(f"{text!r} has too many digits")
    plain = Kind(kind.xsd, zoned=kind.zoned, timezone=kind.timezone)
    for bound, holds in (
        (facets.min_inclusive, lambda a, b: a >= b),
        (facets.max_inclusive, lambda a, b: a <= b),
        (facets.min_exclusive, lambda a, b: a > b),
        (facets.max_exclusive, lambda a, b: a < b),
    ):
        if bound is not None and not holds(value, _READERS[kind.xsd](bound, plain, {})):
            raise BadValue(f"{text!r} is beyond {bound}")
