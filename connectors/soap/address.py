"""Where requests may go: what makes two URLs one place, and the hosts that a person listed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

_PORTS = {"http": 80, "https": 443}
#: Scheme, host and port.
Origin = tuple[str, str, int]


def origin(url: str) -> Origin:
    """The origin of a URL (RFC 6454 §4). Raises ValueError for a port that is none."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)


def within(url: str, home: str, hosts: Collection[str]) -> bool:
    """Whether a URL that a server names lies at the home's origin or on one of the listed hosts, in the home's own scheme."""
    try:
        parts = urlsplit(url)
        here, there = origin(home), origin(url)
    except ValueError:
        return False
    return "@" not in parts.netloc and (there == here or (there[0] == here[0] and parts.netloc.lower() in hosts))


def _http(value: str) -> str:
    if urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname:
        raise ValueError("must be an http or https URL")
    if "@" in urlsplit(value).netloc:
        raise ValueError("must not hold credentials; put them under auth")
    return value


def _host(value: str) -> str:
    if urlsplit("//" + value).netloc != value or "@" in value or not value:
        raise ValueError(f"{value} is no host name; write it without a scheme and a path")
    return value.lower()


#: An http or https URL without credentials in it.
HttpUrl = Annotated[str, AfterValidator(_http)]
#: ``name`` or ``name:port``.
Host = Annotated[str, AfterValidator(_host)]
