"""A client certificate through the SOAP client: it opens the system that asks for one, and no other host is shown it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from certificates import PASSWORD, served_by, written
from soap_fake import SCHEMA, WSDL, part, reply, stream
from soap_wire import SCHEMA_PATH, WSDL_PATH, Exchange, erp

from connectors.errors import FixConfiguration, SourceUnavailable
from connectors.protocol import Window
from connectors.soap.client import SoapClient
from connectors.soap.config import source_spec
from connectors.soap.pull import pages
from connectors.transport import TransportOptions


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("certificates")
    written(made)
    return made


class Guests:
    """Answers everybody, and notes who showed a certificate, by the name in it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def __call__(self, exchange: Exchange, body: bytes) -> None:
        shown: Any = exchange.connection.getpeercert()
        name = dict(pair for part_of in shown["subject"] for pair in part_of).get("commonName", "") if shown else ""
        self.seen.append((exchange.command, name))
        exchange.say(reply(part("A")) if exchange.command == "POST" else exchange.server.documents[exchange.path].encode())


def options(folder: Path) -> TransportOptions:
    return TransportOptions(attempts=1, ca_file=folder / "ca.pem")


def pulled(client: SoapClient) -> list[str]:
    one = stream(paging={"kind": "none"}, arguments={"setSize": 1})
    found = pages(client, one, source_spec(one.id, one.source), Window(), None, "s")
    return [code for page in found for code in page.rows.column("code").to_pylist()]


def certificate(folder: Path) -> dict[str, Any]:
    return {"certificate": {"file": str(folder / "client.pfx"), "password": PASSWORD}}


def test_a_system_that_asks_for_a_certificate_is_read_with_it_and_shut_without(folder: Path) -> None:
    guests = Guests()
    with erp(guests, tls=served_by(folder, ssl.CERT_REQUIRED)) as server:
        server.on_get = guests
        client = server.client(options(folder), auth=certificate(folder))
        assert pulled(client) == ["A"]
        client.close()
        assert set(guests.seen) == {("GET", "client"), ("POST", "client")}
        bare = server.client(options(folder))
        with pytest.raises((SourceUnavailable, FixConfiguration)):
            pulled(bare)
        bare.close()


def test_a_host_that_only_serves_schemas_asks_for_the_certificate_and_is_not_shown_it(folder: Path) -> None:
    guests, others = Guests(), Guests()
    asking = served_by(folder, ssl.CERT_OPTIONAL)
    with erp(others, {SCHEMA_PATH: SCHEMA}, tls=asking) as schemas:
        schemas.on_get = others
        elsewhere = WSDL.replace('schemaLocation="Parts?xsd=parts.xsd"', f'schemaLocation="{schemas.url}{SCHEMA_PATH}"')
        with erp(guests, {WSDL_PATH: elsewhere}, tls=served_by(folder, ssl.CERT_REQUIRED)) as server:
            server.on_get = guests
            client = server.client(options(folder), auth=certificate(folder), hosts=[schemas.url.removeprefix("https://")])
            assert pulled(client) == ["A"]
            client.close()
    assert others.seen == [("GET", "")] and {name for _, name in guests.seen} == {"client"}


def test_a_token_server_is_not_shown_the_certificate_of_the_system(folder: Path) -> None:
    guests, tokens = Guests(), list[str]()

    def token(exchange: Exchange, body: bytes) -> None:
        tokens.append(str(exchange.connection.getpeercert() or "none"))  # type: ignore[attr-defined]  # a socket of TLS
        exchange.say(b'{"access_token": "token-1-abcdefgh", "token_type": "bearer"}', kind="application/json")

    with erp(token, tls=served_by(folder, ssl.CERT_OPTIONAL)) as login, erp(guests, tls=served_by(folder, ssl.CERT_REQUIRED)) as server:
        oauth2 = {"token_url": f"{login.url}/token", "client_id": "fortnight", "client_secret": "client-secret-1"}
        client = server.client(options(folder), auth={**certificate(folder), "oauth2": oauth2})
        assert pulled(client) == ["A"]
        client.close()
    assert tokens == ["none"] and guests.seen == [("POST", "client")]
