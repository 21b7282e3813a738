"""Landing anything that breaks a contract without a new version is impossible, whichever way a pull is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conformance.live import ACCEPTED
from scripted import START, STREAM, Source, names, project_of, run

from connectors.errors import AnswerIsNo
from connectors.protocol import Window
from pipelines.landing.promises import keep, kept
from pipelines.landing.warehouse import Warehouse

ID = {"name": "id", "source": "id", "type": "int64", "required": True}
NAME = {"name": "名前", "source": "name", "type": "string"}
AT = {"name": "updated_at", "source": "at", "type": "timestamp[us, UTC]"}
ALONE = {key: value for key, value in ACCEPTED.items() if key != "seconded"}


@pytest.fixture
def source() -> Source:
    found = Source()
    for number in range(3):
        found.put(number)
    found.later()
    return found


@pytest.fixture
def folder(tmp_path: Path, source: Source) -> Path:
    """A project with one pull published under version 1 of its contract."""
    assert run(project_of(tmp_path / "project"), source).succeeded
    return tmp_path / "project"


def refused(folder: Path, source: Source, /, *, ask: dict[str, Any] | None = None, **contract: Any) -> str:
    """The error code of a pull that ended before the source was asked for rows."""
    project = project_of(folder, **contract)
    before, asked = Warehouse(project.root).published(STREAM), len(source.asked)
    result = run(project, source, **(ask or {}))
    assert result.error is not None and result.outcome == "failed"
    assert Warehouse(project.root).published(STREAM) == before and len(source.asked) == asked
    return result.error.code


@pytest.mark.parametrize(
    "ask",
    [{}, {"full": True}, {"accept_gone": True}, {"window": Window(START, None)}],
    ids=["a pull", "a full one", "with what is gone accepted", "a backfill"],
)
@pytest.mark.parametrize(
    "change",
    [
        {"fields": [ID, AT]},
        {"fields": [ID, NAME | {"type": "binary"}, AT]},
        {"key": ["名前"]},
        {"drift": {"removed": "report"}},
        {"source": {"fingerprint": "sha256:looked-at"}},
        {"source": {"app_id": 7}},
        {"accepted": {**ACCEPTED, "changes": ["replaced name: TEXT (string) → NUMBER (string)"]}},
    ],
    ids=[
        "a column less",
        "another type",
        "another key",
        "a guard loosened",
        "an interface that nobody looked at",
        "another app where nothing else names it",
        "a change let pass by hand",
    ],
)
def test_a_promise_that_changed_under_its_version_lands_nothing(
    folder: Path, source: Source, change: dict[str, Any], ask: dict[str, Any]
) -> None:
    assert refused(folder, source, ask=ask, **change) == "contract.same_version"


def test_what_changed_is_named_in_the_sentence(folder: Path, source: Source) -> None:
    error = run(project_of(folder, fields=[ID, AT]), source).error
    assert error is not None
    for lang in ("en", "ja"):
        assert "fields.名前 (string → ·)" in error.say(lang) and f"fortnight contract accept {STREAM}" in error.say(lang)  # type: ignore[arg-type]


def test_words_for_people_may_change_under_a_version(folder: Path, source: Source) -> None:
    project = project_of(folder, title="部品", fields=[ID, NAME | {"label": "部品名", "description": "said"}, AT])
    assert run(project, source).succeeded


def test_a_new_version_that_nobody_accepted_lands_nothing(folder: Path, source: Source) -> None:
    assert refused(folder, source, version=2, fields=[ID, AT]) == "contract.unaccepted"


def test_what_breaks_readers_waits_for_a_second_person_and_what_does_not_lands_with_one(folder: Path, source: Source) -> None:
    assert refused(folder, source, version=2, accepted=ALONE, fields=[ID, AT]) == "contract.one_person"
    same = {**ALONE, "seconded": {"by": ALONE["by"].upper(), "at": "2026-06-01"}}
    assert refused(folder, source, version=2, accepted=same, fields=[ID, AT]) == "contract.one_person"
    assert run(project_of(folder, version=2, accepted=ALONE, exclude=["memo"]), source).succeeded
    assert run(project_of(folder, version=3, accepted=ACCEPTED, exclude=["memo"], fields=[ID, AT]), source).succeeded


def test_an_acceptance_is_of_one_text_and_of_no_other(folder: Path, source: Source) -> None:
    accepted = project_of(folder, version=2, accepted=ACCEPTED, fields=[ID, AT]).contract(STREAM).accepted
    assert accepted is not None
    given = accepted.model_dump(mode="json", exclude_none=True)
    edited = {"version": 2, "accepted": given, "fields": [ID, AT], "drift": {"removed": "report"}}
    assert refused(folder, source, **edited) == "contract.unaccepted", "edited after two people said yes, and before the first pull"
    assert run(project_of(folder, version=2, accepted=given, fields=[ID, AT]), source).succeeded
    assert refused(folder, source, version=3, accepted=given) == "contract.unaccepted"
    assert refused(folder, source, version=3, accepted={**given, "promise": "sha256:0"}) == "contract.unaccepted"


def test_an_older_version_does_not_go_on_where_a_newer_one_stopped(folder: Path, source: Source) -> None:
    assert run(project_of(folder, version=2, accepted=ACCEPTED, fields=[ID, AT]), source).succeeded
    assert refused(folder, source) == "contract.older"


def test_a_promise_is_kept_with_the_pull_that_lands_under_it_and_not_before(tmp_path: Path, source: Source) -> None:
    project = project_of(tmp_path / "project")
    store = Warehouse(project.root).store
    source.counted = lambda: 99
    assert not run(project, source).succeeded and kept(store, STREAM) is None
    source.counted = None
    project = project_of(tmp_path / "project", fields=[ID, NAME, AT], exclude=["memo"])
    assert run(project, source).succeeded, "nothing was published under version 1 yet, so it may still say something else"
    assert kept(store, STREAM) == project.contract(STREAM)


def test_rows_that_landed_before_promises_were_kept_take_the_first_that_is_pulled(folder: Path, source: Source) -> None:
    (path,) = (folder / "data" / "contracts").rglob("*.json")
    path.unlink()
    project = project_of(folder)
    assert run(project, source).succeeded and kept(Warehouse(project.root).store, STREAM) == project.contract(STREAM)


def test_two_that_publish_one_version_at_once_do_not_promise_two_things(folder: Path) -> None:
    project = project_of(folder, version=2, accepted=ACCEPTED, fields=[ID, AT])
    store = Warehouse(project.root).store
    keep(store, project.contract(STREAM))
    keep(store, project.contract(STREAM))
    with pytest.raises(AnswerIsNo) as error:
        keep(store, project_of(folder, version=2, accepted=ACCEPTED, exclude=["memo"]).contract(STREAM))
    assert error.value.code == "contract.version_taken"


def test_what_is_kept_of_a_promise_is_plain_json_that_names_its_version(folder: Path) -> None:
    (path,) = (folder / "data" / "contracts").rglob("*.json")
    said = json.loads(path.read_text(encoding="utf-8"))
    assert (path.name, said["stream"], said["version"]) == ("00000001.json", STREAM, 1)
    assert [field["source"] for field in said["fields"]] == ["id", "name", "at"]


def test_a_column_that_another_field_fills_from_now_on_lands_under_its_new_label(folder: Path, source: Source) -> None:
    source.put(1, name="ナット")
    project = project_of(folder, version=2, accepted=ACCEPTED, fields=[ID, NAME | {"label": "部品名"}, AT])
    assert run(project, source).succeeded and names(project)[1] == "ナット"
