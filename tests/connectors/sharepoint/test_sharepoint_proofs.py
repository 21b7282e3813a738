"""What tokens and sites prove of an app's reach: by roles alone where they suffice, by the site's grant where they do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sharepoint_world import GRAPH, HOST, Table, tenant

from connectors.messages import told
from connectors.readings import SPAN, Readings
from connectors.sharepoint.places import Site
from connectors.sharepoint.proofs import FRESHNESS, proofs, unproven

SITE = Site("/sites/quality", "h,C0,w", "c0", "品質")
GRANTS = f"/v1.0/sites/{SITE.id}/permissions"
MASK = "/sites/quality/_api/web/EffectiveBasePermissions"
APP = "0a0a"
WHOLE, READING = {"High": "2147483647", "Low": "4294967295"}, {"High": "176", "Low": "138612833"}
REFUSED = (403, {}, {"error": {"code": "accessDenied"}})


def asked(graph: Table | None = None, rest: Table | None = None, *, roles: list[str], at_sites: list[str] | None = None) -> Any:
    """A tenant whose tokens say these roles for Graph, and those for SharePoint."""
    one = tenant(graph if graph is not None else Table(), rest)
    said = {GRAPH: roles, HOST: roles if at_sites is None else at_sites}
    one.tokens.claims = lambda resource: {"tid": "t", "appid": APP, "roles": said[resource]}  # pyright: ignore[reportAttributeAccessIssue]
    return one


def grant(*roles: str, app: str = APP, told_at_once: bool = True) -> dict[str, Any]:
    one: dict[str, Any] = {"id": "g1", "grantedToIdentitiesV2": [{"application": {"id": app.upper()}}]}
    return {**one, "roles": list(roles)} if told_at_once else one


def test_full_control_of_everything_is_proven_without_a_question() -> None:
    graph, rest = Table(), Table()
    assert unproven(asked(graph, rest, roles=["Sites.FullControl.All"]), SITE) == ()
    assert not graph.asked and not rest.asked


@pytest.mark.parametrize("roles", [[], ["Sites.Read.All"], ["Sites.ReadWrite.All", "Sites.Manage.All"]])
def test_less_than_full_control_leaves_freshness_unverified_without_a_question(roles: list[str]) -> None:
    graph, rest = Table(), Table()
    one = asked(graph, rest, roles=roles, at_sites=["Sites.FullControl.All"])
    assert unproven(one, SITE) == (FRESHNESS,)
    assert not graph.asked and not rest.asked


@pytest.mark.parametrize(("role", "left"), [("fullcontrol", ()), ("owner", ()), ("read", (FRESHNESS,)), ("write", (FRESHNESS,))])
@pytest.mark.parametrize("told_at_once", [True, False])
def test_a_selected_site_proves_what_it_granted_whether_roles_are_listed_or_told_one_by_one(
    role: str, left: tuple[str, ...], told_at_once: bool
) -> None:
    graph = Table({GRANTS: {"value": [grant(role, told_at_once=told_at_once)]}, f"{GRANTS}/g1": grant(role)})
    assert unproven(asked(graph, roles=["Sites.Selected"]), SITE) == left


def test_a_grant_to_another_app_proves_nothing() -> None:
    graph = Table({GRANTS: {"value": [grant("fullcontrol", app="0b0b")]}})
    assert unproven(asked(graph, roles=["Sites.Selected"]), SITE) == (FRESHNESS,)


@pytest.mark.parametrize("answer", [REFUSED, {"value": []}])
@pytest.mark.parametrize(("mask", "left"), [(WHOLE, ()), (READING, (FRESHNESS,)), ({}, (FRESHNESS,)), (REFUSED, (FRESHNESS,))])
def test_where_graph_does_not_tell_grants_the_apps_own_mask_at_the_site_does(answer: Any, mask: Any, left: tuple[str, ...]) -> None:
    one = asked(Table({GRANTS: answer}), Table({MASK: mask}), roles=["Sites.Selected"])
    assert unproven(one, SITE) == left


def test_a_mask_that_another_role_explains_proves_no_grant() -> None:
    rest = Table({MASK: WHOLE})
    one = asked(Table({GRANTS: REFUSED}), rest, roles=["Sites.Selected"], at_sites=["Sites.FullControl.All"])
    assert unproven(one, SITE) == (FRESHNESS,) and not rest.asked


def test_a_run_asks_a_site_once_and_a_grant_that_was_taken_away_proves_nothing_for_long() -> None:
    graph, now = Table({GRANTS: {"value": [grant("fullcontrol")]}}), [datetime(2026, 11, 21, tzinfo=UTC)]
    one = replace(asked(graph, roles=["Sites.Selected"]), readings=Readings(lambda: now[0]))
    assert [unproven(one, SITE) for _ in range(3)] == [()] * 3 and len(graph.asked) == 1
    graph[GRANTS] = {"value": [grant("read")]}
    now[0] += SPAN
    assert unproven(one, SITE) == (FRESHNESS,)


def test_every_proof_is_told_and_only_hidden_members_are_not_needed() -> None:
    bare = {proof.what.code: proof for proof in proofs(asked(roles=[]))}
    assert set(bare) == {"sharepoint.proof." + name for name in ("freshness", "people", "members", "hidden")}
    assert not any(proof.proven for proof in bare.values())
    assert [code for code, proof in bare.items() if not proof.needed] == ["sharepoint.proof.hidden"]
    whole = proofs(asked(roles=["Sites.FullControl.All", "Directory.Read.All", "Member.Read.Hidden"]))
    assert all(proof.proven for proof in whole)


def test_a_configured_site_that_is_not_there_is_not_proven_and_its_neighbours_are_told() -> None:
    (first, *_) = proofs(asked(roles=["Sites.Selected"]))
    assert not first.proven and "/sites/quality" in first.what and first.why.code == "sharepoint.site_unknown"


def test_the_words_can_be_read_in_both_languages() -> None:
    said = told(FRESHNESS)
    assert "access freshness unverified" in said.say("en") and "権限の鮮度は未確認" in said.say("ja")
