"""What the verbs of ``access`` print."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field, JsonValue

from pipelines.cli.payloads.parts import Part, Payload


class Figure(Part):
    """One figure. ``value`` is how many rows ``sql`` gives, null where it was not measured (``missing`` says what no stream has); ``rows``
    are the first of them, ``table`` is where all lie."""

    code: str
    section: str
    title: str
    counted: str
    value: int | None
    missing: str | None
    columns: tuple[str, ...]
    rows: tuple[dict[str, JsonValue], ...]
    table: str | None
    sql: str


class StreamRead(Part):
    stream: str
    published: int
    read_at: AwareDatetime


class View(Part):
    name: str
    sql: str


class AccessReport(Payload):
    """``fortnight access report``. ``first_scan`` is when grants were first scanned, null where none were: a grant first observed then is
    older, and nothing more is known of its age."""

    schema_: Literal["fortnight.access_report/1"] = Field(alias="schema")
    project: str
    environment: str
    system: str
    made_at: AwareDatetime
    first_scan: AwareDatetime | None
    stale_years: int
    oversized_mb: int
    streams: tuple[StreamRead, ...]
    figures: tuple[Figure, ...]
    views: tuple[View, ...]
    html: str
    tables: str


class Way(Part):
    """``chain`` goes from the person's principal up to the one that holds ``role`` on ``place``; ``names`` are the same for people to read.
    ``older``: it stood at ``first_scan`` already, and since when is not known."""

    person: str
    chain: tuple[str, ...]
    names: tuple[str, ...]
    role: str
    via: str
    place: str
    first_observed: AwareDatetime | None
    first_scan: AwareDatetime | None
    older: bool


class Links(Part):
    link_scope: str
    link_type: str
    count: int
    without_expiry: int
    named: tuple[str, ...]
    names: tuple[str, ...]


class Item(Part):
    """``readers`` counts people; ``found`` the ways in which they read, of which ``ways`` are the first."""

    stream: str
    item: str
    path: str
    place: str
    level: str
    scope: str
    resolved: bool
    reason: str
    readers: int
    found: int
    read_at: AwareDatetime
    ways: tuple[Way, ...]
    links: tuple[Links, ...]


class Reached(Part):
    stream: str
    place: str
    level: str
    scope: str
    items: int
    way: Way


class Person(Part):
    """``items`` and ``scopes`` in all; ``reached`` are the scopes with the most items."""

    person: str
    name: str
    principals: tuple[str, ...]
    items: int
    scopes: int
    reached: tuple[Reached, ...]


class AccessExplained(Payload):
    """``fortnight access explain``: with ``--item`` the ``items`` called so (``matches`` in all), else ``person`` and what they reach."""

    schema_: Literal["fortnight.access_explain/1"] = Field(alias="schema")
    system: str
    matches: int
    items: tuple[Item, ...]
    person: Person | None


class Unread(Part):
    group: str
    reason: str


class AccessRefresh(Payload):
    """``fortnight access refresh``. ``came`` and ``left`` count memberships against the last reading, ``asked`` groups read anew; ``unread``
    are those that could not be."""

    schema_: Literal["fortnight.access_refresh/1"] = Field(alias="schema")
    system: str
    published: int
    read_at: AwareDatetime
    accounts: int
    members: int
    came: int
    left: int
    groups: int
    asked: int
    unread: tuple[Unread, ...]


class Differing(Part):
    """``ours`` and ``source``: whether the person may read the row. ``why`` names the rule by which ours is narrower."""

    stream: str
    key: str
    scope: str
    principal: str
    ours: bool
    source: bool | None
    verdict: str
    why: str


class AccessAgree(Payload):
    """``fortnight access agree``. ``open``: let in by us alone; ``closed``: by the source alone; ``narrower``: the same with a reason;
    ``unsaid``: the source says nothing of the pair. ``rate`` is the share of ``agree`` in all but the last, null where there are none."""

    schema_: Literal["fortnight.access_agree/1"] = Field(alias="schema")
    system: str
    sample: str
    at: AwareDatetime
    rate: float | None
    agree: int
    open: int
    closed: int
    narrower: int
    unsaid: int
    differing: tuple[Differing, ...]


class AccessVersions(Payload):
    """``fortnight access versions``: of the ``asked`` largest files the source told of ``files``; ``bytes`` are all their versions',
    ``current_bytes`` those of the present ones."""

    schema_: Literal["fortnight.access_versions/1"] = Field(alias="schema")
    system: str
    at: AwareDatetime
    published: int
    asked: int
    files: int
    versions: int
    bytes: int
    current_bytes: int
