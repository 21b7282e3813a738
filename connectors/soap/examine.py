"""What a person should know of a stream before it is pulled: whether its request can be made, what its filters do, and how long SOAP stays."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.errors import BrokenReply
from connectors.messages import Said, joined, told
from connectors.protocol import Stream, Window
from connectors.soap.asking import Asker
from connectors.soap.client import SoapClient
from connectors.soap.config import SourceSpec
from connectors.soap.headers_stated import elsewhere
from connectors.soap.presets import sunset_of
from connectors.soap.probe import probe_arguments, probe_page


def examine(client: SoapClient, stream: Stream, spec: SourceSpec) -> Said:
    """One sentence on a stream. Asks the server for small pages only: where a page can be kept small, and where the contract has arguments
    that could be left out. Raises what a pull would.
    """
    return joined(_said(client, stream, spec), "; ")


def _said(client: SoapClient, stream: Stream, spec: SourceSpec) -> Iterator[Said]:
    # Made, and not sent: a column or an operation that is gone is found here, and so is an element that the request lacks.
    ask = Asker(client, stream, spec, Window(), {}).ask()
    client.prepare(ask.operation, ask.arguments, ask.headers, ask.body)
    yield told("soap.examined", operation=spec.operation, paging=spec.paging.kind)
    for header in elsewhere(client.contract(), ask.operation, client.config.auth, spec.headers):
        yield told("soap.examined.header", name=header.name, sent=header.sent or "-", stated=header.stated or "-")
    found = probe_arguments(client, stream, spec)
    rows = None if found else probe_page(client, stream, spec)
    if spec.expect_nonempty and (rows == 0 or (found and not any(one.with_it or one.without for one in found))):
        raise BrokenReply("soap.unexpectedly_empty", operation=spec.operation, stream=stream.id)
    if rows is not None:
        yield told("soap.examined.answers", rows=rows)
    elif not found:
        yield told("soap.examined.not_asked")
    for one in found:
        if one.verdict == "matches_nothing":
            yield told("soap.examined.argument_nothing", name=one.name, rows=one.without)
        elif one.verdict == "changes_nothing":
            yield told("soap.examined.argument_idle", name=one.name, rows=one.with_it)
    if spec.changed_since is not None and stream.cursor is not None and client.tells_no_time:
        yield told("soap.examined.no_date")
    if (sunset := sunset_of(stream.source)) is not None:
        yield told("soap.examined.sunset", release=sunset.release, date=sunset.date.isoformat())
