"""Proofs, by the real commands: certificates, signed heads, a ledger that was changed, cut, restored or sealed by a stranger."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from by_command import BUSINESS, OPERATOR, TECHNICAL, run, sign
from deltalake import DeltaTable, write_deltalake
from lived import INDEX, STREAM, key, seal_days
from typer.testing import CliRunner

from connectors.messages import Said
from pipelines.cli.doctor import evidence
from pipelines.cli.main import app
from pipelines.clock import WallClock
from pipelines.evidence.chain import Entry
from pipelines.evidence.errors import LedgerBroken
from pipelines.evidence.plan import ledger_of, memory_of, standing, today_of
from pipelines.evidence.quick import standing_quick
from pipelines.evidence.signing import make_key
from pipelines.index.releases import Anchor, Production, point_production, production
from pipelines.project import Project


def test_a_certificate_names_the_release_and_who_signed_and_needs_no_project(promoted: Project, tmp_path: Path):
    path = tmp_path / "certificate.gz"
    code, made = sign(promoted, OPERATOR, "gate", "certify", INDEX, "--out", str(path))
    assert (code, made["eligibility"], made["signed"]) == (0, "eligible", True)
    done = CliRunner().invoke(app, ["gate", "verify", str(path), "--json"])
    found = json.loads(done.stdout)
    assert (done.exit_code, found["ok"], found["release"], found["signed_by"]) == (0, True, 1, [BUSINESS, TECHNICAL])
    assert found["answered_for_by"] == OPERATOR and found["key"].startswith("SHA256:")


def test_a_certificate_that_nobody_answers_for_says_so_when_it_is_made_and_when_it_is_read(promoted: Project, tmp_path: Path):
    path = tmp_path / "certificate.gz"
    made = CliRunner().invoke(app, ["gate", "certify", INDEX, "--out", str(path), "--project", str(promoted.folder), "--lang", "en"])
    assert made.exit_code == 0 and "Nobody signed it" in made.stdout
    done = CliRunner().invoke(app, ["gate", "verify", str(path), "--json"])
    assert (done.exit_code, [each["code"] for each in json.loads(done.stdout)["faults"]]) == (1, ["certified.unsigned"])
    make_key(tmp_path / "stranger", "stranger")
    code, told = run(promoted, "gate", "certify", INDEX, "--out", str(path), "--sign-with", str(tmp_path / "stranger"))
    assert (code, told["code"]) == (1, "certified.no_answer")


def test_a_head_signed_elsewhere_is_found_in_the_ledger_and_another_ledgers_is_not(promoted: Project, tmp_path: Path):
    head = tmp_path / "head.json"
    assert run(promoted, "gate", "sign-head", "--key", key(promoted, TECHNICAL), "--out", str(head))[0] == 0
    assert run(promoted, "gate", "verify", "--anchor", str(head))[0] == 0
    file = tmp_path / "certificate.gz"
    assert run(promoted, "gate", "certify", INDEX, "--out", str(file))[0] == 0
    done = CliRunner().invoke(app, ["gate", "verify", str(file), "--anchor", str(head)])
    assert done.exit_code == 0, done.output
    told = json.loads(head.read_text(encoding="utf-8"))
    head.write_text(json.dumps(told | {"seq": told["seq"] - 1}), encoding="utf-8")
    assert run(promoted, "gate", "verify", "--anchor", str(head))[1]["code"] == "gate.head_unsigned"
    assert CliRunner().invoke(app, ["gate", "verify", str(file), "--anchor", str(head)]).exit_code == 1


def test_a_file_that_cannot_be_written_is_named_and_its_folders_are_made(promoted: Project, tmp_path: Path):
    signing = ("gate", "sign-head", "--key", key(promoted, TECHNICAL), "--out")
    for command in (("gate", "certify", INDEX, "--out"), signing):
        code, told = run(promoted, *command, str(tmp_path))
        assert (code, told["code"]) == (2, "cli.cannot_write")
        assert str(tmp_path) in told["message"]
        assert run(promoted, *command, str(tmp_path / command[1] / "deeper" / "file"))[0] == 0


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_file_that_is_not_there_or_cannot_be_read_is_no_disproof(promoted: Project, tmp_path: Path, lang: str):
    whole, cut, typo = tmp_path / "whole.gz", tmp_path / "cut.gz", tmp_path / "typo"
    assert run(promoted, "gate", "certify", INDEX, "--out", str(whole))[0] == 0
    cut.write_bytes(whole.read_bytes()[:-20])
    for arguments, code, named in (
        ((str(typo),), "proof.not_there", typo),
        ((str(tmp_path),), "proof.unreadable", tmp_path),
        ((str(cut),), "certified.cut_off", cut),
        ((str(whole), "--anchor", str(typo)), "proof.not_there", typo),
        (("--anchor", str(typo)), "proof.not_there", typo),
    ):
        exit_code, said = run(promoted, "gate", "verify", *arguments, lang=lang)
        assert (exit_code, said["code"]) == (2, code)
        assert str(named) in said["message"] and "Error" not in said["message"]


def test_a_seal_that_this_machines_sealer_did_not_write_is_refused_by_name_until_a_person_hands_sealing_over(project: Project):
    """Whoever holds the storage may append whatever hashes well."""
    seal_days(project, 1, ending=0)
    own, now = ledger_of(project).last_seal(), WallClock().now()
    assert own is not None
    memory_of(project).about_to_write(own.hash)
    assert run(project, "gate", "verify")[0] == 0
    ledger_of(project).append([replace(own.entry, subject="kintone/other", finished_at=now)])
    for command in (("gate", "status", INDEX), ("gate", "certify", INDEX), ("gate", "seal")):
        code, told = run(project, *command)
        assert (code, told["code"]) == (1, "ledger.foreign_seal"), command
    code, told = run(project, "gate", "verify")
    assert (code, told["broken_at"]) == (1, own.seq + 1)
    assert "not written by the sealer of this machine" in told["why"]
    with pytest.raises(LedgerBroken):
        standing_quick(project, INDEX, now)
    memory_of(project).path.unlink()
    assert run(project, "gate", "verify")[0] == run(project, "gate", "status", INDEX)[0] == 0


def test_a_ledger_rewritten_on_disk_stops_the_gate_and_the_first_bad_row_is_named(project: Project):
    """Also one that was verified before: what the gate reads is compared with what was verified."""
    assert standing(project, INDEX, WallClock().now()).eligibility == "eligible"
    location = ledger_of(project).location
    rows = sorted(DeltaTable(location).to_pyarrow_table().to_pylist(), key=lambda row: row["seq"])
    schema = DeltaTable(location).to_pyarrow_table().schema
    bad = next(number for number, row in enumerate(rows) if row["kind"] == "fact")
    rows[bad]["verdict"] = "fails"
    import pyarrow as pa

    DeltaTable(location).alter.set_table_properties({"delta.appendOnly": "false"})
    write_deltalake(location, pa.Table.from_pylist(rows, schema=schema), mode="overwrite")
    with pytest.raises(LedgerBroken, match=f"Row {bad + 1} "):
        standing(project, INDEX, WallClock().now())
    code, proof = run(project, "gate", "verify")
    assert (code, proof["broken_at"]) == (1, bad + 1)


def test_where_no_evidence_is_old_the_archive_names_no_first_day(project: Project):
    done = CliRunner().invoke(app, ["gate", "archive", "--project", str(project.folder), "--lang", "en"])
    assert (done.exit_code, done.stdout) == (0, "No details of evidence are older than ledger.keep_details; nothing was moved.\n")


def test_the_details_of_old_evidence_are_moved_and_the_proof_needs_their_archive(project: Project):
    today = today_of(project, WallClock().now())
    old = Entry("evidence", "production", "wall", STREAM, today - timedelta(days=500), outcome="succeeded", verdict="counted")
    young = replace(old, day=today - timedelta(days=300))
    ledger_of(project).push([old, young])
    code, told = run(project, "gate", "archive")
    assert (code, told["rows"], told["kept_from"]) == (0, 1, (today - timedelta(days=401)).isoformat())
    assert [row.entry for row in ledger_of(project).read(kinds=("evidence",))] == [old, young]
    assert run(project, "gate", "verify")[1]["ok"]
    shutil.rmtree(told["archive"])
    code, proof = run(project, "gate", "verify")
    assert (code, proof["ok"], proof["why"].split(":")[0]) == (1, False, "The row's details are not in the archive")
    code, proof = run(project, "gate", "verify", "--without-archive")
    assert (code, proof["ok"], proof["by_place"]) == (0, True, 1)


def test_a_ledger_restored_from_an_older_copy_is_named_and_opens_nothing(project: Project, tmp_path: Path):
    backup = Path(shutil.copytree(ledger_of(project).location, tmp_path / "backup"))
    assert run(project, "suspend", INDEX, "--why", "odd answers", "--by", "riku")[0] == 0
    assert standing(project, INDEX, WallClock().now()).eligibility == "suspended"
    shutil.rmtree(ledger_of(project).location)
    shutil.copytree(backup, ledger_of(project).location)
    code, said = run(project, "gate", "status", INDEX)
    assert (code, said["code"]) == (1, "ledger.shorter"), "the stop would be forgotten"


REFUSED = (
    ("gate", "status", INDEX),
    ("gate", "seal"),
    ("gate", "explain", INDEX),
    ("gate", "certify", INDEX, "--out", "unwritten.gz"),
    ("suspend", INDEX, "--why", "odd answers", "--by", "riku"),
    ("gate", "decide", "revoke", INDEX, "--why", "odd answers", "--by", "riku"),
    ("gate", "sign-off", INDEX),
    ("index", "promote", INDEX, "--release", "1"),
)


def refused(project: Project, arguments: tuple[str, ...]) -> tuple[int, dict[str, Any]]:
    signs = arguments[1] == "sign-off" or arguments[1] == "promote"
    return sign(project, OPERATOR, *arguments) if signs else run(project, *arguments)


@pytest.mark.parametrize("arguments", REFUSED, ids=lambda given: " ".join(given[:3]))
def test_where_the_whole_ledger_is_gone_everything_that_reads_or_writes_refuses_and_none_is_begun(
    project: Project, tmp_path: Path, arguments: tuple[str, ...]
):
    location = Path(ledger_of(project).location)
    location.rename(tmp_path / "away")
    code, said = refused(project, arguments)
    assert (code, said.get("code")) == (1, "ledger.shorter"), said
    assert not location.exists()


@pytest.mark.parametrize("arguments", REFUSED, ids=lambda given: " ".join(given[:3]))
def test_where_a_file_of_the_ledger_is_cut_off_it_is_named_and_nothing_is_written(
    project: Project, tmp_path: Path, arguments: tuple[str, ...]
):
    location, bad = Path(ledger_of(project).location), cut_off(project)
    before = sorted(path.name for path in location.rglob("*"))
    code, said = refused(project, arguments)
    assert (code, said.get("code")) == (1, "ledger.file_unreadable"), said
    assert bad.name in said["message"] and "\x1b" not in said["message"]
    assert sorted(path.name for path in location.rglob("*")) == before


def cut_off(project: Project) -> Path:
    """The newest data file of the ledger, cut off in the middle."""
    bad = max(Path(ledger_of(project).location).glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    bad.write_bytes(bad.read_bytes()[: bad.stat().st_size // 2])
    return bad


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_verify_and_doctor_name_the_file_that_is_cut_off(project: Project, lang: str):
    assert evidence(project) == []
    bad = cut_off(project)
    done = CliRunner().invoke(app, ["gate", "verify", "--project", str(project.folder), "--lang", lang])
    assert done.exit_code == 1 and bad.name in done.stdout and "None" not in done.stdout
    code, proof = run(project, "gate", "verify", lang=lang)
    assert (code, proof["ok"], proof["broken_at"]) == (1, False, None) and bad.name in proof["why"]
    (found,) = evidence(project)
    assert (found.ok, found.exit) == (False, 1) and bad.name in found.found
    code, told = run(project, "doctor", lang=lang)
    assert code != 0 and "ledger.file_unreadable" in [each["code"] for each in told["findings"]]


def test_verify_holds_the_ledger_against_what_this_machine_verified_and_names_the_first_row_that_is_missing(
    project: Project, tmp_path: Path
):
    backup = Path(shutil.copytree(ledger_of(project).location, tmp_path / "backup"))
    last = ledger_of(project).head().seq
    assert run(project, "suspend", INDEX, "--why", "odd answers", "--by", "riku")[0] == 0
    assert run(project, "gate", "status", INDEX)[1]["eligibility"] == "suspended"
    assert run(project, "gate", "verify")[1]["ok"]
    shutil.rmtree(ledger_of(project).location)
    shutil.copytree(backup, ledger_of(project).location)
    code, proof = run(project, "gate", "verify")
    assert (code, proof["ok"], proof["broken_at"]) == (1, False, last + 1)
    assert f"row {last + 1}, up to which this machine has verified it" in proof["why"]
    (found,) = evidence(project)
    assert (found.exit, found.found.code if isinstance(found.found, Said) else "") == (1, "ledger.shorter")


def test_what_a_person_writes_as_a_reason_is_neither_an_anchor_nor_a_signature(project: Project):
    now = production(project.root, INDEX)
    assert now is not None and now.rows is not None and now.ledger_head is not None
    reason = f"signed in rows {now.rows[0]} and {now.rows[1]}; ledger head 3 {'0' * 64}"
    point_production(project.root, INDEX, 1, at=WallClock().now(), actor="anybody", reason=reason, after=now.number)
    code, told = run(project, "gate", "verify")
    assert (code, told["anchors"]) == (0, [now.ledger_head.seq])


def test_a_position_of_the_first_form_keeps_its_rows_and_its_anchor():
    told = {
        "schema": "fortnight.production/1",
        "index": INDEX,
        "number": 1,
        "release": 1,
        "content_hash": "c",
        "at": "2026-11-01T00:00:00Z",
    }
    read = Production.model_validate({**told, "actor": "a, b", "reason": f"signed in rows 7 and 9; ledger head 8 {'a' * 64}"})
    assert (read.rows, read.ledger_head) == ((7, 9), Anchor(seq=8, hash="a" * 64))
    assert Production.model_validate({**told, "actor": "a", "reason": f"as in rows 7 and 9; ledger head 8 {'a' * 64}"}).rows is None
