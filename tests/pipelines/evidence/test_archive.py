"""Details of old evidence may leave the ledger: every row keeps its place, and the archive can only say what was said."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from pipelines.evidence import ledger as ledger_room
from pipelines.evidence.archive import bare
from pipelines.evidence.chain import Entry
from pipelines.evidence.claims import ClaimStore
from pipelines.evidence.columns import seal_columns
from pipelines.evidence.errors import LedgerBroken
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.sealer import seal_closed_days

from .worlds import DATE, PRODUCTION, at, calendar, witnessed_days

ONE = timedelta(days=1)
DAYS = 6


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evidence folder of six green days."""
    root = tmp_path_factory.mktemp("sealed")
    claims, seen = witnessed_days([DATE + n * ONE for n in range(DAYS)])
    store = ClaimStore(str(root / "claims"))
    store.append_all(claims)
    seal_closed_days(Ledger(str(root / "ledger")), store, seen, calendar(), PRODUCTION, at(DATE + DAYS * ONE), "wall")
    return root


@pytest.fixture
def ledger(sealed: Path, tmp_path: Path) -> Ledger:
    shutil.copytree(sealed, tmp_path / "own")
    return Ledger(str(tmp_path / "own" / "ledger"))


def in_the_table(ledger: Ledger, seq: int) -> dict[str, object]:
    return next(row for row in DeltaTable(ledger.location).to_pyarrow_table().to_pylist() if row["seq"] == seq)


def test_details_of_old_days_move_and_every_reader_reads_what_it_read(ledger: Ledger):
    before, seals, head = ledger.read(), seal_columns(ledger.now()).digest(1_000), ledger.head()
    assert ledger.move_details(DATE + 4 * ONE) == 4
    first = next(row for row in before if row.entry.kind == "evidence")
    assert in_the_table(ledger, first.seq)["checks"] is None and in_the_table(ledger, first.seq)["hash"] == first.hash
    again = Ledger(ledger.location)
    assert (again.read(), seal_columns(again.now()).digest(1_000), again.head()) == (before, seals, head)
    assert again.verify(head).ok and again.verify().by_place == 0
    assert ledger.move_details(DATE + 4 * ONE) == 0, "a second time there is nothing to move"
    ledger.append([Entry("finding", "production", "wall", "kintone/orders")], after=head)
    assert ledger.verify().ok
    assert DeltaTable(ledger.location).metadata().configuration["delta.appendOnly"] == "true"


def test_without_the_archive_rows_are_proven_by_their_place_and_nobody_takes_that_for_more(ledger: Ledger):
    ledger.move_details(DATE + 2 * ONE)
    shutil.rmtree(ledger.archive.location)
    first = int(
        str(
            next(
                row["seq"] for row in DeltaTable(ledger.location).to_pyarrow_table().sort_by("seq").to_pylist() if row["kind"] == "evidence"
            )
        )
    )
    found = ledger.verify()
    assert (found.ok, found.broken_at, found.why and found.why.code) == (False, first, "ledger.details_missing")
    placed = ledger.verify(archive=False)
    assert (placed.ok, placed.by_place) == (True, 2)
    with pytest.raises(LedgerBroken):
        ledger.read()


def test_an_archive_that_says_something_else_is_found_at_the_row(ledger: Ledger):
    ledger.move_details(DATE + 3 * ONE)
    table = DeltaTable(ledger.archive.location).to_pyarrow_table()
    rows = table.sort_by("seq").to_pylist()
    shutil.rmtree(ledger.archive.location)
    write_deltalake(
        ledger.archive.location, pa.Table.from_pylist([rows[0], {**rows[1], "outcome": "failed"}, rows[2]], schema=table.schema)
    )
    assert (ledger.verify().ok, ledger.verify().broken_at) == (False, rows[1]["seq"])


@pytest.mark.parametrize("column", ["prev", "hash", "seq", "kind"])
def test_a_moved_row_that_was_touched_is_found_without_the_archive_too(ledger: Ledger, column: str):
    ledger.move_details(DATE + 3 * ONE)
    table = DeltaTable(ledger.location).to_pyarrow_table()
    rows = table.sort_by("seq").to_pylist()
    place = next(n for n, row in enumerate(rows) if row["kind"] == "evidence")
    rows[place] = {**rows[place], column: {"seq": 99, "kind": "seal"}.get(column, "0" * 64)}
    shutil.rmtree(ledger.location)
    write_deltalake(ledger.location, pa.Table.from_pylist(rows, schema=table.schema))
    # A hash that was touched is told by the row behind it, which names the true one.
    assert (ledger.verify(archive=False).ok, ledger.verify(archive=False).broken_at) == (False, place + (2 if column == "hash" else 1))


def test_a_mover_killed_before_its_commit_moved_nothing_and_the_next_one_does(ledger: Ledger, monkeypatch: pytest.MonkeyPatch):
    before, real = ledger.read(), ledger_room.write_deltalake

    def killed(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ledger_room, "write_deltalake", killed)
    with pytest.raises(KeyboardInterrupt):
        ledger.move_details(DATE + 3 * ONE)
    monkeypatch.setattr(ledger_room, "write_deltalake", real)
    assert ledger.verify(archive=False).by_place == 0
    assert Ledger(ledger.location).move_details(DATE + 3 * ONE) == 3
    assert ledger.read() == before and ledger.verify().ok


def test_nothing_moves_out_of_a_chain_that_does_not_hold(ledger: Ledger):
    table = DeltaTable(ledger.location).to_pyarrow_table()
    rows = [{**row, "actor": "x"} if row["seq"] == 2 else row for row in table.to_pylist()]
    shutil.rmtree(ledger.location)
    write_deltalake(ledger.location, pa.Table.from_pylist(rows, schema=table.schema))
    with pytest.raises(LedgerBroken, match="Row 2 "):
        ledger.move_details(DATE + 3 * ONE)
    assert not Path(ledger.archive.location).exists()


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("seal", {"verdict": "red"}),
        ("seal", {}),
        ("seal", {"kind": "evidence", "verdict": None}),
        ("evidence", {"verdict": "not_counted"}),
        ("evidence", {"outcome": "succeeded"}),
    ],
)
def test_a_row_that_says_other_than_its_details_is_found_though_their_hash_is_true(ledger: Ledger, kind: str, change: dict[str, object]):
    """What is read by columns is the row in the ledger; the archive is not to lend it a hash."""
    table = DeltaTable(ledger.location).to_pyarrow_table()
    rows = sorted(table.to_pylist(), key=lambda row: row["seq"])
    chosen = next(row for row in rows if row["kind"] == kind)
    true = pa.Table.from_pylist([chosen], schema=table.schema)
    ledger.archive.add(true)
    written = [{**bare(true).to_pylist()[0], **change} if row["seq"] == chosen["seq"] else row for row in rows]
    shutil.rmtree(ledger.location)
    write_deltalake(ledger.location, pa.Table.from_pylist(written, schema=table.schema), configuration={"delta.appendOnly": "true"})
    found = Ledger(ledger.location).verify()
    assert (found.ok, found.broken_at) == (False, chosen["seq"])
