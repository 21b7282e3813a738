"""MTOM: a reply as multipart/related (RFC 2387) with the envelope as its root and one file as a part of its own (XOP 1.0)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from infra.sandbox.erp.replies import Reply

XOP = "http://www.w3.org/2004/08/xop/include"
_ROOT_ID = "root.message@zumen.sakura-seiki.example"


def content_id(number: str) -> str:
    return f"{number}.pdf@zumen.sakura-seiki.example"


def include(identity: str) -> str:
    """What stands in the envelope where the bytes would be. A ``cid:`` URL is percent-encoded (RFC 2392)."""
    return f'<xop:Include xmlns:xop="{XOP}" href="cid:{quote(identity, safe="")}"/>'


@dataclass(frozen=True)
class _Joined:
    """Chunks one after another; can be walked more than once."""

    head: bytes
    file: Iterable[bytes]
    tail: bytes

    def __iter__(self) -> Iterator[bytes]:
        yield self.head
        yield from self.file
        yield self.tail


def packed(envelope: bytes, identity: str, file: Iterable[bytes], length: int, *, without_part: bool = False) -> Reply:
    """The reply with its file, whatever its size; ``without_part`` leaves out what the root refers to."""
    boundary = f"uuid:{uuid.uuid4()}"
    root = (
        f'--{boundary}\r\nContent-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"\r\n'
        f"Content-Transfer-Encoding: binary\r\nContent-ID: <{_ROOT_ID}>\r\n\r\n"
    ).encode() + envelope
    part = f"\r\n--{boundary}\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{identity}>\r\n\r\n".encode()
    end = f"\r\n--{boundary}--\r\n".encode()
    media_type = (
        f'multipart/related; type="application/xop+xml"; boundary="{boundary}"; start="<{_ROOT_ID}>"; start-info="application/soap+xml"'
    )
    if without_part:
        whole = root + end
        return Reply((whole,), len(whole), media_type)
    return Reply(_Joined(root + part, file, end), len(root) + len(part) + length + len(end), media_type)
