"""What a person writes about a SOAP system: ``Config`` in project.yaml and ``SourceSpec``, the ``source:`` block of a contract."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from connectors.errors import FixConfiguration
from connectors.soap import template
from connectors.soap.address import Host, HttpUrl
from connectors.soap.auth import Auth
from connectors.soap.presets import PresetError, expanded
from connectors.soap.reading import Beyond, Finer, Reading, Zone, zones
from connectors.soap.sources import AccessSpec, ChangedSince, Chunks, Count, Faults, Files, Filter, Header, Ok, Paging
from connectors.soap.template import Body
from connectors.validation import first_fault


class Budget(BaseModel):
    """At most ``calls`` requests in any ``seconds`` seconds, as a vendor's limit says it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    calls: int = Field(ge=1)
    seconds: float = Field(gt=0)


#: The name of a system's own WSDL among its services.
MAIN = ""


class Service(BaseModel):
    """A further WSDL of the system. ``auth`` replaces the system's as a whole; what is left out is as for the system."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    wsdl: str
    endpoint: str | None = None
    auth: Auth | None = None
    addressing: Literal["contract", "always", "never"] | None = None
    hosts: tuple[str, ...] | None = None


class Config(BaseModel):
    """``endpoint`` replaces the address the WSDL advertises, for servers that name a host of their inner network.

    ``services`` are further WSDLs of the same system by name; a contract's ``source.service`` says which one a stream is read from.

    ``bundle_dir`` keeps every WSDL closure that was read (documents with their sha256), for review and for use without fetching;
    ``offline`` uses what lies there and fetches no contract at all. ``hosts`` are further hosts (``name`` or ``name:port``) that the
    WSDL's imports may name; credentials are never sent to them. ``addressing``: WS-Addressing headers where the contract asks for them,
    or whatever it says. ``budget`` keeps all requests together below the vendor's limit.

    ``wait_seconds`` is the longest silence: until a reply begins, and between any two of its bytes. ``reply_seconds`` is how long it may
    take from its beginning to its last byte, whatever comes in between.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["soap"] = "soap"
    wsdl: HttpUrl
    endpoint: HttpUrl | None = None
    auth: Auth = Auth()
    bundle_dir: Path | None = None
    offline: bool = False
    addressing: Literal["contract", "always", "never"] = "contract"
    hosts: tuple[Host, ...] = ()
    budget: Budget | None = None
    wait_seconds: float = Field(default=60, gt=0)
    reply_seconds: float = Field(default=1800, gt=0)
    services: Mapping[str, Service] = Field(default_factory=dict[str, Service])

    def of(self, service: str) -> Config:
        """The settings of one service (``MAIN``: the system's own), checked like those of a system."""
        if service == MAIN:
            return self.model_copy(update={"services": {}})
        said = {name: value for name, value in self.services[service] if value is not None}
        return Config.model_validate({**dict(self), "endpoint": None, "services": {}, **said})

    @field_validator("services")
    @classmethod
    def _named(cls, value: Mapping[str, Service]) -> Mapping[str, Service]:
        for name in value:
            if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
                raise ValueError(f"{name!r} is no name of a service; use lower-case letters, digits and hyphens")
        return value

    @model_validator(mode="after")
    def _offline_has_a_folder(self) -> Self:
        if self.offline and self.bundle_dir is None:
            raise ValueError("offline needs bundle_dir, the folder that holds the contract")
        return self

    @model_validator(mode="after")
    def _secrets_stay_encrypted(self) -> Self:
        oauth2 = self.auth.oauth2
        if oauth2 is not None and self.wsdl.startswith("https:") and not oauth2.token_url.startswith("https:"):
            raise ValueError("auth.oauth2.token_url must be https, as wsdl is: the client's secret is sent there")
        return self

    @model_validator(mode="after")
    def _services_are_whole(self) -> Self:
        for name in self.services:
            self.of(name)
        return self


class SourceSpec(BaseModel):
    """A contract's ``source:`` block. Paths are local names joined by ``/``, from the Body's first child down, without that child.

    ``timezone`` (IANA) is what a dateTime without a zone means; without it such values are rejected. ``null_values`` are texts that
    mean "nothing" in typed columns (``0001-01-01``). ``arguments`` are constant request elements. ``empty_as_null`` says that an empty
    element in a typed column is null and not an error. What has no place in its column holds its row, unless it is declared: ``beyond: keep``
    gives values that the schema's facets do not allow (a list of values, lengths, bounds, digits, patterns) and their type holds; ``finer:
    truncate`` cuts times off below the microsecond; ``zone: drop`` reads a date or a time of day without its zone. Each is counted.

    ``service`` is the WSDL that has the operation, by its name in project.yaml; empty for the system's own. ``body`` is a request body
    written by hand (see ``template``) where arguments can't say it. ``row_type`` is the type that every row is
    of, where the contract only names a base of it. ``total`` is where a reply says how many rows there are in all its pages.
    ``read`` says by a column's source how its text is read where its XSD type does not (``lines/*/total`` for a column of a list). ``table``
    is the path of a repeated element of the row whose items are the stream's rows. ``headers`` are SOAP headers that are no secrets.
    ``{now}`` in a body, a header or an argument is the instant at which the pull began, the same on all its pages, as a dateTime in UTC.
    ``max_attachment`` is the most bytes that one value or file may have, in megabytes. ``expect_nonempty`` says that there always are rows:
    none at all, where nothing narrows a pull in time, is an error, for a server that misreads a filter answers well and gives nothing.
    ``complete: false`` says that nothing tells whether what comes is every row: an operation that ends without a word at a limit, or gives
    only what is open or recent, in a service that counts nothing. What does not come is then not gone, and no books of it are verified.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    operation: str
    rows: str
    service: str = MAIN
    ok: Ok | None = None
    faults: Faults | None = None
    message: str | None = None
    row_count: str | None = None
    paging: Paging = Paging()
    filter: Filter = Filter()
    changed_since: ChangedSince | None = None
    count: Count | None = None
    access: AccessSpec | None = None
    files: Files | None = None
    max_attachment: int = Field(default=100, ge=1, le=1000)
    read: Mapping[str, Reading] = Field(default_factory=dict[str, Reading])
    table: str = ""
    arguments: Mapping[str, Any] = Field(default_factory=dict[str, Any])
    headers: tuple[Header, ...] = ()
    body: Body | None = None
    row_type: str | None = None
    total: str | None = None
    chunks: Chunks | None = None
    timezone: str | None = None
    null_values: tuple[str, ...] = ()
    empty_as_null: bool = False
    beyond: Beyond = "hold"
    finer: Finer = "hold"
    zone: Zone = "hold"
    fingerprint: str | None = None
    revision: str | None = None
    expect_nonempty: bool = False
    complete: bool = True

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in zones():
            raise ValueError(f"{value} is no IANA time zone name (Asia/Tokyo is one)")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        said = template.values_of(self.arguments)
        size = self.paging.size.rpartition("/")[2]
        if size and size in said:
            raise ValueError(f"{size} is set by paging and by arguments; leave one out")
        # SAP ByDesign refuses a request that has both (Query processing conditions).
        sent = [{**said, **({size: ""} if size else {})}] if self.body is None else []
        sent += [template.constants(body, said) for body in (self.body, self.paging.more and self.paging.more.body) if body]
        if any(one.get("QueryHitsUnlimitedIndicator") in ("true", "1") and "QueryHitsMaximumNumberValue" in one for one in sent):
            raise ValueError("QueryHitsUnlimitedIndicator is true, so QueryHitsMaximumNumberValue must be absent")
        if self.body is not None and self.paging.kind not in ("none", "query_more") and self.paging.more is None:
            known = template.names(self.body)
            if "position" not in known:
                raise ValueError("paging needs a place {position?} in the body")
        if not self.complete and (self.count is not None or self.total is not None):
            raise ValueError("the service counts its rows (count, total), so what is complete is known; leave `complete` out")
        if self.chunks is not None and self.body is None and not self.chunks.field:
            raise ValueError("chunks needs `field`, or a body with {from?} and {to?}")
        if self.chunks is not None and self.paging.kind == "handles":
            raise ValueError("handles are read slice by slice; leave chunks out")
        return self


def source_spec(stream: str, source: Mapping[str, Any]) -> SourceSpec:
    """The validated ``source:`` block, its preset filled in. Raises FixConfiguration naming the stream and the first field that is wrong."""
    try:
        return SourceSpec.model_validate(expanded(source))
    except PresetError as error:
        raise FixConfiguration("soap.source_invalid", stream=stream, where=error.where, why=str(error)) from error
    except ValidationError as error:
        where, why = first_fault(error, SourceSpec, "source")
        raise FixConfiguration("soap.source_invalid", stream=stream, where=where, why=why) from error
