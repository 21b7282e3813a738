"""Asset keys: how streams, indexes and the ledger are named in Dagster."""

from __future__ import annotations

import dagster as dg

LEDGER = dg.AssetKey(["evidence", "ledger"])
#: Where the details of the ledger's old evidence lie.
ARCHIVE = dg.AssetKey(["evidence", "archive"])
#: What is on record of answers.
AUDIT = dg.AssetKey(["serving", "audit"])
#: The check on an index's candidate that shows where it stands.
ELIGIBLE = "production_eligible"


def stream_key(stream: str) -> dg.AssetKey:
    """``kintone/orders`` → the asset key of the same two parts."""
    return dg.AssetKey(stream.split("/"))


def index_keys(name: str) -> tuple[dg.AssetKey, dg.AssetKey, dg.AssetKey]:
    """Candidate, gate and production of an index."""
    return dg.AssetKey(["index", name]), dg.AssetKey(["gate", name]), dg.AssetKey(["production", name])


def books_key(stream: str) -> dg.AssetKey:
    """The books of a stream by ids."""
    return dg.AssetKey(["books", *stream.split("/")])


def tables_key(system: str) -> dg.AssetKey:
    """The upkeep of a system's tables."""
    return dg.AssetKey(["tables", system])


def subscriptions_key(system: str) -> dg.AssetKey:
    """The upkeep of a system's subscriptions to changes."""
    return dg.AssetKey(["subscriptions", system])


def access_keys(system: str) -> tuple[dg.AssetKey, dg.AssetKey, dg.AssetKey]:
    """Roster, agreement and versions of a system."""
    return dg.AssetKey(["access", system]), dg.AssetKey(["agreement", system]), dg.AssetKey(["versions", system])
