"""WS-Addressing 1.0 as the drawing office demands it: Action, MessageID and To on every request, Action and RelatesTo on every reply."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from lxml import etree

from infra.sandbox.erp.zumen.faults import WSA, addressing

_DEMANDED = ("Action", "MessageID", "To")


@dataclass(frozen=True)
class Addressed:
    """What a request said about itself."""

    action: str
    message_id: str
    to: str


def read(header: etree._Element | None) -> Addressed:
    """The addressing headers, each exactly once and not empty. Raises ZumenFaultError."""
    found: dict[str, str] = {}
    for name in _DEMANDED:
        given = [] if header is None else header.findall(f"{{{WSA}}}{name}")
        if not given:
            raise addressing(f"WS-Addressing のヘッダー wsa:{name} が必要です。", "MessageAddressingHeaderRequired")
        text = (given[0].text or "").strip()
        if len(given) > 1 or not text:
            raise addressing(f"WS-Addressing のヘッダー wsa:{name} が正しくありません。", "InvalidAddressingHeader", "InvalidCardinality")
        found[name] = text
    return Addressed(found["Action"], found["MessageID"], found["To"])


def check(given: Addressed, *, action: str, http_action: str, path: str) -> None:
    """Whether the request is meant for this operation of this service. Raises ZumenFaultError."""
    if given.action != action:
        raise addressing(f"wsa:Action '{given.action}' はこの操作のものではありません。", "ActionNotSupported")
    if http_action and http_action != given.action:
        raise addressing("wsa:Action と HTTP の action が一致しません。", "InvalidAddressingHeader", "ActionMismatch")
    if urlsplit(given.to).path != path:
        raise addressing(f"wsa:To '{given.to}' はこのサービスのものではありません。", "DestinationUnreachable")


def header(action: str, relates_to: str | None) -> str:
    """The header of a reply; where the request had no MessageID, it relates to nothing."""
    relates = f"<wsa:RelatesTo>{escape(relates_to)}</wsa:RelatesTo>" if relates_to else ""
    return (
        f'<soap:Header xmlns:wsa="{WSA}"><wsa:Action>{escape(action)}</wsa:Action><wsa:MessageID>urn:uuid:{uuid.uuid4()}</wsa:MessageID>'
        f"{relates}</soap:Header>"
    )
