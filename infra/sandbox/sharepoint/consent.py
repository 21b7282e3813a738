"""What an app may do by the roles in its token, and by what a site granted to it where that role is Sites.Selected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.sandbox.sharepoint.world import Site

#: What an administrator has consented to until a control verb says otherwise.
ROLES = ("Sites.FullControl.All", "GroupMember.Read.All", "User.Read.All")
FULL_CONTROL, SELECTED, HIDDEN = "Sites.FullControl.All", "Sites.Selected", "Member.Read.Hidden"
SITE_ROLES = ("read", "write", "manage", "fullcontrol")
_EVERYWHERE = {FULL_CONTROL, "Sites.Manage.All", "Sites.ReadWrite.All", "Sites.Read.All"}
_DIRECTORY = {
    "users": {"User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"},
    "groups": {"GroupMember.Read.All", "Group.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"},
}


def roles(claims: Mapping[str, Any]) -> set[str]:
    return set(claims.get("roles", ROLES))


def reads_everywhere(claims: Mapping[str, Any]) -> bool:
    return bool(roles(claims) & _EVERYWHERE)


def reads(claims: Mapping[str, Any], site: Site) -> bool:
    return reads_everywhere(claims) or (SELECTED in roles(claims) and bool(site.app_role))


def controls(claims: Mapping[str, Any], site: Site) -> bool:
    """Whether the app has full control of the site: only then is it told of every change of rights, and shown role assignments."""
    return FULL_CONTROL in roles(claims) or (SELECTED in roles(claims) and site.app_role == "fullcontrol")


def may_subscribe(claims: Mapping[str, Any], *, drive: bool) -> bool:
    """Whether the app may have itself told of changes: the documentation wants leave to write, in the whole tenant, and knows no selected sites."""
    writes = {FULL_CONTROL, "Sites.Manage.All", "Sites.ReadWrite.All", *(["Files.ReadWrite.All"] if drive else [])}
    return bool(roles(claims) & writes)


def reads_directory(claims: Mapping[str, Any], part: str) -> bool:
    """``part``: users or groups."""
    return bool(roles(claims) & _DIRECTORY[part])


def reads_hidden(claims: Mapping[str, Any]) -> bool:
    return HIDDEN in roles(claims)
