"""SOAP 1.2 as the drawing office reads and writes it: a call out of a request, and the envelopes of its replies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape

from lxml import etree

from infra.sandbox.clock import JST
from infra.sandbox.erp.parsing import SOAP12, XSI, parsed
from infra.sandbox.erp.zumen.faults import WSA, WSSE, ZumenFaultError
from infra.sandbox.erp.zumen.pages import NAMESPACE
from infra.sandbox.erp.zumen.wsdl import OPERATIONS, Operation

_INT = re.compile(r"[+-]?[0-9]{1,9}")
_UNDERSTOOD = (WSA, WSSE)


@dataclass(frozen=True)
class Envelope:
    """A request as it arrived: nothing of it has been checked but its shape."""

    root: etree._Element
    header: etree._Element | None
    body: etree._Element
    request: etree._Element


@dataclass(frozen=True)
class Call:
    """One understood request; ``since`` is naive, as the system's own times are."""

    operation: Operation
    index: int = 1
    size: int = 1
    since: datetime | None = None
    number: str = ""


def opened(content: bytes) -> Envelope:
    """Raises ZumenFaultError for what is no SOAP 1.2 envelope with one request in it, and for headers that must be understood."""
    try:
        root = parsed(content)
    except ValueError as error:
        raise ZumenFaultError(f"要求の XML を解析できません: {error}") from error
    if root.tag != f"{{{SOAP12}}}Envelope":
        raise ZumenFaultError("SOAP 1.2 の Envelope ではありません。", code="VersionMismatch")
    header, body = root.find(f"{{{SOAP12}}}Header"), root.find(f"{{{SOAP12}}}Body")
    if body is None or len(body) != 1:
        raise ZumenFaultError("Body の要素は 1 つでなければなりません。")
    for one in () if header is None else header:
        if one.get(f"{{{SOAP12}}}mustUnderstand") in ("1", "true") and etree.QName(one).namespace not in _UNDERSTOOD:
            raise ZumenFaultError(f"ヘッダー {one.tag} を解釈できません。", code="MustUnderstand")
    return Envelope(root, header, body, body[0])


def operation_of(envelope: Envelope) -> Operation:
    name = etree.QName(envelope.request)
    if name.namespace != NAMESPACE or name.localname not in OPERATIONS:
        raise ZumenFaultError(f"操作 {name.localname} はサービスにありません。")
    return OPERATIONS[name.localname]


def understood(envelope: Envelope, operation: Operation) -> Call:
    """The call's arguments. Raises ZumenFaultError for those there are not, or that are not of their type."""
    given: dict[str, str] = {}
    for argument in envelope.request:
        name = etree.QName(argument)
        if name.namespace != NAMESPACE or name.localname in given:
            raise ZumenFaultError(f"引数 {name.localname} は正しくありません。")
        if argument.get(f"{{{XSI}}}nil") not in ("1", "true"):
            given[name.localname] = (argument.text or "").strip()
    known = {"Drawing_No"} if operation.kind == "get" else {"PageIndex", "PageSize", "ModifiedSince"}
    if unknown := set(given) - known:
        raise ZumenFaultError(f"引数 {'、'.join(sorted(unknown))} は操作 {operation.name} にありません。")
    if operation.kind == "get":
        return Call(operation, number=given.get("Drawing_No", ""))
    return Call(operation, _int(given, "PageIndex"), _int(given, "PageSize"), _since(given.get("ModifiedSince", "")))


def _int(given: dict[str, str], name: str) -> int:
    if not _INT.fullmatch(given.get(name, "")):
        raise ZumenFaultError(f"引数 {name} には整数が必要です。")
    return int(given[name])


def _since(text: str) -> datetime | None:
    """A time without a zone is Tokyo's; one with a zone is brought there."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ZumenFaultError(f"ModifiedSince '{text}' は日時ではありません。") from None
    return found if found.tzinfo is None else found.astimezone(JST).replace(tzinfo=None)


def reply(operation: Operation, header: str, code: str, message: str, *parts: bytes) -> bytes:
    """The envelope of a reply: ResultCode, Message unless empty, and what else the operation gives."""
    said = f"<Message>{escape(message)}</Message>" if message else ""
    head = (
        f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{SOAP12}" xmlns:xsi="{XSI}">{header}<soap:Body>'
        f'<{operation.name}Response xmlns="{NAMESPACE}"><ResultCode>{code}</ResultCode>{said}'
    )
    return b"".join((head.encode(), *parts, f"</{operation.name}Response></soap:Body></soap:Envelope>".encode()))
