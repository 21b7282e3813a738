"""Why somebody reads one item, and what one person reaches: the chain that gives it, and how old it is known to be."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from connectors.errors import AnswerIsNo
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.reports.access.explain import Asked, Way, explain_item, explain_person
from pipelines.reports.access.figures import FIGURES, Limits, sql_of
from pipelines.reports.access.tables import Tables, open_tables
from pipelines.serving.desk import directories, known_as, published

from . import world as w


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return w.company(tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="module")
def tables(project: Project) -> Tables:
    return open_tables(project, "sharepoint")


def asked(project: Project, who: str) -> Asked:
    someone, reached = known_as(who, directories(project, published(project, Warehouse(project.root)))[0])
    return Asked(someone.id, someone.name, tuple(someone.links.values()), reached)


def told(ways: tuple[Way, ...]) -> list[tuple[str, str, bool]]:
    return [(" ← ".join(way.names), way.role, way.older) for way in ways]


def test_each_way_in_is_told_from_the_person_through_nested_groups_to_the_grant(tables: Tables) -> None:
    count, (item,) = explain_item(tables, "/手順/設備.docx", 20)
    assert count == 1
    assert (item.place, item.level, item.readers, item.found) == ("規程", "list", 3, 6)
    assert told(item.ways) == [
        ("Alice ← 全社員 ← 閲覧者", "Read", False),
        ("Alice ← 第一工場 ← 全工場 ← 閲覧者", "Read", True),
        ("Bob", "site admin", True),
        ("Bob ← 所有者", "Full Control", True),
        ("Bob ← 全社員 ← 閲覧者", "Read", False),
        ("Eve ← 全社員 ← 閲覧者", "Read", False),
    ]


def test_a_way_through_a_site_group_is_as_young_as_the_membership_that_was_seen_last(tables: Tables) -> None:
    _, (item,) = explain_item(tables, "/手順/設備.docx", 20)
    assert {way.first_observed for way in item.ways if "全社員" in way.names} == {w.LATER}
    assert {way.first_observed for way in item.ways if "全工場" in way.names} == {w.FIRST}


def test_a_membership_dates_a_way_where_readings_of_memberships_are_kept(tmp_path: Path) -> None:
    made = w.company(tmp_path)
    w.publish_roster(made, w.NOW + timedelta(minutes=15))
    tables, alice = open_tables(made, "sharepoint"), asked(made, "alice@sakura-seiki.example")
    (item,) = explain_item(tables, "3", 20, alice)[1]
    assert [(way.names, way.first_observed, way.older) for way in item.ways] == [(("Alice", "全員"), w.LATER, False)]
    (item,) = explain_item(tables, "1", 20, alice)[1]
    assert [way.names for way in item.ways] == [("Alice", "全社員", "閲覧者")], "the inner group is empty by the younger reading"
    young = Asked(alice.id, alice.name, alice.own, {"sharepoint/rules": frozenset({w.ALICE})})
    assert explain_person(tables, young, 20).items == 1


@pytest.mark.parametrize("what", ["3", "/公開/図面.pdf", "図面.pdf", "rules:/公開/図面.pdf", "rules: 3", " 図面.pdf "])
def test_an_item_is_found_by_its_id_its_path_and_its_name(tables: Tables, what: str) -> None:
    assert [one.item for one in explain_item(tables, what, 20)[1]] == ["3"]


@pytest.mark.parametrize("what", ["", "'", "' OR '1'='1", "/消えた.txt", "manuals:3", "%"])
def test_what_is_not_there_or_was_deleted_is_not_found(tables: Tables, what: str) -> None:
    with pytest.raises(AnswerIsNo) as refused:
        explain_item(tables, what, 20)
    assert refused.value.code == "access.unknown_item"


def test_two_items_of_one_name_are_both_told(tables: Tables) -> None:
    count, found = explain_item(tables, "設備.docx", 20)
    assert (count, [one.path for one in found]) == (2, ["/手順/設備.docx", "/控え/設備.docx"])
    assert len(explain_item(tables, "設備.docx", 1)[1]) == 1


def test_an_unresolved_item_is_read_by_nobody_and_the_reason_is_told(tables: Tables) -> None:
    (item,) = explain_item(tables, "給与.xlsx", 20)[1]
    assert (item.resolved, item.readers, item.reason) == (False, 0, "unknown principal x")
    (lost,) = explain_item(tables, "迷子.txt", 20)[1]
    assert (lost.resolved, lost.reason) == (False, "no reading of this scope")


def test_links_stand_beside_the_readers_and_name_whom_they_name(tables: Tables) -> None:
    (wide,) = explain_item(tables, "図面.pdf", 20)[1]
    assert [(link.link_scope, link.count, link.without_expiry) for link in wide.links] == [("anonymous", 1, 1), ("organization", 2, 0)]
    (tight,) = explain_item(tables, "2", 20)[1]
    assert [link.names for link in tight.links] == [("Guest",)]
    assert tight.readers == 2


def test_what_a_person_reaches_is_what_the_report_counts_also_where_memberships_are_read_apart(tmp_path: Path) -> None:
    made = w.company(tmp_path)
    w.publish_roster(made, w.NOW + timedelta(minutes=15))
    agree_on_reach(made, open_tables(made, "sharepoint"), 3)


def test_what_a_person_reaches_is_what_the_report_counts(project: Project, tables: Tables) -> None:
    agree_on_reach(project, tables, 4)


def agree_on_reach(project: Project, tables: Tables, people: int) -> None:
    counting = next(figure for figure in FIGURES if figure.code == "reach")
    counted = {row["login"]: (row["items"], row["scopes"]) for row in tables.rows(sql_of(counting, Limits(w.NOW)))}
    assert len(counted) == people
    for login, expected in counted.items():
        found = explain_person(tables, asked(project, login), 50)
        assert (found.items, found.scopes) == expected
        assert sum(each.items for each in found.reached) == found.items


def test_a_persons_item_and_an_items_person_are_the_same_ways(project: Project, tables: Tables) -> None:
    for login in ("alice@sakura-seiki.example", "bob@sakura-seiki.example", "eve@sakura-seiki.example", "guest@partner.example"):
        someone = asked(project, login)
        for number in "12345":
            everybody = explain_item(tables, number, 50)[1][0].ways
            mine = explain_item(tables, number, 50, someone)[1][0].ways
            assert mine == tuple(way for way in everybody if way.chain[0] in someone.own)


def test_a_person_reads_by_what_serving_grants_them_and_by_nothing_else(tables: Tables) -> None:
    """The principals come from serving's linking; the chains only explain them."""
    cut_off = Asked("alice@sakura-seiki.example", "Alice", (w.ALICE,), {"sharepoint/rules": frozenset({w.ALICE})})
    found = explain_person(tables, cut_off, 20)
    assert [each.place for each in found.reached] == ["/sites/q/規程/控え"]


def test_a_principal_that_no_grant_names_is_told_without_a_role(tmp_path: Path) -> None:
    made = w.project(tmp_path)
    author = f"{w.LIST}/author:7"
    scopes = [*w.TABLES["scopes"], w.scope(author, "規程", [w.EVE], w.WEB, "list")]
    w.publish(made, "sharepoint/rules", {**w.TABLES, "current": [w.item("1", "/一.txt", author)], "scopes": scopes})
    (item,) = explain_item(open_tables(made, "sharepoint"), "1", 20)[1]
    assert told(item.ways) == [("Eve", "", False)]
