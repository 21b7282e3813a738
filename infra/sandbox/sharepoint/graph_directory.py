"""Graph's directory: users and groups of the tenant, direct and transitive membership."""

from __future__ import annotations

import re
from typing import Any

from infra.sandbox.company.people import DOMAIN, ORGANISATIONS, PEOPLE, Group, Person, person
from infra.sandbox.sharepoint.answers import Ask, GraphError, page
from infra.sandbox.sharepoint.consent import reads_hidden
from infra.sandbox.sharepoint.graph_items import upn
from infra.sandbox.sharepoint.world import World

_EQUALS = re.compile(r"^(\w+) eq '([^']*)'$")


def user_json(someone: Person) -> dict[str, Any]:
    department = next((one.name for one in ORGANISATIONS if one.code == someone.organisation), "")
    return {
        "@odata.type": "#microsoft.graph.user",
        "id": someone.entra_id,
        "displayName": someone.name,
        "userPrincipalName": upn(someone.login),
        "mail": someone.mail,
        "jobTitle": someone.title,
        "department": department,
        "accountEnabled": True,
        "userType": "Guest" if someone.guest else "Member",
        "externalUserState": "Accepted" if someone.guest else None,
    }


def group_json(one: Group, *, unified: bool = False, hidden: bool = False) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.group",
        "id": one.entra_id,
        "displayName": one.name,
        "description": one.name_en,
        "mailEnabled": unified,
        "mail": f"{one.code}@{DOMAIN}" if unified else None,
        "mailNickname": one.code,
        "securityEnabled": not unified,
        "groupTypes": ["Unified"] if unified else [],
        "visibility": "HiddenMembership" if hidden else "Private" if unified else None,
    }


class Directory:
    """Directory endpoints over the world's groups."""

    def __init__(self, world: World) -> None:
        self._world = world

    def users(self, ask: Ask) -> dict[str, Any]:
        living = [one for one in PEOPLE if one.login not in self._world.gone]
        return page(ask, _filtered([user_json(one) for one in living], ask), default=100, most=999)

    def groups(self, ask: Ask) -> dict[str, Any]:
        return page(ask, _filtered([self.json(code) for code in self._world.groups], ask), default=100, most=999)

    def user(self, key: str) -> Person:
        """By object id or user principal name; raises GraphError 404."""
        found = next((one for one in PEOPLE if key.lower() in (one.entra_id, upn(one.login).lower())), None)
        if found is None or found.login in self._world.gone:
            raise _missing(key)
        return found

    def group(self, key: str) -> Group:
        found = next((one for one in map(self._world.group, self._world.groups) if one.entra_id == key.lower()), None)
        if found is None:
            raise _missing(key)
        return found

    def members(self, one: Group, ask: Ask, *, transitive: bool) -> dict[str, Any]:
        """Users and groups inside a group; those of a hidden one only for whoever may read them."""
        if one.code in self._world.hidden and not reads_hidden(ask.claims):
            raise GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
        members, nested = self._world.groups[one.code]
        logins, inner = list(members), list(nested)
        if transitive:
            logins, inner = sorted(everybody_in(self._world)[one.code]), self._below(one.code)
        rows = [user_json(person(login)) for login in logins] + [self.json(code) for code in inner]
        return page(ask, _only(rows, ask), default=100, most=999)

    def member_of(self, someone: Person, ask: Ask, *, transitive: bool) -> dict[str, Any]:
        """Groups a user is in."""
        closure = everybody_in(self._world)
        codes = [
            code
            for code, (members, _) in self._world.groups.items()
            if someone.login in (closure[code] if transitive else frozenset(members))
        ]
        return page(ask, _only([self.json(code) for code in codes], ask), default=100, most=999)

    def owners(self, one: Group, ask: Ask) -> dict[str, Any]:
        """Owners of a Microsoft 365 group; other groups here have none."""
        return page(ask, _only([user_json(person(login)) for login in self._world.owners.get(one.code, [])], ask), default=100, most=999)

    def json(self, code: str) -> dict[str, Any]:
        return group_json(self._world.group(code), unified=code in self._world.owners, hidden=code in self._world.hidden)

    def _below(self, code: str) -> list[str]:
        found: list[str] = []
        todo = list(self._world.groups[code][1])
        while todo:
            current = todo.pop(0)
            if current not in found:
                found.append(current)
                todo.extend(self._world.groups[current][1])
        return found


def everybody_in(world: World) -> dict[str, frozenset[str]]:
    """Group code → logins of everybody in it, nested groups followed to a fixed point."""
    flat = {code: set(members) for code, (members, _) in world.groups.items()}
    grew = True
    while grew:
        grew = False
        for code, (_, nested) in world.groups.items():
            before = len(flat[code])
            for inner in nested:
                flat[code] |= flat[inner]
            grew = grew or len(flat[code]) > before
    return {code: frozenset(logins) for code, logins in flat.items()}


def _only(rows: list[dict[str, Any]], ask: Ask) -> list[dict[str, Any]]:
    """The cast in ``/members/microsoft.graph.user`` and its like."""
    cast = ask.path.rsplit("/", 1)[-1]
    return [row for row in rows if row["@odata.type"] == f"#{cast}"] if cast.startswith("microsoft.graph.") else rows


def _filtered(rows: list[dict[str, Any]], ask: Ask) -> list[dict[str, Any]]:
    wanted = ask.query.get("$filter")
    if wanted is None:
        return rows
    match = _EQUALS.match(wanted)
    if match is None:
        raise GraphError(400, "Request_UnsupportedQuery", "The sandbox filters by one `property eq 'value'` only.")
    name, value = match.groups()
    return [row for row in rows if str(row.get(name, "")).lower() == value.lower()]


def _missing(key: str) -> GraphError:
    message = f"Resource '{key}' does not exist or one of its queried reference-property objects are not present."
    return GraphError(404, "Request_ResourceNotFound", message)
