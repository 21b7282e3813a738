"""What ``demo``, ``dev`` and ``sandbox`` print."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, Field

from pipelines.cli.payloads.parts import Part, Payload
from pipelines.evidence.history import Eligibility


class Dev(Payload):
    """``fortnight dev``, printed once, before it runs until it is interrupted."""

    schema_: Literal["fortnight.dev/1"] = Field(alias="schema")
    url: str


class Loaded(Part):
    stream: str
    published: int | None
    live: int
    changed: int


class Candidate(Part):
    release: str
    documents: int
    chunks: int
    access: float
    recall_at_5: float | None = None


class Asked(Part):
    person: str
    reason: str
    titles: tuple[str, ...]


class Standing(Part):
    index: str
    eligibility: Eligibility
    green_days: int
    required_days: int


class Reported(Part):
    """The access report of one system: scopes open to everyone and places that broke inheritance, null where that was not measured; of the
    ``asked`` pairs of a person and a row that the source spoke of, on how many it agrees."""

    system: str
    html: str
    everyone: int | None
    inheritance: int | None
    agreed: int
    asked: int


class Demo(Payload):
    """``fortnight demo``: what each step left behind. One that did not hold is a ``fortnight.error/1`` instead."""

    schema_: Literal["fortnight.demo/1"] = Field(alias="schema")
    sandbox: dict[str, str]
    map: str
    streams: tuple[Loaded, ...]
    access_reports: tuple[Reported, ...]
    candidates: tuple[Candidate, ...]
    question: str
    answers: tuple[Asked, ...]
    gate: tuple[Standing, ...]
    ui: str | None
    seconds: float


class Server(Part):
    name: str
    http: str
    https: str


class Sandbox(Payload):
    """``fortnight sandbox status``. ``now`` is the sandbox's own time, null while it does not run."""

    schema_: Literal["fortnight.sandbox/1"] = Field(alias="schema")
    running: bool
    now: AwareDatetime | None
    servers: tuple[Server, ...]


class SandboxAddresses(Payload):
    """``fortnight sandbox up``: addresses, test credentials and files of each server. What a server needs is its own affair."""

    schema_: Literal["fortnight.sandbox_addresses/1"] = Field(alias="schema")
    kintone: dict[str, Any]
    erp: dict[str, Any]
    sharepoint: dict[str, Any]


class SandboxClock(Payload):
    """``fortnight sandbox advance``."""

    schema_: Literal["fortnight.sandbox_clock/1"] = Field(alias="schema")
    now: AwareDatetime


class SandboxDown(Payload):
    """``fortnight sandbox down``."""

    schema_: Literal["fortnight.sandbox_down/1"] = Field(alias="schema")
    running: bool


class SandboxBreak(Payload):
    """``fortnight sandbox break SYSTEM NAME``: what it did; ``facts`` depend on the break."""

    schema_: Literal["fortnight.sandbox_break/1"] = Field(alias="schema")
    system: str
    name: str
    healable: bool
    facts: dict[str, Any]


class KnownBreak(Part):
    name: str
    ja: str
    en: str


class SandboxBreaks(Payload):
    """``fortnight sandbox break SYSTEM``: everything that can be broken."""

    schema_: Literal["fortnight.sandbox_breaks/1"] = Field(alias="schema")
    system: str
    breaks: tuple[KnownBreak, ...]


class SandboxHeal(Payload):
    """``fortnight sandbox heal``: the names of what was taken away or undone."""

    schema_: Literal["fortnight.sandbox_heal/1"] = Field(alias="schema")
    healed: tuple[str, ...]
