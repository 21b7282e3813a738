"""The sandbox ERP as a web application: Basic auth, WSDL and XSD, the SOAP service, and the control verbs."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import secrets
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from infra.sandbox import host
from infra.sandbox.erp import ntlm, roles, soap
from infra.sandbox.erp.contract import Element, Row, text_of, writer
from infra.sandbox.erp.criteria import BadCriteriaError
from infra.sandbox.erp.mishaps import LOGIN_PAGE, DroppedResponse, Mishap, Mishaps
from infra.sandbox.erp.pages import CODE20, LOGIN
from infra.sandbox.erp.store import Store, UnknownBookmarkError
from infra.sandbox.erp.wsdl import schemas, wsdl
from infra.sandbox.settings import Settings

PATH = "/erp/ws/SakuraErp"
#: The same service behind Windows authentication.
NTLM_PATH = "/erp/ntlm/ws/SakuraErp"
_MAX_REQUEST = 1_000_000
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?|\[[0-9A-Fa-f:]+\](:[0-9]+)?")
_USER = "renkei-reader"
_ROLE_ENTRY = writer("Role_Entry", (Element("Role", CODE20), Element("Entity", CODE20), Element("Login", LOGIN)))


def _password(seed: int) -> str:
    return hashlib.sha256(f"erp:password:{seed}".encode()).hexdigest()[:24]


def describe(settings: Settings) -> dict[str, Any]:
    """Where the WSDL is and who may read: ``wsdl``, ``user``, ``password``; ``ntlm`` is the same behind Windows authentication."""
    windows = {"wsdl": f"{settings.https_url}{NTLM_PATH}?wsdl", "user": _USER, "password": _password(settings.seed), "domain": ntlm.DOMAIN}
    return {"wsdl": f"{settings.https_url}{PATH}?wsdl", "user": _USER, "password": _password(settings.seed), "ntlm": windows}


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_json(one) for one in value]
    return value if value is None or isinstance(value, (str, bool, int, float)) else text_of(value)


def _answer(store: Store, call: soap.Call, mishap: Mishap | None) -> bytes:
    if mishap and mishap.kind == "app_error":
        return soap.reply(call, "DB_ERROR", "データベースに接続できません。", count=None if call.operation.kind == "count" else 0)
    lie = 1 if mishap and mishap.kind == "wrong_count" else 0
    if call.operation.kind == "roles":
        entries = roles.entries()
        return soap.reply(
            call, "OK", "", count=len(entries) + lie, holder="Roles", rows=(_ROLE_ENTRY(dict(entry)).encode() for entry in entries)
        )
    with store.lock:
        store.catch_up()
        table = store.tables[call.operation.entity]
        try:
            if call.operation.kind == "count":
                return soap.reply(call, "OK", "", count=table.count(call.filters) + lie)
            rows = table.page(call.filters, call.bookmark, call.set_size)
        except (BadCriteriaError, UnknownBookmarkError) as error:
            code = "FILTER_ERROR" if isinstance(error, BadCriteriaError) else "BOOKMARK_ERROR"
            return soap.reply(call, code, str(error), count=None if call.operation.kind == "count" else 0)
    return soap.reply(call, "OK", "", count=len(rows) + lie, holder="ReadMultiple_Result", rows=rows)


def _fault_response(error: soap.SoapFaultError, status: int = 500) -> Response:
    return Response(soap.fault(error), status, headers={"content-type": soap.MEDIA_TYPES[error.version]})


def _with(mishap: Mishap | None, response: Response, version: soap.Version) -> Response:
    """The response as the mishap leaves it."""
    match mishap.kind if mishap else "":
        case "503":
            return PlainTextResponse("Service Unavailable", 503, {"Retry-After": "1"})
        case "html200":
            return Response(LOGIN_PAGE, 200, media_type="text/html")
        case "empty200":
            return Response(b"", 200, headers={"content-type": soap.MEDIA_TYPES[version]})
        case "fault500" | "fault200":
            error = soap.SoapFaultError("INTERNAL", "内部エラーが発生しました。管理者に連絡してください。", who="Server", version=version)
            return _fault_response(error, 500 if mishap and mishap.kind == "fault500" else 200)
        case "truncate" if mishap:
            body = bytes(response.body)
            return Response(
                body[: int(len(body) * mishap.at)], response.status_code, headers={"content-type": response.headers["content-type"]}
            )
        case "drop" if mishap:
            return DroppedResponse(response, mishap.at)
        case _:
            return response


def build(settings: Settings) -> Starlette:
    """The application, its base data made. Verbs: ``truth``, ``evolve``, ``fault``, ``heal`` beside ``advance`` and ``clock``."""
    store = Store(settings.seed, settings.clock)
    mishaps = Mishaps()
    wanted = b"Basic " + base64.b64encode(f"{_USER}:{_password(settings.seed)}".encode())

    def refused(request: Request) -> Response | None:
        if ntlm.USER in request.scope or secrets.compare_digest(request.headers.get("authorization", "").encode(), wanted):
            return None
        return PlainTextResponse("401 Unauthorized", 401, {"WWW-Authenticate": 'Basic realm="SakuraErp", charset="UTF-8"'})

    async def documents(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        here = request.headers.get("host", "")
        if not _HOST.fullmatch(here):
            return PlainTextResponse("bad Host header", 400)
        asked = {key.lower(): value for key, value in request.query_params.items()}
        with store.lock:
            entities = {key: table.entity for key, table in store.tables.items()}
        if "wsdl" in asked:
            text: str | None = wsdl(entities, f"{request.url.scheme}://{here}{request.url.path}")
        else:
            text = schemas(entities).get(asked.get("xsd", ""))
        if text is None:
            return PlainTextResponse("no such document; ask for ?wsdl", 404)
        mishap = mishaps.take("wsdl")
        if mishap and mishap.kind == "slow":
            await asyncio.sleep(mishap.seconds)
        return _with(mishap, Response(text.encode(), headers={"content-type": "text/xml; charset=utf-8"}), "1.1")

    async def service(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        body = await request.body()
        if len(body) > _MAX_REQUEST:
            return PlainTextResponse("request too large", 413)
        mishap = mishaps.take("service")
        if mishap and mishap.kind == "slow":
            await asyncio.sleep(mishap.seconds)
        media_type = request.headers.get("content-type", "")
        version: soap.Version = "1.2" if media_type.startswith("application/soap+xml") else "1.1"
        action = re.search(r'action="?([^";]*)', media_type)
        said = request.headers.get("soapaction", "").strip().strip('"') or (action.group(1) if action else "")
        try:
            call = soap.parse(body, said)
            version = call.version
            content = await asyncio.to_thread(_answer, store, call, mishap)
            response = Response(content, headers={"content-type": soap.MEDIA_TYPES[version]})
        except soap.SoapFaultError as error:
            response = _fault_response(error)
        return _with(mishap, response, version)

    def truth(body: dict[str, Any]) -> dict[str, Any]:
        entity = str(body.get("entity", ""))
        if entity == "roles":
            entries = roles.entries()
            return {"entity": entity, "count": len(entries), "rows": entries}
        with store.lock:
            store.catch_up()
            if entity not in store.tables:
                raise ValueError(f"no such entity: {entity!r}; there are: {', '.join(store.tables)}, roles")
            rows: list[Row] = store.tables[entity].rows
            answer: dict[str, Any] = {"entity": entity, "count": len(rows)}
            if not body.get("count_only"):
                answer["rows"] = [_json(row) for row in rows]
        return answer

    def evolve(body: dict[str, Any]) -> dict[str, Any]:
        with store.lock:
            store.catch_up()
            store.tables["items"].evolve(body)
            return {"entity": "items", "elements": [element.name for element in store.tables["items"].entity.elements]}

    verbs: dict[str, host.Verb] = {
        "truth": truth,
        "evolve": evolve,
        "fault": mishaps.add,
        "heal": lambda _: {"healed": mishaps.heal()},
        "advanced": lambda _: store.catch_up(),
    }

    def served(path: str) -> list[Route]:
        return [Route(path, documents, methods=["GET"]), Route(path, service, methods=["POST"])]

    ntlm.accounts(settings.state / "ntlm-accounts", [(ntlm.DOMAIN, _USER, _password(settings.seed)), ("", _USER, _password(settings.seed))])
    windows = Mount("/erp/ntlm", ntlm.Door(Starlette(routes=served(NTLM_PATH.removeprefix("/erp/ntlm")))))
    return Starlette(routes=[*served(PATH), windows, *host.control_routes(settings, verbs)])
