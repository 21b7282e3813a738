"""Where a question meets a project: the newest candidate, today's access of its streams, the person's principals, the audit."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.errors import AnswerIsNo, FixConfiguration
from pipelines.clock import Clock
from pipelines.index.models import embedder_of
from pipelines.index.overlay import NewestAccess, Overlay, overlay_of
from pipelines.index.releases import newest_candidate
from pipelines.landing.families import Families
from pipelines.landing.snapshot import Snapshot, snapshot
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.roster import edges, known_roster
from pipelines.serving.audit.log import audit_of
from pipelines.serving.callers.accounts import accounts_of
from pipelines.serving.callers.identity import Directory, Person, closures, link
from pipelines.serving.retrieval import Answer, Asker, Service, open_for, search

if TYPE_CHECKING:
    import pyarrow as pa


def preview(project: Project, index: str, query: str, person: str, k: int, clock: Clock) -> Answer:
    """Ask the newest candidate as a person: for sandbox and staging, where nothing is production yet. Audited like any other question.

    Raises FixConfiguration in production (there the asker's own token says who asks), AnswerIsNo when nothing was built yet.
    """
    if project.environment == "production":
        raise FixConfiguration("serving.preview_in_production", index=index)
    project.index(index)
    manifest = newest_candidate(project.root, index)
    if manifest is None:
        raise AnswerIsNo("serving.no_candidate", index=index)
    pins = pinned(project, index, Warehouse(project.root))
    asker = as_person(person, *directories(project, pins), secrets.token_hex(16), "cli")
    service = Service(embedder_of(project, index=index), newest_access(project, pins, index), audit_of(project))
    return search(open_for(project.root, manifest), query, asker, k, service, now=clock.now())


def pinned(project: Project, index: str, warehouse: Warehouse) -> tuple[Snapshot, ...]:
    """Every stream of an index as last published, each pinned once for all that one question reads. Raises AnswerIsNo where one never was."""
    found: list[Snapshot] = []
    for stream in project.index(index).streams:
        pin = snapshot(warehouse, stream)
        if pin is None:
            raise AnswerIsNo("index.not_published", index=index, stream=stream)
        found.append(pin)
    return tuple(found)


def directories(project: Project, pins: Sequence[Snapshot]) -> tuple[tuple[Directory, ...], datetime]:
    """Each stream's accounts and membership edges, and the age of the oldest: an edge is as old as the reading that saw it.

    Where a system's roster was read after the stream, it decides of every group it knows; of others the stream's own pull does.
    """
    found: list[Directory] = []
    ages: list[datetime] = []
    rosters = {system: known_roster(pin.warehouse, system) for pin in pins for system in (pin.stream.partition("/")[0],)}
    for pin in pins:
        accounts, members, at = _memberships(pin, rosters[pin.stream.partition("/")[0]])
        found.append(Directory(pin.stream, accounts, members))
        ages.append(at)
    if all(each.silent for each in found):
        raise AnswerIsNo("serving.no_directory", project=project.name)
    return tuple(found), min(ages)


def _memberships(pin: Snapshot, roster: Snapshot | None) -> tuple[pa.Table, pa.Table, datetime]:
    """Accounts and edges that hold for one stream, and how old the oldest of them is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    accounts, members = pin.read("accounts"), pin.read("members")
    if accounts is None or members is None:
        # A stream without a directory knows nobody; the others decide for it as far as they agree.
        nobody = pa.table({"principal": pa.array([], pa.string())}), pa.table({"group": pa.array([], pa.string())})
        return *nobody, pin.access_at
    if roster is None or roster.access_at < pin.access_at:
        return accounts, members, pin.access_at
    theirs, groups = roster.read("accounts"), roster.read("groups", ["group"])
    assert theirs is not None and groups is not None  # every roster is published with them
    rest = members.filter(pc.invert(pc.is_in(members["group"], value_set=groups["group"].combine_chunks())))
    at = roster.access_at if rest.num_rows == 0 else pin.access_at
    return theirs, pa.concat_tables([edges(roster), rest.select(["group", "member"])]), at


def as_person(who: str, found: Sequence[Directory], read_at: datetime, trace_id: str, client: str) -> Asker:
    """``who`` with all they may act under, stream by stream."""
    someone, reached = known_as(who, found)
    return Asker(someone.id, reached, read_at, trace_id, client)


def known_as(who: str, found: Sequence[Directory]) -> tuple[Person, Mapping[str, frozenset[str]]]:
    """``who`` as these directories link them, and by stream all they may act under. What explains rights asks here, as what serves does."""
    someone = link(who, accounts_of(found).table)
    return someone, closures(someone, found)


def published(project: Project, warehouse: Warehouse) -> tuple[Snapshot, ...]:
    """Every stream of the project that was published, each pinned once."""
    return tuple(pin for stream in project.contracts if (pin := snapshot(warehouse, stream)) is not None)


def newest_access(project: Project, pins: Sequence[Snapshot], index: str) -> Overlay:
    """Today's live rows, files, scopes and field restrictions of an index's streams; as old as the oldest reading of their rights."""
    found: list[NewestAccess] = []
    families = Families(project.contracts, pins[0].warehouse)
    for pin in pins:
        contract = project.contract(pin.stream)
        rows, scopes = pin.live(), pin.read("scopes")
        if rows is None or scopes is None:
            raise AnswerIsNo("index.not_published", index=index, stream=pin.stream)
        rows = families.whole(pin.stream, rows)
        refs = contract.content.ref if contract.content is not None else ""
        found.append(
            NewestAccess(pin.stream, contract.key, rows, scopes, pin.record.restricted, pin.read("content") if refs else None, refs)
        )
    return overlay_of(found, min(pin.access_at for pin in pins))
