"""An answer of the ERP before it goes onto the wire, and what mishaps make of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from infra.sandbox.erp.mishaps import Mishap
from infra.sandbox.faults import Unfinished

LOGIN_PAGE = "<!DOCTYPE html><html lang=ja><head><title>ログイン</title></head><body><h1>セッションが切れました</h1></body></html>"
MOVED_PAGE = "<!DOCTYPE html><html lang=ja><head><title>404</title></head><body><h1>ページが見つかりません</h1></body></html>"
#: What parts the code pages called Shift_JIS: 0x5C alone and as a second byte, NEC and IBM rows, the wave dash.
HARD_TEXT = "C:\\図面\\表示 ソフト㈱髙嶺 ①～③ ﾊﾝｶｸ ~"
#: How many bytes of a dripping reply come at a time.
_DROP = 64
_DECLARATION = re.compile(r'(<\?xml[^>]*encoding=")[^"]*(")')
_TEXT = re.compile(rb">[^<>]+(?=</)")
_ROOT = re.compile(rb"<(?![?!])")


@dataclass(frozen=True)
class Reply:
    """``chunks`` are ``length`` bytes together; a body of any size goes out without being held whole."""

    chunks: Iterable[bytes]
    length: int
    content_type: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)


def reply(body: bytes, content_type: str, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    return Reply((body,), len(body), content_type, status, headers or {})


def page(text: str, status: int) -> Response:
    """An HTML page, as a door in front of the service would show it."""
    return Response(text, status, media_type="text/html")


def instead(mishap: Mishap | None) -> Response | None:
    """The answer of a mishap that keeps the request from the service."""
    if mishap is None:
        return None
    match mishap.kind:
        case "503":
            return PlainTextResponse("Service Unavailable", 503, {"Retry-After": str(max(1, round(mishap.seconds)))})
        case "html200":
            return page(LOGIN_PAGE, 200)
        case _:
            return None


def sent(answer: Reply, mishap: Mishap | None) -> Response:
    """The response of an answer, as the mishap leaves it."""
    if mishap is None:
        return _streamed(answer)
    cut = mishap.cut_at(answer.length)
    match mishap.kind:
        case "empty200":
            return Response(b"", 200, headers={"content-type": answer.content_type})
        case "truncate":
            return _streamed(replace(answer, chunks=_first(answer.chunks, cut), length=cut))
        case "drop":
            head = b"".join(_first(answer.chunks, cut))
            return Unfinished(head, answer.length, {"content-type": answer.content_type} | answer.headers, answer.status)
        case "drip":
            return _dripping(answer, mishap)
        case "shift_jis" | "bomb" if not answer.content_type.startswith("multipart/"):
            return _streamed(_REWRITTEN[mishap.kind](answer))
        case _:
            return _streamed(answer)


def _head(answer: Reply) -> dict[str, str]:
    return {"content-type": answer.content_type, "content-length": str(answer.length)} | answer.headers


def _streamed(answer: Reply) -> Response:
    if isinstance(answer.chunks, tuple):
        return Response(answer.body, answer.status, headers=_head(answer))
    return StreamingResponse(answer.chunks, answer.status, headers=_head(answer))


def _first(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        if size <= 0:
            return
        yield chunk[:size]
        size -= len(chunk)


def _dripping(answer: Reply, mishap: Mishap) -> Response:
    size = max(1, _DROP if mishap.bytes is None else mishap.bytes)

    async def drops() -> AsyncIterator[bytes]:
        for chunk in answer.chunks:
            for start in range(0, len(chunk), size):
                yield chunk[start : start + size]
                await asyncio.sleep(mishap.seconds)

    return StreamingResponse(drops(), answer.status, headers=_head(answer))


def _shift_jis(answer: Reply) -> Reply:
    """What the bytes say is cp932, as every Japanese Windows server means it; the label says Shift_JIS."""
    text = _DECLARATION.sub(r"\g<1>Shift_JIS\g<2>", answer.body.decode("utf-8"), count=1)
    media_type = answer.content_type.split(";")[0]
    return reply(text.encode("cp932", "xmlcharrefreplace"), f"{media_type}; charset=Shift_JIS", answer.status, answer.headers)


def _bomb(answer: Reply) -> Reply:
    """Entities of entities, referred to behind the last text of the reply."""
    entities = b'<!ENTITY e0 "0123456789">' + b"".join(b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 10))
    body = answer.body
    start = _ROOT.search(body)
    assert start is not None, "a reply of a service is XML"
    name = re.split(rb"[\s>/]", body[start.end() :], maxsplit=1)[0]
    place = max((found.end() for found in _TEXT.finditer(body)), default=len(body))
    doctype = b"<!DOCTYPE %s [%s]>" % (name, entities)
    bombed = body[: start.start()] + doctype + body[start.start() : place] + b"&e9;" + body[place:]
    return reply(bombed, answer.content_type, answer.status, answer.headers)


_REWRITTEN: dict[str, Callable[[Reply], Reply]] = {"shift_jis": _shift_jis, "bomb": _bomb}
