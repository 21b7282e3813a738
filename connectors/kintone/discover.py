"""Every app that these credentials can offer as a stream, with what a full load of it would cost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from connectors.errors import AccessRefused, AddressUnknown
from connectors.kintone.address import App, app_of
from connectors.kintone.client import PAGE, Client
from connectors.kintone.comments import comments_offer
from connectors.kintone.config import Config
from connectors.kintone.rules import Rules, read_rules
from connectors.kintone.schema import read_form, schema_of
from connectors.kintone.seek import ranges_of
from connectors.protocol import Offer

#: Calls an app may take a day before Cybozu warns the domain's owner: Standard and Wide course (cybozu.dev, "Limits").
DAILY_STANDARD, DAILY_WIDE = 10_000, 100_000
#: Calls of a full load besides its pages: the app, its form and settings, the probe before and the count and revision after; and those
#: for the three rule lists.
_AROUND, _RULE_LISTS = 6, 3


def discover(client: Client, config: Config) -> Iterator[Offer]:
    """With a login every app it may see; with tokens alone the apps whose ids the project names, since tokens may not list apps.

    An app in the list that the record credentials don't open (a login sees more apps than the tokens given) is no offer.
    """
    if client.has_person:
        apps = [app_of(one, config.guest_space) for one in client.apps(guest_space=config.guest_space)]
    else:
        apps = [
            app_of(client.get("app", {"id": number}, guest_space=config.guest_space, app=str(number)), config.guest_space)
            for number in config.apps
        ]
    taken: set[str] = set()
    for app in apps:
        offer = _offer(client, app, config.concurrency)
        if offer is None:
            continue
        name = offer.name if offer.name not in taken else f"{offer.name}-{app.id}"
        taken.add(name)
        named = replace(offer, name=name)
        yield named
        if config.comments:
            yield from comments_offer(client, app, named, most=config.budget.limit)


def stream_name(app: App) -> str:
    """The app's code in lower kebab case (``QualityIncident`` → ``quality-incident``), or ``app-<id>`` where it has none in ASCII."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", app.code)
    return (
        re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
        if app.code.isascii() and re.search("[A-Za-z0-9]", app.code)
        else f"app-{app.id}"
    )


def full_load_calls(rows: int, rules: Rules, workers: int) -> int:
    """The most API calls one full load takes: pages, and for each conditional record rule one trial and its lists of matching ids.

    Each id range that is read beside others may end with a page that is not full.
    """
    pages = rows // PAGE + max(1, len(ranges_of(0, rows, rows, workers)))
    conditional = sum(1 for rule in rules.records if rule.condition and not rule.blocked)
    return _AROUND + pages + (0 if rules.unreadable else _RULE_LISTS + conditional * (1 + pages))


def _offer(client: Client, app: App, workers: int) -> Offer | None:
    notes: list[str] = []
    try:
        form = read_form(client, app)
    except AddressUnknown:
        # A guest-space app stands in the normal list but answers only on the path of its space.
        if not app.space_id or app.guest_space is not None:
            raise
        app = replace(app, guest_space=int(app.space_id))
        form = read_form(client, app)
    except AccessRefused:
        # Listed, but no token opens it, or the login may not view it: it can't become a stream with these credentials.
        return None
    rows = client.total(app.id, "", app.guest_space)
    calls = full_load_calls(rows, read_rules(client, app, form), workers)
    notes.append(
        f"full load: at most {calls:,} API calls for {rows:,} records, of {DAILY_STANDARD:,} (Standard) or {DAILY_WIDE:,} (Wide) a day"
    )
    if not app.code:
        notes.append("no app code: ask the app's administrator to set one, so that the app is found again after it is copied or restored")
    source: dict[str, str | int] = {"app_code": app.code, "app_id": int(app.id)} if app.code else {"app_id": int(app.id)}
    if app.guest_space is not None:
        source["guest_space"] = app.guest_space
    updated = form.system_field("UPDATED_TIME")
    return Offer(
        name=stream_name(app),
        title=app.name,
        source=source,
        schema=schema_of(app, form),
        key=("$id",),
        cursor=updated.code if updated else None,
        rows=rows,
        notes=tuple(notes),
    )
