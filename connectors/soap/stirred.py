"""Whether rows changed since the last pull: the contract's own changed-since request, its first page alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

from connectors.keys import key_text
from connectors.protocol import Page, Stream, Window
from connectors.soap.client import SoapClient
from connectors.soap.config import SourceSpec
from connectors.soap.pull import pages


def stirred(client: SoapClient, stream: Stream, spec: SourceSpec, since: datetime | None) -> str | None:
    """See ``capabilities.Stirs``. A digest of keys and update times of the first page behind ``since``: nothing of the rows stays readable.

    None where the contract declares no ``changed_since`` or no cursor, or nothing was pulled yet: without either the whole stream would be read.
    """
    if spec.changed_since is None or stream.cursor is None or since is None:
        return None
    found = pages(client, stream, spec, Window(since=since), None, "")
    try:
        return _told(found, stream)
    finally:
        # The rest of the window is the pull's to read.
        found.close()  # pyright: ignore[reportAttributeAccessIssue]


def _told(found: Iterator[Page], stream: Stream) -> str:
    digest, rows = hashlib.sha256(), 0
    for page in found:
        names = [*stream.key, str(stream.cursor)]
        for row in zip(*(page.rows.column(name).to_pylist() for name in names), strict=True):
            digest.update(key_text([str(value) for value in row]).encode())
        for reject in page.rejects:
            digest.update(reject.key.encode())
        rows += page.rows.num_rows + len(page.rejects)
        if rows:
            break
    return f"{rows}:{digest.hexdigest()[:16]}" if rows else ""
