"""The sixth step: the books. The source's own count against what is live with us and what is held."""

from __future__ import annotations

from connectors.messages import told
from expectations.balance import Balance
from pipelines.pull.fetch import Fetched
from pipelines.pull.outcome import Check


def balance(source: int | None, fetched: Fetched, landed: int) -> tuple[Balance, Check]:
    """The balance of a pull, and its check as a one-row table. ``landed`` was counted in the table that was written.

    Held rows count once, however many of their values are wrong. Where the source has no way to count (None) the check warns: nothing is
    wrong, and nothing is proven.
    """
    held = {reject.key for reject in fetched.rejects}
    books = Balance(source=source, landed=landed, quarantined=len(held), excluded=fetched.outside)
    row = {
        "source": "?" if books.source is None else str(books.source),
        "landed": str(books.landed),
        "quarantined": str(books.quarantined),
        "excluded": str(books.excluded),
        "difference": "?" if books.difference is None else str(books.difference),
        "missed before": str(fetched.missed),
    }
    numbers = {
        "landed": float(books.landed),
        "quarantined": float(books.quarantined),
        "missed": float(fetched.missed),
    }
    if books.source is not None and books.difference is not None:
        numbers |= {"source": float(books.source), "difference": float(books.difference)}
    code = "check.balance" if books.balanced else "check.unbalanced" if books.verified else "check.balance_unverified"
    return books, Check("balance", books.balanced, "critical" if books.verified else "warning", told(code, **row), (row,), numbers)
