"""The audit's three tables, column by column, and a batch of the journal: the same rows side by side, before the tables take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

#: The chain, which holds no names; the clear text and salts of its rows; the sets of principals that questions were asked with.
ANSWERS, SUBJECTS, PRINCIPALS = "answers", "subjects", "principals"


def answers_schema() -> pa.Schema:
    """One row of the chain. ``detail`` is JSON, for rows that are no answers: anchors of an opening, what an erasure or a retention took."""
    import pyarrow as pa

    instant, text, number = pa.timestamp("us", tz="UTC"), pa.string(), pa.int64()
    hit = pa.struct([("rank", number), ("chunk", text), ("document", text), ("version", text), ("row_hash", text)])
    texts = ("trace_id", "client", "action", "index", "content_hash", "mode", "decision", "filters", "as_of", "standing")
    hashes = ("person_hash", "query_hash", "principals_hash", "person_seal", "query_seal")
    return pa.schema(
        [
            *((name, text) for name in ("day", "segment", "kind", "prev", "hash", *texts, *hashes, "detail")),
            *((name, number) for name in ("seq", "k", "principals", "release", "visible", "refused", "latency_us")),
            *((name, instant) for name in ("asked_at", "membership_read_at", "overlay_read_at")),
            ("cost_jpy", pa.float64()),
            ("hits", pa.list_(hit)),
        ]
    )


def subjects_schema() -> pa.Schema:
    import pyarrow as pa

    text = pa.string()
    names = ("segment", "person_hash", "person", "person_salt", "query", "query_salt")
    return pa.schema([("seq", pa.int64()), ("asked_at", pa.timestamp("us", tz="UTC")), *((name, text) for name in names)])


def principals_schema() -> pa.Schema:
    import pyarrow as pa

    names = ("principals_hash", "person_hash", "closures")
    return pa.schema([("noted_at", pa.timestamp("us", tz="UTC")), *((name, pa.string()) for name in names)])


def schema_of(table: str) -> pa.Schema:
    return {ANSWERS: answers_schema, SUBJECTS: subjects_schema, PRINCIPALS: principals_schema}[table]()


def batch_schema() -> pa.Schema:
    """One row a row of the chain; what it has nothing of is null."""
    import pyarrow as pa

    return pa.schema([(table, pa.struct(list(schema_of(table)))) for table in (ANSWERS, SUBJECTS, PRINCIPALS)])


def rows_of(batch: pa.Table, table: str) -> pa.Table:
    """What a batch holds for one of the tables, as that table's own rows."""
    import pyarrow as pa

    held = batch[table].drop_null().combine_chunks()
    # One chunk, or none where nothing is held.
    return pa.Table.from_struct_array(held) if len(held) else schema_of(table).empty_table()
