"""The kintone connector keeps the protocol's promises against the sandbox's kintone."""

from __future__ import annotations

from pathlib import Path

import pytest
from conformance.systems import Systems

from connectors.conformance import ConnectorSuite, narrowed
from connectors.protocol import Connector, Stream


class TestKintone(ConnectorSuite):
    """On some 4,000 of the 20,000 orders: record rules, sub-tables, people, several pages."""

    @pytest.fixture(autouse=True)
    def _system(self, sandbox: Path, tmp_path: Path) -> None:
        self.systems = Systems(tmp_path / "project", sandbox, "kintone")
        self.secrets = self.systems.secrets()
        assert len(self.secrets) >= 5

    def open(self) -> Connector:
        return self.systems.open()

    def stream(self) -> Stream:
        return self.systems.stream("orders", condition='受注区分 in ("特注", "修理")')

    def broken_address(self) -> Stream:
        return narrowed(self.stream(), app_code="NOWHERE", app_id=None)

    def test_a_sandbox_is_known_as_one_and_its_address_holds_no_credential(self) -> None:
        connector = self.open()
        try:
            assert connector.endpoint.startswith("https://localhost:")
            connector.check()
            assert connector.sandbox
        finally:
            connector.close()
