"""The contract of a stream: the reviewed, versioned YAML promise, read strictly and turned into what a connector is told."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from connectors.access import PrincipalKind
from connectors.errors import FixConfiguration
from connectors.messages import Said
from connectors.protocol import Column, Stream
from connectors.validation import first_fault
from expectations.types import parse_type

if TYPE_CHECKING:
    import pyarrow as pa

Policy = Literal["report", "ask", "stop"]
Severity = Literal["critical", "warning", "info"]


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


class DriftPolicy(_Strict):
    """What each kind of drift does: ``report`` goes on and says so, ``ask`` and ``stop`` end the pull before a row is written."""

    added: Policy = "report"
    removed: Policy = "stop"
    renamed: Policy = "ask"
    retyped: Policy = "stop"
    widened: Policy = "ask"
    required: Policy = "report"
    options: Policy = "report"
    identity: Policy = "ask"
    label: Policy = "report"


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


class Acceptance(_Strict):
    by: str
    at: str
    why: str


class DocumentSpec(_Strict):
    """How a row becomes a document for the index. ``files`` joins the row's files; ``html`` names columns that hold HTML."""

    title: str
    body: tuple[str, ...] = ()
    html: tuple[str, ...] = ()
    url: str | None = None
    files: bool = False


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
    drift: DriftPolicy = DriftPolicy()
    access: AccessSpec = AccessSpec()
    vanishing: Vanishing = Vanishing()
    owners: Owners = Owners()
    document: DocumentSpec | None = None
    content: ContentSpec | None = None
    accepted: Acceptance | None = None

    @field_validator("fields")
    @classmethod
    def _names_once(cls, value: tuple[FieldSpec, ...]) -> tuple[FieldSpec, ...]:
        for attribute in ("name", "source"):
            seen: set[str] = set()
            for field in value:
                text: str = getattr(field, attribute)
                if text in seen:
                    raise ValueError(f"{attribute} {text!r} stands twice")
                seen.add(text)
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

    def fingerprint(self) -> str:
        """``sha256:…`` of the promise itself. The app's number, revision and who accepted it are left out: they may change freely."""
        body = self.model_dump(mode="json", by_alias=True, exclude={"version", "accepted", "owners", "description", "title"})
        for moving in ("app_id", "revision", "fingerprint", "id"):
            body["source"].pop(moving, None)
        if body["content"] and not body["content"]["version"]:
            # A contract that says nothing of it is the promise that it was before it could.
            del body["content"]["version"]
        text = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def read_contract(path: Path) -> Contract:
    """Read one contract file. Raises FixConfiguration naming file, place and fault."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        raw = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FixConfiguration("contract.unreadable", path=str(path), reason=error.strerror or str(error)) from error
    except YAMLError as error:
        raise FixConfiguration("contract.not_yaml", path=str(path), reason=" ".join(str(error).split())) from error
    try:
        contract = Contract.model_validate(raw)
        for number, field in enumerate(contract.fields):
            try:
                field.column()
            except FixConfiguration as error:
                reason = Said(lambda lang, error=error: error.say(lang).rstrip(".。"))
                raise FixConfiguration(
                    "contract.invalid", path=str(path), place=f"fields.{number} ({field.name})", reason=reason
                ) from error
    except ValidationError as error:
        place, reason = first_fault(error, Contract)
        raise FixConfiguration("contract.invalid", path=str(path), place=place, reason=reason) from error
    names = {field.name for field in contract.fields}
    wanted = [*contract.key, *([contract.cursor.field] if contract.cursor else [])]
    wanted += [e.column for e in contract.expectations if e.column]
    if contract.document:
        wanted += [
            contract.document.title,
            *contract.document.body,
            *contract.document.html,
            *([contract.document.url] if contract.document.url else []),
        ]
    if contract.content:
        spec = contract.content
        wanted += [spec.ref, spec.name, spec.media_type, spec.size, *spec.version] if spec.kind == "file" else [spec.ref]
    for name in wanted:
        if name not in names:
            raise FixConfiguration("contract.no_such_field", path=str(path), field=name)
    return contract
