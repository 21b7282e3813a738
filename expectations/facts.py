"""What a source looked like when it was last read: the facts beside a contract against which silent changes show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from connectors.protocol import LiveField, Part, Schema
from expectations.types import write_type

Facet = str | int | bool | tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """One field as it was: its Arrow type as a contract writes it, the vendor's type and id, and its facets."""

    type: str
    vendor_type: str
    required: bool = False
    id: str = ""
    facets: Mapping[str, Facet] = field(default_factory=dict[str, Facet])


@dataclass(frozen=True)
class Facts:
    """The whole schema as it was. ``fields`` by path (inner fields as ``table.field``), ``parts`` by use; ``revision`` is the source's own."""

    revision: str
    identity: Mapping[str, str]
    fields: Mapping[str, Fact]
    parts: Mapping[str, Part] = field(default_factory=dict[str, Part])

    def stored(self) -> dict[str, Any]:
        """JSON values only, for the record of a pull."""
        fields = {
            path: {
                "type": fact.type,
                "vendor_type": fact.vendor_type,
                "required": fact.required,
                "id": fact.id,
                "facets": {name: list(value) if isinstance(value, tuple) else value for name, value in fact.facets.items()},
            }
            for path, fact in self.fields.items()
        }
        parts = [{**asdict(part), "options": list(part.options), "beside": []} for part in self.parts.values()]
        return {"revision": self.revision, "identity": dict(self.identity), "fields": fields, "parts": parts}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """What ``stored`` gave."""
        fields = {
            path: Fact(
                type=one["type"],
                vendor_type=one["vendor_type"],
                required=one["required"],
                id=one["id"],
                facets={name: tuple(value) if isinstance(value, list) else value for name, value in one["facets"].items()},
            )
            for path, one in stored["fields"].items()
        }
        told: list[dict[str, Any]] = stored.get("parts", [])
        parts = [replace(Part(**one), options=tuple(one["options"]), beside=()) for one in told]
        return cls(stored["revision"], stored["identity"], fields, {part.use: part for part in parts})


def facts_of(live: Schema, before: Facts | None = None) -> Facts:
    """The facts of a schema as it is now.

    A facet that the source does not tell every time (connectors leave out what costs a call while its revision stands) is carried over
    from ``before`` as long as the field is of the same kind.
    """
    fields = dict(_walk(live.fields, ""))
    if before is not None:
        for path, fact in fields.items():
            then = before.fields.get(path)
            if then is not None and then.vendor_type == fact.vendor_type and live.revision == before.revision:
                fields[path] = Fact(fact.type, fact.vendor_type, fact.required, fact.id, {**then.facets, **fact.facets})
    return Facts(live.revision, dict(live.identity), fields, {part.use: replace(part, beside=()) for part in live.parts})


def _walk(fields: Sequence[LiveField], prefix: str) -> Iterator[tuple[str, Fact]]:
    for one in fields:
        path = prefix + one.source
        yield path, Fact(write_type(one.type), one.vendor_type, one.required, one.id, dict(one.facets))
        yield from _walk(one.children, path + ".")
