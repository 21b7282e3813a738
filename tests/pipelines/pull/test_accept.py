"""A person's yes to what changed: written into the contract with who, when and why, by two people where readers break."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from scripted import STREAM, Source, names, project_of, run

from connectors.errors import AnswerIsNo, FixConfiguration
from connectors.protocol import OP, SCOPE, SOURCE_VERSION, Cursor, Known, LiveField, Page, Schema, Stream, Window
from expectations.contract import BY_POLICY, Acceptance
from expectations.reading import read_contract
from expectations.rename import Proposal
from pipelines.clock import FixedClock
from pipelines.landing.promises import kept
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.pull.accept import Accepted, Asked, accept
from pipelines.pull.compare import compare_schema, last_seen
from pipelines.pull.outcome import Request
from pipelines.pull.rename import renames
from pipelines.pull.run import pull

DAY = date(2026, 6, 2)
#: The scripted source fills its columns by the contract's names, whatever the source calls them.
FIELDS = {
    "id": LiveField("id", "id", pa.int64(), "ID", required=True),
    "name": LiveField("name", "名前", pa.string(), "TEXT"),
    "at": LiveField("at", "更新", pa.timestamp("us", "UTC"), "TIME"),
}


@dataclass
class Moving(Source):
    """A source whose schema a test changes."""

    schema: dict[str, LiveField] = field(default_factory=lambda: dict(FIELDS))
    decisive: bool = False

    def describe(self, stream: Stream) -> Schema:
        return Schema(tuple(self.schema.values()), f"sha256:{self.revision}", self.revision, {}, decisive=self.decisive)

    def pull(self, stream: Stream, window: Window, cursor: Cursor | None = None, known: Known | None = None) -> Iterator[Page]:
        """The columns that were asked for, by whatever name: a field's values are those of the field it was."""
        for page in super().pull(stream, window, cursor, known):
            taken = [page.rows.column({"id": "id", "at": "updated_at"}.get(one.source, "名前")) for one in stream.columns]
            system = [page.rows.column(name) for name in (OP, SOURCE_VERSION, SCOPE)]
            names = [*(one.name for one in stream.columns), OP, SOURCE_VERSION, SCOPE]
            yield replace(page, rows=pa.RecordBatch.from_arrays([*taken, *system], names))

    def rename(self, old: str, new: str) -> None:
        self.schema[new] = LiveField(new, self.schema[old].label, self.schema[old].type, self.schema[old].vendor_type)
        del self.schema[old]


@pytest.fixture
def source() -> Moving:
    found = Moving()
    for number in range(3):
        found.put(number, name=f"部品{number}")
    found.later()
    return found


@pytest.fixture
def project(tmp_path: Path, source: Moving) -> Project:
    labelled = [
        {"name": "id", "source": "id", "type": "int64", "required": True},
        {"name": "名前", "source": "name", "label": "名前", "type": "string"},
        {"name": "updated_at", "source": "at", "type": "timestamp[us, UTC]"},
    ]
    found = project_of(tmp_path / "project", fields=labelled)
    assert run(found, source).succeeded
    return found


def accepted(
    project: Project, source: Moving, by: str = "Akari Mori", why: str = "the app's owner renamed it", **asked: Any
) -> Accepted | None:
    contract = project.contract(STREAM)
    live, since = source.describe(contract.told()), last_seen(project.root, STREAM)
    drift, _ = compare_schema(contract, live, since)
    return accept(project, contract, live, drift, since, Asked(by, DAY, why, **asked))


def path_of(project: Project) -> Path:
    return project.folder / "contracts" / f"{STREAM}.yaml"


def test_nothing_is_written_where_nothing_waits_for_a_yes(project: Project, source: Moving) -> None:
    before = path_of(project).read_text(encoding="utf-8")
    assert accepted(project, source) is None and path_of(project).read_text(encoding="utf-8") == before


def test_a_renamed_field_goes_on_under_its_old_column_once_two_people_said_yes(project: Project, source: Moving) -> None:
    source.rename("name", "名称")
    assert run(project, source).outcome == "stopped"
    first = accepted(project, source)
    assert first is not None and first.second and first.contract.version == 2
    assert [(one.place, one.new) for one in first.differences] == [("fields.名前.source", "名称")]
    error = run(project, source).error
    assert error is not None and error.code == "contract.one_person"
    with pytest.raises(AnswerIsNo) as refused:
        accepted(project, source, by="ＡＫＡＲＩ mori")
    assert refused.value.code == "contract.same_person"
    second = accepted(project, source, by="Riku Ikeda", why="")
    assert second is not None and not second.second
    assert run(project, source).succeeded and names(project) == {0: "部品0", 1: "部品1", 2: "部品2"}
    said = load(project.folder).contract(STREAM).accepted
    assert said is not None and said.seconded is not None
    assert (said.by, said.at, said.why, said.seconded.by) == ("Akari Mori", "2026-06-02", "the app's owner renamed it", "Riku Ikeda")
    assert said.seconded.why == ""


def test_the_reasons_of_both_people_are_kept(project: Project, source: Moving) -> None:
    source.rename("name", "名称")
    accepted(project, source, why="the app's owner renamed it")
    accepted(project, source, by="Riku Ikeda", why="asked the sales office: on purpose")
    said = load(project.folder).contract(STREAM).accepted
    assert said is not None and said.seconded is not None
    assert (said.why, said.seconded.why) == ("the app's owner renamed it", "asked the sales office: on purpose")
    assert run(project, source).succeeded


def test_the_version_before_stays_readable_in_the_history(project: Project, source: Moving) -> None:
    before = path_of(project).read_text(encoding="utf-8")
    source.rename("name", "名称")
    accepted(project, source)
    history = path_of(project).parent / "history" / "parts.v1.yaml"
    assert history.read_text(encoding="utf-8") == before
    assert sorted(load(project.folder).contracts) == [STREAM], "what is history is no contract"


def test_an_acceptance_without_a_reason_is_refused_and_writes_nothing(project: Project, source: Moving) -> None:
    source.rename("name", "名称")
    before = path_of(project).read_text(encoding="utf-8")
    with pytest.raises(FixConfiguration) as error:
        accepted(project, source, why="")
    assert error.value.code == "contract.no_reason" and path_of(project).read_text(encoding="utf-8") == before


def test_what_the_contract_cannot_be_without_is_left_to_people_and_nothing_is_written(project: Project, source: Moving) -> None:
    del source.schema["at"]
    before = path_of(project).read_text(encoding="utf-8")
    with pytest.raises(AnswerIsNo) as error:
        accepted(project, source)
    assert error.value.code == "contract.accept_left" and "at" in error.value.say("en")
    assert path_of(project).read_text(encoding="utf-8") == before


def test_a_field_that_came_is_read_where_it_is_taken_and_left_out_by_name_where_it_is_not(project: Project, source: Moving) -> None:
    source.schema["memo"] = LiveField("memo", "備考", pa.string(), "TEXT")
    done = accepted(project, source, why="not wanted")
    assert done is not None and done.contract.exclude == ("memo",) and not done.second
    assert run(project, source).succeeded
    done = accepted(project, source, why="wanted after all", take={"memo": "remarks"})
    assert done is not None and done.contract.version == 3 and done.contract.fields[-1].name == "remarks"
    with pytest.raises(AnswerIsNo) as error:
        accepted(project, source, take={"nowhere": ""})
    assert error.value.code == "contract.nothing_to_take" and "nowhere" in error.value.say("ja")


def test_a_person_may_call_a_removal_and_an_addition_one_renaming(project: Project, source: Moving) -> None:
    source.schema["insatsu"] = LiveField("insatsu", "印刷名", pa.string(), "TEXT")
    del source.schema["name"]
    done = accepted(project, source, renames={"name": "insatsu"})
    assert done is not None and [(one.name, one.source) for one in done.contract.fields][1] == ("名前", "insatsu")
    assert done.contract.exclude == ()
    with pytest.raises(AnswerIsNo) as error:
        accepted(project, source, renames={"name": "other"})
    assert error.value.code == "contract.no_such_rename"


def test_a_new_field_that_holds_the_values_of_a_missing_one_is_proposed_and_nothing_is_written(project: Project, source: Moving) -> None:
    source.schema["insatsu"] = LiveField("insatsu", "印刷名", pa.string(), "TEXT")
    del source.schema["name"]
    contract = project.contract(STREAM)
    drift, _ = compare_schema(contract, source.describe(contract.told()), last_seen(project.root, STREAM))
    before = path_of(project).read_text(encoding="utf-8")
    assert renames(project, contract, source, drift) == (Proposal("name", "insatsu", 3, 3),)
    assert run(project, source).outcome == "stopped", "a proposal applies to nothing"
    assert path_of(project).read_text(encoding="utf-8") == before
    source.rows = {number: replace(row, name="other") for number, row in source.rows.items()}
    assert renames(project, contract, source, drift) == ()


def test_a_contract_edited_by_hand_is_accepted_as_its_next_version(project: Project, source: Moving) -> None:
    path = path_of(project)
    path.write_text(path.read_text(encoding="utf-8") + "exclude: [memo]\n", encoding="utf-8")
    edited = load(project.folder)
    assert run(edited, source).outcome == "failed"
    done = accepted(edited, source, why="memo is not for us")
    assert done is not None and (done.contract.version, done.second) == (2, False)
    assert run(edited, source).succeeded
    promise = kept(Warehouse(edited.root).store, STREAM)
    assert promise is not None and promise.version == 2 and promise.exclude == ("memo",)
    former = read_contract(path.parent / "history" / "parts.v1.yaml")
    assert (former.version, former.exclude, former.fingerprint()) == (1, (), project.contract(STREAM).fingerprint())


def test_the_same_people_may_accept_the_next_version_on_the_same_day_for_the_same_reason(project: Project, source: Moving) -> None:
    for new, old in (("名称", "name"), ("品名", "名称")):
        source.rename(old, new)
        for by in ("Akari Mori", "Riku Ikeda"):
            accepted(project, source, by=by, why="the owner tidies up")
        assert run(project, source).succeeded
    assert load(project.folder).contract(STREAM).version == 3


def test_a_contract_that_changed_while_it_was_looked_at_is_not_written_over(project: Project, source: Moving) -> None:
    source.rename("name", "名称")
    path = path_of(project)
    path.write_text(path.read_text(encoding="utf-8") + "exclude: [memo]\n", encoding="utf-8")
    with pytest.raises(FixConfiguration) as error:
        accepted(project, source)
    assert error.value.code == "contract.moved_on" and path.read_text(encoding="utf-8").endswith("exclude: [memo]\n")


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (FIELDS["name"], LiveField("name", "名前", pa.string(), "MULTI_LINE_TEXT")),
        (LiveField("name", "名前", pa.string(), "TEXT", required=False), LiveField("name", "名前", pa.string(), "TEXT", required=True)),
        (
            LiveField("name", "名前", pa.string(), "TEXT", facets={"options": ("甲", "乙")}),
            LiveField("name", "名前", pa.string(), "TEXT", facets={"options": ("甲", "乙", "丙")}),
        ),
    ],
    ids=["replaced", "required", "options"],
)
def test_what_differs_only_from_how_the_source_was_last_read_can_be_accepted(
    tmp_path: Path, source: Moving, before: LiveField, now: LiveField
) -> None:
    source.schema["name"] = before
    project = project_of(tmp_path / "project", drift={"required": "ask", "options": "ask"})
    assert run(project, source).succeeded
    source.schema["name"], source.revision = now, "2"
    assert run(project, source).outcome == "stopped"
    assert accepted(project, source) is not None
    project = load(project.folder)
    done = run(project, source)
    if done.error is not None:
        assert accepted(project, source, by="森") is not None
        done = run(load(project.folder), source)
    assert done.succeeded and run(load(project.folder), source).succeeded


def test_a_file_from_windows_stays_one_and_its_history_is_what_it_was(tmp_path: Path, source: Moving) -> None:
    project = project_of(tmp_path / "project")
    assert run(project, source).succeeded
    path = path_of(project)
    was = b"\xef\xbb\xbf# \xe7\x94\xb2\r\n" + path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(was)
    source.schema["id"] = LiveField("id", "番号", pa.int64(), "ID", required=False)
    assert accepted(load(project.folder), source) is not None
    now = path.read_bytes()
    assert now.startswith(b"\xef\xbb\xbf# \xe7\x94\xb2\r\n") and now.count(b"\n") == now.count(b"\r\n") > 10
    assert (path.parent / "history" / "parts.v1.yaml").read_bytes() == was
    assert load(project.folder).contract(STREAM).version == 2


def test_what_a_contract_has_no_word_for_is_accepted_by_its_line_and_only_that(tmp_path: Path, source: Moving) -> None:
    source.schema["name"] = LiveField("name", "名前", pa.string(), "CALC", facets={"expression": "a"})
    project = project_of(tmp_path / "project", drift={"options": "ask"})
    assert run(project, source).succeeded
    source.schema["name"] = LiveField("name", "名前", pa.string(), "CALC", facets={"expression": "b"})
    source.revision = "2"
    assert run(project, source).outcome == "stopped"
    done = accepted(project, source, why="the new formula is right")
    assert done is not None and done.contract.accepted is not None and done.second
    assert done.contract.accepted.changes == ("computed name: a → b",)
    error = run(project, source).error
    assert error is not None and error.code == "contract.one_person" and "computed name" in error.say("en")
    assert accepted(project, source, by="Riku Ikeda") is not None
    assert run(project, source).succeeded
    source.schema["name"] = LiveField("name", "名前", pa.string(), "CALC", facets={"expression": "c"})
    source.revision = "3"
    assert run(project, source).outcome == "stopped", "another formula is another question"


def test_a_fingerprint_that_is_written_by_hand_lets_nothing_pass_and_is_asked_about_like_the_change_itself(
    tmp_path: Path, source: Moving
) -> None:
    source.decisive = True
    source.schema["name"] = LiveField("name", "名前", pa.string(), "CALC", facets={"expression": "a"})
    told = {"drift": {"options": "ask"}, "source": {"fingerprint": "sha256:1"}}
    assert run(project_of(tmp_path / "project", **told), source).succeeded
    source.schema["name"] = LiveField("name", "名前", pa.string(), "CALC", facets={"expression": "b"})
    source.revision = "2"
    project = project_of(tmp_path / "project", **told | {"source": {"fingerprint": "sha256:2"}})
    error = run(project, source).error
    assert error is not None and error.code == "contract.same_version" and "source.fingerprint" in error.say("ja")
    done = accepted(project, source, why="the new formula is right")
    assert done is not None and done.second and done.contract.accepted is not None
    assert done.contract.accepted.changes == ("computed name: a → b",)
    assert accepted(project, source, by="Riku Ikeda") is not None and run(project, source).succeeded


@pytest.fixture
def evolving(tmp_path: Path, source: Moving) -> Iterator[Project]:
    found = project_of(tmp_path / "project", drift={"added": "evolve", "widened": "evolve", "required": "evolve", "label": "evolve"})
    assert run(found, source).succeeded
    yield found


def test_a_policy_that_evolves_writes_the_next_version_and_goes_on_under_it(evolving: Project, source: Moving) -> None:
    source.schema["id"] = LiveField("id", "番号", pa.int64(), "ID", required=False)
    result = run(evolving, source)
    assert result.succeeded and result.contract_version == 2
    contract = load(evolving.folder).contract(STREAM)
    assert contract == evolving.contract(STREAM) and not contract.fields[0].required
    assert contract.accepted is not None and contract.accepted.by == BY_POLICY and "required id" in contract.accepted.why
    assert (path_of(evolving).parent / "history" / "parts.v1.yaml").exists()
    again = run(evolving, source)
    assert again.succeeded and again.contract_version == 2, "once it stands there is nothing to evolve"


def test_the_day_of_an_evolved_version_is_that_of_the_project_and_not_of_utc(evolving: Project, source: Moving) -> None:
    source.schema["id"] = LiveField("id", "番号", pa.int64(), "ID", required=False)
    late = datetime(2026, 6, 1, 20, tzinfo=UTC)
    assert pull(evolving, Request(STREAM), FixedClock(late), connector=source).succeeded
    assert evolving.file.timezone == "Asia/Tokyo"
    accepted = load(evolving.folder).contract(STREAM).accepted
    assert accepted is not None and accepted.at == "2026-06-02"


def test_a_policy_is_no_person_and_takes_no_persons_name_away(evolving: Project, source: Moving) -> None:
    source.rename("name", "名称")
    for who in ("伊藤", "森"):
        assert accepted(load(evolving.folder), source, by=who) is not None
    source.schema["id"] = LiveField("id", "番号", pa.int64(), "ID", required=False)
    assert run(load(evolving.folder), source).succeeded
    contract = load(evolving.folder).contract(STREAM)
    assert contract.version == 2 and contract.accepted is not None and contract.accepted.by_two, "first what people accepted is published"
    assert run(load(evolving.folder), source).succeeded
    contract = load(evolving.folder).contract(STREAM)
    assert contract.version == 3 and contract.accepted is not None and contract.accepted.by == BY_POLICY


def test_one_person_after_a_policy_is_not_two() -> None:
    made = {"by": BY_POLICY, "at": "2026-06-01", "why": "added memo"}
    assert not Acceptance.model_validate({**made, "seconded": {"by": "伊藤", "at": "2026-06-02"}}).by_two


def test_what_an_anchor_carries_to_another_field_is_not_written(tmp_path: Path, source: Moving) -> None:
    source.schema["other"] = LiveField("other", "他", pa.string(), "TEXT")
    project = project_of(tmp_path / "project", drift={"retyped": "report"})
    path, mine = path_of(project), "- {name: 名前, source: name, type: string}"
    assert mine in path.read_text(encoding="utf-8")
    path.write_text(
        path.read_text(encoding="utf-8").replace(mine, mine.replace("- {", "- &n {") + "\n- {<<: *n, name: 他, source: other}"),
        encoding="utf-8",
    )
    project = load(project.folder)
    source.schema["name"] = LiveField("name", "名前", pa.int64(), "TEXT")
    was = path.read_bytes()
    with pytest.raises(AnswerIsNo) as error:
        accepted(project, source)
    assert error.value.code == "contract.accept_left" and "other" in error.value.say("en") and path.read_bytes() == was


def test_nothing_evolves_beside_a_change_that_stops_the_pull(evolving: Project, source: Moving) -> None:
    source.schema["id"] = LiveField("id", "番号", pa.int64(), "ID", required=False)
    source.rename("name", "名称")
    assert run(evolving, source).outcome == "stopped"
    assert load(evolving.folder).contract(STREAM).version == 1


def test_a_disk_that_takes_no_contract_stops_the_pull_and_changes_nothing(
    evolving: Project, source: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.schema["id"] = LiveField("id", "番号", pa.int64(), "ID", required=False)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    result = run(evolving, source)
    assert result.error is not None and result.error.code == "contract.unwritable" and "No space left" in result.error.say("en")
    assert load(evolving.folder).contract(STREAM).version == 1
    assert datetime.fromisoformat(Warehouse(evolving.root).published(STREAM).published_at).tzinfo is UTC  # type: ignore[union-attr]
