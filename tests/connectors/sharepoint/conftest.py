"""The running SharePoint sandboxes of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conformance.live import ORIGIN
from houses import without_rules
from sharepoint_house import House, Site, Target, house, target
from sharepoint_site import CONTENT

from connectors.sharepoint import rows as rows_module
from infra.sandbox import process
from infra.sandbox.sharepoint.answers import Ask


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running SharePoint sandbox that no test may change."""
    home = tmp_path_factory.mktemp("sharepoint")
    process.up(home, base_port=0, only=("sharepoint",))
    yield home
    process.down(home)


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A SharePoint sandbox that tests change: each of them looks at the difference it makes, never at how it found it."""
    home = tmp_path_factory.mktemp("living")
    process.up(home, base_port=0, only=("sharepoint",))
    yield home
    process.down(home)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("tenant"), ORIGIN) as made, without_rules():
        yield made


@pytest.fixture
def site(home: House) -> Iterator[Site]:
    yield home.site()
    home.control("heal")
    home.quiet()


@pytest.fixture
def at(site: Site, tmp_path: Path) -> Iterator[Target]:
    made = target(tmp_path / "project", site)
    yield made
    made.close()


@pytest.fixture
def with_files(site: Site, tmp_path: Path) -> Iterator[Target]:
    made = target(tmp_path / "project", site, content=CONTENT)
    yield made
    made.close()


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """Every request of the product's that left through httpx."""
    found: list[httpx.Request] = []
    send = httpx.Client.send

    def heard(client: httpx.Client, request: httpx.Request, **how: Any) -> httpx.Response:
        if not request.url.path.startswith("/_sandbox/"):
            found.append(request)
        return send(client, request, **how)

    monkeypatch.setattr(httpx.Client, "send", heard)
    return found


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tenant's feeds come three items a page, and so do our own pages."""
    monkeypatch.setattr(Ask, "top", lambda self, default, most: 3 if self.path.endswith("/delta") else most)
    monkeypatch.setattr(rows_module, "PAGE_ROWS", 2)
