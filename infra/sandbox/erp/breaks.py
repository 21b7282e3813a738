"""What can go wrong with the ERP, by name: its contract, its addresses and secrets, and the wire. Each names the service it befalls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.sandbox.breaks import Break, Facts, OverError, Undo
from infra.sandbox.erp.front import Service
from infra.sandbox.erp.hanbai.service import Hanbai
from infra.sandbox.erp.mishaps import Mishap, Mishaps
from infra.sandbox.erp.zumen.service import Zumen

SAKURA, HANBAI, ZUMEN = "SakuraErp", "hanbai", "zumen"
_ALL = (SAKURA, HANBAI, ZUMEN)
_LITERAL = (SAKURA, ZUMEN)


@dataclass(frozen=True)
class Erp:
    """The services of one ERP, and the mishaps that wait for their callers."""

    services: dict[str, Service]
    mishaps: Mishaps

    def service(self, body: Facts, among: tuple[str, ...] = _ALL) -> Service:
        """The service a body names, by default the first. Raises ValueError for one that is not there, or not among those."""
        name = str(body.get("service") or among[0])
        if name not in self.services:
            raise ValueError(f"no such service: {name!r}; there are: {', '.join(self.services)}")
        if name not in among:
            raise ValueError(f"this cannot befall {name}; it can befall: {', '.join(among)}")
        return self.services[name]

    @property
    def hanbai(self) -> Hanbai:
        found = self.services[HANBAI]
        assert isinstance(found, Hanbai)
        return found

    @property
    def zumen(self) -> Zumen:
        found = self.services[ZUMEN]
        assert isinstance(found, Zumen)
        return found


Act = Callable[[Erp, Facts], tuple[Facts, Undo | None]]
#: The words of the command line, in those of a change of the contract.
_CHANGE = {"field": "name", "to": "to", "type": "type", "option": "value"}


def _evolution(kind: str, among: tuple[str, ...] = _ALL) -> Act:
    def act(erp: Erp, body: Facts) -> tuple[Facts, Undo]:
        service = erp.service(body, among)
        made = service.evolve({"kind": kind} | {ours: body[theirs] for theirs, ours in _CHANGE.items() if body.get(theirs) is not None})
        told = {"element" if name == "name" else name: value for name, value in made.items() if name != "kind"}
        return {"service": service.name, "entity": service.evolving} | told, lambda: service.withdraw(made)

    return act


def _wire(kind: str, among: tuple[str, ...] = _ALL, **defaults: Any) -> Act:
    def act(erp: Erp, body: Facts) -> tuple[Facts, Undo]:
        service = erp.service(body, among)
        wanted = defaults | {name: value for name, value in body.items() if value is not None}
        mishap = erp.mishaps.add(
            Mishap(
                kind=kind,
                service=service.name,
                count=None if wanted.get("count") is None else int(wanted["count"]),
                skip=int(wanted.get("skip", 0)),
                at=float(wanted.get("share", 0.5)),
                seconds=float(wanted.get("milliseconds", 50)) / 1_000,
                bytes=None if wanted.get("bytes") is None else int(wanted["bytes"]),
            )
        )

        def undo() -> None:
            if not erp.mishaps.lift(mishap):
                raise OverError

        return {"service": service.name, "count": mishap.count, "skip": mishap.skip}, undo

    return act


def _moved(erp: Erp, body: Facts) -> tuple[Facts, Undo]:
    service = erp.service(body)
    before = service.moved
    service.moved = True
    return {"service": service.name, "from": service.path, "to": service.moved_path}, lambda: setattr(service, "moved", before)


def _suffixed(attribute: str, suffix: str) -> Act:
    """Whatever stands in ``attribute`` gets something behind it."""

    def act(erp: Erp, body: Facts) -> tuple[Facts, Undo]:
        service = erp.service(body)
        before = getattr(service, attribute)
        setattr(service, attribute, before + suffix)
        return {"service": service.name}, lambda: setattr(service, attribute, before)

    return act


BREAKS: dict[str, Break[Erp]] = {
    "rename-element": Break("要素の名前を変える", "Rename an element", _evolution("rename_element")),
    "add-element": Break("要素を並びの途中に追加する", "Add an element in the middle of the sequence", _evolution("add_element")),
    "remove-element": Break("要素を削除する", "Remove an element", _evolution("remove_element")),
    "add-value": Break("列挙値を追加する", "Add a value to an enumeration", _evolution("add_value", _LITERAL)),
    "narrow-type": Break("型を狭くする", "Make a type narrower", _evolution("narrow_type")),
    "require-element": Break("省略できた要素を必須にする", "Make an optional element required", _evolution("require_element", _LITERAL)),
    "change-nillable": Break(
        "nillable を変える（値にも nil が現れる）", "Change nillable, and with it the values", _evolution("nillable_element", _LITERAL)
    ),
    "repeat-element": Break(
        "maxOccurs を 1 から unbounded にする", "Let an element repeat: maxOccurs 1 to unbounded", _evolution("repeat_element", _LITERAL)
    ),
    "change-action": Break("soapAction を変える", "Change every soapAction", _suffixed("action_suffix", ":v2")),
    "move-endpoint": Break(
        "サービスの住所を移す（旧住所は 404 のページ）",
        "Move the endpoint: the WSDL names another host and path, the old one answers 404 with a page",
        _moved,
    ),
    "change-password": Break("パスワードを変える", "Change the password", _suffixed("password_suffix", "-neu")),
    "truncate-reply": Break("回答を途中で終わらせる", "End a reply in the middle, as if it were whole", _wire("truncate")),
    "drop-connection": Break("回答の途中で接続を切る", "Cut the connection in the middle of a reply", _wire("drop")),
    "wrong-count": Break("件数を 1 つ多く言う", "Say one row more than there is", _wire("wrong_count")),
    "shift-jis": Break(
        "Shift_JIS で回答する（0x5C、①、髙、～ を含む）",
        "Answer in Shift_JIS, with 0x5C, circled digits, ladder-form 髙 and wave dash",
        _wire("shift_jis"),
    ),
    "slow-drip": Break("回答を少しずつ流す", "Let a reply trickle, a few bytes at a time", _wire("drip")),
    "slow-reply": Break("回答を遅らせる", "Make every answer slow", _wire("slow", milliseconds=500)),
    "entity-bomb": Break("実体参照の爆弾を返す", "Answer with entities that grow to 10,000,000,000 characters", _wire("bomb")),
    "login-page": Break("200 で HTML のログイン画面を返す", "Answer the HTML of a login page with status 200", _wire("html200")),
    "empty-reply": Break("200 で空の回答を返す", "Answer nothing with status 200", _wire("empty200")),
    "fault-500": Break("Fault を 500 で返す", "Answer a Fault with status 500", _wire("fault500")),
    "fault-200": Break("Fault を 200 で返す", "Answer a Fault with status 200", _wire("fault200")),
    "storm-503": Break("503 を返し続ける", "Answer 503 again and again", _wire("503", count=20, milliseconds=1_000)),
    "business-error": Break(
        "業務エラー（DB_ERROR）を 200 で返す", "Answer the service's own error, DB_ERROR, inside a 200", _wire("app_error")
    ),
    "ignore-filter": Break("抽出条件を黙って無視する", "Ignore every filter in silence", _wire("ignore_filter")),
    "repeat-page": Break(
        "同じページ（同じブックマーク）を返し続ける",
        "Give the first page again and again, with the same bookmarks",
        _wire("same_page", _LITERAL),
    ),
    "move-row": Break(
        "行がページの間を移る（重複と欠落）", "Let a row move between pages: one comes twice, one is missed", _wire("shift_rows", (ZUMEN,))
    ),
    "lose-part": Break("MTOM の添付部分を落とす", "Leave the part out that an MTOM reply refers to", _wire("lost_part", (ZUMEN,))),
}
