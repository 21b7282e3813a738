"""The drawing service: who may call it, its WSDL, and the answer to each operation."""

from __future__ import annotations

from typing import Any

from infra.sandbox.erp.contract import Row, jsoned
from infra.sandbox.erp.front import Incoming, Service
from infra.sandbox.erp.mishaps import Mishap, Mishaps
from infra.sandbox.erp.replies import HARD_TEXT, Reply, reply
from infra.sandbox.erp.zumen import addressing, mtom, soap
from infra.sandbox.erp.zumen.faults import FAULT_ACTION, MEDIA_TYPE, ZumenFaultError, fault
from infra.sandbox.erp.zumen.keys import USER, ensure, keys
from infra.sandbox.erp.zumen.security import Guard
from infra.sandbox.erp.zumen.store import PAGE_CAP, Page, Store
from infra.sandbox.erp.zumen.wsdl import wsdl
from infra.sandbox.settings import Settings

_PATH = "/erp/zumen/service"
_MEGABYTE = 1_000_000


def describe(settings: Settings) -> dict[str, str]:
    """Where the WSDL is and who may read: ``wsdl``, ``user``, ``password``, and ``pfx`` (a path) with ``pfx_password`` for signing."""
    found = keys(settings)
    return {
        "wsdl": f"{settings.https_url}{_PATH}?wsdl",
        "user": USER,
        "password": found.password,
        "pfx": found.pfx,
        "pfx_password": found.pfx_password,
        "certificate": found.certificate,
    }


class Zumen(Service):
    """The WSDL is open to everybody; every call brings WS-Addressing headers and a UsernameToken, one operation also a signature."""

    name = "zumen"
    path = _PATH
    evolving = "drawings"

    def __init__(self, settings: Settings, mishaps: Mishaps) -> None:
        self._store = Store(settings.seed, settings.clock)
        super().__init__(self._store, mishaps)
        self._guard = Guard(USER, ensure(settings))
        self._password = keys(settings).password

    def document(self, asked: dict[str, str], here: str, service: str) -> tuple[bytes, str] | None:
        if "wsdl" not in asked:
            return None
        with self._store.lock:
            return wsdl(self._store.shape, service, self.action_suffix), "text/xml; charset=utf-8"

    def answer(self, incoming: Incoming, mishap: Mishap | None) -> Reply:
        kind = mishap.kind if mishap else ""
        asked: addressing.Addressed | None = None
        try:
            if kind in ("fault500", "fault200"):
                raise ZumenFaultError("内部エラーが発生しました。管理者に連絡してください。", code="Receiver")
            envelope = soap.opened(incoming.body)
            password = self._password + self.password_suffix
            operation = soap.operation_of(envelope)
            asked = addressing.read(envelope.header)
            action = operation.action + self.action_suffix
            path = self.moved_path if self.moved else self.path
            addressing.check(asked, action=action, http_action=incoming.action, path=path)
            self._guard.check(envelope.root, envelope.header, envelope.body, password=password, signed=operation.signed)
            header = addressing.header(operation.answered + self.action_suffix, asked.message_id)
            return self._answer(soap.understood(envelope, operation), header, kind)
        except ZumenFaultError as error:
            header = addressing.header(FAULT_ACTION, asked.message_id if asked else None)
            return reply(fault(error, header), MEDIA_TYPE, 200 if kind == "fault200" else 500)

    def _answer(self, call: soap.Call, header: str, kind: str) -> Reply:
        message = HARD_TEXT if kind == "shift_jis" else ""
        with self._store.lock:
            self._store.catch_up()
            if call.operation.kind == "get":
                return self._get(call, header, kind, message)
            if kind == "app_error":
                return self._listed(call, header, "DB_ERROR", "データベースに接続できません。", Page([], 0, 0), 0)
            if call.index < 1 or not 1 <= call.size <= PAGE_CAP:
                told = f"PageIndex は 1 以上、PageSize は 1 から {PAGE_CAP} までです。"
                return self._listed(call, header, "BAD_PAGE", told, Page([], 0, 0), 0)
            read = self._store.drawing_page if call.operation.entity == "Drawing" else self._store.approval_page
            found = read(
                1 if kind == "same_page" else call.index,
                call.size,
                None if kind == "ignore_filter" else call.since,
                1 if kind == "shift_rows" else 0,
            )
        return self._listed(call, header, "OK", message, found, 1 if kind == "wrong_count" else 0)

    def _listed(self, call: soap.Call, header: str, code: str, message: str, page: Page, lie: int) -> Reply:
        counts = (
            f"<PageIndex>{call.index}</PageIndex><PageSize>{call.size}</PageSize><RowCount>{len(page.xml) + lie}</RowCount>"
            f"<TotalRows>{page.rows + lie}</TotalRows><TotalPages>{page.pages}</TotalPages>"
        )
        parts = [counts.encode()]
        if code == "OK":
            holder = f"{call.operation.entity}s"
            parts += [f"<{holder}>".encode(), *page.xml, f"</{holder}>".encode()]
        return reply(soap.reply(call.operation, header, code, message, *parts), MEDIA_TYPE)

    def _get(self, call: soap.Call, header: str, kind: str, message: str) -> Reply:
        if kind == "app_error":
            return reply(soap.reply(call.operation, header, "DB_ERROR", "データベースに接続できません。"), MEDIA_TYPE)
        row = self._store.drawing(call.number)
        if row is None:
            return reply(soap.reply(call.operation, header, "NOT_FOUND", f"図番 '{call.number}' の図面はありません。"), MEDIA_TYPE)
        file, identity = self._store.file(row), mtom.content_id(call.number)
        told = (
            f"<File><File_Name>{file.name}</File_Name><Length>{file.length}</Length><Sha256>{file.sha256.hex().upper()}</Sha256>"
            f"<Content>{mtom.include(identity)}</Content></File>"
        )
        envelope = soap.reply(call.operation, header, "OK", message, self._store.drawing_xml(row), told.encode())
        return mtom.packed(envelope, identity, file.chunks, file.length, without_part=kind == "lost_part")

    def truth(self, body: dict[str, Any]) -> dict[str, Any]:
        """``entity``: ``drawings``, ``approvals``, or ``file`` with the ``number`` of a drawing: its length and SHA-256."""
        entity = str(body.get("entity", ""))
        with self._store.lock:
            self._store.catch_up()
            if entity == "file":
                return self._file(str(body.get("number", "")))
            known = {"drawings": self._store.drawings, "approvals": self._store.approvals}
            if entity not in known:
                raise ValueError(f"no such entity: {entity!r}; there are: {', '.join(known)}, file")
            rows: list[Row] = known[entity]()
            answer: dict[str, Any] = {"entity": entity, "count": len(rows)}
            if not body.get("count_only"):
                answer["rows"] = [jsoned(row) for row in rows]
        return answer

    def _file(self, number: str) -> dict[str, Any]:
        row = self._store.drawing(number)
        if row is None:
            raise ValueError(f"there is no drawing {number!r}")
        file = self._store.file(row)
        return {"entity": "file", "number": number, "name": file.name, "length": file.length, "sha256": file.sha256.hex()}

    def enlarge(self, number: str, megabytes: float) -> dict[str, Any]:
        if not 0 <= megabytes <= 2_000:
            raise ValueError("megabytes is a number from 0 to 2000")
        with self._store.lock:
            self._store.enlarge(number, int(megabytes * _MEGABYTE))
            return self._file(number)

    def evolve(self, change: dict[str, Any]) -> dict[str, Any]:
        with self._store.lock:
            self._store.catch_up()
            return self._store.evolve(change)

    def withdraw(self, change: dict[str, Any]) -> None:
        with self._store.lock:
            self._store.withdraw(change)

    def elements(self) -> list[str]:
        return [element.name for element in self._store.shape.elements]
