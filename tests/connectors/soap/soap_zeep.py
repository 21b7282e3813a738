"""zeep as a second opinion: a reply as its strict mode reads it, from the same contract and the same bytes, and nothing fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import requests
import zeep
from zeep.exceptions import Error
from zeep.helpers import serialize_object


class Documents(zeep.Transport):
    """Loads what it was given, by the end of a URL."""

    def __init__(self, documents: Mapping[str, bytes]) -> None:
        super().__init__()
        self._documents = documents

    def load(self, url: str) -> bytes:
        return next(content for end, content in self._documents.items() if url.endswith(end))


def reader(documents: Mapping[str, bytes], operation: str) -> Callable[[bytes], Any]:
    """Reads replies of one operation as plain values. The first document is the WSDL. An answer that zeep refuses is its Error."""
    client: Any = zeep.Client(next(iter(documents)), transport=Documents(documents), settings=zeep.Settings(strict=True))  # pyright: ignore[reportCallIssue]
    binding: Any = client.service._binding

    def read(content: bytes) -> Any:
        answer = requests.Response()
        answer.status_code, answer._content = 200, content
        answer.headers["Content-Type"] = "text/xml; charset=utf-8"
        try:
            return serialize_object(binding.process_reply(client, binding.get(operation), answer), dict)
        except Error as error:
            return error

    return read
