"""Where an app is today: from a contract's app code to the app that answers, or the error that names the candidates."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, cast

from connectors.errors import AddressUnknown, BrokenReply, FixConfiguration
from connectors.kintone.client import Client
from connectors.kintone.config import SourceSpec


@dataclass(frozen=True)
class App:
    """One resolved app. ``space_id`` is empty outside spaces; ``guest_space`` is the id that its path needs, if any."""

    id: str
    code: str
    name: str
    space_id: str
    creator: str
    guest_space: int | None = None

    @property
    def label(self) -> str:
        """How scopes and messages name the app: its code, or its id where it has none."""
        return self.code or self.id


def resolve(client: Client, spec: SourceSpec, *, stream: str, guest_space: int | None) -> App:
    """The app that ``spec`` means. Raises AddressUnknown with the nearest candidates, FixConfiguration when tokens alone can't find it.

    Tokens may not list apps (``GAIA_NO01``), so with tokens alone the id must be known and the code is verified against it.
    """
    guest = spec.guest_space or guest_space
    if spec.app_code and client.has_person:
        hits = list(client.apps({"codes": [spec.app_code]}, guest_space=guest))
        if len(hits) == 1:
            return app_of(hits[0], guest)
        raise AddressUnknown(
            "kintone.app_code_unknown",
            host=client.host,
            stream=stream,
            app_code=spec.app_code,
            found=len(hits),
            candidates=_nearest(client, spec, guest),
        )
    if spec.app_id is None:
        raise FixConfiguration("kintone.app_id_needed", stream=stream, app_code=spec.app_code)
    found = app_of(client.get("app", {"id": spec.app_id}, guest_space=guest, app=str(spec.app_id)), guest)
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
    )


def _nearest(client: Client, spec: SourceSpec, guest_space: int | None) -> str:
    """Up to three apps whose code or name resembles the wanted code, and the one that has the remembered id."""
    apps = [app_of(one, guest_space) for one in client.apps(guest_space=guest_space)]

    def likeness(app: App) -> float:
        if spec.app_id is not None and app.id == str(spec.app_id):
            return 2.0
        return max(difflib.SequenceMatcher(None, spec.app_code.lower(), text.lower()).ratio() for text in (app.code, app.name))

    best = [app for app in sorted(apps, key=likeness, reverse=True)[:3] if likeness(app) >= 0.4]
    return ", ".join(f"{app.code or '(no code)'} (id {app.id}, {app.name})" for app in best) or "-"
