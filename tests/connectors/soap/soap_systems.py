"""Whole systems on a real socket, for the samples of docs/guides/soap-systems: a sample is read as a project, and its system answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree

from connectors.protocol import Connector, Page, Stream, Window
from connectors.soap.connector import SoapConnector
from pipelines.project import Project, load

SAMPLES = Path(__file__).parents[3] / "docs" / "guides" / "soap-systems"
WIRE = Path(__file__).parent / "systems"
#: What the WSDLs in WIRE name as their host.
HOST = "https://erp.example"
Leaf = tuple[str, str]


@dataclass(frozen=True)
class Asked:
    """One request as the system saw it."""

    path: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def root(self) -> ElementTree.Element:
        return ElementTree.fromstring(self.content)

    @property
    def body(self) -> list[Leaf]:
        """Every attribute and every childless element of the Body, in order: its path of local names from the Body's child on, and its text."""
        return _leaves(self._part("Body")[0])

    @property
    def header(self) -> list[Leaf]:
        return [leaf for child in self._part("Header") for leaf in _leaves(child)]

    def _part(self, name: str) -> list[ElementTree.Element]:
        return [child for part in self.root if _local(part.tag) == name for child in part]

    def text(self, name: str) -> str | None:
        """The text of the first element of this local name, None where there is none."""
        return next((node.text or "" for node in self.root.iter() if _local(node.tag) == name), None)

    @property
    def called(self) -> str:
        """The local name of the Body's child."""
        return _local(self._part("Body")[0].tag)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _leaves(node: ElementTree.Element, above: str = "") -> list[Leaf]:
    path = f"{above}/{_local(node.tag)}" if above else _local(node.tag)
    found = [(f"{path}@{_local(name)}", value) for name, value in node.attrib.items()]
    for child in node:
        found += _leaves(child, path)
    return found if len(node) else [*found, (path, (node.text or "").strip())]


@dataclass(frozen=True)
class Said:
    """An answer with more than a status."""

    content: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


#: A file of WIRE by name or its bytes, also with a status.
Answer = str | bytes | tuple[int, str | bytes] | Said


@dataclass
class System:
    """Serves ``wsdl`` (a file of WIRE) and answers each request with what ``answer`` makes of it. ``asked`` holds all requests."""

    wsdl: str
    answer: Callable[[Asked], Answer]
    asked: list[Asked] = field(default_factory=list[Asked])
    url: str = ""

    def served(self, path: str) -> bytes:
        return (WIRE / self.wsdl).read_bytes().replace(HOST.encode(), self.url.encode())

    def reply(self, asked: Asked) -> Said:
        self.asked.append(asked)
        made = self.answer(asked)
        if isinstance(made, Said):
            return made
        status, content = made if isinstance(made, tuple) else (200, made)
        return Said(content if isinstance(content, bytes) else (WIRE / content).read_bytes(), status)

    @property
    def calls(self) -> list[str]:
        return [one.called for one in self.asked]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    system: ClassVar[System]

    def do_GET(self) -> None:
        self._send(Said(self.system.served(self.path)))

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self._send(self.system.reply(Asked(self.path, dict(self.headers), content)))

    def _send(self, said: Said) -> None:
        self.send_response(said.status)
        for name, value in {"Content-Type": "text/xml; charset=utf-8", **said.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said.content)))
        self.end_headers()
        self.wfile.write(said.content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def running(wsdl: str, answer: Callable[[Asked], Answer]) -> Generator[System]:
    """The system on a free port of this machine."""
    system = System(wsdl, answer)
    handler = type("Handler", (_Handler,), {"system": system})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    system.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield system
    finally:
        server.shutdown()
        server.server_close()


def project(sample: str, system: System, folder: Path) -> Project:
    """The sample as a project: its first document is a part of project.yaml, each further one a contract. Every variable it names is set:
    those that end in ``_WSDL``, ``_ENDPOINT`` and ``_URL`` lead to the system, the others have ``its-NAME`` as value.
    """
    first, *contracts = (SAMPLES / f"{sample}.yaml").read_text(encoding="utf-8").split("\n---\n")
    (folder / "contracts").mkdir(parents=True)
    names = {word.partition("}")[0].strip() for word in first.split("{env:")[1:]}
    addresses = {
        name: f"{system.url}/service{'?wsdl' if name.endswith('_WSDL') else ''}"
        for name in names
        if name.endswith(("_WSDL", "_ENDPOINT", "_URL"))
    }
    values = {name: f"its-{name}" for name in names} | addresses
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")
    (folder / "project.yaml").write_text(f"name: sample\nenvironment: sandbox\nenv_file: .env\n{first}\n", encoding="utf-8")
    for text in contracts:
        stream = next(line for line in text.splitlines() if line.startswith("stream:")).removeprefix("stream:").strip()
        path = folder / "contracts" / f"{stream}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return load(folder)


@dataclass
class Sample:
    """A sample's connector and one of its streams."""

    connector: Connector
    stream: Stream

    def pages(self, window: Window | None = None) -> list[Page]:
        return list(self.connector.pull(self.stream, window or Window()))

    def rows(self, window: Window | None = None) -> list[dict[str, Any]]:
        """The rows, by column. None may be held."""
        pages = self.pages(window)
        assert [reject.reason for page in pages for reject in page.rejects] == []
        names = [column.name for column in self.stream.columns]
        return [row for page in pages for row in page.rows.select(names).to_pylist()]


@contextmanager
def sample(name: str, stream: str, system: System, folder: Path) -> Generator[Sample]:
    """The stream of a sample, connected to a running system."""
    read = project(name, system, folder / name)
    contract = read.contract(stream)
    connector = read.connect(contract.system)
    assert isinstance(connector, SoapConnector) and connector.endpoint.split()[0] == system.url
    try:
        yield Sample(connector, contract.told())
    finally:
        connector.close()


@contextmanager
def answered(wsdl: str, answer: Answer, name: str, stream: str, folder: Path) -> Generator[Sample]:
    """The stream of a sample whose system gives one answer to whatever it is asked."""
    with running(wsdl, lambda _: answer) as system, sample(name, stream, system, folder) as found:
        yield found
