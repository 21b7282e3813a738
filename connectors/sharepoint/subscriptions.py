"""Subscriptions to changes: one for each library and list behind the streams, made, renewed in time and taken away. What a notice means, its receiver says.

Rules (Microsoft Graph, subscription): a library is its drive's root, ``updated`` is the only kind of change, an end lies under 30 days ahead (42,300
minutes), the receiver's secret is never told back. https://learn.microsoft.com/graph/api/resources/subscription
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.capabilities import Receiver, Subscribed, Subscription
from connectors.errors import AccessRefused, BrokenReply, FixConfiguration, SourceError
from connectors.protocol import Stream
from connectors.sharepoint.addresses import Addresses
from connectors.sharepoint.client import Api, Json, error_code, parsed
from connectors.sharepoint.pull import spec_of

#: A little less than the longest there is: their clock and ours need not agree to the minute.
LIFE = timedelta(minutes=42_000)
#: Changes of rights are told only to who asks for them, and for libraries alone.
_RIGHTS, _LIBRARY = {"Prefer": "includesecuritywebhooks"}, "drives/"
_SAID = 200


@dataclass(frozen=True)
class Found:
    """A subscription as Graph lists it. ``resource`` as we name it."""

    id: str
    resource: str
    url: str
    kind: str
    until: datetime


@dataclass(frozen=True)
class Plan:
    """What makes it one subscription for each place; ``kept`` are those that stay, the renewed ones among them."""

    make: tuple[str, ...]
    renew: tuple[Found, ...]
    end: tuple[Found, ...]
    kept: tuple[Found, ...]


def plan(
    wanted: Collection[str], found: Sequence[Found], receiver: Receiver, now: datetime, *, renew: bool = False, whole: bool = True
) -> Plan:
    """``wanted`` are resources. Subscriptions to other receivers are nobody's business here; without ``whole`` not all places are known, and
    what points to none of these may be one of those."""
    ours = [one for one in found if _bare(one.url) == _bare(receiver.url)]
    fit = {one.resource: one for one in sorted(ours, key=lambda one: one.until) if _fits(one, receiver, now)}
    kept = tuple(fit[resource] for resource in wanted if resource in fit)
    return Plan(
        make=tuple(resource for resource in wanted if resource not in fit),
        renew=tuple(one for one in kept if renew or one.until - now < LIFE / 2),
        end=tuple(one for one in ours if one not in kept and (whole or one.resource in wanted)),
        kept=kept,
    )


def keep_subscribed(
    at: Addresses, streams: Sequence[Stream], receiver: Receiver, now: Callable[[], datetime], *, renew: bool
) -> Subscribed:
    """See ``capabilities.Subscribes``. ``now`` is the source's clock as of its last answer."""
    graph, failures = at.tenant.graph, list[SourceError | FixConfiguration]()
    wanted = dict.fromkeys(_resources(at, streams, failures).values())
    there = _listed(graph)
    at_present = now()
    planned = plan(wanted, there, receiver, at_present, renew=renew, whole=not failures)
    ends = {one.resource: one.until for one in planned.kept}
    made, renewed, make = 0, 0, list(planned.make)
    for one in planned.renew:
        try:
            response = graph.sent("PATCH", f"subscriptions/{one.id}", {"expirationDateTime": _written(at_present + LIFE)}, also={404})
            if response.status_code == 404:
                # It was taken away since it was listed.
                make.append(one.resource)
                del ends[one.resource]
            else:
                renewed, ends[one.resource] = renewed + 1, _read(parsed(response)).until
        except SourceError as error:
            # The others must not end with it.
            failures.append(error)
    for resource in make:
        try:
            ends[resource] = _make(graph, resource, receiver, at_present).until
            made += 1
        except (SourceError, FixConfiguration) as error:
            failures.append(error)
    for one in planned.end:
        graph.sent("DELETE", f"subscriptions/{one.id}", also={404})
    if failures:
        raise failures[0]
    return Subscribed(made, renewed, len(planned.end), min(ends.values(), default=None))


def standing(at: Addresses, streams: Sequence[Stream], receiver: Receiver, now: Callable[[], datetime]) -> list[Subscription]:
    """See ``capabilities.Subscribes``."""
    failures: list[SourceError | FixConfiguration] = []
    resources = _resources(at, streams, failures)
    if failures:
        raise failures[0]
    there = _listed(at.tenant.graph)
    ends = {one.resource: one.until for one in plan(set(resources.values()), there, receiver, now()).kept}
    return [Subscription(stream, ends.get(resource)) for stream, resource in resources.items()]


def _resources(at: Addresses, streams: Sequence[Stream], failures: list[SourceError | FixConfiguration]) -> dict[str, str]:
    """Stream → what is subscribed to for it, looked up anew; pages have no feed, so there is nothing that a notice could have us ask."""
    found: dict[str, str] = {}
    for stream in streams:
        try:
            spec = spec_of(stream)
            if spec.kind != "pages":
                place = at.place(spec, anew=True)
                found[stream.id] = _named(
                    f"{_LIBRARY}{place.id}/root" if spec.kind == "library" else f"sites/{place.site.id}/lists/{place.list_id}"
                )
        except (SourceError, FixConfiguration) as error:
            failures.append(error)
    return found


def _make(graph: Api, resource: str, receiver: Receiver, now: datetime) -> Found:
    """Graph calls the receiver before it answers. Raises FixConfiguration where it was not satisfied, AccessRefused where the app may not."""
    body = {
        "changeType": "updated",
        "notificationUrl": receiver.url,
        "lifecycleNotificationUrl": receiver.url,
        "resource": resource,
        "expirationDateTime": _written(now + LIFE),
        "clientState": receiver.secret,
    }
    headers = _RIGHTS if resource.startswith(_LIBRARY) else None
    response = graph.sent("POST", "subscriptions", body, headers=headers, also={400, 403})
    told = {"host": graph.transport.endpoint, "status": response.status_code, "error_code": error_code(response)}
    if response.status_code == 403:
        raise AccessRefused("sharepoint.may_not_subscribe", resource=resource, **told)
    if response.status_code == 400:
        said = error_code(response, "message").replace(receiver.secret, "***")[:_SAID]
        raise FixConfiguration("sharepoint.not_subscribed", url=_bare(receiver.url), said=said, **told)
    return _read(parsed(response))


def _listed(graph: Api) -> list[Found]:
    """All subscriptions of this app. Raises AccessRefused where it may have none."""
    first = graph.response("subscriptions", also={403})
    if first.status_code == 403:
        raise AccessRefused(
            "sharepoint.may_not_subscribe", host=graph.transport.endpoint, resource="-", status=403, error_code=error_code(first)
        )
    return [_read(one) for one in graph.listed(parsed(first))]


def _read(one: Json) -> Found:
    try:
        until = datetime.fromisoformat(str(one["expirationDateTime"])).astimezone(UTC)
        return Found(str(one["id"]), _named(str(one["resource"])), str(one["notificationUrl"]), str(one["changeType"]), until)
    except (KeyError, ValueError) as error:
        raise BrokenReply("sharepoint.not_json", host="subscriptions", what=f"a subscription without {error}") from error


def _fits(one: Found, receiver: Receiver, now: datetime) -> bool:
    return one.url == receiver.url and one.kind == "updated" and one.until > now


def _named(resource: str) -> str:
    """Graph tells a resource back as it was written, with or without a slash in front; the ids in it are what they are."""
    return resource.strip("/")


def _bare(url: str) -> str:
    return url.partition("?")[0]


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
