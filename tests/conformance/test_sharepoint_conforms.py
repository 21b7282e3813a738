"""The SharePoint connector keeps the protocol's promises against the sandbox's tenant: a list, a library and the pages of a site."""

from __future__ import annotations

from pathlib import Path

import pytest
from conformance.systems import Systems

from connectors.conformance import ConnectorSuite, narrowed
from connectors.protocol import Connector, Stream


class _SharePoint(ConnectorSuite):
    name = ""

    @pytest.fixture(autouse=True)
    def _system(self, sandbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # The sandbox's lists are smaller than a page of ours.
        for module in ("pull", "rows"):
            monkeypatch.setattr(f"connectors.sharepoint.{module}.PAGE_ROWS", 7)
        self.systems = Systems(tmp_path / "project", sandbox, "sharepoint")
        self.secrets = self.systems.secrets()
        assert self.secrets

    def open(self) -> Connector:
        return self.systems.open()

    def stream(self) -> Stream:
        return self.systems.stream(self.name)

    def broken_address(self) -> Stream:
        return narrowed(self.stream(), site="/sites/nowhere")

    def test_a_sandbox_is_known_as_one_and_its_address_holds_no_credential(self) -> None:
        connector = self.open()
        try:
            assert connector.endpoint.startswith("https://localhost:")
            connector.check()
            assert connector.sandbox
        finally:
            connector.close()


class TestList(_SharePoint):
    name = "corrective-actions"


class TestLibrary(_SharePoint):
    name = "manuals"


class TestPages(_SharePoint):
    name = "quality-pages"
