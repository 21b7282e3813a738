"""What a contract's ``source:`` block is made of: one model for each thing that a system may do in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connectors.soap import template
from connectors.soap.sayable import ElementName, Namespace, element_name, is_text
from connectors.soap.template import Body


class Ok(BaseModel):
    """How the application says that all is well, inside HTTP 200. A value in none of the lists is an error with its message.

    ``empty`` values mean that there is nothing (NOT_FOUND): zero rows. ``refused`` values mean bad credentials: never retried; ``retry``
    values a server that can't just now; ``session`` values that a session is over, which is begun anew once where the project has a login.
    ``optional``: a reply without the path is good (a log that comes only with something in it).

    A path through a repeated element (SAP's RETURN) has many values: all of them must be good. ``code`` is another path, whose values are
    looked up in ``empty``, ``refused``, ``retry`` and ``session`` where ``path`` only says yes or no.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str
    values: tuple[str, ...] = Field(min_length=1)
    empty: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    retry: tuple[str, ...] = ()
    session: tuple[str, ...] = ()
    optional: bool = False
    code: str | None = None

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        # Beside a `code` of its own the values only say yes or no, and may be written like one of its codes.
        _disjoint(() if self.code else self.values, self.empty, self.refused, self.retry, self.session)
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        """Where a reply is looked at."""
        return (self.path, self.code) if self.code else (self.path,)


class Faults(BaseModel):
    """What a SOAP Fault means, by its code or subcode without prefix, the name of its detail's first child, or the code inside of that.

    ``refused``: bad credentials or rights. ``retry``: a server that can't just now. ``empty``: nothing there, zero rows. A fault that none
    of them names is judged by its standard code alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    refused: tuple[str, ...] = ()
    retry: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        _disjoint(self.refused, self.retry, self.empty)
        return self


def _disjoint(*lists: tuple[str, ...]) -> None:
    said = [one for values in lists for one in dict.fromkeys(values)]
    if twice := next((one for one in said if said.count(one) > 1), None):
        raise ValueError(f"{twice} stands in two of the lists; it can mean one thing only")


class Header(BaseModel):
    """A header of the envelope with plain values: children by name, nested where they are, in order; ``@name`` is an attribute. Children are
    in the header's namespace; ``{}name`` is in none, ``{namespace}name`` in another.

    Texts may have places, as a body written by hand has: ``{size}``, ``{since?}``, ``{now}``, and the constant arguments.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: ElementName
    namespace: Namespace = ""
    values: Mapping[str, Any] = Field(default_factory=dict[str, Any])

    @field_validator("values")
    @classmethod
    def _as_written(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        return _text(value)


def _text(value: Any) -> Any:
    """A YAML value as XML Schema writes it. Raises ValueError for what no envelope can hold."""
    if isinstance(value, Mapping):
        inner = cast("Mapping[str, Any]", value)
        for name in inner:
            element_name(name.removeprefix("@"))
        return {name: _text(one) for name, one in inner.items()}
    if isinstance(value, list):
        return [_text(one) for one in cast("list[Any]", value)]
    said = ("true" if value else "false") if isinstance(value, bool) else "" if value is None else str(value)
    if not is_text(said):
        raise ValueError(f"{said!r} has characters that XML does not have")
    return said


class More(BaseModel):
    """The operation that gives the pages after the first, where that is another one. Without ``rows`` they lie where the first's do."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    operation: str
    rows: str | None = None
    body: Body | None = None
    ok: Ok | None = None


class End(BaseModel):
    """What says that a page was the last, beside an empty one. Paths lead into the reply, outside of the rows.

    ``flag``: the value at ``path`` is ``value``. ``pages``: the value at ``path`` is the number of pages. ``total``: it is the number of
    rows. ``short``: the page has fewer rows than were asked for; only where the vendor promises full pages.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    rule: Literal["flag", "pages", "total", "short"]
    path: str = ""
    value: str = "true"

    @model_validator(mode="after")
    def _has_path(self) -> Self:
        if self.rule != "short" and not self.path:
            raise ValueError(f"end rule {self.rule} needs `path`, where the reply says it")
        if self.rule == "short" and self.path:
            raise ValueError("end rule short looks at nothing but the number of rows; leave `path` out")
        if self.rule != "flag" and "value" in self.model_fields_set:
            raise ValueError(f"`value` is a flag's; end rule {self.rule} has none")
        return self


#: One child of a row, or all of those that make up a handle.
Source = str | Annotated[tuple[str, ...], Field(min_length=1)]


class ChangedHandles(BaseModel):
    """The operation that lists the handles of what changed since an instant, at the path ``request`` of its request.

    ``until_request`` takes the window's end, where there is such an element. ``rows`` and ``source`` are as for the list of all;
    ``arguments`` are constant elements of this operation's request alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    operation: str
    request: str
    until_request: str = ""
    rows: str | None = None
    source: Source | None = None
    arguments: Mapping[str, Any] = Field(default_factory=dict[str, Any])


class Handles(BaseModel):
    """The operation that lists the handles of all rows; ``source`` is the child of its row that is the handle, empty for the row's own text.

    A list of children is a handle made of all of these: the request then has an element of each name where ``paging.request`` leads, and a
    body written by hand has ``{item.Name}``.

    ``changed`` lists those of a window instead, where there is such an operation; without it a window needs ``changed_since``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    operation: str
    rows: str
    source: Source
    ok: Ok | None = None
    changed: ChangedHandles | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """What the parts of a handle are called in a request, empty where it is one text."""
        return () if isinstance(self.source, str) else tuple(one.rpartition("/")[2] for one in self.source)

    @model_validator(mode="after")
    def _alike(self) -> Self:
        other = self.changed.source if self.changed else None
        if other is not None and (0 if isinstance(other, str) else len(other)) != len(self.parts):
            raise ValueError("changed.source must have as many parts as `source`")
        return self


class Paging(BaseModel):
    """Where the next page begins, and how it is asked for. Every kind ends on an empty page, or earlier where ``end`` says so. An empty page
    that says by ``end`` that more follows is an error, unless it has a new token to go on by.

    ``bookmark`` and ``last_id``: ``request`` carries ``from`` (a child of the row) of the last row. ``offset``: ``request`` carries the
    rows read so far. ``page``: ``request`` carries the page's number from ``first`` on. ``token``: ``request`` carries the text at the
    path ``from`` of the reply before. ``query_more``: the same with another operation, ``more``, from the second page on. ``handles``:
    ``request`` carries the next ``page`` handles of a list. ``none``: one reply is all.

    ``request`` and ``size`` are paths of local names inside the request; a body written by hand has ``{position}`` and ``{size}``.
    ``distinct``: the server may give a row on two pages; the second one is left out, by the stream's key.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    kind: Literal["bookmark", "last_id", "offset", "page", "token", "query_more", "handles", "none"] = "none"
    request: str = ""
    size: str = ""
    page: int = Field(default=4000, ge=1, le=100_000)
    from_: str = Field(default="", alias="from")
    first: int = 1
    more: More | None = None
    end: End | None = None
    handles: Handles | None = None
    distinct: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind not in ("none", "query_more") and not self.request and self.more is None:
            raise ValueError(f"paging of kind {self.kind} needs `request`, the element that carries the position")
        if self.kind in ("bookmark", "last_id") and not self.from_:
            raise ValueError(f"paging of kind {self.kind} needs `from`, the row's element that holds the bookmark")
        if self.kind in ("token", "query_more") and not self.from_:
            raise ValueError(f"paging of kind {self.kind} needs `from`, the path of the token in the reply")
        if self.kind == "query_more" and (self.more is None or self.end is None):
            raise ValueError("paging of kind query_more needs `more`, the operation of further pages, and `end`")
        if (self.kind == "handles") is (self.handles is None):
            raise ValueError("`handles` and paging of kind handles belong together")
        if self.from_ and self.kind not in ("bookmark", "last_id", "token", "query_more"):
            raise ValueError(f"paging of kind {self.kind} goes by nothing that a reply says; leave `from` out")
        if self.kind == "none" and (self.more is not None or self.request):
            raise ValueError("paging of kind none asks once; say its kind, or leave `request` and `more` out")
        return self

    @property
    def by_row(self) -> str:
        """The row's child that carries the position, empty where the reply itself does."""
        return self.from_ if self.kind in ("bookmark", "last_id") else ""


class Filter(BaseModel):
    """The request's repeated filter element and the names of its two children (NAV's are the defaults)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    element: str = "filter"
    field: str = "Field"
    criteria: str = "Criteria"


class ChangedSince(BaseModel):
    """``field`` is filtered by ``criteria``, in which ``{since}`` stands for the instant, in the field's own XSD form.

    ``between`` is used when the window has an end too; its end may be inclusive, for rows on the bound are dropped here.

    ``type`` says what the system compares by where the field's XSD type does not (SAP's DATS is a string), or where it is no field of the
    row at all. A ``date`` reaches a day further on both sides. ``epoch`` counts seconds since 1970 UTC, ``epoch_milliseconds`` thousandths.
    ``format`` is strftime's, for a date or a dateTime, in the stream's ``timezone`` or UTC. ``request`` and ``until_request`` are paths in
    the request that take the bounds themselves, where no filter element does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    field: str = ""
    criteria: str = "{since}.."
    until: str = "..{until}"
    between: str = "{since}..{until}"
    type: Literal["date", "dateTime", "epoch", "epoch_milliseconds"] | None = None
    format: str | None = None
    request: str = ""
    until_request: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.field and self.type is None:
            raise ValueError("changed_since needs `field`, a field of the row, or `type`, what the system compares by")
        if self.until_request and not self.request:
            raise ValueError("until_request needs `request`")
        if self.format is not None:
            if self.type not in ("date", "dateTime"):
                raise ValueError("format needs `type`, date or dateTime")
            day = datetime(2026, 12, 31)  # noqa: DTZ001 - any day will do
            try:
                kept = datetime.strptime(day.strftime(self.format), self.format).replace(tzinfo=None)  # noqa: DTZ007
            except ValueError as error:
                raise ValueError(f"{self.format} can't be read again: {error}") from error
            if kept != day:
                raise ValueError(f"{self.format} must say at least year, month and day")
        return self


class Chunks(BaseModel):
    """Ranges of a key that are read one after the other: below the first bound, between each two, and from the last on.

    ``field`` is filtered by ``criteria`` (``first`` and ``last`` for the open ends); a body written by hand has ``{from?}`` and ``{to?}``.
    A server's ranges may include both ends: a row on a bound that comes twice is left out once, by the stream's key.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    field: str = ""
    bounds: tuple[str, ...] = Field(min_length=1)
    first: str = "..{to}"
    criteria: str = "{from}..{to}"
    last: str = "{from}.."

    def ranges(self) -> tuple[tuple[str | None, str | None], ...]:
        """Every range as its two ends."""
        return tuple(zip((None, *self.bounds), (*self.bounds, None), strict=True))


class Count(BaseModel):
    """The operation that says how many rows there are, at the path ``path`` of its reply. ``arguments`` are constant elements of its request.

    It may be the stream's own operation, asked for a page as small as it gives, where every page says how many rows there are in all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    operation: str
    path: str
    arguments: Mapping[str, Any] = Field(default_factory=dict[str, Any])


class AccessSpec(BaseModel):
    """The operation that lists who may read what: one row for each role, entity and login; the names are children of its row.

    ``is_`` (YAML ``is``) is the entity's name in that list where it differs from the one in this contract's operation. ``service`` is
    the service that has the operation, where it is not the stream's own (``main``: the system's own WSDL).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    operation: str
    role: str
    entity: str
    login: str
    rows: str | None = None
    is_: str | None = Field(default=None, alias="is")
    service: str | None = None


class Files(BaseModel):
    """The operation that gives one file, for streams whose rows name one: ``argument`` is the path in its request that carries the file's
    name (a body written by hand has ``{ref}``), ``content`` the path of the bytes in its reply, as base64Binary or hexBinary.

    ``encoding`` is for a server that puts base64 or hex into an element that its contract calls text. ``size`` is where the reply says how
    many bytes the file has; fewer or more are an error. ``arguments`` are constant request elements.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    operation: str
    content: str
    argument: str = ""
    arguments: Mapping[str, Any] = Field(default_factory=dict[str, Any])
    body: Body | None = None
    encoding: Literal["base64", "hex"] | None = None
    size: str | None = None
    ok: Ok | None = None
    message: str | None = None

    @model_validator(mode="after")
    def _asks_for_one(self) -> Self:
        if not self.argument and (self.body is None or "ref" not in template.names(self.body)):
            raise ValueError("files needs `argument`, the element that carries the file's name, or a body with {ref}")
        return self
