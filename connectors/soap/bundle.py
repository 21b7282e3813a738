"""The closure of a WSDL: every document it imports, fetched through a confined resolver, with its sha256."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from connectors.errors import BrokenReply, FixConfiguration
from connectors.soap import catalog
from connectors.soap.xmltree import BrokenXml, Node, UnsafeXml, parse, space

WSDL = "http://schemas.xmlsoap.org/wsdl/"
XSD = "http://www.w3.org/2001/XMLSchema"
#: Namespaces that contracts import without saying where they lie; no document is fetched for them.
WELL_KNOWN = catalog.NAMESPACES | {XSD, WSDL, "http://schemas.xmlsoap.org/wsdl/soap/", "http://www.w3.org/2003/05/soap-encoding"}
MAX_DOCUMENT = 16 * 1024 * 1024
MAX_TOTAL = 64 * 1024 * 1024
MAX_DOCUMENTS = 300
MAX_DEPTH = 16

#: Gives the bytes and media type of a URL; the caller's transport holds the credentials and caps the size.
Fetch = Callable[[str], tuple[bytes, str]]


@dataclass(frozen=True)
class Document:
    """One WSDL or XSD as it was served. ``root`` is read when first asked for: who has the compiled contract never asks."""

    url: str
    sha256: str
    media_type: str
    content: bytes

    @cached_property
    def root(self) -> Node:
        """The document's element. Raises BrokenReply for what is no WSDL 1.1 and no XML Schema."""
        try:
            root = parse(self.content)
        except (BrokenXml, UnsafeXml) as error:
            raise BrokenReply("soap.wsdl_unreadable", wsdl=self.url, why=str(error)) from error
        if space(root.tag) not in (WSDL, XSD):
            raise BrokenReply("soap.wsdl_unreadable", wsdl=self.url, why="it is neither a WSDL 1.1 document nor an XML Schema")
        return root


@dataclass(frozen=True)
class Bundle:
    """``entry`` is the WSDL's URL; ``documents`` begin with it. ``hosts`` are other hosts that imports were allowed to name."""

    entry: str
    documents: tuple[Document, ...]
    hosts: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over every document's URL and content."""
        return hashlib.sha256("\n".join(f"{one.url} {one.sha256}" for one in self.documents).encode()).hexdigest()

    def at(self, document: str, reference: str) -> str:
        """The URL that ``reference`` inside ``document`` means."""
        return confined(self.entry, document, reference, self.hosts)

    def get(self, url: str) -> Document | None:
        return next((document for document in self.documents if document.url == url), None)

    def save(self, folder: Path) -> Path:
        """Write the documents and ``bundle.json`` into a folder of its own under ``folder``, named by content. Returns that folder."""
        target = folder / self.digest[:16]
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
            described = {"entry": self.entry, "hosts": list(self.hosts), "documents": listing}
            (work / "bundle.json").write_text(json.dumps(described, indent=2), encoding="utf-8")
            try:
                os.rename(work, target)
            except OSError:
                # Another process wrote the same content first; content names the folder, so theirs is as good.
                if not target.exists():
                    raise
        return target


def load(folder: Path) -> Bundle:
    """A bundle that ``save`` wrote. A document whose bytes changed since, or a listing that can't be read, raises FixConfiguration."""
    try:
        listing = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        documents: list[Document] = []
        for entry in listing["documents"]:
            content = (folder / Path(entry["file"]).name).read_bytes()
            if hashlib.sha256(content).hexdigest() != entry["sha256"]:
                raise FixConfiguration("soap.bundle_changed", document=entry["url"], folder=folder.name)
            documents.append(Document(entry["url"], entry["sha256"], entry["media_type"], content))
        return Bundle(listing["entry"], tuple(documents), tuple(listing.get("hosts", ())))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FixConfiguration("soap.bundle_changed", document="bundle.json", folder=folder.name) from error


def fetch(entry: str, get: Fetch, hosts: tuple[str, ...] = ()) -> Bundle:
    """Read ``entry`` and all it imports, from its own host and those in ``hosts``.

    Raises BrokenReply for what is no contract, FixConfiguration for an import that is refused.
    """
    documents: dict[str, Document] = {}
    todo: list[tuple[str, int]] = [(entry, 0)]
    total = 0
    wanted: set[str] = set()
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
        document = documents[url] = Document(url, hashlib.sha256(content).hexdigest(), media_type, content)
        todo.extend((confined(entry, url, reference, hosts), depth + 1) for _, reference in references(document.root))
        wanted |= _from_catalog(document.root)
    own = {document.root.attributes.get("targetNamespace") for document in documents.values()}
    for namespace in sorted(wanted - own):
        content = catalog.shipped(namespace)
        url = catalog.url_of(namespace)
        documents[url] = Document(url, hashlib.sha256(content).hexdigest(), "application/xml", content)
    return Bundle(entry, tuple(documents.values()), hosts)


def _from_catalog(root: Node) -> set[str]:
    """Namespaces of the catalog that a document imports, or whose names it may use without importing them."""
    found: set[str] = set()
    todo = [root]
    while todo:
        node = todo.pop()
        if node.tag == f"{{{XSD}}}import":
            found.add(node.attributes.get("namespace", ""))
        elif node.tag == f"{{{XSD}}}schema" and catalog.ENCODING in node.namespaces.values():
            found.add(catalog.ENCODING)
        todo.extend(node.children)
    return found & catalog.NAMESPACES


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


def confined(entry: str, document: str, reference: str, hosts: tuple[str, ...] = ()) -> str:
    """The URL of an import, or FixConfiguration where it names a host that is not allowed, another scheme, or climbs above the folder."""
    url = urljoin(document, reference).partition("#")[0]
    home, there = urlsplit(entry), urlsplit(url)
    elsewhere = (there.scheme, there.hostname, there.port) != (home.scheme, home.hostname, home.port)
    allowed = there.netloc.lower() in hosts and there.scheme == home.scheme
    if (elsewhere and not allowed) or there.username or there.password:
        raise FixConfiguration("soap.import_refused", document=document, reference=reference, why="it lies on another host or scheme")
    folder = urlsplit(document if elsewhere else entry).path.rpartition("/")[0] + "/"
    if elsewhere and urlsplit(document).netloc != there.netloc:
        return url
    climbs = ".." in unquote(unquote(reference)).replace("\\", "/").split("?")[0].split("/")
    if climbs and (".." in unquote(unquote(there.path)).split("/") or not there.path.startswith(folder)):
        raise FixConfiguration("soap.import_refused", document=document, reference=reference, why="it climbs out of the contract's folder")
    return url
