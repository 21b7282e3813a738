"""What happens in the sites after the first day: a few edits, one new document, at times a rename, a move or a removal. Seeded by day."""

from __future__ import annotations

import random
from datetime import UTC, datetime, time, timedelta

from infra.sandbox.clock import JST, SandboxClock
from infra.sandbox.company.people import person
from infra.sandbox.sharepoint.content import catalogue, rows
from infra.sandbox.sharepoint.content.rows import ACTIONS
from infra.sandbox.sharepoint.founding import EDITORS, HR, INSTRUMENT_COUNT, QUALITY, add_row, folder, place
from infra.sandbox.sharepoint.sharing import expire_links
from infra.sandbox.sharepoint.world import Entry, Listing, World

_BULLETINS = ("品質速報_", "人事通知_第")


def catch_up(world: World, clock: SandboxClock) -> None:
    """Live the days that have begun since the last look, and end the links whose time has come. A day's work is dated into the hours before its midnight, so never in the future."""
    with world.lock:
        while world.day < clock.days_lived():
            world.day += 1
            _live(world, clock.origin, world.day)
        expire_links(world, clock.now())


def _live(world: World, origin: datetime, day: int) -> None:
    rng = random.Random(f"{world.seed}:life:{day}")
    midnight = datetime.combine(origin.astimezone(JST).date() + timedelta(days=day), time(), JST).astimezone(UTC)
    start = max(origin, midnight - timedelta(hours=8))
    moments = [start + (midnight - start) * share for share in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)]

    def editor(listing: Listing) -> str:
        return person(rng.choice(EDITORS[listing.site.key])).login

    files = [
        (listing, entry)
        for listing in world.listings()
        if listing.template == "documentLibrary" and listing.site.key in EDITORS
        for entry in listing.living()
        if entry.kind == "file" and "2015年度共有" not in listing.path(entry)
    ]
    # What the example project's questions are about stays where it is: only bulletins are renamed, moved and removed.
    old = [(listing, entry) for listing, entry in files if entry.name.startswith(_BULLETINS)]
    added = catalogue.bulletin(world.seed, day)
    place(world, added, moments[0], person(rng.choice(EDITORS[HR if added.path.startswith("規程") else QUALITY])).login)
    if old and rng.random() < 0.6:
        listing, entry = rng.choice(old)
        _now_and_then(world, rng, listing, entry, moments[1], editor(listing))
    steady = [(listing, entry) for listing, entry in files if not entry.name.startswith(_BULLETINS)]
    for (listing, entry), at in zip(rng.sample(steady, rng.randrange(2, 4)), moments[2:5], strict=False):
        assert entry.document is not None
        path = "/".join([listing.title, *listing.path(entry)])
        sentence = catalogue.revision(world.seed, day, path, entry.document.language)
        world.edit(listing, entry, entry.document.revised(entry.content_version + 1, sentence), at, editor(listing))
    actions = world.sites[QUALITY].listing(ACTIONS)
    add_row(world, actions, rows.action(world.seed, actions.last_number + 1, INSTRUMENT_COUNT), moments[5])


def _now_and_then(world: World, rng: random.Random, listing: Listing, entry: Entry, at: datetime, who: str) -> None:
    """One of the three things that happen to an old bulletin."""
    happening = rng.choice(("rename", "move", "delete"))
    if happening == "delete":
        world.delete(listing, entry, at)
    elif happening == "move" and "保管" not in listing.path(entry):
        world.move(listing, entry, folder(world, listing, ["保管"], at, who), at, who)
    else:
        stem, _, extension = entry.name.rpartition(".")
        world.rename(listing, entry, f"{stem.removesuffix('_改')}_改.{extension}", at, who)
