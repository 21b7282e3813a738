"""An offer becomes a proposed contract: every field named and typed, rules only where the source itself declares them, gaps as questions.

What the source says is written down; what only a person can know is left blank and asked for. A required field gets no not-null rule,
because ``required: true`` brings its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from connectors.errors import FixConfiguration
from connectors.protocol import LiveField, Offer
from expectations.contract import Contract, CursorSpec, Expectation, FieldSpec
from expectations.types import parse_type, write_type
from pipelines.reports import glossary as naming
from pipelines.reports.documents import FILE_NAMES, content_of, document_of
from pipelines.reports.glossary import Glossary

if TYPE_CHECKING:
    import pyarrow as pa

#: How deletions show, and how far an incremental pull reads back, by kind of system. kintone's update times have whole minutes; an ERP's
#: night batch may post for the day before; SharePoint's change feed tells deletions itself.
_CURSORS: Mapping[str, tuple[str, Literal["count-then-bisect", "count-then-keys", "feed"]]] = {
    "kintone": ("PT5M", "count-then-bisect"),
    "soap": ("P1D", "count-then-keys"),
    "sharepoint": ("PT5M", "feed"),
}
#: Fields that every source of a vendor has, under codes that depend on who made it: named by their type, so that no dictionary need know them.
_EVERYWHERE: Mapping[str, str] = {
    "__ID__": "record_id", "__REVISION__": "revision", "__ROW_ID__": "row_id", "RECORD_NUMBER": "record_number", "CREATOR": "created_by",
    "CREATED_TIME": "created_at", "MODIFIER": "updated_by", "UPDATED_TIME": "updated_at", "STATUS": "status", "STATUS_ASSIGNEE": "assignees",
    "CATEGORY": "categories",
}  # fmt: skip
#: XSD pattern syntax that the rules' regular expressions (RE2) don't have: name characters, Unicode blocks, subtracted classes.
_ONLY_XSD = re.compile(r"\\[icIC]|\\[pP]\{Is|-\[[^\]]*\]\]")


@dataclass(frozen=True)
class Question:
    """Something a person must decide or mend. ``code`` stands in the message catalogue; ``place`` is where its comment goes in the YAML."""

    code: str
    params: Mapping[str, object]
    place: str = ""


@dataclass(frozen=True)
class Proposal:
    """A contract as proposed, and what it leaves open."""

    contract: Contract
    questions: tuple[Question, ...]


def stream_of(system: str, offer: Offer, glossary: Glossary, taken: set[str]) -> str:
    """The key (``system/stream``) of an offer: from the dictionary, else from its name, else a short hash of its title. Adds it to ``taken``."""
    name = glossary.stream(system, offer.name, offer.title) or naming.stream_name(offer.name)
    name = name or "stream-" + hashlib.sha256((offer.name + offer.title).encode()).hexdigest()[:8]
    number, chosen = 1, f"{system}/{name}"
    while chosen in taken:
        number += 1
        chosen = f"{system}/{name}-{number}"
    taken.add(chosen)
    return chosen


def propose(stream: str, kind: str, offer: Offer, glossary: Glossary) -> Proposal:
    """The contract proposed for ``offer``. ``kind`` is the system's kind. Raises FixConfiguration when the offer has no usable field."""
    questions: list[Question] = []
    live, exclude = _usable(offer.schema.fields, questions)
    if not live:
        raise FixConfiguration("map.no_fields", stream=stream)
    taken: set[str] = set()
    fields = tuple(_field(one, stream, (), glossary, taken) for one in live)
    by_source = {field.source: field for field in fields}
    key = _key(offer, live, questions)
    cursor = None
    if offer.cursor and offer.cursor in by_source:
        lookback, deletes = _CURSORS.get(kind, ("PT5M", "count-then-keys"))
        cursor = CursorSpec(field=by_source[offer.cursor].name, lookback=lookback, deletes=deletes)
    else:
        questions.append(Question("map.no_cursor", {}))
    guarded = [by_source[source] for source in (*key, *((offer.cursor,) if cursor and offer.cursor else ()))]
    document = document_of(live, by_source)
    contract = Contract(
        stream=stream,
        version=1,
        title=offer.title,
        source=_source(offer),
        key=tuple(by_source[source].name for source in key),
        cursor=cursor,
        fields=fields,
        exclude=tuple(exclude),
        expectations=tuple(_expectations(offer, live, by_source, guarded)),
        document=document,
        content=content_of(live, by_source),
    )
    questions += _open_questions(contract, live, kind)
    return Proposal(contract, tuple(questions))


def _usable(fields: Iterable[LiveField], questions: list[Question]) -> tuple[list[LiveField], list[str]]:
    """The fields whose type a contract can state, and the source codes of the others, each with a question."""
    kept: list[LiveField] = []
    left: list[str] = []
    for field in fields:
        try:
            _spec(field, "x", children_of(field)).column()
        except FixConfiguration:
            left.append(field.source)
            questions.append(Question("map.type_not_possible", {"field": field.label or field.source, "type": str(field.type)}, "exclude"))
        else:
            kept.append(field)
    return kept, left


def children_of(field: LiveField) -> tuple[LiveField, ...]:
    """The inner fields of a nested field: as the source describes them, else as its Arrow type has them."""
    import pyarrow as pa

    if field.children:
        return field.children
    kind = field.type.value_type if pa.types.is_list(field.type) else field.type
    return tuple(LiveField(inner.name, "", inner.type, "") for inner in kind) if pa.types.is_struct(kind) else ()


def _spec(field: LiveField, name: str, children: tuple[LiveField, ...], inner: tuple[FieldSpec, ...] | None = None) -> FieldSpec:
    if inner is None:
        inner = tuple(_spec(child, f"c{number}", children_of(child)) for number, child in enumerate(children))
    options = field.facets.get("options", ())
    return FieldSpec(
        name=name,
        source=field.source,
        label=field.label,
        type=_type_text(field.type),
        required=field.required,
        unit=str(field.facets.get("unit", "")),
        options=options if isinstance(options, tuple) else (),
        fields=inner,
    )


def _type_text(kind: pa.DataType) -> str:
    text = write_type(kind)
    if text not in ("list", "struct"):
        parse_type(text)
    return text


def _field(field: LiveField, stream: str, around: tuple[str, ...], glossary: Glossary, taken: set[str]) -> FieldSpec:
    path = (*around, field.source)
    children = children_of(field)
    is_files = {child.source for child in children} >= set(FILE_NAMES)
    own: set[str] = set()
    inner: list[FieldSpec] = []
    for child in children:
        if is_files and child.source in FILE_NAMES:
            inner.append(_spec(child, naming.unique(FILE_NAMES[child.source], own), (), ()))
        else:
            inner.append(_field(child, stream, path, glossary, own))
    name = glossary.term(stream, path, field.label) or _EVERYWHERE.get(field.vendor_type) or naming.named_by_rule(field.source, field.label)
    return _spec(field, naming.unique(name, taken), children, tuple(inner))


def _source(offer: Offer) -> dict[str, Any]:
    """The offer's address with the fingerprint and, where the source numbers its settings, their revision."""
    source = {name: value for name, value in offer.source.items() if name not in ("fingerprint", "revision")}
    source["fingerprint"] = offer.schema.fingerprint
    if offer.schema.revision:
        revision = offer.schema.revision
        source["revision"] = int(revision) if revision.isdigit() else revision
    return source


def _key(offer: Offer, live: list[LiveField], questions: list[Question]) -> tuple[str, ...]:
    known = {field.source for field in live}
    if offer.key and set(offer.key) <= known:
        return offer.key
    required = [field for field in live if field.required and not children_of(field)]
    best = next((field for field in (*required, *live) if field.facets.get("unique")), None) or next(iter(required), live[0])
    questions.append(Question("map.no_key", {"field": best.source}, "key"))
    return (best.source,)


def _expectations(
    offer: Offer, live: list[LiveField], by_source: Mapping[str, FieldSpec], guarded: list[FieldSpec]
) -> Iterable[Expectation]:
    """Rules that the source's own description makes certain: it is not empty, keys are there, choices and formats are those declared."""
    if offer.rows:
        yield Expectation.model_validate({"expect": "expect_table_row_count_to_be_between", "severity": "critical", "min_value": 1})
    for field in guarded:
        if not field.required:
            yield _rule("expect_column_values_to_not_be_null", field.name, "critical")
    for one in live:
        field = by_source[one.source]
        if field.type == "string" and (options := _options(one)):
            yield _rule("expect_column_values_to_be_in_set", field.name, "warning", value_set=list(options))
        pattern = _pattern(one)
        if field.type == "string" and pattern:
            severity = "critical" if field in guarded else "warning"
            yield _rule("expect_column_values_to_match_regex", field.name, severity, regex=f"^(?:{pattern})$")
        low, high = (_number(one.facets, *names) for names in (("minInclusive", "minimum"), ("maxInclusive", "maximum")))
        if (low is not None or high is not None) and field.type.startswith(("int", "decimal128", "double", "float")):
            bounds = {name: bound for name, bound in (("min_value", low), ("max_value", high)) if bound is not None}
            yield _rule("expect_column_values_to_be_between", field.name, "warning", **bounds)


def _rule(expect: str, column: str, severity: Literal["critical", "warning"], **arguments: Any) -> Expectation:
    return Expectation.model_validate({"expect": expect, "column": column, "severity": severity, **arguments})


def _options(field: LiveField) -> tuple[str, ...]:
    """The declared choices of a closed list; none where people may type others."""
    found = field.facets.get("options") or field.facets.get("choices")
    return found if isinstance(found, tuple) and not field.facets.get("open") else ()


def _pattern(field: LiveField) -> str:
    """The one declared format of a field, where its syntax means the same in our rules; else empty."""
    found = field.facets.get("pattern", "")
    if isinstance(found, tuple) and len(found) == 1:
        found = found[0]
    return found if isinstance(found, str) and not _ONLY_XSD.search(found) else ""


def _number(facets: Mapping[str, str | int | bool | tuple[str, ...]], *names: str) -> int | None:
    for name in names:
        value = facets.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lstrip("-").isdigit():
            return int(value)
    return None


def _open_questions(contract: Contract, live: list[LiveField], kind: str) -> Iterable[Question]:
    yield Question("map.no_owner", {}, "owners")
    yield Question("map.no_description", {}, "description")
    if kind == "kintone" and not contract.source.get("app_code"):
        yield Question("map.no_code", {"number": contract.source.get("app_id", "-")}, "source")
    japanese = [field.name for field in contract.fields if not field.name.isascii()]
    if japanese:
        yield Question(
            "map.not_in_glossary", {"count": len(japanese), "names": "、".join(japanese[:5]) + ("…" if len(japanese) > 5 else "")}, "fields"
        )
    for one, field in zip(live, contract.fields, strict=True):
        if field.type.startswith("decimal128(38,") and not one.facets.get("precision_known"):
            yield Question("map.precision_unknown", {"field": field.name}, f"fields.{field.name}")
