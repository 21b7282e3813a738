"""From eligible to the pointer and back, by the real commands: who signs, what is refused, what is proved."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from by_command import BUSINESS, OPERATOR, TECHNICAL, promote, run, sign
from lived import INDEX, STREAM, key, lived, manifest, seal_days, write
from ruamel.yaml import YAML
from typer.testing import CliRunner

from connectors.errors import FixConfiguration
from expectations.contract import FieldSpec
from pipelines.cli.main import app
from pipelines.clock import WallClock
from pipelines.evidence.declare import declare_all, record_standing, windows_known
from pipelines.evidence.plan import book_of, calendar_of, ledger_of, standing, today_of
from pipelines.evidence.quick import standing_quick
from pipelines.evidence.reasons import reason
from pipelines.evidence.signing import public_half
from pipelines.evidence.signing import sign as sign_bytes
from pipelines.evidence.taking import Asked, Signer, take
from pipelines.index.promotion import promote_decided
from pipelines.index.releases import production, record_candidate
from pipelines.landing.promises import keep
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load


def test_two_persons_move_the_pointer_once_and_it_names_them_and_the_ledgers_head(promoted: Project):
    record = production(promoted.root, INDEX)
    assert record is not None
    assert (record.number, record.release, record.actor) == (1, 1, f"{BUSINESS}, {TECHNICAL}")
    moved = promote_decided(promoted, INDEX, WallClock().now())
    assert (moved.record, moved.why.code) == (None, "promotion.done")
    code, proof = run(promoted, "gate", "verify")
    assert (code, proof["ok"], len(proof["anchors"])) == (0, True, 1), "the pointer's record anchors the ledger"


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


def test_a_window_that_a_seal_proves_needs_one_person_and_one_of_this_very_hour_two(project: Project):
    now = WallClock().now()

    def known() -> list[tuple[str, bool]]:
        return [(each.declared_by, each.proven) for each in windows_known(project, calendar_of(project, now))]

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
