"""How a contract says that a column's text is to be read where its XSD type does not: declared column by column, in ``source.read``.

An ERP's contract often says less than its data: money as a string, dates as seconds, ``Yes`` for a boolean, a document inside a text. The
declaration names the type that the WSDL gives (``from``), so that a WSDL which gives another one is drift and not a silent change.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal, Self
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.soap.forms import Currency, Form

#: What becomes of a value that its type holds and the schema's facets do not allow.
Beyond = Literal["hold", "keep"]
#: What becomes of digits below the microsecond.
Finer = Literal["hold", "truncate"]
#: What becomes of a zone that a column has no place for.
Zone = Literal["hold", "drop"]


@cache
def zones() -> frozenset[str]:
    """The names of all IANA time zones that this machine knows. To look for them is to read their whole folder."""
    return frozenset(available_timezones())


class Inner(BaseModel):
    """A table inside a text. ``xml``: ``rows`` is the path of its repeated element below the document element, and the sources of the inner
    columns are paths below that (``No``, ``Amount@currency``). ``csv`` (RFC 4180): the first line names the columns, and they are the sources.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal["xml", "csv"]
    rows: str = ""
    delimiter: str = Field(default=",", min_length=1, max_length=1)

    @model_validator(mode="after")
    def _rows_where_there_are_elements(self) -> Self:
        if (self.format == "xml") is not bool(self.rows):
            raise ValueError("inner xml needs `rows`, the path of its repeated element; inner csv has none")
        return self


class Reading(BaseModel):
    """One column. ``from`` is the built-in of the WSDL's type (``string``, ``int``); with it the contract's own type for the column holds.

    ``values`` maps texts as they are sent to texts as XSD writes them (``Yes: "true"``); a text it does not name is read as it is.
    ``null_values`` mean "nothing" here, besides those of the stream. ``empty``: what an empty element is, ``null`` or an ``error``, where that
    differs from the stream's. ``timezone`` (IANA) is what a dateTime without a zone means here. ``epoch`` says that a number counts
    ``seconds`` or ``milliseconds`` since 1970 UTC. ``mask`` keeps of a text that it is there, and nothing more. ``inner`` is a table in a text.
    ``sent_as`` is what the element is called in replies, where the server spells it otherwise than its WSDL. ``beyond``, ``finer`` and
    ``zone`` are as for the stream (see ``SourceSpec``), for this column.

    ``form`` is how an older system writes: ``trailing_minus`` a number with its minus behind (``12.50-``), ``grouped`` one with a comma at
    its thousands (``1,234.50``), ``cyyddd`` a day of JD Edwards (``126315``, 0 for none), ``dats`` and ``tims`` a day and a time of SAP (``20261101``, ``00000000`` for none; ``093000``). ``currency``
    is for amounts that are kept with the same number of decimals whatever their currency.

    ``inside: xml`` keeps an element that a column has whole as XML, where it would be JSON.

    ``repeats``: the element comes again with the same text, and that is no fault. ``from: any`` is for an element that the WSDL does not
    name, but leaves open (xsd:any).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    from_: str | None = Field(default=None, alias="from")
    values: Mapping[str, str] = Field(default_factory=dict[str, str])
    null_values: tuple[str, ...] = ()
    empty: Literal["null", "error"] | None = None
    timezone: str | None = None
    epoch: Literal["seconds", "milliseconds"] | None = None
    mask: bool = False
    inner: Inner | None = None
    sent_as: str = ""
    form: Form | None = None
    currency: Currency | None = None
    beyond: Beyond | None = None
    finer: Finer | None = None
    zone: Zone | None = None
    repeats: bool = False
    inside: Literal["xml"] | None = None

    @property
    def rules(self) -> bool:
        """Whether the stream's own rules for values hold here only in part."""
        return any(one is not None for one in (self.timezone, self.empty, self.beyond, self.finer, self.zone))

    @property
    def reads(self) -> bool:
        """Whether it says how a text is read."""
        return self.rules or self.by_value

    @property
    def by_value(self) -> bool:
        """Whether no kernel knows how to read such a column."""
        return bool(self.values or self.null_values or self.epoch or self.mask or self.inner or self.empty or self.rewritten)

    @property
    def rewritten(self) -> bool:
        """Whether the text is another one in XML Schema."""
        return self.form is not None or self.currency is not None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.timezone is not None and self.timezone not in zones():
            raise ValueError(f"{self.timezone} is no IANA time zone name (Asia/Tokyo is one)")
        if self.mask and (self.inner or self.epoch or self.rewritten):
            raise ValueError("a masked column has no inner table, no epoch, no form and no currency")
        if (self.epoch or self.inner or self.rewritten) and self.from_ is None:
            raise ValueError("epoch, inner, form and currency need `from`, the type that the WSDL gives")
        if sum((self.epoch is not None, self.inner is not None, self.rewritten)) > 1:
            raise ValueError("a text is read by one of epoch, inner, and form with or without currency")
        if self.currency is not None and self.form not in (None, "trailing_minus"):
            raise ValueError("what is a day or a time has no currency")
        return self
