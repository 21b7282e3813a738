"""What was in production then is asked again, and what may not be shown today is left out and said to be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from conformance.live import write_yaml
from examined import FAQ, INDEX, MORI, MORNING, ROWS, SATO, House, house
from index.world import Hashed

from connectors.errors import AnswerIsNo, FixConfiguration
from pipelines.index.parse import Parser
from pipelines.index.releases import point_production
from pipelines.index.rollback import Model, roll_back
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.serving.audit.log import audit_of
from pipelines.serving.callers.tokens import Caller
from pipelines.serving.examination.past import Replayed, instant_of, replay
from pipelines.serving.reasons import AnswerWithheld, Reason

WORDS = "主軸の温度が上がったときは運転を止めて冷却水を確認"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Release 1 from five o'clock, 2 from seven, back at 1 from nine; at ten a row is deleted and one is closed, with its modified time unchanged."""
    made = house(tmp_path_factory.mktemp("replayed"), Hashed())
    with Parser() as parser:
        made.publish()
        made.build(parser)
        point_production(made.root, INDEX, 1, at=made.at, actor="akari.mori", reason="promoted")
        second = made.later(hours=2)
        second.publish({**ROWS, "6": ("冷却水の新しい手順", "主軸の温度が上がったときは冷却水を止める。", "all")})
        second.build(parser)
        point_production(made.root, INDEX, 2, at=second.at, actor="akari.mori", reason="promoted", after=1)
    third = made.later(hours=4)
    model = Model(made.embedder.model_id, made.embedder.revision, made.embedder.dim)
    roll_back(made.root, INDEX, model, at=third.at, actor="riku.ikeda", reason="wrong")
    fourth = made.later(hours=5)
    fourth.publish({key: (*row[:2], "quality") if key == "2" else row for key, row in ROWS.items() if key != "1"})
    yield fourth


def asked(here: House, hours: float, person: str = SATO, words: str = WORDS, k: int = 5) -> Replayed:
    return replay(here.project, INDEX, words, person, MORNING + timedelta(hours=hours), k, here.clock, here.embedder)


def rows(found: Replayed) -> set[str]:
    return {hit.provenance.row.partition("#")[2] for hit in found.answer.hits}


@pytest.mark.parametrize(("hours", "release"), [(0, 1), (1, 1), (2, 2), (3.9, 2), (4, 1), (5, 1)])
def test_the_release_of_that_hour_answers(here: House, hours: float, release: int) -> None:
    found = asked(here, hours)
    assert (found.answer.release, found.position.release) == (release, release)


def test_what_only_a_later_release_holds_is_not_in_an_earlier_one(here: House) -> None:
    assert "6" not in rows(asked(here, 1)) and asked(here, 4).position.reason == "wrong"


def test_what_is_deleted_or_closed_today_is_left_out_and_said(here: House) -> None:
    found = asked(here, 1)
    assert rows(found) == {"4", "5"}
    assert sorted(denied.why for denied in found.denied) == ["deleted", "scope"]
    assert {denied.rank for denied in found.denied} <= {1, 2, 3, 4}


def test_what_a_person_could_not_have_seen_then_is_not_said_either(here: House) -> None:
    assert [denied.why for denied in asked(here, 1, MORI).denied] == ["deleted"]
    nobody = asked(here, 1, "who@partner.example")
    assert (nobody.answer.hits, nobody.denied, nobody.answer.reason) == ((), (), Reason.UNKNOWN_PERSON)


def test_a_rollback_past_a_deletion_brings_nothing_back(here: House) -> None:
    after_going_back = asked(here, 5)
    assert after_going_back.answer.release == 1 and not {"1", "2"} & rows(after_going_back)


@pytest.mark.parametrize("hours", [1, 3, 5])
def test_a_right_that_was_revoked_while_the_rows_revision_stands_still_is_gone_in_every_release(here: House, hours: float) -> None:
    words = "過熱の連絡を受けたら営業担当が翌日までに訪問日を回答"
    now = Warehouse(here.root).read("current", FAQ)
    assert now is not None
    assert {row["_source_version"] for row in now.to_pylist()} == {"1"}, "as when the releases were built"
    found = asked(here, hours, SATO, words)
    assert "2" not in rows(found) and "scope" in {denied.why for denied in found.denied}


def test_a_replay_is_on_record_like_any_question(here: House) -> None:
    found = asked(here, 1)
    (kept,) = audit_of(here.project).find(found.answer.trace_id)
    assert (kept["person"], kept["release"], kept["client"]) == (SATO, 1, "fortnight index replay")


def test_before_the_first_promotion_there_was_nothing(here: House) -> None:
    with pytest.raises(AnswerIsNo, match="Nothing of support was in production at 2026-11-24 04:00"):
        asked(here, -1)


def test_access_that_is_too_old_refuses_a_replay_too(here: House) -> None:
    with pytest.raises(AnswerWithheld):
        asked(here.later(days=3), 1)


def test_an_instant_without_a_zone_is_the_projects(here: House) -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    assert instant_of(here.project, "2026-11-24 14:30") == datetime(2026, 11, 24, 14, 30, tzinfo=tokyo)
    assert instant_of(here.project, "2026-11-24T05:30Z") == datetime(2026, 11, 24, 14, 30, tzinfo=tokyo)
    for given in ("last Tuesday", "", "2026-13-01"):
        with pytest.raises(FixConfiguration, match="no instant"):
            instant_of(here.project, given)


def live(here: House, folder: Path, operator: str) -> Project:
    """The same index, in production."""
    (folder / "project.yaml").write_text((here.folder / "project.yaml").read_text().replace("staging", "production"))
    write_yaml(folder / "people.yaml", {"people": [{"id": "op", "mail": operator, "roles": ["operator"]}]})
    (folder / "contracts").symlink_to(here.folder / "contracts")
    (folder / "data").symlink_to(here.root)
    return load(folder)


def test_in_production_whoever_may_look_into_the_audit_sees_what_would_have_been_answered_to_whom_and_not_its_words(
    here: House, tmp_path: Path
) -> None:
    project = live(here, tmp_path, MORI)
    at, looking = MORNING + timedelta(hours=1), Caller(key=MORI, client="cli", mail=MORI)
    found = replay(project, INDEX, WORDS, SATO, at, 5, here.clock, here.embedder, looking=looking)
    assert rows(found) == rows(asked(here, 1)) and found.denied == asked(here, 1).denied
    assert {(hit.title, hit.heading_path, hit.snippet, hit.url) for hit in found.answer.hits} == {("", (), "", "")}
    (kept,) = audit_of(project).find(found.answer.trace_id)
    assert (kept["person"], kept["action"], kept["query"]) == (MORI, "replay", WORDS)
    assert SATO not in str(kept) and audit_of(project).person_hash(SATO) in kept["detail"]


@pytest.mark.parametrize(
    "looking",
    [
        Caller(key=SATO, client="cli", mail=SATO),
        Caller(key="x", client="cli", mail="who@partner.example"),
        Caller(key="app:x", client="x", app_only=True),
    ],
)
def test_in_production_a_reader_a_stranger_and_an_app_replay_nothing_as_somebody_else(here: House, tmp_path: Path, looking: Caller) -> None:
    project = live(here, tmp_path, MORI)
    with pytest.raises(AnswerWithheld) as refused:
        replay(project, INDEX, WORDS, SATO, MORNING + timedelta(hours=1), 5, here.clock, here.embedder, looking=looking)
    assert refused.value.reason is Reason.NOT_ALLOWED


def test_in_production_without_a_token_nobody_replays_as_somebody_else(here: House, tmp_path: Path) -> None:
    with pytest.raises(FixConfiguration) as refused:
        replay(live(here, tmp_path, MORI), INDEX, WORDS, SATO, MORNING, 5, here.clock, here.embedder)
    assert refused.value.code == "replay.needs_auditor"
