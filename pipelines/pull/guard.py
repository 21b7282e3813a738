"""What a pull refuses to believe: rows that vanish while rights move, and more vanished rows than a day explains."""

from __future__ import annotations

from connectors.errors import AnswerIsNo
from expectations.contract import Contract


def guard(contract: Contract, *, vanished: int, live: int, view_moved: bool, accepted: bool) -> None:
    """Ends the pull before anything is landed, unless a person ``accepted`` what is gone.

    ``vanished`` counts rows inferred to be deleted, of ``live`` held before. ``view_moved``: what decides which rows our credentials see
    changed since the last pull. A feed that names its deletions is believed. Raises AnswerIsNo ``pull.vanished``, ``pull.vanished_with_rights``.
    """
    if not vanished or accepted or (contract.cursor is not None and contract.cursor.deletes == "feed"):
        return
    if view_moved:
        raise AnswerIsNo("pull.vanished_with_rights", stream=contract.stream, vanished=vanished, live=live)
    limit = contract.vanishing
    if vanished > limit.rows and vanished > limit.share * live:
        raise AnswerIsNo("pull.vanished", stream=contract.stream, vanished=vanished, live=live, share=f"{limit.share:.0%}", rows=limit.rows)
