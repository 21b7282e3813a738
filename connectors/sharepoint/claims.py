"""SharePoint login names (claims) read as what they stand for. Formats: SharePoint's claim encoding, ``i:`` for people, ``c:`` for the rest."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

from connectors.access import Link

#: ``nobody`` is known and grants no person anything: sharing-link groups, system accounts, applications.
Meaning = Literal["user", "group", "owners", "members", "everyone", "sitegroup", "nobody", "unknown"]
_GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_SHAPES: tuple[tuple[Meaning, re.Pattern[str]], ...] = (
    ("user", re.compile(r"i:0#\.f\|membership\|(.+)")),
    ("group", re.compile(rf"c:0t\.c\|tenant\|({_GUID})")),
    ("owners", re.compile(rf"c:0o\.c\|federateddirectoryclaimprovider\|({_GUID})_o")),
    ("group", re.compile(rf"c:0o\.c\|federateddirectoryclaimprovider\|({_GUID})")),
    ("members", re.compile(r"c:0-\.f\|rolemanager\|spo-grid-all-users/(.+)")),
    ("everyone", re.compile(r"(c:0\(\.s\|true)")),
    ("nobody", re.compile(r"(sharepoint\\system|i:0i\.t\|.+|nt service\\.+)")),
)
_SITE_GROUP = 8
#: The hidden group of a sharing link: the item's GUID, what the link opens to whom, the link's own GUID.
_LINK_GROUP = re.compile(r"SharingLinks\.[^.]+\.(?:(Organization|Anonymous)(View|Edit)|\w+)\.[^.]+", re.IGNORECASE)


@dataclass(frozen=True)
class Claim:
    """``id`` is a UPN, a GUID, a tenant or a site group's number, in lower case."""

    meaning: Meaning
    id: str


def read_claim(login: str, principal_type: int, number: int, title: str = "") -> Claim:
    """What the member of a role assignment or site group is.

    Sharing-link groups hold whoever opened a link: they make nothing findable. Limited-access groups only let people pass through.
    """
    if principal_type == _SITE_GROUP:
        hidden = any(name.startswith(("SharingLinks.", "Limited Access System Group")) for name in (login, title))
        return Claim("nobody" if hidden else "sitegroup", str(number))
    lower = login.lower()
    for meaning, shape in _SHAPES:
        found = shape.fullmatch(lower)
        if found is not None:
            return Claim(meaning, found.group(1))
    return Claim("unknown", login)


def sharing_link(name: str) -> Link | None:
    """What the name of a hidden link group tells of its link; None for other names. A flexible link's name does not say whom it is for."""
    found = _LINK_GROUP.fullmatch(name)
    if found is None:
        return None
    scope, type = (found.group(1) or "").lower(), (found.group(2) or "").lower()
    return Link(scope, type, hashlib.sha256(name.rpartition(".")[2].lower().encode()).hexdigest())
