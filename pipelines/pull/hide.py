"""A stream whose source lets nobody read it now: its rows stay as they were published, and every scope of theirs is nobody's."""

from __future__ import annotations

from datetime import datetime

from connectors.errors import Closed
from pipelines.landing.warehouse import Warehouse


def hide(warehouse: Warehouse, stream: str, error: Closed, *, pull_id: str, at: datetime) -> None:
    """Publish the last record once more with unresolved scopes. Its rights are as young as this answer, so that the stream, which shows
    nothing, does not keep its index from being asked. The next pull that succeeds reads them anew. Without a record nothing is shown yet.
    """
    import pyarrow as pa

    before, scopes = warehouse.published(stream), warehouse.read("scopes", stream)
    if before is None or scopes is None:
        return
    shut = [{**scope, "principals": [], "resolved": False, "reason": error.say()} for scope in scopes.to_pylist()]
    warehouse.replace("scopes", stream, pa.Table.from_pylist(shut, schema=scopes.schema))
    warehouse.publish(
        before.model_copy(
            update={
                "number": before.number + 1,
                "pull_id": pull_id,
                "published_at": at.isoformat(),
                "access_at": at.isoformat(),
                # Rights without a view are never carried on.
                "view": "",
                # When everything was last read is counted from the last pull that read something.
                "reconciled_at": before.reconciled_at or before.published_at,
                "tables": warehouse.versions(stream),
            }
        )
    )
