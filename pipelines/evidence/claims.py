"""Claims: what one pull says it did, and the plain Delta table that many pulls append them to. A claim proves nothing by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Literal, cast

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, PostCommitHookProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from pipelines.evidence.witness import Severity

Environment = Literal["production", "staging", "sandbox"]
ClockKind = Literal["wall", "simulated"]
Trigger = Literal["schedule", "sensor", "retry", "manual", "backfill", "none"]
Outcome = Literal["succeeded", "failed", "stopped"]

SCHEMA = "fortnight.claim/1"
_ATTEMPTS = 8
# A claim is a commit, and every pull opens the table for its own: what it reads is the log since the last checkpoint, with the statistics each
# commit carries. Claims are looked for by day, which is a partition, and by stream.
_CONFIGURATION = {"delta.checkpointInterval": "5", "delta.dataSkippingStatsColumns": "stream"}

# The log is looked through for what is over a month old when it is kept up, not after each claim.
_AFTER = PostCommitHookProperties(cleanup_expired_logs=False)


@dataclass(frozen=True)
class CheckVerdict:
    """One check as judged in the pull. ``error`` blocks the pull; ``warn`` does not, yet leaves the day not green unless policy says so."""

    name: str
    severity: Severity
    passed: bool


@dataclass(frozen=True)
class Balance:
    """The books of one pull in rows: source = landed + quarantined + excluded. ``source`` is None when the source could not be counted;
    ``verified`` says the numbers were read back from what was published, not carried along, and held against a count of the source's."""

    source: int | None
    landed: int
    quarantined: int
    excluded: int
    verified: bool

    @property
    def accounted(self) -> int:
        return self.landed + self.quarantined + self.excluded

    @property
    def exact(self) -> bool:
        return self.source == self.accounted and min(self.landed, self.quarantined, self.excluded) >= 0


@dataclass(frozen=True)
class ContractRef:
    """The contract a pull ran under. The fingerprint leaves out the app's number and revision, so a renumbered app keeps it."""

    version: int
    fingerprint: str


@dataclass(frozen=True)
class Endpoint:
    """Where the pull went: a fingerprint of the address (never the address with its secrets), and whether it is a sandbox."""

    fingerprint: str
    sandbox: bool


@dataclass(frozen=True)
class Claim:
    """What one pull says. Instants are aware UTC; ``day`` is the project's civil date of the slot; ``trigger`` is how the pull
    believes it was launched; ``error`` is the stable code of a failure, never a free text."""

    stream: str
    environment: Environment
    clock: ClockKind
    slot: datetime | None
    day: date
    trigger: Trigger
    pull_id: str
    run_id: str
    root_run_id: str
    started_at: datetime
    finished_at: datetime
    outcome: Outcome
    checks: tuple[CheckVerdict, ...]
    balance: Balance
    contract: ContractRef
    endpoint: Endpoint
    code_version: str
    drift_waiting: int = 0
    error: str | None = None


def _struct(**fields: pa.DataType) -> pa.DataType:
    return pa.struct([pa.field(name, kind) for name, kind in fields.items()])


INSTANT = pa.timestamp("us", "UTC")
CHECKS = pa.list_(_struct(name=pa.string(), severity=pa.string(), passed=pa.bool_()))
BALANCE = _struct(source=pa.int64(), landed=pa.int64(), quarantined=pa.int64(), excluded=pa.int64(), verified=pa.bool_())
CONTRACT = _struct(version=pa.int64(), fingerprint=pa.string())
ENDPOINT = _struct(fingerprint=pa.string(), sandbox=pa.bool_())

_COLUMNS = pa.schema(
    [
        ("schema", pa.string()),
        ("stream", pa.string()),
        ("environment", pa.string()),
        ("clock", pa.string()),
        ("slot", INSTANT),
        ("day", pa.date32()),
        ("trigger", pa.string()),
        ("pull_id", pa.string()),
        ("run_id", pa.string()),
        ("root_run_id", pa.string()),
        ("started_at", INSTANT),
        ("finished_at", INSTANT),
        ("outcome", pa.string()),
        ("checks", CHECKS),
        ("balance", BALANCE),
        ("contract", CONTRACT),
        ("endpoint", ENDPOINT),
        ("code_version", pa.string()),
        ("drift_waiting", pa.int64()),
        ("error", pa.string()),
    ]
)


class ClaimStore:
    """The claims table at ``location`` (a folder or an object store URI), partitioned by civil day.

    Any number of pulls may append at once. An append that returns is durable; one that raises was not written.
    """

    def __init__(self, location: str, storage_options: Mapping[str, str] | None = None) -> None:
        self.location = location
        self._options = dict(storage_options) if storage_options else None

    def append(self, claim: Claim) -> None:
        """Write one claim. Commit conflicts are tried again; deltalake's CommitFailedError is raised when they do not end."""
        self.append_all([claim])

    def append_all(self, claims: Iterable[Claim]) -> None:
        """Write claims in one commit."""
        rows = pa.Table.from_pylist([{"schema": SCHEMA, **asdict(claim)} for claim in claims], schema=_COLUMNS)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                write_deltalake(self._open() or self._create(), rows, mode="append", post_commithook_properties=_AFTER)
                return
            except CommitFailedError:
                if attempt == _ATTEMPTS:
                    raise

    def first_started(self, environment: Environment | None = None) -> dict[str, datetime]:
        """The instant (aware, UTC) of each stream's oldest claim, of one environment where one is named. Reads few columns: claims grow by every
        pull that ever was."""
        table = self._open()
        if table is None:
            return {}
        wanted = None if environment is None else pc.field("environment") == environment
        found = table.to_pyarrow_dataset().to_table(columns=["stream", "started_at"], filter=wanted)
        oldest = found.group_by("stream").aggregate([("started_at", "min")])
        return dict(zip(oldest["stream"].to_pylist(), oldest["started_at_min"].to_pylist(), strict=True))

    def keep_up(self) -> None:
        """Compact the small file that each pull left, day by day, and drop what compaction left over a week ago. No claim changes; pulls may
        append meanwhile."""
        table = self._open()
        if table is None:
            return
        if {name: table.metadata().configuration.get(name) for name in _CONFIGURATION} != _CONFIGURATION:
            table.alter.set_table_properties(_CONFIGURATION)
        table.optimize.compact()
        table.create_checkpoint()
        table.cleanup_metadata()
        table.vacuum(dry_run=False)

    def read(self, day: date | None = None, stream: str | None = None, since: date | None = None) -> tuple[Claim, ...]:
        """Claims of a civil day, from a day on, and of a stream (all optional), oldest first. A store nobody has written to is empty."""
        table = self._open()
        if table is None:
            return ()
        filters: list[tuple[str, str, Any]] = []
        if day is not None:
            filters.append(("day", "=", day))
        if since is not None:
            filters.append(("day", ">=", since))
        if stream is not None:
            filters.append(("stream", "=", stream))
        found = cast(list[dict[str, Any]], table.to_pyarrow_table(filters=filters or None).to_pylist())
        return tuple(sorted((_claim(row) for row in found), key=lambda claim: (claim.day, claim.stream, claim.started_at, claim.pull_id)))

    def _open(self) -> DeltaTable | None:
        try:
            return DeltaTable(self.location, storage_options=self._options)
        except TableNotFoundError:
            return None

    def _create(self) -> DeltaTable:
        # Creating first keeps two first writers from racing for version 0 with data in hand.
        return DeltaTable.create(
            self.location, _COLUMNS, mode="ignore", partition_by=["day"], configuration=_CONFIGURATION, storage_options=self._options
        )


def _claim(row: dict[str, Any]) -> Claim:
    if row.pop("schema") != SCHEMA:
        raise ValueError(f"a claim of {row['stream']} was written by another version: read it with that version")
    row["checks"] = tuple(CheckVerdict(**check) for check in row["checks"] or ())
    row["balance"] = Balance(**row["balance"])
    row["contract"] = ContractRef(**row["contract"])
    row["endpoint"] = Endpoint(**row["endpoint"])
    return Claim(**row)
