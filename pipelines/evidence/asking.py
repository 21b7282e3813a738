"""What exactly a person is asked to sign: the terms of each decision, from the project as it is now. Nothing is signed or written here."""

from __future__ import annotations

from datetime import date

from connectors.errors import AnswerIsNo
from expectations.contract import Contract
from expectations.versions import in_short
from pipelines.evidence.additive import both, breaking
from pipelines.evidence.chain import fingerprint
from pipelines.evidence.plan import book_of, ledger_of
from pipelines.evidence.reasons import reason
from pipelines.evidence.taking import Asked
from pipelines.landing.promises import every
from pipelines.project import Project


def acceptance(project: Project, stream: str, why: str, *, additive: bool = False) -> Asked:
    """That the contract ``stream`` is pulled under now holds in place of the one its days were sealed under.

    Raises AnswerIsNo where no day of the stream was sealed yet: there is nothing to hold it against; and for an ``additive`` one that takes
    something away, or of which nothing shows that it does not.
    """
    contract = project.contract(stream)
    after = contract.fingerprint()
    spans = book_of(project).seals.spans([stream], frozenset(), lambda *_: False).get(stream, ())
    sealed = [span.contract for span in spans if span.contract]
    before = next((one for one in reversed(sealed) if one != after), sealed[-1] if sealed else None)
    if before is None:
        raise AnswerIsNo("decide.nothing_sealed", stream=stream)
    promises = _grown(project, stream, before, contract) if additive and before != after else None
    change = "additive" if additive else "breaking"
    terms = reason("decision.contract_accepted", before=before, after=after, change=change, promises=promises)
    return Asked("accept", stream, "", terms, why)


def _grown(project: Project, stream: str, before: str, after: Contract) -> str:
    from pipelines.landing.warehouse import Warehouse

    store = Warehouse(project.root).store
    then = next((one for one in every(store, stream) if one.fingerprint() == before), None)
    if then is None:
        raise AnswerIsNo("decide.promise_unknown", stream=stream, before=before)
    found = breaking(then.promise(), after.promise())
    if found:
        raise AnswerIsNo("decide.not_additive", stream=stream, changes=in_short(found))
    return both(then, after)


def exclusion(project: Project, stream: str, day: date, why: str) -> Asked:
    """That a sealed day of ``stream`` is left out of the count. Raises AnswerIsNo for a day without a seal: nobody signs for what is yet to come."""
    project.contract(stream)
    if not ledger_of(project).read(kinds=("seal",), subjects=(stream,), day=day):
        raise AnswerIsNo("decide.day_unsealed", stream=stream, day=day.isoformat())
    return Asked("exclude", stream, "", None, why, day)


def first_week(project: Project, index: str, why: str) -> Asked:
    """That the first week of an index is good: the contracts of its streams as they stand now."""
    contracts = {stream: project.contract(stream).fingerprint() for stream in project.index(index).streams}
    return Asked("week-one", index, index, reason("decision.week_one", contracts=fingerprint(contracts)), why)


def review(index: str, day: date, why: str) -> Asked:
    """That the operator looked at ``day`` after promotion."""
    return Asked("review", index, index, None, why, day)


def promotion(index: str, release: int, content_hash: str, why: str) -> Asked:
    """That production is to point to this release with this very content."""
    return Asked("promote", index, index, reason("decision.promote", release=release, content_hash=content_hash), why)


def resumption(index: str, why: str) -> Asked:
    """That a stopped index goes on."""
    return Asked("resume", index, index, None, why)
