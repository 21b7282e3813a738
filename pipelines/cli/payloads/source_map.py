"""What ``map`` prints."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from pipelines.cli.payloads.parts import Cause, Part, Payload


class Totals(Part):
    """``rows`` and ``calls`` count what is known; ``uncounted`` is how many streams tell no number of rows."""

    systems: int
    streams: int
    contracted: int
    fields: int
    rows: int
    uncounted: int
    calls: int
    questions: int


class AccessShape(Part):
    """``unproven`` are codes of what this rests on without proof."""

    scopes: int
    unresolved: int
    principals: int
    restricted: int
    unproven: tuple[str, ...] = ()


class MappedField(Part):
    name: str
    source: str
    label: str
    type: str
    required: bool
    fields: tuple[MappedField, ...] = ()


class Question(Part):
    code: str
    says: str


class Probe(Part):
    probe: str
    ok: bool
    found: str


class MappedStream(Part):
    """``contract`` is the version of the project's own, null where there is only a proposal."""

    stream: str
    title: str
    contract: int | None
    rows: int | None
    full_load_calls: int | None
    key: tuple[str, ...]
    cursor: str | None
    document: bool
    files: bool
    access: AccessShape | None
    fields: tuple[MappedField, ...]
    notes: tuple[str, ...]
    differences: tuple[str, ...]
    open: tuple[Question, ...]


class Operation(Part):
    """``rows`` is empty where it lists nothing, ``dropped`` where nothing is wrong with it; ``stream`` is null where it is read as none."""

    service: str
    operation: str
    form: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    rows: str
    paging: str
    dropped: str
    stream: str | None


class MappedSystem(Part):
    system: str
    kind: str
    endpoint: str
    sandbox: bool
    error: Cause | None = None
    probes: tuple[Probe, ...]
    skipped: tuple[str, ...] = ()
    contracts_without_object: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ()
    streams: tuple[MappedStream, ...]


class Written(Part):
    html: str
    yaml: str
    proposals: tuple[str, ...]
    kept: tuple[str, ...]


class SourceMap(Payload):
    """``fortnight map``: what ``source-map.yaml`` holds, and where the files are. Its sentences are English, as in that file."""

    schema_: Literal["fortnight.map/1"] = Field(alias="schema")
    project: str
    environment: str
    made_at: AwareDatetime
    totals: Totals
    systems: tuple[MappedSystem, ...]
    written: Written
