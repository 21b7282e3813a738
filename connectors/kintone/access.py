"""Who may read a stream: its scopes with their principals, the restricted columns, and the directory behind them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.access import UNRESOLVED, Access, Scope, unknown_scope
from connectors.errors import AccessRefused
from connectors.kintone.address import App
from connectors.kintone.client import Client
from connectors.kintone.directory import Directory, read_directory
from connectors.kintone.narrow import Narrow, narrow_columns
from connectors.kintone.rights import Readers, Rights
from connectors.kintone.rules import Rule, Rules, read_rules
from connectors.kintone.schema import Form
from connectors.kintone.scope_ids import HIDDEN, REASONS, column_values, split, split_columns, values_of
from connectors.protocol import Column


def read_access(
    client: Client, app: App, form: Form, columns: Sequence[Column], *, system: str, login: str = "", table: str = ""
) -> Access:
    """Access of one app now. What can't be resolved is a scope without principals and with a reason; it is never left out.

    Scopes that records make by their own values are not among them: ``resolve_scopes`` finds those. A restricted column's scope holds
    those whom app and field rules both let see it; a reader also needs the row's own scope. ``login`` is the code
    of the user as whom records are read (``?`` where it is unknown), empty where they come by token. ``table``: the columns are those of this sub-table.
    """
    rules = read_rules(client, app, form)
    view = _view(client, rules, form, login)
    if rules.unreadable:
        return _nobody(rules.unreadable, view)
    try:
        directory = read_directory(client)
    except AccessRefused as error:
        return _nobody(_closed(error), view)
    judge = _Judge(app, rules, directory, system)
    scopes = [judge.rule(rule) for rule in judge.reached if not _by_row(rule)]
    if judge.falls_through:
        scopes.append(judge.no_rule())
    narrow = narrow_columns(rules, form, columns, table)
    more = [judge.column(one, one.scope(app)) for one in narrow.values() if not one.people]
    restricted = {name: one.scope(app) for name, one in narrow.items()}
    return Access((*scopes, *more), directory.members(system), directory.accounts, restricted, view)


def read_view(client: Client, app: App, form: Form, *, login: str) -> str:
    """``Access.view`` alone. Where records come by token nobody's memberships bear on it, and the directory is not asked."""
    return _view(client, read_rules(client, app, form), form, login)


def _view(client: Client, rules: Rules, form: Form, login: str) -> str:
    if rules.unreadable:
        # What can't be read is watched by its shadow: the settings' revision moves with every change of rights.
        return _digest([form.revision, login])
    try:
        return _digest([rules.digest, login, sorted(read_directory(client).memberships(login)) if login else []])
    except AccessRefused:
        return _digest([rules.digest, login])


def resolve_scopes(
    client: Client, app: App, form: Form, columns: Sequence[Column], ids: Collection[str], *, system: str, table: str = ""
) -> tuple[Scope, ...]:
    """Each id resolved under the rules and the directory of now. An id whose rule is gone, or reads other fields by now, is nobody's."""
    rules = read_rules(client, app, form)
    if rules.unreadable:
        return tuple(_unresolved(id, id, rules.unreadable) for id in ids)
    try:
        directory = read_directory(client)
    except AccessRefused as error:
        return tuple(_unresolved(id, id, _closed(error)) for id in ids)
    judge = _Judge(app, rules, directory, system)
    known = {rules.scope(app, rule.number): rule for rule in judge.reached}
    none = rules.scope(app, 0) if judge.falls_through else None
    narrow = {one.scope(app): one for one in narrow_columns(rules, form, columns, table).values() if one.people}
    found: list[Scope] = []
    for id in ids:
        row, _ = split_columns(id)
        base, rest = split(row)
        rule = known.get(base)
        if rule is not None and rest and _by_row(rule):
            found.append(judge.row(rule, id, rest))
        elif rule is not None and row == base and not _by_row(rule):
            found.append(replace(judge.rule(rule), id=id))
        elif row == none:
            found.append(replace(judge.no_rule(), id=id))
        elif column := narrow.get(f"{base}?"):
            found.append(judge.column(column, id, rest))
        else:
            found.append(unknown_scope(id))
    return tuple(found)


class _Judge:
    """Resolves scopes of one app under one state of its rules and of the directory."""

    def __init__(self, app: App, rules: Rules, directory: Directory, system: str) -> None:
        self.app, self.rules, self.system = app, rules, system
        self._base = [rules.app, *([rules.space] if rules.space else [])]
        self._readers = Readers(self._base, directory, system)
        last = next((rule.number for rule in rules.records if rule.blocked or not rule.condition), None)
        #: The rules that decide any record; after one that every record meets, or that can't be evaluated, no other does.
        self.reached = rules.records[:last]
        self.falls_through = last is None

    def rule(self, rule: Rule) -> Scope:
        reason = f"rule {rule.number}: {rule.blocked}" if rule.blocked else ""
        return self.scope(self.rules.scope(self.app, rule.number), f"{self.app.name}: rule {rule.number}", [rule.rights], reason=reason)

    def no_rule(self) -> Scope:
        return self.scope(self.rules.scope(self.app, 0), f"{self.app.name}: no record rule", [])

    def row(self, rule: Rule, id: str, rest: str) -> Scope:
        """The scope of records whose own values are written in the id's ``rest``."""
        title = f"{self.app.name}: rule {rule.number}, by the record's own fields"
        if rest in REASONS:
            return _unresolved(id, title, f"rule {rule.number}: {REASONS[rest]}")
        values = values_of(rest, rule.rights.fields)
        return unknown_scope(id) if values is None else self.scope(id, title, [rule.rights], values=values)

    def scope(
        self, id: str, title: str, layers: Sequence[Rights], *, values: Mapping[str, Sequence[str]] | None = None, reason: str = ""
    ) -> Scope:
        why = reason or next((layer.reason for layer in (*self._base, *layers) if layer.reason), "")
        return _unresolved(id, title, why) if why else Scope(id, title, self._readers.principals(*layers, values=values))

    def column(self, narrow: Narrow, id: str, rest: str | None = None) -> Scope:
        """The scope of a restricted column; of one whose readers each record names, in the records whose values are written in ``rest``."""
        title = f"{self.app.name}: {narrow.source}"
        if rest is None:
            return self.scope(id, title, narrow.layers)
        if rest in REASONS:
            return _unresolved(id, title, f"{narrow.source}: {REASONS[rest]}")
        found = column_values(rest)
        if found is None:
            return unknown_scope(id)
        values = {code: found[code, of] for code, of in narrow.people if (code, of) in found}
        if len(values) < len({code for code, _ in narrow.people}):
            return _unresolved(id, title, f"{narrow.source}: {REASONS[HIDDEN]}")
        return self.scope(id, title, narrow.layers, values=values)


def _by_row(rule: Rule) -> bool:
    return not rule.blocked and not rule.rights.reason and bool(rule.rights.fields)


def _nobody(reason: str, view: str) -> Access:
    return Access((_unresolved(UNRESOLVED, "unresolved", reason),), (), (), view=view)


def _unresolved(id: str, title: str, reason: str) -> Scope:
    return Scope(id, title, (), resolved=False, reason=reason)


def _closed(error: AccessRefused) -> str:
    return f"the directory may not be read ({error.code})"


def _digest(facts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode()).hexdigest()
