"""The sixth step: the books. The source's own count against what is live with us and what is held."""

from __future__ import annotations

from connectors.messages import told
from expectations.balance import Balance
from pipelines.pull.fetch import Fetched
from pipelines.pull.outcome import Check


def balance(source: int, fetched: Fetched, landed: int) -> tuple[Balance, Check]:
    """The balance of a pull, and its check as a one-row table. ``landed`` was counted in the table that was written.

    Held rows count once, however many of their values are wrong.
    """
    held = {reject.key for reject in fetched.rejects}
    books = Balance(source=source, landed=landed, quarantined=len(held), excluded=fetched.outside)
    row = {
        "source": str(books.source),
        "landed": str(books.landed),
        "quarantined": str(books.quarantined),
        "excluded": str(books.excluded),
        "difference": str(books.difference),
        "missed before": str(fetched.missed),
    }
    numbers = {
        "source": float(books.source),
        "landed": float(books.landed),
        "quarantined": float(books.quarantined),
        "difference": float(books.difference),
        "missed": float(fetched.missed),
    }
    summary = told("check.balance" if books.balanced else "check.unbalanced", **row)
    return books, Check("balance", books.balanced, "critical", summary, (row,), numbers)
