"""What the facets of a simple type allow beside its enumeration: lengths, bounds, digits and patterns, for one value and for a whole column.

Pages: XML Schema 1.0 part 2, section 4.3. A column that the contract reads as another type keeps the facets that speak of its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.soap.components import SimpleType

_BOUNDS = ("minInclusive", "maxInclusive", "minExclusive", "maxExclusive")
_HOLDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "minInclusive": lambda value, bound: value >= bound,
    "maxInclusive": lambda value, bound: value <= bound,
    "minExclusive": lambda value, bound: value > bound,
    "maxExclusive": lambda value, bound: value < bound,
}
_BREAKS: Mapping[str, Callable[[Any, Any], Any]] = {
    "minInclusive": pc.less,
    "maxInclusive": pc.greater,
    "minExclusive": pc.less_equal,
    "maxExclusive": pc.greater_equal,
}
_BINARY = frozenset({"base64Binary", "hexBinary", "base64"})


@dataclass(frozen=True)
class Facets:
    """``least`` and ``most`` bound the length (characters, or bytes of a binary), ``total`` and ``fraction`` the digits; ``bounds`` are as
    the schema writes them. A value has to match one of ``patterns``.
    """

    least: int | None
    most: int | None
    total: int | None
    fraction: int | None
    bounds: tuple[tuple[str, str], ...]
    patterns: tuple[re.Pattern[str], ...]
    binary: bool

    def matches(self, text: str) -> bool:
        return not self.patterns or any(pattern.match(text) for pattern in self.patterns)

    def broken(self, text: str, value: Any, bound: Callable[[str], Any]) -> Iterator[str]:
        """Why the value of a normalised text is not allowed, nothing when it is. ``bound`` reads a bound as a value of the same type."""
        size = len(value) if self.binary and isinstance(value, bytes) else len(text)
        if (self.least is not None and size < self.least) or (self.most is not None and size > self.most):
            yield "value.length (longer or shorter than the contract allows)"
        if not self.matches(text):
            yield "value.pattern (not of the form that the contract asks for)"
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            whole, fraction = _digits(Decimal(value))
            if (self.total is not None and whole + fraction > self.total) or (self.fraction is not None and fraction > self.fraction):
                yield "value.digits (more digits than the contract allows)"
        if not isinstance(value, str | bytes) and not all(_HOLDS[name](value, bound(text)) for name, text in self.bounds):
            yield "value.bounds (beyond what the contract allows)"

    def suspects(self, texts: Any, made: Any, builtin: str, bound: Callable[[str], Any]) -> Any:
        """A mask of the rows of a cast column that may break a facet; None when there is none; True when a kernel can not tell."""
        kind = made.type
        if (self.least is not None or self.most is not None) and not self.binary:
            sizes = pc.utf8_length(texts)
            wrong = pc.or_(pc.less(sizes, self.least or 0), pc.greater(sizes, self.most if self.most is not None else 2**31 - 1))
        else:
            wrong = None
        if self.patterns:
            spelt = pc.unique(texts)
            bad = [text for text in spelt.to_pylist() if text is not None and not self.matches(text)]
            wrong = _either(wrong, pc.is_in(texts, value_set=pa.array(bad, pa.string()))) if bad else wrong
        if pa.types.is_string(kind):
            return wrong
        if not self._implied(kind, builtin):
            return True
        for name, text in self.bounds:
            limit = bound(text)
            if pa.types.is_integer(kind) and not isinstance(limit, int):
                # Arrow would cut the bound at its point.
                return True
            try:
                wrong = _either(wrong, _BREAKS[name](made, pa.scalar(limit, kind)))
            except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, OverflowError):
                return True
        return wrong

    def _implied(self, kind: pa.DataType, builtin: str) -> bool:
        """Whether the Arrow type holds no more digits than the facets allow."""
        if self.total is None and self.fraction is None:
            return True
        if not isinstance(kind, pa.Decimal128Type) or (builtin != "decimal" and kind.scale):
            return False
        return (self.total is None or kind.precision <= self.total) and (self.fraction is None or kind.scale <= self.fraction)


def facets_of(simple: SimpleType) -> Facets | None:
    """The facets of a type; None when it has none but an enumeration."""
    return _facets(simple.builtin, tuple(sorted(simple.facets.items()))) if simple.facets else None


@lru_cache(maxsize=4096)
def _facets(builtin: str, stated: tuple[tuple[str, str | tuple[str, ...]], ...]) -> Facets | None:
    said = dict(stated)
    length = _number(said.get("length"))
    patterns = said.get("pattern", ())
    made = Facets(
        least=length if length is not None else _number(said.get("minLength")),
        most=length if length is not None else _number(said.get("maxLength")),
        total=_number(said.get("totalDigits")),
        fraction=_number(said.get("fractionDigits")),
        bounds=tuple((name, text) for name in _BOUNDS if isinstance(text := said.get(name), str)),
        patterns=tuple(_pattern(one) for one in ((patterns,) if isinstance(patterns, str) else patterns)),
        binary=builtin in _BINARY,
    )
    return made if made != Facets(None, None, None, None, (), (), made.binary) else None


def _pattern(text: str) -> re.Pattern[str]:
    """An XSD pattern as one of Python's; one that is no pattern allows everything, for then the contract promises nothing."""
    from elementpath.regex import RegexError, translate_pattern

    try:
        return re.compile(translate_pattern(text, back_references=False, lazy_quantifiers=False, anchors=False))
    except (RegexError, re.error):
        return re.compile("")


def _number(text: str | tuple[str, ...] | None) -> int | None:
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() else None


def _digits(number: Decimal) -> tuple[int, int]:
    """How many digits the value has before and after its point, leading and trailing zeros left out."""
    whole, _, fraction = format(number, "f").lstrip("-").partition(".")
    return len(whole.lstrip("0")), len(fraction.rstrip("0"))


def _either(one: Any, other: Any) -> Any:
    return other if one is None else pc.or_kleene(one, other)
