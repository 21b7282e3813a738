"""NAV filter criteria: ``a..b``, ``a..``, ``..b``, ``>=a``, ``<>a``, ``a|b``, ``a&b``, ``*`` and ``?``, ``@`` for any case, ``''`` for empty."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from infra.sandbox.erp.contract import SimpleType

Test = Callable[[Any], bool]
_COMPARISONS: tuple[tuple[str, Callable[[Any, Any], bool]], ...] = (
    (">=", operator.ge),
    ("<=", operator.le),
    (">", operator.gt),
    ("<", operator.lt),
    ("=", operator.eq),
)
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
_INTEGERS = ("byte", "short", "int", "long", "integer", "unsignedShort")


class BadCriteriaError(ValueError):
    """A filter the ERP does not understand; the message is what its ``ResultMessage`` says."""


def _value(text: str, kind: SimpleType) -> Any:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == "'":
        text = text[1:-1]
    try:
        if kind.base in _INTEGERS and _INTEGER.fullmatch(text):
            return int(text)
        if kind.base in ("decimal", "double") and _DECIMAL.fullmatch(text):
            return Decimal(text)
        if kind.base == "date":
            return date.fromisoformat(text)
        if kind.base == "time":
            return time.fromisoformat(text)
        if kind.base == "dateTime":
            instant = datetime.fromisoformat(text)
            if instant.tzinfo is not None and "T" in text:
                return instant.astimezone(UTC)
    except ValueError as error:
        raise BadCriteriaError(f"'{text}' は {kind.base} 型の条件として正しくありません。") from error
    if kind.base == "boolean" and text.lower() in ("true", "false", "yes", "no", "1", "0"):
        return text.lower() in ("true", "yes", "1")
    if kind.base == "string":
        return text
    raise BadCriteriaError(f"'{text}' は {kind.base} 型の条件として正しくありません。")


def _term(text: str, kind: SimpleType) -> Test:
    text = text.strip()
    if text in ("''", "=''"):
        return lambda value: value is None or value == ""
    if text == "<>''":
        return lambda value: value is not None and value != ""
    if text.startswith("<>"):
        unwanted = _value(text[2:], kind)
        return lambda value: value != unwanted
    for sign, compare in _COMPARISONS:
        if text.startswith(sign):
            bound = _value(text[len(sign) :], kind)
            return lambda value: value is not None and compare(value, bound)
    if ".." in text and not text.startswith("'"):
        low_text, high_text = text.split("..", 1)
        low = _value(low_text, kind) if low_text.strip() else None
        high = _value(high_text, kind) if high_text.strip() else None
        if low is None and high is None:
            raise BadCriteriaError(f"'{text}' の範囲に端がありません。")
        return lambda value: value is not None and (low is None or value >= low) and (high is None or value <= high)
    if kind.base == "string" and not text.startswith("'") and (text.startswith("@") or "*" in text or "?" in text):
        pattern = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in text.removeprefix("@"))
        wanted = re.compile(pattern, re.DOTALL | (re.IGNORECASE if text.startswith("@") else 0))
        return lambda value: value is not None and wanted.fullmatch(value) is not None
    exact = _value(text, kind)
    return lambda value: value == exact


def _split(text: str, sign: str) -> list[str]:
    """Split at ``sign`` outside single quotes."""
    parts, quoted = [""], False
    for character in text:
        if character == "'":
            quoted = not quoted
        if character == sign and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    if quoted:
        raise BadCriteriaError(f"'{text}' の引用符が閉じていません。")
    return parts


def compile_criteria(text: str, kind: SimpleType) -> Test:
    """A test for values of this column; empty criteria accept everything. Raises BadCriteriaError for what does not parse.

    dateTime criteria need a zone; absent and nil values meet only ``''`` and ``<>``. Equality of dateTimes is to the millisecond sent.
    """
    if not text.strip():
        return lambda _: True
    alternatives = [[_term(term, kind) for term in _split(part, "&")] for part in _split(text, "|")]
    return lambda value: any(all(test(value) for test in tests) for tests in alternatives)
