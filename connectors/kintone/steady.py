"""Records saved while they were read: their values are of one moment and the rule that decides them of another, until they are read again.

A page and the lists of ids by rule are answers to different questions. A record saved between the two would be landed with what it held
before under the readers it has since, or the other way round. So, where rules have conditions, the records saved since the reading began are listed
by revision once it is over; a record in another revision than it was read at is read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from connectors.access import UNRESOLVED
from connectors.kintone.client import PAGE
from connectors.kintone.decode import Decoded
from connectors.kintone.reader import Reader
from connectors.kintone.seek import Range

#: A record that is saved again and again is looked at this often; then it is nobody's until the next pull.
_LOOKS = 3


@dataclass
class Revisions:
    """The revisions at which rows were read; of a row read twice, the last."""

    pages: list[tuple[pa.Array, pa.Array]] = field(default_factory=list[tuple[pa.Array, pa.Array]])

    def take(self, decoded: Decoded) -> None:
        self.pages.append((pa.array(decoded.ids, pa.int64()), pa.array(decoded.revisions, pa.string())))

    def of(self, ids: Iterable[int]) -> dict[int, str]:
        """Those of the ids that were read."""
        wanted = pa.array(ids, pa.int64())
        found: dict[int, str] = {}
        for read, revisions in self.pages:
            mask = pc.is_in(read, value_set=wanted)
            found.update(zip(read.filter(mask).to_pylist(), revisions.filter(mask).to_pylist(), strict=True))
        return found


def steadied(reader: Reader, read: Revisions, began: datetime, newest: int | None) -> Iterator[tuple[Decoded, list[str]]]:
    """Records that were saved while they were read, as they are now, with their scopes. One call where there are none.

    ``began`` is the source's time before the first page, ``newest`` the highest id that was read up to.
    """
    updated = reader.form.system_field("UPDATED_TIME")
    if not reader.conditional or updated is None:
        return
    since = began.astimezone(UTC).replace(second=0, microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")
    for look in range(_LOOKS + 1):
        now = {
            id: revision
            for page in reader.listing(Range(0, newest), f'{updated.code} >= "{since}"')
            for id, revision in zip(*page, strict=True)
        }
        then = read.of(now)
        moved = sorted(id for id, revision in then.items() if now[id] != revision)
        if not moved:
            return
        for at in range(0, len(moved), PAGE):
            wanted = ", ".join(map(str, moved[at : at + PAGE]))
            for _, decoded, scopes in reader.pages(f"$id in ({wanted})", [Range(0)], 1):
                read.take(decoded)
                yield decoded, scopes if look < _LOOKS else [UNRESOLVED] * len(scopes)
