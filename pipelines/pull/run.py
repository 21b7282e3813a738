"""Walks one pull from the live source to the published record and the claim. The only module that knows the order of the steps."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

from connectors.errors import AnswerIsNo, Closed, ContractBroken, FixConfiguration, FortnightError
from connectors.messages import told
from connectors.protocol import Connector, Schema, Stream, Window
from expectations.contract import Contract
from expectations.drift import Change, Drift
from expectations.facts import Facts, facts_of
from pipelines.clock import Clock
from pipelines.consumers import columns_of, uses
from pipelines.landing import numbers
from pipelines.landing.memory import Memory
from pipelines.landing.numbers import Kept
from pipelines.landing.promises import keep
from pipelines.landing.promises import kept as promised
from pipelines.landing.published import Published
from pipelines.landing.rows import Stamp
from pipelines.landing.storing import storing
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.again import again
from pipelines.pull.balance import balance
from pipelines.pull.bands import bands_check
from pipelines.pull.claim import claim
from pipelines.pull.compare import UNDESCRIBED, check_of, compare_schema, moved, schema_check, stops
from pipelines.pull.evolve import evolve
from pipelines.pull.fetch import Fetched, counted, fetch, finds_out
from pipelines.pull.files import NO_CONTENT, OK, fetch_files
from pipelines.pull.green import Green
from pipelines.pull.guard import guard, guard_columns, guard_held
from pipelines.pull.hide import hide
from pipelines.pull.judge import access_check, values_check, warned
from pipelines.pull.land import land
from pipelines.pull.numbers import closed_of, numbers_of
from pipelines.pull.outcome import Check, Progress, Report, Request, Result, failing, silent
from pipelines.pull.promise import hold, settled
from pipelines.pull.publish import publish
from pipelines.pull.rights import rights, unannounced, view_moved, with_derived
from pipelines.pull.spool import spool
from pipelines.pull.window import Reading, follows_feed, reading

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger("fortnight.pull")


def pull(
    project: Project,
    request: Request,
    clock: Clock,
    report: Report = silent,
    connector: Connector | None = None,
    green: Green | None = None,
) -> Result:
    """One pull, whole or not at all.

    Returns a Result whatever a source or a check says; its ``error`` holds why it did not succeed. A wrong project or contract raises
    FixConfiguration before anything is claimed. ``connector`` lets several pulls of a system share one, ``green`` what teaches them.
    """
    contract = project.contract(request.stream)
    walk = _Walk(project, request, contract, clock, report, green or Green(project))
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

    def __init__(self, project: Project, request: Request, contract: Contract, clock: Clock, report: Report, green: Green) -> None:
        import uuid_utils

        self.project, self.request, self.contract, self.clock, self.report = project, request, contract, clock, report
        self.green = green
        self.stream = contract.told()
        self.pull_id = str(uuid_utils.uuid7())
        self.started = clock.now()
        self.checks: list[Check] = []
        self.partial: dict[str, Any] = {}
        #: What the contract's next version came to state in this pull.
        self.evolved: tuple[Change, ...] = ()

    def go(self, connector: Connector) -> Result:
        warehouse = Warehouse(self.project.root)
        try:
            with warehouse.writing(self.stream.id, self.pull_id):
                try:
                    with storing(self.project.root):
                        undone = warehouse.discard_unpublished(self.stream.id)
                        if undone:
                            self.step("restore", len(undone))
                        hold(warehouse, self.contract)
                        return self._steps(connector, warehouse)
                except Closed as error:
                    with storing(self.project.root):
                        warehouse.discard_unpublished(self.stream.id)
                        hide(warehouse, self.stream.id, error, pull_id=self.pull_id, at=self.clock.now())
                    raise
                finally:
                    # What was written and not published goes at once where that is possible, and at the next pull where it is not.
                    try:
                        with storing(self.project.root):
                            warehouse.discard_unpublished(self.stream.id)
                    except FixConfiguration as error:
                        _log.warning("%s", told("pull.discard_later", stream=self.stream.id, reason=error.params["reason"]))
        except ContractBroken as error:
            return self.result("stopped", error=error, endpoint=self._endpoint(connector))
        except FortnightError as error:
            return self.result("failed", error=error, endpoint=self._endpoint(connector))

    def _steps(self, connector: Connector, warehouse: Warehouse) -> Result:
        before = warehouse.published(self.stream.id)
        # Not to resume from, only to know what was seen last (kintone finds records posted with an old update time by their number).
        stream = replace(self.stream, options={"last_cursor": dict(before.cursor)}) if before and before.cursor else self.stream
        since = Facts.read(before.facts) if before and before.facts else None
        live = self._compared(connector, stream, since)
        if (drift := self.partial["drift"]).evolving and settled(warehouse, self.contract):
            published = promised(warehouse.store, self.stream.id) is not None
            self.contract = evolve(self.project, self.contract, live, drift.evolving, self.started, published=published)
            hold(warehouse, self.contract)
            self.evolved = drift.evolving
            self.stream = self.contract.told()
            stream = replace(self.stream, options=stream.options)
            live = self._compared(connector, stream, since)
        self.demand(schema_check(self.contract, live))
        # What goes on from a feed needs no watermark to read; by the end its source has said the time of itself.
        goes_on = follows_feed(self.contract) and before is not None and before.cursor is not None and not self.request.full
        watermark = None if goes_on else connector.watermark()
        self.step("access")
        held = rights(connector, stream, self.contract, live, before, warehouse, self.started, anew=self.request.full)
        # Where rights were carried on, whatever may have moved them is to be named; where they were not, only what a feed names is.
        if follows_feed(self.contract):
            stream = replace(stream, options={**stream.options, "rights_anew": held.fresh})
        self._drifted(live, since, held.changes)
        moved = held.moved or self.partial["drift"].reload
        memory = Memory(warehouse, stream, before)
        some = again(self.request, self.contract, connector, stream, memory, moved=moved)
        plan = (
            Reading(Window(until=self.started))
            if some
            else reading(self.contract, self.request, before, live, moved=moved, now=self.started, clock=watermark)
        )
        if plan.why:
            _log.info("%s: reading everything (%s)", stream.id, plan.why)
        # Counted beforehand where everything is read: it is what progress is measured against. A feed is read to its end before its first
        # page comes, and counting would walk it once more.
        counts = plan.window.full and not finds_out(self.contract) and not follows_feed(self.contract)
        count = counted(connector, stream) if counts else None
        if watermark is None and (plan.resume is None or plan.reconciles):
            watermark = connector.watermark()
        asked = (self.request.window is not None and before is not None) or some is not None
        # The spool holds source data in clear: it goes with the pull, however that ends.
        with spool(self.project.home, stream.id) as folder:
            stamp = Stamp(stream.id, self.pull_id, self.started, self.contract.version)
            with storing(str(folder)):
                fetched = fetch(
                    connector,
                    stream,
                    self.contract,
                    plan.window,
                    resume=plan.resume,
                    memory=memory,
                    stamp=stamp,
                    count=count,
                    spool=folder / "rows.arrows",
                    report=self.report,
                    # What a feed told up to now is read first; else only what lies before the last pull was missed by it.
                    watermark=(watermark if plan.resume else self._watermark_of(before)) if plan.reconciles else None,
                    again=some,
                )
            guard(
                self.contract,
                vanished=fetched.vanished,
                absent=fetched.absent,
                live=memory.live,
                view_moved=held.view_moved
                or (fetched.vanished > 0 and (held.shared or not held.fresh) and view_moved(connector, stream, before)),
                accepted=self.request.accept_gone,
            )
            guard_held(self.contract, fetched, live=memory.live, accepted=self.request.accept_gone)
            nulls = fetched.nulls if plan.window.full else before.nulls if before else {}
            if plan.window.full and before is not None and plan.comparable and not self.request.accept_gone:
                guard_columns(self.contract, before.nulls, fetched, memory)
            held = with_derived(held, connector, stream, memory, fetched.scopes, fetched.restated, fetched.spooled)
            fetched.rights_missed = unannounced(held, stream, warehouse, fetched.restated) if goes_on else 0
            self.checks.append(access_check(self.contract, held.access, fetched))
            self.step("judge")
            earlier = numbers.get(warehouse.store, self.stream.id, before.pull_id) if before else None
            stood = earlier.warned if earlier else ()
            values = values_check(self.contract, fetched, whole=plan.window.full, stood=stood)
            self.demand(values)
            kept = self._numbers(fetched, plan, earlier, warehouse, asked=asked)
            kept = replace(kept, warned=warned(values, stood, self.started))
            content = None
            if self.contract.content is not None:
                content = fetch_files(connector, stream, self.contract, list(fetched.changed_rows.values()), warehouse, self.report, folder)
            self.step("land", fetched.to_land)
            keeps, retention = follows_feed(self.contract) and not asked, self.project.file.quarantine.remembers
            land(warehouse, stream, self.contract, fetched, held, content, stamp, goes_on=keeps, retention=retention)
        watermark = watermark or connector.watermark()
        self._balance(connector, stream, warehouse, fetched)
        counts = self._counts(fetched, content)
        self.step("publish")
        numbers.put(warehouse.store, self.stream.id, kept)
        keep(warehouse.store, self.contract)
        record = publish(
            warehouse,
            self.contract,
            live,
            before,
            pull_id=self.pull_id,
            at=self.clock.now(),
            counts=counts,
            # A window in the past moves no watermark.
            watermark=watermark if not asked else self._watermark_of(before),
            cursor=fetched.cursor if not asked else (before.cursor if before else None),
            rights=held,
            facts=facts_of(live, since),
            nulls=nulls,
            reconciled_at=self.started.isoformat()
            if plan.window.full
            else (before.reconciled_at or before.published_at if before else None),
            # What a replay did not read, the next pull still has to compare with what it was read under.
            read_under=before if some else None,
        )
        return self.result("succeeded", counts=counts, published=record.number, versions=record.tables, endpoint=self._endpoint(connector))

    def _compared(self, connector: Connector, stream: Stream, since: Facts | None) -> Schema:
        """The live schema, after it was held to the contract. Raises ContractBroken before a row is read."""
        self.step("resolve")
        try:
            live = connector.describe(stream)
        except UNDESCRIBED as error:
            drift = Drift(stream.id, self.contract.version, "", moved(self.contract, connector, stream, since))
            if not drift.blocking:
                raise
            self.partial["drift"], self.checks = drift, [check_of(drift, self._price)]
            raise stops(drift) from error
        self.step("compare")
        drift = self._drifted(live, since)
        if drift.blocking:
            raise stops(drift)
        return live

    def _drifted(self, live: Schema, since: Facts | None, more: Sequence[Change] = ()) -> Drift:
        """The drift as known so far, and its check in the place of the one before."""
        drift, check = compare_schema(self.contract, live, since, (*self.evolved, *more), self._price)
        self.partial["drift"] = drift
        self.checks = [check, *(one for one in self.checks if one.name != check.name)]
        return drift

    def _price(self, change: Change) -> str:
        """Who relies on what a change concerns; where the questions can't be read, that."""
        try:
            used = uses(self.project, self.contract, columns_of(self.contract, (change,)))
        except FixConfiguration as error:
            return error.say()
        return ", ".join(f"{use.index} ({len(use.questions)}/{use.asked})" for use in used)

    def _numbers(self, fetched: Fetched, plan: Reading, earlier: Kept | None, warehouse: Warehouse, *, asked: bool) -> Kept:
        """What this pull showed in numbers, held to what the stream's green days showed."""
        kept = numbers_of(
            self.contract,
            fetched,
            plan,
            earlier,
            pull_id=self.pull_id,
            at=self.started,
            accepted=self.request.accept_gone,
            asked=asked,
            closed=closed_of(self.project),
        )
        history = () if asked else self.green.taught(warehouse.store, self.stream.id, self.started)
        self.demand(bands_check(self.contract, kept.numbers, history, asked=asked))
        return kept

    def _balance(self, connector: Connector, stream: Stream, warehouse: Warehouse, fetched: Fetched) -> None:
        landed = warehouse.live_count(stream.id)
        books, check = balance(None if fetched.uncounted else fetched.total or 0, fetched, landed)
        if not books.balanced and books.verified:
            # Rows come and go while a live source is read: what it counts once the reading is over decides.
            books, check = balance(counted(connector, stream), fetched, landed)
        self.partial["balance"] = books
        self.checks.append(check)
        if not books.balanced and books.verified:
            raise AnswerIsNo(
                "pull.unbalanced",
                stream=stream.id,
                source=books.source,
                landed=books.landed,
                quarantined=books.quarantined,
                difference=books.difference,
            )

    def _counts(self, fetched: Fetched, content: pa.Table | None) -> dict[str, int]:
        counts = {
            "read": fetched.read,
            "changed": fetched.changed,
            "unchanged": fetched.unchanged,
            "deleted": fetched.deleted,
            "missed": fetched.missed,
            "rights_missed": fetched.rights_missed,
            "quarantined": len({reject.key for reject in fetched.rejects}),
            "live": fetched.live_after,
        }
        if content is not None:
            counts["files"] = content.num_rows
            counts["files_failed"] = sum(1 for status in content["status"].to_pylist() if status not in (OK, NO_CONTENT))
        return counts

    def _watermark_of(self, before: Published | None) -> datetime | None:
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
