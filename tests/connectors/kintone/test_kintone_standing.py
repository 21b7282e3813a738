"""When a form that was read before is believed to be the form of today, and what makes it doubted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kintone_world import World, answered, connector, field_of, order, stream

from connectors.errors import BrokenReply, FixConfiguration
from connectors.kintone.connector import KintoneConnector
from connectors.kintone.standing import BELIEVED, SETTLED, Doubts, Look
from connectors.protocol import Column, Page, Schema, Stream, Window
from connectors.transport import TransportOptions
from expectations.facts import facts_of

DEPLOYED = "2026-11-01T00:00:00.000Z"
#: What the world's ``Date`` says.
NOW = datetime(2026, 11, 21, 0, 0, 30, tzinfo=UTC)
NAME = Column("name", "件名", pa.string())


def world(**more: object) -> World:
    made = World(records=[order(1), order(2)], **more)  # pyright: ignore[reportArgumentType]
    made.app["modifiedAt"] = DEPLOYED
    return made


def following(one: World, options: TransportOptions | None = None) -> Stream:
    """The stream as it is told to a connector after a first pull of everything."""
    made = connector(one, options=options)
    made.describe(stream(NAME))
    pages = list(made.pull(stream(NAME), Window()))
    return stream(NAME, options={"last_cursor": dict(pages[-1].cursor.state)})


def looked(one: World, told: Stream, options: TransportOptions | None = None) -> tuple[Schema, list[str]]:
    """What a connector made anew describes, and the calls it took."""
    one.asked.clear()
    found = connector(one, options=options).describe(told)
    return found, [request.url.path.removeprefix("/k/v1/") for request in one.asked]


def read(one: World, told: Stream, made: KintoneConnector) -> Iterable[Page]:
    made.describe(told)
    return made.pull(told, Window())


def test_an_app_whose_settings_stand_is_described_by_one_call_as_it_was() -> None:
    one = world()
    told = following(one)
    before = connector(one).describe(stream(NAME))
    found, asked = looked(one, told)
    assert asked == ["apps.json"]
    assert facts_of(found, facts_of(before)) == facts_of(before) and found.fingerprint == before.fingerprint


def test_what_one_run_remembered_the_next_remembers_with_its_age() -> None:
    one = world()
    told = following(one)
    again = connector(one)
    again.describe(told)
    cursor = list(again.pull(told, Window(since=NOW - timedelta(hours=1))))[-1].cursor
    assert cursor.state["look"] == told.options["last_cursor"]["look"]


def test_settings_that_were_put_in_force_since_are_read() -> None:
    one = world()
    told = following(one)
    one.app["modifiedAt"] = "2026-11-20T09:00:00.000Z"
    one.fields["備考"], one.revision = field_of("MULTI_LINE_TEXT", "備考"), 8
    found, asked = looked(one, told)
    assert "app/form/fields.json" in asked and "備考" in {field.source for field in found.fields}


@pytest.mark.parametrize("told_time", [None, "", "yesterday", "2026-11-01T00:00:00"])
def test_where_the_source_tells_no_time_of_its_settings_they_are_read_every_time(told_time: str | None) -> None:
    one = world()
    one.app["modifiedAt"] = told_time
    assert "app/form/fields.json" in looked(one, following(one))[1]


def test_settings_put_in_force_just_before_they_were_read_are_read_again() -> None:
    one = world()
    one.app["modifiedAt"] = "2026-11-20T23:30:00.000Z"
    assert "app/form/fields.json" in looked(one, following(one))[1]


def test_without_the_right_to_the_apps_settings_the_form_is_believed_at_the_same_widest_precision() -> None:
    one = world()
    one.fields["金額"] = field_of("NUMBER", "金額")
    one.before = lambda request, _: answered({"code": "CB_NO02"}, 403) if request.url.path.endswith("settings.json") else None
    told = following(one)
    found, asked = looked(one, told)
    assert asked == ["apps.json"]
    assert next(field.type for field in found.fields if field.source == "金額") == pa.decimal128(38, 10)


def test_settings_that_moved_under_a_believed_form_end_the_pull_and_are_read_by_the_next(tmp_path: Path) -> None:
    one, options = world(), TransportOptions(state=tmp_path)
    told = following(one, options)
    one.revision = 8
    with pytest.raises(BrokenReply) as caught:
        list(read(one, told, connector(one, options=options)))
    assert caught.value.code == "kintone.schema_moved"
    # Another process, with the same memory: nothing was published.
    assert "app/form/fields.json" in looked(one, told, options)[1]


def test_rows_that_do_not_fit_a_believed_form_let_the_next_pull_ask_for_it() -> None:
    one = world()
    one.fields["金額"] = field_of("NUMBER", "金額")
    for record in one.records:
        record["金額"] = {"type": "NUMBER", "value": "1"}
    amount = Column("amount", "金額", pa.decimal128(16, 4))
    made = connector(one)
    made.describe(stream(amount))
    pages = list(made.pull(stream(amount), Window()))
    told = stream(amount, options={"last_cursor": dict(pages[-1].cursor.state)})
    one.records[0]["金額"]["value"] = "many"
    assert [reject.key for page in read(one, told, made) for reject in page.rejects] == ["1"]
    one.asked.clear()
    made.describe(told)
    assert any(request.url.path.endswith("fields.json") for request in one.asked)


def test_a_doubt_that_can_not_be_written_down_ends_the_pull(tmp_path: Path) -> None:
    doubts = Doubts("sakura.cybozu.example", tmp_path / "gone")
    with pytest.raises(FixConfiguration) as caught:
        doubts.add("12", NOW)
    assert caught.value.code == "kintone.doubt_folder"


def test_a_doubt_nobody_can_read_is_one_for_ever(tmp_path: Path) -> None:
    Doubts("sakura.cybozu.example", tmp_path).add("12", NOW)
    (file,) = tmp_path.iterdir()
    assert Doubts("sakura.cybozu.example", tmp_path).raised("12") == NOW
    file.write_text("soon")
    doubted = Doubts("sakura.cybozu.example", tmp_path).raised("12")
    assert doubted is not None and doubted.year == 9999


def test_a_doubt_of_another_process_counts_beside_an_older_one_of_ones_own(tmp_path: Path) -> None:
    own, other = Doubts("sakura.cybozu.example", tmp_path), Doubts("sakura.cybozu.example", tmp_path)
    own.add("12", NOW)
    other.add("12", NOW + timedelta(hours=1))
    assert own.raised("12") == NOW + timedelta(hours=1)


SECONDS = st.integers(-200_000, 200_000).map(lambda seconds: timedelta(seconds=seconds))


@given(SECONDS, SECONDS, st.none() | SECONDS)
def test_a_look_stands_for_a_day_if_the_settings_had_stood_and_nothing_spoke_against_it(
    age: timedelta, stood: timedelta, doubted: timedelta | None
) -> None:
    look = Look("12", NOW, NOW - stood, "7", {}, None)
    when = None if doubted is None else NOW + doubted
    expected = timedelta(0) <= age < BELIEVED and stood >= SETTLED and (when is None or when < NOW)
    assert look.stands("12", NOW - stood, NOW + age, when) is expected
    assert Look.read(look.stored()) == look
    assert not look.stands("13", NOW - stood, NOW + age, when)
    assert not look.stands("12", NOW - stood + timedelta(milliseconds=1), NOW + age, when)
    assert not look.stands("12", NOW - stood, None, when)
