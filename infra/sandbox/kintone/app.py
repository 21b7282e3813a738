"""The kintone server: how a request becomes an answer. ``build`` makes the application, ``describe`` says how to reach it."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable
from email.utils import format_datetime
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from infra.sandbox.company.people import person
from infra.sandbox.host import control_routes
from infra.sandbox.kintone import records, settings_api, users_api, writing
from infra.sandbox.kintone.base import APP_IDS, populate
from infra.sandbox.kintone.call import Answer, Call, params_of
from infra.sandbox.kintone.control import verbs
from infra.sandbox.kintone.directory import ADMINISTRATOR, Caller, api_token, authenticate, password
from infra.sandbox.kintone.domain import MAX_REQUESTS, Domain
from infra.sandbox.kintone.errors import KintoneError
from infra.sandbox.settings import Settings

Handler = Callable[[Call], Answer]
MAX_TOKENS = 9
#: An information-systems person, administrator of the apps, whose account a connector would be given for the directory.
SERVICE_LOGIN = "akari.mori"


def get_file(call: Call) -> Answer:
    """The bytes of an attachment, for whoever may view a record of its app."""
    key = call.text("fileKey")
    found = call.domain.files.get(key)
    if found is None:
        raise KintoneError("GAIA_BL01", {"id": key})
    app = call.domain.app_of(found.app_code)
    call.check(app, "recordViewable")
    if not call.caller.by_token:
        rights = call.rights(app)
        holders = [
            record
            for record in app.records.values()
            if any(file["fileKey"] == key for one in app.fields if one.type == "FILE" for file in record.values.get(one.key) or ())
        ]
        if not any(rights.of(record).viewable for record in holders):
            raise KintoneError("CB_NO02")
    return Answer(found.load(), found.content_type)


ROUTES: dict[str, dict[str, Handler]] = {
    "/k/v1/record.json": {"GET": records.get_record, "POST": writing.post_record, "PUT": writing.put_record},
    "/k/v1/records.json": {
        "GET": records.get_records,
        "POST": writing.post_records,
        "PUT": writing.put_records,
        "DELETE": writing.delete_records,
    },
    "/k/v1/records/cursor.json": {"GET": records.read_cursor, "POST": records.create_cursor, "DELETE": records.delete_cursor},
    "/k/v1/record/status.json": {"PUT": writing.put_status},
    "/k/v1/record/comments.json": {"GET": settings_api.get_comments},
    "/k/v1/records/acl/evaluate.json": {"GET": settings_api.evaluate_acl},
    "/k/v1/file.json": {"GET": get_file},
    "/k/v1/app.json": {"GET": settings_api.get_app},
    "/k/v1/apps.json": {"GET": settings_api.get_apps},
    "/k/v1/app/form/fields.json": {"GET": settings_api.get_fields},
    "/k/v1/preview/app/form/fields.json": {"GET": settings_api.get_preview_fields},
    "/k/v1/app/form/layout.json": {"GET": settings_api.get_layout},
    "/k/v1/app/settings.json": {"GET": settings_api.get_settings},
    "/k/v1/app/status.json": {"GET": settings_api.get_status},
    "/k/v1/app/acl.json": {"GET": settings_api.get_app_acl},
    "/k/v1/record/acl.json": {"GET": settings_api.get_record_acl},
    "/k/v1/field/acl.json": {"GET": settings_api.get_field_acl},
    "/v1/users.json": {"GET": users_api.get_users},
    "/v1/organizations.json": {"GET": users_api.get_organisations},
    "/v1/groups.json": {"GET": users_api.get_groups},
    "/v1/user/groups.json": {"GET": users_api.get_user_groups},
    "/v1/user/organizations.json": {"GET": users_api.get_user_organisations},
    "/v1/group/users.json": {"GET": users_api.get_group_users},
    "/v1/organization/users.json": {"GET": users_api.get_organisation_users},
}


def build(settings: Settings) -> Starlette:
    """The whole server; the base data are made here, from the seed and the clock's origin."""
    apps, files, life = populate(settings.clock, settings.seed)
    domain = Domain(settings.clock, settings.seed, apps, files, life)
    routes = control_routes(settings, verbs(domain))
    everything = Route("/{path:path}", _Gate(domain), methods=["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"])
    return Starlette(routes=[*routes, everything])


def describe(settings: Settings) -> dict[str, Any]:
    """Addresses, app ids, tokens and logins of the sandbox's kintone."""
    login = person(SERVICE_LOGIN)
    return {
        "base_url": settings.https_url,
        "http_url": settings.http_url,
        "ca_file": str(settings.ca_file),
        "apps": dict(APP_IDS),
        "api_tokens": {code: api_token(settings.seed, code) for code in APP_IDS},
        "login": {"user": login.login, "password": password(settings.seed, login)},
    }


class Unfinished(Response):
    """An answer that breaks off in the middle: what a client sees when the connection is cut."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json;charset=UTF-8"), (b"content-length", b"100000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"records":[', "more_body": True})


class _Gate:
    """Counts concurrent requests, applies faults, authenticates, and hands the call to its handler in a thread, under the domain's lock."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        domain = self._domain
        domain.running += 1
        running = domain.running
        try:
            response = await self._answer(request, running)
        finally:
            domain.running -= 1
        await response(scope, receive, send)

    async def _answer(self, request: Request, running: int) -> Response:
        body = await request.body()
        struck, waiting = self._domain.struck(request.url.path)
        if waiting:
            await asyncio.sleep(waiting / 1000)
        if struck is not None and struck.kind == "drop":
            return Unfinished()
        if struck is not None and struck.kind == "503":
            response = Response("Service Unavailable", 503, media_type="text/plain")
        elif struck is not None and struck.kind == "html200":
            response = Response("<html><body>ただいま大変混み合っています。</body></html>", 200, media_type="text/html")
        elif running > MAX_REQUESTS or struck is not None:
            response = self._refusal(request, KintoneError("GAIA_TO04"))
        else:
            response = await asyncio.to_thread(self._handled, request, body)
        response.headers["X-ConcurrencyLimit-Limit"] = str(MAX_REQUESTS)
        response.headers["X-ConcurrencyLimit-Running"] = str(running)
        response.headers["Date"] = format_datetime(self._domain.clock.now(), usegmt=True)
        return response

    def _handled(self, request: Request, body: bytes) -> Response:
        try:
            method = request.method
            if method == "POST" and (override := request.headers.get("X-HTTP-Method-Override")):
                method = override.upper()
            handler = self._handler(request.url.path, method)
            caller = self._caller(request)
            params = params_of(request.query_params.multi_items(), body, request.headers.get("Content-Type", ""), method)
            with self._domain.lock:
                self._domain.live()
                answer = handler(Call(self._domain, caller, params))
        except KintoneError as error:
            return self._refusal(request, error)
        return Response(answer.body, 200, headers={"Content-Type": answer.content_type})

    def _handler(self, path: str, method: str) -> Handler:
        if path.startswith("/k/guest/"):
            # The company has no guest spaces, so every app asked for through one is a normal app.
            raise KintoneError("CB_NO02")
        handler = ROUTES.get(path, {}).get(method)
        if handler is None:
            raise KintoneError("CB_NF01")
        return handler

    def _caller(self, request: Request) -> Caller:
        """Password before API token, as documented. Raises CB_AU01, CB_WA01 and, for a tenth token, CB_IL02."""
        given = request.headers.get("X-Cybozu-Authorization")
        if given is not None:
            try:
                login, _, secret = base64.b64decode(given, validate=True).decode("utf-8").partition(":")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise KintoneError("CB_WA01") from error
            caller = authenticate(self._domain.seed, login, secret)
            if caller is None:
                raise KintoneError("CB_WA01")
            return caller
        tokens = tuple(one.strip() for line in request.headers.getlist("X-Cybozu-API-Token") for one in line.split(",") if one.strip())
        if not tokens:
            raise KintoneError("CB_AU01")
        if len(tokens) > MAX_TOKENS:
            raise KintoneError("CB_IL02")
        return Caller(ADMINISTRATOR, tokens=tokens)

    def _refusal(self, request: Request, error: KintoneError) -> Response:
        lang = "ja" if request.headers.get("Accept-Language", "ja").lower().startswith("ja") else "en"
        body = msgspec.json.encode(error.body(lang))
        return Response(body, error.status, headers={"Content-Type": "application/json;charset=UTF-8", "X-Cybozu-Error": error.code})
