"""Delta rounds: tokens, pages, what has changed since a place in a list's feed. Shared by drive items and list items."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import datetime

from infra.sandbox.sharepoint.answers import Ask, GraphError
from infra.sandbox.sharepoint.consent import controls
from infra.sandbox.sharepoint.world import Entry, Listing, World

_CALL = re.compile(r"delta\((?:token='(?P<token>[^']*)')?\)$")


@dataclass(frozen=True)
class Token:
    """``place`` in the feed read so far; ``start`` where this round began; ``twin`` an entry to be told again on the last page."""

    epoch: int
    listing: str
    place: int
    start: int
    twin: str = ""

    def text(self) -> str:
        raw = json.dumps([self.epoch, self.listing, self.place, self.start, self.twin], separators=(",", ":"))
        return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


@dataclass(frozen=True)
class Round:
    """One page of a delta round. ``stale`` is an entry to be shown under its former name here, because it comes again later."""

    entries: list[Entry]
    stale: str
    start: int
    link: dict[str, str]


def _changed(entry: Entry) -> int:
    return entry.changed


def _told(entry: Entry) -> int:
    return entry.told


def _end(listing: Listing) -> int:
    return listing.feed[-1][0] if listing.feed else 0


def read(world: World, listing: Listing, ask: Ask, path: str) -> Round:
    """The page the ask is at. An app without full control of the site hears of no change of rights alone. Raises GraphError 410 with a Location for a token from before ``expire_tokens``, 400 for a foreign one."""
    called = _CALL.search(ask.path)
    given = (called.group("token") if called else None) or ask.query.get("token") or ask.query.get("$deltatoken") or ""
    mark = listing.guid[:8]
    if given == "latest":
        end = _end(listing)
        return Round([], "", end, {"@odata.deltaLink": ask.link(path, token=Token(world.epoch, mark, end, end).text())})
    token = _token(world, listing, given, ask, path) if given else Token(world.epoch, mark, 0, _end(listing))
    first = not given or token.place == 0
    place = _changed if controls(ask.claims, listing.site) else _told
    top = ask.top(200, 1000)
    pending = listing.pending(place, token.place, token.start, top + 1)
    taken, more = pending[:top], len(pending) > top
    stale, twin = "", token.twin
    if more and first:
        stale = twin = next((entry.id for entry in taken if entry.kind == "file"), "")
    if more:
        following = Token(world.epoch, mark, place(taken[-1]), token.start, twin)
        return Round(taken, stale, token.start, {"@odata.nextLink": ask.link(path, token=following.text())})
    again = listing.entries.get(twin)
    if again is not None and all(entry.id != again.id for entry in taken):
        taken = [*taken, again]
    end = max(_end(listing), token.place)
    return Round(taken, "", token.start, {"@odata.deltaLink": ask.link(path, token=Token(world.epoch, mark, end, end).text())})


def _token(world: World, listing: Listing, given: str, ask: Ask, path: str) -> Token:
    mark = listing.guid[:8]
    if re.match(r"\d{4}-\d\d-\d\dT", given):
        try:
            since = datetime.fromisoformat(given)
        except ValueError:
            raise GraphError(400, "invalidRequest", "The provided sync token is malformed.") from None
        if since.tzinfo is None:
            raise GraphError(400, "invalidRequest", "A time used as token needs its zone.")
        place = max((place for place, at in listing.feed if at <= since), default=0)
        return Token(world.epoch, mark, place, place)
    try:
        epoch, of, place, start, twin = json.loads(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)))
    except (ValueError, TypeError):
        raise GraphError(400, "invalidRequest", "The provided sync token is malformed.") from None
    token = Token(epoch, of, place, start, twin)
    if token.listing != mark:
        raise GraphError(400, "invalidRequest", "The provided sync token belongs to another list.")
    if token.epoch != world.epoch or token.place > _end(listing):
        epoch = world.epoch - 1 if world.gone_again > 0 else world.epoch
        world.gone_again = max(world.gone_again - 1, 0)
        fresh = Token(epoch, mark, 0, _end(listing)).text()
        raise GraphError(
            410,
            "resyncRequired",
            "The sync token has expired. Enumerate again from the address in Location.",
            inner="resyncChangesApplyDifferences",
            headers={"Location": ask.link(path, token=fresh)},
        )
    return token
