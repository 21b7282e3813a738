"""Webhooks: who may leave a note, and what an answer to them says. A notice is a hint from a stranger: nothing in it names what is read.

Rules (Microsoft Graph): a receiver proves itself by saying back a token as plain text, within ten seconds; a notice carries the secret of its
subscription and is answered by 202, within three. https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
kintone signs nothing and sends no header of ours: there the secret stands in the address.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pipelines.project import Project
from pipelines.pull.notes import Kind
from pipelines.pull.subscribing import hook_secret

#: The longest token that is said back; Graph's have some hundred characters.
LONGEST_TOKEN = 1_024
#: Lifecycle notices by which Graph asks that a subscription be renewed or made anew.
_RENEW = frozenset({"reauthorizationRequired", "subscriptionRemoved"})
#: What is told by them is the subscription's state; any other notice means that there is, or may be, news.
_NO_NEWS = frozenset({"reauthorizationRequired"})


@dataclass(frozen=True)
class Reply:
    """``outcome`` is what is counted."""

    status: int
    outcome: str
    text: str = ""


@dataclass(frozen=True)
class Hooked:
    """A system that sends webhooks."""

    kind: str
    secret: str = field(repr=False)


class _Notice(msgspec.Struct):
    secret: Any = msgspec.field(name="clientState", default=None)
    event: Any = msgspec.field(name="lifecycleEvent", default=None)


class _Notices(msgspec.Struct):
    value: list[_Notice]


def hooked(project: Project) -> dict[str, Hooked]:
    """The systems of ``watch.hooks``. Raises FixConfiguration for a secret that is missing or unfit: nobody may come in without."""
    kinds = {name: str(settings.get("kind")) for name, settings in project.file.systems.items()}
    return {name: Hooked(kinds[name], hook_secret(project, name)) for name in project.file.watch.hooks}


class Receiver:
    """Judges webhooks. ``leave`` is told of each note to leave, and may be told far oftener than notes are written."""

    def __init__(self, systems: Mapping[str, Hooked], leave: Callable[[Kind, str], None]) -> None:
        self._systems, self._leave = systems, leave

    def answer(self, system: str, query: Mapping[str, str], body: bytes) -> Reply | None:
        """None where no such system sends webhooks. Neither storage nor source is asked here."""
        known = self._systems.get(system)
        if known is None:
            return None
        if known.kind == "kintone":
            return self._by_address(system, known, query)
        # SharePoint's own list webhooks write the name in lower case.
        token = next((value for name, value in query.items() if name.lower() == "validationtoken"), None)
        return _said_back(token) if token is not None else self._by_notice(system, known, body)

    def _by_address(self, system: str, known: Hooked, query: Mapping[str, str]) -> Reply:
        if not _same(query.get("token"), known.secret):
            return Reply(403, "refused")
        self._leave("notes", system)
        return Reply(202, "noted")

    def _by_notice(self, system: str, known: Hooked, body: bytes) -> Reply:
        try:
            notices = msgspec.json.decode(body, type=_Notices).value
        # What is no UTF-8 has an error of its own.
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Reply(400, "malformed")
        genuine = [str(one.event or "") for one in notices if _same(one.secret, known.secret)]
        if not genuine:
            return Reply(403, "refused")
        if any(event in _RENEW for event in genuine):
            self._leave("renewals", system)
        if any(event not in _NO_NEWS for event in genuine):
            self._leave("notes", system)
        return Reply(202, "noted")


def _said_back(token: str) -> Reply:
    """Anybody may have this said back, so it must be nothing that a browser could take for more than text; Graph never sends such."""
    if not 0 < len(token) <= LONGEST_TOKEN or not token.isprintable() or set(token) & set("<>"):
        return Reply(400, "malformed")
    return Reply(200, "validated", token)


def _same(given: object, secret: str) -> bool:
    """In constant time, whatever was given."""
    return hmac.compare_digest(given.encode() if isinstance(given, str) else b"", secret.encode())
