"""The second step: the live schema against the contract, as drift by name and as Great Expectations sees the types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from connectors.capabilities import Identifies, Previews
from connectors.errors import AddressUnknown, ContractBroken, FixConfiguration, SourceError
from connectors.messages import Language, Said, sentence, told
from connectors.protocol import Connector, Schema, Stream
from expectations.contract import Contract
from expectations.drift import Change, Drift, address, ahead, compare
from expectations.facts import Facts
from expectations.suite import judge_schema
from pipelines.landing.warehouse import Warehouse
from pipelines.pull.outcome import Check

#: How describing a stream ends where its address, or what lies there, is not what it was.
UNDESCRIBED = (AddressUnknown, ContractBroken, FixConfiguration)


#: Says who relies on what a change concerns.
Price = Callable[[Change], str]


def compare_schema(
    contract: Contract, live: Schema, since: Facts | None = None, more: Sequence[Change] = (), price: Price | None = None
) -> tuple[Drift, Check]:
    """The drift, and its check. ``since`` is what the source looked like at the last published pull; ``more`` are changes that show elsewhere
    than in the schema.
    """
    drift = compare(contract, live, since)
    drift = replace(drift, changes=(*drift.changes, *more))
    return drift, check_of(drift, price)


def prepared(contract: Contract, connector: Previews) -> Drift:
    """What settings that are saved at the source, and not in force yet, will bring. Raises AccessRefused where they may not be read."""
    seen = connector.preview(contract.told())
    return ahead(contract, seen.live, seen.coming, live_rights=seen.live_rights, coming_rights=seen.coming_rights)


def check_of(drift: Drift, price: Price | None = None) -> Check:
    """One row per change with what it does to readers, what the contract says to do about it and, by ``price``, who relies on it."""
    rows = tuple(
        {
            "change": change.kind,
            "field": change.path,
            "label": change.label,
            "old": change.old,
            "new": change.new,
            "effect": change.effect,
            "policy": change.policy,
            "used by": price(change) if price else "",
        }
        for change in drift.changes
    )
    blocking = drift.blocking
    summary = in_words(drift.changes, first=drift.first) if rows else told("check.drift_none")
    return Check("drift", not blocking, "critical", summary, rows, {"changes": len(rows), "blocking": len(blocking)})


def in_words(changes: Sequence[Change], *, now: bool = False, first: bool = False) -> Said:
    """Changes as one phrase: what kind of which field and, where asked, what it is ``now``. At the ``first`` look nobody can say that what is
    not there was removed.
    """

    def say(lang: Language) -> str:
        return (", " if lang == "en" else "、").join(_line(change, now, first, lang) for change in changes)

    return Said(say)


def _line(change: Change, now: bool, first: bool, lang: Language) -> str:
    if not (first and change.kind in ("removed", "renamed")):
        return f"{sentence(f'drift.kind.{change.kind}', lang=lang)} {change.path}" + (f" → {change.new}" if now and change.new else "")
    # A part is named by its place in the contract, which does not say what is written there.
    what = change.path if f".{change.path}".endswith(f".{change.old}") else f"{change.path}: {change.old}"
    said = f"{sentence('drift.not_there', lang=lang)} {what}"
    near = change.near or change.new
    return said + ((" " if lang == "en" else "") + sentence("drift.near", {"name": near}, lang) if near else "")


def stops(drift: Drift) -> ContractBroken:
    """What a pull ends with whose contract and source differ."""
    changes = in_words(drift.blocking, now=True, first=drift.first)
    facts = {"stream": drift.stream, "version": drift.contract_version, "changes": changes}
    return ContractBroken("pull.not_there", **facts) if drift.misnamed else ContractBroken("pull.drift", **facts)


def schema_check(contract: Contract, live: Schema) -> Check:
    """Great Expectations on the live types. A change that the contract's own drift policy lets pass does not fail here."""
    tolerated = {
        name
        for change in compare(contract, live).changes
        if not change.blocks
        for name in [field.name for field in contract.fields if change.path.split(".")[0] == field.source]
    }
    verdicts = judge_schema(contract, live)
    failed = [v for v in verdicts if not v.passed and v.column not in tolerated]
    rows = tuple(
        {
            "expectation": v.expectation,
            "column": v.column,
            "expected": v.expected,
            "observed": v.observed,
            "verdict": "pass" if v.passed else "FAIL",
        }
        for v in verdicts
    )
    summary = told("check.schema", held=len(verdicts) - len(failed), total=len(verdicts))
    return Check("schema", not failed, "critical", summary, rows, {"expectations": len(verdicts), "failed": len(failed)})


def last_seen(root: str, stream: str) -> Facts | None:
    """What the source looked like at the last published pull under this storage root; None where nothing was published."""
    if "://" not in root and not Path(root).is_dir():
        return None
    record = Warehouse(root).published(stream)
    return Facts.read(record.facts) if record is not None and record.facts else None


def moved(contract: Contract, connector: Connector, stream: Stream, since: Facts | None) -> tuple[Change, ...]:
    """What changed of a stream that can't be described: its call, its address. Nothing where nobody knows how it was, or is."""
    if since is None or not isinstance(connector, Identifies):
        return ()
    try:
        return address(contract, connector.identify(stream), since)
    except (SourceError, FixConfiguration):
        return ()


def held_against(contract: Contract, connector: Connector, since: Facts | None) -> Drift:
    """The drift of a stream now, also of one that can't be described any more. Raises what describing it raises where no change explains it."""
    stream = contract.told()
    try:
        return compare(contract, connector.describe(stream), since)
    except UNDESCRIBED:
        changes = moved(contract, connector, stream, since)
        if not changes:
            raise
        return Drift(contract.stream, contract.version, "", changes)
