"""What a person writes about a SOAP system: ``Config`` in project.yaml and ``SourceSpec``, the ``source:`` block of a contract."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from connectors.errors import FixConfiguration


class Basic(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    user: SecretStr
    password: SecretStr


class Auth(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    basic: Basic | None = None


class Config(BaseModel):
    """``endpoint`` replaces the address the WSDL advertises, for servers that name a host of their inner network.

    ``bundle_dir`` keeps every WSDL closure that was read (documents with their sha256), for review and for offline use.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["soap"] = "soap"
    wsdl: str
    endpoint: str | None = None
    auth: Auth = Auth()
    bundle_dir: Path | None = None

    @field_validator("wsdl", "endpoint")
    @classmethod
    def _http_only(cls, value: str | None) -> str | None:
        if value is not None and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise ValueError("must be an http or https URL")
        if value is not None and "@" in urlsplit(value).netloc:
            raise ValueError("must not hold credentials; put them under auth")
        return value


class Ok(BaseModel):
    """How the application says that all is well, inside HTTP 200. A value in none of the lists is an error with its message.

    ``empty`` values mean that there is nothing (NOT_FOUND): zero rows. ``refused`` values mean bad credentials: never retried.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str
    values: tuple[str, ...] = Field(min_length=1)
    empty: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


class Paging(BaseModel):
    """Names of request elements, and where the next page's position comes from. Every kind ends on an empty page.

    ``bookmark``: ``request`` carries ``from`` (a child of the row) of the last row. ``offset``: ``request`` carries the rows read so far.
    ``page``: ``request`` carries the page's number from ``first`` on. ``none``: one reply is all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    kind: Literal["bookmark", "offset", "page", "none"] = "none"
    request: str = ""
    size: str = ""
    page: int = Field(default=4000, ge=1, le=100_000)
    from_: str = Field(default="", alias="from")
    first: int = 1

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind != "none" and not self.request:
            raise ValueError(f"paging of kind {self.kind} needs `request`, the element that carries the position")
        if self.kind == "bookmark" and not self.from_:
            raise ValueError("paging of kind bookmark needs `from`, the row's element that holds the bookmark")
        return self


class Filter(BaseModel):
    """The request's repeated filter element and the names of its two children (NAV's are the defaults)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    element: str = "filter"
    field: str = "Field"
    criteria: str = "Criteria"


class ChangedSince(BaseModel):
    """``field`` is filtered by ``criteria``, in which ``{since}`` stands for the instant, in the field's own XSD form.

    ``between`` is used when the window has an end too; its end may be inclusive, for rows on the bound are dropped here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    field: str
    criteria: str = "{since}.."
    until: str = "..{until}"
    between: str = "{since}..{until}"


class Count(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    operation: str
    path: str


class AccessSpec(BaseModel):
    """The operation that lists who may read what: one row for each role, entity and login; the names are children of its row.

    ``is_`` (YAML ``is``) is the entity's name in that list where it differs from the one in this contract's operation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    operation: str
    role: str
    entity: str
    login: str
    rows: str | None = None
    is_: str | None = Field(default=None, alias="is")


class SourceSpec(BaseModel):
    """A contract's ``source:`` block. Paths are local names joined by ``/``, from the Body's first child down, without that child.

    ``timezone`` (IANA) is what a dateTime without a zone means; without it such values are rejected. ``null_values`` are texts that
    mean "nothing" in typed columns (``0001-01-01``). ``arguments`` are constant request elements. ``empty_as_null`` says that an empty
    element in a typed column is null and not an error.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    operation: str
    rows: str
    ok: Ok | None = None
    message: str | None = None
    row_count: str | None = None
    paging: Paging = Paging()
    filter: Filter = Filter()
    changed_since: ChangedSince | None = None
    count: Count | None = None
    access: AccessSpec | None = None
    arguments: Mapping[str, Any] = Field(default_factory=dict[str, Any])
    timezone: str | None = None
    null_values: tuple[str, ...] = ()
    empty_as_null: bool = False
    fingerprint: str | None = None
    revision: str | None = None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError(f"{value} is no IANA time zone name (Asia/Tokyo is one)")
        return value


def source_spec(stream: str, source: Mapping[str, Any]) -> SourceSpec:
    """The validated ``source:`` block. Raises FixConfiguration naming the stream and the first field that is wrong."""
    try:
        return SourceSpec.model_validate(dict(source))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "source"
        raise FixConfiguration("soap.source_invalid", stream=stream, where=where, why=first["msg"]) from error
