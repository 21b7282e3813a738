"""Everything ``fortnight sandbox break kintone`` can do, and what a pull makes of it: gone on right, or stopped with a sentence that helps.

Whatever happens, nothing published is changed by a pull that did not succeed, and absence is never taken for deletion by mistake.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conformance.live import ORIGIN
from houses import without_rules, without_waiting
from kintone_house import App, House, Target, house, target

from connectors.errors import AccessRefused, AddressUnknown, AnswerIsNo, ContractBroken, FortnightError, SourceError, SourceUnavailable
from connectors.messages import catalogue
from pipelines.pull.outcome import Result

RECORDS = 60
TEXT, NUMBER, CHOICE = "件名", "数量", "区分"
SOMEBODY = {"type": "USER", "code": "kenta.suzuki@sakura-seiki.example"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("broken")
    with house(folder / "house", ORIGIN) as home, without_rules(), without_waiting():
        made = target(folder / "template", home.app(1))
        yield made
        made.close()


@pytest.fixture
def home(template: Target) -> Iterator[House]:
    yield template.app.house
    template.app.house.quiet()
    template.app.house.control("heal")


@pytest.fixture
def loaded(template: Target, home: House, tmp_path: Path) -> Iterator[Target]:
    """An app of sixty records, pulled once, ten minutes ago."""
    with _loaded(template, home, tmp_path, RECORDS) as made:
        yield made


@contextmanager
def _loaded(template: Target, home: House, folder: Path, records: int) -> Iterator[Target]:
    made = template.anew(folder / "data", home.app(records))
    assert made.pull().error is None and made.rows() == made.wanted()
    home.later(minutes=10)
    yield made
    made.close()


def untouched(one: Target, act: Callable[[], Any], *, full: bool = False) -> FortnightError:
    """``act`` happens; the pull after it does not succeed, and everything published is as it was. Returns why."""
    act()
    before, rows, gone = one.published, one.rows(), one.tombstones()
    result = one.pull(full=full)
    assert result.error is not None, f"the pull succeeded: {dict(result.counts)}"
    assert result.published is None and result.outcome in ("stopped", "failed")
    assert one.published == before and one.rows() == rows and one.tombstones() == gone
    return result.error


def explained(error: FortnightError, *names: str) -> None:
    """The sentence stands in both languages, says what to do, and names these things in each."""
    assert {error.code, f"{error.code}.remedy"} <= catalogue().keys()
    japanese, english = error.say("ja"), error.say("en")
    assert re.search("[ぁ-ん]", japanese) and not re.search("[ぁ-ん]", re.sub('[「『"].*?[」』"]', "", english))
    for name in names:
        assert name in japanese and name in english, f"{error.code} does not name {name}: {english}"


def recovered(one: Target) -> Result:
    """The next pull succeeds and holds exactly what the app holds."""
    result = one.pull()
    assert result.error is None, result.error
    assert one.rows() == one.wanted()
    return result


# --- the form ---------------------------------------------------------------------------------------------------------------


def test_a_renamed_field_stops_the_pull_before_a_record_is_read_and_names_the_candidate(loaded: Target, home: House) -> None:
    loaded.app.broken("rename-field", field=TEXT, to="案件名")
    home.control("traffic", reset=True)
    error = untouched(loaded, lambda: None)
    assert isinstance(error, ContractBroken) and error.exit_code == 1
    explained(error, TEXT, "案件名", loaded.stream)
    read = home.control("traffic")["by_path"]
    assert not any("records.json" in path for path in read), read
    home.control("heal")
    recovered(loaded)


def test_a_renamed_option_is_in_every_row_after_the_next_pull_though_no_record_was_saved(loaded: Target) -> None:
    before = loaded.rows()
    done = loaded.app.broken("rename-option", field=CHOICE)
    recovered(loaded)
    changed = {number for number, row in loaded.rows().items() if row != before[number]}
    assert changed == {number for number, row in before.items() if row[CHOICE] == done["option"]} != set()
    assert all(loaded.rows()[number] == before[number] | {CHOICE: done["to"]} for number in changed)


def test_a_removed_option_stays_in_the_rows_that_hold_it(loaded: Target) -> None:
    before = loaded.rows()
    loaded.app.broken("remove-option", field=CHOICE)
    recovered(loaded)
    assert loaded.rows() == before


@pytest.mark.parametrize("kind", ["SINGLE_LINE_TEXT", "DROP_DOWN", "DATE"])
def test_a_field_replaced_by_one_of_another_type_stops_the_pull_and_is_named(loaded: Target, kind: str) -> None:
    error = untouched(loaded, lambda: loaded.app.broken("replace-type", field=NUMBER, type=kind))
    assert isinstance(error, ContractBroken)
    explained(error, NUMBER, loaded.stream)


def test_a_deleted_field_stops_the_pull_and_is_named(loaded: Target) -> None:
    error = untouched(loaded, lambda: loaded.app.broken("delete-field", field="備考"))
    assert isinstance(error, ContractBroken)
    explained(error, "備考", loaded.stream)


@pytest.mark.parametrize("full", [False, True])
def test_a_field_deleted_and_made_again_does_not_become_a_column_of_nothing(loaded: Target, home: House, full: bool) -> None:
    app = str(loaded.app.number)

    def again() -> None:
        home.control("remove_field", app=app, code=TEXT)
        home.control("add_field", app=app, code=TEXT, type="SINGLE_LINE_TEXT", label=TEXT)

    error = untouched(loaded, again, full=full)
    explained(error, TEXT)


def test_an_added_field_stops_nothing(loaded: Target) -> None:
    loaded.app.broken("add-field")
    assert any(check.rows for check in recovered(loaded).checks if check.name == "schema" or "drift" in check.name)


def test_another_number_precision_loses_no_digit(loaded: Target, home: House) -> None:
    before = loaded.published
    loaded.app.broken("precision", digits=30, places=10)
    loaded.app.update(loaded.app.ids()[:1], **{NUMBER: "12345678901234567890.1234567891"})
    result = loaded.pull()
    if result.error is not None:
        explained(result.error, loaded.stream)
        assert loaded.published == before
        return
    held = {one: row for one, row in loaded.rows().items() if row != loaded.wanted()[one]}
    assert held == {}


def test_a_form_that_changes_between_any_two_requests_of_a_full_pull_commits_no_column_of_nothing(loaded: Target, home: House) -> None:
    for request in itertools.count(1):
        before = loaded.published
        home.during(request, lambda: loaded.app.broken("rename-field", field=TEXT, to="案件名"))
        result = loaded.pull(full=True)
        came = home.quiet()
        if result.error is not None:
            assert loaded.published == before, f"request {request}"
            explained(result.error)
        home.control("heal")
        assert all(row[TEXT] for row in loaded.rows().values()), f"request {request}"
        if not came:
            break
    assert request > 5, "there were requests to come between"


# --- the app ----------------------------------------------------------------------------------------------------------------


def test_an_app_made_anew_without_its_code_stops_the_pull_with_the_new_one_as_candidate(
    template: Target, home: House, tmp_path: Path
) -> None:
    # One record more than the others have: an app's name tells its size here, and it is the name that leads to the new app.
    with _loaded(template, home, tmp_path, RECORDS + 1) as one:
        made: dict[str, Any] = {}
        error = untouched(one, lambda: made.update(one.app.broken("recreate-app")))
        assert isinstance(error, AddressUnknown) and error.exit_code == 3
        explained(error, one.app.code, str(made["app"]))


@pytest.mark.parametrize("records", [False, True])
@pytest.mark.parametrize("full", [False, True])
def test_an_app_made_anew_under_the_old_code_is_not_taken_for_the_old_one(loaded: Target, records: bool, full: bool) -> None:
    made: dict[str, Any] = {}
    error = untouched(loaded, lambda: made.update(loaded.app.broken("recreate-app", code=loaded.app.code, records=records)), full=full)
    explained(error, str(made["app"]))


def test_an_app_that_goes_on_under_another_id_is_found_or_named_and_never_guessed(loaded: Target) -> None:
    before = loaded.published
    new = loaded.app.broken("renumber-app")["app"]
    result = loaded.pull()
    if result.error is not None:
        explained(result.error, str(new))
        assert loaded.published == before
        return
    loaded.app.number = int(new)
    assert loaded.rows() == loaded.wanted()


def test_a_deleted_app_fails_by_name_and_its_records_stay(loaded: Target, home: House) -> None:
    error = untouched(loaded, lambda: loaded.app.broken("delete-app"))
    assert isinstance(error, AddressUnknown)
    explained(error, loaded.app.code)
    error = untouched(loaded, lambda: loaded.app.broken("restore-app"))
    assert isinstance(error, AddressUnknown), "a restored app has lost its code"
    explained(error, loaded.app.code, str(loaded.app.number))


def test_a_deleted_app_addressed_by_number_alone_fails_by_name_and_its_records_stay(template: Target, home: House, tmp_path: Path) -> None:
    app = home.app(RECORDS)
    one = template.anew(tmp_path / "data", app, app_id=app.number)
    assert one.pull().error is None
    error = untouched(one, lambda: app.broken("delete-app"))
    assert isinstance(error, AddressUnknown)
    explained(error, str(app.number), "GAIA_AP01")
    app.broken("restore-app")
    recovered(one)
    one.close()


def test_another_app_code_stops_an_address_by_code_and_names_the_app(loaded: Target) -> None:
    error = untouched(loaded, lambda: loaded.app.broken("set-app-code", to="ANOTHER"))
    assert isinstance(error, AddressUnknown)
    explained(error, loaded.app.code, str(loaded.app.number))


def test_an_app_moved_to_another_space_goes_on_and_one_moved_to_a_guest_space_names_the_way(loaded: Target) -> None:
    before = loaded.rows()
    loaded.app.broken("move-app")
    recovered(loaded)
    assert loaded.rows() == before
    error = untouched(loaded, lambda: loaded.app.broken("move-app", guest=True, space=77))
    assert isinstance(error, SourceError)
    explained(error, loaded.app.code, "localhost", "guest_space")


@pytest.fixture(scope="module")
def repairs(template: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The orders that are repairs, about 1,300: an app with a process."""
    orders = App(template.app.house, "ORDERS", 12, "")
    made = target(tmp_path_factory.mktemp("repairs") / "orders", orders)
    chosen = made.anew(made.folder / "of-repairs", orders, app_code="ORDERS", app_id=12, condition='受注区分 in ("修理")')
    assert chosen.pull().error is None
    yield chosen
    chosen.close()
    made.close()


def test_a_renamed_state_of_the_process_is_in_every_row_after_the_next_pull(repairs: Target, home: House) -> None:
    before = {number: row["ステータス"] for number, row in repairs.rows().items()}
    done = home.control("break", name="rename-status", app="ORDERS")
    assert done["status"] in before.values()
    result = repairs.pull()
    assert result.error is None, result.error
    after = {number: row["ステータス"] for number, row in repairs.rows().items()}
    assert after == {number: done["to"] if state == done["status"] else state for number, state in before.items()}


def test_a_process_that_is_switched_off_does_not_become_columns_of_nothing(repairs: Target, home: House) -> None:
    error = untouched(repairs, lambda: home.control("break", name="disable-process", app="ORDERS"))
    explained(error, "ステータス", repairs.stream)


# --- rights and identities --------------------------------------------------------------------------------------------------


@pytest.fixture
def by_token(loaded: Target, tmp_path: Path) -> Iterator[Target]:
    made = loaded.with_token(tmp_path / "by-token")
    assert made.pull().error is None and made.rows() == made.wanted()
    yield made
    made.close()


@pytest.mark.parametrize(("permissions", "code"), [([], "GAIA_IA02"), (["recordAddable"], "GAIA_NO01")])
def test_a_token_that_was_cut_fails_at_once_with_kintones_code_and_deletes_nothing(
    by_token: Target, home: House, permissions: list[str], code: str
) -> None:
    by_token.app.broken("cut-token", permissions=permissions)
    home.control("traffic", reset=True)
    error = untouched(by_token, lambda: None)
    assert isinstance(error, AccessRefused)
    explained(error, code, str(by_token.app.number), "localhost")
    assert by_token.app.token not in error.say("ja") + error.say("en")
    assert home.control("traffic")["requests"] <= 6, "what is refused is not asked again and again"
    home.control("heal")
    recovered(by_token)


def _hidden_records(one: App) -> None:
    half = [row for number, row in enumerate(one.ids()) if number % 2]
    rights = [
        {"filterCond": f"$id in ({','.join(map(str, half))})", "entities": [{"entity": SOMEBODY, "viewable": True}]},
        {"filterCond": "", "entities": [{"entity": {"type": "GROUP", "code": "everyone"}, "viewable": True}]},
    ]
    one.broken("change-acl", area="record_acl", rights=rights)


def test_records_that_a_new_rule_hides_are_not_deleted(loaded: Target, home: House) -> None:
    error = untouched(loaded, lambda: _hidden_records(loaded.app))
    assert isinstance(error, AnswerIsNo)
    assert error.code == "pull.vanished_with_rights"
    explained(error, loaded.stream, "30", "60")
    home.control("heal")
    recovered(loaded)
    assert loaded.tombstones() == set()


def test_few_records_that_a_new_rule_hides_are_not_deleted_either(loaded: Target) -> None:
    first = loaded.app.ids()[0]
    rights = [
        {"filterCond": f"$id = {first}", "entities": [{"entity": SOMEBODY, "viewable": True}]},
        {"filterCond": "", "entities": [{"entity": {"type": "GROUP", "code": "everyone"}, "viewable": True}]},
    ]
    error = untouched(loaded, lambda: loaded.app.broken("change-acl", area="record_acl", rights=rights))
    assert error.code == "pull.vanished_with_rights"


def test_an_app_that_is_closed_to_the_service_user_fails_by_name_and_deletes_nothing(loaded: Target, home: House) -> None:
    rights = [{"entity": SOMEBODY, "recordViewable": True, "appEditable": True}]
    error = untouched(loaded, lambda: loaded.app.broken("change-acl", area="app_acl", rights=rights))
    assert isinstance(error, (AccessRefused, AddressUnknown))
    explained(error, "localhost")
    home.control("heal")
    recovered(loaded)


@pytest.mark.parametrize("full", [False, True])
def test_a_field_that_is_hidden_from_the_service_user_does_not_become_a_column_of_nothing(loaded: Target, full: bool) -> None:
    rights = [{"code": TEXT, "entities": [{"entity": SOMEBODY, "accessibility": "READ"}]}]
    error = untouched(loaded, lambda: loaded.app.broken("change-acl", area="field_acl", rights=rights), full=full)
    explained(error, TEXT)


def test_a_login_that_was_renamed_is_in_every_row_once_everything_is_read(loaded: Target, home: House) -> None:
    code = home.login["user"]
    home.control("break", name="login-rename", login=code, to="akari.neo@sakura-seiki.example")
    result = loaded.pull(full=True)
    home.control("heal")
    if result.error is not None:
        # The connecting account itself was renamed: its old name must be refused by name, not taken for an empty app.
        assert isinstance(result.error, AccessRefused)
        explained(result.error, "localhost")
    assert loaded.tombstones() == set()
    recovered(loaded)


def test_a_second_factor_demanded_of_the_service_user_is_said(loaded: Target, home: House) -> None:
    error = untouched(loaded, lambda: home.control("break", name="two-factor", login="akari.mori"))
    assert isinstance(error, AccessRefused) and error.code == "kintone.two_factor"
    explained(error, "CB_TW02", "localhost")
    home.control("heal")
    recovered(loaded)


def test_rights_that_change_and_hide_nothing_change_no_row(loaded: Target) -> None:
    before = loaded.rows()
    loaded.app.broken("change-acl")
    recovered(loaded)
    assert loaded.rows() == before


def test_more_records_gone_than_a_day_explains_wait_for_a_person(template: Target, home: House, tmp_path: Path) -> None:
    with _loaded(template, home, tmp_path, 100) as one:
        gone = one.app.ids()[10:40]
        error = untouched(one, lambda: one.app.delete(gone))
        assert error.code == "pull.vanished"
        explained(error, one.stream, "30", "100", "5%", "--accept-gone")
        untouched(one, lambda: None, full=True)
        result = one.pull(accept_gone=True)
        assert result.error is None and one.tombstones() == set(gone) and one.rows() == one.wanted()


def test_three_deletions_among_ten_thousand_are_three_tombstones_for_at_most_sixty_calls(
    template: Target, home: House, tmp_path: Path
) -> None:
    with _loaded(template, home, tmp_path, 10_000) as one:

        def calls() -> int:
            home.control("traffic", reset=True)
            assert one.pull().error is None
            return int(home.control("traffic")["requests"])

        quiet = calls()
        one.app.delete([17, 5_003, 9_998])
        assert calls() <= quiet + 60 and one.tombstones() == {17, 5_003, 9_998}
        one.app.delete([18, 5_004, 9_999])
        one.app.insert(*({TEXT: "新規"} for _ in range(3)))
        assert calls() <= quiet + 60 and one.tombstones() == {17, 18, 5_003, 5_004, 9_998, 9_999}


def test_a_quiet_pull_asks_at_most_four_times(loaded: Target, home: House) -> None:
    assert loaded.pull().error is None
    home.control("traffic", reset=True)
    assert loaded.pull().error is None
    seen = home.control("traffic")
    assert seen["requests"] <= 4, seen["by_path"]


# --- records that come late -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [1, 4, 6, 60])
def test_low_ids_that_are_seen_late_come_with_the_next_pull(loaded: Target, home: House, minutes: int) -> None:
    late = loaded.app.broken("late-visible-ids", count=3, after=2, minutes=minutes)
    recovered(loaded)
    assert not set(late["late"]) & loaded.rows().keys() and set(late["seen"]) <= loaded.rows().keys()
    home.later(minutes=minutes, seconds=1)
    recovered(loaded)
    assert set(late["late"]) <= loaded.rows().keys()


def test_a_late_record_that_hides_behind_a_deleted_one_is_found_by_the_weekly_reconcile_and_counted(loaded: Target, home: House) -> None:
    late = loaded.app.broken("late-visible-ids", count=1, after=1, minutes=30)
    recovered(loaded)
    home.later(minutes=31)
    loaded.app.delete(loaded.app.ids()[:1])
    assert loaded.pull().error is None
    if loaded.rows() == loaded.wanted():
        return
    home.later(days=7, minutes=1)
    result = recovered(loaded)
    assert set(late["late"]) <= loaded.rows().keys()
    assert result.counts["missed"] >= 1


def test_a_record_saved_within_the_minute_of_the_last_pull_was_not_missed_by_it(loaded: Target, home: House) -> None:
    home.later(seconds=70 - home.clock.now().second)
    recovered(loaded)
    home.later(seconds=20)
    loaded.app.update(loaded.app.ids()[:2], **{TEXT: "同じ分のうちに"})
    result = loaded.pull(full=True)
    assert result.error is None and loaded.rows() == loaded.wanted()
    assert (result.counts["changed"], result.counts["missed"]) == (2, 0)


# --- the wire ---------------------------------------------------------------------------------------------------------------

#: A break that lasts for a few answers is outlived; the same for ever fails.
_PASSING: tuple[dict[str, Any], ...] = (
    {"name": "throttle-storm", "count": 2},
    {"name": "maintenance", "count": 2},
    {"name": "maintenance", "kind": "502", "count": 2},
    {"name": "database-lock", "count": 2},
    {"name": "half-answers", "count": 1, "share": 0.5},
    {"name": "wrong-content-type", "count": 1},
    {"name": "login-redirect", "count": 1},
)


@pytest.mark.parametrize("wrong", _PASSING, ids=lambda one: "-".join(map(str, one.values())))
def test_a_short_trouble_of_the_wire_is_outlived_or_fails_whole(loaded: Target, home: House, wrong: dict[str, Any]) -> None:
    loaded.app.insert({TEXT: "新規"})
    loaded.app.delete(loaded.app.ids()[:1])
    before = loaded.published
    home.control("break", **wrong, path="/records.json")
    result = loaded.pull()
    if wrong["name"] in ("throttle-storm", "maintenance", "database-lock", "half-answers"):
        assert result.error is None, result.error
    if result.error is not None:
        assert isinstance(result.error, SourceError) and loaded.published == before
        explained(result.error, "localhost")
        home.control("heal")
        recovered(loaded)
    assert loaded.rows() == loaded.wanted()


_LASTING: tuple[dict[str, Any], ...] = (
    {"name": "throttle-storm", "count": 500},
    {"name": "maintenance"},
    {"name": "maintenance", "kind": "502"},
    {"name": "database-lock", "count": 500},
    {"name": "wrong-content-type", "count": 500},
    {"name": "login-redirect"},
)


@pytest.mark.parametrize("wrong", _LASTING, ids=lambda one: "-".join(map(str, one.values())))
@pytest.mark.parametrize("full", [False, True])
def test_a_trouble_of_the_wire_that_lasts_fails_by_name_and_the_next_pull_goes_on(
    loaded: Target, home: House, wrong: dict[str, Any], full: bool
) -> None:
    loaded.app.insert({TEXT: "新規"})
    loaded.app.delete(loaded.app.ids()[:1])
    error = untouched(loaded, lambda: home.control("break", **wrong), full=full)
    assert isinstance(error, SourceError) and error.exit_code == 3
    if wrong["name"] in ("throttle-storm", "maintenance", "database-lock"):
        assert isinstance(error, SourceUnavailable), "worth another try later"
    explained(error, "localhost")
    home.control("heal")
    recovered(loaded)


@pytest.mark.parametrize("full", [False, True])
def test_an_aborted_search_fails_the_pull_and_nothing_is_committed(loaded: Target, home: House, full: bool) -> None:
    loaded.app.delete(loaded.app.ids()[:1])
    error = untouched(loaded, lambda: home.control("break", name="warning-header"), full=full)
    assert error.code == "kintone.partial_result"
    explained(error, "Filter aborted", "localhost", str(loaded.app.number))
    home.control("heal")
    recovered(loaded)


def test_errors_with_the_status_of_old_deployments_are_read_by_their_code(by_token: Target, home: House) -> None:
    home.control("break", name="status-520")
    recovered(by_token)
    by_token.app.broken("cut-token")
    error = untouched(by_token, lambda: None)
    assert isinstance(error, AccessRefused)
    explained(error, "GAIA_IA02")


def test_slow_answers_change_nothing(loaded: Target, home: House) -> None:
    home.control("break", name="latency", milliseconds=20)
    loaded.app.insert({TEXT: "新規"})
    recovered(loaded)


def test_every_break_of_the_sandbox_has_its_sentence_in_both_languages(home: House) -> None:
    for one in home.control("breaks")["breaks"]:
        assert re.search("[ぁ-んァ-ヶ一-龠]", one["ja"]) and one["en"].isascii()
