"""What a query means for one app: which operators a type allows, which records match, and in what order they come."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from infra.sandbox.kintone.directory import GROUP_NAMES, NAMES, ORGANISATION_NAMES, REGISTER, Caller
from infra.sandbox.kintone.errors import KintoneError, invalid
from infra.sandbox.kintone.forms import OPTION_TYPES, Field
from infra.sandbox.kintone.functions import is_time_function, span
from infra.sandbox.kintone.query import Both, Condition, Either, Function, Predicate, Query, Value
from infra.sandbox.kintone.store import App, Record

Test = Callable[[Record], bool]
CellTest = Callable[[dict[str, Any]], bool]

_COMPARE = frozenset({"=", "!=", "<", ">", "<=", ">="})
_IN = frozenset({"in", "not in"})
_LIKE = frozenset({"like", "not like"})
_EMPTY = frozenset({"is empty", "is not empty"})
_NUMBERS = frozenset({"NUMBER", "CALC", "RECORD_NUMBER", "__ID__"})
_TIMES = frozenset({"CREATED_TIME", "UPDATED_TIME", "DATETIME"})
_PEOPLE = frozenset({"USER_SELECT", "STATUS_ASSIGNEE", "CREATOR", "MODIFIER"})
_OPERATORS: dict[str, frozenset[str]] = (
    {kind: _COMPARE | _IN for kind in _NUMBERS}
    | {kind: _COMPARE for kind in (*_TIMES, "DATE", "TIME")}
    | {kind: frozenset({"=", "!="}) | _IN | _LIKE for kind in ("SINGLE_LINE_TEXT", "LINK")}
    | {kind: _LIKE | _EMPTY for kind in ("MULTI_LINE_TEXT", "FILE", "RICH_TEXT")}
    | {kind: _IN for kind in (*OPTION_TYPES, *_PEOPLE, "ORGANIZATION_SELECT", "GROUP_SELECT")}
    | {"STATUS": frozenset({"=", "!="}) | _IN}
)
_NEGATIVE = frozenset({"!=", "not in", "not like", "is not empty"})
ID_FIELD = Field("$id", "__ID__")


@dataclass(frozen=True)
class Compiler:
    """Turns conditions into tests for one app, one caller and one instant."""

    app: App
    caller: Caller
    now: datetime
    #: Codes that the caller may not see, and therefore not ask about either.
    hidden: frozenset[str] = frozenset()
    #: The app with a code, for related records.
    others: Callable[[str], App] | None = None

    def test(self, condition: Condition | None) -> Test | None:
        """The test of a condition; None when every record matches. Raises the query errors of section 1.4 of the sheet."""
        if condition is None:
            return None
        if isinstance(condition, Either):
            tests = [self._of(part) for part in condition.parts]
            return lambda record: any(test(record) for test in tests)
        if isinstance(condition, Both):
            return self._both(condition)
        return self._of(condition)

    def _of(self, condition: Condition) -> Test:
        if not isinstance(condition, Predicate):
            found = self.test(condition)
            assert found is not None
            return found
        related = self._related(condition) if "." in condition.field else None
        if related is not None:
            return related
        one, table = self.resolve(condition.field)
        if table is not None:
            return self._rows(table, [(condition, one)])
        if one.type in ("__ID__", "RECORD_NUMBER"):
            cell = self._cell(condition, one)
            return lambda record: cell({one.key: record.id})
        if self._ignored(condition, one):
            return lambda record: True
        cell = self._cell(condition, one)
        return lambda record: cell(record.values)

    def _ignored(self, part: Predicate, one: Field) -> bool:
        """PRIMARY_ORGANIZATION() of somebody without one takes the whole comparison out of the condition."""
        asked = [value for value in part.values if isinstance(value, Function) and value.name == "PRIMARY_ORGANIZATION"]
        return bool(asked) and one.type == "ORGANIZATION_SELECT" and not self.caller.organisations

    def _related_code(self, code: str) -> Field | None:
        found = self.app.find(code.partition(".")[0]) if "." in code else None
        return found[0] if found is not None and found[0].reference is not None else None

    def _related(self, condition: Predicate) -> Test | None:
        """``REFCODE.field``: whether any related record satisfies it; None where the code before the dot is no related-records field."""
        code, _, inner = condition.field.partition(".")
        found = self.app.find(code)
        if found is None or found[0].reference is None or self.others is None:
            return None
        if code in self.hidden:
            raise KintoneError("CB_NO02")
        link = found[0].reference
        other = self.others(link.app)
        own = self.app.find(link.own)
        there = other.find(link.theirs)
        target = other.find(inner)
        if target is None or own is None or there is None:
            raise KintoneError("GAIA_IQ11", {"field": condition.field})
        if condition.op in ("=", "!="):
            raise KintoneError("GAIA_IQ07", {"field": condition.field, "op": condition.op})
        cell = Compiler(other, self.caller, self.now, others=self.others).test(Predicate(inner, condition.op, condition.values))
        assert cell is not None
        own_key, their_key = own[0].key, there[0].key
        matching = {str(record.values.get(their_key) or "") for record in other.records.values() if cell(record)} - {""}
        return lambda record: str(record.values.get(own_key) or "") in matching

    def _both(self, condition: Both) -> Test:
        tests: list[Test] = []
        tables: dict[str, tuple[Field, list[tuple[Predicate, Field]]]] = {}
        for part in condition.parts:
            if isinstance(part, Predicate) and self._related_code(part.field) is None:
                one, table = self.resolve(part.field)
                if table is not None:
                    tables.setdefault(table.key, (table, []))[1].append((part, one))
                    continue
            tests.append(self._of(part))
        tests.extend(self._rows(table, parts) for table, parts in tables.values())
        return lambda record: all(test(record) for test in tests)

    def _rows(self, table: Field, parts: list[tuple[Predicate, Field]]) -> Test:
        """And-ed conditions on one table: the positive ones in the same row, the negative ones in every row, and at least one row."""
        for part, one in parts:
            if part.op in ("=", "!="):
                raise KintoneError("GAIA_IQ07", {"field": one.code, "op": part.op})
        some = [self._cell(part, one) for part, one in parts if part.op not in _NEGATIVE]
        every = [self._cell(part, one) for part, one in parts if part.op in _NEGATIVE]
        key = table.key

        def test(record: Record) -> bool:
            rows = record.values.get(key) or ()
            if not rows:
                return False
            if not all(cell(row) for _, row in rows for cell in every):
                return False
            return any(all(cell(row) for cell in some) for _, row in rows)

        return test

    def resolve(self, code: str) -> tuple[Field, Field | None]:
        """The field with this code. Raises GAIA_IQ11 when there is none, GAIA_IR02 for ``table.field``."""
        if code == "$id":
            return ID_FIELD, None
        found = self.app.find(code)
        if found is None:
            table = self.app.find(code.partition(".")[0]) if "." in code else None
            if table is not None and table[0].type == "SUBTABLE":
                raise KintoneError("GAIA_IR02", {"field": code})
            raise KintoneError("GAIA_IQ11", {"field": code})
        outer = found[1] or found[0]
        if outer.code in self.hidden:
            raise KintoneError("CB_NO02")
        return found

    def _cell(self, part: Predicate, one: Field) -> CellTest:
        if part.op not in _OPERATORS.get(one.type, frozenset()):
            raise KintoneError("GAIA_IQ03", {"field": one.code, "op": part.op})
        key = one.key
        if part.op in _EMPTY:
            wanted = part.op == "is empty"
            return lambda values: (not values.get(key)) is wanted
        if part.op in _LIKE:
            return _like(one, part)
        if part.op in _IN:
            return self._among(one, part)
        if one.type in _NUMBERS:
            return _number(self.app, one, part)
        if one.type in (*_TIMES, "DATE", "TIME"):
            return self._moment(one, part)
        text = self._texts(one, part)[0]
        equal = part.op == "="
        return lambda values: ((values.get(key) or "") == text) is equal

    def _among(self, one: Field, part: Predicate) -> CellTest:
        key, positive = one.key, part.op == "in"
        if one.type in _NUMBERS:
            numbers = {_decimal(self.app, one, value) for value in part.values}
            return lambda values: (_stored_number(values.get(key)) in numbers) is positive
        wanted = set(self._texts(one, part))

        def test(values: dict[str, Any]) -> bool:
            have = values.get(key)
            chosen: Iterable[str] = have if isinstance(have, list) else [have or ""]
            return any(name in wanted for name in (chosen or [""])) is positive

        return test

    def _texts(self, one: Field, part: Predicate) -> list[str]:
        found: list[str] = []
        for value in part.values:
            if isinstance(value, Function):
                found.extend(self._who(one, value))
                continue
            if value.text == "":
                found.append("")
                continue
            text = REGISTER.stable(value.text) if one.type in _PEOPLE else value.text
            found.append(text)
            options = self.app.process.states if one.type == "STATUS" else one.options
            if (one.type in OPTION_TYPES or one.type == "STATUS") and value.text not in options:
                raise KintoneError("GAIA_IQ10", {"field": one.code, "value": value.text})
            known = NAMES if one.type in _PEOPLE else {"ORGANIZATION_SELECT": ORGANISATION_NAMES, "GROUP_SELECT": GROUP_NAMES}.get(one.type)
            if known is not None and text not in known:
                raise KintoneError("GAIA_IL42", {"value": value.text})
        return found

    def _who(self, one: Field, function: Function) -> list[str]:
        if function.name == "LOGINUSER" and one.type in _PEOPLE and not function.arguments:
            return [self.caller.code]
        if function.name == "PRIMARY_ORGANIZATION" and one.type == "ORGANIZATION_SELECT" and not function.arguments:
            return sorted(self.caller.organisations)
        raise KintoneError("GAIA_IQ25", {"field": one.code, "name": function.name})

    def _moment(self, one: Field, part: Predicate) -> CellTest:
        low, after = self._span(one, part.values[0])
        key, op = one.key, part.op

        def test(values: dict[str, Any]) -> bool:
            have = values.get(key) or ""
            if not have or not low:
                return (have == low) is (op == "=") if op in ("=", "!=") else False
            inside = have == low if after is None else low <= have < after
            if op in ("=", "!="):
                return inside is (op == "=")
            if op in ("<", "<="):
                return have < low or (op == "<=" and inside)
            return (have > low and not inside) or (op == ">=" and inside)

        return test

    def _span(self, one: Field, value: Value) -> tuple[str, str | None]:
        if isinstance(value, Function):
            if value.name == "NOW" and one.type in _TIMES and not value.arguments:
                return _stamp(self.now), None
            if not is_time_function(value) or one.type == "TIME":
                raise KintoneError("GAIA_IQ25", {"field": one.code, "name": value.name})
            zone = self.caller.zone
            first, after = span(value, self.now, zone)
            if one.type == "DATE":
                return first.isoformat(), after.isoformat()
            return _stamp(datetime.combine(first, time.min, zone)), _stamp(datetime.combine(after, time.min, zone))
        if value.text == "":
            return "", None
        if one.type == "DATE":
            return parse_date(value.text), None
        if one.type == "TIME":
            return parse_time(value.text), None
        return parse_datetime(value.text), None


def parse_date(text: str, path: str = "query") -> str:
    """A date as stored; the short forms ``YYYY`` and ``YYYY-M-D`` are padded. Raises CB_VA01."""
    match = re.fullmatch(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?(?:T.*)?", text)
    try:
        if match is None:
            raise ValueError(text)
        return date(int(match[1]), int(match[2] or 1), int(match[3] or 1)).isoformat()
    except ValueError as error:
        raise invalid(path, "date") from error


def parse_time(text: str, path: str = "query") -> str:
    """A time of day ``HH:MM``. Raises CB_VA01."""
    match = re.fullmatch(r"(\d{1,2}):(\d{1,2})(?::\d{1,2})?", text)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise invalid(path, "time")
    return f"{int(match[1]):02d}:{int(match[2]):02d}"


def parse_datetime(text: str, path: str = "query") -> str:
    """An instant in UTC to the second; a missing time is 00:00 UTC, offsets are taken. Raises CB_VA01."""
    try:
        if "T" not in text:
            return parse_date(text, path) + "T00:00:00Z"
        at = datetime.fromisoformat(text)
        return _stamp(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as error:
        raise invalid(path, "datetime") from error


def ordered(app: App, records: list[Record], query: Query, compiler: Compiler) -> list[Record]:
    """The records in the query's order; without one, by ``$id`` downwards. ``records`` come by ``$id`` upwards."""
    if not query.order:
        return records[::-1]
    for code, descending in reversed(query.order):
        one, table = compiler.resolve(code)
        if table is not None or one.type in ("SUBTABLE", "FILE", "CHECK_BOX", "MULTI_SELECT", "USER_SELECT"):
            raise KintoneError("GAIA_IQ03", {"field": code, "op": "order by"})
        if one.type in ("__ID__", "RECORD_NUMBER"):
            records = sorted(records, key=lambda record: record.id, reverse=descending)
        elif one.type in _NUMBERS:
            records = sorted(records, key=lambda record, key=one.key: _sortable_number(record.values.get(key)), reverse=descending)
        else:
            records = sorted(records, key=lambda record, key=one.key: str(record.values.get(key) or ""), reverse=descending)
    return records


def _number(app: App, one: Field, part: Predicate) -> CellTest:
    wanted = _decimal(app, one, part.values[0])
    key, op = one.key, part.op

    def test(values: dict[str, Any]) -> bool:
        have = _stored_number(values.get(key))
        if op in ("=", "!="):
            return (have == wanted) is (op == "=")
        if have is None or wanted is None:
            return False
        if op in ("<", "<="):
            return have < wanted or (op == "<=" and have == wanted)
        return have > wanted or (op == ">=" and have == wanted)

    return test


def _decimal(app: App, one: Field, value: Value) -> Decimal | None:
    if isinstance(value, Function):
        raise KintoneError("GAIA_IQ25", {"field": one.code, "name": value.name})
    text = value.text
    if one.type == "RECORD_NUMBER" and app.code:
        text = text.removeprefix(f"{app.code}-")
    if text == "":
        return None
    try:
        found = Decimal(text)
    except InvalidOperation as error:
        raise invalid("query", "number") from error
    if not found.is_finite():
        raise invalid("query", "number")
    return found


def _stored_number(have: Any) -> Decimal | None:
    return None if have in (None, "") else Decimal(have)


def _sortable_number(have: Any) -> tuple[bool, Decimal]:
    number = _stored_number(have)
    return (number is not None, number or Decimal(0))


def _like(one: Field, part: Predicate) -> CellTest:
    value = part.values[0]
    if isinstance(value, Function):
        raise KintoneError("GAIA_IQ25", {"field": one.code, "name": value.name})
    needle = _folded(value.text)
    # A search by words: Latin words match whole only, Japanese text where it stands.
    pattern = re.compile(rf"(?<![a-z0-9]){re.escape(needle)}(?![a-z0-9])" if needle.isascii() else re.escape(needle))
    key, kind, positive = one.key, one.type, part.op == "like"

    def test(values: dict[str, Any]) -> bool:
        have: Any = values.get(key) or ""
        if kind == "FILE":
            have = " ".join(file["name"] for file in have)
        elif kind == "RICH_TEXT":
            have = re.sub(r"<[^>]*>", " ", have)
        return (bool(needle) and pattern.search(_folded(have)) is not None) is positive

    return test


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
