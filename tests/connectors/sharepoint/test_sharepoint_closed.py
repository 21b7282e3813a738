from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sharepoint_world import Table, stream_of, tenant

from connectors.errors import AccessRefused, AddressUnknown, Closed, Locked, SourceError, Withdrawn
from connectors.protocol import Stream, Window
from connectors.sharepoint import connector as module
from connectors.sharepoint.config import Config
from connectors.sharepoint.connector import SharePoint
from connectors.sharepoint.schema import LIBRARY, PAGES
from connectors.transport import TransportOptions

SITE = "/v1.0/sites/contoso.sharepoint.example:/sites/quality"
STREAM = stream_of({"site": "/sites/quality", "kind": "library", "name": "手順"}, LIBRARY, "item_id")
ANSWERS = [(403, "accessDenied", Locked), (404, "itemNotFound", Withdrawn), (423, "resourceLocked", Locked)]


@pytest.fixture
def open_to(monkeypatch: pytest.MonkeyPatch) -> Callable[..., SharePoint]:
    """A connector to a site that answers, but for the paths that are given other answers."""

    def made(graph: dict[str, Any] | None = None, rest: dict[str, Any] | None = None) -> SharePoint:
        good = {
            SITE: {"id": "h,C0,w", "displayName": "品質"},
            "/v1.0/sites/h,C0,w/drives": {"value": [{"id": "D1", "name": "手順"}]},
            "/v1.0/drives/D1/root": {"id": "R1", "sharepointIds": {"listId": "L1"}},
            "/v1.0/drives/D1/root/delta": {"value": [], "@odata.deltaLink": "https://graph.example/v1.0/drives/D1/root/delta?token=1"},
            "/v1.0/users": {"value": []},
        }  # fmt: skip
        other = {
            "/sites/quality/_api/Web": {"Id": "w", "Title": "品質", "HasUniqueRoleAssignments": True},
            "/sites/quality/_api/Web/lists/GetById('L1')": {"Id": "L1", "Title": "手順", "HasUniqueRoleAssignments": False},
            "/sites/quality/_api/web/lists(guid'L1')/items": {"value": []},
            "/sites/quality/_api/Web/RoleAssignments": {"value": []},
            "/sites/quality/_api/Web/siteUsers": {"value": []},
        }  # fmt: skip
        whole = tenant(Table({**good, **(graph or {})}), Table({**other, **(rest or {})}))
        monkeypatch.setattr(module, "connect_tenant", lambda *_: whole)
        return SharePoint("sharepoint", Config.model_construct(), TransportOptions())

    return made


def whole(connector: SharePoint, stream: Stream = STREAM) -> None:
    """Everything a pull asks of it."""
    connector.describe(stream)
    connector.access(stream)
    list(connector.pull(stream, Window()))


def answer(status: int, code: str) -> tuple[int, dict[str, str], Any]:
    return status, {}, {"error": {"code": code}}


@pytest.mark.parametrize(("status", "code", "kind"), ANSWERS)
@pytest.mark.parametrize("path", [SITE, "/v1.0/sites/h,C0,w/drives", "/v1.0/drives/D1/root", "/v1.0/drives/D1/root/delta"])
def test_a_site_that_closed_is_known_by_its_answer_wherever_it_gives_it(
    open_to: Callable[..., SharePoint], path: str, status: int, code: str, kind: type[SourceError]
) -> None:
    with pytest.raises(Closed) as closed:
        whole(open_to({path: answer(status, code)}))
    assert isinstance(closed.value, kind)
    assert "/sites/quality" in closed.value.say() or path in closed.value.say()


@pytest.mark.parametrize(("status", "code", "kind"), ANSWERS)
def test_a_site_whose_permissions_are_closed_is_closed(
    open_to: Callable[..., SharePoint], status: int, code: str, kind: type[SourceError]
) -> None:
    with pytest.raises(kind):
        whole(open_to(rest={"/sites/quality/_api/web/lists(guid'L1')/items": answer(status, code)}))


def test_the_pages_of_a_closed_site_are_closed_too(open_to: Callable[..., SharePoint]) -> None:
    pages = stream_of({"site": "/sites/quality", "kind": "pages"}, PAGES, "page_id")
    with pytest.raises(Locked):
        whole(open_to({SITE: answer(423, "resourceLocked")}), pages)


def test_a_library_that_was_renamed_is_no_closed_one(open_to: Callable[..., SharePoint]) -> None:
    with pytest.raises(AddressUnknown, match="手順書") as unknown:
        whole(open_to({"/v1.0/sites/h,C0,w/drives": {"value": [{"id": "D1", "name": "手順書"}]}}))
    assert not isinstance(unknown.value, Closed)


def test_a_directory_that_may_not_be_read_closes_no_site(open_to: Callable[..., SharePoint]) -> None:
    with pytest.raises(AccessRefused) as refused:
        whole(open_to({"/v1.0/users": answer(403, "Authorization_RequestDenied")}))
    assert not isinstance(refused.value, Closed)


def test_a_token_that_is_refused_closes_no_site(open_to: Callable[..., SharePoint]) -> None:
    with pytest.raises(AccessRefused) as refused:
        whole(open_to({SITE: answer(401, "unauthenticated")}))
    assert not isinstance(refused.value, Closed)


def test_a_site_that_answers_is_read(open_to: Callable[..., SharePoint]) -> None:
    whole(open_to())
