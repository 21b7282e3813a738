"""The SOAP connector keeps the protocol's promises against the sandbox's ERP."""

from __future__ import annotations

from pathlib import Path

import pytest
from conformance.systems import Systems

from connectors.conformance import ConnectorSuite, narrowed
from connectors.protocol import Connector, Stream


class TestErp(ConnectorSuite):
    """On the purchase orders with their lines, in pages of 400."""

    @pytest.fixture(autouse=True)
    def _system(self, sandbox: Path, tmp_path: Path) -> None:
        self.systems = Systems(tmp_path / "project", sandbox, "erp")
        self.secrets = self.systems.secrets()
        assert self.secrets

    def open(self) -> Connector:
        return self.systems.open()

    def stream(self) -> Stream:
        whole = self.systems.stream("purchase-orders")
        return narrowed(whole, paging={**whole.source["paging"], "page": 400})

    def broken_address(self) -> Stream:
        return narrowed(self.stream(), operation="ReadMultipleDreams")

    def test_a_sandbox_is_known_as_one_and_its_address_holds_no_credential(self) -> None:
        connector = self.open()
        try:
            assert connector.endpoint.startswith("https://localhost:")
            connector.check()
            assert connector.sandbox
        finally:
            connector.close()


class TestErpWithoutPaging(TestErp):
    """On the suppliers, where one reply is all."""

    def stream(self) -> Stream:
        whole = self.systems.stream("suppliers")
        return narrowed(whole, paging={**whole.source["paging"], "page": 15})


class TestDrawings(TestErp):
    """On the drawing office: signed requests, WS-Addressing, pages by number."""

    def stream(self) -> Stream:
        whole = self.systems.stream("zumen-drawings")
        return narrowed(whole, paging={**whole.source["paging"], "page": 80})
