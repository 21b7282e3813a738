"""Holds an answer of Graph to its description: names, types, enum members, nulls, collections, ``@odata.type`` and annotations."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

from csdl import Csdl, Property, Typed

#: Types whose instances carry names that no description can know: the columns of a list.
_DYNAMIC = frozenset({"microsoft.graph.fieldValueSet"})
#: The description leaves these out (their types are open), and the service sends them.
_UNDESCRIBED = frozenset({("microsoft.graph.identity", "email"), ("microsoft.graph.sharePointIdentity", "email")})
#: Entities by the description that the service's own documents show without their id.
_WITHOUT_ID = frozenset({"microsoft.graph.canvasLayout", "microsoft.graph.verticalSection"})
#: Annotations by the type of what carries them; an entity's etag and type are common to all.
_OF_ITEMS = {"@microsoft.graph.downloadUrl": "url", "@microsoft.graph.sharedChanged": "True"}
_OF_PAGES = frozenset({"value", "@odata.context", "@odata.nextLink", "@odata.deltaLink", "@odata.count"})
_INTEGERS = {
    "Edm.Byte": (0, 2**8 - 1),
    "Edm.Int16": (-(2**15), 2**15 - 1),
    "Edm.Int32": (-(2**31), 2**31 - 1),
    "Edm.Int64": (-(2**63), 2**63 - 1),
}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,12})?)?(Z|[+-]\d\d:\d\d)")
_DURATION = re.compile(r"-?P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")
_TIME = re.compile(r"\d\d:\d\d(:\d\d(\.\d{1,12})?)?")


class Judge:
    """Finds what in an answer is not as described. Every finding is one sentence that starts with where it is."""

    def __init__(self, csdl: Csdl) -> None:
        self._csdl = csdl

    def page(self, payload: Any, type_: Typed, *, base: str, whole: bool, changes: bool) -> list[str]:
        """A collection's page. ``whole``: nothing was selected, so keys must be there; ``changes``: it is a delta's."""
        if not isinstance(payload, dict) or not isinstance(payload.get("value"), list):
            return ["a collection is an object with a list named value"]
        found = [f"{name}: not of a page" for name in payload if name not in _OF_PAGES]
        found += self._context(payload, type_)
        links = {"@odata.nextLink", "@odata.deltaLink"} & set(payload)
        found += [f"{name}: not an absolute address of the service: {payload[name]}" for name in links if not _on(base, payload[name])]
        if changes and len(links) != 1:
            found.append(f"a delta's page ends with one of the two links, not with {len(links)}")
        if not changes and "@odata.deltaLink" in links:
            found.append("@odata.deltaLink: only a delta has one")
        for at, one in enumerate(payload["value"]):
            found += self._structure(one, type_.name, f"value[{at}]", whole)
        return found

    def entity(self, payload: Any, type_: Typed, *, whole: bool) -> list[str]:
        found = self._context(payload, type_) if isinstance(payload, dict) else []
        return [*found, *self._structure({key: value for key, value in payload.items() if key != "@odata.context"}, type_.name, "", whole)]

    def refusal(self, payload: Any) -> list[str]:
        """Graph's error object, which is documented and not in the description."""
        error = payload.get("error") if isinstance(payload, dict) else None
        if not isinstance(error, dict) or set(payload) != {"error"}:
            return ["a refusal is an object named error and nothing else"]
        found = [f"error/{name}: {error.get(name)!r} is no text" for name in ("code", "message") if not _text(error.get(name))]
        inner = error.get("innerError")
        if not isinstance(inner, dict):
            return [*found, "error/innerError is missing"]
        found += [
            f"error/innerError/{name} is missing" for name in ("date", "request-id", "client-request-id") if not _text(inner.get(name))
        ]
        return [*found, *(f"error/{name}: not of an error" for name in set(error) - {"code", "message", "innerError", "details", "target"})]

    def _context(self, payload: dict[str, Any], type_: Typed) -> list[str]:
        context = payload.get("@odata.context")
        if context is None:
            return []
        _, mark, named = str(context).partition("/v1.0/$metadata#")
        short = type_.name.removeprefix("microsoft.graph.")
        fits = named == f"Collection({short})" if named.startswith("Collection(") else bool(named)
        return [] if mark and fits else [f"@odata.context: {context} does not name {type_}"]

    # -- structures --------------------------------------------------------------------------------------------------------------

    def _structure(self, value: Any, declared: str, at: str, whole: bool) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{at}: {value!r} is no {declared}"
            return
        name = declared
        if "@odata.type" in value:
            name = str(value["@odata.type"]).removeprefix("#")
            if not self._csdl.is_a(name, declared):
                yield f"{at}/@odata.type: {name} is no {declared}"
                return
        one = self._csdl.structures[name]
        if one.abstract:
            yield f"{at}: {name} is abstract: @odata.type must tell which it is"
        known = self._csdl.properties(name)
        if one.entity and whole and "id" not in value and name not in _WITHOUT_ID:
            yield f"{at}: an entity without id"
        for key, inner in value.items():
            place = f"{at}/{key}"
            if key.startswith("@"):
                yield from self._annotation(key, inner, name, place)
            elif "@" in key:
                yield from self._hint(key, inner, value, known, place)
            elif key in known:
                yield from self._property(inner, known[key], place, whole)
            elif (name, key) in _UNDESCRIBED:
                yield from _primitive(inner, "Edm.String", place)
            elif name in _DYNAMIC:
                yield from self._dynamic(inner, value.get(f"{key}@odata.type"), place)
            else:
                yield f"{place}: {name} has no such property"

    def _annotation(self, key: str, value: Any, name: str, at: str) -> Iterator[str]:
        if key == "@odata.type":
            return
        if key == "@odata.etag" and self._csdl.structures[name].entity:
            if not _text(value):
                yield f"{at}: {value!r} is no etag"
        elif key in _OF_ITEMS and self._csdl.is_a(name, "microsoft.graph.driveItem"):
            if _OF_ITEMS[key] == "url" and urlsplit(str(value)).scheme not in ("http", "https"):
                yield f"{at}: {value!r} is no address"
            if _OF_ITEMS[key] != "url" and value != _OF_ITEMS[key]:
                yield f"{at}: {value!r} and not {_OF_ITEMS[key]!r}"
        else:
            yield f"{at}: {name} carries no such annotation"

    def _hint(self, key: str, value: Any, owner: dict[str, Any], known: dict[str, Property], at: str) -> Iterator[str]:
        """``name@odata.type`` stands beside what it speaks of, where the description leaves the type open."""
        name, _, term = key.partition("@")
        if term != "odata.type":
            yield f"{at}: no such annotation of a property"
        elif name not in owner:
            yield f"{at}: speaks of a property that is not there"
        elif name in known and not self._csdl.structures.get(known[name].type.name):
            yield f"{at}: the description already says the type"
        elif not re.fullmatch(r"#?(Collection\()?[\w.]+\)?", str(value)):
            yield f"{at}: {value!r} names no type"

    def _property(self, value: Any, one: Property, at: str, whole: bool) -> Iterator[str]:
        if one.type.many:
            if not isinstance(value, list):
                yield f"{at}: {value!r} is no list"
                return
            for number, inner in enumerate(value):
                yield from self._one(inner, one, f"{at}[{number}]", whole)
        else:
            yield from self._one(value, one, at, whole)

    def _one(self, value: Any, one: Property, at: str, whole: bool) -> Iterator[str]:
        if value is None:
            # An entity that is not there is null; a member of a collection never is.
            if one.type.many or not one.nullable:
                yield f"{at}: null where the description allows none"
        elif one.type.name in self._csdl.structures:
            yield from self._structure(value, one.type.name, at, whole)
        elif one.type.name in self._csdl.enumerations:
            kind = self._csdl.enumerations[one.type.name]
            members = value.split(",") if kind.flags and isinstance(value, str) else [value]
            yield from (f"{at}: {member!r} is no member of {one.type.name}" for member in members if member not in kind.members)
        else:
            yield from _primitive(value, one.type.name, at)

    def _dynamic(self, value: Any, hint: Any, at: str) -> Iterator[str]:
        """A column's value: an empty cell is an absent key, and a list of texts or numbers says so beside itself."""
        if value is None:
            yield f"{at}: null; an empty cell is left out"
        elif isinstance(value, list):
            plain = {type(one) for one in value} - {dict}
            element = {"Collection(Edm.String)": {str}, "Collection(Edm.Double)": {int, float}}.get(str(hint).removeprefix("#"), set())
            if plain and not plain <= element:
                yield f"{at}: a list of {sorted(one.__name__ for one in plain)} said to be {hint}"
        elif hint is not None:
            yield f"{at}: {value!r} said to be {hint}"


def _primitive(value: Any, name: str, at: str) -> Iterator[str]:
    if not _is(value, name):
        yield f"{at}: {value!r} is no {name}"


def _is(value: Any, name: str) -> bool:
    if name in _INTEGERS:
        low, high = _INTEGERS[name]
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    if name == "Edm.Boolean":
        return isinstance(value, bool)
    if name in ("Edm.Double", "Edm.Single", "Edm.Decimal"):
        return (isinstance(value, int | float) and not isinstance(value, bool)) or value in ("INF", "-INF", "NaN")
    if name in ("Edm.Untyped", "Edm.Stream"):
        return name == "Edm.Untyped"
    return isinstance(value, str) and _spelt(value, name)


def _spelt(value: str, name: str) -> bool:
    try:
        if name == "Edm.DateTimeOffset":
            return _INSTANT.fullmatch(value) is not None and datetime.fromisoformat(value) is not None
        if name == "Edm.Date":
            return date.fromisoformat(value).isoformat() == value
        if name == "Edm.Guid":
            return str(uuid.UUID(value)) == value.lower()
        if name == "Edm.Binary":
            return base64.b64decode(value, validate=True) is not None
    except (ValueError, binascii.Error):
        return False
    if name == "Edm.Duration":
        return _DURATION.fullmatch(value) is not None
    if name == "Edm.TimeOfDay":
        return _TIME.fullmatch(value) is not None
    return name == "Edm.String"


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _on(base: str, link: Any) -> bool:
    return isinstance(link, str) and link.startswith(f"{base}/v1.0/")
