"""The tiny ERP with another schema: rows typed by one way of reading, the schema as described, and drift against a contract of all of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pyarrow.compute as pc
from soap_fake import EMPTY, SCHEMA, WSDL, WSDL_URL, Fake, part, reply, stream

from connectors.protocol import Column, LiveField, Reject, Schema
from connectors.soap.bundle import fetch
from connectors.soap.components import Contract
from connectors.soap.decode import RawRow, decode
from connectors.soap.plan import compile_plan
from connectors.soap.values import Rules, Where, batch
from connectors.soap.wsdl import read
from expectations.contract import Contract as Promised
from expectations.drift import Change, compare
from expectations.facts import facts_of
from expectations.types import write_type

XSD_URL = "https://erp.example/ws/Parts?xsd=parts.xsd"
CODE = Column("code", "Code", stream().columns[0].type, required=True)


def with_parts(inner: str, types: str = "", schema: str = SCHEMA) -> str:
    """The schema with further elements at the end of a Part, and further types."""
    end = '<xs:element name="Opens"'
    return schema.replace(end, inner + end, 1).replace("</xs:schema>", types + "</xs:schema>")


def contract(schema: str, wsdl: str = WSDL) -> Contract:
    return read(fetch(WSDL_URL, lambda url: ((wsdl if url == WSDL_URL else schema).encode(), "text/xml")))


def described(schema: str, *columns: Column, wsdl: str = WSDL, **source: Any) -> Schema:
    return Fake(EMPTY, documents={WSDL_URL: wsdl, XSD_URL: schema}).connector().describe(stream(*columns, **source))


def field(schema: str, source: str, *columns: Column) -> LiveField:
    return next(one for one in described(schema, *columns).fields if one.source == source)


def typed(
    schema: str, columns: Sequence[Column], *rows: str, arrays: bool, rules: Rules | None = None
) -> tuple[list[dict[str, Any]], list[Reject]]:
    """The rows after a first one, by which arrays know where rows begin; each is the inside of a Part."""
    found = contract(schema)
    plan = compile_plan(found, found.operations["ReadParts"], rows="List/Part", columns=(CODE, *columns))
    made: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    done = 0

    def sink(block: Sequence[RawRow]) -> None:
        nonlocal done
        where = Where("ReadParts", "List/Part", done + 1)
        good, bad = batch(
            plan.cells, block, rules or Rules(), where, key=("code",), versions=[""] * len(block), scope="s", checks=plan.checks
        )
        made.extend(good.filter(pc.not_equal(good.column("code"), "first")).select([column.name for column in columns]).to_pylist())
        rejects.extend(one for one in bad if one.key != "first")
        done += len(block)

    content = reply(part("first"), *(part(f"A{index}", row) for index, row in enumerate(rows)))
    decode(io.BytesIO(content), plan, sink, arrays=arrays, head=480)
    return made, rejects


def promised(live: Schema, **more: Any) -> Promised:
    """A contract for all that the source shows, as a proposal makes it."""

    def field(number: int, one: LiveField, prefix: str) -> dict[str, Any]:
        made: dict[str, Any] = {"name": f"{prefix}{number}", "source": one.source, "label": one.label, "required": one.required}
        inner = [field(at, child, f"{prefix}{number}_") for at, child in enumerate(one.children)]
        text = write_type(one.type)
        if inner:
            return {**made, "type": text, "fields": inner}
        options = one.facets.get("options")
        return {**made, "type": text, **({"options": list(options)} if isinstance(options, tuple) else {})}

    fields = [field(number, one, "c") for number, one in enumerate(live.fields)]
    return Promised.model_validate({"stream": "erp/parts", "version": 1, "source": {}, "key": ["c0"], "fields": fields, **more})


def drift(before: Schema, after: Schema) -> list[tuple[str, str, bool]]:
    return [(one.kind, one.path, one.blocks) for one in changes(before, after)]


def changes(before: Schema, after: Schema) -> tuple[Change, ...]:
    return compare(promised(before), after, facts_of(before)).changes
