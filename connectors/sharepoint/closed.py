"""What says that a site, or a library or list of it, is closed to us now: locked, archived, taken away, or not granted any more.

Graph and REST answer 423, 404 and 403 then. What refuses the token (401) says nothing about a site, and is not meant here.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from connectors.errors import AccessRefused, AddressUnknown, Locked, SourceError, Withdrawn

_CLOSED = frozenset({403, 404, 423})


def is_closed(error: SourceError) -> bool:
    """Whether the error is such an answer. A site that is not found by its path is one, too."""
    return error.params.get("status") in _CLOSED or error.code == "sharepoint.site_unknown"


def reason(error: SourceError) -> str:
    """The answer in short: status and the vendor's code."""
    return f"{error.params.get('status', 404)} {error.params.get('error_code', '')}".strip()


@contextmanager
def closing() -> Generator[None]:
    """Raises such an answer as what it means for the whole stream: the same error, as a ``Closed`` one."""
    try:
        yield
    except AddressUnknown as error:
        if not is_closed(error):
            raise
        raise Withdrawn(error.code, **error.params) from error
    except AccessRefused as error:
        if not is_closed(error):
            raise
        raise Locked(error.code, **error.params) from error
