"""Which account of the directory each person of a site's own user list is: by object id, as a login may be somebody else's by now.

SharePoint keeps whoever once came to a site under the login and the object id they had then. An account that was made anew under the same
login is refused what its namesake had ("site user ID mismatch"), so a login alone does not say who holds a right.
"""

from __future__ import annotations

from typing import Any

from connectors.sharepoint.client import Api
from connectors.sharepoint.places import Site

_PAGE = 1000


def object_ids(rest: Api, site: Site) -> dict[int, str]:
    """Object ids in lower case, by number in the site; who has none there (the system's own accounts) is left out.

    Raises what ``Api.response`` raises.
    """
    url = f"{site.path}/_api/web/siteusers".lstrip("/")
    numbers: set[int] = set()
    found: dict[int, str] = {}
    while True:
        # The service may end a page and name no next one: then it is asked on by $skip, till nothing new comes.
        params = {"$select": "Id,AadObjectId", "$top": str(_PAGE), "$skip": str(len(numbers))}
        rows = list(rest.values(url, params=params))
        fresh = {int(row["Id"]) for row in rows} - numbers
        found |= {int(row["Id"]): oid for row in rows if (oid := _object_id(row.get("AadObjectId")))}
        numbers |= fresh
        if not fresh or len(rows) < _PAGE:
            return found


def _object_id(info: Any) -> str:
    return str((info or {}).get("NameId") or "").lower()
