"""SOAP 1.1 and 1.2 on the server's side: a request's bytes to a call, a call's outcome to bytes, and Faults."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

from lxml import etree

from infra.sandbox.erp.contract import TYPES_NAMESPACE
from infra.sandbox.erp.kikan.wsdl import OPERATIONS, Operation
from infra.sandbox.erp.parsing import SOAP11, SOAP12, XSI, DoctypeError, parsed

Version = Literal["1.1", "1.2"]
_NAMESPACES: dict[Version, str] = {"1.1": SOAP11, "1.2": SOAP12}
MEDIA_TYPES: dict[Version, str] = {"1.1": "text/xml; charset=utf-8", "1.2": "application/soap+xml; charset=utf-8"}
_CODES_12 = {"Client": "Sender", "Server": "Receiver"}
_INT = re.compile(r"[+-]?[0-9]{1,10}")


class SoapFaultError(Exception):
    """A request answered by a SOAP Fault. ``code`` is the ERP's own, ``who`` the SOAP 1.1 fault code's local name."""

    def __init__(self, code: str, message: str, *, who: str = "Client", version: Version = "1.1") -> None:
        super().__init__(message)
        self.code = code
        self.who = who
        self.version: Version = version


@dataclass(frozen=True)
class Call:
    """One understood request. ``bookmark`` None is the first page; ``filters`` are (Field, Criteria) pairs."""

    operation: Operation
    version: Version
    filters: tuple[tuple[str, str], ...] = ()
    bookmark: str | None = None
    set_size: int = 0


def _tag(element: etree._Element) -> etree.QName:
    return etree.QName(element)


def _text(element: etree._Element) -> str:
    return element.text or ""


def broken(media_type: str) -> SoapFaultError:
    """The Fault of a server that failed, in the version the request's media type tells."""
    version: Version = "1.2" if media_type.startswith("application/soap+xml") else "1.1"
    return SoapFaultError("INTERNAL", "内部エラーが発生しました。管理者に連絡してください。", who="Server", version=version)


def parse(body: bytes, soap_action: str, action_suffix: str = "") -> Call:
    """The call in a request body; ``soap_action`` is the header's (1.1) or media type parameter's (1.2) text, empty when there is none.

    Raises SoapFaultError for XML that is malformed or carries a DOCTYPE, for what is no envelope, and for unknown operations,
    namespaces, arguments and headers that must be understood.
    """
    try:
        root = parsed(body)
    except DoctypeError as error:
        raise SoapFaultError("DOCTYPE_REFUSED", "DOCTYPE を含む要求は受け付けません。") from error
    except ValueError as error:
        raise SoapFaultError("MALFORMED", f"要求の XML を解析できません: {error}") from error
    version: Version | None = next((v for v, namespace in _NAMESPACES.items() if root.tag == f"{{{namespace}}}Envelope"), None)
    if version is None:
        raise SoapFaultError("VERSION_MISMATCH", f"SOAP 1.1 / 1.2 の Envelope ではありません: {root.tag}", who="VersionMismatch")
    namespace = _NAMESPACES[version]

    def fault(code: str, message: str, who: str = "Client") -> SoapFaultError:
        return SoapFaultError(code, message, who=who, version=version)

    for header in root.iterfind(f"{{{namespace}}}Header/*"):
        if header.get(f"{{{namespace}}}mustUnderstand") in ("1", "true"):
            raise fault("MUST_UNDERSTAND", f"ヘッダー {header.tag} を解釈できません。", "MustUnderstand")
    found = root.findall(f"{{{namespace}}}Body/*")
    if len(found) != 1:
        raise fault("MALFORMED", "Body の要素は 1 つでなければなりません。")
    request = found[0]
    name = _tag(request)
    operation = OPERATIONS.get(name.localname)
    if operation is None:
        raise fault("UNKNOWN_OPERATION", f"操作 {name.localname} はサービスにありません。")
    if name.namespace != operation.namespace:
        raise fault("BAD_NAMESPACE", f"操作 {name.localname} の名前空間 '{name.namespace or ''}' は正しくありません。")
    if soap_action and soap_action != operation.action + action_suffix:
        raise fault("ACTION_MISMATCH", f"SOAPAction '{soap_action}' は操作 {operation.name} のものではありません。")
    filters: list[tuple[str, str]] = []
    bookmark: str | None = None
    set_size: int | None = None
    for argument in request:
        tag = _tag(argument)
        if tag.namespace != operation.namespace:
            raise fault("BAD_NAMESPACE", f"引数 {tag.localname} の名前空間 '{tag.namespace or ''}' は正しくありません。")
        if tag.localname == "filter" and operation.kind != "roles":
            parts = {_tag(part).localname: _text(part) for part in argument if _tag(part).namespace == operation.namespace}
            if set(parts) != {"Field", "Criteria"} or len(argument) != 2:
                raise fault("BAD_ARGUMENT", "filter には Field と Criteria が 1 つずつ必要です。")
            filters.append((parts["Field"], parts["Criteria"]))
        elif tag.localname == "bookmarkKey" and operation.kind == "read":
            bookmark = None if argument.get(f"{{{XSI}}}nil") in ("1", "true") else _text(argument).strip() or None
        elif tag.localname == "setSize" and operation.kind == "read" and _INT.fullmatch(_text(argument).strip()):
            set_size = int(_text(argument))
        else:
            raise fault("BAD_ARGUMENT", f"引数 {tag.localname} の値が正しくないか、操作 {operation.name} にありません。")
    if operation.kind == "read" and set_size is None:
        raise fault("BAD_ARGUMENT", "setSize が必要です。")
    return Call(operation, version, tuple(filters), bookmark, set_size or 0)


def _wrap(version: Version, body: bytes) -> bytes:
    return b"".join(
        (
            b'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="',
            _NAMESPACES[version].encode(),
            b'" xmlns:xsi="',
            XSI.encode(),
            b'"><soap:Body>',
            body,
            b"</soap:Body></soap:Envelope>",
        )
    )


def reply(call: Call, code: str, message: str, *, count: int | None = None, holder: str = "", rows: Iterable[bytes] = ()) -> bytes:
    """The envelope of a reply: ResultCode, ResultMessage unless empty, RowCount (or Count), and the rows inside ``holder`` when one is named."""
    name = f"{call.operation.name}_Result"
    counted = "Count" if call.operation.kind == "count" else "RowCount"
    head = f'<{name} xmlns="{call.operation.namespace}"><ResultCode>{code}</ResultCode>'
    head += f"<ResultMessage>{escape(message)}</ResultMessage>" if message else ""
    head += f"<{counted}>{count}</{counted}>" if count is not None else ""
    parts = [head.encode()]
    if holder:
        parts += [f"<{holder}>".encode(), *rows, f"</{holder}>".encode()]
    parts.append(f"</{name}>".encode())
    return _wrap(call.version, b"".join(parts))


def fault(error: SoapFaultError) -> bytes:
    """The envelope of a Fault in the version the request was in (1.1 when that could not be told)."""
    detail = f'<ErpFault xmlns="{TYPES_NAMESPACE}"><Code>{error.code}</Code></ErpFault>'
    text = escape(str(error))
    if error.version == "1.1":
        inner = f'<soap:Fault><faultcode>soap:{error.who}</faultcode><faultstring xml:lang="ja">{text}</faultstring><detail>{detail}</detail></soap:Fault>'
    else:
        inner = (
            f"<soap:Fault><soap:Code><soap:Value>soap:{_CODES_12.get(error.who, error.who)}</soap:Value></soap:Code>"
            f'<soap:Reason><soap:Text xml:lang="ja">{text}</soap:Text></soap:Reason><soap:Detail>{detail}</soap:Detail></soap:Fault>'
        )
    return _wrap(error.version, inner.encode())
