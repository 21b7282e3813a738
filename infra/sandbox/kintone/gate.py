"""The door of the kintone server: load, faults, who calls, which handler, and how its answer or refusal goes onto the wire."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from email.utils import format_datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from infra.sandbox.faults import Unfinished
from infra.sandbox.kintone.call import Call, params_of
from infra.sandbox.kintone.directory import ADMINISTRATOR, REGISTER, Caller, authenticate
from infra.sandbox.kintone.domain import MAX_REQUESTS, Domain
from infra.sandbox.kintone.errors import KintoneError
from infra.sandbox.kintone.mishaps import WARNING, Fault, instead
from infra.sandbox.kintone.routes import FILE_UPLOAD, ROUTES, Endpoint

MAX_TOKENS = 9
#: Path and query together; the service refuses "about 8 KB".
MAX_URL = 8_192
_GUEST = re.compile(r"/k/guest/(\d+)(/v1/.+)")
#: What old deployments sent as they are today, even where they said 520 to everything else.
_NEVER_520 = frozenset({403, 429})


class Gate:
    """Counts concurrent requests, applies faults, authenticates, and hands the call to its handler in a thread, under the domain's lock."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        domain = self._domain
        domain.running += 1
        running = domain.running
        domain.traffic.seen(request.method, request.url.path, running)
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
        kinds = {one.kind: one for one in struck}
        stand_in = next((found for kind in kinds if (found := instead(kind)) is not None), None)
        if stand_in is not None:
            response = stand_in
        elif len(request.scope.get("raw_path") or b"") + len(request.scope["query_string"]) > MAX_URL:
            response = Response("Request URL Too Large", 414, media_type="text/plain")
        elif running > MAX_REQUESTS or "429" in kinds:
            response = self._refusal(request, KintoneError("GAIA_TO04"), None, kinds)
        else:
            response = await asyncio.to_thread(self._handled, request, body, kinds)
        response.headers["X-ConcurrencyLimit-Limit"] = str(MAX_REQUESTS)
        response.headers["X-ConcurrencyLimit-Running"] = str(running)
        response.headers["Date"] = format_datetime(self._domain.clock.now(), usegmt=True)
        return response

    def _handled(self, request: Request, body: bytes, kinds: dict[str, Fault]) -> Response:
        caller: Caller | None = None
        try:
            method = request.method
            if method == "POST" and (override := request.headers.get("X-HTTP-Method-Override")):
                method = override.upper()
            path, guest_space = request.url.path, None
            if inside := _GUEST.fullmatch(path):
                path, guest_space = f"/k{inside[2]}", int(inside[1])
            endpoint = ROUTES.get(path, {}).get(method)
            if endpoint is None or (guest_space is not None and not endpoint.in_guest_spaces):
                raise KintoneError("CB_NF01")
            refused = self._basic(request)
            if refused is not None:
                return refused
            caller = self._caller(request, endpoint)
            if fault := kinds.get("error"):
                raise KintoneError(fault.code)
            content_type = request.headers.get("Content-Type", "")
            if endpoint is FILE_UPLOAD:
                params = {"content": body, "content_type": content_type}
            else:
                params = params_of(request.query_params.multi_items(), body, content_type, method)
            with self._domain.lock:
                self._domain.live()
                call = Call(self._domain, caller, params, guest_space)
                try:
                    answer = endpoint.handler(call)
                finally:
                    if endpoint.counted and call.touched is not None:
                        self._domain.count(call.touched)
        except KintoneError as error:
            return self._refusal(request, error, caller, kinds)
        headers = {"Content-Type": answer.content_type}
        if call.aborted or "warning" in kinds:
            headers["X-Cybozu-Warning"] = WARNING
        if "text200" in kinds:
            headers["Content-Type"] = "text/plain;charset=UTF-8"
        if fault := kinds.get("cut"):
            return Unfinished(answer.body[: fault.cut_at(len(answer.body))], len(answer.body), headers)
        return Response(answer.body, 200, headers=headers)

    def _basic(self, request: Request) -> Response | None:
        """The extra layer of Basic authentication, where it is on."""
        wanted = self._domain.basic
        if not wanted:
            return None
        given = "Basic " + base64.b64encode(wanted.encode()).decode()
        if request.headers.get("Authorization") == given:
            return None
        return Response(
            "<html><body>401 Unauthorized</body></html>",
            401,
            headers={"WWW-Authenticate": 'Basic realm="cybozu.com"'},
            media_type="text/html",
        )

    def _caller(self, request: Request, endpoint: Endpoint) -> Caller:
        """Password before API token before OAuth; a browser's session is nothing here. Raises CB_AU01, CB_WA01, CB_OA01, CB_TW02, CB_IL02."""
        given = request.headers.get("X-Cybozu-Authorization")
        if given is not None:
            try:
                login, _, secret = base64.b64decode(given, validate=True).decode("utf-8").partition(":")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise KintoneError("CB_WA01") from error
            caller = authenticate(self._domain.seed, login, secret)
            if caller is None:
                raise KintoneError("CB_WA01")
            if caller.code in self._domain.two_factor:
                raise KintoneError("CB_TW02")
            return caller
        tokens = tuple(one.strip() for line in request.headers.getlist("X-Cybozu-API-Token") for one in line.split(",") if one.strip())
        if len(tokens) > MAX_TOKENS:
            raise KintoneError("CB_IL02")
        if tokens:
            return Caller(ADMINISTRATOR, tokens=tokens)
        kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            raise KintoneError("CB_AU01")
        caller = self._domain.bearer(bearer.strip())
        if caller is None or caller.scopes is None:
            raise KintoneError("CB_OA01")
        if endpoint.scope not in caller.scopes:
            raise KintoneError("CB_NO02")
        return caller

    def _refusal(self, request: Request, error: KintoneError, caller: Caller | None, kinds: dict[str, Fault]) -> Response:
        lang = "auto" if caller is None else REGISTER.language(caller.code)
        if lang == "auto":
            lang = request.headers.get("Accept-Language", "ja").lower()
        body = msgspec.json.encode(error.body("ja" if lang.startswith("ja") else "en"))
        status = 520 if "520" in kinds and error.status not in _NEVER_520 and error.code != "CB_AU01" else error.status
        return Response(body, status, headers={"Content-Type": "application/json;charset=UTF-8", "X-Cybozu-Error": error.code})
