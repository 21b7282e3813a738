"""Before anything is asked of the source: the contract as it is read, against what its versions promised when rows landed under them."""

from __future__ import annotations

from connectors.errors import FixConfiguration
from expectations.contract import Contract
from expectations.versions import differences, in_short
from pipelines.landing.promises import kept
from pipelines.landing.warehouse import Warehouse


def hold(warehouse: Warehouse, contract: Contract) -> None:
    """Ends the pull where the promise changed and its version did not, where an older version would go on where a newer one stopped, and
    where a new version that breaks its readers is not accepted by two people.

    Raises FixConfiguration ``contract.same_version``, ``contract.older``, ``contract.unaccepted``, ``contract.one_person``.
    """
    before = kept(warehouse.store, contract.stream)
    if before is None:
        _hold_record(warehouse, contract)
        return
    found = differences(before, contract)
    if contract.version < before.version:
        raise FixConfiguration("contract.older", stream=contract.stream, version=contract.version, newest=before.version)
    if contract.version == before.version:
        if before.fingerprint() != contract.fingerprint():
            raise FixConfiguration("contract.same_version", stream=contract.stream, version=contract.version, changes=in_short(found))
        return
    if not found:
        return
    facts = {"stream": contract.stream, "version": contract.version, "before": before.version}
    if contract.accepted is None or not accepts(contract):
        raise FixConfiguration("contract.unaccepted", **facts, changes=in_short(found))
    breaking = [one for one in found if one.breaks]
    if breaking and not contract.accepted.by_two:
        raise FixConfiguration("contract.one_person", **facts, by=contract.accepted.by, changes=in_short(breaking))


def waiting(warehouse: Warehouse, contract: Contract) -> FixConfiguration | None:
    """What ``hold`` would end a pull with; None where nothing is in its way."""
    try:
        hold(warehouse, contract)
    except FixConfiguration as error:
        return error
    return None


def settled(warehouse: Warehouse, contract: Contract) -> bool:
    """Whether the contract says what rows were last published under, or nothing was published yet: only from there it may evolve by itself.

    Else a machine's name would take the place of people's under what they accepted.
    """
    before = kept(warehouse.store, contract.stream)
    return before is None or not differences(before, contract)


def accepts(contract: Contract) -> bool:
    """Whether the contract's acceptance is of what it says now."""
    return contract.accepted is not None and contract.accepted.promise == contract.fingerprint()


def _hold_record(warehouse: Warehouse, contract: Contract) -> None:
    """Where rows were published before promises were kept, the record of that pull says at least which version it was."""
    record = warehouse.published(contract.stream)
    if record is not None and record.contract_version > contract.version:
        raise FixConfiguration("contract.older", stream=contract.stream, version=contract.version, newest=record.contract_version)
