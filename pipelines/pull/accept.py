"""A person accepts what changed: the contract's next version is written as the source is now, with who, when and why. Pulls hold to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from connectors.errors import AnswerIsNo, FixConfiguration
from connectors.protocol import Schema
from expectations.amend import amend, signed
from expectations.changes import Change, Drift
from expectations.contract import Acceptance, Contract, same_person
from expectations.drift import compare
from expectations.facts import Facts
from expectations.reading import parse_contract
from expectations.versions import Difference, differences
from pipelines.contract_file import ContractFile
from pipelines.landing.promises import kept
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.compare import in_words
from pipelines.pull.promise import accepts


@dataclass(frozen=True)
class Asked:
    """Who accepts, when and why; ``take`` maps new fields of the source to the names that they come under, ``renames`` fields that are gone
    to the new ones that they became.
    """

    by: str
    at: date
    why: str
    take: Mapping[str, str] = field(default_factory=dict[str, str])
    renames: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Accepted:
    """What was written. ``differences`` are those to the last version that rows were published under; where they break readers, nothing is
    pulled until a ``second`` person accepts, too.
    """

    contract: Contract
    changes: tuple[Change, ...]
    differences: tuple[Difference, ...]
    second: bool


def accept(project: Project, contract: Contract, live: Schema, drift: Drift, since: Facts | None, asked: Asked) -> Accepted | None:
    """Write the contract as the source is now, or put the second name to what another person accepted. None where nothing waits for anybody.

    Raises AnswerIsNo ``contract.accept_left`` with what only a person can write, ``contract.same_person``, FixConfiguration
    ``contract.no_reason``; then nothing was written.
    """
    before = kept(Warehouse(project.root).store, contract.stream) or contract
    written = differences(before, contract)
    ahead = contract.version > before.version
    pending = ahead and accepts(contract) and contract.accepted is not None and not contract.accepted.by_policy
    if not pending and any(one.place == "source.fingerprint" for one in written):
        # A fingerprint that was written by hand accepts nothing: what it would let pass is what is asked about here. One that the first of
        # two people accepted is what the second one is asked about; asked anew, each would only take the other's place.
        looked_at = {**contract.source, "fingerprint": before.source.get("fingerprint")}
        drift = replace(drift, changes=compare(contract.model_copy(update={"source": looked_at}), live, since).changes)
    if not (drift.changes or asked.take or asked.renames) and (not (written or ahead) or (pending and _suffices(contract, written))):
        return None
    # What is only told about the source waits for nobody, and must not keep the second name from its place.
    if pending and contract.accepted and not (drift.blocking or asked.take or asked.renames or _suffices(contract, written)):
        return _seconded(project, contract, written, contract.accepted, asked)
    if not asked.why:
        raise FixConfiguration("contract.no_reason", stream=contract.stream)
    file = ContractFile(project, contract)
    taken = (*_renamed(contract, drift, asked.renames), *_wanted(contract, live, drift, asked.take))
    amended = amend(file.text, contract, live, taken, asked.take)
    left = tuple(change for change in amended.left if change.blocks)
    if left:
        raise AnswerIsNo("contract.accept_left", stream=contract.stream, changes=in_words(left))
    accepted: dict[str, Any] = {
        "by": asked.by,
        "at": asked.at.isoformat(),
        "why": asked.why,
        "changes": [change.line for change in amended.unstated if change.blocks],
    }
    # A version that nothing was published under yet is still being written.
    version = contract.version if contract.version > before.version else before.version + 1
    text = signed(amended.text, version, accepted)
    contract_now = parse_contract(text, file.path)
    still = compare(contract_now, live, since).blocking
    known = {(change.kind, change.path) for change in (*amended.stated, *amended.unstated)}
    if still and all((change.kind, change.path) in known for change in still):
        # The contract says what the source says, and the source is still not what it was at the last pull: that, too, is accepted by name.
        accepted["changes"] = [*accepted["changes"], *(change.line for change in still)]
        text = signed(amended.text, version, accepted)
        contract_now = parse_contract(text, file.path)
        still = compare(contract_now, live, since).blocking
    if still:
        raise AnswerIsNo("contract.accept_left", stream=contract.stream, changes=in_words(still))
    # What an anchor of the file carried to another field is nothing that anybody asked for.
    touched = {path for change in (*drift.changes, *taken) for path in (change.path, change.new)}
    carried = tuple(one for one in compare(contract_now, live, since).changes if one.path not in touched)
    if carried:
        raise AnswerIsNo("contract.accept_left", stream=contract.stream, changes=in_words(carried))
    found = differences(before, contract_now)
    file.write(text, former=before if differences(before, contract) else None)
    return Accepted(contract_now, amended.stated + amended.unstated, found, any(one.breaks for one in found))


def _renamed(contract: Contract, drift: Drift, renames: Mapping[str, str]) -> tuple[Change, ...]:
    """The changes, with those that a person calls one renaming told as one. Raises AnswerIsNo for a pair that isn't there."""
    gone = {change.path: change for change in drift.changes if change.kind in ("removed", "renamed")}
    came = {change.path for change in drift.changes if change.kind == "added"}
    for old, new in renames.items():
        if old not in gone or new not in came:
            known = ", ".join(sorted(gone)) or "-", ", ".join(sorted(came)) or "-"
            raise AnswerIsNo("contract.no_such_rename", stream=contract.stream, old=old, new=new, gone=known[0], came=known[1])
    told = [Change("renamed", old, gone[old].label, old, new, contract.drift.renamed) for old, new in renames.items()]
    return (*told, *(one for one in drift.changes if one.path not in renames and one.path not in renames.values()))


def _wanted(contract: Contract, live: Schema, drift: Drift, take: Mapping[str, str]) -> tuple[Change, ...]:
    """Fields to take that are no news: the contract left them out by name, or nobody asked for them. Raises AnswerIsNo for one that isn't there."""
    known = {change.path for change in drift.changes if change.kind in ("added", "feature")}
    there = {field.source for field in live.fields} - {field.source for field in contract.fields}
    found: list[Change] = []
    for path in take:
        if path not in known | there:
            raise AnswerIsNo("contract.nothing_to_take", stream=contract.stream, field=path, known=", ".join(sorted(known | there)) or "-")
        if path not in known:
            found.append(Change("added", path, "", "", "", "report"))
    return tuple(found)


def _suffices(contract: Contract, written: tuple[Difference, ...]) -> bool:
    by_two = contract.accepted is not None and contract.accepted.by_two
    return by_two or not any(one.breaks for one in written)


def _seconded(project: Project, contract: Contract, written: tuple[Difference, ...], accepted: Acceptance, asked: Asked) -> Accepted:
    if same_person(accepted.by, asked.by):
        raise AnswerIsNo("contract.same_person", stream=contract.stream, version=contract.version, by=accepted.by)
    file = ContractFile(project, contract)
    second = {"by": asked.by, "at": asked.at.isoformat(), **({"why": asked.why} if asked.why else {})}
    both = accepted.model_dump(mode="json", exclude_defaults=True) | {"seconded": second}
    return Accepted(file.write(signed(file.text, contract.version, both)), (), written, second=False)
