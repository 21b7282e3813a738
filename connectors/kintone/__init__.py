"""kintone: apps read through the REST API, one stream an app. The work is in the sibling modules; this one only opens the door."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.kintone.config import Config
    from connectors.protocol import Connector
    from connectors.transport import TransportOptions


def connect(system: str, config: Config, options: TransportOptions) -> Connector:
    """A connector to one kintone domain, named ``system`` in the project. Nothing is sent yet."""
    from connectors.kintone.connector import KintoneConnector

    return KintoneConnector(system, config, options)
