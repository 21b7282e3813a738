"""What is held back and why: rejected rows as a table with every reason, and what of a row may be shown. Decides and shapes; landing stores."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from connectors.messages import Said, catalogue, quoted, told
from connectors.protocol import Reject
from expectations.contract import Contract, FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa

#: What tells one holding from another: the row, and the state of it that does not fit.
HELD_KEY = ("key", "version")
_CODE = re.compile(r"[a-z_]+(?:\.[a-z_]+)+")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in a row: the column (as the contract names it, or a path at the source) and the connector's reason."""

    column: str
    reason: str

    @property
    def code(self) -> str:
        """The stable code that the reason begins with."""
        found = _CODE.match(self.reason)
        return found[0] if found else self.reason

    @property
    def where(self) -> str:
        """What the reason adds to its code, without the value that was sent."""
        return self.reason.removeprefix(self.code).partition(" = ")[0].strip(" :")

    def sentence(self) -> Said:
        """The fault in words. A code that has none of its own is told as it is, never hidden."""
        known = f"quarantine.reason.{self.code}"
        return told(known) if known in catalogue() else told("quarantine.reason", code=self.code)


@dataclass(frozen=True)
class HeldRow:
    """One holding of one row: ``version`` of it did not fit, for ``faults``. Instants are aware UTC.

    ``pull_id``, ``judged_at`` and ``contract_version`` are of the pull that first found just these faults; ``since`` is when this version was
    first held, ``left_at`` when it was held no longer, None while it is. ``raw`` is the row as it was sent, None once it left.
    """

    key: str
    version: str
    faults: tuple[Fault, ...]
    raw: str | None
    pull_id: str
    judged_at: datetime
    contract_version: int
    since: datetime
    left_at: datetime | None

    def reject(self) -> Reject:
        """As the connector gave it."""
        first, *more = [(fault.column, fault.reason) for fault in self.faults]
        return Reject(self.key, *first, self.raw or "", tuple(more), self.version)


def schema() -> pa.Schema:
    """Row key and version as text, every fault, the raw source row as JSON text, and by which pull and contract, when (UTC)."""
    import pyarrow as pa

    return pa.schema(
        [
            ("key", pa.string()),
            ("version", pa.string()),
            ("faults", pa.list_(pa.struct([("column", pa.string()), ("reason", pa.string())]))),
            ("raw", pa.string()),
            ("_pull_id", pa.string()),
            ("_pulled_at", pa.timestamp("us", tz="UTC")),
            ("_contract_version", pa.int64()),
        ]
    )


def held(
    rejects: Iterable[Reject],
    *,
    judged: Collection[str],
    before: Collection[HeldRow],
    pull_id: str,
    pulled_at: datetime,
    contract_version: int,
) -> pa.Table:
    """The rows that are held now. ``before`` are those that were; of the keys that are not ``judged`` this pull found out nothing new.

    A row keeps the pull that judged it while it is judged the same: a second look at it is no news.
    """
    import pyarrow as pa

    known = {row.key: row for row in before}
    rows: dict[str, HeldRow] = {}
    for reject in rejects:
        faults, version = tuple(Fault(column, reason) for column, reason in reject.reasons), version_of(reject)
        new = HeldRow(reject.key, version, faults, reject.raw, pull_id, pulled_at, contract_version, pulled_at, None)
        old = known.get(reject.key)
        same = old is not None and (old.version, old.faults, old.contract_version) == (version, faults, contract_version)
        rows.setdefault(reject.key, old if old is not None and (same or reject.key not in judged) else new)
    return pa.Table.from_pylist([stored(row) for row in rows.values()], schema=schema())


def stored(row: HeldRow) -> dict[str, Any]:
    """A row as the table has it, but for the times that its history keeps."""
    return {
        "key": row.key,
        "version": row.version,
        "faults": [{"column": fault.column, "reason": fault.reason} for fault in row.faults],
        "raw": row.raw,
        "_pull_id": row.pull_id,
        "_pulled_at": row.judged_at,
        "_contract_version": row.contract_version,
    }


def version_of(reject: Reject) -> str:
    """The source's version of the row, or where it tells none what the row is as it was sent."""
    return reject.version or "sha256:" + hashlib.sha256(reject.raw.encode()).hexdigest()


@dataclass(frozen=True)
class Told:
    """What of a held row's values may be shown: ``values`` by the contract's column, and the columns whose values are ``withheld``."""

    values: Mapping[str, str]
    withheld: tuple[str, ...]


def told_of(row: HeldRow, contract: Contract) -> Told:
    """The values of the contract's columns as the source sent them. A column that is confidential, or holds something that is, is withheld.

    What the contract does not name is not shown at all: nobody ever said that it may be. A row whose text is no JSON shows nothing.
    """
    given = _read(row.raw or "")
    inner = given.get("fields")
    places = (given, cast("Mapping[str, Any]", inner)) if isinstance(inner, dict) else (given,)
    values: dict[str, str] = {}
    withheld: list[str] = []
    for field in contract.fields:
        place = next((one for one in places if field.source in one), None)
        if place is None:
            continue
        if confidential(field):
            withheld.append(field.name)
        else:
            values[field.name] = _text(place[field.source])
    return Told(values, tuple(withheld))


def confidential(field: FieldSpec) -> bool:
    return field.sensitivity == "confidential" or any(confidential(child) for child in field.fields)


def detail_of(fault: Fault, contract: Contract) -> str:
    """Where in the row the fault lies, in the connector's words; nothing for a column whose values are withheld."""
    closed = any(confidential(field) for field in contract.fields if field.name == fault.column.partition(".")[0])
    return "" if closed or not fault.where else quoted(fault.where)


def _read(raw: str) -> Mapping[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    # kintone wraps every value with its type.
    if isinstance(value, dict) and "value" in value:
        value = cast("Mapping[str, Any]", value)["value"]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
