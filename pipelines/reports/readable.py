"""What a reason of the ledger carries, as people read it: instants in the project's zone to the minute, fingerprints by their first digits."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

#: An instant as the ledger writes it (``evidence.chain.instant_text``).
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
#: A fingerprint; people compare the first digits, and look the whole up in the ledger.
_FINGERPRINT = re.compile(r"sha256:([0-9a-f]{8})[0-9a-f]{56}")


def readable(value: object, zone: str) -> object:
    """``value`` with every instant and fingerprint in it said shortly; what is no text as it is."""
    if not isinstance(value, str):
        return value
    there = ZoneInfo(zone)
    text = _INSTANT.sub(lambda found: f"{datetime.fromisoformat(found[0]).astimezone(there):%Y-%m-%d %H:%M}", value)
    return _FINGERPRINT.sub(r"\1", text)
