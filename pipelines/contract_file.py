"""A contract's file in the project: read as it is, replaced whole, its former text kept in the history beside it."""

from __future__ import annotations

import os
from pathlib import Path

from connectors.errors import FixConfiguration
from expectations.contract import Contract
from expectations.reading import parse_contract
from pipelines.project import Project

#: What some editors put before a text in UTF-8.
_MARK = "\ufeff"


class ContractFile:
    """The file that ``contract`` was read from. Raises FixConfiguration ``contract.moved_on`` where it says something else by now."""

    def __init__(self, project: Project, contract: Contract) -> None:
        self._project, self._contract = project, contract
        self.path = project.folder / "contracts" / f"{contract.stream}.yaml"
        try:
            self._bytes = self.path.read_bytes()
            self.text = self._bytes.decode().removeprefix(_MARK).replace("\r\n", "\n")
        except OSError as error:
            raise FixConfiguration("contract.unreadable", path=str(self.path), reason=error.strerror or str(error)) from error
        if parse_contract(self.text, self.path) != contract:
            raise FixConfiguration("contract.moved_on", path=str(self.path), version=contract.version)

    def history(self, version: int) -> Path:
        """Where the text of a version is kept once it has a successor."""
        return self.path.parent / "history" / f"{self.path.stem}.v{version}.yaml"

    def write(self, text: str, *, former: Contract | None = None) -> Contract:
        """Put the new text in the file's place, the old one into the history where it is another version, and give the contract it says.

        ``former`` is given where the file was edited by hand: what the last version promised then, which stands in no file any more.
        A kill in between leaves the old file. Raises FixConfiguration, with nothing changed, where the text is no contract or the folder
        can't be written.
        """
        contract = parse_contract(text, self.path)
        part = self.path.with_name(f".{self.path.name}.new")
        try:
            if former is not None and former.version < contract.version:
                self._keep(former.version, _plain(former).encode())
            elif former is None and contract.version != self._contract.version:
                self._keep(self._contract.version, self._bytes)
            part.write_bytes(self._as_it_was(text).encode())
            os.replace(part, self.path)
        except OSError as error:
            raise FixConfiguration("contract.unwritable", path=str(self.path), reason=error.strerror or str(error)) from error
        self._project.renewed(contract)
        return contract

    def _keep(self, version: int, text: bytes) -> None:
        path = self.history(version)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text)

    def _as_it_was(self, text: str) -> str:
        """With the mark at its beginning and the ends of lines that the person's editor gave the file."""
        was = self._bytes.decode()
        lines = text.replace("\n", "\r\n") if "\r\n" in was else text
        return (_MARK if was.startswith(_MARK) else "") + lines


def _plain(contract: Contract) -> str:
    """A promise as YAML, without the comments that nobody kept."""
    import io

    from ruamel.yaml import YAML

    out = io.StringIO()
    YAML(typ="safe").dump(contract.model_dump(mode="json", by_alias=True, exclude_defaults=True), out)
    return out.getvalue()
