"""Who may read and what is asked for, as one SQL condition. The only place where values become SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

#: What nothing matches. An empty or missing condition would match everything.
NOTHING = "false"
#: Stands alone in a row's ``field_acl`` where that is the row's ``acl`` again. Whoever passes the one passes the other, so every reader's filter
#: names it there, and there alone.
SAME = "="


@dataclass(frozen=True)
class Filters:
    """What a question is narrowed to; empty means any.

    ``systems`` (``kintone``), ``streams`` (``kintone/faq``), ``media`` (``pdf``, ``record``), ``langs`` (``ja``, ``en``). ``changed_from`` and
    ``changed_to`` are instants in ISO 8601 with a zone, both inclusive, to the second; a chunk whose source does not say when it changed is
    outside of any bound. Raises ValueError for a text that is no such instant.
    """

    systems: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    langs: tuple[str, ...] = ()
    changed_from: str = ""
    changed_to: str = ""

    def __post_init__(self) -> None:
        for name in ("changed_from", "changed_to"):
            if getattr(self, name):
                object.__setattr__(self, name, _instant(getattr(self, name), name))


def quoted(value: str) -> str:
    """A text as an SQL literal. Inside quotes only the quote itself has a meaning (DataFusion knows no backslash escapes)."""
    return "'" + value.replace("'", "''") + "'"


def access_filter(principals: Iterable[str]) -> str:
    """The SQL condition under which a row may be read: one of ``principals`` stands in ``acl`` and one in ``field_acl``, or both are one list.

    It is never None or empty: LanceDB takes ``where(None)`` for "no filter" and gives every row. Nobody's filter matches nobody.
    Denials are allow lists by now: NOT over a list column is wrong where there are nulls.
    """
    names = ", ".join(quoted(name) for name in sorted(set(principals) - {"", SAME}))
    return f"array_has_any(acl, [{names}]) AND array_has_any(field_acl, [{quoted(SAME)}, {names}])" if names else NOTHING


def condition(principals: Iterable[str], filters: Filters | None = None) -> str:
    """Access and what is asked for: never None, never empty, and never wider than access alone."""
    access, asked = access_filter(principals), narrowed(filters)
    return f"{access} AND {asked}" if asked else access


def narrowed(filters: Filters | None) -> str:
    """What is asked for, and nothing of access; "" where that is anything. Only with a reader's own rows does it say what they see."""
    if filters is None:
        return ""
    parts = [
        f"{column} IN ({', '.join(quoted(value) for value in sorted(set(values)))})"
        for column, values in (
            ("split_part(stream, '/', 1)", filters.systems),
            ("stream", filters.streams),
            ("media", filters.media),
            ("lang", filters.langs),
        )
        if values
    ]
    if filters.changed_from or filters.changed_to:
        parts.append("changed_at <> ''")
    if filters.changed_from:
        parts.append(f"changed_at >= {quoted(filters.changed_from)}")
    if filters.changed_to:
        parts.append(f"changed_at <= {quoted(filters.changed_to)}")
    return " AND ".join(parts)


def _instant(text: str, name: str) -> str:
    """As ``Chunk.changed_at`` is written, so that texts compare as instants do."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name} is no instant in ISO 8601: {text[:40]!r}") from None
    if found.tzinfo is None:
        raise ValueError(f"{name} names no time zone: {text[:40]!r}")
    try:
        there = found.astimezone(UTC)
    except OverflowError:
        # Before the first or after the last instant there is, and so before or after every chunk.
        there = datetime.min.replace(tzinfo=UTC) if found.year == 1 else datetime.max.replace(tzinfo=UTC)
    # Not strftime: it writes an early year with fewer digits, and that is no order any more.
    return there.isoformat(timespec="seconds").replace("+00:00", "Z")
