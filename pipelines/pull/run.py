"""Walks one pull from the live source to the published record and the claim. The only module that knows the order of the steps."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from connectors.errors import AnswerIsNo, ContractBroken, FixConfiguration, FortnightError
from connectors.protocol import Connector, Reject, Window
from expectations.contract import Contract
from pipelines.clock import Clock
from pipelines.landing.published import Published
from pipelines.landing.rows import Stamp
from pipelines.landing.warehouse import Warehouse, storing
from pipelines.project import Project
from pipelines.pull.balance import balance
from pipelines.pull.claim import claim
from pipelines.pull.compare import compare_schema, schema_check
from pipelines.pull.fetch import fetch
from pipelines.pull.files import fetch_files
from pipelines.pull.judge import access_check, values_check
from pipelines.pull.land import land
from pipelines.pull.outcome import Check, Progress, Report, Request, Result, failing, silent
from pipelines.pull.publish import publish

_log = logging.getLogger("fortnight.pull")


def pull(project: Project, request: Request, clock: Clock, report: Report = silent, connector: Connector | None = None) -> Result:
    """One pull, whole or not at all.

    Returns a Result whatever a source or a check says; its ``error`` holds why it did not succeed. A wrong project or contract raises
    FixConfiguration before anything is claimed. ``connector`` lets several pulls of a system share one.
    """
    contract = project.contract(request.stream)
    walk = _Walk(project, request, contract, clock, report)
    own = connector is None
    open_connector = connector or project.connect(contract.system)
    try:
        result = walk.go(open_connector)
    finally:
        if own:
            open_connector.close()
    with storing(project.root):
        claim(project, request.origin, result, clock, code_version())
    return result


def code_version() -> str:
    return metadata.version("fortnight")


class _Walk:
    """The state of one pull between its steps."""

    def __init__(self, project: Project, request: Request, contract: Contract, clock: Clock, report: Report) -> None:
        import uuid_utils

        self.project, self.request, self.contract, self.clock, self.report = project, request, contract, clock, report
        self.stream = contract.told()
        self.pull_id = str(uuid_utils.uuid7())
        self.started = clock.now()
        self.checks: list[Check] = []
        self.partial: dict[str, Any] = {}

    def go(self, connector: Connector) -> Result:
        warehouse = Warehouse(self.project.root)
        try:
            with warehouse.writing(self.stream.id):
                try:
                    with storing(self.project.root):
                        undone = warehouse.discard_unpublished(self.stream.id)
                        if undone:
                            self.step("restore", len(undone))
                        return self._steps(connector, warehouse)
                finally:
                    # What was written and not published goes at once where that is possible, and at the next pull where it is not.
                    try:
                        with storing(self.project.root):
                            warehouse.discard_unpublished(self.stream.id)
                    except FixConfiguration as error:
                        _log.warning(
                            "%s: what was not published could not be discarded now; the next pull does it (%s)",
                            self.stream.id,
                            error.params["reason"],
                        )
        except ContractBroken as error:
            return self.result("stopped", error=error, endpoint=self._endpoint(connector))
        except FortnightError as error:
            return self.result("failed", error=error, endpoint=self._endpoint(connector))

    def _steps(self, connector: Connector, warehouse: Warehouse) -> Result:
        self.step("resolve")
        live = connector.describe(self.stream)
        self.step("compare")
        drift, check = compare_schema(self.contract, live)
        self.partial["drift"] = drift
        self.checks.append(check)
        if not check.passed:
            named = "; ".join(f"{c.kind} {c.path}" + (f" → {c.new}" if c.new else "") for c in drift.blocking)
            raise ContractBroken("pull.drift", stream=self.stream.id, version=self.contract.version, changes=named)
        self.demand(schema_check(self.contract, live))
        before = warehouse.published(self.stream.id)
        watermark = connector.watermark()
        self.step("access")
        access = connector.access(self.stream)
        rights_moved = before is not None and (
            before.revision != live.revision or known_scopes(warehouse, self.stream.id) != {s.id for s in access.scopes}
        )
        # Without a base the books can only balance over everything: the first pull is always whole.
        asked = self.request.window if before is not None else None
        window, resume = self.window(before, rights_moved)
        count = connector.count(self.stream)
        # Not to resume from, only to know what was seen last (kintone finds records posted with an old update time by their number).
        stream = replace(self.stream, options={"last_cursor": dict(before.cursor)}) if before and before.cursor else self.stream
        # The spool holds source data in clear: it goes with the pull, however that ends.
        with tempfile.TemporaryDirectory(prefix="fortnight-pull-") as folder:
            stamp = Stamp(self.stream.id, self.pull_id, self.started, self.contract.version)
            known, waiting = warehouse.known(self.stream.id), held_before(warehouse, self.stream.id)
            with storing(folder):
                fetched = fetch(
                    connector,
                    stream,
                    self.contract,
                    window,
                    resume=resume,
                    known=known,
                    held=waiting,
                    stamp=stamp,
                    count=count,
                    spool=Path(folder) / "rows.arrows",
                    report=self.report,
                )
            self.checks.append(access_check(self.contract, access, fetched))
            self.step("judge")
            self.demand(values_check(self.contract, fetched))
            content = None
            if self.contract.content is not None:
                content = fetch_files(connector, self.stream, self.contract, list(fetched.changed_rows.values()), warehouse, self.report)
            self.step("land", fetched.to_land)
            land(warehouse, self.stream, self.contract, fetched, access, content, stamp)
        books, check = balance(count, fetched, warehouse.live_count(self.stream.id))
        if not books.balanced:
            # Rows come and go while a live source is read: what it counts once the reading is over decides.
            books, check = balance(connector.count(self.stream), fetched, warehouse.live_count(self.stream.id))
        self.partial["balance"] = books
        self.checks.append(check)
        if not books.balanced:
            raise AnswerIsNo(
                "pull.unbalanced",
                stream=self.stream.id,
                source=books.source,
                landed=books.landed,
                quarantined=books.quarantined,
                difference=books.difference,
            )
        counts = {
            "read": fetched.read,
            "changed": fetched.changed,
            "unchanged": fetched.unchanged,
            "deleted": fetched.deleted,
            "quarantined": books.quarantined,
            "live": fetched.live_after,
        }
        if content is not None:
            counts["files"] = content.num_rows
            counts["files_failed"] = sum(1 for status in content["status"].to_pylist() if status != "ok")
        self.step("publish")
        record = publish(
            warehouse,
            self.contract,
            live,
            pull_id=self.pull_id,
            at=self.clock.now(),
            counts=counts,
            restricted=access.restricted,
            watermark=watermark if asked is None else self._watermark_of(before),
            cursor=fetched.cursor if asked is None else (before.cursor if before else None),
        )
        return self.result("succeeded", counts=counts, published=record.number, versions=record.tables, endpoint=self._endpoint(connector))

    def window(self, before: Published | None, rights_moved: bool) -> tuple[Window, dict[str, object] | None]:
        """What to read: as asked; everything when asked or when there is nothing to go on from; else since the last watermark, overlapping.

        A change of rights or settings moves no row's update time, yet it may move rows to other scopes: then everything is read.
        """
        if self.request.window is not None and before is not None:
            return self.request.window, None
        changed_contract = before is not None and before.contract_fingerprint != self.contract.fingerprint()
        if (
            before is None
            or before.watermark is None
            or self.request.full
            or rights_moved
            or self.contract.cursor is None
            or changed_contract
        ):
            return Window(), None
        since = datetime.fromisoformat(before.watermark) - duration(self.contract.cursor.lookback)
        feed = self.contract.cursor.deletes == "feed"
        return Window(since=since), dict(before.cursor) if feed and before.cursor else None

    def _watermark_of(self, before: Published | None) -> datetime | None:
        """A window in the past moves no watermark."""
        return datetime.fromisoformat(before.watermark) if before and before.watermark else None

    def demand(self, check: Check) -> None:
        """Keep a check; a critical one that failed ends the pull."""
        self.checks.append(check)
        if not check.passed and check.severity == "critical":
            raise AnswerIsNo("pull.check_failed", stream=self.stream.id, check=check.name, what=failing(check))

    def step(self, name: str, done: int = 0) -> None:
        self.report(Progress(self.stream.id, name, done))

    def _endpoint(self, connector: Connector) -> tuple[str, bool]:
        return connector.endpoint, connector.sandbox

    def result(
        self,
        outcome: Literal["succeeded", "stopped", "failed"],
        *,
        endpoint: tuple[str, bool],
        counts: dict[str, int] | None = None,
        **more: Any,
    ) -> Result:
        return Result(
            stream=self.stream.id,
            pull_id=self.pull_id,
            started_at=self.started,
            finished_at=self.clock.now(),
            outcome=outcome,
            checks=tuple(self.checks),
            counts=counts or {},
            endpoint=endpoint[0],
            sandbox=endpoint[1],
            contract_version=self.contract.version,
            contract_fingerprint=self.contract.fingerprint(),
            **self.partial,
            **more,
        )


def known_scopes(warehouse: Warehouse, stream: str) -> set[str]:
    """The scope ids of the last published pull."""
    rows = warehouse.read("scopes", stream, ["scope"])
    return set() if rows is None else set(rows["scope"].to_pylist())


def held_before(warehouse: Warehouse, stream: str) -> dict[str, Reject]:
    """The rows in quarantine as of the last published pull, by key."""
    rows = warehouse.read("quarantine", stream, ["key", "column", "reason", "raw"])
    return {} if rows is None else {row["key"]: Reject(**row) for row in rows.to_pylist()}


def duration(text: str) -> timedelta:
    """An ISO 8601 duration of days, hours, minutes and seconds (``P1D``, ``PT5M``). Raises FixConfiguration for anything else."""
    import re

    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", text)
    if not found or not any(found.groups()):
        raise FixConfiguration("contract.bad_duration", text=text)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
