"""The control verbs of the kintone server: the truth for oracles, schema evolution, and faults. Never on the product's path."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from infra.sandbox.breaks import Breakage
from infra.sandbox.company.people import person
from infra.sandbox.kintone import comments, evolution, mishaps
from infra.sandbox.kintone.access import Rights
from infra.sandbox.kintone.base import bulk_rights
from infra.sandbox.kintone.breaks import BREAKS
from infra.sandbox.kintone.bulk import Rows, bulk_fields
from infra.sandbox.kintone.directory import NAMES, REGISTER, api_token, caller_of, user_code
from infra.sandbox.kintone.domain import PERMISSIONS, Domain, Granted, Traffic
from infra.sandbox.kintone.forms import Reference
from infra.sandbox.kintone.shifts import deployed, find_app, make_space, renumber, restore
from infra.sandbox.kintone.store import App

Verb = Callable[[dict[str, Any]], Any]
_VERBS = (
    "advanced",
    "truth",
    "effective",
    "bulk",
    "traffic",
    "rename_field",
    "add_field",
    "remove_field",
    "rename_option",
    "renumber_app",
    "restore_app",
    "token",
    "oauth",
    "basic",
    "user",
    "space",
    "comment",
    "delete_record",
    "webhook",
    "search_limit",
    "fault",
    "break",
    "breaks",
    "heal",
)


def verbs(domain: Domain) -> dict[str, Verb]:
    """Every verb by name. ``app`` in a body is an id or a code; ValueError and KeyError carry the sentence for the caller."""
    control = _Control(domain)

    def locked(verb: Verb) -> Verb:
        def run(body: dict[str, Any]) -> Any:
            with domain.lock:
                domain.live()
                return verb(body)

        return run

    return {name: locked(getattr(control, "break_" if name == "break" else name)) for name in _VERBS}


class _Control:
    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._breakage = Breakage(domain, BREAKS)

    def advanced(self, _: dict[str, Any]) -> None:
        """The clock was moved; the company has lived by the time this runs."""

    def truth(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"app": 12}``: all records as stored, ids upwards; ``ids`` chooses some; ``"count": true`` gives only the number."""
        app = self._app(body)
        facts: dict[str, Any] = {
            "app": str(app.id),
            "code": app.code,
            "count": len(app.ids),
            "last_id": app.next_id - 1,
            "deleted_ids": app.deleted,
        }
        if body.get("count"):
            return facts
        wanted = [int(one) for one in body["ids"]] if "ids" in body else app.ids
        return facts | {"records": [msgspec.json.decode(app.body(app.records[number])) for number in wanted if number in app.records]}

    def bulk(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"code"?, "records"}``: a new app of so many records with 20 fields, the same for the same seed. Says how to reach it."""
        code, count = str(body.get("code", "BULK")), int(body["records"])
        if any(app.code == code for app in self._domain.apps.values()):
            raise ValueError(f"there is an app with the code {code} already")
        now = self._domain.clock.now()
        number = max(*self._domain.apps, 100) + 1
        app = App(number, code, f"大量データ {count}件", "", bulk_fields(), created=now, owner=user_code(person("akari.mori")))
        app.app_acl = bulk_rights()
        app.title = "件名"
        app.fill_bulk(Rows(count, now, self._domain.seed))
        app.tell = self._domain.hooks.saved
        self._domain.apps[number] = app
        self._domain.tokens[code] = Granted(api_token(self._domain.seed, code))
        return {
            "app": str(number),
            "code": code,
            "api_token": api_token(self._domain.seed, code),
            "records": count,
            "fields": len(app.fields),
        }

    def effective(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"app", "ids", "logins"}``: for each login and record, whether it may be viewed and which fields are hidden in it."""
        app = self._app(body)
        numbers = [int(one) for one in body.get("ids", app.ids)]
        now = self._domain.clock.now()
        found: dict[str, dict[str, Any]] = {}
        for login in body["logins"]:
            rights = Rights(app, caller_of(person(login)), now)
            found[login] = {}
            for number in numbers:
                record = app.records.get(number)
                if record is None:
                    raise ValueError(f"app {app.id} has no record {number}")
                viewable = rights.of(record).viewable
                found[login][str(number)] = {"viewable": viewable, "hidden_fields": sorted(rights.hidden(record)) if viewable else []}
        return found

    def traffic(self, body: dict[str, Any]) -> dict[str, Any]:
        """How many requests came since the last look, by method and path, and the most at once; ``"reset": true`` begins anew."""
        seen = self._domain.traffic
        if body.get("reset"):
            self._domain.traffic = Traffic()
        hooks = self._domain.hooks
        return {
            "requests": sum(seen.requests.values()),
            "by_path": dict(seen.requests),
            "highest_running": seen.highest_running,
            "cursors": len(self._domain.cursors),
            "webhooks": {"sent": hooks.sent, "failed": hooks.failed, "dropped": hooks.dropped},
        }

    def rename_field(self, body: dict[str, Any]) -> dict[str, str]:
        """``{"app", "code", "new_code"}``: rules and formulas that name the field follow, stored values stay."""
        app = self._app(body)
        evolution.rename_field(app, str(body["code"]), str(body["new_code"]))
        return deployed(self._domain, app)

    def add_field(self, body: dict[str, Any]) -> dict[str, str]:
        """``{"app", "code", "type", "label"?, "options"?, "reference"?}``: a new field, unset (null) in every record there is."""
        app, reference = self._app(body), body.get("reference")
        evolution.add_field(
            app,
            str(body["code"]),
            str(body["type"]),
            label=str(body.get("label", "")),
            options=tuple(body.get("options", ())),
            reference=None
            if reference is None
            else Reference(
                find_app(self._domain, reference["app"]).key, reference["own"], reference["theirs"], tuple(reference.get("shown", ()))
            ),
        )
        return deployed(self._domain, app)

    def remove_field(self, body: dict[str, Any]) -> dict[str, str]:
        """``{"app", "code"}``: delete a field with all its values."""
        app = self._app(body)
        evolution.remove_field(app, str(body["code"]))
        return deployed(self._domain, app)

    def rename_option(self, body: dict[str, Any]) -> dict[str, str]:
        """``{"app", "code", "option", "new_option"}``: stored values change, revisions and update times do not."""
        app = self._app(body)
        evolution.rename_option(app, str(body["code"]), str(body["option"]), str(body["new_option"]))
        return deployed(self._domain, app)

    def renumber_app(self, body: dict[str, Any]) -> dict[str, str]:
        """``{"app", "new_id"}``: the app goes on under another id; the old id is unknown from now on."""
        return renumber(self._domain, self._app(body), int(body["new_id"]))

    def restore_app(self, body: dict[str, Any]) -> dict[str, str]:
        """``{"id"}``: a deleted app comes back, without its code."""
        return restore(self._domain, int(body["id"]))

    def token(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"app", "permissions": [...], "deployed"?}``: what the app's API token permits from now on; an empty list revokes it."""
        app, wanted = self._app(body), frozenset(body["permissions"])
        if not wanted <= PERMISSIONS:
            raise ValueError(f"permissions are: {', '.join(sorted(PERMISSIONS))}")
        if wanted:
            self._domain.tokens[app.key] = Granted(api_token(self._domain.seed, app.key), wanted, bool(body.get("deployed", True)))
        else:
            self._domain.tokens.pop(app.key, None)
        return {"app": str(app.id), "permissions": sorted(wanted)}

    def oauth(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"login", "scopes", "minutes"?}``: an OAuth token of a user. A scope ``cybozu:…`` makes it a bearer for the User API."""
        expires = self._domain.clock.now() + timedelta(minutes=float(body["minutes"])) if "minutes" in body else None
        token = self._domain.issue(person(str(body["login"])).login, frozenset(body["scopes"]), expires)
        return {"access_token": token, "scopes": sorted(body["scopes"])}

    def basic(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"user", "password"}``: Basic authentication in front of everything; an empty body takes it away."""
        self._domain.basic = f"{body['user']}:{body['password']}" if body.get("user") else ""
        return {"basic": bool(self._domain.basic)}

    def user(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"login", "timezone"?, "language"?}``: a user's own settings; language ``auto`` follows the browser."""
        login = str(body["login"])
        code = login if login in NAMES else user_code(person(login))
        zone, language = str(body.get("timezone", REGISTER.zone(code))), str(body.get("language", REGISTER.language(code)))
        if language not in ("auto", "ja", "en", "zh"):
            raise ValueError("languages are: auto, ja, en, zh")
        REGISTER.preferences[code] = (zone, language)
        return {"login": code, "timezone": str(REGISTER.zone(code)), "language": language}

    def space(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"id"?, "name"?, "members"?, "private"?, "guest"?, "app"?}``: a space; ``app`` is put into it, by whatever way."""
        made = make_space(self._domain, body)
        if "app" in body:
            self._domain.move(self._app(body), self._domain.spaces[int(made["space"])])
        return made

    def comment(self, body: dict[str, Any]) -> dict[str, str]:
        """``{"app", "record", "text", "login"}``: a comment of a person."""
        app = self._app(body)
        record = app.records.get(int(body["record"]))
        if record is None:
            raise ValueError(f"app {app.id} has no record {body['record']}")
        mentions = tuple((str(one["type"]), str(one["code"])) for one in body.get("mentions", ()))
        return {"id": str(comments.add(self._domain, app, record, user_code(person(str(body["login"]))), str(body["text"]), mentions).id)}

    def delete_record(self, body: dict[str, Any]) -> dict[str, str]:
        """``{"app", "id", "login"}``: a person deletes a record in the browser, which webhooks hear of."""
        app, number = self._app(body), int(body["id"])
        record = app.records.get(number)
        if record is None:
            raise ValueError(f"app {app.id} has no record {number}")
        app.remove(number)
        if app.tell is not None:
            app.tell("DELETE_RECORD", app, record, user_code(person(str(body["login"]))))
        return {"app": str(app.id), "id": str(number)}

    def webhook(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"app", "url", "events"}``: send notifications to a loopback address; ``"clear": true`` takes all away."""
        if body.get("clear"):
            self._domain.hooks.hooks.clear()
        else:
            self._domain.hooks.add(self._app(body), str(body["url"]), frozenset(body["events"]))
        return {"webhooks": len(self._domain.hooks.hooks)}

    def search_limit(self, body: dict[str, Any]) -> dict[str, int]:
        """``{"hits"}``: after how many hits a search by words stops (100,000 on the service)."""
        self._domain.search_limit = int(body["hits"])
        return {"hits": self._domain.search_limit}

    def fault(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"kind", "count"?, "skip"?, "path"?, "milliseconds"?, "bytes"?, "share"?, "code"?}``; without a count it lasts until healed."""
        self._domain.faults.append(mishaps.made(body))
        return {"faults": [one.kind for one in self._domain.faults]}

    def breaks(self, _: dict[str, Any]) -> dict[str, Any]:
        """Every break by name, in both languages."""
        return {"breaks": self._breakage.listed()}

    def break_(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"name", …}``: one of the breaks; what it did comes back."""
        return self._breakage.do(body)

    def heal(self, body: dict[str, Any]) -> dict[str, Any]:
        """Take faults away and undo breaks, the newest first; ``name`` heals that one break only. ``codes`` are the app codes set again."""
        name = body.get("name")
        healed, codes = self._breakage.heal(name)
        if name is None:
            self._domain.faults = []
        return {"faults": [one.kind for one in self._domain.faults], "healed": healed, "codes": codes}

    def _app(self, body: dict[str, Any]) -> App:
        return find_app(self._domain, str(body["app"]))
