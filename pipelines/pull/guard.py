"""What a pull refuses to believe: rows that vanish while rights move, rows that vanish or no longer fit in a mass, and columns that are empty
all at once."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.errors import AnswerIsNo, ContractBroken
from expectations.contract import Contract
from expectations.drift import emptied
from pipelines.landing.memory import Memory
from pipelines.pull.fetch import Fetched
from pipelines.pull.window import follows_feed


def guard_columns(contract: Contract, before: Mapping[str, float], fetched: Fetched, memory: Memory) -> None:
    """Ends the pull when a column that held values is empty now in rows that nobody saved: a field deleted and made anew looks like that.

    ``before`` maps columns to their share of empty values when everything was last read, as ``fetched`` is now. Raises ContractBroken
    ``pull.emptied``.
    """
    named = {field.source: field.name for field in contract.fields}
    changes = [
        change
        for change in emptied(contract, before, fetched.nulls)
        if change.blocks and memory.held_any(named[change.path], fetched.silent)
    ]
    if changes:
        fields = ", ".join(f"{change.path} ({change.old} → {change.new})" for change in changes)
        raise ContractBroken("pull.emptied", stream=contract.stream, fields=fields)


def guard(contract: Contract, *, vanished: int, live: int, view_moved: bool, accepted: bool, absent: int = 0) -> None:
    """Ends the pull before anything is landed, unless a person ``accepted`` what is gone.

    ``vanished`` counts rows inferred to be deleted, of ``live`` held before; ``absent`` those of them that nobody named. ``view_moved``: what
    decides which rows our credentials see changed since the last pull. A feed is believed in what it names. Raises AnswerIsNo
    ``pull.vanished``, ``pull.vanished_with_rights``.
    """
    if follows_feed(contract):
        vanished = absent
    if not vanished or accepted:
        return
    if view_moved:
        raise AnswerIsNo("pull.vanished_with_rights", stream=contract.stream, vanished=vanished, live=live)
    limit = contract.vanishing
    if vanished > limit.rows and vanished > limit.share * live:
        raise AnswerIsNo("pull.vanished", stream=contract.stream, vanished=vanished, live=live, share=f"{limit.share:.0%}", rows=limit.rows)


def guard_held(contract: Contract, fetched: Fetched, *, live: int, accepted: bool) -> None:
    """Ends the pull when so many live rows would leave for quarantine that it is the contract that no longer fits, unless that is ``accepted``.

    The same limit holds as for rows that vanish: to their readers both are gone. Raises AnswerIsNo ``pull.held_back``.
    """
    limit, held = contract.vanishing, len(fetched.held)
    if accepted or held <= limit.rows or held <= limit.share * live:
        return
    reject = fetched.held[0]
    raise AnswerIsNo(
        "pull.held_back",
        stream=contract.stream,
        held=held,
        live=live,
        share=f"{limit.share:.0%}",
        rows=limit.rows,
        column=reject.column,
        # The value itself stays in quarantine: an error is read by more people than the data.
        reason=reject.reason.partition(" = ")[0],
        key=reject.key,
    )
