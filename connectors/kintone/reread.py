"""Chosen records read anew: rows that are held back, after the contract or the source was mended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from connectors.kintone.client import Client
from connectors.kintone.pull import pull
from connectors.kintone.reader import Reader
from connectors.kintone.run import Run
from connectors.protocol import Page, Reject, Stream, Window

#: Numbers in one condition: a query of about a kilobyte.
_AT_ONCE = 100


def numbers_of(rows: Sequence[Reject]) -> list[int] | None:
    """The numbers of the records that these rows were sent with; None where one says none."""
    found = [_number(row) for row in rows]
    return None if None in found else sorted({number for number in found if number is not None})


def reread(client: Client, stream: Stream, run: Run, numbers: Sequence[int]) -> Iterator[Page]:
    """These records as they are now; see ``capabilities.Rereads``.

    Each hundred is read like an app that holds nothing else, with the same proofs: that no setting moved and no record slipped by.
    """
    for start in range(0, len(numbers), _AT_ONCE):
        reader = Reader(client, stream, run, only=numbers[start : start + _AT_ONCE])
        for page in pull(reader, run, Window(), None, None, workers=1):
            # The count is that of the chosen records.
            yield replace(page, total=None)


def _number(row: Reject) -> int | None:
    """Of a record as it was sent, or of its typed columns."""
    told = json.loads(row.raw).get("$id")
    told = told["value"] if isinstance(told, dict) else told
    return None if told is None else int(told)
