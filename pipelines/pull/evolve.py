"""A contract's next version, written by its own policy ``evolve`` before a row is read under it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from connectors.protocol import Schema
from expectations.amend import amend, signed
from expectations.changes import Change
from expectations.contract import BY_POLICY, Contract
from pipelines.contract_file import ContractFile
from pipelines.project import Project


def evolve(
    project: Project, contract: Contract, live: Schema, changes: Sequence[Change], at: datetime, *, published: bool = True
) -> Contract:
    """Write the next version, which states these changes, and give it. New fields come under the source's names. Where a contract has no word
    for any of them, it stays as it is: a version means one promise, and two versions would mean the same.
    Where nothing was ``published`` under this version yet, the people who accepted it go on standing behind what it changed.

    Raises FixConfiguration where the file is not what the project read, or can't be written.
    """
    file = ContractFile(project, contract)
    take = {change.path: "" for change in changes if change.kind == "added"}
    amended = amend(file.text, contract, live, changes, take)
    if not amended.stated:
        return contract
    accepted = {
        "by": BY_POLICY,
        "at": at.astimezone(ZoneInfo(project.file.timezone)).date().isoformat(),
        "why": ", ".join(change.line for change in changes),
    }
    if not published and contract.accepted is not None:
        people = contract.accepted.model_dump(mode="json", exclude_defaults=True)
        accepted = people | {"why": f"{contract.accepted.why} ({BY_POLICY}: {accepted['why']})"}
    return file.write(signed(amended.text, contract.version + 1, accepted))
