"""A WSDL in many documents whose server has one that says the same: what is asked for then, and when that one is no longer believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
import pytest

from connectors.protocol import Stream
from connectors.soap.config import Config
from connectors.soap.connector import SoapConnector
from connectors.soap.served import flat_of
from connectors.transport import TransportOptions
from infra.sandbox.erp.kikan.pages import ENTITIES
from infra.sandbox.erp.kikan.wsdl import flat, schemas, wsdl

HERE = "https://erp.sakura-seiki.example/erp/SakuraErp.svc"
DAY = "Sat, 21 Nov 2026 {:02}:00:00 GMT"
ITEMS = Stream(
    "erp", "items", {"operation": "ReadMultipleItems", "rows": "ReadMultiple_Result/Item", "paging": {"kind": "none"}}, ("No",), ()
)


class Server:
    """The sandbox's documents without its socket. ``flats`` says how it answers when asked for one document."""

    def __init__(self, state: Path) -> None:
        self.entities = {entity.key: entity for entity in ENTITIES}
        self.asked: list[str] = []
        self.options = TransportOptions(state=state, attempts=1)
        self.date: str | None = DAY.format(0)
        self.flats = "as WCF"
        self.suffix = ""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = request.url.query.decode()
        self.asked.append(query)
        text = self._document(query)
        headers = {"Content-Type": "text/xml", **({"Date": self.date} if self.date else {})}
        return httpx.Response(404 if text is None else 200, content=(text or "").encode(), headers=headers)

    def _document(self, query: str) -> str | None:
        if query == "wsdl":
            return wsdl(self.entities, HERE, HERE, self.suffix)
        if query == "singleWsdl":
            if self.flats == "as WCF":
                return flat(self.entities, HERE, HERE, self.suffix)
            if self.flats == "another":
                return flat(self.entities, HERE, HERE, ":other")
            # NuSOAP gives its WSDL whatever the question is.
            return wsdl(self.entities, HERE, HERE, self.suffix) if self.flats == "the WSDL again" else None
        return schemas(self.entities).get(dict(parse_qsl(query)).get("xsd", ""))

    def described(self) -> list[str]:
        """What a connector made anew asks to describe the stream."""
        self.asked.clear()
        config = Config.model_validate({"wsdl": f"{HERE}?wsdl"})
        connector = SoapConnector("erp", config, self.options, httpx.MockTransport(self))
        self.found = connector.describe(ITEMS)
        connector.close()
        return list(self.asked)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    yield Server(tmp_path)


def test_an_unchanged_interface_takes_one_request(server: Server) -> None:
    first = server.described()
    before = server.found
    assert len(first) > 2 and first[-1] == "singleWsdl"
    assert server.described() == ["singleWsdl"]
    assert server.found == before


def test_a_changed_interface_is_read_whole_and_then_takes_one_request_again(server: Server) -> None:
    server.described()
    before = server.found
    server.suffix = ":v2"
    asked = server.described()
    assert asked[0] == "singleWsdl" and "wsdl" in asked
    assert server.found != before and server.described() == ["singleWsdl"]


def test_every_document_is_read_once_a_day(server: Server) -> None:
    server.described()
    server.date = DAY.format(23)
    assert server.described() == ["singleWsdl"]
    server.date = "Sun, 22 Nov 2026 00:00:00 GMT"
    assert "wsdl" in server.described()


@pytest.mark.parametrize("flats", ["none", "another", "the WSDL again"])
def test_a_server_without_a_document_that_says_the_same_is_read_whole_every_time(server: Server, flats: str) -> None:
    server.flats = flats
    assert "singleWsdl" in server.described()
    asked = server.described()
    assert "wsdl" in asked and "singleWsdl" not in asked


def test_a_one_document_form_that_goes_away_is_not_missed(server: Server) -> None:
    server.described()
    server.flats, server.suffix = "none", ":v2"
    before = server.found
    assert "wsdl" in server.described() and server.found != before


def test_a_server_without_a_clock_is_read_whole_every_time(server: Server) -> None:
    server.date = None
    assert "singleWsdl" not in [*server.described(), *server.described()]


def test_what_was_noted_and_is_illegible_counts_for_nothing(server: Server, tmp_path: Path) -> None:
    server.described()
    next(tmp_path.rglob("*.flat")).write_text("{")
    assert "wsdl" in server.described()


def test_a_kept_copy_that_somebody_changed_is_not_believed(server: Server, tmp_path: Path) -> None:
    server.described()
    next(tmp_path.rglob("0000.xml")).write_text("<changed/>")
    assert "wsdl" in server.described()


@pytest.mark.parametrize(
    ("wsdl", "flat"),
    [
        ("https://erp.example/S.svc?wsdl", "https://erp.example/S.svc?singleWsdl"),
        ("https://erp.example/S.svc?WSDL", "https://erp.example/S.svc?singleWsdl"),
        ("https://erp.example/S.svc?singleWsdl", None),
        ("https://erp.example/S.wsdl", None),
        ("https://erp.example/S?wsdl=1", None),
    ],
)
def test_only_an_address_of_that_shape_has_such_a_form(wsdl: str, flat: str | None) -> None:
    assert flat_of(wsdl) == flat
