"""What ``serve`` and ``audit`` print."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from pipelines.cli.payloads.parts import Part, Payload


class Serve(Payload):
    """``fortnight serve``: where one index is answered for, printed once it listens."""

    schema_: Literal["fortnight.serve/1"] = Field(alias="schema")
    index: str
    url: str
    mcp: str
    openapi: str


class Token(Payload):
    """``fortnight serve token``. The token is a secret until it expires."""

    schema_: Literal["fortnight.token/1"] = Field(alias="schema")
    token: str
    as_: str = Field(alias="as")
    expires_at: AwareDatetime


class AuditHit(Part):
    rank: int
    chunk: str
    document: str
    version: str
    row_hash: str


class AuditRow(Part):
    """One question. ``person`` and ``query`` are "" where they are not kept; ``latency_us`` is in microseconds until the decision."""

    trace_id: str
    asked_at: AwareDatetime
    person: str
    client: str
    action: str
    decision: str
    query: str
    query_hash: str
    index: str
    release: int
    standing: str
    mode: str
    k: int
    filters: str
    principals: int
    principals_hash: str
    membership_read_at: AwareDatetime
    overlay_read_at: AwareDatetime
    visible: int
    refused: int
    latency_us: int
    cost_jpy: float
    hits: tuple[AuditHit, ...]


class AuditShow(Payload):
    schema_: Literal["fortnight.audit_show/1"] = Field(alias="schema")
    trace_id: str
    rows: tuple[AuditRow, ...]


class Lost(Part):
    rank: int
    chunk: str
    document: str
    why: Literal["deleted", "scope", "field", "filter"]


class Replayed(Part):
    asked_at: AwareDatetime
    release: str
    kept: tuple[str, ...]
    lost: tuple[Lost, ...]
    new: tuple[str, ...]


class AuditReplay(Payload):
    """``fortnight audit replay``: ids of pieces only; what they say is for those who may read them."""

    schema_: Literal["fortnight.audit_replay/1"] = Field(alias="schema")
    trace_id: str
    same: bool
    searches: tuple[Replayed, ...]


class Flaw(Part):
    segment: str
    seq: int
    why: str


class AuditVerify(Payload):
    """``fortnight audit verify``. ``heads`` are last hashes by segment; kept elsewhere, they prove that nothing was cut off since."""

    schema_: Literal["fortnight.audit_verify/1"] = Field(alias="schema")
    ok: bool
    rows: int
    segments: int
    heads: dict[str, str]
    flaw: Flaw | None


class AuditErase(Payload):
    """``fortnight audit erase``. ``subjects`` are the keyed hashes that still stand for the person in the chain."""

    schema_: Literal["fortnight.audit_erase/1"] = Field(alias="schema")
    rows: int
    sets: int
    subjects: tuple[str, ...]


class AuditRetain(Payload):
    schema_: Literal["fortnight.audit_retain/1"] = Field(alias="schema")
    words: int
    rows: int
    days: tuple[str, ...]


class Flag(Part):
    trace_id: str
    said_at: AwareDatetime
    verdict: Literal["not_useful", "wrong_source"]
    query: str
    release: str
    chunk: str
    chunks: tuple[str, ...]


class AuditFlagged(Payload):
    schema_: Literal["fortnight.audit_flagged/1"] = Field(alias="schema")
    flagged: tuple[Flag, ...]


class AuditCost(Payload):
    """``fortnight audit cost``: cost per useful answer, with what it is made of; null where nothing was called useful."""

    schema_: Literal["fortnight.audit_cost/1"] = Field(alias="schema")
    value_jpy: float | None
    numerator_jpy: float
    denominator: int
    since: AwareDatetime
    definition: str
