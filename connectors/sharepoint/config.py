"""What a SharePoint system is told in the project file, and the shape of a SharePoint contract's ``source:`` block."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.sharepoint.limits import Limits

Kind = Literal["library", "list", "pages"]


class Config(BaseModel):
    """One SharePoint tenant.

    ``certificate`` is the path of a PEM file with the private key and the certificate; it wins over ``client_secret``, and without it
    permissions cannot be read. ``host`` is where sites live (``https://contoso.sharepoint.com``); ``sites`` are paths (``/sites/quality``).
    ``timezone`` (IANA) overrides what a site says of itself; it is needed for date-only columns when there is no certificate.
    ``limits`` says how much of what Microsoft gives this tenant the app may take, and the company it names itself by.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["sharepoint"] = "sharepoint"
    tenant: str = Field(min_length=1)
    client_id: str = Field(min_length=1)
    client_secret: SecretStr | None = None
    certificate: Path | None = None
    authority: str = ""
    graph: str = "https://graph.microsoft.com"
    host: str
    sites: tuple[str, ...] = ()
    timezone: str | None = None
    limits: Limits = Limits()

    @field_validator("authority", "graph", "host")
    @classmethod
    def _url(cls, value: str) -> str:
        if value and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise ValueError("must be an http(s) URL with a host")
        return value.rstrip("/")

    @field_validator("sites")
    @classmethod
    def _paths(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(clean_site(path) for path in value)

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise ValueError(f"{value} is not an IANA time zone") from error
        return value

    @model_validator(mode="after")
    def _credential(self) -> Self:
        if self.client_secret is None and self.certificate is None:
            raise ValueError("give a certificate (needed to read permissions) or a client_secret")
        return self

    @property
    def login(self) -> str:
        """The authority that issues tokens."""
        return self.authority or f"https://login.microsoftonline.com/{self.tenant}"


class SourceSpec(BaseModel):
    """Where a stream comes from. ``name`` is the display name of the library or list; ``id`` (list or drive id) wins over it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    site: str
    kind: Kind
    name: str = ""
    id: str = ""

    @field_validator("site")
    @classmethod
    def _path(cls, value: str) -> str:
        return clean_site(value)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        unknown = set(self.model_extra or {}) - {"fingerprint", "revision"}
        if unknown:
            raise ValueError(f"unknown keys in source: {', '.join(sorted(unknown))}")
        if self.kind != "pages" and not (self.name or self.id):
            raise ValueError("a library or list needs its name or id")
        return self


def clean_site(path: str) -> str:
    """A site's server-relative path with one leading slash and none at the end; the root site is the empty string."""
    trimmed = path.strip().strip("/")
    return f"/{trimmed}" if trimmed else ""
