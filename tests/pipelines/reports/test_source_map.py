"""The source map: nothing left out, nothing written over, no system taken down by another."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from connectors.access import Scope
from connectors.errors import AccessRefused, FixConfiguration, SourceUnavailable
from connectors.messages import catalogue
from connectors.protocol import Offer
from expectations.reading import read_contract
from pipelines.clock import FixedClock
from pipelines.project import Project, load
from pipelines.reports.contract_yaml import contract_text
from pipelines.reports.glossary import Glossary
from pipelines.reports.page import render, write_map
from pipelines.reports.propose import propose
from pipelines.reports.source_map import SourceMap, predicted_calls, survey

from . import sources
from .sources import FakeConnector

CLOCK = FixedClock(datetime(2026, 11, 21, 0, 30, tzinfo=UTC))


def mapped(project: Project, **connectors: FakeConnector) -> SourceMap:
    return survey(project, list(connectors), Glossary(), CLOCK, connect=lambda system: connectors[system])


def accept(folder: Path, offer: Offer, **changes: object) -> Path:
    """Put the proposal for an offer into the project's contracts, changed by hand."""
    contract = propose(f"kintone/{offer.name}", "kintone", offer, Glossary()).contract.model_copy(update=changes)
    path = folder / "contracts" / f"{contract.stream}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(contract_text(contract), encoding="utf-8")
    return path


def test_the_totals_are_the_sums_of_the_streams(tmp_path: Path) -> None:
    found = mapped(sources.project(tmp_path), kintone=FakeConnector((sources.orders(), replace(sources.defects(), rows=None))))
    totals = found.totals
    assert (totals.systems, totals.streams, totals.contracted, totals.fields) == (1, 2, 0, 14)
    assert (totals.rows, totals.uncounted, totals.calls) == (20_000, 1, 44)


def test_a_system_that_does_not_answer_is_shown_and_the_others_are_mapped(tmp_path: Path) -> None:
    down = FakeConnector((), errors={"discover": SourceUnavailable("source.unavailable", host="erp.example", attempts=3, reason="refused")})
    found = mapped(sources.project(tmp_path, "kintone", "erp"), erp=down, kintone=FakeConnector((sources.orders(),)))
    erp, kintone = found.systems
    assert erp.error is not None
    assert down.closed
    assert [one.stream for one in kintone.streams] == ["kintone/orders"]
    assert "erp.example が 3 回の試行で応答しませんでした" in render(found)


def test_a_system_the_project_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FixConfiguration, match="crm"):
        survey(sources.project(tmp_path), ["crm"], Glossary(), CLOCK)


LOCKED = AccessRefused(
    "sharepoint.locked",
    host="https://graph.example",
    path="/v1.0/sites/contoso.example:/sites/old",
    status=423,
    error_code="resourceLocked",
)


def test_a_part_of_a_system_that_is_locked_is_named_and_the_offers_of_the_others_stand(tmp_path: Path) -> None:
    sources.project(tmp_path)
    accept(tmp_path, sources.orders())
    connector = FakeConnector((sources.defects(),), errors={"discover_last": LOCKED})
    project = load(tmp_path)
    found = mapped(project, kintone=connector)
    (system,) = found.systems
    assert system.error is LOCKED and [one.offer.title for one in system.streams] == [sources.defects().title]
    assert system.unoffered == (), "what was not offered may lie in the part that is locked"
    assert "/sites/old" in render(found) and "not mapped" not in render(found) and "not whole" in render(found)
    assert write_map(found, project).html.name == "source-map-incomplete.html"


def test_a_source_that_breaks_off_while_it_offers_is_not_taken_for_a_smaller_one(tmp_path: Path) -> None:
    down = SourceUnavailable("source.unavailable", host="erp.example", attempts=3, reason="refused")
    (system,) = mapped(sources.project(tmp_path), kintone=FakeConnector((sources.orders(),), errors={"discover_last": down})).systems
    assert system.error is down and system.streams == ()


def test_rights_that_cannot_be_read_and_scopes_that_do_not_resolve_become_questions(tmp_path: Path) -> None:
    refused = FakeConnector((sources.orders(),), errors={"access": AccessRefused("kintone.refused", host="kintone.example")})
    unresolved = FakeConnector(
        (sources.orders(),),
        scopes=(Scope("a", "all", ("user:kintone:a", "user:kintone:b")), Scope("b", "rule 1", (), False, "field 担当者")),
    )
    first = mapped(sources.project(tmp_path), kintone=refused).streams[0]
    second = mapped(sources.project(tmp_path), kintone=unresolved).streams[0]
    assert first.access is None
    assert "map.access_unread" in {question.code for question in first.questions}
    assert second.access is not None
    assert (second.access.scopes, second.access.unresolved, second.access.principals) == (2, 1, 2)
    assert "map.access_unresolved" in {question.code for question in second.questions}


def test_a_contract_is_found_again_when_its_app_has_another_number_and_another_name(tmp_path: Path) -> None:
    sources.project(tmp_path)
    accept(tmp_path, sources.orders(), source={"app_code": "ORDERS", "app_id": 7, "fingerprint": "sha256:0"})
    renamed = replace(sources.orders(), name="sales-orders", title="受注(新)")
    connector = FakeConnector((renamed,))
    connector.by = ("app_code",)
    one = mapped(load(tmp_path), kintone=connector).streams[0]
    assert (one.stream, one.contracted) == ("kintone/orders", True)


def test_a_sub_table_that_nobody_offers_stands_in_the_map_under_its_contract(tmp_path: Path) -> None:
    sources.project(tmp_path)
    whole = {"app_code": "ORDERS", "app_id": 42, "fingerprint": sources.FINGERPRINT}
    accept(tmp_path, replace(sources.orders(), name="order-lines", title="受注 明細"), source={**whole, "table": "明細"})
    accept(tmp_path, sources.orders(), source=whole)
    found = mapped(load(tmp_path), kintone=FakeConnector((sources.orders(),)))
    rows = {one.stream: (one.contracted, one.offer.title, one.offer.rows) for one in found.streams}
    assert rows == {"kintone/orders": (True, "受注", 20_000), "kintone/order-lines": (True, "受注 明細", None)}
    assert "map.rows_unknown" not in {question.code for one in found.streams for question in one.questions}
    assert found.systems[0].unoffered == ()


def test_a_contract_on_a_part_alone_leaves_the_object_itself_without_one(tmp_path: Path) -> None:
    sources.project(tmp_path)
    comments = {"app_code": "ORDERS", "app_id": 42, "part": "comments", "fingerprint": sources.FINGERPRINT}
    accept(tmp_path, replace(sources.orders(), name="order-comments"), source=comments)
    found = mapped(load(tmp_path), kintone=FakeConnector((sources.orders(),)))
    assert {one.stream: one.contracted for one in found.streams} == {"kintone/orders": False, "kintone/order-comments": True}


def test_what_differs_from_a_contract_is_listed(tmp_path: Path) -> None:
    sources.project(tmp_path)
    accept(tmp_path, sources.orders())
    grown = replace(
        sources.orders(), schema=replace(sources.orders().schema, fields=(*sources.orders().schema.fields, sources.field("備考")))
    )
    found = mapped(load(tmp_path), kintone=FakeConnector((grown,)))
    assert [(change.kind, change.path) for change in found.streams[0].changes] == [("added", "備考")]
    assert "added 備考" in render(found)


def test_a_contract_whose_object_is_gone_is_named(tmp_path: Path) -> None:
    sources.project(tmp_path)
    accept(tmp_path, sources.orders())
    assert mapped(load(tmp_path), kintone=FakeConnector((sources.defects(),))).systems[0].unoffered == ("kintone/orders",)


def test_mapping_writes_proposals_and_leaves_contracts_as_they_are(tmp_path: Path) -> None:
    sources.project(tmp_path)
    contract = accept(tmp_path, sources.orders())
    before = contract.read_bytes()
    project = load(tmp_path)
    written = write_map(mapped(project, kintone=FakeConnector((sources.orders(), sources.defects()))), project)
    assert written.kept == ("kintone/orders",)
    assert [path.relative_to(tmp_path).as_posix() for path in written.proposals] == [".fortnight/map/proposals/kintone/defects.yaml"]
    assert contract.read_bytes() == before
    assert [path.name for path in (tmp_path / "contracts" / "kintone").iterdir()] == ["orders.yaml"]


def test_a_contract_that_is_broken_is_not_written_over_either(tmp_path: Path) -> None:
    sources.project(tmp_path)
    contract = accept(tmp_path, sources.orders())
    contract.write_text("stream: kintone/orders\nhalf a contract", encoding="utf-8")
    project = load(tmp_path)
    written = write_map(mapped(project, kintone=FakeConnector((sources.orders(),))), project, into_contracts=True)
    assert written.proposals == ()
    assert contract.read_text(encoding="utf-8").endswith("half a contract")


def test_writing_into_contracts_gives_a_project_that_loads_them(tmp_path: Path) -> None:
    project = sources.project(tmp_path)
    write_map(mapped(project, kintone=FakeConnector((sources.orders(), sources.defects()))), project, into_contracts=True)
    again = load(tmp_path)
    assert sorted(again.contracts) == ["kintone/defects", "kintone/orders"]
    assert not again.broken


def test_a_proposal_of_yesterday_does_not_linger_under_its_old_name(tmp_path: Path) -> None:
    project = sources.project(tmp_path)
    write_map(mapped(project, kintone=FakeConnector((sources.orders(),))), project)
    renamed = replace(sources.orders(), name="sales")
    written = write_map(mapped(project, kintone=FakeConnector((renamed,))), project)
    assert [path.name for path in (tmp_path / ".fortnight/map/proposals/kintone").iterdir()] == ["sales.yaml"]
    assert read_contract(written.proposals[0]).stream == "kintone/sales"


def test_the_yaml_map_holds_what_there_is_and_what_is_missing(tmp_path: Path) -> None:
    project = sources.project(tmp_path)
    written = write_map(mapped(project, kintone=FakeConnector((sources.orders(),))), project, tmp_path / "out")
    plain = YAML(typ="safe").load(written.yaml.read_text(encoding="utf-8"))
    (stream,) = plain["systems"][0]["streams"]
    assert plain["totals"]["streams"] == 1
    assert (stream["stream"], stream["rows"], stream["full_load_calls"], stream["key"]) == ("kintone/orders", 20_000, 44, ["record_id"])
    assert stream["fields"][3] == {"name": "受注番号", "source": "受注番号", "label": "受注番号", "type": "string", "required": True}
    assert "map.no_owner" in {entry["code"] for entry in stream["open"]}


class Tags(HTMLParser):
    """Collects what a page would load or run, and whether its tags close."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.loads += [
            value or ""
            for name, value in attrs
            if name in ("src", "srcset", "data") or (name == "href" and not (value or "").startswith("#"))
        ]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_loads_nothing_runs_nothing_and_closes_every_tag(tmp_path: Path) -> None:
    page = render(mapped(sources.project(tmp_path), kintone=FakeConnector((sources.orders(), sources.defects()))))
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.loads == []
    assert not tags.seen & {"script", "iframe", "img", "link"}
    assert not re.search(r"url\(|@import", page)


def test_the_page_speaks_both_languages_and_tells_the_projects_time(tmp_path: Path) -> None:
    page = render(mapped(sources.project(tmp_path), kintone=FakeConnector((sources.orders(),))))
    assert "ソースマップ" in page
    assert "Source map" in page
    assert "2026-11-21 09:30 (Asia/Tokyo)" in page
    assert "責任者が決まっていません" in page
    assert "Nobody answers for this data yet" in page


def test_a_title_that_holds_markup_stays_text(tmp_path: Path) -> None:
    page = render(mapped(sources.project(tmp_path), kintone=FakeConnector((replace(sources.orders(), title="<script>alert(1)</script>"),))))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_every_question_has_a_heading_and_a_sentence_in_both_languages() -> None:
    codes = {code for code in catalogue() if code.startswith("map.") and code.endswith(".title")}
    assert len(codes) >= 12
    for code in codes:
        assert set(catalogue()[code]) == set(catalogue()[code.removesuffix(".title")]) == {"ja", "en"}


@pytest.mark.parametrize(
    ("offer", "calls"),
    [
        (sources.orders(), 44),
        (replace(sources.orders(), notes=(), source={"operation": "ReadItems", "paging": {"page": 4000}}), 6),
        (replace(sources.orders(), notes=()), None),
        (replace(sources.orders(), notes=(), rows=None, source={"paging": {"page": 4000}}), None),
    ],
)  # fmt: skip
def test_calls_are_predicted_from_the_connectors_note_or_from_the_paging(offer: Offer, calls: int | None) -> None:
    assert predicted_calls(offer) == calls
