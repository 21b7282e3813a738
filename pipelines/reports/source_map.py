"""The week-one source map: what each system really holds, held against what the project has contracts for. Reads the sources, writes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.access import Access
from connectors.capabilities import Operates, OperationShape
from connectors.errors import AccessRefused, AddressUnknown, FixConfiguration, FortnightError, SourceError
from connectors.messages import told
from connectors.protocol import Connector, Offer, Schema
from expectations.contract import Contract
from expectations.drift import Change, compare
from expectations.facts import Facts
from pipelines.clock import Clock
from pipelines.pull.compare import UNDESCRIBED, last_seen, moved
from pipelines.pull.outcome import Progress, Report, silent
from pipelines.reports.glossary import Glossary
from pipelines.reports.propose import Proposal, Question, propose, stream_of

if TYPE_CHECKING:
    from pipelines.project import Project

#: Parts of a source's address that say which object it is; numbers that a copy would change are left out.
_ADDRESS = ("app_code", "guest_space", "operation", "site", "kind", "name")
_NUMBERS = ("app_id", "id")
#: Parts of an object that are streams of their own, under the object's address. Sources count objects, not their parts.
_PARTS = ("table", "part")
#: Which of a system's services has the object: the same name in another one is another object.
_PLACES = ("service",)
_CALLS = re.compile(r"([\d,]+) API calls")


@dataclass(frozen=True)
class AccessShape:
    """Who may read a stream, in numbers: its scopes, those nobody can resolve, the distinct principals in them, columns only some may see.

    ``unproven`` are codes of what this rests on without proof.
    """

    scopes: int
    unresolved: int
    principals: int
    restricted: int
    unproven: tuple[str, ...] = ()


@dataclass(frozen=True)
class MappedStream:
    """One object of a system.

    ``contract`` is the project's own where it has one (``contracted``), else the proposed one. ``changes`` are the differences between it and
    the live source. ``calls`` is the predicted number of API calls of a full load, where it can be told. ``access`` is None where it could not be read.
    """

    offer: Offer
    contract: Contract
    contracted: bool
    questions: tuple[Question, ...]
    changes: tuple[Change, ...]
    access: AccessShape | None
    calls: int | None

    @property
    def stream(self) -> str:
        return self.contract.stream

    @property
    def title(self) -> str:
        """What people here call it; what the source calls it where nobody said."""
        return self.contract.title or self.offer.title


@dataclass(frozen=True)
class MappedSystem:
    """One system. ``error`` says why it could not be mapped, or why a part of it could not: then what the others offer stands in ``streams``.

    ``unoffered`` are contracts without an object, as far as the whole system was seen. ``operations`` are those that its interface is made
    of, where it is made of any.
    """

    name: str
    kind: str
    endpoint: str
    sandbox: bool
    streams: tuple[MappedStream, ...] = ()
    probes: tuple[tuple[str, bool, str], ...] = ()
    skipped: tuple[FortnightError, ...] = ()
    unoffered: tuple[str, ...] = ()
    error: FortnightError | None = None
    operations: tuple[OperationShape, ...] = ()

    def reading(self, one: OperationShape) -> str:
        """The stream that an operation is read as, empty where none is."""
        return next((stream.stream for stream in self.streams if _reads(stream.contract, one)), "")


def _reads(contract: Contract, one: OperationShape) -> bool:
    source = contract.source
    return (source.get("operation"), source.get("service", "")) == (one.operation, one.service) and not source.get("table")


@dataclass(frozen=True)
class Totals:
    """Sums over the map. ``rows`` and ``calls`` count what is known; ``uncounted`` is how many streams tell no number of rows."""

    systems: int
    streams: int
    contracted: int
    fields: int
    rows: int
    uncounted: int
    calls: int
    questions: int


@dataclass(frozen=True)
class SourceMap:
    """The whole map. ``made_at`` is aware UTC."""

    project: str
    environment: str
    timezone: str
    made_at: datetime
    systems: tuple[MappedSystem, ...]

    @property
    def streams(self) -> tuple[MappedStream, ...]:
        return tuple(stream for system in self.systems for stream in system.streams)

    @property
    def totals(self) -> Totals:
        streams = self.streams
        return Totals(
            systems=len(self.systems),
            streams=len(streams),
            contracted=sum(1 for one in streams if one.contracted),
            fields=sum(len(one.contract.fields) for one in streams),
            rows=sum(one.offer.rows or 0 for one in streams),
            uncounted=sum(1 for one in streams if one.offer.rows is None),
            calls=sum(one.calls or 0 for one in streams),
            questions=sum(len(one.questions) for one in streams),
        )


def survey(
    project: Project,
    systems: Sequence[str],
    glossary: Glossary,
    clock: Clock,
    report: Report = silent,
    connect: Callable[[str], Connector] | None = None,
) -> SourceMap:
    """Discover every system and propose a contract for each of its objects.

    A system that does not answer stands in the map with its error and takes no other down. Raises FixConfiguration for a system the project
    does not have. ``connect`` replaces ``project.connect`` in tests.
    """
    for system in systems:
        if system not in project.file.systems:
            raise FixConfiguration("project.unknown_system", system=system, known=", ".join(sorted(project.file.systems)))
    mapped = tuple(_system(project, system, glossary, report, connect or project.connect) for system in systems)
    return SourceMap(project.name, project.environment, project.file.timezone, clock.now(), mapped)


def _system(project: Project, system: str, glossary: Glossary, report: Report, connect: Callable[[str], Connector]) -> MappedSystem:
    kind = str(project.file.systems[system].get("kind", ""))
    contracts = {stream: contract for stream, contract in project.contracts.items() if contract.system == system}
    report(Progress(system, "connect"))
    try:
        connector = connect(system)
    except FortnightError as error:
        return MappedSystem(system, kind, "", False, error=error)
    endpoint, sandbox = "", False
    probes: tuple[tuple[str, bool, str], ...] = ()
    streams: list[MappedStream] = []
    skipped: list[FortnightError] = []
    operations: tuple[OperationShape, ...] = ()
    try:
        health = connector.check()
        endpoint, sandbox, probes = health.endpoint, health.sandbox, health.probes
        if isinstance(connector, Operates):
            operations = tuple(connector.operations())
        offers, closed = _offers(connector)
        offers += _parts(offers, contracts)
        # What a contract already claims keeps its name, whatever the dictionary says today.
        known = {number: found for number, offer in enumerate(offers) if (found := claimed(offer, contracts)) is not None}
        taken = set(contracts)
        for number, offer in enumerate(offers):
            report(Progress(system, "map", number, len(offers)))
            contract = known.get(number)
            try:
                streams.append(
                    _stream(
                        connector,
                        kind,
                        offer,
                        contract,
                        contract.stream if contract else stream_of(system, offer, glossary, taken),
                        glossary,
                        last_seen(project.root, contract.stream) if contract else None,
                    )
                )
            except FixConfiguration as error:
                skipped.append(error)
        report(Progress(system, "done", len(offers), len(offers)))
    except SourceError as error:
        return MappedSystem(system, kind, endpoint, sandbox, probes=probes, error=error, operations=operations)
    finally:
        connector.close()
    offered = {one.stream for one in streams}
    unoffered = () if closed else tuple(name for name in contracts if name not in offered)
    return MappedSystem(system, kind, endpoint, sandbox, tuple(streams), probes, tuple(skipped), unoffered, closed, operations)


def _offers(connector: Connector) -> tuple[list[Offer], SourceError | None]:
    """What the system offers, and why a part of it (a locked site) offered nothing. Raises where it gave nothing at all, or broke off."""
    offers: list[Offer] = []
    try:
        for offer in connector.discover():
            offers.append(offer)
    except (AccessRefused, AddressUnknown) as error:
        if not offers:
            raise
        return offers, error
    return offers, None


def claimed(offer: Offer, contracts: Mapping[str, Contract]) -> Contract | None:
    """The project's contract on the object of this offer, whatever number it has today; None when there is none."""
    names = [name for name in _ADDRESS if name in offer.source] or [name for name in _NUMBERS if name in offer.source]
    for contract in contracts.values():
        same = all(contract.source.get(name) == offer.source[name] for name in names)
        if names and same and all(contract.source.get(name) == offer.source.get(name) for name in (*_PARTS, *_PLACES)):
            return contract
    return None


def _parts(offers: Sequence[Offer], contracts: Mapping[str, Contract]) -> list[Offer]:
    """Offers of parts that nobody offers, such as a form's sub-table, but that a contract takes from an object which is offered."""
    found: list[Offer] = []
    for contract in contracts.values():
        if not any(name in contract.source for name in _PARTS) or any(claimed(offer, {"": contract}) for offer in offers):
            continue
        whole = contract.model_copy(update={"source": {name: value for name, value in contract.source.items() if name not in _PARTS}})
        for offer in offers:
            if claimed(offer, {"": whole}):
                part = {name: contract.source[name] for name in _PARTS if name in contract.source}
                name, title = contract.stream.partition("/")[2], contract.title or offer.title
                found.append(replace(offer, name=name, title=title, source={**offer.source, **part}, rows=None))
                break
    return found


def _stream(
    connector: Connector, kind: str, offer: Offer, contract: Contract | None, stream: str, glossary: Glossary, since: Facts | None
) -> MappedStream:
    questions: list[Question] = []
    if contract is None:
        proposal = propose(stream, kind, offer, glossary)
        live, gone = _described(connector, proposal.contract, questions)
        proposed = _pinned(proposal, live)
        questions = [*proposal.questions, *questions]
    else:
        proposed = contract
        live, gone = _described(connector, contract, questions)
        questions += _left_open(contract)
    changes = compare(proposed, live, since).changes if live else moved(proposed, connector, proposed.told(), since)
    if live is None and not changes and isinstance(gone, FixConfiguration):
        raise gone
    if changes and contract is not None:
        questions.append(Question("map.drifted", {"stream": stream, "count": len(changes)}))
    if offer.rows is None and contract is None and not any(name in offer.source for name in _PARTS):
        questions.append(Question("map.rows_unknown", {}))
    access = _access(connector, proposed, questions)
    return MappedStream(offer, proposed, contract is not None, tuple(questions), changes, access, predicted_calls(offer))


def _described(connector: Connector, contract: Contract, questions: list[Question]) -> tuple[Schema | None, FortnightError | None]:
    """The live schema as this very contract will be held to it, which may cover less than the offer's; or why there is none."""
    try:
        return connector.describe(contract.told()), None
    except (SourceError, *UNDESCRIBED) as error:
        questions.append(Question("map.not_described", {"reason": error.say()}))
        return None, error


def _pinned(proposal: Proposal, live: Schema | None) -> Contract:
    """The proposed contract with the fingerprint that the source gives for exactly its columns."""
    contract = proposal.contract
    return contract if live is None else contract.model_copy(update={"source": {**contract.source, "fingerprint": live.fingerprint}})


def _left_open(contract: Contract) -> list[Question]:
    found: list[Question] = []
    if not (contract.owners.business and contract.owners.technical):
        found.append(Question("map.no_owner", {}, "owners"))
    if not contract.description:
        found.append(Question("map.no_description", {}, "description"))
    if contract.accepted is None:
        found.append(Question("map.not_accepted", {}))
    return found


def _access(connector: Connector, contract: Contract, questions: list[Question]) -> AccessShape | None:
    try:
        access: Access = connector.access(contract.told())
    except (SourceError, FixConfiguration) as error:
        questions.append(Question("map.access_unread", {"reason": error.say()}, "access"))
        return None
    unresolved = [scope for scope in access.scopes if not scope.resolved]
    if unresolved:
        reason = next((scope.reason for scope in unresolved if scope.reason), "-")
        questions.append(
            Question("map.access_unresolved", {"count": len(unresolved), "of": len(access.scopes), "reason": reason}, "access")
        )
    questions += [Question("map.access_unproven", {"what": told(code)}, "access") for code in access.unproven]
    principals = {principal for scope in access.scopes for principal in scope.principals}
    return AccessShape(len(access.scopes), len(unresolved), len(principals), len(access.restricted), access.unproven)


def predicted_calls(offer: Offer) -> int | None:
    """API calls of one full load: as the connector predicts it in its notes, else the pages its paging needs and the empty one that ends them."""
    for note in offer.notes:
        if found := _CALLS.search(note):
            return int(found[1].replace(",", ""))
    paging: Any = offer.source.get("paging")
    if isinstance(paging, Mapping) and offer.rows is not None:
        page: Any = dict(paging).get("page")  # pyright: ignore[reportUnknownVariableType]  (YAML's own)
        if isinstance(page, int) and page > 0:
            return -(-offer.rows // page) + 1
    return None
