"""What ``simulate`` and ``demo --days`` print."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pipelines.cli.payloads.local import Asked, Standing
from pipelines.cli.payloads.parts import Part, Payload
from pipelines.evidence.seals import Verdict


class LivedDay(Part):
    """One simulated day: the verdict of each stream as sealed the night after, the script's steps on it by kind, the gate after the seal."""

    day: int
    date: str
    seals: dict[str, Verdict]
    happened: tuple[str, ...]
    gate: tuple[Standing, ...]
    seconds: float


class Met(Part):
    """What the script expected after a day, and what there was."""

    day: int
    index: str
    green_days: int
    found: int | None
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
    promoted: tuple[str, ...]
    ui: str | None
    seconds: float


class SimulationSchema(Payload):
    """``fortnight simulate --schema``: the JSON Schema of a script."""

    schema_: Literal["fortnight.simulation_schema/1"] = Field(alias="schema")
    json_schema: dict[str, Any]
