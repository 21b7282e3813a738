"""How a message reaches people: Teams, Slack, mail, a webhook of one's own. Each send is one attempt; trying again is the outbox's.

Formats: Adaptive Cards 1.4 as a Teams workflow takes them ("Post to a channel when a webhook request is received"); Slack's Block Kit;
RFC 5322 mail over SMTP with STARTTLS (RFC 3207). A webhook's body is signed: HMAC-SHA256 over ``<timestamp>.<body>``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never
from urllib.parse import urlsplit

from connectors.errors import AccessRefused, FixConfiguration, SourceUnavailable
from connectors.messages import Language
from connectors.trust import trust
from pipelines.operations import Channel, Email, Slack, Teams, Webhook
from pipelines.project import Project
from pipelines.reports.alerts import Event, Message

if TYPE_CHECKING:
    import httpx

SECONDS = 20
_LOCAL = ("localhost", "127.0.0.1", "::1")
#: What a Slack header and section may hold (Block Kit: header 150, section text 3000 characters).
_HEADER, _SECTION = 150, 2900


@dataclass(frozen=True)
class Posted:
    """One alert for one channel: its messages, one per language, the event they tell, and when they were written (aware UTC)."""

    event: Event
    messages: tuple[Message, ...]
    at: datetime
    project: str


def languages(channel: Channel) -> tuple[Language, ...]:
    return ("ja", "en") if channel.lang == "both" else (channel.lang,)


def send(project: Project, name: str, channel: Channel, posted: Posted) -> None:
    """Send one alert once. Raises SourceUnavailable where the channel is down or busy, AccessRefused where it says no, MissingSecret and
    FixConfiguration for its settings. No error names the address: who has it may post."""
    where = f"alerts.channels.{name}"
    match channel:
        case Teams():
            _post(project, name, _url(project, name, channel.url), json.dumps(teams_card(posted.messages), ensure_ascii=False).encode())
        case Slack():
            _post(project, name, _url(project, name, channel.url), json.dumps(slack_blocks(posted.messages), ensure_ascii=False).encode())
        case Webhook():
            body = webhook_body(posted)
            secret = str(project.resolve(channel.secret, f"{where}.secret"))
            _post(project, name, _url(project, name, channel.url), body, signed_headers(posted, body, secret))
        case Email():
            _mail(project, name, channel, posted)
        case _:
            assert_never(channel)


def ready(project: Project, name: str, channel: Channel) -> None:
    """Nothing, where all is there that ``send`` needs from the project. Raises MissingSecret and FixConfiguration as it would."""
    where = f"alerts.channels.{name}"
    match channel:
        case Teams() | Slack():
            _url(project, name, channel.url)
        case Webhook():
            _url(project, name, channel.url)
            project.resolve(channel.secret, f"{where}.secret")
        case Email():
            _login(project, name, channel)
        case _:
            assert_never(channel)


def teams_card(messages: Sequence[Message]) -> dict[str, Any]:
    """What a Teams workflow posts: one adaptive card, a language under the other."""
    body: list[dict[str, Any]] = []
    for message in messages:
        body.append(_block(message.title, size="Medium", weight="Bolder", **({"separator": True} if body else {})))
        for label, text in message.labelled():
            body += [_block(label, weight="Bolder", spacing="Small"), _block(text, spacing="None")]
        body.append(_block(message.anchor, isSubtle=True, size="Small"))
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
    }
    if messages[0].link:
        from connectors.messages import sentence

        open_ = " / ".join(sentence("alert.label.open", lang=message.lang) for message in messages)
        card["actions"] = [{"type": "Action.OpenUrl", "title": open_, "url": messages[0].link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _block(text: str, **more: Any) -> dict[str, Any]:
    # A card's text is Markdown: what came from a source must not become a link or a heading.
    return {"type": "TextBlock", "text": re.sub(r"([\\`*_\[\]#<>])", r"\\\1", text), "wrap": True, **more}


def slack_blocks(messages: Sequence[Message]) -> dict[str, Any]:
    """An incoming webhook's body. ``text`` is what notifications and screen readers show."""
    blocks: list[dict[str, Any]] = []
    for message in messages:
        blocks.append({"type": "header", "text": {"type": "plain_text", "text": message.title[:_HEADER]}})
        for label, text in message.labelled():
            blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"*{label}*\n{_slack(text)}"[:_SECTION]}})
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": _slack(message.anchor)}]})
    if messages[0].link:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"<{messages[0].link}>"}})
    return {"text": " / ".join(_slack(message.title) for message in messages), "blocks": blocks}


def _slack(text: str) -> str:
    """Slack's three control characters (Formatting text for app surfaces)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def webhook_body(posted: Posted) -> bytes:
    """The event and its sentences as JSON (schema ``fortnight.alert/1``)."""
    event = posted.event
    told = {
        "schema": "fortnight.alert/1",
        "id": event.key,
        "kind": event.kind,
        "project": posted.project,
        "at": posted.at.isoformat(),
        "state": event.state or None,
        "facts": dict(event.params),
        "reasons": [{"subject": subject, "code": code, "params": dict(params)} for subject, code, params in event.details],
        "link": posted.messages[0].link or None,
        "messages": {
            one.lang: {"title": one.title, "what": one.what, "means": one.means, "do": one.do, "anchor": one.anchor}
            for one in posted.messages
        },
    }
    return json.dumps(told, ensure_ascii=False, sort_keys=True).encode()


def signed_headers(posted: Posted, body: bytes, secret: str) -> dict[str, str]:
    """The receiver makes the same sum over ``<timestamp>.<body>`` and compares in constant time; an old timestamp is a replay."""
    stamp = str(int(posted.at.timestamp()))
    made = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Fortnight-Event": posted.event.key, "Fortnight-Timestamp": stamp, "Fortnight-Signature": f"v1={made}"}


def _url(project: Project, name: str, given: Any) -> str:
    url = str(project.resolve(given, f"alerts.channels.{name}.url"))
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOCAL:
        raise FixConfiguration("alert.not_https", channel=name)
    return url


def _post(project: Project, name: str, url: str, body: bytes, headers: dict[str, str] | None = None) -> None:
    import httpx

    local = urlsplit(url).hostname in _LOCAL
    try:
        with httpx.Client(timeout=SECONDS, verify=trust(_ca(project), None), trust_env=not local) as client:
            response = client.post(url, content=body, headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # The error's own text may hold the address.
        raise SourceUnavailable("alert.unreachable", channel=name, why=type(error).__name__) from None
    _judged(name, response)


def _judged(name: str, response: httpx.Response) -> None:
    status = response.status_code
    if status == 429 or status >= 500:
        raise SourceUnavailable("alert.unreachable", channel=name, why=f"HTTP {status}")
    if not 200 <= status < 300:
        raise AccessRefused("alert.refused", channel=name, why=f"HTTP {status}")


def _ca(project: Project) -> Path | None:
    return project.folder / str(project.resolve(project.file.ca_file, "ca_file")) if project.file.ca_file else None


def _login(project: Project, name: str, channel: Email) -> tuple[str | None, str | None]:
    where = f"alerts.channels.{name}"
    user = None if channel.user is None else str(project.resolve(channel.user, f"{where}.user"))
    return user, None if channel.password is None else str(project.resolve(channel.password, f"{where}.password"))


def _mail(project: Project, name: str, channel: Email, posted: Posted) -> None:
    import smtplib

    user, password = _login(project, name, channel)
    context = trust(_ca(project), None)
    try:
        if channel.tls == "direct":
            server: smtplib.SMTP = smtplib.SMTP_SSL(channel.host, channel.port, timeout=SECONDS, context=context)
        else:
            server = smtplib.SMTP(channel.host, channel.port, timeout=SECONDS)
        with server:
            if channel.tls == "starttls":
                # Raises where the server offers none: nothing goes on in the clear.
                server.starttls(context=context)
            if user is not None and password is not None:
                server.login(user, password)
            server.send_message(mail_of(channel, posted))
    except (smtplib.SMTPAuthenticationError, smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused) as error:
        raise AccessRefused("alert.refused", channel=name, why=type(error).__name__) from None
    except (smtplib.SMTPException, OSError) as error:
        raise SourceUnavailable("alert.unreachable", channel=name, why=type(error).__name__) from None


def mail_of(channel: Email, posted: Posted) -> Any:
    """Plain text, so that nothing in it can be a link in disguise. The message id is the event's: a repeat is recognised as one."""
    from email.message import EmailMessage
    from email.utils import format_datetime

    message = EmailMessage()
    message["Subject"] = " / ".join(" ".join(one.title.split()) for one in posted.messages)
    message["From"], message["To"] = channel.sender, ", ".join(channel.to)
    message["Date"] = format_datetime(posted.at)
    message["Message-ID"] = f"<{posted.event.key}@{posted.project}.fortnight>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n\n———\n\n".join(one.text() for one in posted.messages))
    return message
