"""What a SharePoint system is told in the project file, and the shape of a SharePoint contract's ``source:`` block."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, cast
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.certificate import SHA1_DIGITS, ProjectPath
from connectors.sharepoint.limits import Limits

Kind = Literal["library", "list", "pages"]
_SHA256_DIGITS = 64


class Certificate(BaseModel):
    """The app's certificate with its RSA key: a PEM or PFX file, and the ``password`` it was exported with, if any.

    An app proves itself by PS256 and the certificate's SHA-256 thumbprint. ``thumbprint: true`` asks for the older form, RS256 and SHA-1,
    which authorities like ADFS want; a thumbprint of 40 digits does the same and says which certificate of the file is meant, and a file
    may then hold the key alone. One of 64 digits (SHA-256) only says which is meant.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: ProjectPath
    password: SecretStr | None = None
    thumbprint: bool | str = False

    @field_validator("thumbprint")
    @classmethod
    def _digits(cls, value: bool | str) -> bool | str:
        if isinstance(value, bool):
            return value
        # Windows shows pairs of digits with spaces between them and a mark of direction before the first, OpenSSL with colons.
        digits = "".join(sign for sign in value.upper() if sign not in " :\u200e\u200f")
        if len(digits) not in (SHA1_DIGITS, _SHA256_DIGITS) or set(digits) - set("0123456789ABCDEF"):
            raise ValueError("a thumbprint is 40 (SHA-1) or 64 (SHA-256) hexadecimal digits; in YAML it stands in quotation marks")
        return digits

    @property
    def by_sha1(self) -> bool:
        """Whether the assertion names the certificate by its SHA-1 thumbprint."""
        return self.thumbprint is True or (isinstance(self.thumbprint, str) and len(self.thumbprint) == SHA1_DIGITS)

    @property
    def meant(self) -> str:
        """The thumbprint of the certificate that is meant; empty where the file itself tells."""
        return self.thumbprint if isinstance(self.thumbprint, str) else ""


class Identity(BaseModel):
    """The managed identity of the machine this runs on: its own where nothing is named, else an assigned one by one of its names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: str = ""
    resource_id: str = ""
    object_id: str = ""

    @property
    def name(self) -> str:
        return self.client_id or self.resource_id or self.object_id


class Config(BaseModel):
    """One SharePoint tenant.

    The app proves itself with a ``certificate`` (a path, or the file with its password and thumbprint), or the machine does it by its
    ``managed_identity``, which has no ``client_id`` here. A ``client_secret`` gives way to a certificate; permissions cannot be read with it.
    ``host`` is where sites live (``https://contoso.sharepoint.com``); ``sites`` are paths (``/sites/quality``) or whole addresses there.
    ``timezone`` (IANA) overrides what a site says of itself; it is needed for date-only columns when there is no certificate.
    ``limits`` says how much of what Microsoft gives this tenant the app may take, and the company it names itself by.
    ``guests_hold_everyone`` repeats the tenant's ShowEveryoneClaim: since 2018 "Everyone" is the organisation's own people, unless it is on.
    https://learn.microsoft.com/troubleshoot/microsoft-365/admin/access-management/grant-everyone-claim-to-external-users
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["sharepoint"] = "sharepoint"
    tenant: str = Field(min_length=1)
    client_id: str = ""
    client_secret: SecretStr | None = None
    certificate: Certificate | None = None
    managed_identity: Identity | None = None
    authority: str = ""
    graph: str = "https://graph.microsoft.com"
    host: str
    sites: tuple[str, ...] = ()
    timezone: str | None = None
    guests_hold_everyone: bool = False
    limits: Limits = Limits()

    @field_validator("authority", "graph", "host")
    @classmethod
    def _url(cls, value: str) -> str:
        if value and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise ValueError("must be an http(s) URL with a host")
        return value.rstrip("/")

    @field_validator("certificate", mode="before")
    @classmethod
    def _file(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str | Path) else value

    @field_validator("managed_identity", mode="before")
    @classmethod
    def _one_identity(cls, value: Any) -> Any:
        if isinstance(value, bool):
            return Identity() if value else None
        if isinstance(value, Mapping) and sum(bool(one) for one in cast("Mapping[str, Any]", value).values()) != 1:
            raise ValueError("say true for the machine's own identity, or name an assigned one by client_id, resource_id or object_id")
        return value

    @model_validator(mode="before")
    @classmethod
    def _paths(cls, told: Any) -> Any:
        """Addresses of sites, as a browser shows them, become paths."""
        if not isinstance(told, Mapping):
            return told
        said = cast("Mapping[str, Any]", told)
        sites, host = said.get("sites"), urlsplit(str(said.get("host") or ""))
        if not isinstance(sites, list | tuple):
            return said
        return {**said, "sites": tuple(_path(site, host.netloc) for site in cast("list[Any]", sites))}

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
        if self.managed_identity is not None:
            if self.client_secret is not None or self.certificate is not None or self.client_id:
                raise ValueError("a managed_identity stands alone: an assigned one is named under managed_identity, and has no key here")
            return self
        if self.client_secret is None and self.certificate is None:
            raise ValueError("give a certificate or a managed_identity (either can read permissions), or a client_secret")
        if not self.client_id:
            raise ValueError("client_id is the id of the app registration; only a managed_identity goes without")
        return self

    @property
    def app(self) -> str:
        """What this app is called where it is counted and named: its id, or which identity of the machine it is."""
        if self.managed_identity is None:
            return self.client_id
        return self.managed_identity.name or "managed-identity"

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


def _path(site: Any, host: str) -> str:
    """A configured site as its path. ValueError for an address on another host: no token may go there."""
    told = str(site)
    if "://" not in told:
        return clean_site(told)
    parts = urlsplit(told)
    if parts.netloc.lower() != host.lower():
        raise ValueError(f"{told} is not on {host or 'the host of this system'}: sites of another host are another system")
    return clean_site(unquote(parts.path))
