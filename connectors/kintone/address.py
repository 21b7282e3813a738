"""Where an app is today: from what a contract says of it to the app that answers, or the error that names the candidates."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from connectors.capabilities import Deployed
from connectors.errors import AddressUnknown, BrokenReply, FixConfiguration
from connectors.kintone.client import Client
from connectors.kintone.config import SourceSpec
from connectors.messages import joined, told


@dataclass(frozen=True)
class App:
    """One resolved app. ``space_id`` is empty outside spaces; ``guest_space`` is the id that its path needs, if any."""

    id: str
    code: str
    name: str
    space_id: str
    creator: str
    guest_space: int | None = None
    #: When its settings were last put in force, aware UTC; None where the source does not tell.
    modified: datetime | None = None

    @property
    def label(self) -> str:
        """How scopes and messages name the app: its code, or its id where it has none."""
        return self.code or self.id


def resolve(client: Client, spec: SourceSpec, *, stream: str, guest_space: int | None, last_id: str = "", last_name: str = "") -> App:
    """The app that ``spec`` means, looked up now: by its code, by its name within its space, or by its number.

    Raises AddressUnknown with the nearest candidates when not exactly one is there, FixConfiguration when tokens alone can't find it.
    Tokens may not list apps (``GAIA_NO01``), so with tokens alone the number must be known, from the contract or from the last published
    pull (``last_id``), and code or name are verified against it. ``last_name`` is what the app was called then.
    """
    guest = spec.guest_space or guest_space
    if client.has_person and (spec.app_code or spec.app_name):
        return _looked_up(client, spec, stream, guest, last_name)
    number = spec.app_id or (int(last_id) if last_id else None)
    if number is None:
        raise FixConfiguration("kintone.app_id_needed", stream=stream, app_code=spec.app_code or spec.app_name)
    try:
        found = app_of(client.get("app", {"id": number}, guest_space=guest, app=str(number)), guest)
    except AddressUnknown as error:
        if error.code != "kintone.app_gone" or not client.has_person:
            raise
        raise AddressUnknown(
            "kintone.app_number_unknown",
            host=client.host,
            stream=stream,
            app=number,
            error_code=error.params.get("error_code", "-"),
            error_id=error.params.get("error_id", "-"),
            candidates=_nearest(client, last_name, number, guest),
        ) from error
    if spec.app_code and found.code != spec.app_code:
        raise AddressUnknown(
            "kintone.app_is_another",
            host=client.host,
            stream=stream,
            app=found.id,
            app_code=spec.app_code,
            found=found.code or "-",
            name=found.name,
        )
    if not spec.app_code and spec.app_name and not _named(spec, found):
        raise AddressUnknown(
            "kintone.app_named_other", host=client.host, stream=stream, app=found.id, app_name=spec.app_name, name=found.name
        )
    return found


def app_of(reply: dict[str, Any], guest_space: int | None) -> App:
    """The app of one app.json or apps.json entry. Raises BrokenReply when it has no id."""
    number = reply.get("appId")
    if not isinstance(number, str | int):
        raise BrokenReply("kintone.reply_shape", host="-", app="-", resource="app", reason="no appId")
    creator = reply.get("creator")
    creator_code = cast("dict[str, Any]", creator).get("code", "") if isinstance(creator, dict) else ""
    space = reply.get("spaceId")
    return App(
        id=str(number),
        code=str(reply.get("code") or ""),
        name=str(reply.get("name") or ""),
        space_id="" if space is None else str(space),
        creator=str(creator_code or ""),
        guest_space=guest_space,
        modified=_instant(reply.get("modifiedAt")),
    )


def deployed_of(reply: dict[str, Any]) -> Deployed | None:
    """Who last changed the app's settings in force, of one app.json; None where it doesn't say."""
    who, at = reply.get("modifier"), _instant(reply.get("modifiedAt"))
    named = cast("dict[str, Any]", who) if isinstance(who, dict) else {}
    by = str(named.get("name") or named.get("code") or "")
    return Deployed(by, at) if by and at is not None else None


def _instant(text: object) -> datetime | None:
    """An instant as kintone writes it; None for what is none, or has no zone."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None else None


def _looked_up(client: Client, spec: SourceSpec, stream: str, guest: int | None, last_name: str) -> App:
    """One call: apps.json by code, or by name (which kintone matches in part and in any case) with exactly one exact hit."""
    if spec.app_code:
        hits = [app_of(one, guest) for one in client.apps({"codes": [spec.app_code]}, guest_space=guest)]
        if len(hits) == 1:
            return hits[0]
        raise AddressUnknown(
            "kintone.app_code_unknown",
            host=client.host,
            stream=stream,
            app_code=spec.app_code,
            found=len(hits),
            candidates=_nearest(client, spec.app_code, spec.app_id, guest, last_name),
        )
    params: dict[str, Any] = {"name": spec.app_name}
    if spec.space_id is not None:
        params["spaceIds"] = [spec.space_id]
    hits = [app for app in (app_of(one, guest) for one in client.apps(params, guest_space=guest)) if _named(spec, app)]
    if len(hits) == 1:
        return hits[0]
    raise AddressUnknown(
        "kintone.app_name_unknown",
        host=client.host,
        stream=stream,
        app_name=spec.app_name,
        found=len(hits),
        candidates=_written(hits) if hits else _nearest(client, spec.app_name, spec.app_id, guest),
    )


def _named(spec: SourceSpec, app: App) -> bool:
    return app.name == spec.app_name and (spec.space_id is None or app.space_id == str(spec.space_id))


def _nearest(client: Client, text: str, number: int | None, guest_space: int | None, last_name: str = "") -> str:
    """Up to three apps whose code or name resembles ``text``, and the one that has the remembered number or name."""
    apps = [app_of(one, guest_space) for one in client.apps(guest_space=guest_space)]

    def likeness(app: App) -> float:
        if number is not None and app.id == str(number):
            return 2.0
        if last_name and app.name == last_name:
            return 1.5
        if not text:
            return 0.0
        return max(difflib.SequenceMatcher(None, text.lower(), one.lower()).ratio() for one in (app.code, app.name))

    return _written([app for app in sorted(apps, key=likeness, reverse=True)[:3] if likeness(app) >= 0.4])


def _written(apps: list[App]) -> str:
    return joined(told("kintone.candidate", code=app.code or told("kintone.no_code"), app=app.id, name=app.name) for app in apps) or "-"
