"""Who may do what, as SharePoint REST tells it: role assignments, role definitions, users, site groups, effective permissions."""

from __future__ import annotations

import re
from typing import Any

from infra.sandbox.company.people import PEOPLE, person
from infra.sandbox.sharepoint import effective
from infra.sandbox.sharepoint.consent import controls
from infra.sandbox.sharepoint.graph_items import login_name, upn
from infra.sandbox.sharepoint.rest_answers import Asked, Collection, RestError
from infra.sandbox.sharepoint.world import FULL_CONTROL, READ, ROLES, Entry, Listing, Principal, scope_of

_PRINCIPAL_TYPES = {"user": 1, "entra": 4, "m365": 4, "m365-owners": 4, "eeeu": 4, "everyone": 4, "site": 8}


class Rights(Asked):
    """A securable is (listing, entry): (None, None) is the web."""

    def of(self, listing: Listing | None, entry: Entry | None, name: str, argument: str) -> Any:
        """One property or function of a securable."""
        own = entry.guid if entry else listing.guid if listing else "web"
        scope = scope_of(listing, entry) if listing else "web"
        if name == "hasuniqueroleassignments":
            return {"!HasUniqueRoleAssignments": own in self._site.grants}
        if name == "roleassignments":
            rows = list(self._site.grants[scope].items())
            return self._page(rows, lambda row: self._assignment(*row))
        if name == "effectivebasepermissions":
            # The caller's own, as an app's roles and grants have it.
            _, _, high, low = ROLES[FULL_CONTROL if controls(self._ask.claims, self._site) else READ]
            return {"!EffectiveBasePermissions": _permissions(high, low)}
        if name == "getusereffectivepermissions":
            asked = self._ask.query.get(argument, argument).strip("'")
            someone = next((one.login for one in PEOPLE if login_name("user", one.login) == asked.lower()), None)
            if someone is None:
                raise RestError(404, "-2146232832, Microsoft.SharePoint.SPException", "The specified user could not be found.")
            return {"!GetUserEffectivePermissions": _permissions(*effective.permissions(self._world, someone, self._site, listing, entry))}
        return self._unknown(name)

    def roles(self) -> Collection:
        return Collection(self._role(role) for role in ROLES)

    def _assignment(self, number: int, roles: set[int]) -> dict[str, Any]:
        place = f"RoleAssignments/GetByPrincipalId({number})"
        found: dict[str, Any] = {"__metadata": self._meta("SP.RoleAssignment", place), "PrincipalId": number}
        found["Member"] = (
            self._principal(self._site.principals[number], users="member/users" in self._expand)
            if self._expand & {"member", "member/users"}
            else {"__deferred": {"uri": f"{self._api}/{place}/Member"}}
        )
        found["RoleDefinitionBindings"] = (
            [self._role(role) for role in sorted(roles)]
            if "roledefinitionbindings" in self._expand
            else {"__deferred": {"uri": f"{self._api}/{place}/RoleDefinitionBindings"}}
        )
        return found

    def _role(self, role: int) -> dict[str, Any]:
        kind, name, high, low = ROLES[role]
        return {
            "__metadata": self._meta("SP.RoleDefinition", f"Web/RoleDefinitions({role})"),
            "Id": role,
            "Name": name,
            "Hidden": kind == 1,
            "RoleTypeKind": kind,
            "Description": "",
            "Order": kind,
            "BasePermissions": _permissions(high, low),
        }

    def principals(self, kind: str, argument: str, way: list[tuple[str, str]]) -> Any:
        if not argument and way and way[0][0] == "getbyid":
            argument, way = way[0][1], way[1:]
        groups = kind == "sitegroups"
        rows = [one for one in self._site.principals.values() if (one.kind == "site") == groups]
        if not argument:
            wanted = re.fullmatch(r"IsSiteAdmin eq (true|false)", self._ask.query.get("$filter", ""), re.IGNORECASE)
            if wanted:
                rows = [one for one in rows if one.site_admin == (wanted[1].lower() == "true")]
            return self._page(rows, lambda one: self._selected(self._principal(one, users="users" in self._expand)))
        found = next((one for one in rows if str(one.number) == argument), None)
        if found is None:
            raise RestError(404, "-2146232832, Microsoft.SharePoint.SPException", f"{'Group' if groups else 'User'} cannot be found.")
        if way and way[0][0] == "users" and groups:
            members = [self._site.principals[number] for number in found.members]
            return self._page(members, lambda one: self._principal(one, users=False))
        return self._unknown(way[0][0]) if way else self._selected(self._principal(found, users="users" in self._expand))

    def _principal(self, one: Principal, *, users: bool) -> dict[str, Any]:
        common = {"Id": one.number, "Title": one.title, "PrincipalType": _PRINCIPAL_TYPES[one.kind], "IsHiddenInUI": False}
        if one.kind == "site":
            members = [self._principal(self._site.principals[number], users=False) for number in one.members]
            place = f"Web/SiteGroups/GetById({one.number})"
            return {
                "__metadata": self._meta("SP.Group", place),
                **common,
                "LoginName": one.title,
                "OwnerTitle": f"{self._site.title} 所有者",
                "OnlyAllowMembersViewMembership": False,
                "Users": members if users else {"__deferred": {"uri": f"{self._api}/{place}/Users"}},
            }
        human = one.kind == "user"
        return {
            "__metadata": self._meta("SP.User", f"Web/GetUserById({one.number})"),
            **common,
            "LoginName": login_name(one.kind, one.key),
            "Email": one.key if human else "",
            "IsSiteAdmin": one.site_admin,
            "UserPrincipalName": upn(one.key) if human else None,
            "AadObjectId": {"NameId": person(one.key).entra_id, "NameIdIssuer": "urn:federation:microsoftonline"} if human else None,
            "IsShareByEmailGuestUser": human and person(one.key).guest,
            "IsEmailAuthenticationGuestUser": False,
            "Expiration": "",
        }


def _permissions(high: int, low: int) -> dict[str, Any]:
    return {"__metadata": {"type": "SP.BasePermissions"}, "High": str(high), "Low": str(low)}
