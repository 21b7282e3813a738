"""One raw value at a time, by XSD's lexical rules (XML Schema part 2): the careful reading that whole columns fall back to."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa

from connectors.redaction import MASK
from connectors.soap.aside import SPACES, Attachment
from connectors.soap.beside import MEMBER, member_names
from connectors.soap.components import TYPE_SAID, SimpleType
from connectors.soap.declared import read_as
from connectors.soap.facets import facets_of
from connectors.soap.moments import OFFSET, ZONE_LAST, day, instant, microseconds
from connectors.soap.raw import Presence, Raw
from connectors.soap.reading import Reading
from connectors.soap.rules import Oddity, Rules, Unfit
from connectors.soap.sayable import NAME
from connectors.soap.schema import LISTS, arrow_type
from connectors.soap.steps import QUALIFIED, Cell

__all__ = ["FLOAT", "FORMS", "WHOLE", "Rules", "Unfit", "bound_of", "read", "scalar", "value_of", "whitespace"]

_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
FLOAT = r"^(([+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?)|-?INF|NaN)$"
_FLOAT = re.compile(FLOAT[1:-1])
_ZONE = f"{OFFSET}?"
#: XSD part 2 §3.2.7: no year 0000, and no zeros before more than four digits.
_YEAR = r"-?([1-9]\d{3,}|0[1-9]\d{2}|00[1-9]\d|000[1-9])"
#: Built-ins that stay text in Arrow and still have a form to keep (XSD part 2).
FORMS = {
    "time": r"(([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?|24:00:00(\.0+)?)" + _ZONE,
    "gYear": _YEAR + _ZONE,
    "gYearMonth": _YEAR + r"-(0[1-9]|1[0-2])" + _ZONE,
    "gMonth": r"--(0[1-9]|1[0-2])" + _ZONE,
    "gMonthDay": r"--((0[1-9]|1[0-2])-(0[1-9]|[12]\d)|(0[13-9]|1[0-2])-30|(0[13578]|1[02])-31)" + _ZONE,
    "gDay": r"---(0[1-9]|[12]\d|3[01])" + _ZONE,
    "duration": r"-?P(?=.)(\d+Y)?(\d+M)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?",
    "dayTimeDuration": r"-?P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?",
    "yearMonthDuration": r"-?P(?=.)(\d+Y)?(\d+M)?",
}
_TEXT_FORMS = {name: re.compile(form, re.ASCII) for name, form in FORMS.items()}
COLLAPSED = frozenset({"token", "language", "Name", "NCName", "NMTOKEN", "ID", "IDREF", "ENTITY", "anyURI", "QName", *_TEXT_FORMS})
#: Built-ins over whole numbers, and the least and greatest that each allows beyond what the Arrow type says (XSD part 2 §3.3).
WHOLE: dict[str, tuple[int | None, int | None]] = {
    **dict.fromkeys(("byte", "short", "int", "long", "integer"), (None, None)),
    "unsignedByte": (0, 2**8 - 1),
    "unsignedShort": (0, 2**16 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "unsignedLong": (0, 2**64 - 1),
    "nonNegativeInteger": (0, None),
    "positiveInteger": (1, None),
    "nonPositiveInteger": (None, 0),
    "negativeInteger": (None, -1),
}
#: The whitespace of XML, and no other: an ideographic space is a character like any other.
_SPACE = " \t\n\r"
_SPACES = str.maketrans("\t\n\r", "   ")
#: What an expanded QName is, and nothing that still has a prefix.
_EXPANDED = re.compile(rf"(\{{[^{{}}]*\}})?{NAME.pattern}")
_HEX = re.compile(r"([0-9A-Fa-f]{2})*")
#: XSD part 2 §3.2.16: the bits that the last character carries beyond the last byte are zero.
_BASE64 = re.compile(r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)?")
_GREATEST_FLOAT32 = 3.4028235677973366e38


#: What a raw value that is no value at all is told as.
_BROKEN = {
    Presence.TWICE: "value.twice (an element that comes once came again)",
    Presence.MIXED: "value.mixed (an element inside of a value, or a value in what is said to be nil)",
    Presence.COUNT: "value.count (an encoded array says another number of items than it holds)",
    Presence.PARTIAL: "value.partial (an encoded array says that it leaves items out)",
}


def value_of(cell: Cell, raw: Raw, rules: Rules, beside: Raw = None) -> Any:
    """One raw value as Python value for its Arrow type, null where the contract allows it. Raises Unfit.

    ``beside`` is the raw value of an amount's currency.
    """
    rules = rules.of(cell.reading, keeps_zone=cell.keeps_zone)
    if isinstance(raw, Presence):
        if raw in _BROKEN:
            raise Unfit(_BROKEN[raw], raw)
        if cell.column.required or (raw is Presence.NIL and not cell.nillable):
            raise Unfit(f"value.{raw.value} (a value is required)", raw)
        return None
    if cell.many and not pa.types.is_list(cell.column.type):
        # The element may repeat now, and the contract's column holds one: a row that has one fits it.
        if len(raw) > 1:
            raise Unfit(_BROKEN[Presence.TWICE], raw)
        return _item(cell, raw[0], rules, 0, beside) if raw else None
    if cell.many:
        return [_item(cell, one, rules, index, beside) for index, one in enumerate(raw, 1)]
    # XSD part 1 §3.3.1: a default stands for an element that is there and empty, never for one that is absent.
    made = _item(cell, cell.default if raw == "" and cell.default is not None and cell.fills else raw, rules, 0, beside)
    if (
        cell.fixed
        and cell.default is not None
        and made is not None
        and made != _item(cell, cell.default, replace(rules, met=[]), 0, beside)
    ):
        raise Unfit("value.fixed (not the one value that the contract allows)", raw)
    return made


def _item(cell: Cell, raw: Raw, rules: Rules, index: int, beside: Raw) -> Any:
    at = f"[{index}]" if index else ""
    try:
        if isinstance(raw, Presence) and raw in _BROKEN:
            raise Unfit(_BROKEN[raw], raw)
        if cell.simple is None:
            if isinstance(raw, Presence):
                return None
            made: dict[str, Any] = {}
            for child in cell.children:
                before, name, given = len(rules.met), child.column.name, child.of(raw)
                text = (id(child), given) if type(given) is str and child.beside < 0 else None
                if text is not None and text in rules.known:
                    made[name] = rules.known[text]
                    continue
                try:
                    made[name] = value_of(child, given, rules, raw[child.beside] if child.beside >= 0 else None)
                    rules.beneath(f"/{child.column.source}", before)
                except Unfit as error:
                    raise Unfit(error.why, error.raw, f"/{child.column.source}{error.path}") from error
                if text is not None and len(rules.met) == before:
                    rules.known[text] = made[name]
            for check in cell.checks:
                if (broken := check.broken(raw)) is not None:
                    raise Unfit(broken.why, broken.raw, f"/{check.source}")
            return made
        if isinstance(raw, Presence):
            return None
        if isinstance(raw, Attachment):
            return read(raw, cell.simple)
        kind = cell.column.type.value_type if cell.many and isinstance(cell.column.type, pa.ListType) else cell.column.type
        if cell.part and not (cell.reading is not None and cell.reading.mask):
            made_value = _part(cell, cell.simple, raw, rules)
        else:
            known = cell.reading
            made_value = scalar(raw, kind, cell.simple, rules) if known is None else _declared(cell, known, raw, kind, rules, beside)
    except Unfit as error:
        raise Unfit(error.why, error.raw, at + error.path) from error
    if made_value is None and cell.column.required and not cell.many:
        raise Unfit("value.empty (a value is required)", raw, at)
    return made_value


def _declared(cell: Cell, reading: Reading, raw: str, kind: pa.DataType, rules: Rules, beside: Raw) -> Any:
    assert cell.simple is not None
    # What is masked is not shown where it does not fit, either.
    shown, before = MASK if reading.mask else raw, len(rules.met)
    bare = raw.strip(_SPACE)
    if reading.rewritten and bare in rules.null_values:
        return None
    _allowed(bare, cell.simple, rules, shown)
    currency = beside.strip(_SPACE) if isinstance(beside, str) else None
    try:
        made = read_as(reading, raw, cell.column, kind, cell.simple, lambda text, kind, simple: scalar(text, kind, simple, rules), currency)
    except Unfit as error:
        raise Unfit(error.why, shown, error.path) from error
    except ValueError as error:
        raise Unfit(str(error), shown) from error
    # The text as it was sent and the text that was read may break the same facet.
    rules.met[before:] = dict.fromkeys(rules.met[before:])
    return made


def _part(cell: Cell, simple: SimpleType, raw: str, rules: Rules) -> str | None:
    """What a text says beside its value (see the module ``beside``), null where the value is null. Raises Unfit for a text that has no value."""
    bare = raw.strip(_SPACE)
    if cell.reading is not None:
        if bare in cell.reading.null_values:
            return None
        raw = cell.reading.values.get(raw, cell.reading.values.get(bare, raw))
    if cell.part == MEMBER:
        found = member_of(raw, arrow_type(simple), simple, rules)
        if found is None:
            raise Unfit(f"value.member (fits no type of xsd:{simple.spelt})", raw)
        return None if found[1] is None else member_names(simple)[found[0].name]
    # The value's own column tells what is wrong with the value.
    judged = replace(rules, beyond="keep", finer="truncate", zone="kept", timezone=rules.timezone or "UTC", met=[])
    said = ZONE_LAST.search(raw.strip(_SPACE)) if scalar(raw, arrow_type(simple), simple, judged) is not None else None
    return said.group() if said else None


def read(found: Attachment, simple: SimpleType) -> bytes:
    """The bytes that were put aside. Raises Unfit for text that was not of its form."""
    if found.unfit:
        raise Unfit(f"value.lexical (not an xsd:{simple.builtin})", found)
    return b"".join(found.pieces())


def scalar(text: str, kind: pa.DataType, simple: SimpleType, rules: Rules) -> Any:
    """One text as the Python value of an Arrow type, by XSD's lexical rules. Raises Unfit; None only for a declared null."""
    if isinstance(kind, pa.ListType):
        if simple.variety != "list" and simple.builtin not in LISTS:
            return [scalar(text, kind.value_type, simple, rules)]
        return [scalar(one, kind.value_type, simple, rules) for one in text.translate(_SPACES).split(" ") if one]
    if simple.members:
        return _of_a_member(text, kind, simple, rules)
    if pa.types.is_string(kind):
        rule = whitespace(simple)
        kept = text if rule == "preserve" else text.translate(_SPACES)
        kept = re.sub(" +", " ", kept).strip(" ") if rule == "collapse" else kept
        form = _TEXT_FORMS.get(simple.builtin)
        if form is not None:
            if kept in rules.null_values or (not kept and rules.empty_as_null):
                return None
            if not form.fullmatch(kept):
                raise Unfit(f"value.lexical (not an xsd:{simple.builtin})", text)
        if simple.builtin in QUALIFIED and not _EXPANDED.fullmatch(kept):
            raise Unfit("value.lexical (not a qualified name, or its prefix is bound to nothing)", text)
        made = _faceted(_allowed(kept, simple, rules, text), kept, kind, simple, rules, text)
        if form is not None and rules.zone == "drop" and (bare := ZONE_LAST.sub("", kept)) != kept:
            rules.note("value.zone_dropped", fact=True)
            return bare
        return made
    stripped = text.strip(_SPACE)
    if stripped in rules.null_values or (not stripped and rules.empty_as_null):
        return None
    _allowed(stripped, simple, rules, text)
    try:
        return _faceted(_typed(stripped, kind, simple, rules), stripped, kind, simple, rules, text)
    except Unfit as error:
        raise Unfit(error.why, text) from error
    except (ValueError, ArithmeticError, binascii.Error) as error:
        raise Unfit(f"value.lexical (not an xsd:{simple.builtin} for {kind})", text) from error


def whitespace(simple: SimpleType) -> str:
    """What becomes of white space in a text of this type (XSD part 2 §4.3.6): ``preserve``, ``replace`` or ``collapse``."""
    stated = simple.facets.get("whiteSpace")
    if isinstance(stated, str) and stated in ("preserve", "replace", "collapse"):
        return stated
    return "collapse" if simple.builtin in COLLAPSED else "replace" if simple.builtin == "normalizedString" else "preserve"


def _of_a_member(text: str, kind: pa.DataType, simple: SimpleType, rules: Rules) -> Any:
    """The value as the first member of a union that it fits reads it; where they are of different types, its text, if it fits one."""
    found = member_of(text, kind, simple, rules)
    if found is None:
        raise Unfit(f"value.member (fits no type of xsd:{simple.spelt})", text)
    member, made, met = found
    own = arrow_type(member)
    # Of a text nothing is cut off.
    rules.met.extend(met if kind == own else [one for one in met if not one[2]])
    kept = text if own == pa.string() and member.builtin == "string" else text.strip(_SPACE)
    if made is not None and kind != own:
        made = scalar(kept, kind, SimpleType("", "string" if pa.types.is_string(kind) else member.builtin), rules)
    _allowed(kept, simple, rules, text)
    return _faceted(made, kept, kind, simple, rules, text)


def member_of(text: str, kind: pa.DataType, simple: SimpleType, rules: Rules) -> tuple[SimpleType, Any, list[Oddity]] | None:
    """The member of a union that a text fits, its value by that member, and what was odd in it; None where there is none.

    A member that allows the value comes before one whose facets it breaks. A time finer than we hold, or without a zone, is a dateTime all
    the same where it stays text.
    """
    for beyond in dict.fromkeys(("hold", rules.beyond)):
        for member in simple.members:
            own = arrow_type(member)
            judged = replace(rules, beyond=beyond, met=[])
            if kind != own:
                judged = replace(judged, finer="truncate", zone="kept", timezone=rules.timezone or "UTC")
            try:
                return member, scalar(text, own, member, judged), judged.met
            except Unfit as error:
                if kind != own and error.why.startswith("value.inexact"):
                    return member, text, judged.met
    return None


def _allowed(value: str, simple: SimpleType, rules: Rules, raw: str) -> str:
    allowed = simple.facets.get("enumeration")
    if isinstance(allowed, tuple) and value not in allowed:
        if simple.name == TYPE_SAID:
            raise Unfit("value.enumeration (not one of the types that the contract has here)", raw)
        rules.added("value.enumeration (not among the values the contract lists)", value, raw)
    return value


def _faceted(value: Any, text: str, kind: pa.DataType, simple: SimpleType, rules: Rules, raw: str) -> Any:
    facets = facets_of(simple)
    if facets is not None:
        for why in facets.broken(text, value, lambda bound: bound_of(bound, kind, simple, rules)):
            rules.beyond_facet(why, raw)
    return value


def bound_of(text: str, kind: pa.DataType, simple: SimpleType, rules: Rules) -> Any:
    """A bound that the schema states, to compare values of this Arrow type with. A number may be beyond what the type holds."""
    if pa.types.is_decimal(kind) or pa.types.is_integer(kind):
        number = Decimal(_matching(_DECIMAL, text))
        return int(number) if number == number.to_integral_value() else number
    return _typed(text, kind, simple, replace(rules, zone="kept", met=[]))


def _typed(text: str, kind: pa.DataType, simple: SimpleType, rules: Rules) -> Any:
    if pa.types.is_boolean(kind):
        if text not in ("true", "false", "1", "0"):
            raise ValueError(text)
        return text in ("true", "1")
    if pa.types.is_int64(kind) and simple.builtin in ("duration", "dayTimeDuration"):
        return microseconds(text, rules)
    if pa.types.is_integer(kind):
        number = int(_matching(_INTEGER, text))
        bound = 1 << (kind.bit_width - 1)
        if not -bound <= number < bound:
            raise Unfit(f"value.range (does not fit {kind})", text)
        return _bounded(number, simple.builtin, text)
    if isinstance(kind, pa.Decimal128Type):
        if simple.builtin in WHOLE:
            _bounded(int(_matching(_INTEGER, text)), simple.builtin, text)
        return _decimal(text, kind)
    if pa.types.is_floating(kind):
        made = float(_matching(_FLOAT, text).replace("INF", "inf"))
        greatest = _GREATEST_FLOAT32 if pa.types.is_float32(kind) else float("inf")
        if abs(made) >= greatest and "INF" not in text:
            raise Unfit(f"value.range (does not fit {kind})", text)
        return made
    if pa.types.is_date32(kind):
        return day(text, simple.builtin, rules)
    if isinstance(kind, pa.TimestampType):
        return instant(text, kind, simple.builtin, rules)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        if simple.builtin == "hexBinary":
            return bytes.fromhex(_matching(_HEX, text))
        return base64.b64decode(_matching(_BASE64, text.translate(SPACES)))
    raise Unfit(f"value.type (no XSD value becomes {kind}; change the column's type in the contract)", text)


def _bounded(number: int, builtin: str, text: str) -> int:
    low, high = WHOLE.get(builtin, (None, None))
    if (low is not None and number < low) or (high is not None and number > high):
        raise Unfit(f"value.range (not an xsd:{builtin})", text)
    return number


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(text)
    return text


def _decimal(text: str, kind: pa.Decimal128Type) -> Decimal:
    number = Decimal(_matching(_DECIMAL, text))
    whole, _, fraction = text.lstrip("+-").partition(".")
    if len(fraction.rstrip("0")) > kind.scale:
        raise Unfit(f"value.inexact (more than {kind.scale} digits after the point)", text)
    if len(whole.lstrip("0")) > kind.precision - kind.scale:
        raise Unfit(f"value.range (does not fit {kind})", text)
    # Built from its digits: quantize would round by the context's 28 digits.
    sign, digits, exponent = number.as_tuple()
    if isinstance(exponent, int) and -exponent > kind.scale:
        return Decimal((sign, digits[: len(digits) + exponent + kind.scale] or (0,), -kind.scale))
    return number
