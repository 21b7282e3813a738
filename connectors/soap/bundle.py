"""The closure of a WSDL: every document it imports, fetched through a confined resolver, with its sha256."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from connectors.errors import BrokenReply, FixConfiguration
from connectors.soap.xmltree import BrokenXml, Node, UnsafeXml, parse, space

WSDL = "http://schemas.xmlsoap.org/wsdl/"
XSD = "http://www.w3.org/2001/XMLSchema"
#: Namespaces that contracts import without saying where they lie; no document is fetched for them.
WELL_KNOWN = frozenset(
    {
        XSD,
        WSDL,
        "http://www.w3.org/XML/1998/namespace",
        "http://schemas.xmlsoap.org/soap/encoding/",
        "http://schemas.xmlsoap.org/wsdl/soap/",
        "http://www.w3.org/2003/05/soap-encoding",
    }
)
MAX_DOCUMENT = 16 * 1024 * 1024
MAX_TOTAL = 64 * 1024 * 1024
MAX_DOCUMENTS = 300
MAX_DEPTH = 16

#: Gives the bytes and media type of a URL; the caller's transport holds the credentials and caps the size.
Fetch = Callable[[str], tuple[bytes, str]]


@dataclass(frozen=True)
class Document:
    """One WSDL or XSD as it was served."""

    url: str
    sha256: str
    media_type: str
    content: bytes
    root: Node


@dataclass(frozen=True)
class Bundle:
    """``entry`` is the WSDL's URL; ``documents`` begin with it."""

    entry: str
    documents: tuple[Document, ...]

    def get(self, url: str) -> Document | None:
        return next((document for document in self.documents if document.url == url), None)

    def save(self, folder: Path) -> Path:
        """Write the documents and ``bundle.json`` into a folder of its own under ``folder``, named by content. Returns that folder."""
        digest = hashlib.sha256("\n".join(f"{d.url} {d.sha256}" for d in self.documents).encode()).hexdigest()
        target = folder / digest[:16]
        if target.exists():
            return target
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            work = Path(scratch) / "bundle"
            work.mkdir()
            names = [f"{n:04}.xml" for n in range(len(self.documents))]
            for name, document in zip(names, self.documents, strict=True):
                (work / name).write_bytes(document.content)
            listing = [
                {"file": name, "url": d.url, "sha256": d.sha256, "media_type": d.media_type}
                for name, d in zip(names, self.documents, strict=True)
            ]
            (work / "bundle.json").write_text(json.dumps({"entry": self.entry, "documents": listing}, indent=2), encoding="utf-8")
            try:
                os.rename(work, target)
            except OSError:
                # Another process wrote the same content first; content names the folder, so theirs is as good.
                if not target.exists():
                    raise
        return target


def load(folder: Path) -> Bundle:
    """A bundle that ``save`` wrote. A document whose bytes changed since raises FixConfiguration."""
    listing = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    documents: list[Document] = []
    for entry in listing["documents"]:
        content = (folder / Path(entry["file"]).name).read_bytes()
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise FixConfiguration("soap.bundle_changed", document=entry["url"], folder=folder.name)
        documents.append(_document(entry["url"], content, entry["media_type"]))
    return Bundle(listing["entry"], tuple(documents))


def fetch(entry: str, get: Fetch) -> Bundle:
    """Read ``entry`` and all it imports. Raises BrokenReply for what is no contract, FixConfiguration for an import that is refused."""
    documents: dict[str, Document] = {}
    todo: list[tuple[str, int]] = [(entry, 0)]
    total = 0
    while todo:
        url, depth = todo.pop(0)
        if url in documents:
            continue
        if depth > MAX_DEPTH or len(documents) >= MAX_DOCUMENTS:
            raise FixConfiguration("soap.contract_too_large", wsdl=entry, limit=f"{MAX_DOCUMENTS} documents, {MAX_DEPTH} imports deep")
        content, media_type = get(url)
        total += len(content)
        if total > MAX_TOTAL:
            raise FixConfiguration("soap.contract_too_large", wsdl=entry, limit=f"{MAX_TOTAL} bytes")
        document = _document(url, content, media_type)
        documents[url] = document
        todo.extend((confined(entry, url, reference), depth + 1) for _, reference in references(document.root))
    return Bundle(entry, tuple(documents.values()))


def references(root: Node) -> Iterator[tuple[Node, str]]:
    """Every element under ``root`` that names another document, with the location it names."""
    todo = [root]
    while todo:
        node = todo.pop()
        location: str | None = None
        if node.tag == f"{{{WSDL}}}import":
            location = node.attributes.get("location")
        elif node.tag in (f"{{{XSD}}}import", f"{{{XSD}}}include", f"{{{XSD}}}redefine"):
            location = node.attributes.get("schemaLocation")
            if node.tag.endswith("import") and node.attributes.get("namespace") in WELL_KNOWN:
                location = None
        if location:
            yield node, location
        todo.extend(reversed(node.children))


def confined(entry: str, document: str, reference: str) -> str:
    """The URL of an import, or FixConfiguration where it names another origin, another scheme, or climbs above the entry's folder."""
    url = urljoin(document, reference).partition("#")[0]
    home, there = urlsplit(entry), urlsplit(url)
    if (there.scheme, there.hostname, there.port) != (home.scheme, home.hostname, home.port) or there.username or there.password:
        raise FixConfiguration("soap.import_refused", document=document, reference=reference, why="it lies on another host or scheme")
    folder = home.path.rpartition("/")[0] + "/"
    climbs = ".." in unquote(unquote(reference)).replace("\\", "/").split("?")[0].split("/")
    if climbs and (".." in unquote(unquote(there.path)).split("/") or not there.path.startswith(folder)):
        raise FixConfiguration("soap.import_refused", document=document, reference=reference, why="it climbs out of the contract's folder")
    return url


def _document(url: str, content: bytes, media_type: str) -> Document:
    try:
        root = parse(content)
    except (BrokenXml, UnsafeXml) as error:
        raise BrokenReply("soap.wsdl_unreadable", wsdl=url, why=str(error)) from error
    if space(root.tag) not in (WSDL, XSD):
        raise BrokenReply("soap.wsdl_unreadable", wsdl=url, why="it is neither a WSDL 1.1 document nor an XML Schema")
    return Document(url, hashlib.sha256(content).hexdigest(), media_type, content, root)
