"""The record of every answer: whole, unchanged, and able to forget a person without a crack in it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "faults"))
from object_store import LOCAL, s3_server

from connectors.errors import CannotSay
from pipelines.serving.audit import forgetting
from pipelines.serving.audit import log as audit_log
from pipelines.serving.audit.chain import Flaw, chain_hash, verify
from pipelines.serving.audit.forgetting import Erased, erase, retain
from pipelines.serving.audit.journal import Journal
from pipelines.serving.audit.log import AuditLog
from pipelines.serving.audit.row import AuditHit, AuditRow, keep
from pipelines.serving.audit.tables import answers_schema
from pipelines.serving.reasons import AnswerWithheld, Reason

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
SATO, MORI = "misaki.sato@sakura-seiki.example", "akari.mori@sakura-seiki.example"
DAY = timedelta(days=1)
ROW = AuditRow(
    asked_at=NOW,
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    person=SATO,
    client="c",
    action="search",
    query="主軸の過熱",
    k=5,
    principals=2,
    closures={"kintone/faq": frozenset({"user:kintone:sato", "everyone:kintone"})},
    membership_read_at=NOW,
    overlay_read_at=NOW,
    index="support",
    release=1,
    content_hash="h",
    mode="exact",
    visible=3,
    refused=0,
    decision="answered",
    hits=(AuditHit(1, "c1", "d1", "4", "r1"),),
    cost_jpy=0.25,
)


def log_at(folder: Path, **more: Any) -> AuditLog:
    return AuditLog(str(folder / "audit"), key=b"k", **more)


def bytes_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def written(log: AuditLog) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The two tables as verification reads them, with all that waited for them."""
    log.settle()
    chain, apart = log.table(log.answers), log.table(log.subjects)
    assert chain is not None and apart is not None
    return chain.to_pyarrow_table().to_pylist(), apart.to_pyarrow_table().to_pylist()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Two writers over two days."""
    folder = tmp_path_factory.mktemp("sample")
    first, second = log_at(folder), log_at(folder)
    for log, person, day in ((first, SATO, 0), (first, MORI, 0), (second, SATO, 0), (first, SATO, 1), (second, MORI, 1), (second, SATO, 1)):
        log.record(replace(ROW, person=person, asked_at=NOW + day * DAY, query=f"{person} {day}"))
    return written(first)


def test_a_row_comes_back_with_who_asked_and_what(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    log.record(ROW)
    (row,) = log.find(ROW.trace_id)
    assert (row["person"], row["query"], row["release"], row["decision"], row["asked_at"]) == (SATO, "主軸の過熱", 1, "answered", NOW)
    assert log.closures(row["principals_hash"]) == ROW.closures
    assert log.verify().ok and log.find("0" * 32) == []


def test_the_chain_itself_holds_neither_name_nor_question_and_no_policy_keeps_words_it_must_not(tmp_path: Path) -> None:
    log_at(tmp_path / "text").record(ROW)
    chain = bytes_below(tmp_path / "text" / "audit" / "answers")
    assert b"sato" not in chain and "過熱".encode() not in chain
    log = log_at(tmp_path / "hash", keep_query=False)
    log.record(ROW)
    assert "過熱".encode() not in bytes_below(tmp_path / "hash")
    assert log.find(ROW.trace_id)[0]["query"] == "" and log.verify().ok


def test_the_chain_can_be_added_to_and_not_taken_from(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    log.record(ROW)
    table = log.table(log.answers)
    assert table is not None
    with pytest.raises(DeltaError):
        table.delete()


def test_questions_that_wait_together_are_put_down_together_and_each_is_there(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    ready = threading.Barrier(24)

    def ask(n: int) -> None:
        ready.wait()
        log.record(replace(ROW, trace_id=f"{n:032x}"))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list((tmp_path / "audit" / "journal").rglob("*.arrow"))) < 23
    assert sorted(row["trace_id"] for row in log.rows()) == [f"{n:032x}" for n in range(24)]
    assert log.verify().ok


def test_a_busy_writer_puts_batches_down_and_the_tables_take_many_at_once(tmp_path: Path) -> None:
    """One commit for each batch would make each dearer than the last; every reading has them at once all the same."""
    log = log_at(tmp_path)
    for n in range(6):
        log.record(replace(ROW, trace_id=f"{n:032x}", query=f"question {n}"))
    table = log.table(log.answers)
    assert table is not None and (table.version(), table.to_pyarrow_table().num_rows) == (1, 2)
    other = log_at(tmp_path)
    assert [row["query"] for row in other.rows()] == [f"question {n}" for n in range(6)]
    assert other.find(f"{5:032x}")[0]["person"] == SATO and other.spent(since=NOW) == 6 * ROW.cost_jpy and other.verify().rows == 7
    assert b"question 5" in bytes_below(tmp_path / "audit" / "journal")
    log.settle()
    table = log.table(log.answers)
    assert table is not None and (table.version(), table.to_pyarrow_table().num_rows) == (2, 7)
    assert not bytes_below(tmp_path / "audit" / "journal")


def test_a_batch_in_which_a_day_ends_is_taken_whole(tmp_path: Path) -> None:
    """Questions of both days wait together; each is of a segment of its own, and none may be taken for a row that the tables hold."""
    log, before = log_at(tmp_path), NOW.replace(hour=23, minute=59)
    for _ in range(3):
        log.record(replace(ROW, asked_at=before))
    log.settle()
    asked = [replace(ROW, asked_at=before + timedelta(minutes=late), query=f"minute {late}") for late in (0, 2, 0, 3)]
    together = [audit_log._Waiting(row) for row in asked]
    log._put(together)
    assert all(one.kept for one in together)
    log.record(replace(ROW, asked_at=before + timedelta(minutes=4), query="minute 4"))
    log.settle()
    assert sorted(row["query"] for row in log.rows())[:-3] == ["minute 0", "minute 0", "minute 2", "minute 3", "minute 4"]
    assert log.verify().ok and not bytes_below(tmp_path / "audit" / "journal")


def test_what_a_writer_that_died_put_down_is_taken_once_by_whoever_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = log_at(tmp_path)
    for _ in range(4):
        log.record(ROW)
    real = Journal.drop

    def dies(*_: Any) -> None:
        raise OSError(5, "the machine went")

    monkeypatch.setattr(Journal, "drop", dies)
    with pytest.raises(AnswerWithheld):
        log_at(tmp_path).settle()
    monkeypatch.setattr(Journal, "drop", real)
    assert len(log.rows()) == 4, "what the tables hold and the journal still does is one row"
    log.record(ROW)
    settling = [threading.Thread(target=one.settle) for one in (log, log_at(tmp_path), log_at(tmp_path))]
    for one in settling:
        one.start()
    for one in settling:
        one.join()
    assert len(log.rows()) == 5 and log.verify().ok and not bytes_below(tmp_path / "audit" / "journal")


def test_two_that_make_the_tables_at_once_take_a_row_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, other, real = log_at(tmp_path), log_at(tmp_path), AuditLog.table
    log._chaining(lambda: log._journal.put(log._parts(ROW, set())))
    looked = list[DeltaTable | None]()

    def before_the_other(self: AuditLog, uri: str) -> DeltaTable | None:
        found = real(self, uri)
        if self is log and uri == log.principals and not looked:
            looked.append(found)
            other.settle()
        return found

    monkeypatch.setattr(AuditLog, "table", before_the_other)
    log.settle()
    principals = other.table(other.principals)
    assert looked == [None] and principals is not None
    assert principals.to_pyarrow_table().num_rows == 1 and len(other.rows()) == 1 and other.verify().ok


def test_a_batch_that_a_listing_missed_is_not_stepped_over(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    for _ in range(4):
        log.record(ROW)
    missed, *_ = sorted((tmp_path / "audit" / "journal").rglob("*.arrow"))
    hidden = tmp_path / missed.name
    missed.rename(hidden)
    other = log_at(tmp_path)
    with pytest.raises(CannotSay, match="lacks what stood before"):
        other.settle()
    flaw = other.verify().flaw
    assert flaw is not None and flaw.why == "order"
    with pytest.raises(CannotSay):
        erase(other, SATO, at=NOW, why="w", by="b")
    hidden.rename(missed)
    other.settle()
    assert len(other.rows()) == 4 and other.verify().ok


SPOILT: dict[str, Callable[[Path, list[Path]], None]] = {
    "cut": lambda _, found: found[1].write_bytes(found[1].read_bytes()[:-100]) and None,
    "empty": lambda _, found: found[1].write_bytes(b"") and None,
    "another's": lambda folder, found: found[1].rename(folder / "2026-11-02-00000000.arrow") and None,
    "exchanged": lambda _, found: found[2].write_bytes(found[1].read_bytes()) and None,
    "beside": lambda folder, _: (folder / "notes.txt").write_bytes(b"x") and None,
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_batch_that_no_writer_put_there_so_is_named_and_stops_what_reads_or_forgets(tmp_path: Path, how: str) -> None:
    log = log_at(tmp_path)
    for _ in range(4):
        log.record(ROW)
    found = sorted((tmp_path / "audit" / "journal").rglob("*.arrow"))
    SPOILT[how](found[0].parent, found)
    other = log_at(tmp_path)
    for work in (other.verify, other.rows, other.settle, lambda: erase(other, SATO, at=NOW, why="w", by="b")):
        with pytest.raises(CannotSay, match="is not what its name says"):
            work()
    with pytest.raises(AnswerWithheld):
        keep(other, ROW)


def test_tables_that_take_nothing_withhold_the_answer_and_the_journal_does_not_grow_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, real = log_at(tmp_path), AuditLog._append

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(AuditLog, "_append", full)
    for _ in range(3):
        with pytest.raises(AnswerWithheld, match="nothing was answered"):
            log.record(ROW)
    assert len(list((tmp_path / "audit" / "journal").rglob("*.arrow"))) == 1
    with log._taking, pytest.raises(AnswerWithheld):
        log.open()
    monkeypatch.setattr(AuditLog, "_append", real)
    log.record(ROW)
    assert log.verify().ok and len(log.rows()) == 2


def test_writers_beside_each_other_each_keep_a_chain_and_a_new_one_anchors_the_others(tmp_path: Path) -> None:
    first, second = log_at(tmp_path), log_at(tmp_path)
    for log in (first, second, first, second):
        log.record(ROW)
    found = first.verify()
    assert (found.ok, found.segments, len(found.heads)) == (True, 2, 2)


def test_a_writer_that_slept_while_versions_went_loses_no_row_and_overwrites_none(tmp_path: Path) -> None:
    """Its next commit would be a version that is gone: it is refused, or stands behind the others, and never where nobody looks."""
    slow, busy = log_at(tmp_path), log_at(tmp_path)
    slow.record(ROW)
    for number in range(3):
        busy.record(replace(ROW, query=f"busy {number}"))
        busy.settle()
    for uri in (slow.answers, slow.subjects, slow.principals):
        table = DeltaTable(uri)
        table.create_checkpoint()
        for path in (Path(uri) / "_delta_log").glob("*.json"):
            if int(path.stem) < table.version():
                path.unlink()
    said = ["again"]
    try:
        slow.record(replace(ROW, query="late"))
        said = ["late", "again"]
    except AnswerWithheld:
        pass
    slow.record(replace(ROW, query="again"))
    slow.settle()
    kept = {row["query"] for row in log_at(tmp_path).rows()}
    assert kept == {ROW.query, "busy 0", "busy 1", "busy 2", *said}, "what was said to be kept is kept, and nothing else"
    assert slow.verify().ok


def test_a_storage_that_fails_withholds_the_answer_and_the_chain_goes_on_in_a_segment_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = log_at(tmp_path)
    log.record(ROW)
    real = Journal.put

    def full(self: Journal, *rows: Any) -> None:
        real(self, *rows)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "put", full)
    with pytest.raises(AnswerWithheld) as withheld:
        log.record(ROW)
    assert withheld.value.reason is Reason.AUDIT_UNAVAILABLE
    monkeypatch.setattr(Journal, "put", real)
    log.record(ROW)
    found = log.verify()
    assert (found.ok, found.segments, len(log.rows())) == (True, 2, 3), (
        "of what failed behind the storage's back there is a row and no answer"
    )


@pytest.mark.parametrize("error", [ValueError("what Arrow says"), KeyError("a mistake of ours")])
def test_whoever_waited_for_a_commit_that_failed_in_whatever_way_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    log = log_at(tmp_path)
    log.record(ROW)
    real, waiting = Journal.put, 3

    def spoilt(self: Journal, *_: Any) -> None:
        raise error

    ended: list[str] = []

    def ask(n: int) -> None:
        try:
            log.record(replace(ROW, trace_id=f"{n:032x}"))
            ended.append("kept")
        except (AnswerWithheld, type(error)) as refused:
            ended.append(type(refused).__name__)

    monkeypatch.setattr(Journal, "put", spoilt)
    threads = [threading.Thread(target=ask, args=(n,)) for n in range(waiting)]
    with log._writing:
        for thread in threads:
            thread.start()
        while len(log._waiting) < waiting:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert len(ended) == waiting and "kept" not in ended
    monkeypatch.setattr(Journal, "put", real)
    log.record(ROW)
    assert log.verify().ok and len(log.rows()) == 2


def swapped(rows: list[dict[str, Any]]) -> None:
    rows[1]["seq"], rows[2]["seq"] = 2, 1


CHANGES: dict[str, tuple[Callable[[list[dict[str, Any]]], None], str]] = {
    "decision": (lambda rows: rows[2].update(decision="no_match"), "changed"),
    "hit": (lambda rows: rows[2]["hits"][0].update(chunk="c2"), "changed"),
    "instant": (lambda rows: rows[2].update(asked_at=NOW - DAY), "changed"),
    "taken out": (lambda rows: rows.pop(1), "order"),
    "repeated": (lambda rows: rows.insert(2, rows[1]), "order"),
    "made anew": (lambda rows: rows[1].update(decision="no_match", hash=chain_hash({**rows[1], "decision": "no_match"})), "link"),
    "swapped": (swapped, "link"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_first_row_that_does_not_hold_is_named(sample: tuple[list[dict[str, Any]], list[dict[str, Any]]], change: str) -> None:
    rows, apart = ([{**row, "hits": [dict(hit) for hit in row.get("hits") or []]} for row in table] for table in sample)
    one = [row for row in rows if row["segment"] == min(row["segment"] for row in rows)]
    one.sort(key=lambda row: row["seq"])
    rest = [row for row in rows if row not in one]
    if len(one) < 3:  # the other writer's segment of that day is the longer one
        name = next(row["segment"] for row in rest if row["segment"][:10] == one[0]["segment"][:10])
        one, rest = sorted((r for r in rows if r["segment"] == name), key=lambda r: r["seq"]), [r for r in rows if r["segment"] != name]
    act, why = CHANGES[change]
    act(one)
    found = verify([*one, *rest], apart)
    assert found.flaw is not None and (found.flaw.segment, found.flaw.why) == (one[0]["segment"], why)


@settings(max_examples=60)
@given(st.data())
def test_no_single_change_of_a_row_goes_unseen(sample: tuple[list[dict[str, Any]], list[dict[str, Any]]], data: st.DataObject) -> None:
    rows, apart = [dict(row) for row in sample[0]], sample[1]
    row = rows[data.draw(st.integers(0, len(rows) - 1))]
    name = data.draw(st.sampled_from(sorted(set(row) - {"hits"})))
    before = row[name]
    row[name] = {int: 7_777, float: 3.5, datetime: NOW + 5 * DAY}.get(type(before), "other" if before != "other" else "")
    assert row[name] == before or not verify(rows, apart).ok


def test_a_tail_cut_off_before_the_last_days_is_missed_by_whoever_opened_later(
    sample: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    rows, apart = sample
    days = sorted({row["day"] for row in rows})
    for name in sorted({row["segment"] for row in rows if row["day"] == days[0]}):
        last = max(row["seq"] for row in rows if row["segment"] == name)
        flaw = verify([row for row in rows if (row["segment"], row["seq"]) != (name, last)], apart).flaw
        whole = verify([row for row in rows if row["segment"] != name], apart).flaw
        assert flaw == Flaw(name, last, "gone") and whole is not None and whole.why == "gone"


def test_a_name_put_in_anothers_place_is_seen(sample: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    rows, apart = sample
    for name, value, why in (("person", "somebody.else@sakura-seiki.example", "person"), ("query", "another question", "query")):
        changed = [{**one, name: value} if at == 1 else one for at, one in enumerate(apart)]
        flaw = verify(rows, changed).flaw
        assert flaw is not None and flaw.why == why
    flaw = verify(rows, apart[1:]).flaw
    assert flaw is not None and flaw.why == "person", "gone without a proof"


def test_a_forgotten_person_is_nowhere_in_the_bytes_and_the_chain_still_holds(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    for person in (SATO, MORI, SATO):
        log.record(replace(ROW, person=person, query=f"question of {person}"))
    assert b"misaki.sato" in bytes_below(tmp_path)
    done = erase(log, " Misaki.Sato@sakura-seiki.example ", at=NOW + timedelta(minutes=1), why="asked to", by="legal")
    assert done == Erased(2, 1, (log.person_hash(SATO),))
    left = bytes_below(tmp_path)
    assert b"misaki.sato" not in left and SATO.encode() not in left
    found = log.verify()
    assert found.ok
    assert sorted((row["person"], row["query"]) for row in log.rows()) == [("", ""), ("", ""), (MORI, f"question of {MORI}")]
    assert len({row["person_hash"] for row in log.rows()}) == 2
    assert erase(log, SATO, at=NOW, why="again", by="legal") == Erased(0, 0, ())


def test_the_proof_says_when_why_by_whom_and_how_many_and_covers_nothing_that_came_later(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    log.record(ROW)
    erase(log, SATO, at=NOW + timedelta(minutes=1), why="asked to", by="legal")
    log.record(replace(ROW, asked_at=NOW + timedelta(minutes=2)))
    rows, _ = written(log)
    proof = next(row for row in rows if row["kind"] == "erasure")
    for part in ('"why": "asked to"', '"by": "legal"', '"rows": 1', log.person_hash(SATO)):
        assert part in proof["detail"]
    assert proof["asked_at"] == NOW + timedelta(minutes=1) and log.verify().ok
    flaw = verify(rows, []).flaw
    assert flaw is not None and (flaw.seq, flaw.why) == (3, "person")


@pytest.mark.parametrize("name", ["o'brien@x.example", "x') OR ('a'='a", "%", "ｍｉｓａｋｉ．ｓａｔｏ@sakura-seiki.example", "a" * 10_000])
def test_forgetting_an_odd_name_forgets_that_one_and_nobody_else(tmp_path: Path, name: str) -> None:
    log = log_at(tmp_path)
    log.record(ROW)
    assert erase(log, name, at=NOW, why="w", by="b").rows == 0
    log.record(replace(ROW, person=name.lower()))
    assert erase(log, name, at=NOW, why="w", by="b").rows == 1
    assert [row["person"] for row in log.rows() if row["person"]] == [SATO] and log.verify().ok


def test_a_person_can_be_forgotten_while_others_ask(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    for _ in range(3):
        log.record(ROW)
    stop = threading.Event()

    def go_on() -> None:
        other = log_at(tmp_path)
        while not stop.is_set():
            other.record(replace(ROW, person=MORI))

    asking = threading.Thread(target=go_on)
    asking.start()
    try:
        assert erase(log, SATO, at=NOW, why="w", by="b").rows == 3
    finally:
        stop.set()
        asking.join()
    assert {row["person"] for row in log.rows()} == {"", MORI} and log.verify().ok


@pytest.mark.parametrize("died", [0, 1])
def test_an_erasure_that_died_anywhere_is_finished_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, died: int) -> None:
    log = log_at(tmp_path)
    log.record(replace(ROW, closures={"kintone/faq": frozenset({"user:kintone:misaki.sato"})}))
    real, done = forgetting._forget, list[str]()

    def dies(at: AuditLog, uri: str, where: str) -> None:
        if len(done) == died:
            raise OSError(5, "the machine went")
        done.append(uri)
        real(at, uri, where)

    monkeypatch.setattr(forgetting, "_forget", dies)
    with pytest.raises(OSError, match="the machine went"):
        erase(log, SATO, at=NOW, why="w", by="b")
    monkeypatch.setattr(forgetting, "_forget", real)
    assert log.verify().ok
    erase(log, SATO, at=NOW, why="w", by="b")
    assert b"misaki.sato" not in bytes_below(tmp_path) and log.verify().ok


def test_words_go_first_and_whole_days_later_each_with_a_proof(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    for age in (500, 100, 1):
        log.record(replace(ROW, asked_at=NOW - age * DAY))
    done = retain(log, now=NOW, words=90 * DAY, rows=400 * DAY)
    assert (done.words, done.rows, len(done.days)) == (2, 2, 1)
    assert [(row["query"], row["person"]) for row in log.rows()] == [("", SATO), ("主軸の過熱", SATO)]
    assert log.verify().ok
    table = log.table(log.answers)
    assert table is not None and table.metadata().configuration["delta.appendOnly"] == "true"
    assert retain(log, now=NOW, words=90 * DAY, rows=400 * DAY) == replace(done, words=0, rows=0, days=())
    later = NOW + 450 * DAY
    retain(log, now=later, words=90 * DAY, rows=400 * DAY)
    log.record(replace(ROW, asked_at=later))
    assert log.verify().ok and len(log.rows()) == 1


def test_principals_go_with_the_words_and_those_of_a_forgotten_person_are_kept_anew_when_they_ask_again(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    for age in (100, 1):
        log.record(replace(ROW, asked_at=NOW - age * DAY, closures={"kintone/faq": frozenset({f"user:kintone:{age}"})}))
    old, new = (row["principals_hash"] for row in log.rows())
    retain(log, now=NOW, words=90 * DAY, rows=400 * DAY)
    assert log.closures(old) is None and log.closures(new) is not None
    erase(log, SATO, at=NOW, why="w", by="b")
    assert log.closures(new) is None
    log.record(replace(ROW, asked_at=NOW + timedelta(hours=1)))
    assert log.closures(log.rows()[-1]["principals_hash"]) == ROW.closures


def test_words_that_went_before_their_time_are_missed(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    for age in (100, 1):
        log.record(replace(ROW, asked_at=NOW - age * DAY))
    retain(log, now=NOW, words=90 * DAY, rows=400 * DAY)
    rows, apart = written(log)
    flaw = verify(rows, [{**one, "query": None, "query_salt": None} for one in apart]).flaw
    assert flaw is not None and flaw.why == "query"


def test_a_table_that_somebody_wrote_into_by_hand_is_seen(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    log.record(ROW)
    forged = {**written(log)[0][-1], "segment": "2026-11-02-forged00", "seq": 0}
    write_deltalake(DeltaTable(log.answers), pa.Table.from_pylist([forged], schema=answers_schema()), mode="append")
    found = log.verify()
    assert found.flaw is not None and found.flaw.segment == "2026-11-02-forged00"


def test_on_an_object_store_too_every_row_is_read_at_once_and_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server() as port:
        for name, value in (LOCAL | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}).items():
            monkeypatch.setenv(name, value)
        log, other = AuditLog("s3://lake/audit", key=b"k"), AuditLog("s3://lake/audit", key=b"k")
        for n in range(3):
            log.record(replace(ROW, query=f"question {n}"))
        assert [row["query"] for row in other.rows()] == [f"question {n}" for n in range(3)]
        other.settle()
        log.settle()
        assert other.verify() == log.verify() and log.verify().rows == 4 and not log._journal.read()
