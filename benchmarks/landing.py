"""What a merge of a few changed rows costs in a large table and in one a tenth its size: seconds, bytes read, bytes written, commits."""

from __future__ import annotations

import hashlib
import itertools
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import RUNS, Measure, Sample, in_turn, quick, tried

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.landing.warehouse import Warehouse

LARGE = 200_000 if quick() else 10_000_000
SMALL = LARGE // 10
CHANGED = 1_000 if quick() else 10_000
STREAM = "bench/orders"
_pulls = itertools.count(1)


def measures() -> Iterator[Measure]:
    """Both tables are loaded once, in the order of their keys, as a source is read. Every run changes other rows."""
    with tempfile.TemporaryDirectory() as folder:
        large, small = _table(Path(folder) / "large", LARGE), _table(Path(folder) / "small", SMALL)
        sizes = f"{LARGE:,} rows; the peer is the same merge into {SMALL:,}"
        recent = f"{CHANGED:,} changed rows (the newest nine tenths changed, a twentieth new, a twentieth deleted) into {sizes}"
        bound = None if quick() else (lambda _, ratio: ratio <= 1.5)
        yield tried(
            "landing.merge.seconds",
            lambda: in_turn(
                "landing.merge.seconds",
                "s",
                recent,
                lambda: _merge(large, LARGE, "wall"),
                lambda: _merge(small, SMALL, "wall"),
                bound="<= 1.5 for ten times the table",
                holds=bound,
            ),
        )
        for what in ("read", "written"):
            yield tried(
                f"landing.merge.bytes_{what}",
                lambda what=what: in_turn(
                    f"landing.merge.bytes_{what}",
                    "MB",
                    recent,
                    lambda: _merge(large, LARGE, what),
                    lambda: _merge(small, SMALL, what),
                    bound="<= 1.5 for ten times the table",
                    holds=bound,
                    runs=min(RUNS, 3),
                ),
            )
        yield tried(
            "landing.merge.vs_deltalake",
            lambda: in_turn(
                "landing.merge.vs_deltalake",
                "s",
                f"{CHANGED:,} changed rows into {SMALL:,}; the peer is deltalake's own merge by the same key",
                lambda: _merge(small, SMALL, "wall"),
                lambda: _peer(small, SMALL),
                bound="none: shown",
                holds=None,
                runs=min(RUNS, 3),
            ),
        )
        yield tried(
            "landing.merge.scattered_seconds",
            lambda: in_turn(
                "landing.merge.scattered_seconds",
                "s",
                f"{CHANGED:,} changed rows anywhere, into {sizes}: nearly every file is touched, and the cost is the table's",
                lambda: _merge(large, LARGE, "wall", scattered=True),
                lambda: _merge(small, SMALL, "wall", scattered=True),
                bound="none: what clustering does not help",
                holds=None,
                runs=1,
            ),
        )
        yield tried("landing.merge.noop_commits", lambda: _noop(large))
        yield tried("landing.count.seconds", lambda: _count(large, small))


def _schema() -> pa.Schema:
    import pyarrow as pa

    from pipelines.landing.rows import landed_schema

    return landed_schema(
        pa.schema(
            [
                ("id", pa.int64()),
                ("customer", pa.string()),
                ("amount", pa.decimal128(16, 4)),
                ("quantity", pa.int64()),
                ("status", pa.string()),
                ("note", pa.string()),
                ("updated_at", pa.timestamp("us", "UTC")),
            ]
        )
    )


def _rows(ids: list[int], pull: int, op: str = "upsert") -> pa.RecordBatch:
    """Landed rows of these ids as the ``pull``-th pull would have brought them."""
    import numpy as np
    import pyarrow as pa

    schema, size, at = _schema(), len(ids), datetime(2026, 11, 1, tzinfo=UTC)
    number = pa.array(ids, pa.int64())
    keys = [str(10**9 + one) for one in ids]
    if op == "delete":
        given = {"_key": pa.array(keys), "_op": pa.array([op] * size)}
        return pa.record_batch([given.get(field.name, pa.nulls(size, field.type)) for field in schema], schema=schema)
    text = np.array(ids)
    columns = {
        "id": number,
        "customer": pa.array([f"得意先{one % 5000:04d}" for one in ids]),
        "amount": number.cast(pa.decimal128(38, 4)).cast(pa.decimal128(16, 4)),
        "quantity": pa.array(text % 97),
        "status": pa.array([("受付", "手配中", "出荷済")[one % 3] for one in ids]),
        "note": pa.array([f"{one:x}-{pull}" for one in ids]),
        "updated_at": pa.array([at] * size, pa.timestamp("us", "UTC")),
        "_key": pa.array(keys),
        "_stream": pa.array([STREAM] * size),
        "_pull_id": pa.array([f"p{pull}"] * size),
        "_pulled_at": pa.array([at] * size, pa.timestamp("us", "UTC")),
        "_op": pa.array([op] * size),
        "_source_version": pa.array([str(pull)] * size),
        "_contract_version": pa.array([1] * size, pa.int64()),
        "_row_hash": pa.array([hashlib.sha256(f"{one}-{pull}".encode()).hexdigest() for one in ids]),
        "_scope": pa.array(["all"] * size),
    }
    return pa.record_batch([columns[name] for name in schema.names], schema=schema)


def _table(folder: Path, rows: int) -> Warehouse:
    from pipelines.landing.warehouse import Warehouse

    warehouse, step = Warehouse(str(folder)), 50_000
    pages = (_rows(list(range(start, min(start + step, rows))), 0) for start in range(0, rows, step))
    warehouse.append("current", STREAM, pages, _schema())
    return warehouse


def _changes(rows: int, *, scattered: bool) -> list[pa.RecordBatch]:
    pull = next(_pulls)
    if scattered:
        return [_rows(sorted(random.Random(pull).sample(range(rows), CHANGED)), pull)]
    few = CHANGED // 20
    first = rows - CHANGED - few * pull
    changed = list(range(first, first + CHANGED - 2 * few))
    gone = list(range(first + CHANGED - 2 * few, first + CHANGED - few))
    new = list(range(rows + few * pull, rows + few * (pull + 1)))
    return [_rows(changed, pull), _rows(new, pull), _rows(gone, pull, "delete")]


def _measured(run: Callable[[], dict[str, float]], of: str) -> Sample:
    """Wall and CPU of a run; bytes read are those that the system gave this process."""
    read, wall, cpu = _given(), time.perf_counter(), time.process_time()
    found = run()
    found |= {"wall": time.perf_counter() - wall, "read": (_given() - read) / 1e6}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Sample(found[of], found["wall"], time.process_time() - cpu, peak)


def _given() -> int:
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines())
    return int(lines["rchar"])


def _merge(warehouse: Warehouse, rows: int, of: str, *, scattered: bool = False) -> Sample:
    changes = _changes(rows, scattered=scattered)
    return _measured(lambda: {"written": warehouse.merge("current", STREAM, changes, _schema()).written / 1e6}, of)


def _peer(warehouse: Warehouse, rows: int) -> Sample:
    import pyarrow as pa
    from deltalake import DeltaTable

    table, changes = DeltaTable(warehouse.uri("current", STREAM)), _changes(rows, scattered=False)

    def run() -> dict[str, float]:
        merger = table.merge(pa.Table.from_batches(changes), predicate="t._key = s._key", source_alias="s", target_alias="t")
        merger.when_matched_update_all().when_not_matched_insert_all().execute()
        return {}

    return _measured(run, "wall")


def _noop(warehouse: Warehouse) -> Measure:
    changes = _changes(LARGE, scattered=False)
    warehouse.merge("current", STREAM, changes, _schema())
    before = warehouse.versions(STREAM)["current"]
    sample = _measured(lambda: {"rows": float(warehouse.merge("current", STREAM, changes, _schema()).rows)}, "rows")
    commits = warehouse.versions(STREAM)["current"] - before
    how = f"the same {CHANGED:,} rows merged again into {LARGE:,}"
    return Measure(
        "landing.merge.noop_commits",
        commits,
        None,
        "commits",
        None,
        None,
        1,
        "= 0",
        commits == 0,
        how,
        round(sample.wall, 3),
        round(sample.cpu, 3),
    )


def _count(large: Warehouse, small: Warehouse) -> Measure:
    def count(warehouse: Warehouse) -> Sample:
        return _measured(lambda: {"rows": float(warehouse.live_count(STREAM))}, "wall")

    return in_turn(
        "landing.count.seconds",
        "s",
        f"live rows told by the log of {LARGE:,} rows; the peer is the same of {SMALL:,}",
        lambda: count(large),
        lambda: count(small),
        bound="none: a few hundredths of a second either way",
        holds=None,
    )
