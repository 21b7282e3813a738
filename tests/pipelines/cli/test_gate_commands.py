"""From eligible to the pointer and back, by the real commands: who signs, what is refused, what is proved."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from deltalake import DeltaTable, write_deltalake
from lived import INDEX, STREAM, key, lived, manifest, seal_days, write
from ruamel.yaml import YAML
from typer.testing import CliRunner

from connectors.errors import FixConfiguration
from connectors.messages import Said
from expectations.contract import FieldSpec
from pipelines.cli.doctor import closed_days, evidence
from pipelines.cli.main import app
from pipelines.clock import WallClock
from pipelines.evidence.chain import Entry
from pipelines.evidence.declare import declare_all, record_standing, windows_known
from pipelines.evidence.errors import LedgerBroken
from pipelines.evidence.plan import book_of, calendar_of, ledger_of, memory_of, standing, today_of
from pipelines.evidence.quick import standing_quick
from pipelines.evidence.reasons import reason
from pipelines.evidence.signing import make_key, public_half
from pipelines.evidence.signing import sign as sign_bytes
from pipelines.evidence.taking import Asked, Signer, take
from pipelines.index.promotion import promote_decided
from pipelines.index.releases import Anchor, Production, point_production, production, record_candidate
from pipelines.landing.promises import keep
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load

BUSINESS, TECHNICAL, OPERATOR = "kenta.suzuki", "akari.mori", "riku.ikeda"


def run(project: Project, *arguments: str, lang: str = "en") -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of a command."""
    done = CliRunner().invoke(app, [*arguments, "--project", str(project.folder), "--lang", lang, "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout.splitlines()[-1])


def sign(project: Project, person: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    return run(project, *arguments, "--sign-with", key(project, person))


def promote(project: Project, person: str, number: int = 1) -> tuple[int, dict[str, Any]]:
    return sign(project, person, "index", "promote", INDEX, "--release", str(number))


@pytest.fixture(scope="module")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose release 1 two persons promoted."""
    project = lived(tmp_path_factory.mktemp("promoted") / "project")
    assert run(project, "gate", "status", INDEX)[1]["reasons"] == [
        {"code": "gate.week_one_unsigned", "message": "The first week is not signed off."}
    ]
    assert promote(project, BUSINESS)[1]["code"] == "decide.not_eligible"
    assert sign(project, BUSINESS, "gate", "sign-off", INDEX)[0] == 0
    code, first = promote(project, BUSINESS)
    assert (code, first["waits"], first["production"]) == (0, True, None)
    assert production(project.root, INDEX) is None
    assert promote(project, BUSINESS)[1]["code"] == "decide.same_person"
    code, second = promote(project, TECHNICAL)
    assert (code, second["waits"], second["first"], second["production"]) == (0, False, BUSINESS, 1)
    return project


def test_two_persons_move_the_pointer_once_and_it_names_them_and_the_ledgers_head(promoted: Project):
    record = production(promoted.root, INDEX)
    assert record is not None
    assert (record.number, record.release, record.actor) == (1, 1, f"{BUSINESS}, {TECHNICAL}")
    moved = promote_decided(promoted, INDEX, WallClock().now())
    assert (moved.record, moved.why.code) == (None, "promotion.done")
    code, proof = run(promoted, "gate", "verify")
    assert (code, proof["ok"], len(proof["anchors"])) == (0, True, 1), "the pointer's record anchors the ledger"


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


def test_what_if_changes_nothing(promoted: Project):
    before = ledger_of(promoted).head()
    code, told = run(promoted, "gate", "what-if", INDEX, "--green-days", "20")
    assert (code, told["now"], told["eligibility"], told["required_days"]) == (0, "eligible", "ineligible", 20)
    assert ledger_of(promoted).head() == before


def test_what_if_counts_the_same_days_whatever_policies_were_recorded_since_but_not_across_a_revocation(project: Project):
    told = YAML(typ="safe").load(project.folder / "project.yaml")
    told["indexes"][INDEX]["gate"] = {"green_days": 20}
    write(project.folder / "project.yaml", told)
    assert run(project, "gate", "seal")[1]["recounted"] == [INDEX]
    assert run(project, "gate", "status", INDEX)[1]["green_days"] == 0
    asked = run(project, "gate", "what-if", INDEX, "--green-days", "14")[1]
    assert (asked["now"], asked["eligibility"], asked["green_days"], asked["reasons"]) == ("ineligible", "eligible", 14, [])
    asked = run(project, "gate", "what-if", INDEX, "--green-days", "15")[1]
    assert (asked["eligibility"], asked["green_days"]) == ("ineligible", 14)
    assert run(project, "gate", "decide", "revoke", INDEX, "--why", "odd answers", "--by", "riku")[0] == 0
    asked = run(project, "gate", "what-if", INDEX, "--green-days", "14")[1]
    assert (asked["eligibility"], asked["green_days"]) == ("revoked", 0)


def test_what_if_names_a_stream_that_is_none_of_the_index(promoted: Project):
    code, told = run(promoted, "gate", "what-if", INDEX, "--without", "kintone/nosuch")
    assert (code, told["code"]) == (2, "project.stream_elsewhere")
    assert STREAM in told["message"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("gate", "sign-off", INDEX, "--sign-with", "nowhere"), "decision.no_key"),
        (
            ("gate", "decide", "excuse", "nosuch", "--from", "2030-01-01T00:00", "--until", "2030-01-02T00:00", "--why", "x"),
            "project.unknown_system",
        ),
        (
            ("gate", "decide", "excuse", "kintone/nosuch", "--from", "2030-01-01T00:00", "--until", "2030-01-02T00:00", "--why", "x"),
            "project.unknown_stream",
        ),
        (
            ("gate", "decide", "excuse", "kintone", "--from", "2020-01-01T00:00", "--until", "2020-01-02T00:00", "--why", "x"),
            "decide.too_late",
        ),
        (("gate", "decide", "excuse", "kintone", "--from", "soon", "--until", "later", "--why", "x"), "decide.bad_instant"),
        (
            ("gate", "decide", "excuse", "kintone", "--from", "2030-01-02T00:00", "--until", "2030-01-01T00:00", "--why", "x"),
            "decide.ends_first",
        ),
        (("gate", "decide", "exclude", STREAM, "--day", "yesterday", "--why", "x"), "decide.bad_day"),
        (("gate", "decide", "exclude", STREAM, "--day", "2030-01-01", "--why", "x"), "decide.day_unsealed"),
        (("resume", INDEX), "decide.no_why"),
        (("gate", "sign-off", INDEX, "--day", "2026-01-05"), "decide.not_a_day_to_review"),
        (("index", "promote", INDEX, "--release", "9"), "index.no_such_release"),
        (("gate", "explain", INDEX, "--day", "13"), "decide.bad_day"),
        (("suspend", INDEX, "--why", "x"), "decide.unnamed"),
    ],
    ids=lambda given: given if isinstance(given, str) else " ".join(given[:3]),
)
def test_bad_input_is_a_sentence_and_writes_nothing(promoted: Project, arguments: tuple[str, ...], code: str):
    before = ledger_of(promoted).head()
    unsigned = "--sign-with" in arguments or arguments[0] == "suspend" or arguments[1] == "explain"
    exit_code, said = run(promoted, *arguments) if unsigned else sign(promoted, OPERATOR, *arguments)
    assert (exit_code in (1, 2), said["code"]) == (True, code)
    assert ledger_of(promoted).head() == before


@pytest.fixture
def project(promoted: Project, tmp_path: Path) -> Project:
    """A copy that a test may change."""
    return load(Path(shutil.copytree(promoted.folder, tmp_path / "project")))


def test_one_person_stops_an_index_without_a_key_and_two_resume_it(project: Project):
    now = WallClock().now
    assert standing_quick(project, INDEX, now()).eligibility == "eligible"
    assert run(project, "suspend", INDEX, "--why", "odd answers", "--by", "riku")[0] == 0
    assert standing_quick(project, INDEX, now()).eligibility == "suspended", "a server that asks sees it at once"
    assert sign(project, OPERATOR, "resume", INDEX, "--why", "fine")[1]["code"] == "decide.refused"
    assert sign(project, BUSINESS, "resume", INDEX, "--why", "fine")[1]["waits"] is True
    assert standing_quick(project, INDEX, now()).eligibility == "suspended"
    assert sign(project, TECHNICAL, "resume", INDEX, "--why", "fine")[1]["waits"] is False
    assert standing_quick(project, INDEX, now()).eligibility == "eligible"


def test_keys_that_people_yaml_no_longer_lists_sign_nothing_even_when_it_lists_nobody(project: Project):
    (project.folder / "people.yaml").write_text("people: []\n", encoding="utf-8")
    assert sign(project, BUSINESS, "resume", INDEX, "--why", "fine")[1]["code"] == "decide.key_unlisted"
    assert dict(book_of(project).signatures.holders) == {}


def test_a_decision_is_not_carried_out_once_the_index_was_stopped(project: Project):
    record_candidate(project.root, manifest(2))
    promote(project, BUSINESS, 2)
    run(project, "suspend", INDEX, "--why", "odd answers", "--by", "riku")
    moved = promote_decided(project, INDEX, WallClock().now())
    assert (moved.record, moved.why.code) == (None, "promotion.undecided")
    assert promote(project, TECHNICAL, 2)[1]["code"] == "decide.not_eligible"


def test_who_signs_after_a_proposal_lapsed_proposes_and_is_told_so(project: Project):
    """Also the one whose proposal it was."""

    def resume(person: str) -> tuple[str | None, bool]:
        path = Path(key(project, person))
        signer = Signer(public_half(path), lambda message: sign_bytes(message, path))
        taken = take(project, Asked("resume", INDEX, INDEX, None, "fine"), signer, WallClock().now(), "wall")
        return taken.first, taken.waits

    assert run(project, "suspend", INDEX, "--why", "odd answers", "--by", "riku")[0] == 0
    assert resume(BUSINESS) == (None, True)
    seal_days(project, 8, ending=-7)
    assert resume(BUSINESS) == (None, True)
    seal_days(project, 8, ending=-15)
    assert resume(TECHNICAL) == (None, True)
    assert resume(BUSINESS) == (TECHNICAL, False)


def test_the_production_asset_moves_the_pointer_where_two_signed_and_nobody_could_write_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    """And only once: its next run finds it done and is skipped."""
    # The module builds a project when it is imported, so one must be named first.
    monkeypatch.setenv("FORTNIGHT_PROJECT", str(project.folder))
    import dagster as dg

    from pipelines.definitions import build
    from pipelines.defs.keys import index_keys
    from pipelines.defs.resources import ProjectResource

    record_candidate(project.root, manifest(2))
    terms = reason("decision.promote", release=2, content_hash=manifest(2).content_hash)
    for person in (BUSINESS, TECHNICAL):
        path = Path(key(project, person))
        signer = Signer(public_half(path), lambda message, path=path: sign_bytes(message, path))
        take(project, Asked("promote", INDEX, INDEX, terms, "next"), signer, WallClock().now(), "wall")
    resource = ProjectResource(folder=str(project.folder))
    asset = build(project, resource).get_assets_def(index_keys(INDEX)[2])
    moved = []
    for _ in range(2):
        with dg.DagsterInstance.ephemeral() as instance:
            today = today_of(project, WallClock().now()).isoformat()
            result = dg.materialize(
                [asset], resources={"project_files": resource}, instance=instance, partition_key=today, selection=[asset]
            )
            moved.append(len(result.asset_materializations_for_node("production__support")))
    record = production(project.root, INDEX)
    assert moved == [1, 0]
    assert record is not None and (record.number, record.release) == (2, 2)


def test_a_breaking_contract_change_waits_for_two_persons_though_its_days_are_green(project: Project):
    contract = project.folder / "contracts" / f"{STREAM}.yaml"
    told = YAML(typ="safe").load(contract.read_text(encoding="utf-8"))
    write(contract, told | {"version": 2, "fields": [told["fields"][0], told["fields"][1] | {"required": True}]})
    project = load(project.folder)
    # The stream was sealed under what its contract says now for as long as it takes: only the signatures are missing.
    later = WallClock().now() + timedelta(days=14)
    seal_days(project, 14, ending=-13)
    assert "gate.contract_not_accepted" in [each.code for each in standing(project, INDEX, later).reasons]
    for person in (BUSINESS, TECHNICAL):
        assert sign(project, person, "gate", "decide", "accept", STREAM, "--why", "the field is gone")[0] == 0
    assert "gate.contract_not_accepted" not in [each.code for each in standing(project, INDEX, later).reasons]
    accept = ("gate", "decide", "accept", STREAM, "--why", "the field is gone")
    head = ledger_of(project).head()
    for person in (BUSINESS, TECHNICAL):
        assert sign(project, person, *accept)[1]["code"] == "decide.accepted_already"
    assert ledger_of(project).head() == head
    assert sign(project, BUSINESS, *accept, "--additive")[1]["code"] == "decide.promise_unknown"


@pytest.mark.parametrize(
    ("days", "code"), [(0, "decide.week_one_unbegun"), (2, "decide.week_one_open"), (6, "decide.week_one_open"), (7, None)]
)
def test_the_first_week_is_signed_off_when_its_seven_days_are_sealed(tmp_path: Path, days: int, code: str | None):
    project = lived(tmp_path / "project", days=days)
    before = ledger_of(project).head()
    exit_code, said = sign(project, BUSINESS, "gate", "sign-off", INDEX)
    if code is None:
        assert exit_code == 0, said
        return
    assert (exit_code, said["code"], ledger_of(project).head()) == (1, code, before)
    if days:
        first = today_of(project, WallClock().now()) - timedelta(days=days)
        assert f"{first} to {first + timedelta(days=6)}" in said["message"]


def test_a_day_is_reviewed_once_and_none_that_was_not_in_production(project: Project):
    today = today_of(project, WallClock().now())
    review = ("gate", "sign-off", INDEX, "--day")
    assert sign(project, OPERATOR, *review, today.isoformat())[0] == 0
    head = ledger_of(project).head()
    assert sign(project, OPERATOR, *review, today.isoformat())[1]["code"] == "decide.reviewed_already"
    assert sign(project, OPERATOR, *review, (today - timedelta(days=1)).isoformat())[1]["code"] == "decide.before_production"
    assert ledger_of(project).head() == head


def changed(project: Project, **parts: Any) -> Project:
    """The project with another version of the stream's contract; what was promised before is kept, as a pull keeps it."""
    keep(Warehouse(project.root).store, project.contract(STREAM))
    contract = project.folder / "contracts" / f"{STREAM}.yaml"
    write(contract, YAML(typ="safe").load(contract.read_text(encoding="utf-8")) | {"version": 2} | parts)
    return load(project.folder)


def test_one_person_accepts_what_only_adds_and_the_count_goes_on(project: Project):
    later = WallClock().now() + timedelta(days=1)
    more = FieldSpec(name="tax", source="税", type="string").model_dump(mode="json", exclude_defaults=True)
    fields = [field.model_dump(mode="json", exclude_defaults=True) for field in project.contract(STREAM).fields]
    project = changed(project, fields=[*fields, more])
    seal_days(project, 1, ending=0)
    green = standing(project, INDEX, later).green_days
    accept = ("gate", "decide", "accept", STREAM, "--additive", "--why", "a column more")
    assert sign(project, BUSINESS, *accept)[1]["waits"] is False
    assert sign(project, BUSINESS, *accept)[1]["code"] == "decide.accepted_already"
    state = standing(project, INDEX, later)
    assert green == 1 < state.green_days and state.eligibility == "eligible"


def test_nobody_calls_additive_what_takes_something_away(project: Project):
    fields = [field.model_dump(mode="json", exclude_defaults=True) for field in project.contract(STREAM).fields]
    project = changed(project, fields=[*fields[:-1], fields[-1] | {"source": "別の欄"}])
    code, told = sign(project, BUSINESS, "gate", "decide", "accept", STREAM, "--additive", "--why", "x")
    assert (code, told["code"]) == (1, "decide.not_additive")
    assert f"fields.{fields[-1]['name']}.source" in told["message"]
    shutil.rmtree(Path(project.root) / "contracts")
    code, told = sign(project, BUSINESS, "gate", "decide", "accept", STREAM, "--additive", "--why", "x")
    assert (code, told["code"]) == (1, "decide.promise_unknown")
    assert ledger_of(project).read(kinds=("decision",))[-1].entry.verdict != "accept"


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


def test_a_window_that_a_seal_proves_needs_one_person_and_one_of_this_very_hour_two(project: Project):
    now = WallClock().now()
    known = lambda: [(each.declared_by, each.proven) for each in windows_known(project, calendar_of(project, now))]  # noqa: E731

    def excuse(person: str, starts: timedelta) -> dict[str, Any]:
        span = ((now + starts).isoformat(timespec="minutes"), (now + starts + timedelta(hours=1)).isoformat(timespec="minutes"))
        return sign(project, person, "gate", "decide", "excuse", STREAM, "--from", span[0], "--until", span[1], "--why", "棚卸")[1]

    assert excuse(OPERATOR, timedelta(days=3))["waits"] is False
    assert known() == [(OPERATOR, False)], "nothing was sealed behind it yet"
    seal_days(project, 1, ending=0)  # made tomorrow, before the window begins
    assert known() == [(OPERATOR, True)]
    assert excuse(OPERATOR, timedelta(minutes=10))["waits"] is True
    assert excuse(BUSINESS, timedelta(minutes=10))["waits"] is True, "of two, both must be approvers"
    second = excuse(TECHNICAL, timedelta(minutes=10))
    assert (second["first"], second["waits"]) == (BUSINESS, False)
    assert known() == [(OPERATOR, True), (OPERATOR, False), (BUSINESS, True), (TECHNICAL, True)]


def test_two_persons_leave_a_red_day_out_and_the_count_goes_on(project: Project):
    """One alone changes nothing, nor does the same one again."""
    today, later = today_of(project, WallClock().now()), WallClock().now() + timedelta(days=1)
    seal_days(project, 1, "red", ending=0)
    exclude = ("gate", "decide", "exclude", STREAM, "--day", today.isoformat(), "--why", "the source lied")
    assert sign(project, BUSINESS, *exclude)[1]["waits"] is True
    assert sign(project, BUSINESS, *exclude)[1]["code"] == "decide.same_person"
    assert standing(project, INDEX, later).green_days == 0
    assert sign(project, TECHNICAL, *exclude)[1]["first"] == BUSINESS
    (stream,) = standing(project, INDEX, later).streams
    assert (stream.green_days, stream.days[-1]) == (14, (today, "excused"))
    for person in (BUSINESS, TECHNICAL):
        assert sign(project, person, *exclude)[1]["code"] == "decide.left_out_already"


def test_one_person_takes_a_green_day_away_and_nobody_else_is_asked_for(project: Project):
    today = today_of(project, WallClock().now())
    exclude = ("gate", "decide", "exclude", STREAM, "--day", (today - timedelta(days=1)).isoformat(), "--why", "the source lied")
    done = CliRunner().invoke(app, [*exclude, "--sign-with", key(project, BUSINESS), "--project", str(project.folder), "--lang", "en"])
    assert done.exit_code == 0 and "One more person" not in done.stdout, done.output
    (stream,) = standing(project, INDEX, WallClock().now()).streams
    assert (stream.green_days, stream.days[-1][1]) == (13, "excused"), "it holds at once"
    assert sign(project, TECHNICAL, *exclude)[1]["code"] == "decide.left_out_already"


def test_days_the_operator_does_not_sign_off_suspend_the_index(project: Project):
    today = today_of(project, WallClock().now())
    seal_days(project, 7, ending=-6)
    later = WallClock().now() + timedelta(days=7)
    state = standing(project, INDEX, later)
    assert (state.eligibility, state.reasons[0].code) == ("suspended", "gate.reviews_missed")
    assert today.isoformat() <= str(state.reasons[0].params["days"])


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


def test_a_change_after_promotion_is_a_finding_unless_it_falls_into_a_booked_slot(promoted: Project, tmp_path: Path):
    folder = Path(shutil.copytree(promoted.folder, tmp_path / "project"))
    opens = WallClock().now().replace(second=0, microsecond=0) + timedelta(hours=1)
    starts, ends = (f"{at.astimezone(ZoneInfo('Asia/Tokyo')):%Y-%m-%dT%H:%M}" for at in (opens, opens + timedelta(hours=2)))
    code, told = sign(load(folder), OPERATOR, "gate", "decide", "slot", INDEX, "--from", starts, "--until", ends, "--why", "weights")
    assert code == 0, told

    def retuned(target: int, minutes: int) -> list[str]:
        told = YAML(typ="safe").load(folder / "project.yaml")
        told["indexes"][INDEX]["success"]["target"] = target
        write(folder / "project.yaml", told)
        declare_all(load(folder), opens + timedelta(minutes=minutes), "wall")
        return [row.entry.reasons[0].code for row in ledger_of(load(folder)).read(kinds=("finding",))]

    assert retuned(81, minutes=30) == []
    assert retuned(82, minutes=150) == ["gate.changed_outside_slot"]


def test_a_misspelt_stream_is_named_before_anything_is_written_and_the_count_goes_on(project: Project):
    told = YAML(typ="safe").load(project.folder / "project.yaml")
    well = {key: value for key, value in told["indexes"][INDEX].items() if key != "streams"}
    write(project.folder / "project.yaml", told | {"indexes": {INDEX: {**well, "streams": ["kintone/faqs"]}}})
    before = ledger_of(project).head()
    for command in (("status", INDEX), ("explain", INDEX), ("what-if", INDEX), ("certify", INDEX), ("seal",)):
        code, said = run(project, "gate", *command)
        assert (code, said["code"]) == (2, "project.index_stream"), command
        assert all(name in said["message"] for name in (f"indexes.{INDEX}.streams", "kintone/faqs", "Near it: kintone/faq."))
    yesterday = (today_of(project, WallClock().now()) - timedelta(days=1)).isoformat()
    exclude = ("gate", "decide", "exclude", STREAM, "--day", yesterday, "--why", "x")
    assert sign(project, BUSINESS, *exclude)[1]["code"] == "project.index_stream"
    with pytest.raises(FixConfiguration, match="kintone/faqs"):
        record_standing(load(project.folder), INDEX, WallClock().now(), "wall")
    assert ledger_of(project).head() == before
    write(project.folder / "project.yaml", told)
    assert run(project, "gate", "seal")[1]["recounted"] == []
    assert run(project, "gate", "status", INDEX)[1]["green_days"] == 14


def test_a_signed_stop_does_not_wait_for_a_misspelt_stream(project: Project):
    told = YAML(typ="safe").load(project.folder / "project.yaml")
    told["indexes"][INDEX]["streams"] = ["kintone/faqs"]
    write(project.folder / "project.yaml", told)
    assert sign(project, OPERATOR, "suspend", INDEX, "--why", "odd answers")[0] == 0


@pytest.mark.parametrize(
    ("lang", "says"), [("en", "the count of green days begins again"), ("ja", "緑の日は数え直しになります")], ids=["en", "ja"]
)
def test_sealing_after_the_policy_was_edited_says_that_the_count_begins_again(project: Project, lang: str, says: str):
    assert run(project, "gate", "seal")[1]["recounted"] == []

    def seal_with(green_days: int, *more: str) -> str:
        told = YAML(typ="safe").load(project.folder / "project.yaml")
        told["indexes"][INDEX]["gate"] = {"green_days": green_days}
        write(project.folder / "project.yaml", told)
        done = CliRunner().invoke(app, ["gate", "seal", "--project", str(project.folder), "--lang", lang, *more])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert f"{INDEX}: " in (said := seal_with(13)) and says in said
    assert run(project, "gate", "status", INDEX)[1]["green_days"] == 0
    assert says not in seal_with(13), "it is on record"
    told = json.loads(seal_with(12, "--json"))
    assert (told["sealed"], told["recounted"]) == ([], [INDEX])


def test_the_frozen_calendar_is_written_and_its_years_stay(project: Project):
    code, told = run(project, "gate", "calendar", "freeze", "--years", "2026-2029", "--company", "2026-12-29")
    assert (code, told["years"], told["company"], told["ends"]) == (0, [2026, 2027, 2028, 2029], 1, None)
    before = (project.folder / "calendar.yaml").read_bytes()
    assert run(project, "gate", "calendar", "freeze", "--years", "2026")[0] == 0
    assert (project.folder / "calendar.yaml").read_bytes() == before
    for years in ("soon", "2026-2024", "1800"):
        assert run(project, "gate", "calendar", "freeze", "--years", years)[1]["code"] == "calendar.bad_years"
    assert run(project, "gate", "calendar", "freeze", "--years", "2027", "--company", "2026-13-45")[1]["code"] == "decide.bad_day"


@pytest.mark.parametrize(
    ("lang", "says"), [("en", "There is no table of closed days"), ("ja", "休業日の一覧（calendar.yaml）はありません")]
)
def test_where_there_is_no_table_of_closed_days_that_is_the_answer_in_one_line(tmp_path: Path, lang: str, says: str):
    project = lived(tmp_path, days=1)
    show = ["gate", "calendar", "show", "--project", str(tmp_path), "--lang", lang]
    done = CliRunner().invoke(app, show)
    assert (done.exit_code, len(done.stdout.splitlines()), done.stderr) == (1, 1, "") and done.stdout.startswith(says)
    code, told = run(project, "gate", "calendar", "show", lang=lang)
    assert (code, told["file"], told["years"], told["ends"]) == (1, None, [], done.stdout.strip())
    assert run(project, "gate", "calendar", "freeze", "--years", "2026-2099")[0] == 0
    assert CliRunner().invoke(app, show).exit_code == 0


def test_days_that_the_project_file_lists_itself_are_shown(tmp_path: Path):
    today = today_of(lived(tmp_path, days=1), WallClock().now())
    told = YAML(typ="safe").load(tmp_path / "project.yaml")
    closed = {"years": [today.year, today.year + 1], "days": [f"{today.year}-01-01"]}
    write(tmp_path / "project.yaml", told | {"schedule": {"days": "jp_business", "closed": closed}})
    code, shown = run(load(tmp_path), "gate", "calendar", "show")
    assert (code, shown["file"], shown["years"], shown["company"], shown["ends"]) == (0, "project.yaml", closed["years"], 1, None)


def test_doctor_says_that_business_days_lack_their_table(tmp_path: Path):
    told = YAML(typ="safe").load((lived(tmp_path, days=1).folder / "project.yaml").read_text(encoding="utf-8"))
    assert closed_days(load(tmp_path)) == []
    write(tmp_path / "project.yaml", told | {"schedule": {"days": "jp_business"}})
    (found,) = closed_days(load(tmp_path))
    assert (found.ok, found.exit) == (False, 1) and "no table of closed days" in found.found


@pytest.mark.parametrize(("frozen", "ok"), [((), False), ((0,), True), ((0, 1), None)], ids=["ended", "ends this year", "long enough"])
def test_doctor_says_a_year_before_that_the_table_of_closed_days_ends(tmp_path: Path, frozen: tuple[int, ...], ok: bool | None):
    told = YAML(typ="safe").load((lived(tmp_path, days=1).folder / "project.yaml").read_text(encoding="utf-8"))
    years = [WallClock().now().year + ahead for ahead in frozen] or [2020]
    write(tmp_path / "project.yaml", told | {"schedule": {"days": "jp_business", "closed": {"years": years}}})
    assert [finding.ok for finding in closed_days(load(tmp_path))] == ([] if ok is None else [ok])


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


def test_nobody_signs_for_what_is_not_there(promoted: Project):
    before = ledger_of(promoted).head()
    signed = ("--why", "x", "--sign-with", key(promoted, BUSINESS))
    assert run(promoted, "resume", INDEX, *signed)[1]["code"] == "decide.nothing_stopped"
    assert run(promoted, "gate", "decide", "accept", STREAM, *signed)[1]["code"] == "decide.nothing_changed"
    assert run(promoted, "gate", "sign-off", INDEX, *signed)[1]["code"] == "decide.week_one_signed"
    assert ledger_of(promoted).head() == before


def test_days_are_reviewed_again_after_an_index_was_stopped_and_resumed(project: Project):
    assert run(project, "suspend", INDEX, "--why", "odd answers", "--by", "riku")[0] == 0
    for person in (BUSINESS, TECHNICAL):
        assert sign(project, person, "resume", INDEX, "--why", "fine")[0] == 0
    today = today_of(project, WallClock().now()).isoformat()
    assert sign(project, OPERATOR, "gate", "sign-off", INDEX, "--day", today)[0] == 0


def test_days_are_reviewed_after_a_promotion(tmp_path: Path):
    project = lived(tmp_path / "project")
    today = today_of(project, WallClock().now()).isoformat()
    told = run(project, "gate", "sign-off", INDEX, "--day", today, "--sign-with", key(project, OPERATOR))[1]
    assert told["code"] == "decide.nothing_promoted"
