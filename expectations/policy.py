"""What a contract says to do about each kind of drift, and which of it a kind can have."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

#: ``report`` goes on and says so; ``ask`` and ``stop`` end the pull before a row is written; ``evolve`` writes the contract's next version and
#: goes on under it; ``quarantine`` goes on and holds each row that the contract as it stands can't take.
Policy = Literal["report", "ask", "stop", "evolve", "quarantine"]
Plain = Literal["report", "ask", "stop"]
Evolving = Literal["report", "ask", "stop", "evolve"]
Holding = Literal["report", "ask", "stop", "quarantine"]


class DriftPolicy(BaseModel):
    """What each kind of drift does. Only what breaks no reader can evolve, and only what shows in a row's values can be held row by row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    added: Evolving = "report"
    removed: Plain = "stop"
    renamed: Plain = "ask"
    retyped: Holding = "stop"
    widened: Policy = "ask"
    required: Policy = "report"
    options: Policy = "report"
    identity: Plain = "ask"
    label: Evolving = "report"
