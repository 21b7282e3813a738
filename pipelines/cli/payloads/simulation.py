"""What ``simulate`` and ``demo --days`` print."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pipelines.cli.payloads.local import Asked, Standing
from pipelines.cli.payloads.parts import Part, Payload
from pipelines.evidence.history import Eligibility
from pipelines.evidence.seals import Verdict


class Refused(Part):
    """A step of the script that the rules refused, and why."""

    do: str
    code: str
    message: str


class LivedDay(Part):
    """One simulated day: the verdict of each stream as sealed the night after, the script's steps on it by kind (a decision by what was
    decided: ``decide.promote``), which of them the rules refused, the gate after the seal."""

    day: int
    date: str
    seals: dict[str, Verdict]
    happened: tuple[str, ...]
    refused: tuple[Refused, ...]
    gate: tuple[Standing, ...]
    seconds: float


class Met(Part):
    """What the script expected after a day (the count, the gate's word, or both), and what there was."""

    day: int
    index: str
    green_days: int | None
    eligibility: Eligibility | None
    found: int | None
    found_eligibility: Eligibility | None
    holds: bool


class Why(Part):
    index: str
    code: str
    message: str


class Simulation(Payload):
    """``fortnight simulate``. ``days`` are all days of the home; ``reasons`` say what keeps each index from being eligible after the last one."""

    schema_: Literal["fortnight.simulation/1"] = Field(alias="schema")
    home: str
    clock: Literal["simulated"]
    environment: Literal["sandbox"]
    start: str
    days: tuple[LivedDay, ...]
    expected: tuple[Met, ...]
    reasons: tuple[Why, ...]
    seconds: float


class Promoted(Part):
    """A release that two people put into production, and the days whose review is due (ISO) with those that were signed off."""

    release: str
    signed_by: str
    reviews_due: tuple[str, ...]
    reviewed: tuple[str, ...]


class DemoDays(Payload):
    """``fortnight demo --days N``."""

    schema_: Literal["fortnight.demo_days/1"] = Field(alias="schema")
    home: str
    clock: Literal["simulated"]
    environment: Literal["sandbox"]
    start: str
    days: tuple[LivedDay, ...]
    expected: tuple[Met, ...]
    reasons: tuple[Why, ...]
    question: str
    answers: tuple[Asked, ...]
    promoted: tuple[Promoted, ...]
    ui: str | None
    seconds: float


class SimulationSchema(Payload):
    """``fortnight simulate --schema``: the JSON Schema of a script."""

    schema_: Literal["fortnight.simulation_schema/1"] = Field(alias="schema")
    json_schema: dict[str, Any]
