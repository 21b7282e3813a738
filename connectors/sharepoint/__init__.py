"""SharePoint: libraries, lists and pages through Microsoft Graph, permissions through SharePoint REST."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.protocol import Connector
    from connectors.sharepoint.config import Config
    from connectors.transport import TransportOptions


def connect(system: str, config: Config, options: TransportOptions) -> Connector:
    """A connector for the system called ``system``. Nothing is asked of the tenant yet."""
    from connectors.sharepoint.connector import SharePoint

    return SharePoint(system, config, options)
