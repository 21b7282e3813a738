"""The parts of project.yaml that operators own: where alerts go, and how often sources are looked at between slots."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

#: What an alert may be about. A channel takes all of them unless it names some.
AlertKind = Literal["run_failed", "day_red", "drift_waits", "gate_changed", "calendar_ends", "security_finding"]
ALERT_KINDS: tuple[AlertKind, ...] = ("run_failed", "day_red", "drift_waits", "gate_changed", "calendar_ends", "security_finding")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _reference(value: Any) -> Any:
    """``{env: NAME}`` or ``{file: PATH}``: who holds a webhook's address may post in our name, so it is as secret as a password."""
    if not isinstance(value, dict) or set(value) not in ({"env"}, {"file"}):
        raise ValueError("is a secret and must be a reference: {env: NAME} or {file: PATH}")
    return value


class _Channel(_Strict):
    """``lang`` is the language of its messages, both when it says nothing; ``events`` the kinds it takes."""

    lang: Literal["ja", "en", "both"] = "both"
    events: tuple[AlertKind, ...] = ALERT_KINDS


class Teams(_Channel):
    """A Teams workflow that posts what its webhook receives."""

    kind: Literal["teams"]
    url: Any

    _referenced = field_validator("url")(_reference)


class Slack(_Channel):
    """A Slack incoming webhook."""

    kind: Literal["slack"]
    url: Any

    _referenced = field_validator("url")(_reference)


class Webhook(_Channel):
    """Any endpoint of your own. Bodies are signed with ``secret`` (HMAC-SHA256), so that it can tell ours from others'."""

    kind: Literal["webhook"]
    url: Any
    secret: Any

    _referenced = field_validator("url", "secret")(_reference)


class Email(_Channel):
    """A mail server. ``tls``: ``starttls`` (port 587), ``direct`` (465), or ``none`` for a relay on this very machine."""

    kind: Literal["email"]
    host: str
    port: int = Field(default=587, ge=1, le=65535)
    tls: Literal["starttls", "direct", "none"] = "starttls"
    user: Any = None
    password: Any = None
    sender: str = Field(alias="from")
    to: tuple[str, ...] = Field(min_length=1)

    @field_validator("password")
    @classmethod
    def _referenced(cls, value: Any) -> Any:
        return None if value is None else _reference(value)

    @model_validator(mode="after")
    def _nothing_in_the_clear(self) -> Email:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if self.tls == "none" and (self.password is not None or self.host not in ("localhost", "127.0.0.1", "::1")):
            raise ValueError("tls: none is for a relay on this machine, without a password; use starttls or direct")
        return self


Channel = Annotated[Teams | Slack | Webhook | Email, Field(discriminator="kind")]


class Alerts(_Strict):
    """``ui`` is the address under which people reach Dagster's pages, for the links in messages."""

    ui: str = ""
    channels: dict[str, Channel] = {}


class Hook(_Strict):
    """A system that sends webhooks to ``fortnight serve``. ``secret`` is what proves them: SharePoint repeats it in each notification, for
    kintone it stands in the address that its app sends to. ``url`` is where SharePoint reaches the receiver, where that is not below ``serving.url``."""

    secret: Any
    url: str = Field(default="", pattern=r"^(https://[^/?#\s]+[^?#\s]*)?$")

    _referenced = field_validator("secret")(_reference)


class Watch(_Strict):
    """How often change sensors ask a source, in seconds. For systems in ``hooks`` the service receives webhooks and leaves notes; those in
    ``notes`` have a receiver of your own that does (docs/operators.md). A note is acted upon within half a minute: the source is asked at once."""

    seconds: int = Field(default=300, ge=30)
    notes: tuple[str, ...] = ()
    hooks: dict[str, Hook] = {}

    @property
    def noted(self) -> frozenset[str]:
        """Systems for which notes are looked for."""
        return frozenset((*self.notes, *self.hooks))
