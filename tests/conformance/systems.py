"""How the conformance modules open their connector: the example project's own system block, and its reviewed contract where one is committed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.live import contract_of, offered, project_for

from connectors.protocol import Connector, Stream
from expectations.contract import Contract
from expectations.reading import read_contract
from pipelines.project import Project

CONTRACTS = Path(__file__).resolve().parents[2] / "infra" / "project" / "contracts"


class Systems:
    """One system of the running sandbox, as a project would use it."""

    def __init__(self, folder: Path, home: Path, system: str) -> None:
        self.project: Project = project_for(folder, home)
        self.system = system

    def open(self) -> Connector:
        return self.project.connect(self.system)

    def stream(self, name: str, **source: Any) -> Stream:
        """What a connector is told about a stream: by its committed contract, else by what the source offers. ``source`` changes the address."""
        told = self._contract(name).told()
        return replace(told, source={**told.source, **source})

    def secrets(self) -> list[str]:
        """The values of every secret that the project file refers to."""
        return [
            value
            for name, value in self.project.variables.items()
            if any(part in name for part in ("TOKEN_", "PASSWORD", "SECRET")) and name.split("_")[0] in ("KINTONE", "ERP", "SHAREPOINT")
        ]

    def _contract(self, name: str) -> Contract:
        path = CONTRACTS / self.system / f"{name}.yaml"
        if path.exists():
            return read_contract(path)
        connector = self.open()
        try:
            offer = offered(connector, name)
        finally:
            connector.close()
        return Contract.model_validate(contract_of(offer, f"{self.system}/{name}"))
