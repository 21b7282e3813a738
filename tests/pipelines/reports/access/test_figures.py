"""Each figure over hand-made tables in which every finding stands, and beside it what is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import AnswerIsNo, FixConfiguration
from connectors.messages import catalogue
from pipelines.project import Project
from pipelines.reports.access.figures import FIGURES, SECTIONS, Limits
from pipelines.reports.access.tables import open_tables
from pipelines.reports.access.write import Report, make_report

from . import world as w

LIMITS = Limits(w.NOW)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return w.company(tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="module")
def report(project: Project) -> Report:
    return make_report(project, "sharepoint", LIMITS)


def rows(report: Report, code: str, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in report.figure(code).head]


def test_readers_are_people_counted_through_nested_groups_and_circles(report: Report) -> None:
    assert rows(report, "widest", "place", "readers", "guests", "items") == [
        ("/sites/q/規程/公開", 4, 1, 1),
        ("/sites/q/規程/古い", 3, 0, 1),
        ("規程", 3, 0, 1),
        ("品質", 3, 0, 0),
        ("/sites/q/規程/控え", 2, 0, 1),
    ]


def test_what_each_active_person_reaches_leaves_out_the_unresolved_the_deleted_and_the_disabled(report: Report) -> None:
    assert rows(report, "reach", "person", "items", "scopes", "guest") == [
        ("Alice", 4, 4, False), ("Bob", 4, 4, False), ("Eve", 3, 3, False), ("Guest", 1, 1, True),
    ]  # fmt: skip


def test_everyone_is_found_directly_and_nested_in_a_site_group_with_the_group_named(report: Report) -> None:
    assert rows(report, "everyone", "place", "kind", "how", "site_group", "role") == [
        ("/sites/q/規程/公開", "everyone", "direct", "", "Read"),
        ("/sites/q/規程/古い", "members", "group", "閲覧者", "Read"),
        ("規程", "members", "group", "閲覧者", "Read"),
        ("品質", "members", "group", "閲覧者", "Read"),
    ]


def test_a_scope_that_narrows_another_has_only_the_grants_of_those_it_lets_in(tmp_path: Path) -> None:
    """Drafts of a list that everyone reads are for those who may edit it."""
    made = w.project(tmp_path)
    drafts = w.scope(f"{w.OPEN}/drafts", "/sites/q/規程/公開", [w.OWNERS, w.BOB], w.LIST, "folder")
    w.publish(made, "sharepoint/rules", {**w.TABLES, "scopes": [*w.TABLES["scopes"], drafts]})
    found = make_report(made, "sharepoint", LIMITS)
    assert f"{w.OPEN}/drafts" not in [scope for (scope,) in rows(found, "everyone", "scope")]
    assert f"{w.OPEN}/drafts" not in [scope for (scope,) in rows(found, "inheritance", "scope")]


def test_links_without_expiry_are_those_of_anyone_and_of_the_organisation(report: Report) -> None:
    assert rows(report, "open_links", "place", "link_scope", "link_type", "has_password", "older") == [
        ("/sites/q/規程/公開", "anonymous", "view", False, True)
    ]
    assert rows(report, "links", "link_scope", "links", "without_expiry", "expired", "details_unknown") == [
        ("organization", 2, 0, 0, 1), ("anonymous", 1, 1, 0, 0), ("users", 1, 1, 0, 0),
    ]  # fmt: skip


def test_a_link_is_expired_from_its_instant_on(project: Project) -> None:
    later = make_report(project, "sharepoint", Limits(datetime(2027, 1, 1, tzinfo=UTC)))
    assert ("organization", 1) in rows(later, "links", "link_scope", "expired")


def test_guests_are_told_with_what_they_reach_and_the_links_that_name_them(report: Report) -> None:
    assert rows(report, "guests", "person", "items", "active") == [("Guest", 1, True)]
    assert rows(report, "guest_links", "place", "person", "login") == [("/sites/q/規程/控え", "Guest", "guest@partner.example")]


def test_a_directory_without_the_organisations_members_makes_nobody_a_guest(tmp_path: Path) -> None:
    made = w.project(tmp_path)
    w.publish(made, "sharepoint/rules", {**w.TABLES, "members": [], "grants": []})
    assert make_report(made, "sharepoint", LIMITS).figure("guests").value == 0


def test_broken_inheritance_is_held_against_the_parent(report: Report) -> None:
    assert rows(report, "inheritance", "place", "parent_place", "state", "added", "removed", "readers", "parent_readers") == [
        ("/sites/q/規程/公開", "規程", "differs", 3, 1, 4, 3),
        ("/sites/q/規程/控え", "規程", "differs", 2, 2, 2, 3),
        ("/sites/q/規程/古い", "規程", "same", 0, 0, 3, 3),
        ("規程", "品質", "same", 0, 0, 3, 3),
        ("/sites/q/規程/鍵", "規程", "unknown", None, None, None, 3),
    ]


def test_the_difference_names_who_was_added_and_who_is_missing(report: Report) -> None:
    assert rows(report, "drift", "place", "change", "who", "role") == [
        ("/sites/q/規程/公開", "added", "Guest", "Read"),
        ("/sites/q/規程/公開", "added", "全員", "Read"),
        ("/sites/q/規程/公開", "added", "空", "Read"),
        ("/sites/q/規程/公開", "removed", "閲覧者", "Read"),
        ("/sites/q/規程/控え", "added", "Alice", "Read"),
        ("/sites/q/規程/控え", "added", "Taro Gone", "Read"),
        ("/sites/q/規程/控え", "removed", "所有者", "Full Control"),
        ("/sites/q/規程/控え", "removed", "閲覧者", "Read"),
    ]


def test_safe_to_re_inherit_is_what_has_its_parents_grants_and_readers(report: Report) -> None:
    assert rows(report, "reinherit", "place", "parent_place") == [("/sites/q/規程/古い", "規程"), ("規程", "品質")]


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ([w.link(w.SAME, "a" * 64, "organization")], "same but links"),
        ([w.grant(w.SAME, w.BOB, "Bob", "user", "Edit")], "same readers"),
        ([w.grant(w.SAME, "", "App", "nobody", "Read", login="i:0i.t|app", reads=False)], "same readers"),
        ([w.grant(w.SAME, "", "Hanako Gone", "orphan", "Read", login="hanako", reads=False)], "same readers"),
        ([w.grant(w.SAME, "", "Hanako Gone", "orphan", "Limited Access", login="hanako", reads=False)], "same"),
        (
            [
                w.grant(
                    w.SAME, "", "Limited Access System Group", "nobody", "Limited Access", login="Limited Access System Group", reads=False
                )
            ],
            "same",
        ),
        ([w.grant(w.SAME, w.EVE, "Eve", "user", "Limited Access", reads=False)], "same"),
    ],
)
def test_a_link_another_level_or_an_app_makes_it_unsafe_and_limited_access_does_not(
    tmp_path: Path, more: list[dict[str, Any]], state: str
) -> None:
    made = w.project(tmp_path)
    w.publish(made, "sharepoint/rules", {**w.TABLES, "grants": [*w.TABLES["grants"], *more]})
    found = make_report(made, "sharepoint", LIMITS)
    assert dict(rows(found, "inheritance", "place", "state"))["/sites/q/規程/古い"] == state
    assert ("/sites/q/規程/古い" in [place for (place,) in rows(found, "reinherit", "place")]) is (state == "same")


def test_what_is_unresolved_is_told_with_its_reason_and_so_is_a_scope_nobody_read(report: Report) -> None:
    assert rows(report, "unresolved", "place", "reason", "items") == [
        ("/sites/q/規程/鍵", "unknown principal x", 1),
        (f"sharepoint:{w.C}:item:unread", "no reading of this scope", 1),
    ]


def test_orphans_disabled_accounts_and_groups_with_nobody_in_them(report: Report) -> None:
    assert rows(report, "orphans", "place", "who") == [("/sites/q/規程/控え", "Taro Gone")]
    assert rows(report, "disabled", "person", "scopes", "in_groups") == [("Left", 0, 1)]
    assert rows(report, "empty_groups", "who", "kind", "members", "scopes") == [("空", "sitegroup", 0, 1)]


def test_a_group_that_could_not_be_read_is_not_called_empty(tmp_path: Path) -> None:
    """Hidden membership makes every scope that names the group unresolved."""
    made = w.project(tmp_path)
    scopes = [{**one, "resolved": one["scope"] != w.OPEN and one["resolved"]} for one in w.TABLES["scopes"]]
    w.publish(made, "sharepoint/rules", {**w.TABLES, "scopes": scopes})
    assert make_report(made, "sharepoint", LIMITS).figure("empty_groups").value == 0


def test_a_collection_whose_only_administrator_is_disabled_has_nobody(tmp_path: Path) -> None:
    made = w.project(tmp_path)
    accounts = [{**one, "active": one["principal"] != w.BOB and one["active"]} for one in w.ACCOUNTS]
    w.publish(made, "sharepoint/rules", {**w.TABLES, "accounts": accounts})
    found = make_report(made, "sharepoint", LIMITS)
    assert rows(found, "ownerless", "place", "collection") == [("品質", w.C)]
    assert rows(found, "admins", "who", "active") == [("Bob", False)]


def test_the_same_document_for_different_people_is_told_with_its_widest_place(report: Report) -> None:
    assert rows(report, "audiences", "name", "copies", "audiences", "narrowest_place", "widest_place") == [
        ("設備.docx", 2, 2, "rules: /控え/設備.docx", "rules: /手順/設備.docx")
    ]
    assert rows(report, "duplicates", "name", "copies", "spare_bytes") == [("設備.docx", 2, 2_000)]


def test_stale_and_oversized_follow_their_limits(project: Project, report: Report) -> None:
    assert rows(report, "stale", "path", "readers") == [("/古い/議事録.txt", 3)]
    assert rows(report, "oversized", "path", "size") == [("/公開/図面.pdf", 300_000_000)]
    other = make_report(project, "sharepoint", Limits(w.NOW, stale_years=12, oversized_mb=301))
    assert (other.figure("stale").value, other.figure("oversized").value) == (0, 0)


def test_stale_counts_in_years_from_a_leap_day_too() -> None:
    assert "2025-02-28T00:00:00" in Limits(datetime(2028, 2, 29, 12, tzinfo=UTC)).values()["stale_before"]


def test_what_came_and_went_since_the_first_scan_is_told_with_the_instant_it_was_seen(report: Report) -> None:
    assert rows(report, "changes", "change", "place", "who") == [
        ("added", "/sites/q/規程/公開", "全員"),
        ("removed", "/sites/q/規程/控え", "Eve"),
        ("added", "閲覧者", "全社員"),
    ]
    assert {at for (at,) in rows(report, "changes", "at")} == {w.LATER}
    assert report.first_scan == w.FIRST


def test_what_no_stream_carries_is_not_measured_rather_than_zero(report: Report) -> None:
    assert {one.code: one.missing for one in report.figures if one.value is None} == {
        "agreement": "agreement",
        "versions": "versions",
        "checked_out": "items.publication",
    }


def test_items_of_a_stream_without_a_column_are_in_no_figure_that_needs_it(tmp_path: Path) -> None:
    """A list has no sizes and hashes; beside a library it must not pass for oversized, twice there or checked out."""
    bare = {"stream": "sharepoint/list", "version": 1, "source": {"kind": "list"}, "key": ["item_id"]}
    fields = [{"name": name, "source": name, "type": "string"} for name in ("item_id", "name", "path")]
    made = w.project(tmp_path, w.contract("sharepoint/rules", [("publication", "string")]), {**bare, "fields": fields})
    current = [{**one, "publication": "published"} for one in w.TABLES["current"]]
    library = w.ITEM.append(pa.field("publication", pa.string()))
    w.publish(made, "sharepoint/rules", {**w.TABLES, "current": current}, schemas={**w.SCHEMAS, "current": library})
    wanted = ("item_id", "name", "path", "_key", "_op", "_scope")
    rows_ = [{name: one[name] for name in wanted} for one in w.TABLES["current"]]
    older = pa.schema([field for field in w.SCOPES if field.name not in ("parent", "level")])
    scopes = [{name: one[name] for name in older.names} | {"scope": one["scope"] + "x"} for one in w.TABLES["scopes"]]
    schemas = {**w.SCHEMAS, "current": pa.schema([field for field in w.ITEM if field.name in wanted]), "scopes": older}
    w.publish(made, "sharepoint/list", {"current": rows_, "scopes": scopes, "members": [], "accounts": w.ACCOUNTS}, schemas=schemas)
    found = make_report(made, "sharepoint", LIMITS)
    counted = {code: found.figure(code).value for code in ("oversized", "duplicates", "audiences", "stale", "checked_out", "inheritance")}
    assert counted == {"oversized": 1, "duplicates": 1, "audiences": 1, "stale": 1, "checked_out": 0, "inheritance": 5}


def test_streams_pulled_before_grants_were_kept_still_tell_who_reads(tmp_path: Path) -> None:
    made = w.project(tmp_path)
    old = pa.schema([field for field in w.SCOPES if field.name not in ("parent", "level")])
    tables = {name: w.TABLES[name] for name in ("current", "members", "accounts")}
    scopes = [{name: value for name, value in one.items() if name in old.names} for one in w.TABLES["scopes"]]
    w.publish(made, "sharepoint/rules", {**tables, "scopes": scopes}, schemas={**w.SCHEMAS, "scopes": old})
    found = make_report(made, "sharepoint", LIMITS)
    assert dict(rows(found, "widest", "place", "readers"))["規程"] == 3
    assert found.figure("inheritance").missing == "scopes.parent"
    assert found.figure("everyone").missing == "grants"
    assert found.first_scan is None


def test_versions_and_publication_are_measured_where_a_stream_carries_them(tmp_path: Path) -> None:
    made = w.project(tmp_path, w.contract("sharepoint/rules", [("publication", "string")]))
    current = [{**one, "publication": "checkout" if one["item_id"] == "4" else "published"} for one in w.TABLES["current"]]
    versions = [{"item_id": "1", "versions": 90, "bytes": 250_000_000}, {"item_id": "2", "versions": 1, "bytes": 2_000}]
    schemas: Mapping[str, pa.Schema] = {
        **w.SCHEMAS,
        "current": w.ITEM.append(pa.field("publication", pa.string())),
        "versions": pa.schema([("item_id", pa.string()), ("versions", pa.int64()), ("bytes", pa.int64())]),
    }
    w.publish(made, "sharepoint/rules", {**w.TABLES, "current": current, "versions": versions}, schemas=schemas)
    found = make_report(made, "sharepoint", LIMITS)
    assert rows(found, "checked_out", "path", "publication") == [("/古い/議事録.txt", "checkout")]
    assert rows(found, "versions", "path", "versions", "version_bytes") == [("/手順/設備.docx", 90, 250_000_000)]


def test_of_two_streams_the_newer_reading_of_a_scope_holds_and_the_earlier_sight_of_a_grant(tmp_path: Path) -> None:
    made = w.project(tmp_path, w.contract("sharepoint/rules"), w.contract("sharepoint/manuals"))
    w.publish(made, "sharepoint/rules", {**w.TABLES, "grants": [{**one, "first_observed": w.FIRST} for one in w.TABLES["grants"]]})
    younger = w.FIRST + timedelta(days=9)
    grants = [w.grant(w.WEB, w.EVE, "Eve", "user"), w.grant(w.WEB, w.OWNERS, "所有者", "sitegroup", "Full Control")]
    w.publish(
        made,
        "sharepoint/manuals",
        {
            "current": [w.item("9", "/九.txt", w.WEB)], "scopes": [w.scope(w.WEB, "品質", [w.EVE], level="web")], "members": w.TABLES["members"],
            "accounts": w.ACCOUNTS, "grants": [{**one, "first_observed": younger} for one in grants],
        },
        w.NOW + timedelta(minutes=5),
    )  # fmt: skip
    tables = open_tables(made, "sharepoint")
    stand = {row["login"]: row for row in tables.rows(f"SELECT * FROM grants WHERE scope = '{w.WEB}'")}
    assert set(stand) == {w.EVE, w.OWNERS}
    assert (stand[w.OWNERS]["first_observed"], stand[w.OWNERS]["older"]) == (w.FIRST, True)
    assert (stand[w.EVE]["first_observed"], stand[w.EVE]["older"]) == (younger, True)
    assert dict(rows(make_report(made, "sharepoint", LIMITS), "widest", "place", "readers"))["品質"] == 1


def test_an_account_that_one_stream_knows_as_closed_reads_nothing_of_the_others(tmp_path: Path) -> None:
    made = w.project(tmp_path, w.contract("sharepoint/rules"), w.contract("sharepoint/manuals"))
    w.publish(made, "sharepoint/rules", w.TABLES)
    closed = [{**one, "active": one["principal"] != w.ALICE and one["active"]} for one in w.ACCOUNTS]
    w.publish(made, "sharepoint/manuals", {"current": [], "scopes": [], "members": [], "accounts": closed})
    assert "Alice" not in [person for (person,) in rows(make_report(made, "sharepoint", LIMITS), "reach", "person")]


def test_a_reading_of_memberships_that_is_younger_than_the_stream_decides_of_the_groups_it_knows(tmp_path: Path) -> None:
    made = w.company(tmp_path)
    w.publish_roster(made, w.NOW + timedelta(minutes=15))
    found = make_report(made, "sharepoint", LIMITS)
    # It knows nobody called Eve, and nothing of the site's own groups: those the stream's pull tells.
    assert dict(rows(found, "reach", "person", "items")) == {"Alice": 4, "Bob": 4, "Guest": 1}
    assert ("removed", "第一工場", "Alice", "group") in rows(found, "changes", "change", "place", "who", "how")
    assert found.roster_at == w.NOW + timedelta(minutes=15)


def test_an_older_reading_of_memberships_decides_nothing(tmp_path: Path, report: Report) -> None:
    made = w.company(tmp_path)
    w.publish_roster(made, w.NOW - timedelta(minutes=15))
    assert rows(make_report(made, "sharepoint", LIMITS), "reach", "person", "items") == rows(report, "reach", "person", "items")


def test_the_samples_in_which_the_source_was_asked_are_told_newest_first(tmp_path: Path) -> None:
    made = w.company(tmp_path)
    verdicts = [(w.LATER, "agree"), (w.LATER, "open"), (w.NOW, "agree"), (w.NOW, "agree"), (w.NOW, "unsaid")]
    schema = pa.schema([("at", w.AT), ("sample", pa.string()), ("verdict", pa.string())])
    samples = pa.Table.from_pylist([{"at": at, "sample": "s", "verdict": verdict} for at, verdict in verdicts], schema=schema)
    write_deltalake(f"{made.root}/agreement/sharepoint", samples)
    assert rows(make_report(made, "sharepoint", LIMITS), "agreement", "at", "pairs", "agreed", "too_open", "unsaid") == [
        (w.NOW, 3, 2, 0, 1), (w.LATER, 2, 1, 1, 0),
    ]  # fmt: skip


def test_the_whole_answer_lies_in_a_delta_table_while_the_report_shows_its_top(project: Project) -> None:
    short = make_report(project, "sharepoint", LIMITS, top=2)
    figure = short.figure("drift")
    kept = DeltaTable(figure.table).to_pyarrow_table()
    assert (figure.value, len(figure.head), kept.num_rows) == (8, 2, 8)
    assert figure.table == f"{project.root}/reports/access/sharepoint/drift"
    assert kept.schema.names == [*figure.columns, "_made_at"]
    assert set(kept["_made_at"].to_pylist()) == {w.NOW}


def test_the_query_that_is_printed_gives_the_figure_again(project: Project, report: Report) -> None:
    tables = open_tables(project, "sharepoint")
    for one in report.figures:
        if one.value is not None:
            assert tables.rows(one.sql) == list(one.head), one.code
    assert tuple(tables.views.items()) == report.views


def test_the_same_tables_give_the_same_report(project: Project, report: Report) -> None:
    assert make_report(project, "sharepoint", LIMITS) == report


def test_every_figure_section_column_and_lack_is_said_in_both_languages(report: Report) -> None:
    wanted = {f"access.section.{name}" for name in SECTIONS}
    for figure in FIGURES:
        wanted |= {f"access.figure.{figure.code}", f"access.figure.{figure.code}.title"}
        wanted |= {f"access.missing.{need}" for need in figure.needs}
    wanted |= {f"access.column.{column}" for one in report.figures for column in one.columns}
    assert wanted <= set(catalogue())


def test_a_system_the_project_does_not_have_and_one_that_was_never_pulled(tmp_path: Path) -> None:
    made = w.project(tmp_path)
    with pytest.raises(FixConfiguration):
        open_tables(made, "crm")
    with pytest.raises(AnswerIsNo) as refused:
        open_tables(made, "sharepoint")
    assert refused.value.code == "access.nothing_published"


GROUPS = st.sampled_from(["group:entra:t1/a", "group:entra:t1/b", f"spgroup:{w.C}:1", f"spgroup:{w.C}:2"])
USERS = st.sampled_from([w.ALICE, w.BOB, w.EVE, w.LEFT])
ACL = st.sets(st.one_of(GROUPS, USERS), max_size=4)


def naive_readers(acl: set[str], edges: set[tuple[str, str]]) -> frozenset[str]:
    reached = set(acl)
    while more := {member for group, member in edges if group in reached} - reached:
        reached |= more
    return frozenset(reached & {w.ALICE, w.BOB, w.EVE})


@settings(max_examples=12)
@given(st.lists(ACL, min_size=2, max_size=5), st.sets(st.tuples(GROUPS, st.one_of(GROUPS, USERS)), max_size=10))
def test_readers_and_states_are_those_of_a_naive_walk(
    tmp_path_factory: pytest.TempPathFactory, acls: list[set[str]], edges: set[tuple[str, str]]
) -> None:
    made = w.project(tmp_path_factory.mktemp("naive"))
    ids = [w.WEB, *(f"sharepoint:{w.C}:item:{number}" for number in range(1, len(acls)))]
    # An app on each of them, so that each was read, whoever else is there.
    grants = [w.grant(id, "", "App", "nobody", login="i:0i.t|app") for id in ids]
    grants += [w.grant(id, one, one, "user") for id, acl in zip(ids, acls, strict=True) for one in sorted(acl)]
    tables: dict[str, list[dict[str, Any]]] = {
        "current": [],
        "scopes": [w.scope(id, id, acl, "" if id == w.WEB else w.WEB) for id, acl in zip(ids, acls, strict=True)],
        "members": [{"group": group, "member": member} for group, member in sorted(edges)],
        "accounts": w.ACCOUNTS,
        "grants": grants,
    }
    w.publish(made, "sharepoint/rules", tables)
    found = make_report(made, "sharepoint", LIMITS)
    people = {id: naive_readers(acl, edges) for id, acl in zip(ids, acls, strict=True)}
    assert dict(rows(found, "widest", "scope", "readers")) == {id: len(readers) for id, readers in people.items()}
    state: Callable[[str, set[str]], str] = lambda id, acl: (  # noqa: E731
        "same" if acl == acls[0] else "same readers" if people[id] == people[w.WEB] else "differs"
    )
    expected = {id: state(id, acl) for id, acl in zip(ids[1:], acls[1:], strict=True)}
    assert dict(rows(found, "inheritance", "scope", "state")) == expected
    assert {scope for (scope,) in rows(found, "reinherit", "scope")} == {id for id, said in expected.items() if said == "same"}
