"""Graph's subscriptions to drives and lists: who is told of changes, the receiver that proves itself, and the sending, in a thread of its own.

https://learn.microsoft.com/graph/api/resources/subscription and ``change-notifications-delivery-webhooks`` beside it. Notices say which subscription,
never which item. Where the real service would call any address, this one calls loopback alone.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from starlette.responses import Response

from infra.sandbox.company.people import TENANT_ID, stable_id
from infra.sandbox.settings import Settings
from infra.sandbox.sharepoint.answers import Ask, GraphError, answer, page, stamp
from infra.sandbox.sharepoint.consent import may_subscribe
from infra.sandbox.sharepoint.graph_items import site_id
from infra.sandbox.sharepoint.world import Listing, World

LONGEST = timedelta(minutes=42_300)
LONGEST_STATE = 128
EVENTS = ("reauthorizationRequired", "subscriptionRemoved", "missed")
#: Seconds a receiver has: to prove itself, to take a notice.
TO_PROVE, TO_TAKE = 10.0, 3.0
#: Seconds between a change and its notice: what happens meanwhile is one notice.
LATE = 0.3
#: The real service goes on for four hours.
TRIES = 3
_REQUIRED = ("changeType", "notificationUrl", "resource", "expirationDateTime")
_RESOURCE = re.compile(r"^/?(?:drives/(?P<drive>[^/]+)/root|sites/(?P<site>[^/]+)/lists/(?P<list>[^/]+))/?$")


@dataclass
class Subscription:
    """``rights``: it is told of changes of permissions, too. ``paused``: until it is renewed, as it was asked to be."""

    id: str
    app: str
    resource: str
    listing: Listing
    url: str
    lifecycle_url: str
    secret: str | None
    rights: bool
    until: datetime
    paused: bool = False
    taken: int = 0
    refused: int = 0

    def json(self, *, secret: bool = False) -> dict[str, Any]:
        """As Graph shows it: the secret comes back once, to who made it."""
        return {
            "id": self.id,
            "resource": self.resource,
            "applicationId": self.app,
            "changeType": "updated",
            "clientState": self.secret if secret else None,
            "notificationUrl": self.url,
            "notificationQueryOptions": None,
            "lifecycleNotificationUrl": self.lifecycle_url or None,
            "expirationDateTime": stamp(self.until),
            "creatorId": stable_id("service principal", self.app),
            "includeResourceData": None,
            "latestSupportedTlsVersion": "v1_2",
            "encryptionCertificate": None,
            "encryptionCertificateId": None,
            "notificationUrlAppId": None,
        }


class Subscriptions:
    """All of the tenant's. Asked without the world's lock: a receiver that proves itself must not hold up everybody else."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world, self._settings = world, settings
        self._lock = threading.Lock()
        self._known: dict[str, Subscription] = {}
        self._waiting: dict[tuple[str, str], Subscription] = {}
        self._news = threading.Event()
        self._sender: threading.Thread | None = None
        world.tell = self._changed

    # -- requests ---------------------------------------------------------------------------------------------------------------

    def handle(self, ask: Ask) -> Response:
        """``/subscriptions`` and what is below it. Raises GraphError."""
        _, _, key = ask.path.strip("/").partition("/")
        match (ask.method, bool(key)):
            case ("GET" | "HEAD", False):
                return answer(ask, page(ask, [one.json() for one in self._living() if one.app == ask.app]))
            case ("POST", False):
                return answer(ask, _context(self._make(ask).json(secret=True)), 201)
            case ("GET" | "HEAD", True):
                return answer(ask, _context(self._of(ask, key).json()))
            case ("PATCH", True):
                found = self._of(ask, key)
                found.until, found.paused = self._until(_object(ask), "Update"), False
                return answer(ask, _context(found.json()))
            case ("DELETE", True):
                found = self._of(ask, key)
                with self._lock:
                    self._known.pop(found.id, None)
                return Response(status_code=204)
            case _:
                raise GraphError(405, "Request_BadRequest", f"Specified HTTP method is not allowed: {ask.method}.")

    def _make(self, ask: Ask) -> Subscription:
        body = _object(ask)
        for name in _REQUIRED:
            if not body.get(name):
                raise GraphError(400, "InvalidRequest", f"{name} is a required property for subscription creation")
        url, lifecycle, resource = (str(body.get(name) or "") for name in ("notificationUrl", "lifecycleNotificationUrl", "resource"))
        if any(urlsplit(one).scheme != "https" for one in (url, lifecycle) if one):
            raise GraphError(400, "InvalidRequest", "The notification URL must use https.")
        if str(body["changeType"]).lower() != "updated":
            raise GraphError(400, "InvalidRequest", "Only the change type 'updated' is supported for this resource.")
        secret = body.get("clientState")
        if secret is not None and len(str(secret)) > LONGEST_STATE:
            raise GraphError(400, "InvalidRequest", f"clientState is longer than {LONGEST_STATE} characters.")
        listing, drive = self._listing(ask, resource)
        until = self._until(body, "Create")
        for one in dict.fromkeys((url, lifecycle)):
            if one:
                self._prove(one)
        rights = drive and "includesecuritywebhooks" in ask.prefer
        made = Subscription(
            str(uuid.uuid4()), ask.app, resource, listing, url, lifecycle, None if secret is None else str(secret), rights, until
        )
        with self._lock:
            self._known[made.id] = made
        return made

    def _listing(self, ask: Ask, resource: str) -> tuple[Listing, bool]:
        """What is subscribed to, and whether as a drive."""
        named = _RESOURCE.match(resource)
        if named is None:
            raise GraphError(400, "InvalidRequest", f"Resource '{resource}' is not supported: the root of a drive, or a list, is.")
        if not may_subscribe(ask.claims, drive=named["drive"] is not None):
            raise GraphError(403, "accessDenied", "Access denied")
        with self._world.lock:
            if named["drive"] is not None:
                found = self._world.drive(named["drive"])
            else:
                lists = (one for one in self._world.listings() if named["site"].lower() in (site_id(one.site), one.site.collection))
                found = next((one for one in lists if named["list"].lower() == one.guid or named["list"] == one.title), None)
        if found is None:
            raise GraphError(404, "itemNotFound", "The resource could not be found.")
        return found, named["drive"] is not None

    def _until(self, body: dict[str, Any], operation: str) -> datetime:
        now = self._settings.clock.now()
        try:
            until = datetime.fromisoformat(str(body["expirationDateTime"]))
        except (KeyError, ValueError):
            raise GraphError(400, "InvalidRequest", f"Operation: {operation}; expirationDateTime is not a time.") from None
        until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
        if until <= now:
            raise GraphError(400, "InvalidRequest", "Subscription expiration must be in the future.")
        if until > now + LONGEST:
            minutes = LONGEST // timedelta(minutes=1)
            raise GraphError(400, "ExtensionError", f"Subscription expiration can only be {minutes} minutes in the future.")
        return until

    def _of(self, ask: Ask, key: str) -> Subscription:
        found = next((one for one in self._living() if one.id == key and one.app == ask.app), None)
        if found is None:
            raise GraphError(404, "ResourceNotFound", "The object was not found.")
        return found

    def _living(self) -> list[Subscription]:
        now = self._settings.clock.now()
        with self._lock:
            self._known = {key: one for key, one in self._known.items() if one.until > now}
            return list(self._known.values())

    def _prove(self, url: str) -> None:
        """The receiver says the token back, decoded, as plain text."""
        token = f"Validation: Testing client application reachability for subscription Request-Id: {uuid.uuid4()}"
        if urlsplit(url).hostname not in ("localhost", "127.0.0.1", "::1"):
            raise GraphError(400, "InvalidRequest", "Subscription validation request failed. The sandbox calls loopback addresses only.")
        try:
            said = self._post(
                f"{url}{'&' if '?' in url else '?'}validationToken={quote(token)}", b"", "text/plain; charset=utf-8", TO_PROVE
            )
        except httpx.TimeoutException:
            raise GraphError(400, "InvalidRequest", "Subscription validation request timed out.") from None
        except httpx.HTTPError:
            raise GraphError(400, "InvalidRequest", "Subscription validation request failed. The endpoint was not reached.") from None
        wanted = "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request."
        if said.status_code != 200:
            raise GraphError(400, "InvalidRequest", wanted)
        if not said.headers.get("content-type", "").startswith("text/plain") or said.text != token:
            raise GraphError(400, "InvalidRequest", "Subscription validation request failed. The response must be the token in plain text.")

    # -- notices ----------------------------------------------------------------------------------------------------------------

    def _changed(self, listing: Listing, rights: bool) -> None:
        """Something in a list changed, or (``rights``) who may see it."""
        for one in self._living() if self._known else ():
            if one.listing is listing and (one.rights or not rights) and not one.paused:
                self._wait(one, "")

    def lifecycle(self, event: str, key: str = "") -> int:
        """A lifecycle notice to all subscriptions that have an address for it, or to one; how many. ValueError for one there is not."""
        if event not in EVENTS:
            raise ValueError(f"lifecycle events are: {', '.join(EVENTS)}")
        meant = [one for one in self._living() if key in ("", one.id) and one.lifecycle_url]
        for one in meant:
            one.paused = event == "reauthorizationRequired"
            if event == "subscriptionRemoved":
                with self._lock:
                    self._known.pop(one.id, None)
            self._wait(one, event)
        return len(meant)

    def told(self) -> list[dict[str, Any]]:
        """The truth about each, for tests: what was taken and refused among it."""
        return [one.json() | {"paused": one.paused, "taken": one.taken, "refused": one.refused} for one in self._living()]

    def _wait(self, one: Subscription, event: str) -> None:
        with self._lock:
            self._waiting[one.id, event] = one
            if self._sender is None:
                self._sender = threading.Thread(target=self._send, name="notices", daemon=True)
                self._sender.start()
        self._news.set()

    def _send(self) -> None:
        pause = threading.Event()
        while True:
            self._news.wait()
            pause.wait(LATE)
            self._news.clear()
            with self._lock:
                waiting, self._waiting = self._waiting, {}
            together: dict[str, list[tuple[str, Subscription]]] = {}
            for (_, event), one in waiting.items():
                together.setdefault(one.lifecycle_url if event else one.url, []).append((event, one))
            for url, some in together.items():
                body = json.dumps({"value": [_notice(one, event) for event, one in some]}).encode()
                taken = any(self._delivered(url, body) or pause.wait(LATE * attempt) for attempt in range(1, TRIES + 1))
                for _, one in some:
                    one.taken, one.refused = one.taken + taken, one.refused + (not taken)

    def _delivered(self, url: str, body: bytes) -> bool:
        try:
            return self._post(url, body, "application/json; charset=utf-8", TO_TAKE).is_success
        except httpx.HTTPError:
            return False

    def _post(self, url: str, body: bytes, kind: str, seconds: float) -> httpx.Response:
        with httpx.Client(verify=self._trusted, trust_env=False, timeout=seconds) as client:
            return client.post(url, content=body, headers={"Content-Type": kind})

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self._settings.ca_file))


def _context(one: dict[str, Any]) -> dict[str, Any]:
    return {"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#subscriptions/$entity"} | one


def _object(ask: Ask) -> dict[str, Any]:
    try:
        body = json.loads(ask.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise GraphError(
            400,
            "InvalidRequest",
            "Could not process subscription creation payload. Are all property names spelled and camelCased properly?",
        )
    return body


def _notice(one: Subscription, event: str) -> dict[str, Any]:
    """It names the subscription and its secret; of what changed it says nothing."""
    told = {
        "subscriptionId": one.id,
        "clientState": one.secret,
        "subscriptionExpirationDateTime": stamp(one.until),
        "tenantId": TENANT_ID,
    }
    if event:
        return told | {"lifecycleEvent": event}
    return told | {
        "changeType": "updated",
        "resource": one.resource,
        "resourceData": {"@odata.type": "#Microsoft.Graph.DriveItem" if "/root" in one.resource else "#Microsoft.Graph.ListItem"},
    }
