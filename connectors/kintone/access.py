"""Who may read a stream: its scopes with their principals, the restricted columns, and the directory behind them."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.errors import AccessRefused
from connectors.kintone.address import App
from connectors.kintone.client import Client
from connectors.kintone.directory import Directory, read_directory
from connectors.kintone.rights import Rights, allow_list
from connectors.kintone.rules import Rules, read_rules
from connectors.kintone.schema import Form
from connectors.protocol import UNRESOLVED, Access, Column, Scope


def read_access(client: Client, app: App, form: Form, columns: Sequence[Column], *, system: str) -> Access:
    """Access of one app now. What can't be resolved is a scope without principals and with a reason; it is never left out.

    A restricted column's scope holds those whom app and field rules both let see it; a reader also needs the row's own scope.
    """
    rules = read_rules(client, app)
    if rules.unreadable:
        return _nobody(rules.unreadable)
    try:
        directory = read_directory(client)
    except AccessRefused as error:
        return _nobody(f"the directory may not be read ({error.code})")
    base = [rules.app, *([rules.space] if rules.space else [])]
    scopes: list[Scope] = []
    reached = True
    for rule in rules.records:
        title = f"{app.name}: rule {rule.number}"
        reason = f"rule {rule.number}: {rule.blocked}" if rule.blocked else ""
        scopes.append(_scope(rules.scope(app, rule.number), title, [*base, rule.rights], directory, system, reason))
        if rule.blocked or not rule.condition:
            reached = False
            break
    if reached:
        scopes.append(_scope(rules.scope(app, 0), f"{app.name}: no record rule", base, directory, system, ""))
    restricted, more = _restricted(app, rules, form, columns, base, directory, system)
    return Access((*scopes, *more), directory.members(system), directory.accounts, restricted)


def _nobody(reason: str) -> Access:
    return Access((Scope(UNRESOLVED, "unresolved", (), resolved=False, reason=reason),), (), ())


def _scope(id: str, title: str, layers: Sequence[Rights], directory: Directory, system: str, reason: str) -> Scope:
    why = reason or next((layer.reason for layer in layers if layer.reason), "")
    if why:
        return Scope(id, title, (), resolved=False, reason=why)
    return Scope(id, title, allow_list(layers, directory, system))


def _restricted(
    app: App, rules: Rules, form: Form, columns: Sequence[Column], base: list[Rights], directory: Directory, system: str
) -> tuple[dict[str, str], list[Scope]]:
    """Columns whose field, or a field of whose sub-table, has rights narrower than everyone's."""
    open_to_all = allow_list((), directory, system)
    narrow = {code: rights for code, rights in rules.fields if rights.reason or allow_list([rights], directory, system) != open_to_all}
    restricted: dict[str, str] = {}
    scopes: list[Scope] = []
    for column in columns:
        field = form.fields.get(column.source)
        inner = {child.code for child in field.children} if field else set[str]()
        if column.children:
            inner &= {child.source for child in column.children}
        layers = [rights for code, rights in narrow.items() if code == column.source or code in inner]
        if layers:
            id = f"kintone:{app.label}:field:{column.source}"
            restricted[column.name] = id
            scopes.append(_scope(id, f"{app.name}: {column.source}", [*base, *layers], directory, system, ""))
    return restricted, scopes
