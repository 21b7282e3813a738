"""Comments on records: read ten at a time, written by persons or from the control side."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.sandbox.kintone.call import Answer, Call, json_answer
from infra.sandbox.kintone.directory import NAMES, REGISTER
from infra.sandbox.kintone.errors import KintoneError, invalid
from infra.sandbox.kintone.spaces import exact
from infra.sandbox.kintone.store import App, Record

MOST_COMMENTS = 10
_MENTIONED = ("USER", "GROUP", "ORGANIZATION")


@dataclass(frozen=True)
class Comment:
    """One comment; ``mentions`` are (type, code)."""

    id: int
    text: str
    at: str
    creator: str
    mentions: tuple[tuple[str, str], ...] = ()

    def json(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "text": self.text,
            "createdAt": self.at,
            "creator": {"code": REGISTER.shown(self.creator), "name": NAMES[self.creator]},
            "mentions": [{"code": code, "type": kind} for kind, code in self.mentions],
        }


#: Comments by app and record number, each list oldest first.
Comments = dict[tuple[int, int], list[Comment]]


def get_comments(call: Call) -> Answer:
    app = call.app("recordViewable")
    order = call.text("order", "desc")
    if order not in ("asc", "desc"):
        raise invalid("order", "option", value=order)
    limit, offset = call.number("limit", MOST_COMMENTS, high=MOST_COMMENTS), call.number("offset", 0)
    record = _record(call, app)
    found = call.domain.comments.get((app.id, record.id), [])
    if order == "desc":
        found = found[::-1]
    page = found[offset : offset + limit]
    before, after = bool(found[:offset]), bool(found[offset + limit :])
    older, newer = (after, before) if order == "desc" else (before, after)
    return json_answer({"comments": [one.json() for one in page], "older": older, "newer": newer})


def post_comment(call: Call) -> Answer:
    app = call.app("recordViewable")
    record = _record(call, app)
    sent = call.params.get("comment")
    if not isinstance(sent, dict) or not isinstance(sent.get("text"), str):
        raise invalid("comment.text", "required")
    mentions = [(str(one.get("type")), str(one.get("code"))) for one in sent.get("mentions") or []]
    if any(kind not in _MENTIONED for kind, _ in mentions):
        raise invalid("comment.mentions", "option", value="type")
    return json_answer({"id": str(add(call.domain, app, record, call.caller.code, sent["text"], tuple(mentions)).id)})


def delete_comment(call: Call) -> Answer:
    app = call.app("recordViewable")
    record = _record(call, app)
    number = call.number("comment")
    kept = call.domain.comments.get((app.id, record.id), [])
    one = next((comment for comment in kept if comment.id == number), None)
    if one is None:
        raise KintoneError("GAIA_RE02", {"id": number})
    if one.creator != call.caller.code:
        raise KintoneError("CB_NO02")
    kept.remove(one)
    return json_answer({})


def add(domain: Any, app: App, record: Record, who: str, text: str, mentions: tuple[tuple[str, str], ...] = ()) -> Comment:
    """Hang a comment on a record now, and let webhooks hear of it."""
    made = hang(domain.comments, app, record, who, text, domain.clock.now(), mentions)
    if app.tell is not None:
        domain.hooks.commented(app, record, made)
    return made


def hang(
    kept: Comments, app: App, record: Record, who: str, text: str, at: datetime, mentions: tuple[tuple[str, str], ...] = ()
) -> Comment:
    """Hang a comment on a record; the record's revision and update time stay."""
    here = kept.setdefault((app.id, record.id), [])
    made = Comment(here[-1].id + 1 if here else 1, text, exact(at.astimezone(UTC))[:19] + "Z", who, mentions)
    here.append(made)
    return made


def _record(call: Call, app: App) -> Record:
    if not app.comments_on:
        raise KintoneError("GAIA_CM01")
    number = call.number("record")
    record = app.records.get(number)
    if record is None:
        raise KintoneError("GAIA_RE01", {"id": number})
    if not call.rights(app).of(record).viewable:
        raise KintoneError("CB_NO02")
    return record
