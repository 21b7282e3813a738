"""The fifth step: changed rows to landing and current, held rows to quarantine, rights beside them. Nothing of it shows before publishing."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from connectors.errors import AnswerIsNo
from connectors.messages import told
from connectors.protocol import Stream
from expectations.contract import Contract
from pipelines.landing.history import observed
from pipelines.landing.merge import Again
from pipelines.landing.quarantine import after, overdue, standing
from pipelines.landing.rows import Stamp
from pipelines.landing.warehouse import Warehouse
from pipelines.pull.access_tables import GRANT_KEY, access_tables
from pipelines.pull.fetch import Fetched
from pipelines.pull.rights import Rights

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger("fortnight.pull")


def land(
    warehouse: Warehouse,
    stream: Stream,
    contract: Contract,
    fetched: Fetched,
    rights: Rights,
    content: pa.Table | None,
    stamp: Stamp,
    *,
    goes_on: bool,
    retention: timedelta,
) -> None:
    """Write all tables of one pull. A table whose rows did not change gets no commit. Rows that left quarantine longer ago than
    ``retention`` leave its history, too.

    The connector's memory goes with its cursor: it is written where the next pull ``goes_on`` from this one's.
    """
    first = warehouse.open("current", stream.id) is None
    if fetched.to_land or first:
        merged = warehouse.merge("current", stream.id, Again(fetched.batches), fetched.schema)
        if merged.older:
            raise AnswerIsNo("landing.older", stream=stream.id, count=merged.older)
        if first or merged.committed:
            warehouse.append("landing", stream.id, fetched.batches(), fetched.schema)
    was = warehouse.read("quarantine", stream.id)
    now = after(was, fetched.rejects, fetched.judged, stamp, retention)
    if now is not None:
        warehouse.replace("quarantine", stream.id, now)
    table = was if now is None else now
    if table is not None and (late := overdue(standing(table), stamp.pulled_at, retention)):
        _log.warning("%s", told("pull.overdue", stream=stream.id, count=len(late), days=retention.days, key=late[0].key))
    if fetched.keeping.schema is not None and goes_on:
        warehouse.remember(stream.id, fetched.keeping.batches(), fetched.keeping.schema, anew=fetched.keeping.anew)
    if content is not None and (content.num_rows or warehouse.open("content", stream.id) is None):
        warehouse.merge("content", stream.id, content.to_batches(), content.schema)
    tables = access_tables(rights.access, contract)
    warehouse.replace("scopes", stream.id, tables.scopes)
    if rights.fresh:
        warehouse.replace("members", stream.id, tables.members)
        warehouse.replace("accounts", stream.id, tables.accounts)
        if rights.access.grants:
            before = warehouse.read("grants", stream.id)
            warehouse.replace("grants", stream.id, observed(before, tables.grants, GRANT_KEY, rights.read_at))
            warehouse.replace("principals", stream.id, tables.principals)
