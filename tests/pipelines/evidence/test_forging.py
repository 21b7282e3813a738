"""Whoever owns the disk forges the ledger and the certificate, row by row; verifying names the first row that is not what was written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from soaking import share

from pipelines.evidence.book import book_from
from pipelines.evidence.certificate import examine, title_of, write_certificate
from pipelines.evidence.chain import Entry, Head, link
from pipelines.evidence.facts import fact_entry
from pipelines.evidence.gate import GatePolicy
from pipelines.evidence.history import policy_entry
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.reasons import reason
from pipelines.evidence.standing import state_of
from pipelines.evidence.table import NAMES

from .worlds import CONTRACT, DATE, ENDPOINT, STREAM, at, claim, ready

INDEX, DAYS = "product-support", 4
POLICY = GatePolicy(streams=(STREAM,))
TODAY = DATE + timedelta(days=DAYS)


def story() -> list[Entry]:
    """A few days with every kind of row but a person's."""
    made = claim()
    rows = [policy_entry(INDEX, POLICY.fingerprint(), "production", "wall", at(DATE))]
    for number in range(DAYS):
        day = DATE + timedelta(days=number)
        told = reason("seal.judged_under", policy="p", last_good_at=None)
        pulled = Entry(
            "evidence", "production", "wall", STREAM, day, slot=at(day), trigger="schedule", pull_id="p", run_id="r", root_run_id="r"
        )
        pulled = replace(pulled, tick="orders@05:00", started_at=at(day, 5), finished_at=at(day, 6), outcome="succeeded", code_version="1")
        rows.append(replace(pulled, checks=made.checks, balance=made.balance, contract=CONTRACT, endpoint=ENDPOINT))
        rows.append(
            Entry("seal", "production", "wall", STREAM, day, finished_at=at(day, 23), verdict="green", reasons=(told,), contract=CONTRACT)
        )
    return [*rows, *(fact_entry(fact, "production", "wall") for fact in ready()[:2])]


ROWS = link(story(), Head(0, "0" * 64))
LAST = len(ROWS)


def bent(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, list):
        return [*value, value[-1]] if value else None
    if isinstance(value, dict):
        return {name: bent(each) for name, each in value.items()}
    changes = {bool: lambda: not value, int: lambda: value + 1, str: lambda: value + " ", type(None): lambda: None}
    return changes.get(type(value), lambda: value + timedelta(days=1))()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], pa.Schema, Head]:
    """The ledger's rows as they lie in its files."""
    ledger = Ledger(str(tmp_path_factory.mktemp("ledger") / "table"))
    head = ledger.append(story())
    assert ledger.verify(head).ok
    table = DeltaTable(ledger.location).to_pyarrow_table()
    return sorted(table.to_pylist(), key=lambda row: row["seq"]), table.schema, head


def forgeries(rows: list[dict[str, Any]]) -> dict[str, tuple[list[dict[str, Any]], int]]:
    """By name: the forged rows, and the first row of which it can be said that it is not what was written."""
    made: dict[str, tuple[list[dict[str, Any]], int]] = {}
    for n, row in enumerate(rows):
        for column in NAMES:
            if (other := bent(row[column])) != row[column]:
                # A row under another number leaves a hole where it stood.
                made[f"{n + 1}: {column} flipped"] = ([*rows[:n], {**row, column: other}, *rows[n + 1 :]], n + 1)
        made[f"{n + 1}: dropped"] = ([*rows[:n], *rows[n + 1 :]], n + 1)
        made[f"{n + 1}: repeated"] = ([*rows[: n + 1], *rows[n:]], n + 2)
        made[f"{n + 1}: all behind it cut off"] = (rows[: n + 1], n + 2)
        if n + 1 < len(rows):
            after = rows[n + 1]
            swapped = [{**after, "seq": row["seq"]}, {**row, "seq": after["seq"]}]
            made[f"{n + 1}: its place taken by the next"] = ([*rows[:n], *swapped, *rows[n + 2 :]], n + 1)
    del made[f"{len(rows)}: all behind it cut off"]
    return made


def forged(written: tuple[list[dict[str, Any]], pa.Schema, Head], folder: Path, names: Sequence[str]) -> None:
    rows, schema, head = written
    every = forgeries(rows)
    for number, name in enumerate(names):
        altered, first = every[name]
        ledger = Ledger(str(folder / str(number)))
        write_deltalake(ledger.location, pa.Table.from_pylist(altered, schema=schema))
        found = ledger.verify(head)
        assert (found.ok, found.broken_at) == (False, first), (name, found)


def test_any_row_of_the_table_that_was_touched_is_named(written: tuple[list[dict[str, Any]], pa.Schema, Head], tmp_path: Path):
    names = sorted(forgeries(written[0]))
    kinds = {name.partition(": ")[2] for name in names}
    assert len(kinds) > 25, "most columns hold something somewhere"
    # Each kind of forgery once, at rows spread over the ledger.
    once = [[name for name in names if name.endswith(f": {kind}")] for kind in sorted(kinds)]
    forged(written, tmp_path, [each[number % len(each)] for number, each in enumerate(once)])


@pytest.mark.soak
def test_every_row_in_every_way_is_named(written: tuple[list[dict[str, Any]], pa.Schema, Head], tmp_path: Path):
    forged(written, tmp_path, share(sorted(forgeries(written[0]))))


def test_rows_in_another_order_on_disk_are_the_same_chain(written: tuple[list[dict[str, Any]], pa.Schema, Head], tmp_path: Path):
    """A table has no order: the numbers have, and they are hashed."""
    rows, schema, head = written
    ledger = Ledger(str(tmp_path / "table"))
    write_deltalake(ledger.location, pa.Table.from_pylist(rows[::-1], schema=schema))
    assert ledger.verify(head).ok and [row.hash for row in ledger.read()] == [row["hash"] for row in rows]


def test_any_line_of_a_certificate_that_was_touched_is_named(tmp_path: Path):
    rows, path = list(ROWS), tmp_path / "c.gz"
    state = state_of(book_from(rows, "production"), INDEX, POLICY, TODAY)
    write_certificate(path, title_of("house", "production", state, POLICY, TODAY, Head(rows[-1].seq, rows[-1].hash), at(TODAY)), rows)
    assert examine(path).faults == ()
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    assert len(lines) == LAST + 1, "the title, then a line for every row"
    for n in range(1, LAST + 1):
        told = json.loads(lines[n])
        other = (
            json.dumps({**told, "subject": told["subject"] + "x"}, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            + b"\n"
        )
        ways = {
            "flipped": ([*lines[:n], other, *lines[n + 1 :]], n),
            "dropped": ([*lines[:n], *lines[n + 1 :]], n),
            "repeated": ([*lines[: n + 1], *lines[n:]], n + 1),
            "reordered": ([*lines[:n], *lines[n : n + 2][::-1], *lines[n + 2 :]], n),
        }
        if n == LAST:
            del ways["reordered"], ways["dropped"]
        for how, (altered, first) in ways.items():
            path.write_bytes(gzip.compress(b"".join(altered)))
            faults = examine(path).faults
            assert ("certified.broken_chain", first) in [(each.code, each.params.get("seq")) for each in faults], (how, n, faults)
        path.write_bytes(gzip.compress(b"".join(lines[:n])))
        assert "certified.other_head" in [each.code for each in examine(path).faults], ("cut", n)
