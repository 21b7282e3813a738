"""One request as a handler sees it: who calls, the parameters read strictly, and the app with the right checked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from infra.sandbox.kintone.access import Rights, app_right
from infra.sandbox.kintone.directory import Caller
from infra.sandbox.kintone.errors import KintoneError, invalid
from infra.sandbox.kintone.store import App, Record

if TYPE_CHECKING:
    from infra.sandbox.kintone.domain import Domain

MAX_URL_INDEX = 99


@dataclass(frozen=True)
class Answer:
    """What a handler gives back: JSON bytes, or a file's bytes with its type."""

    body: bytes
    content_type: str = "application/json;charset=UTF-8"


def json_answer(content: Any) -> Answer:
    return Answer(msgspec.json.encode(content))


@dataclass
class Call:
    """A request after authentication. Getters raise CB_VA01 with the parameter's path."""

    domain: Domain
    caller: Caller
    params: dict[str, Any] = field(default_factory=dict)
    #: The guest space in whose path the request came, if any.
    guest_space: int | None = None
    #: The app whose daily quota the request is counted for.
    touched: int | None = None
    #: Whether a search stopped before its end, which the answer's header must say.
    aborted: bool = False

    def app(self, permission: str, name: str = "app") -> App:
        """The app of the request. ``permission`` is a name of the app's rules, such as ``recordViewable``."""
        number = self.number(name)
        found = self.domain.apps.get(number)
        if found is None:
            raise KintoneError("GAIA_AP01", {"id": number})
        self.located(found)
        self.check(found, permission)
        return found

    def located(self, app: App) -> None:
        """Whether the request came by the app's path; otherwise GAIA_IL23 (guest app, normal path) or CB_NO02. Counts it for the app."""
        self.touched = app.id
        if app.guest_space and self.guest_space != app.space:
            raise KintoneError("GAIA_IL23" if self.guest_space is None else "CB_NO02")
        if not app.guest_space and self.guest_space is not None:
            raise KintoneError("CB_NO02")

    def check(self, app: App, *permissions: str) -> None:
        """Whether the caller has one of these rights; otherwise GAIA_IA02, GAIA_NO01 or CB_NO02."""
        if self.caller.by_token:
            granted = self.domain.granted(app)
            if granted is None or granted.token not in self.caller.tokens:
                raise KintoneError("GAIA_IA02")
            if not granted.permissions & set(permissions):
                raise KintoneError("GAIA_NO01")
        elif not any(app_right(app, self.caller, one) for one in permissions):
            raise KintoneError("CB_NO02")

    def rights(self, app: App) -> Rights:
        return Rights(app, self.caller, self.domain.clock.now())

    def text(self, name: str, default: str | None = None) -> str:
        value = self.params.get(name)
        if value is None:
            if default is None:
                raise invalid(name, "required")
            return default
        if not isinstance(value, str):
            raise invalid(name, "text")
        return value

    def number(self, name: str, default: int | None = None, *, low: int = 0, high: int = 2**63 - 1) -> int:
        """An integer, sent as number or string."""
        value = self.params.get(name)
        if value is None or value == "":
            if default is None:
                raise invalid(name, "required")
            return default
        return integer(value, name, low, high)

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.params.get(name)
        if value is None:
            return default
        if value in (True, "true"):
            return True
        if value in (False, "false"):
            return False
        raise invalid(name, "boolean")

    def items(self, name: str, *, most: int, required: bool = False) -> list[Any]:
        value = self.params.get(name)
        if value is None:
            if required:
                raise invalid(name, "required")
            return []
        if not isinstance(value, list):
            raise invalid(name, "list")
        if len(value) > most:
            raise invalid(name, "count", high=most)
        return value

    def texts(self, name: str, *, most: int) -> list[str]:
        found = self.items(name, most=most)
        for place, one in enumerate(found):
            if not isinstance(one, str):
                raise invalid(f"{name}[{place}]", "text")
        return found


class Visible:
    """The records of an app as the caller may read them, as JSON."""

    def __init__(self, call: Call, app: App, codes: list[str] | None = None) -> None:
        self._app = app
        self._rights = call.rights(app)
        self._wanted = frozenset(codes) if codes else None
        by_record = any(entry["entity"]["type"] == "FIELD_ENTITY" for rule in app.field_acl for entry in rule["entities"])
        self._hidden = None if by_record else self._rights.hidden(None)

    def json(self, record: Record) -> bytes:
        hidden = self._rights.hidden(record) if self._hidden is None else self._hidden
        return self._app.part(record, self._wanted, hidden)

    def answer(self, ids: Iterable[int], tail: bytes) -> Answer:
        """``{"records":[…],`` and the tail. A page is a megabyte, so it is put together in one copy."""
        if self._hidden is not None:
            parts = self._app.rendered(ids, self._wanted, self._hidden)
        else:
            parts = [self.json(record) for number in ids if (record := self._app.records.get(number)) is not None]
        if not parts:
            return Answer(b'{"records":[],' + tail)
        parts[0] = b'{"records":[' + parts[0]
        parts[-1] += b"]," + tail
        return Answer(b",".join(parts))


def integer(value: Any, path: str, low: int = 0, high: int = 2**63 - 1) -> int:
    """A number or a string of digits within bounds. Raises CB_VA01 under ``path``."""
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, str) and re.fullmatch(r"-?\d{1,19}", value))):
        raise invalid(path, "integer")
    number = int(value)
    if not low <= number <= high:
        raise invalid(path, "range", low=low, high=high)
    return number


def params_of(pairs: list[tuple[str, str]], body: bytes, content_type: str, method: str) -> dict[str, Any]:
    """Parameters from the query string (``fields[0]=…``) or the JSON body. Raises CB_IJ01, CB_IL02 and CB_VA01."""
    found: dict[str, Any] = {}
    lists: dict[str, dict[int, str]] = {}
    for name, value in pairs:
        match = re.fullmatch(r"(.+)\[(\d+)\]", name)
        if match is None:
            found[name] = value
            continue
        if int(match[2]) > MAX_URL_INDEX:
            raise invalid(name, "range", low=0, high=MAX_URL_INDEX)
        lists.setdefault(match[1], {})[int(match[2])] = value
    found |= {name: [by_place[place] for place in sorted(by_place)] for name, by_place in lists.items()}
    is_json = content_type.partition(";")[0].strip().lower() == "application/json"
    if not body:
        # A declared but absent body is refused, as real clients that send the header on every GET find out.
        if is_json and method == "GET":
            raise KintoneError("CB_IL02")
        return found
    if not is_json:
        raise KintoneError("CB_IL02")
    try:
        sent = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise KintoneError("CB_IJ01") from error
    if not isinstance(sent, dict):
        raise KintoneError("CB_IJ01")
    return found | sent
