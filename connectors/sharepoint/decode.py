"""From a source item to Python values: how each kind of column writes its value, and what an item carries beside its columns.

Value shapes: Microsoft Graph ``fieldValueSet``. An empty value is an absent key there, so absent means null, unlike in kintone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from zoneinfo import ZoneInfo

import pyarrow as pa

from connectors.protocol import Column, LiveField
from connectors.sharepoint.client import Json
from connectors.sharepoint.rows import MisfitError
from connectors.sharepoint.terms import Terms


def instant(text: Any) -> datetime | None:
    """An ISO instant with its zone as aware UTC; None stays None. Raises MisfitError for anything else."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise MisfitError("value.not_instant") from error
    if found.tzinfo is None:
        raise MisfitError("value.without_zone")
    return found.astimezone(UTC)


def readers(fields: Sequence[LiveField], zone: ZoneInfo | None, terms: Terms) -> dict[str, Callable[[Json], Any]]:
    """For each column of a list, by source code, how its value is read from an item's ``fields``. ``zone`` and ``terms`` are the site's."""
    return {one.source: _reader(one, zone, terms) for one in fields if one.source not in _OWN}


#: What an item carries outside ``fields``, and how it is read.
_OWN: dict[str, Callable[[Json], Any]] = {
    "id": lambda item: _whole(item.get("id")),
    "createdDateTime": lambda item: instant(item.get("createdDateTime")),
    "lastModifiedDateTime": lambda item: instant(item.get("lastModifiedDateTime")),
    "lastModifiedBy": lambda item: person(item.get("lastModifiedBy")),
    "webUrl": lambda item: item.get("webUrl"),
}


def list_row(
    item: Json, reading: Mapping[str, Callable[[Json], Any]], wanted: Sequence[Column]
) -> tuple[dict[str, Any], tuple[tuple[str, str], ...]]:
    """The wanted columns' values by source code, and every (column, reason) that could not be read."""
    fields = cast("Json", item.get("fields") or {})
    values: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    for column in wanted:
        try:
            own = _OWN.get(column.source)
            values[column.source] = own(item) if own else reading[column.source](fields)
        except MisfitError as misfit:
            wrong.append((column.name, str(misfit)))
    return values, tuple(wrong)


def person(identity: Any) -> str | None:
    """Mail of an identitySet's user, or the display name where there is no mail (deleted users, applications)."""
    sets = cast("Json", identity or {})
    someone = cast("Json", sets.get("user") or sets.get("application") or {})
    found = someone.get("email") or someone.get("userPrincipalName") or someone.get("displayName")
    return None if found is None else str(found)


def _reader(live: LiveField, zone: ZoneInfo | None, terms: Terms) -> Callable[[Json], Any]:
    name = live.source
    match live.vendor_type:
        case "lookup" | "user":
            # A single lookup or person comes as its id, in text, under its own name.
            return lambda fields: _whole(fields.get(f"{name}LookupId"))
        case "dateTime":
            if live.facets.get("format") == "dateOnly":
                return lambda fields: _day(fields.get(name), zone)
            return lambda fields: instant(fields.get(name))
        case "calculated":
            return lambda fields: _calculated(fields.get(name), live, zone)
        case "term":
            return lambda fields: _term(fields.get(name), name, terms)
        case "multiterm":
            return lambda fields: None if fields.get(name) is None else [_term(one, name, terms) for one in fields[name]]
        case "geolocation" | "thumbnail" | "location" | "unknown" | "contentApprovalStatus":
            return lambda fields: _as_text(fields.get(name))
        case _:
            return lambda fields: fields.get(name)


def _whole(text: Any) -> int | None:
    if text is None or text == "":
        return None
    try:
        return int(text)
    except (TypeError, ValueError) as error:
        raise MisfitError("value.not_whole_number") from error


def _day(text: Any, zone: ZoneInfo | None) -> date | None:
    """A date-only value is the site's midnight told in UTC: 15:00Z of the day before in Tokyo."""
    found = instant(text)
    if found is None:
        return None
    if zone is None:
        raise MisfitError("date.zone_unknown")
    return found.astimezone(zone).date()


def _term(value: Any, column: str, terms: Terms) -> dict[str, Any] | None:
    """App-only callers get the WssId in the label's place; a label that only repeats it is looked up. The term's GUID always stands."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise MisfitError("value.not_struct")
    term = cast("Json", value)
    return {"Label": terms.label(column, term), "TermGuid": term.get("TermGuid"), "WssId": term.get("WssId")}


def _calculated(value: Any, live: LiveField, zone: ZoneInfo | None) -> Any:
    output = live.facets.get("output")
    if isinstance(value, str) and ";#" in value[:12]:
        value = value.split(";#", 1)[1]
    if value is None or value == "":
        return None
    if output in ("number", "currency") and isinstance(value, str):
        try:
            return Decimal(value)
        except InvalidOperation as error:
            raise MisfitError("value.not_number") from error
    if output == "boolean" and value in ("1", "0", 1, 0):
        return value in ("1", 1)
    if output == "dateTime":
        return _day(value, zone) if pa.types.is_date(live.type) else instant(value)
    return value


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
