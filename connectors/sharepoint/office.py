"""office365-rest-python-client for the certificate REST, its HTTP sent by our own ``Transport``: reads of one site's web, nothing else.

The library maps entities and pages collections; timeouts, retries, throttling, TLS, redaction and the token stay ours. Every read has a
context of its own, so that a failure leaves nothing behind. Its import takes a third of a second and happens in the first read.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

from connectors.errors import BrokenReply
from connectors.sharepoint.client import Api, Json, parsed
from connectors.sharepoint.places import Site

if TYPE_CHECKING:
    import requests
    from office365.runtime.client_object import ClientObject
    from office365.runtime.client_object_collection import ClientObjectCollection
    from office365.runtime.http.request_options import RequestOptions
    from office365.sharepoint.webs.web import Web

#: Unpaged answers have been seen cut off by gateways, so a page size is always asked for.
_PAGE = 100
#: What the library raises over a reply it cannot map; our own errors are none of these and pass through it.
_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError, OSError)


def entity(rest: Api, site: Site, choose: Callable[[Web], ClientObject], *properties: str) -> Json:
    """The properties of one entity of the site's web; ``properties`` narrows them ($select).

    Raises what ``Api.response`` raises, and BrokenReply for an answer that is no entity.
    """
    try:
        asked = choose(_web(rest, site, _Sender(rest, collection=False))).get()
        if properties:
            asked = asked.select(list(properties))
        return cast("Json", asked.execute_query().properties)
    except _UNREADABLE as error:
        raise _broken(rest, error) from error


def entities(rest: Api, site: Site, choose: Callable[[Web], ClientObjectCollection[Any]], key: str) -> Iterator[Json]:
    """The properties of every entity of a collection, over all its pages; ``key`` names what tells one from another.

    Where a full page names no next one the library asks on by ``$skip``. A source that answers this with what it had said before would
    hide the rest, so a repeated key is a BrokenReply. Raises what ``Api.response`` raises, too.
    """
    seen: set[Any] = set()
    try:
        for one in choose(_web(rest, site, _Sender(rest, collection=True))).paged(_PAGE).get().execute_query():
            found = cast("Json", one.properties)
            number = found.get(key)
            if number is None:
                raise BrokenReply("sharepoint.not_json", host=rest.transport.endpoint, what=f"an entity without {key}")
            if number in seen:
                raise BrokenReply("sharepoint.paging_loop", host=rest.transport.endpoint)
            seen.add(number)
            yield found
    except _UNREADABLE as error:
        raise _broken(rest, error) from error


def _web(rest: Api, site: Site, sender: _Sender) -> Web:
    from office365.sharepoint.client_context import ClientContext

    context = ClientContext(f"{rest.resource}{site.path}")
    pending = context.pending_request()
    pending.transport = cast("Any", sender)
    # The library posts for a form digest before its first request, even a read. Reads need none.
    pending.beforeExecute -= pending.ensure_form_digest
    return context.web


def _broken(rest: Api, error: Exception) -> BrokenReply:
    return BrokenReply("sharepoint.not_json", host=rest.transport.endpoint, what=f"an entity that cannot be read ({type(error).__name__})")


class _Sender:
    """What the library takes for its transport (``office365.runtime.transport.base.BaseTransport``, used as far as reads use it).

    ``auth`` being there tells it that requests are signed here: it is given no token, and so keeps and logs none.
    """

    auth = True

    def __init__(self, rest: Api, *, collection: bool) -> None:
        self._rest = rest
        self._collection = collection
        self._asked: set[str] = set()

    def execute(self, request: RequestOptions) -> requests.Response:
        """Send one read. A refusal leaves as our own error, so the library's reading of errors and its retries never come to act."""
        import requests

        if request.method.value != "GET" or request.data is not None:
            raise AssertionError(f"the library wanted to {request.method.value}: this connector only reads")
        url = self._rest.inner(request.url)
        if url in self._asked:
            raise BrokenReply("sharepoint.paging_loop", host=self._rest.transport.endpoint)
        self._asked.add(url)
        reply = self._rest.response(url, headers={"Accept": request.headers["Accept"]})
        # The library takes an answer it does not understand for an empty collection, which would read as "granted to nobody".
        _shown(self._rest, parsed(reply), collection=self._collection)
        found = requests.Response()
        found.status_code, found.url, found.encoding = reply.status_code, url, "utf-8"
        found.headers["Content-Type"] = "application/json"
        found.raw = io.BytesIO(reply.content)
        return found


def _shown(rest: Api, body: Json, *, collection: bool) -> None:
    """BrokenReply unless the body is OData's verbose JSON: ``{"d": {…}}``, or ``{"d": {"results": [{…}]}}`` for a collection."""
    inner = body.get("d")
    results = cast("Json", inner).get("results") if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or (collection and not isinstance(results, list)):
        raise BrokenReply("sharepoint.not_json", host=rest.transport.endpoint, what="JSON without d" + (".results" if collection else ""))
    if collection and not all(isinstance(one, dict) for one in cast("list[Any]", results)):
        raise BrokenReply("sharepoint.not_json", host=rest.transport.endpoint, what="a collection of something else than entities")
