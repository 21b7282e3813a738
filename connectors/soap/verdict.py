"""Judges a whole reply: a fault, a result code inside HTTP 200, counts that don't agree. Nothing of a reply counts before it stood here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from connectors.errors import AccessRefused, BrokenReply, SourceError, SourceUnavailable
from connectors.soap.paging import number
from connectors.soap.reply import Reply
from connectors.soap.sources import Faults, Ok

_AUTH_FAULT = re.compile(r"auth|security|login|credential|session|accessdenied|permission", re.IGNORECASE)
_Class = Literal["refused", "retry", "empty", "wrong"]


@dataclass(frozen=True)
class Terms:
    """What a contract says that a good reply looks like. ``shown`` makes a server's own text fit for an error message; ``row`` is what a
    row's element is called."""

    operation: str
    host: str
    shown: Callable[[str | None], str]
    ok: Ok | None = None
    message: str | None = None
    row_count: str | None = None
    faults: Faults | None = None
    row: str = ""


def judge(reply: Reply, terms: Terms) -> None:
    """Raises AccessRefused, SourceUnavailable, SourceError or BrokenReply. A reply that says "nothing there" is marked by ``nothing``."""
    operation, host = terms.operation, terms.host
    if reply.fault is not None:
        _fault(reply, reply.fault, terms)
        return
    if terms.ok is not None and _says_nothing(reply, terms.ok, terms):
        if reply.rows:
            raise BrokenReply("soap.count_differs", operation=operation, host=host, said=0, came=reply.rows)
        reply.nothing = True
        return
    if reply.nil_rows:
        raise BrokenReply("soap.broken", operation=operation, host=host, status=200, why="a row is xsi:nil")
    if reply.missing:
        raise BrokenReply("soap.broken", operation=operation, host=host, status=200, why=f"<{reply.missing[0]}> is missing")
    if terms.row_count:
        said = number(reply.scalars.get(terms.row_count))
        if said != reply.rows:
            raise BrokenReply("soap.count_differs", operation=operation, host=host, said="-" if said is None else said, came=reply.rows)
    elif reply.miscounted is not None:
        said, came = reply.miscounted
        raise BrokenReply("soap.count_differs", operation=operation, host=host, said="-" if said is None else said, came=came)
    elif not reply.rows and reply.beside_rows:
        raise BrokenReply("soap.rows_unknown", operation=operation, host=host, row=terms.row, found=", ".join(reply.beside_rows))


def _says_nothing(reply: Reply, ok: Ok, terms: Terms) -> bool:
    """Whether the result codes say that there are no rows. Where a path leads through a repeated element, every code there must be good."""
    codes = reply.all(ok.path)
    if not codes:
        if ok.optional:
            return False
        raise BrokenReply("soap.ok_missing", operation=terms.operation, host=terms.host, path=ok.path)
    bad = [at for at, code in enumerate(codes) if code not in ok.values]
    if not bad:
        return False
    named = _beside(reply.all(ok.code), codes, bad) if ok.code else [codes[at] for at in bad]
    classes = [_class(ok, code) for code in named] or ["wrong"]
    if all(one == "empty" for one in classes):
        return True
    # What a person must mend comes before what time mends.
    worst = next(one for one in ("refused", "wrong", "retry", "empty") if one in classes)
    at = classes.index(worst)
    result = terms.shown(named[at] if named else codes[bad[0]])
    texts = _beside(reply.all(terms.message), codes, bad) if terms.message else []
    said = terms.shown(texts[at] if len(texts) == len(classes) else "; ".join(texts) or None)
    if worst == "refused":
        raise AccessRefused("soap.refused_inside", operation=terms.operation, host=terms.host, result=result, said=said)
    if worst == "retry":
        raise SourceUnavailable("soap.not_ok_now", operation=terms.operation, host=terms.host, result=result, said=said)
    raise SourceError("soap.not_ok", operation=terms.operation, host=terms.host, result=result, said=said)


def _beside(texts: list[str], codes: Sequence[str], bad: Sequence[int]) -> list[str]:
    """Of texts that stand one beside each code, those beside the bad ones; where they don't stand so, all of them."""
    return [texts[at] for at in bad] if len(texts) == len(codes) else texts


def _class(lists: Ok | Faults, code: str) -> _Class:
    if code in lists.refused or (isinstance(lists, Ok) and code in lists.session):
        return "refused"
    return "retry" if code in lists.retry else "empty" if code in lists.empty else "wrong"


def names_of(fault: Mapping[str, str]) -> tuple[str, ...]:
    """What a fault is called, most telling last: its code, subcode, the name of its detail's first child, and the code found in that."""
    return tuple(name for key in ("code", "subcode", "detail", "detail_code") if (name := fault.get(key, "").rpartition(":")[2].strip()))


def _fault(reply: Reply, fault: Mapping[str, str], terms: Terms) -> None:
    names = names_of(fault)
    said = terms.shown("; ".join(dict.fromkeys(filter(None, (fault.get("text"), fault.get("detail_text"))))) or None)
    facts: dict[str, Any] = {"operation": terms.operation, "host": terms.host, "fault": terms.shown("/".join(names)), "said": said}
    declared = [kind for name in reversed(names) if terms.faults and (kind := _class(terms.faults, name)) != "wrong"]
    if declared == [] and _AUTH_FAULT.search(" ".join(names)):
        declared = ["refused"]
    # SOAP 1.1 allows codes below Server (Server.Busy): the first part decides.
    if not declared and fault.get("code", "").rpartition(":")[2].split(".")[0] in ("Server", "Receiver"):
        raise SourceUnavailable("soap.fault_server", **facts)
    kind = declared[0] if declared else "wrong"
    if kind == "refused":
        raise AccessRefused("soap.fault_refused", **facts)
    if kind == "retry":
        raise SourceUnavailable("soap.fault_server", **facts)
    if kind == "wrong":
        raise BrokenReply("soap.fault", **facts)
    reply.nothing = True
