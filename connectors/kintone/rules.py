"""Which access rule each record falls under: the app's rules are read, and the source itself evaluates their conditions.

kintone decides a record by the first rule whose condition it meets; a record that meets none is open to the app's viewers. A condition
that calls a function (today, the person who asks, an organisation as of the last save) has no answer that holds until the next pull, and
asked by us it would be answered for the service account: it is refused. From such a rule on, records that met no earlier one are
unresolved, with the reason. Refusing is chosen over a daily renewal, because between two renewals the index would show yesterday's rights.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from connectors.errors import AccessRefused, AddressUnknown, BrokenReply
from connectors.kintone.address import App
from connectors.kintone.client import Client
from connectors.kintone.rights import FieldOf, Rights, rights_of
from connectors.kintone.schema import Form
from connectors.kintone.scope_ids import row_scope, with_columns

_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')
#: Any function call; those unknown today would be no safer. Only these words stand before a parenthesis without being one.
_CALL = re.compile(r"([^\s(),\"=<>!]+)\s*\(")
_WORDS = frozenset({"in", "and", "or", "not"})
_LIKE = re.compile(r"\blike\b", re.IGNORECASE)

NOBODY = Rights(())
#: Names of scopes kept at hand in one pull; memory is bounded by it.
_REMEMBERED = 20_000


@dataclass(frozen=True)
class Rule:
    """One record rule, numbered from 1 in order. ``blocked`` says why its condition can't be evaluated, where it can't."""

    number: int
    condition: str
    rights: Rights
    blocked: str = ""


@dataclass(frozen=True)
class Rules:
    """What decides who may view the app's records. ``unreadable`` says why the rules could not be read; then nothing else is set.

    ``app`` and ``space`` must both allow, besides the record's own rule; ``fields`` are the rights of single fields by code. ``digest``
    is that of all lists as kintone sent them.
    """

    app: Rights = NOBODY
    space: Rights | None = None
    records: tuple[Rule, ...] = ()
    fields: tuple[tuple[str, Rights], ...] = ()
    unreadable: str = ""
    digest: str = ""

    @property
    def people(self) -> tuple[str, ...]:
        """Codes of the fields whose persons decide who may view a record: what a page decoder must hand over."""
        deciding = (rule for rule in self.records if not rule.blocked and not rule.rights.reason)
        return tuple(dict.fromkeys(code for rule in deciding for code, _ in rule.rights.fields))

    def scope(self, app: App, number: int) -> str:
        """The scope of records decided by rule ``number`` (0: by none): ``kintone:<app code>:<rule no>@<digest>``.

        The digest is that of all conditions in order, and of the fields by which this rule names persons. When they change, rows landed
        before point at a scope that is no more, and are served to nobody until they are read again; without it, an old row would take
        the rights of another rule.
        """
        conditions: list[Any] = [[rule.condition, bool(rule.blocked)] for rule in self.records]
        fields = self.records[number - 1].rights.fields if number else ()
        digest = _digest([conditions, fields] if fields else conditions)[:8]
        return f"kintone:{app.label}:{number}@{digest}"


def moving(condition: str) -> bool:
    """Whether the condition calls a function: all of kintone's depend on the moment, or on the person who asks."""
    return any(word.lower() not in _WORDS for word in _CALL.findall(_LITERAL.sub('""', condition)))


def searches(condition: str) -> bool:
    """Whether the condition uses ``like``: a word search on an index that lags behind and gives up at 100,000 hits."""
    return _LIKE.search(_LITERAL.sub('""', condition)) is not None


def read_rules(client: Client, app: App, form: Form) -> Rules:
    """The rules of the app, each condition tried once. Access that can't be read gives ``unreadable``, never an error or a guess.

    A run shares them while the app's settings stand, which this pull looked at: rules are settings.
    """
    return client.readings.once(("rules", app, form.revision), lambda: _read(client, app, form))


def _read(client: Client, app: App, form: Form) -> Rules:
    if not client.has_person:
        return Rules(unreadable="no login is configured, and API tokens may not read the directory")
    try:
        app_rights = _rights(client, "app/acl", app)
        record_rights = _rights(client, "record/acl", app)
        field_rights = _rights(client, "field/acl", app)
        space = _space(client, app)
    except (AccessRefused, AddressUnknown) as error:
        return Rules(unreadable=f"the access rules may not be read ({error.code})")
    fields = {code: field.vendor_type for code, field in form.fields.items()}
    return Rules(
        app=rights_of(app_rights, "recordViewable", creator=app.creator),
        space=None if space is None else rights_of(({**member, "member": True} for member in space), "member"),
        records=tuple(_rule(client, app, number, entry, fields) for number, entry in enumerate(record_rights, 1)),
        fields=tuple(
            (str(entry.get("code")), rights_of(_entities(entry), "accessibility", fields=fields, levels=("READ", "WRITE")))
            for entry in field_rights
        ),
        digest=_digest([app_rights, record_rights, field_rights, space, app.creator]),
    )


def rights_digest(client: Client, app: App, *, preview: bool) -> str:
    """A fingerprint of the app's three lists as they are, or with ``preview`` as they will be. Raises AccessRefused."""
    return _digest([_rights(client, one, app, preview=preview) for one in ("app/acl", "record/acl", "field/acl")])


class RowScopes:
    """The scope of each record of a pull, worked out page by page with lists of ids from the source.

    Per rule one list is read alongside the pages, so memory is bounded by a page and only matching ids travel.
    ``condition`` narrows the lists to what the pull itself reads (its window), never by the contract's own condition: two conditions
    on one sub-table would have to hold in the same row.
    """

    def __init__(
        self, client: Client, app: App, rules: Rules, *, condition: str, after: int, columns: Sequence[tuple[str, FieldOf]] = ()
    ) -> None:
        """``columns`` are the fields by which the rights of restricted columns name persons."""
        self._app, self._rules, self._columns = app, rules, columns
        self._named: dict[int, str] = {}
        self._rows: dict[tuple[Any, ...], str] = {}
        self._lists: dict[int, _Ids] = {}
        for rule in rules.records:
            if rule.blocked or not rule.condition:
                break
            both = f"({rule.condition}) and {condition}" if condition else rule.condition
            self._lists[rule.number] = _Ids(client.ids(app.id, both, app.guest_space, after=after))

    def of(self, ids: list[int], people: Mapping[str, Sequence[tuple[str, ...] | None]]) -> list[str]:
        """Scopes for ascending ids, each page's ids above those of the page before.

        ``people`` has, for each field of ``Rules.people`` and of ``columns``, the codes that stand in it, one entry for each id; None where
        a record does not show the field.
        """
        left = set(ids)
        numbers: dict[int, int] = {}
        for rule in self._rules.records:
            if rule.number not in self._lists:
                # No condition, or none that can be evaluated: whatever met no earlier rule is decided here.
                numbers.update(dict.fromkeys(left, rule.number))
                break
            hits = self._lists[rule.number].upto(ids[-1]) & left if ids else set[int]()
            numbers.update(dict.fromkeys(hits, rule.number))
            left -= hits
        return [self._scope(numbers.get(one, 0), people, at) for at, one in enumerate(ids)]

    def _scope(self, number: int, people: Mapping[str, Sequence[tuple[str, ...] | None]], at: int) -> str:
        base = self._named.get(number)
        if base is None:
            base = self._named[number] = self._rules.scope(self._app, number)
        rule = self._rules.records[number - 1] if number else None
        readers = () if rule is None or rule.blocked else rule.rights.fields
        if not readers and not self._columns:
            return base
        shown = ((code, people[code][at]) for code, _ in dict.fromkeys((*readers, *self._columns)) if code in people)
        values = {code: codes for code, codes in shown if codes is not None}
        key = (number, *values.items())
        named = self._rows.get(key)
        if named is None:
            if len(self._rows) >= _REMEMBERED:
                self._rows.clear()
            row = row_scope(base, readers, values) if readers else base
            named = self._rows[key] = with_columns(row, self._columns, values)
        return named


class _Ids:
    """An ascending list of ids, consumed up to a bound."""

    def __init__(self, pages: Iterator[list[int]]) -> None:
        self._pages = pages
        self._held: list[int] = []
        self._ended = False

    def upto(self, bound: int) -> set[int]:
        while not self._ended and (not self._held or self._held[-1] < bound):
            page = next(self._pages, None)
            if page is None:
                self._ended = True
            else:
                self._held += page
        found = {one for one in self._held if one <= bound}
        self._held = [one for one in self._held if one > bound]
        return found


def _rule(client: Client, app: App, number: int, entry: dict[str, Any], fields: Mapping[str, str]) -> Rule:
    condition = str(entry.get("filterCond") or "").strip()
    return Rule(number, condition, rights_of(_entities(entry), "viewable", fields=fields), _blocked(client, app, condition))


def _blocked(client: Client, app: App, condition: str) -> str:
    if not condition:
        return ""
    if moving(condition):
        return "its condition calls a function, whose answer depends on the time or on the person"
    if searches(condition):
        return "its condition is a word search, which kintone may cut short"
    try:
        client.records(app.id, {"query": f"({condition}) limit 1", "fields": ["$id"]}, app.guest_space)
    except BrokenReply as error:
        if error.code != "kintone.query_refused":
            raise
        # A condition that names a deleted user, group or option (GAIA_IL42, GAIA_IQ10).
        return f"kintone refuses to evaluate its condition ({error.params['error_code']})"
    except AccessRefused as error:
        # A condition on a field that these credentials may not see.
        return f"these credentials may not evaluate its condition ({error.params.get('error_code', error.code)})"
    return ""


def _rights(client: Client, resource: str, app: App, *, preview: bool = False) -> list[dict[str, Any]]:
    params = {"app": app.id, "lang": "default"} if resource == "record/acl" else {"app": app.id}
    path = f"preview/{resource}" if preview else resource
    reply = client.get(path, params, guest_space=app.guest_space, credential="person", app=app.label)
    if not isinstance(reply.get("rights"), list):
        raise BrokenReply("kintone.reply_shape", host=client.host, app=app.label, resource=resource, reason="no rights")
    return cast("list[dict[str, Any]]", reply["rights"])


def _entities(entry: dict[str, Any]) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", entry.get("entities") or [])


def _space(client: Client, app: App) -> list[dict[str, Any]] | None:
    """Members of the space, where the app is in a private or guest space: others can't reach the app, whatever its own rules say."""
    if not app.space_id:
        return None
    params = {"id": app.space_id}
    space = client.get("space", params, guest_space=app.guest_space, credential="person", app=app.label)
    if space.get("isPrivate") not in (True, "true") and space.get("isGuest") not in (True, "true"):
        return None
    reply = client.get("space/members", params, guest_space=app.guest_space, credential="person", app=app.label)
    return cast("list[dict[str, Any]]", reply.get("members") or [])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
