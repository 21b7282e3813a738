"""The change log of a site collection: which site groups gained or lost members. No delta of Graph tells that.

Source: SharePoint REST, ``site/GetChanges`` (SP.ChangeQuery, SP.ChangeGroup). A token is good for as long as the log goes back (60 days).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import httpx

from connectors.errors import BrokenReply
from connectors.sharepoint.client import Api, Json, classify, parsed, refusal
from connectors.sharepoint.places import Site
from connectors.transport import Again

#: Changes of one answer, at most: the service may give fewer though there are more, so the log ends where nothing comes.
_MOST = 1000
_ASKED = ("Group", "User", "Add", "Update", "DeleteObject", "GroupMembershipAdd", "GroupMembershipDelete")
#: ``ChangeType`` of what takes nobody out of a group: somebody came to the site, or something was written about them.
_HARMLESS = (1, 2)


@dataclass(frozen=True)
class Changed:
    """Numbers of the site groups that something happened to since, and the token to ask with next time.

    ``everywhere``: somebody was taken off the site itself, and with that out of each of its groups, which the log need not name.
    """

    groups: frozenset[str]
    token: str
    everywhere: bool = False


def current_token(rest: Api, site: Site) -> str:
    """The token that stands for now."""
    return _token_of(rest, rest.json(f"{_site(site)}/CurrentChangeToken"))


def changed_since(rest: Api, site: Site, token: str) -> Changed | None:
    """What happened after ``token``; None where the log no longer goes back so far or does not know the token: then all is to be read.

    Raises what ``Api.response`` raises, and BrokenReply for a log that does not end.
    """
    found: set[str] = set()
    everywhere = False
    seen = {token}
    while True:
        query = {**dict.fromkeys(_ASKED, True), "ChangeTokenStart": {"StringValue": token}, "FetchLimit": _MOST}
        # A question that is posted: nothing happens by asking twice.
        reply = rest.transport.send("POST", f"{_site(site)}/GetChanges", json={"query": query}, idempotent=True, classify=_classified)
        if reply.status_code >= 400:
            if _is_lost(reply):
                return None
            raise refusal(reply)
        rows = parsed(reply).get("value")
        if not isinstance(rows, list):
            raise BrokenReply("sharepoint.not_json", host=rest.transport.endpoint, what="a change log without value")
        page = cast("list[Json]", rows)
        found |= {str(row["GroupId"]) for row in page if "GroupId" in row}
        everywhere = everywhere or any("GroupId" not in row and row.get("ChangeType") not in _HARMLESS for row in page)
        if not page:
            return Changed(frozenset(found), token, everywhere)
        token = _token_of(rest, page[-1].get("ChangeToken"))
        if token in seen:
            raise BrokenReply("sharepoint.paging_loop", host=rest.transport.endpoint)
        seen.add(token)


def _site(site: Site) -> str:
    return f"{site.path}/_api/site".lstrip("/")


def _token_of(rest: Api, token: Any) -> str:
    value = cast("Json", token).get("StringValue") if isinstance(token, dict) else None
    if not isinstance(value, str) or not value:
        raise BrokenReply("sharepoint.not_json", host=rest.transport.endpoint, what="a change without its token")
    return value


def _classified(response: httpx.Response) -> Again | None:
    # A token nobody knows any more is answered like a server's fault, and asking again does not help.
    return None if _is_lost(response) else classify(response)


def _is_lost(response: httpx.Response) -> bool:
    return response.status_code in (400, 500) and response.is_closed and b"changetoken" in response.content.lower()
