"""The contract of a stream: the reviewed, versioned YAML promise, read strictly and turned into what a connector is told."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from connectors.access import PrincipalKind
from connectors.protocol import Column, Stream
from expectations.band_settings import Bands, Severity
from expectations.policy import DriftPolicy
from expectations.types import parse_type

if TYPE_CHECKING:
    import pyarrow as pa

#: What of an address may change without the promise being another one.
_MOVING = frozenset({"app_id", "revision", "fingerprint", "id"})


#: Columns that every landed row carries beside the contract's own.
RESERVED = frozenset({"_key", "_stream", "_pull_id", "_pulled_at", "_op", "_source_version", "_contract_version", "_row_hash", "_scope"})


#: Who accepts what nobody was asked about.
BY_POLICY = "policy: evolve"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldSpec(_Strict):
    """One field: ``name`` in our tables, ``source`` the vendor's code, ``type`` an Arrow type text, nested shapes in ``fields``."""

    name: str = Field(pattern=r"^[^\s/\\.`]+$")
    source: str
    label: str = ""
    type: str
    required: bool = False
    description: str = ""
    unit: str = ""
    sensitivity: Literal["public", "internal", "confidential"] = "internal"
    options: tuple[str, ...] = ()
    fields: tuple[FieldSpec, ...] = ()

    def column(self) -> Column:
        children = tuple(child.column() for child in self.fields)
        return Column(self.name, self.source, parse_type(self.type, tuple((c.name, c.type) for c in children)), self.required, children)


class CursorSpec(_Strict):
    """``field`` is the column with the source's update time; ``lookback`` an ISO 8601 duration re-read on every incremental pull.

    ``deletes``: how rows that are gone are found. With ``feed`` the connector goes on from its own cursor, which names what is gone and what
    is under another scope than when it left. ``count-then-bisect`` leaves it to the connector, which is told what we hold; after
    ``reconcile`` a pull reads everything, so that what the incremental way missed is found and counted.
    """

    field: str
    lookback: str = "PT5M"
    deletes: Literal["count-then-bisect", "count-then-keys", "feed", "none"] = "count-then-keys"
    reconcile: str = "P7D"


class Vanishing(_Strict):
    """More rows gone than ``rows`` and than this ``share`` of the live ones: a person has to say that it is true."""

    share: float = Field(default=0.05, ge=0, le=1)
    rows: int = Field(default=20, ge=0)


class Expectation(BaseModel):
    """A Great Expectations rule by its snake-case name; other keys are its arguments."""

    model_config = ConfigDict(extra="allow", frozen=True)

    expect: str
    column: str | None = None
    severity: Severity = "critical"

    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class AccessSpec(_Strict):
    """``source`` takes rights from the system; a fixed list of principals (``kind:system:id``, as ``connectors.access.principal`` makes
    them) replaces them. Read again when older than ``refresh``.
    """

    from_: Literal["source"] | tuple[str, ...] = Field(default="source", alias="from")
    refresh: str = "PT1H"

    @field_validator("from_")
    @classmethod
    def _principals(cls, value: Literal["source"] | tuple[str, ...]) -> Literal["source"] | tuple[str, ...]:
        for one in () if value == "source" else value:
            kind, _, rest = one.partition(":")
            if kind not in get_args(PrincipalKind) or not rest:
                raise ValueError(f"{one!r} is no principal: it has the form kind:system:id (user:erp:ito, everyone:kintone)")
        return value


class Owners(_Strict):
    business: str = ""
    technical: str = ""


class Seconded(_Strict):
    """The second person who accepted a version that breaks readers, when, and why where a reason was given."""

    by: str = Field(min_length=1)
    at: str
    why: str = ""


class Acceptance(_Strict):
    """Who accepted this version, when and why. One that breaks readers needs a second person.

    ``changes`` are the differences of the source that were accepted with it and that a contract has no other word for, each as one line.
    ``promise`` is the fingerprint of what was accepted: a yes to one text is none to what that text is edited into afterwards.
    """

    by: str = Field(min_length=1)
    at: str
    why: str = Field(min_length=1)
    promise: str = ""
    changes: tuple[str, ...] = ()
    seconded: Seconded | None = None

    @property
    def by_two(self) -> bool:
        """Whether two different people stand behind it; a policy is none."""
        return self.seconded is not None and not self.by_policy and not same_person(self.seconded.by, self.by)

    @property
    def by_policy(self) -> bool:
        """Whether a contract's own policy wrote the version, and nobody was asked."""
        return same_person(self.by, BY_POLICY)


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's: widths, capitals, spaces and signs make nobody another, nor does a family name that stands first,
    a character in another of its shapes (辻), or one that can't be seen. A name in which no letter is left is everybody's.
    """
    first, second = _letters(one), _letters(other)
    return not first or not second or sorted(first) == sorted(second) or "".join(first) == "".join(second)


def _letters(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", name).casefold()
    # Of marks, variation selectors are those that do not change which letter it is.
    seen = ("" if unicodedata.category(one) == "Cf" or unicodedata.name(one, "").startswith("VARIATION SELECTOR") else one for one in plain)
    return "".join(one if unicodedata.category(one)[0] in "LMN" else " " for one in "".join(seen)).split()


class DocumentSpec(_Strict):
    """How a row becomes a document for the index. ``files`` joins the row's files; ``html`` names columns that hold HTML. ``template`` is text with
    columns' names in braces, each line a paragraph before the body's labelled lines.
    """

    title: str
    template: str = ""
    body: tuple[str, ...] = ()
    html: tuple[str, ...] = ()
    url: str | None = None
    files: bool = False

    @field_validator("template")
    @classmethod
    def _plain_names(cls, value: str) -> str:
        for _, name, spec, conversion in Formatter().parse(value):
            if name is not None and (not name or spec or conversion or any(mark in name for mark in ".[]\n")):
                raise ValueError(f"{{{name}}} is no column's name; a brace that is text is written twice")
        return value

    @property
    def named(self) -> tuple[str, ...]:
        """The columns that the template names, each once."""
        return tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(self.template) if name))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a document shows or leads back by, each once."""
        return tuple(dict.fromkeys((self.title, *self.named, *self.body, *self.html, *((self.url,) if self.url else ()))))


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class ContentSpec(_Strict):
    """Files behind the rows: which column names them. ``kind: file`` – the row is the file; ``kind: list`` – a list<struct> column.

    ``version`` names the column, or columns together, that say whether the bytes are others; while they say the same, a file is not fetched
    again. Without it the connector's own word counts, where it has one.
    """

    kind: Literal["file", "list"]
    ref: str
    name: str = "name"
    media_type: str = "media_type"
    size: str = "size"
    max_bytes: int = 50_000_000
    version: Annotated[tuple[str, ...], BeforeValidator(_one_or_more, json_schema_input_type=str | tuple[str, ...])] = ()


class ParentSpec(_Strict):
    """The stream whose row each row here is a part of: ``key`` names the columns, of this stream's own key, that hold that row's key.

    What is held of either keeps the whole document from readers.
    """

    stream: str
    key: tuple[str, ...] = Field(min_length=1)


class Contract(_Strict):
    """See DESIGN: where a stream comes from, its fields and types, key, cursor, expectations, access, owners."""

    stream: str = Field(pattern=r"^[a-z0-9_-]+/[a-z0-9_-]+$")
    version: int = Field(ge=1)
    title: str = ""
    description: str = ""
    source: dict[str, Any]
    key: tuple[str, ...] = Field(min_length=1)
    cursor: CursorSpec | None = None
    fields: tuple[FieldSpec, ...] = Field(min_length=1)
    exclude: tuple[str, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    bands: Bands = Bands()
    drift: DriftPolicy = DriftPolicy()
    access: AccessSpec = AccessSpec()
    vanishing: Vanishing = Vanishing()
    owners: Owners = Owners()
    document: DocumentSpec | None = None
    content: ContentSpec | None = None
    parent: ParentSpec | None = None
    accepted: Acceptance | None = None

    @field_validator("fields")
    @classmethod
    def _names_once(cls, value: tuple[FieldSpec, ...]) -> tuple[FieldSpec, ...]:
        seen: set[str] = set()
        for field in value:
            if field.name.lower() in RESERVED:
                raise ValueError(f"name {field.name!r} is that of a column of ours")
            if field.source in seen:
                raise ValueError(f"source {field.source!r} stands twice")
            seen.add(field.source)
        _hold_once(value)
        return value

    @property
    def system(self) -> str:
        return self.stream.split("/")[0]

    @property
    def name(self) -> str:
        return self.stream.split("/")[1]

    def columns(self) -> tuple[Column, ...]:
        return tuple(field.column() for field in self.fields)

    def arrow_schema(self) -> pa.Schema:
        """Arrow schema of the contract's columns, in contract order; labels and source codes as field metadata."""
        import pyarrow as pa

        return pa.schema(
            [
                pa.field(column.name, column.type, metadata={"source": field.source, "label": field.label or field.source})
                for field, column in zip(self.fields, self.columns(), strict=True)
            ]
        )

    def told(self) -> Stream:
        """What the connector is told: the address without what only we keep beside it (fingerprint, revision)."""
        return Stream(
            system=self.system,
            name=self.name,
            source={k: v for k, v in self.source.items() if k not in ("fingerprint", "revision")},
            key=self.key,
            columns=self.columns(),
            cursor=self.cursor.field if self.cursor else None,
        )

    def address(self) -> dict[str, Any]:
        """Where the rows come from: ``source`` without what may move while it stays the same. Where nothing else names an app, its number does."""
        named = any(name in self.source for name in ("app_code", "app_name"))
        moving = _MOVING if named else _MOVING - {"app_id"}
        source: dict[str, Any] = self.model_dump(mode="json", include={"source"})["source"]
        return {name: value for name, value in source.items() if name not in moving}

    def promise(self) -> dict[str, Any]:
        """The promise itself, as JSON values: what readers rely on, and what of the source was looked at (its fingerprint, the changes that were
        accepted by name). Left out is what may change freely: an app's number and revision, names and words for people, who owns it and who
        accepted it.
        """
        body = self.model_dump(mode="json", by_alias=True, exclude={"version", "accepted", "owners", "description", "title"})
        looked_at = {name: value for name, value in body["source"].items() if name == "fingerprint"}
        body["source"] = self.address() | looked_at
        if self.accepted and self.accepted.changes:
            body["accepted"] = list(self.accepted.changes)
        if self.bands == Bands():
            # A contract that says nothing of it is the promise that it was before it could.
            del body["bands"]
        if body["content"] and not body["content"]["version"]:
            # As above.
            del body["content"]["version"]
        if body["parent"] is None:
            del body["parent"]
        if body["document"] and not body["document"]["template"]:
            del body["document"]["template"]
        _without_words(body["fields"])
        return body

    def promise_text(self) -> str:
        """The promise as the JSON text that is hashed."""
        return json.dumps(self.promise(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    def fingerprint(self) -> str:
        """``sha256:…`` of the promise."""
        return "sha256:" + hashlib.sha256(self.promise_text().encode()).hexdigest()

    def described(self) -> Completeness:
        """How much of what people need to know of the fields is said."""
        fields = list(_every(self.fields))
        numbers = [field for field in fields if field.type.startswith(_NUMBERS)]
        return Completeness(
            fields=len(fields),
            described=sum(bool(field.description) for field in fields),
            numbers=len(numbers),
            with_unit=sum(bool(field.unit) for field in numbers),
            owners=sum(map(bool, (self.owners.business, self.owners.technical))),
        )


#: Types of amounts: a number without a unit is a riddle. Identifiers are whole numbers, and need none.
_NUMBERS = ("decimal128", "double", "float")


@dataclass(frozen=True)
class Completeness:
    """``described`` of ``fields`` say what they hold, ``with_unit`` of ``numbers`` in what unit; of two ``owners`` so many are named."""

    fields: int
    described: int
    numbers: int
    with_unit: int
    owners: int

    @property
    def score(self) -> float:
        """0 to 1: what is said of what could be said."""
        return (self.described + self.with_unit + self.owners) / (self.fields + self.numbers + 2)


def _every(fields: tuple[FieldSpec, ...]) -> Iterator[FieldSpec]:
    for field in fields:
        if field.fields:
            yield from _every(field.fields)
        else:
            yield field


def _hold_once(fields: tuple[FieldSpec, ...]) -> None:
    """Tables tell no capitals from small letters in the names of columns."""
    seen: set[str] = set()
    for field in fields:
        if field.name.lower() in seen:
            raise ValueError(f"name {field.name!r} stands twice")
        seen.add(field.name.lower())
        _hold_once(field.fields)


def _without_words(fields: list[dict[str, Any]]) -> None:
    for field in fields:
        for word in ("label", "description", "unit"):
            del field[word]
        _without_words(field["fields"])
