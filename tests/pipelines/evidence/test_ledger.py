"""The ledger on real Delta tables: it only grows, one writer at a time, and it can be proven whole."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from pipelines.evidence import ledger as ledger_module
from pipelines.evidence.book import open_book
from pipelines.evidence.chain import GENESIS, Entry, Head
from pipelines.evidence.errors import HeadMoved, LedgerBroken
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.reasons import reason

from .test_chain import entries
from .worlds import DATE


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(str(tmp_path / "ledger"))


def rewrite(ledger: Ledger, change) -> None:
    """Somebody with a hand on the file system replaces the table by one they altered."""
    rows = sorted(DeltaTable(ledger.location).to_pyarrow_table().to_pylist(), key=lambda row: row["seq"])
    schema = DeltaTable(ledger.location).to_pyarrow_table().schema
    shutil.rmtree(ledger.location)
    write_deltalake(ledger.location, pa.Table.from_pylist(change(rows), schema=schema))


def test_a_ledger_nobody_wrote_is_empty_and_whole(ledger: Ledger):
    assert (ledger.head(), ledger.read(), ledger.last_seal(), ledger.verify().ok) == (GENESIS, (), None, True)


def test_rows_come_back_as_they_were_written_across_commits(ledger: Ledger):
    ledger.append(entries(3))
    head = ledger.append(entries(2))
    rows = ledger.read()
    assert tuple(row.entry for row in rows) == entries(3) + entries(2)
    assert (head, ledger.head()) == (Head(5, rows[-1].hash), Head(5, rows[-1].hash))
    assert ledger.verify().ok and ledger.verify(head).ok


def test_entries_of_one_append_are_one_commit(ledger: Ledger):
    ledger.append(entries(1))
    before = DeltaTable(ledger.location).version()
    ledger.append(entries(40))
    assert DeltaTable(ledger.location).version() == before + 1


def test_the_table_is_append_only_and_checkpoints_every_fifty_commits(ledger: Ledger):
    ledger.append(entries(1))
    table = DeltaTable(ledger.location)
    assert table.metadata().configuration == {
        "delta.appendOnly": "true",
        "delta.checkpointInterval": "50",
        "delta.dataSkippingStatsColumns": "seq,kind,day",
    }
    with pytest.raises(CommitFailedError):
        table.delete()


def test_a_writer_whose_head_moved_is_refused_and_writes_nothing(ledger: Ledger):
    head = ledger.append(entries(1))
    ledger.append(entries(1), after=head)
    with pytest.raises(HeadMoved):
        ledger.append(entries(2), after=head)
    assert len(ledger.read()) == 2


def test_the_same_entries_behind_the_same_head_are_written_once(ledger: Ledger):
    head = ledger.append(entries(1))
    assert ledger.append(entries(2), after=head) == ledger.append(entries(2), after=head) == ledger.head()
    assert len(ledger.read()) == 3 and ledger.verify().ok


def test_two_writers_that_read_the_same_head_do_not_both_write(ledger: Ledger, monkeypatch: pytest.MonkeyPatch):
    ledger.append(entries(1))
    stale = (DeltaTable(ledger.location), ledger.head())
    ledger.append(entries(1))
    monkeypatch.setattr(ledger, "_behind", lambda: stale)
    with pytest.raises(HeadMoved):
        ledger.append(entries(2))
    monkeypatch.undo()
    assert len(ledger.read()) == 2 and ledger.verify().ok


def test_a_pusher_tries_again_behind_whoever_was_first(ledger: Ledger, monkeypatch: pytest.MonkeyPatch):
    ledger.append(entries(1))
    answers = [(DeltaTable(ledger.location), ledger.head())]
    ledger.append(entries(1))
    real = ledger._behind
    monkeypatch.setattr(ledger, "_behind", lambda: answers.pop() if answers else real())
    ledger.push(entries(2))
    assert len(ledger.read()) == 4 and ledger.verify().ok


def test_compaction_keeps_every_row_and_does_not_disturb_a_writer(ledger: Ledger):
    for _ in range(4):
        head = ledger.append(entries(2))
    ledger.keep_up()
    assert ledger.head() == head
    ledger.append(entries(1), after=head)
    assert ledger.verify().ok and len(ledger.read()) == 9


def test_upkeep_comes_by_itself(ledger: Ledger, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ledger_module, "_UPKEEP_EVERY", 3)
    for _ in range(3):
        ledger.append(entries(1))
    assert DeltaTable(ledger.location).to_pyarrow_dataset().files.__len__() == 1
    assert ledger.verify().ok


@pytest.mark.parametrize(
    ("column", "value"),
    [("verdict", "green"), ("actor", "tanaka"), ("hash", "0" * 64), ("prev", "0" * 64), ("day", DATE + timedelta(days=1)), ("schema", "x")],
)
def test_a_cell_changed_on_disk_is_found_at_its_row(ledger: Ledger, column: str, value: object):
    ledger.append(entries(4))
    rewrite(ledger, lambda rows: [{**row, column: value} if row["seq"] == 3 else row for row in rows])
    found = ledger.verify()
    assert (found.ok, found.broken_at) == (False, 3)


def test_a_parameter_rewritten_as_other_text_of_the_same_meaning_is_found(ledger: Ledger):
    ledger.append(entries(2))
    spaced = [{"code": "seal.stale", "params": '{"gap_hours": 26.5,"limit_hours":26}'}]
    rewrite(ledger, lambda rows: [{**row, "reasons": spaced} if row["seq"] == 2 else row for row in rows])
    assert ledger.verify().broken_at == 2
    with pytest.raises(LedgerBroken):
        ledger.read()


def test_a_tail_cut_off_is_found_against_a_published_head(ledger: Ledger):
    head = ledger.append(entries(4))
    rewrite(ledger, lambda rows: rows[:2])
    assert ledger.verify().ok
    found = ledger.verify(head)
    assert found.broken_at == 3 and found.why is not None and found.why.code == "ledger.cut"


def test_a_chain_written_anew_is_found_against_a_published_head(ledger: Ledger, tmp_path: Path):
    head = ledger.append(entries(3))
    other = Ledger(str(tmp_path / "other"))
    other.append((*entries(2), Entry("seal", "production", "wall", "kintone/orders", DATE, verdict="green")))
    assert other.verify().ok and other.verify(head).broken_at == 3


def test_two_rows_under_the_last_number_stop_every_reader_of_the_head(ledger: Ledger):
    ledger.append(entries(2))
    rewrite(ledger, lambda rows: [*rows, {**rows[-1], "hash": "1" * 64}])
    with pytest.raises(LedgerBroken):
        ledger.head()
    assert ledger.verify().broken_at == 3


def test_a_missing_data_file_is_no_whole_chain(ledger: Ledger):
    ledger.append(entries(2))
    next(Path(ledger.location).glob("*.parquet")).unlink()
    found = ledger.verify()
    assert not found.ok and found.why is not None and found.why.code == "ledger.file_unreadable"


@pytest.mark.parametrize("damage", ["a data file cut off", "a data file gone", "the log cut off"])
def test_whatever_reads_a_damaged_ledger_names_the_file(ledger: Ledger, damage: str):
    ledger.append(entries(2))
    ledger.append(entries(3))
    log = Path(ledger.location) / "_delta_log"
    data = min(Path(ledger.location).glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    bad = log / f"{2:020d}.json" if damage == "the log cut off" else data
    if damage == "a data file gone":
        bad.unlink()
    else:
        bad.write_bytes(bad.read_bytes()[: bad.stat().st_size // 2])
    again = Ledger(ledger.location)
    named = "_delta_log" if damage == "the log cut off" else bad.name
    for ask in (again.read, lambda: again.now().hashes([1]), lambda: again.now().columns(("seq",), pc.field("seq") > 0)):
        with pytest.raises(LedgerBroken) as caught:
            ask()
        assert caught.value.code == "ledger.file_unreadable" and named in caught.value.say("ja")
    found, why = again.verify(), again.damaged()
    assert (found.ok, found.broken_at, found.why and found.why.code) == (False, None, "ledger.file_unreadable")
    assert why is not None and named in why.say("en") and "\n" not in why.say("en")


def test_a_whole_ledger_has_no_damaged_file(ledger: Ledger):
    assert ledger.damaged() is None
    ledger.append(entries(2))
    assert ledger.damaged() is None


def test_nobody_begins_a_new_chain_where_a_longer_one_was_verified(tmp_path: Path):
    proof = tmp_path / "proof.json"
    ledger = Ledger(str(tmp_path / "ledger"), proof=proof)
    ledger.append(entries(4))
    open_book(ledger, None, proof)
    Path(ledger.location).rename(tmp_path / "away")
    for write in (Ledger(ledger.location, proof=proof).append, Ledger(ledger.location, proof=proof).push):
        with pytest.raises(LedgerBroken) as caught:
            write(entries(5))
        assert (caught.value.code, caught.value.params["known"]) == ("ledger.shorter", 4)
    assert not Path(ledger.location).exists()
    (tmp_path / "away").rename(ledger.location)
    assert Ledger(ledger.location, proof=proof).append(entries(1)).seq == 5


def test_reading_narrows_by_kind_subject_and_day(ledger: Ledger):
    seal = Entry("seal", "production", "wall", "kintone/orders", DATE, verdict="green")
    later = Entry("seal", "production", "wall", "kintone/orders", DATE + timedelta(days=1), verdict="red")
    fact = Entry("fact", "production", "wall", "product-support", reasons=(reason("gate.no_streams"),))
    ledger.append((seal, later, fact))
    assert [row.seq for row in ledger.read(kinds=("seal",))] == [1, 2]
    assert [row.seq for row in ledger.read(subjects=("product-support",))] == [3]
    assert [row.seq for row in ledger.read(since=DATE + timedelta(days=1))] == [2, 3]
    assert [row.seq for row in ledger.read(day=DATE)] == [1]
    last = ledger.last_seal()
    assert last is not None and last.seq == 2
