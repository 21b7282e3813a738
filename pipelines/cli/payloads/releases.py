"""What ``index rollback``, ``history``, ``drill`` and ``replay`` print."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from pipelines.cli.payloads.indexes import Hit
from pipelines.cli.payloads.parts import Part, Payload


class Position(Part):
    """One position of a pointer: the release it named, since when, who put it there and why."""

    position: int
    release: str
    at: AwareDatetime
    actor: str
    reason: str


class IndexRollback(Payload):
    """``fortnight index rollback``: where production stands now, and the seconds that took."""

    schema_: Literal["fortnight.index_rollback/1"] = Field(alias="schema")
    index: str
    production: Position
    seconds: float


class IndexHistory(Payload):
    """``fortnight index history``: every position of the production pointer, newest last."""

    schema_: Literal["fortnight.index_history/1"] = Field(alias="schema")
    index: str
    positions: tuple[Position, ...]


class DrillProof(Part):
    """``code`` is stable (``drill.check.…``); ``message`` says it."""

    code: str
    passed: bool
    message: str


class IndexDrill(Payload):
    """``fortnight index drill``. ``forward_seconds`` and ``back_seconds`` end with the first answer; ``seconds`` is all of it."""

    schema_: Literal["fortnight.index_drill/1"] = Field(alias="schema")
    index: str
    older: str
    newer: str
    passed: bool
    forward_seconds: float
    back_seconds: float
    seconds: float
    limit_seconds: float
    proofs: tuple[DrillProof, ...]


class Denied(Part):
    """A place of the answer then whose piece may not be shown today, and why."""

    rank: int
    why: Literal["deleted", "scope", "field"]


class IndexReplay(Payload):
    """``fortnight index replay``: ``hits`` of the release in production at ``at``, under today's access; ``denied`` are those it took away."""

    schema_: Literal["fortnight.index_replay/1"] = Field(alias="schema")
    query: str
    as_: str = Field(alias="as")
    index: str
    at: AwareDatetime
    production: Position
    trace_id: str
    reason: str
    hits: tuple[Hit, ...]
    denied: tuple[Denied, ...]
