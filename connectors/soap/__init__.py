"""SOAP ERPs: read by contract, from the WSDL's own types, with every reply judged before a row of it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.protocol import Connector
    from connectors.soap.config import Config
    from connectors.transport import TransportOptions


def connect(system: str, config: Config, options: TransportOptions) -> Connector:
    """A connector for one SOAP endpoint. Nothing is fetched until it is asked something."""
    from connectors.soap.connector import SoapConnector

    return SoapConnector(system, config, options)
