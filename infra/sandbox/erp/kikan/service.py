"""The SakuraErp service: who may call it, its documents, and the answer to each operation."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from infra.sandbox.erp import ntlm
from infra.sandbox.erp.contract import Element, jsoned, writer
from infra.sandbox.erp.front import Incoming, Service
from infra.sandbox.erp.kikan import roles, soap
from infra.sandbox.erp.kikan.criteria import BadCriteriaError
from infra.sandbox.erp.kikan.pages import CODE20, LOGIN
from infra.sandbox.erp.kikan.store import Store, UnknownBookmarkError
from infra.sandbox.erp.kikan.wsdl import flat, schemas, wsdl
from infra.sandbox.erp.mishaps import Mishap, Mishaps
from infra.sandbox.erp.replies import HARD_TEXT, Reply, reply
from infra.sandbox.settings import Settings

USER = "renkei-reader"
#: The same service behind Windows authentication.
WINDOWS_PATH = "/erp/ntlm/ws/SakuraErp"
_ROLE_ENTRY = writer("Role_Entry", (Element("Role", CODE20), Element("Entity", CODE20), Element("Login", LOGIN)))


def password(seed: int) -> str:
    return hashlib.sha256(f"erp:password:{seed}".encode()).hexdigest()[:24]


class SakuraErp(Service):
    """Basic authentication in front of everything; 5,000 rows a page at most, until a page is empty."""

    name = "SakuraErp"
    path = "/erp/ws/SakuraErp"
    evolving = "items"
    doors = (WINDOWS_PATH,)

    def __init__(self, settings: Settings, mishaps: Mishaps) -> None:
        self._store = Store(settings.seed, settings.clock)
        super().__init__(self._store, mishaps)
        self._password = password(settings.seed)

    def refused(self, request: Request) -> Response | None:
        wanted = b"Basic " + base64.b64encode(f"{USER}:{self._password}{self.password_suffix}".encode())
        if ntlm.USER in request.scope or secrets.compare_digest(request.headers.get("authorization", "").encode(), wanted):
            return None
        return PlainTextResponse("401 Unauthorized", 401, {"WWW-Authenticate": 'Basic realm="SakuraErp", charset="UTF-8"'})

    def document(self, asked: dict[str, str], here: str, service: str) -> tuple[bytes, str] | None:
        with self._store.lock:
            entities = {key: table.entity for key, table in self._store.tables.items()}
        if "wsdl" in asked:
            text: str | None = wsdl(entities, here, service, self.action_suffix)
        elif "singlewsdl" in asked:
            text = flat(entities, here, service, self.action_suffix)
        else:
            text = schemas(entities).get(asked.get("xsd", ""))
        return None if text is None else (text.encode(), "text/xml; charset=utf-8")

    def answer(self, incoming: Incoming, mishap: Mishap | None) -> Reply:
        kind = mishap.kind if mishap else ""
        try:
            if kind in ("fault500", "fault200"):
                raise soap.broken(incoming.media_type)
            call = soap.parse(incoming.body, incoming.action, self.action_suffix)
            return reply(self._answer(call, kind), soap.MEDIA_TYPES[call.version])
        except soap.SoapFaultError as error:
            return reply(soap.fault(error), soap.MEDIA_TYPES[error.version], 200 if kind == "fault200" else 500)

    def _answer(self, call: soap.Call, kind: str) -> bytes:
        counting = call.operation.kind == "count"
        if kind == "app_error":
            return soap.reply(call, "DB_ERROR", "データベースに接続できません。", count=None if counting else 0)
        lie = 1 if kind == "wrong_count" else 0
        message = HARD_TEXT if kind == "shift_jis" else ""
        if call.operation.kind == "roles":
            entries = roles.entries()
            lines = (_ROLE_ENTRY(dict(entry)).encode() for entry in entries)
            return soap.reply(call, "OK", message, count=len(entries) + lie, holder="Roles", rows=lines)
        filters = () if kind == "ignore_filter" else call.filters
        bookmark = None if kind == "same_page" else call.bookmark
        with self._store.lock:
            self._store.catch_up()
            table = self._store.tables[call.operation.entity]
            try:
                if counting:
                    return soap.reply(call, "OK", message, count=table.count(filters) + lie)
                rows = table.page(filters, bookmark, call.set_size)
            except (BadCriteriaError, UnknownBookmarkError) as error:
                code = "FILTER_ERROR" if isinstance(error, BadCriteriaError) else "BOOKMARK_ERROR"
                return soap.reply(call, code, str(error), count=None if counting else 0)
        return soap.reply(call, "OK", message, count=len(rows) + lie, holder="ReadMultiple_Result", rows=rows)

    def truth(self, body: dict[str, Any]) -> dict[str, Any]:
        entity = str(body.get("entity", ""))
        if entity == "roles":
            entries = roles.entries()
            return {"entity": entity, "count": len(entries), "rows": entries}
        with self._store.lock:
            self._store.catch_up()
            if entity not in self._store.tables:
                raise ValueError(f"no such entity: {entity!r}; there are: {', '.join(self._store.tables)}, roles")
            rows = self._store.tables[entity].rows
            answer: dict[str, Any] = {"entity": entity, "count": len(rows)}
            if not body.get("count_only"):
                answer["rows"] = [jsoned(row) for row in rows]
        return answer

    def evolve(self, change: dict[str, Any]) -> dict[str, Any]:
        with self._store.lock:
            self._store.catch_up()
            return self._store.tables["items"].evolve(change)

    def withdraw(self, change: dict[str, Any]) -> None:
        with self._store.lock:
            self._store.tables["items"].withdraw(change)

    def elements(self) -> list[str]:
        return [element.name for element in self._store.tables["items"].entity.elements]
