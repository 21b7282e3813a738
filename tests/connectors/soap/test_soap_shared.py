"""A run's streams share a service's interface and its list of roles; another run asks again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pyarrow as pa
from soap_fake import EMPTY, WSDL_URL, Fake, part, reply, stream

from connectors.protocol import Column, Stream, Window
from connectors.readings import Readings
from connectors.soap.config import Config
from connectors.soap.connector import SoapConnector
from connectors.transport import TransportOptions

AT = datetime(2026, 11, 21, tzinfo=UTC)
BUYER, SELLER = part("buyer", "<Grade>A</Grade>"), part("seller", "<Grade>B</Grade>")


def listing(*parts: str) -> Fake:
    """A service whose one page of roles is followed by an empty one."""

    def answer(request: httpx.Request) -> httpx.Response:
        first = b"<ns0:bookmarkKey>k-" not in request.content
        return httpx.Response(200, content=reply(*parts) if first else EMPTY, headers={"Content-Type": "text/xml"})

    return Fake(answer)


def opened(fake: Fake, now: datetime = AT) -> SoapConnector:
    config = Config.model_validate({"wsdl": WSDL_URL})
    options = TransportOptions(attempts=1, readings=Readings(lambda: now))
    return SoapConnector("erp", config, options, httpx.MockTransport(fake))


def ruled(name: str, entity: str, **more: Any) -> Stream:
    listed = {"operation": "ReadParts", "role": "Code", "entity": "Key", "login": "Grade", "is": entity, **more}
    return replace(stream(access=listed), name=name)


def roles(one: SoapConnector, told: Stream) -> list[str]:
    return [role for scope in one.access(told).scopes for role in scope.principals]


def test_streams_with_one_list_of_roles_have_it_asked_for_once_and_each_takes_its_own_of_it() -> None:
    fake = listing(BUYER, SELLER)
    one = opened(fake)
    first, second = ruled("a", "k-buyer"), ruled("b", "k-seller")
    assert (roles(one, first), roles(one, second)) == (["role:erp:buyer"], ["role:erp:seller"])
    alone = len(fake.asked)
    assert roles(opened(listing(BUYER, SELLER)), second) == ["role:erp:seller"]
    roles(one, first)
    assert len(fake.asked) == alone
    roles(one, ruled("c", "k-buyer", login="Code"))
    assert len(fake.asked) > alone, "a list read by other names is another one"


def test_the_interface_is_fetched_once_a_run_and_anew_by_the_next() -> None:
    fake = listing(BUYER, SELLER)
    one = opened(fake)
    assert one.describe(ruled("a", "k-buyer")) == one.describe(ruled("b", "k-seller"))
    assert fake.fetched.count(WSDL_URL) == 1
    opened(fake).describe(ruled("a", "k-buyer"))
    assert fake.fetched.count(WSDL_URL) == 2


def test_roles_that_changed_are_seen_by_the_next_run() -> None:
    fake = listing(BUYER, SELLER)
    told = ruled("a", "k-buyer")
    one = opened(fake)
    assert roles(one, told)
    fake.answers[:] = listing(SELLER).answers
    assert roles(one, told) and not roles(opened(fake), told)


def test_of_a_server_that_tells_no_time_what_one_stream_showed_says_nothing_of_the_next() -> None:
    """Dates of the first lie ahead: the second, which was not read yet, would go on from there."""
    one = opened(Fake(reply(part("A", "<Modified>2036-11-01T09:00:00Z</Modified>")), EMPTY))
    first = stream(Column("modified", "Modified", pa.timestamp("us", "UTC")), cursor="modified")
    one.describe(first)
    list(one.pull(first, Window()))
    assert one.watermark() == datetime(2036, 11, 1, 9, tzinfo=UTC)
    one.describe(replace(first, name="b"))
    assert one.watermark() == datetime(1970, 1, 1, tzinfo=UTC)
