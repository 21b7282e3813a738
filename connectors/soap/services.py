"""The WSDLs of one system: the client of each, made when it is first asked for, and what all of them say together.

An ERP is rarely one contract: Dynamics NAV has a WSDL a page, SAP ByDesign one an interface, Dolibarr one a module. They are one system,
with one budget of calls; each may have an address and credentials of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlsplit

import httpx

from connectors.errors import AccessRefused, FixConfiguration, SourceError
from connectors.messages import Said, told
from connectors.soap import discover, pull
from connectors.soap.client import SoapClient
from connectors.soap.config import MAIN, Config, SourceSpec
from connectors.soap.guess import guess_source
from connectors.soap.pace import Pace
from connectors.soap.wsdl import in_words
from connectors.transport import TransportOptions, origin_of

#: A probe's name, whether it passed, and what it found.
Probe = tuple[str, bool, str]


class Services:
    """All services of one system by name; ``MAIN`` is the system's own WSDL. ``handler`` replaces the sockets in tests."""

    def __init__(self, config: Config, options: TransportOptions, handler: httpx.BaseTransport | None = None) -> None:
        self._config, self._options, self._handler = config, options, handler
        self._pace = Pace(config.budget)
        self._clients: dict[str, SoapClient] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return (MAIN, *self._config.services)

    def client(self, name: str, *, stream: str) -> SoapClient:
        """Raises FixConfiguration for a service that the system has not, naming those it has."""
        if name not in self.names:
            known = ", ".join(self._config.services) or "-"
            raise FixConfiguration("soap.service_unknown", stream=stream, service=name, known=known)
        if name not in self._clients:
            self._clients[name] = SoapClient(self._config.of(name), self._options, self._handler, self._pace)
        return self._clients[name]

    def all(self) -> Iterator[tuple[str, SoapClient]]:
        """Every service in the order of project.yaml, the main one first."""
        for name in self.names:
            yield name, self.client(name, stream="-")

    def used(self) -> tuple[SoapClient, ...]:
        """Those asked for so far, or the main one: a service that nobody reads here must not stop who reads another."""
        return tuple(self._clients.values()) or (self.client(MAIN, stream="-"),)

    @property
    def endpoint(self) -> str:
        """The origins of all services, each once, those among them that a login may lead to: evidence counts for exactly these."""
        configs = [self._config.of(name) for name in self.names]
        urls = [url for one in configs for url in (one.wsdl, one.endpoint, *_led_to(one)) if url]
        return " ".join(dict.fromkeys(origin_of(url) for url in urls))

    @property
    def sandbox(self) -> bool:
        return any(client.sandbox for client in self._clients.values())

    @property
    def server_time(self) -> datetime | None:
        """The earliest of what the services asked so far say it is; None where none says."""
        times = [time for client in self._clients.values() if (time := client.server_time)]
        return min(times) if times else None

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def check(self) -> tuple[bool, list[Probe]]:
        """Reads every contract, and asks one counting operation where there is one: a WSDL is often readable without any right."""
        good, probes = True, list[Probe]()
        for name, client in self.all():
            passed, found = _check(client)
            good = good and passed
            probes += [
                (told("soap.probe.of", service=name, probe=probe), ok, text) if name else (probe, ok, text) for probe, ok, text in found
            ]
        return good, probes


def _led_to(config: Config) -> Iterator[str]:
    for host in config.auth.login.hosts if config.auth.login else ():
        yield f"{urlsplit(config.wsdl).scheme}://{host}"


def _check(client: SoapClient) -> tuple[bool, list[Probe]]:
    probes: list[Probe] = []
    try:
        contract = client.contract(refresh=True)
        listed = sum(1 for one in discover.shapes(contract) if one.rows)
        probes.append((told("soap.probe.contract"), True, told("soap.probe.operations", count=len(contract.operations), listed=listed)))
        # Shown, and no failure: nobody may want it, and who does is told when a stream of it is described.
        broken = sorted(contract.broken.items())
        probes += [(told("soap.probe.operation", name=name), True, told("soap.probe.left_out", why=in_words(why))) for name, why in broken]
        probes.append(_credentials(client))
    except (SourceError, FixConfiguration) as error:
        refused = isinstance(error, AccessRefused)
        what = told("soap.probe.refused" if refused else "soap.probe.contract")
        return False, [*probes, (what, False, Said(error.say, error.code, error.exit_code))]
    return True, probes


def _credentials(client: SoapClient) -> Probe:
    contract = client.contract()
    for name in sorted(contract.operations):
        source = guess_source(contract, contract.operations[name])
        if source and "count" in source:
            found = pull.count(client, SourceSpec.model_validate(source))
            return told("soap.probe.credentials"), True, told("soap.probe.counted", operation=source["count"]["operation"], count=found)
    if client.begin():
        return told("soap.probe.credentials"), True, told("soap.probe.session")
    return told("soap.probe.credentials"), True, told("soap.probe.not_proven")
