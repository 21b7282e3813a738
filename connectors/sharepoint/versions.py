"""How much a library's files take with all their versions, asked of a few files: two units each, so never of all.

Source: Microsoft Graph v1.0, driveItem: list versions. The present version is among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from connectors.capabilities import Weight
from connectors.sharepoint.batch import read_many
from connectors.sharepoint.client import Api, parsed, refusal
from connectors.sharepoint.places import Place


def weigh(graph: Api, place: Place, keys: Sequence[str]) -> Iterator[Weight]:
    """See ``WeighsVersions.weigh``; a key is a drive item's id. Raises what ``Api.response`` raises."""
    urls = {f"drives/{place.id}/items/{quote(key, safe='!')}/versions?$select=id,size": key for key in keys}
    for url, reply in read_many(graph, urls):
        if reply.status_code in (400, 404):
            continue  # gone, or a package, which has no versions of its own
        if reply.status_code >= 400:
            raise refusal(reply)
        sizes = [int(one.get("size") or 0) for one in graph.listed(parsed(reply))]
        yield Weight(urls[url], len(sizes), sum(sizes))
