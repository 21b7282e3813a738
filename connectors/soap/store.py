"""Where contract bundles are kept: one folder per content, the newest named by a pointer, each with its contract compiled beside it.

The compiled contract is MessagePack and no pickle: reading it can't run anything. It is believed only for the very documents and the very
code that made it; in any doubt the documents are read anew.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from connectors.errors import FixConfiguration
from connectors.soap import bundle as bundle_module
from connectors.soap.bundle import Bundle
from connectors.soap.components import Broken, ComplexType, Contract, Element, Operation, SimpleType
from connectors.soap.wsdl import read

_MADE_BY = ("builtins.py", "bundle.py", "canonical.py", "catalog.py", "components.py", "wsdl.py", "xsd.py", "xmltree.py")


class _Compiled(msgspec.Struct, frozen=True):
    made_by: str
    digest: str
    simple: dict[str, SimpleType]
    complex: dict[str, ComplexType]
    elements: dict[str, Element]
    operations: dict[str, Operation]
    broken: dict[str, Broken]
    declared: str


class Flat(msgspec.Struct, frozen=True):
    """What is known of the one document that says what a bundle's many say.

    ``digest`` is the bundle's, ``sha256`` the one document's, empty where the server has none that says the same; ``at`` is the server's
    time of the comparison (ISO 8601, UTC).
    """

    digest: str
    sha256: str
    at: str


@dataclass(frozen=True)
class Store:
    """Bundles of any number of WSDLs under one folder."""

    folder: Path

    def keep(self, bundle: Bundle, contract: Contract) -> None:
        """Make this the bundle that ``find`` gives for its WSDL. What was kept before stays for review."""
        target = bundle.save(self.folder)
        if not (target / "compiled.msgpack").exists():
            _write(target / "compiled.msgpack", _encoded(bundle, contract))
        _write(self._pointer(bundle.entry), target.name.encode())

    def find(self, wsdl: str) -> tuple[Bundle, Contract] | None:
        """The bundle last kept for a WSDL, with its contract; None when there is none. Raises FixConfiguration for a copy that was changed."""
        try:
            name = self._pointer(wsdl).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        folder = self.folder / Path(name).name
        bundle = bundle_module.load(folder)
        if bundle.entry != wsdl or bundle.digest[:16] != folder.name:
            raise FixConfiguration("soap.bundle_changed", document=wsdl, folder=folder.name)
        contract = _decoded(folder / "compiled.msgpack", bundle)
        if contract is None:
            contract = read(bundle)
            _write(folder / "compiled.msgpack", _encoded(bundle, contract))
        return bundle, contract

    def flat(self, wsdl: str) -> Flat | None:
        """What was last noted of a WSDL's one-document form; None where nothing was, or nothing legible."""
        try:
            return msgspec.json.decode(self._pointer(wsdl).with_suffix(".flat").read_bytes(), type=Flat)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def note(self, wsdl: str, flat: Flat) -> None:
        """Make this what ``flat`` gives for a WSDL whose bundle is kept."""
        _write(self._pointer(wsdl).with_suffix(".flat"), msgspec.json.encode(flat))

    def _pointer(self, wsdl: str) -> Path:
        return self.folder / f"{hashlib.sha256(wsdl.encode()).hexdigest()[:16]}.current"


def _encoded(bundle: Bundle, contract: Contract) -> bytes:
    simple = {name: kind for name, kind in contract.types.items() if isinstance(kind, SimpleType)}
    complex_ = {name: kind for name, kind in contract.types.items() if isinstance(kind, ComplexType)}
    parts = (simple, complex_, dict(contract.elements), dict(contract.operations), dict(contract.broken), contract.declared)
    return msgspec.msgpack.encode(_Compiled(_code(), bundle.digest, *parts))


def _decoded(path: Path, bundle: Bundle) -> Contract | None:
    try:
        made = msgspec.msgpack.decode(path.read_bytes(), type=_Compiled)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    if made.made_by != _code() or made.digest != bundle.digest:
        return None
    return Contract({**made.simple, **made.complex}, made.elements, made.operations, made.broken, made.declared)


@cache
def _code() -> str:
    """A digest of the code that turns documents into components: what another version compiled is not believed."""
    here = Path(__file__).parent
    return hashlib.sha256(b"\0".join((here / name).read_bytes() for name in _MADE_BY)).hexdigest()


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing: another process may read at any moment."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as target:
            target.write(content)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
