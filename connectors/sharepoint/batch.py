"""Graph's ``$batch``: up to 20 reads in one round trip, each paid, throttled and answered by itself. Saves round trips, no resource units.

Rules: Microsoft Graph, "JSON batching": the outer 200 says nothing of the parts, which come in any order; a part that was throttled is
asked again with the others of its kind only, after the longest pause that any of them named.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, cast

import httpx

from connectors.errors import BrokenReply
from connectors.sharepoint.client import Api, Json, classify, parsed, refusal
from connectors.transport import Again

_MOST = 20


def read_many(api: Api, urls: Iterable[str]) -> Iterator[tuple[str, httpx.Response]]:
    """Each of these addresses (relative to the API's root, query included) with its reply, in no order. A repeated one is asked once.

    The reply's status is the caller's to judge (``refusal``). A single address is asked without a batch. Raises SourceUnavailable for parts
    that stay throttled, BrokenReply for an answer that leaves a part out, and what ``Api.response`` raises for the batch itself.
    """
    for some in batches(dict.fromkeys(urls)):
        if len(some) == 1:
            yield some[0], api.transport.send("GET", some[0])
        else:
            yield from _answered(api, some)


def batches(of: Iterable[str]) -> Iterator[list[str]]:
    """As many at a time as one batch takes, in order."""
    rest = iter(of)
    while some := list(islice(rest, _MOST)):
        yield some


def _answered(api: Api, urls: Sequence[str]) -> Iterator[tuple[str, httpx.Response]]:
    left = list(urls)
    attempt = 0
    while left:
        attempt += 1
        again: list[tuple[str, Again]] = []
        for url, reply in _exchange(api, left):
            verdict = classify(reply)
            if verdict is None:
                yield url, reply
            else:
                again.append((url, verdict))
        left = [url for url, _ in again]
        if left:
            named = [one.after for _, one in again if one.after is not None]
            longest = Again(again[0][1].reason, max(named, default=None), shared=any(one.shared for _, one in again))
            api.transport.wait(longest, attempt, "POST", "$batch")


def _exchange(api: Api, urls: Sequence[str]) -> Iterator[tuple[str, httpx.Response]]:
    """One batch and every part's reply. Whatever order they come in, each is told by its number."""
    transport = api.transport
    if transport.gate is not None:
        for url in urls:
            transport.gate.enter("GET", url)
    parts = [{"id": str(number), "method": "GET", "url": f"/{url}"} for number, url in enumerate(urls)]
    # A batch of reads does no harm when it is sent again.
    outer = transport.send("POST", "$batch", json={"requests": parts}, idempotent=True)
    if outer.status_code >= 400:
        raise refusal(outer)
    found = parsed(outer).get("responses")
    if not isinstance(found, list):
        raise _broken(api, "a batch's answer without responses")
    replies = {str(one.get("id")): one for one in cast("list[Json]", found)}
    if replies.keys() != {part["id"] for part in parts} or len(replies) != len(cast("list[Json]", found)):
        raise _broken(api, "a batch's answer with other parts than were asked")
    for number, url in enumerate(urls):
        reply = _reply(api, url, replies[str(number)])
        if transport.gate is not None:
            transport.gate.heard(reply)
        yield url, reply


def _reply(api: Api, url: str, part: Json) -> httpx.Response:
    """A part as the reply it would have been alone."""
    status, said = part.get("status"), part.get("headers") or {}
    if not isinstance(status, int) or not isinstance(said, dict):
        raise _broken(api, "a part of a batch without status")
    headers = {str(name): str(value) for name, value in cast("Mapping[str, Any]", said).items()}
    request = httpx.Request("GET", api.address(url))
    return httpx.Response(status, headers=headers, content=json.dumps(part.get("body")).encode(), request=request)


def _broken(api: Api, what: str) -> BrokenReply:
    return BrokenReply("sharepoint.not_json", host=api.transport.endpoint, what=what)
