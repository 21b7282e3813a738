"""What a project says about a kintone domain, and what a contract says about where its app is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from connectors.certificate import ProjectPath
from connectors.errors import FixConfiguration
from connectors.kintone.budget import BudgetPolicy

#: kintone refuses a tenth token in one request (cybozu.dev, "Authentication").
MOST_TOKENS = 9
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Login(BaseModel):
    """A user who may be asked for a password. Users with two-factor authentication cannot call the REST API."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    login: SecretStr | str
    password: SecretStr

    @property
    def name(self) -> str:
        return self.login.get_secret_value() if isinstance(self.login, SecretStr) else self.login


class Basic(BaseModel):
    """The extra layer of Basic authentication some domains put before kintone's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: SecretStr | str
    password: SecretStr

    @property
    def name(self) -> str:
        return self.user.get_secret_value() if isinstance(self.user, SecretStr) else self.user


class OAuth(BaseModel):
    """A bearer token: reads as its user does, within its scopes (``k:app_record:read``, ``k:app_settings:read``, ``k:file:read``).

    ``user_api_token`` is a token for all of cybozu.com, which alone opens users, groups and organisations; it expires, and says when.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: SecretStr
    user_api_token: SecretStr | None = None


class Certificate(BaseModel):
    """A client certificate as the PFX file that cybozu.com gave out. Such domains answer at ``https://<subdomain>.s.cybozu.com``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: ProjectPath
    password: SecretStr


class Auth(BaseModel):
    """API tokens read records; a login or OAuth finds apps by code and reads access rules and the directory, which tokens cannot.

    Where tokens are given, records come by token; else as the login's user, or OAuth's, sees them. kintone looks at one kind only (a
    password before a token before OAuth), so no call ever carries two. ``basic`` and ``certificate`` come before all of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_tokens: tuple[SecretStr, ...] = Field(default=(), max_length=MOST_TOKENS)
    password: Login | None = None
    oauth: OAuth | None = None
    basic: Basic | None = None
    certificate: Certificate | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.api_tokens and self.password is None and self.oauth is None:
            raise ValueError("give api_tokens, a password login or oauth")
        if self.basic is not None and self.oauth is not None:
            raise ValueError("basic and oauth both need the Authorization header: give api_tokens or a password login instead of oauth")
        return self


class Config(BaseModel):
    """The ``systems.<name>`` block of a kintone domain.

    ``concurrency`` is this connector's share of the domain's 100 requests under way; while the domain as a whole runs more than
    ``yield_above`` the connector halves its share and waits. ``apps`` are app ids to offer where only tokens are given, which cannot list
    apps. ``budget`` limits the calls a day that one app takes. ``comments`` offers the comments on records as streams too; they
    cost a call a record.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["kintone"] = "kintone"
    base_url: str
    guest_space: int | None = Field(default=None, ge=1)
    auth: Auth
    apps: tuple[int, ...] = ()
    concurrency: int = Field(default=4, ge=1, le=20)
    yield_above: int = Field(default=50, ge=1, le=100)
    budget: BudgetPolicy = BudgetPolicy()
    comments: bool = False

    @model_validator(mode="after")
    def _shown_over_tls(self) -> Self:
        if self.auth.certificate is not None and not self.base_url.startswith("https://"):
            raise ValueError("a client certificate needs https")
        return self

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise ValueError("base_url is scheme and host only, such as https://example.cybozu.com")
        if parts.username or parts.password:
            raise ValueError("base_url must not hold credentials")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ValueError("plain http would send the credentials in clear; use https")
        return value.rstrip("/")


class SourceSpec(BaseModel):
    """The ``source:`` block of a contract on a kintone app.

    ``app_code`` is the stable address; ``app_id`` a cache of the number it had. An app without a code is found by ``app_name``, its
    exact name, within ``space_id`` where one is given. ``condition`` narrows the stream, in kintone's query language without order, limit
    or offset; ``fingerprint`` and ``revision`` are the contract's memory and not read here. ``table``: the rows of this sub-table, one by
    one; ``part: comments``: the comments on the records.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    app_code: str = Field(default="", max_length=64)
    app_id: int | None = Field(default=None, ge=1)
    app_name: str = ""
    space_id: int | None = Field(default=None, ge=1)
    guest_space: int | None = Field(default=None, ge=1)
    condition: str = ""
    table: str = ""
    part: Literal["", "comments"] = ""
    fingerprint: str | None = None
    revision: int | str | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if not self.app_code and not self.app_name and self.app_id is None:
            raise ValueError("give app_code; for an app without a code app_name (and space_id), or app_id")
        if self.table and self.part:
            raise ValueError("give table or part, not both")
        return self


def source_spec(stream: str, source: Mapping[str, Any]) -> SourceSpec:
    """The checked ``source:`` block. Raises FixConfiguration naming each wrong key (values stay out of the message)."""
    try:
        return SourceSpec.model_validate(dict(source))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'source'}: {one['msg']}" for one in error.errors(include_input=False))
        raise FixConfiguration("kintone.source_invalid", stream=stream, reason=wrong) from error
