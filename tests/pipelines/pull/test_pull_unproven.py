"""Access that rests on no proof is read in the pull's check, the published record, doctor and the map; a pull goes on, a day is not green."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conformance.live import project_for, with_contract
from typer.testing import CliRunner

from connectors.errors import AccessRefused
from connectors.messages import retold
from connectors.protocol import Stream
from infra.sandbox import process
from pipelines.cli.main import app
from pipelines.clock import WallClock
from pipelines.evidence.plan import claims_of
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.pull.outcome import Check, Request, Result
from pipelines.pull.run import pull

CODE = "sharepoint.access.freshness_unverified"
WORDS, KOTOBA = "access freshness unverified", "権限の鮮度は未確認"
STREAM = "sharepoint/quality-list-1"
DIRECTORY = ["GroupMember.Read.All", "User.Read.All"]


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A SharePoint sandbox whose administrator consents to this and that."""
    home = tmp_path_factory.mktemp("consent")
    process.up(home, base_port=0, only=("sharepoint",))
    yield home
    process.down(home)


@pytest.fixture
def project(tenant: Path, tmp_path: Path) -> Iterator[Project]:
    """Its Graph goes by the other name of the host, so that the two resources are two, as they are in the cloud."""
    made = project_for(tmp_path / "project", tenant)
    variables = made.folder / ".env"
    text = variables.read_text(encoding="utf-8")
    variables.write_text(re.sub(r"(SHAREPOINT_GRAPH=https://)localhost", r"\g<1>127.0.0.1", text), encoding="utf-8")
    yield with_contract(load(made.folder), STREAM)
    process.control(tenant, "token_roles", {})


def consent(project: Project, tenant: Path, graph: list[str], sharepoint: list[str] | None = None, **more: Any) -> None:
    """Roles for Graph, and for SharePoint where they are others there."""
    at = {} if sharepoint is None else {str(project.variables["SHAREPOINT_HOST"]): sharepoint}
    process.control(tenant, "token_roles", {"roles": [*graph, *DIRECTORY], "at": at, **more})


def access_of(result: Result) -> Check:
    return next(check for check in result.checks if check.name == "access")


def pulled(project: Project) -> Result:
    return pull(project, Request(STREAM), WallClock())


def said(project: Project, *arguments: str) -> str:
    return CliRunner().invoke(app, [*arguments, "--project", str(project.folder)]).output


def test_full_control_leaves_nothing_unproven(project: Project, tenant: Path) -> None:
    result = pulled(project)
    assert result.succeeded and access_of(result).passed and access_of(result).numbers["unproven"] == 0
    record = Warehouse(project.root).published(STREAM)
    assert record is not None and record.unproven == ()


def test_without_it_the_pull_goes_on_and_says_so_everywhere(project: Project, tenant: Path) -> None:
    consent(project, tenant, ["Sites.Read.All"], ["Sites.FullControl.All"])
    result = pulled(project)
    check = access_of(result)
    assert result.succeeded and not check.passed and check.severity == "warning" and check.numbers["unproven"] == 1
    assert WORDS in check.summary and KOTOBA in str(retold(check.summary, "ja"))
    assert check.rows[0]["scope"] == "*" and WORDS in check.rows[0]["state"]
    record = Warehouse(project.root).published(STREAM)
    assert record is not None and record.unproven == (CODE,)
    (claim,) = claims_of(project).read(stream=STREAM)
    assert [one.passed for one in claim.checks if one.name == "access"] == [False]


def test_rights_that_are_carried_on_are_no_more_proven_than_they_were(project: Project, tenant: Path) -> None:
    consent(project, tenant, ["Sites.Read.All"], ["Sites.FullControl.All"])
    pulled(project)
    again = pulled(project)
    assert again.published == 2 and not access_of(again).passed and WORDS in access_of(again).summary


def test_doctor_and_the_map_say_it_in_both_languages(project: Project, tenant: Path) -> None:
    consent(project, tenant, ["Sites.Read.All"], ["Sites.FullControl.All"])
    assert WORDS in said(project, "doctor", "--lang", "en") and KOTOBA in said(project, "doctor", "--lang", "ja")
    said(project, "map")
    (page,) = project.folder.rglob("source-map.html")
    assert WORDS in page.read_text(encoding="utf-8") and KOTOBA in page.read_text(encoding="utf-8")


def test_a_selected_site_is_whole_where_it_granted_full_control_and_closed_where_it_granted_reading(project: Project, tenant: Path) -> None:
    consent(project, tenant, ["Sites.Selected"], sites={"quality": "fullcontrol", "jinji": "read"})
    assert access_of(pulled(project)).passed
    connector = project.connect("sharepoint")
    try:
        probes = {str(what): (ok, str(why)) for what, ok, why in connector.check().probes}
        assert probes["access freshness /sites/quality"][0] and not probes["access freshness /sites/jinji"][0]
        assert WORDS in probes["access freshness /sites/jinji"][1]
        other = next(
            offer for offer in connector.discover() if offer.source["site"] == "/sites/jinji" and offer.source["kind"] == "library"
        )
        with pytest.raises(AccessRefused):
            connector.access(Stream("sharepoint", other.name, other.source, other.key, ()))
    finally:
        connector.close()


def test_a_grant_that_graph_does_not_tell_is_proven_at_the_site(project: Project, tenant: Path) -> None:
    consent(project, tenant, ["Sites.Selected"], sites={"quality": "fullcontrol"}, told=False)
    assert access_of(pulled(project)).passed


def test_a_selected_site_that_granted_reading_is_read_by_what_sharepoint_itself_allows(project: Project, tenant: Path) -> None:
    consent(project, tenant, ["Sites.Selected"], ["Sites.FullControl.All"], sites={"quality": "read"})
    result = pulled(project)
    assert result.succeeded and WORDS in access_of(result).summary


def test_an_app_without_a_role_is_refused_and_told_what_it_needs(project: Project, tenant: Path) -> None:
    process.control(tenant, "token_roles", {"roles": []})
    result = pulled(project)
    assert result.outcome == "failed" and result.error is not None
    assert "Sites.FullControl.All" in result.error.say()
    told = said(project, "doctor", "--lang", "en")
    assert WORDS in told and "no roles in the token" in told
