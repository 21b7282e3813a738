"""Who may see and change what: app, record and field rules, evaluated naively, one record and one caller at a time.

Rules are ordered and the first that fits decides: for a record, the first rule whose condition it meets; within a rule, the first entity
the caller is. Somebody in no entity of the deciding rule gets nothing. An API token acts as Administrator and is held by no rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.sandbox.kintone.directory import EVERYONE, Caller
from infra.sandbox.kintone.matching import Compiler, Test
from infra.sandbox.kintone.query import parse
from infra.sandbox.kintone.store import App, Record


@dataclass(frozen=True)
class RecordRight:
    viewable: bool
    editable: bool
    deletable: bool


_ALL = RecordRight(True, True, True)
_NONE = RecordRight(False, False, False)


def app_right(app: App, caller: Caller, name: str) -> bool:
    """One right of the app's rules, such as ``recordViewable`` or ``appEditable``."""
    if caller.by_token:
        return True
    if caller.guest and not app.guest_space:
        return False
    if app.members is not None and caller.code not in app.members:
        return False
    for rule in app.app_acl:
        entity = rule["entity"]
        if entity["type"] == "CREATOR":
            if app.owner == caller.code:
                return bool(rule[name])
        elif _is(entity, bool(rule["includeSubs"]), caller, app, None):
            return bool(rule[name])
    return False


class Rights:
    """The rights of one caller in one app at one instant, conditions compiled once."""

    def __init__(self, app: App, caller: Caller, now: datetime) -> None:
        self._app = app
        self._caller = caller
        self._base = (
            _ALL
            if caller.by_token
            else RecordRight(
                app_right(app, caller, "recordViewable"),
                app_right(app, caller, "recordEditable"),
                app_right(app, caller, "recordDeletable"),
            )
        )
        compiler = Compiler(app, caller, now)
        self._rules: list[tuple[Test | None, list[dict[str, Any]]]] = (
            [] if caller.by_token else [(compiler.test(parse(rule["filterCond"]).condition), rule["entities"]) for rule in app.record_acl]
        )

    def of(self, record: Record) -> RecordRight:
        """What the caller may do with this record."""
        if not self._base.viewable:
            return _NONE
        for test, entities in self._rules:
            if test is None or test(record):
                return self._first(entities, record)
        return self._base

    def viewer(self) -> Callable[[Record], bool] | None:
        """A test for viewable records; None when that is all of them."""
        if not self._rules and self._base.viewable:
            return None
        return lambda record: self.of(record).viewable

    def hidden(self, record: Record | None) -> frozenset[str]:
        """Codes of the fields that the caller may not view in this record (None: whatever the record)."""
        return frozenset(code for code in self._codes() if self.accessibility(code, record) == "NONE")

    def accessibility(self, code: str, record: Record | None) -> str:
        """``WRITE``, ``READ`` or ``NONE`` for one field."""
        if not self._caller.by_token:
            for rule in self._app.field_acl:
                if rule["code"] == code:
                    for entry in rule["entities"]:
                        if _is(entry["entity"], bool(entry["includeSubs"]), self._caller, self._app, record):
                            return str(entry["accessibility"])
                    return "NONE"
        return "WRITE"

    def _codes(self) -> list[str]:
        return [] if self._caller.by_token else [rule["code"] for rule in self._app.field_acl]

    def _first(self, entities: list[dict[str, Any]], record: Record) -> RecordRight:
        for entry in entities:
            if _is(entry["entity"], bool(entry["includeSubs"]), self._caller, self._app, record):
                return RecordRight(
                    bool(entry["viewable"]),
                    self._base.editable and bool(entry["editable"]),
                    self._base.deletable and bool(entry["deletable"]),
                )
        return _NONE


def _is(entity: dict[str, str], include_subs: bool, caller: Caller, app: App, record: Record | None) -> bool:
    kind, code = entity["type"], entity["code"]
    if kind == "USER":
        return caller.code == code
    if kind == "CREATOR" and record is not None:
        return record.values.get("作成者") == caller.code
    if kind == "GROUP":
        return code in caller.groups or (code == EVERYONE and caller.guest and app.guest_space)
    if kind == "ORGANIZATION":
        return caller.within(code, include_subs)
    if kind == "FIELD_ENTITY" and record is not None:
        found = app.find(code)
        if found is None:
            return False
        value = record.values.get(found[0].key) or []
        codes = value if isinstance(value, list) else [value]
        if found[0].type == "ORGANIZATION_SELECT":
            return any(caller.within(one, include_subs) for one in codes)
        if found[0].type == "GROUP_SELECT":
            return any(one in caller.groups for one in codes)
        return caller.code in codes
    return False
