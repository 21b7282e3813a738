"""A server that is slow is waited for as long as the project says, and not for ever: one that sends a byte now and then passes every
read timeout. Over real sockets; the clock is the test's own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

import pytest
from soap_fake import EMPTY, part, reply, stream
from soap_wire import Exchange, erp

from connectors.errors import SourceUnavailable
from connectors.protocol import Window
from connectors.soap.client import SoapClient
from connectors.soap.config import Config, source_spec
from connectors.soap.pull import pages
from connectors.transport import TransportOptions

WHOLE = reply(part("A"), part("B"))
NEVER_ENDING = 1_000_000


def steps(seconds: float) -> Callable[[], float]:
    """A clock on which so many seconds pass between any two looks at it."""
    ticks = count()
    return lambda: next(ticks) * seconds


def pulled(client: SoapClient) -> list[str]:
    one = stream(paging={"kind": "none"}, arguments={"setSize": 1})
    found = pages(client, one, source_spec(one.id, one.source), Window(), None, "s")
    return [code for page in found for code in page.rows.column("code").to_pylist()]


class Drip:
    """Sends a reply's start and then one space after the other, until the client hangs up. ``left`` says that it did."""

    def __init__(self, start: bytes) -> None:
        self._start = start
        self.left = threading.Event()

    def __call__(self, exchange: Exchange, body: bytes) -> None:
        try:
            exchange.chunk(self._start)
            for _ in range(NEVER_ENDING):
                exchange.chunk(b" ")
        except OSError:
            self.left.set()


@pytest.mark.parametrize("sent", [1, len(WHOLE) // 2, len(WHOLE)])
def test_a_reply_that_drips_is_left_and_the_setting_that_would_have_waited_is_named(sent: int) -> None:
    drip = Drip(WHOLE[:sent])

    def answer(exchange: Exchange, body: bytes) -> None:
        exchange.begin()
        drip(exchange, body)

    with erp(answer) as server:
        client = server.client(clock=steps(1), reply_seconds=50)
        with pytest.raises(SourceUnavailable, match="reply_seconds") as caught:
            pulled(client)
        client.close()
        assert caught.value.code == "soap.too_slow" and drip.left.wait(30)
        assert caught.value.params["operation"] == "ReadParts" and caught.value.params["seconds"] == "50"
        assert len(server.asked) == 1, "what took half an hour is not asked for three times"
        assert "ReadParts" in caught.value.say("ja") and "reply_seconds" in caught.value.say("ja")


def test_the_same_reply_in_as_many_pieces_is_good_where_it_may_take_longer() -> None:
    def answer(exchange: Exchange, body: bytes) -> None:
        exchange.begin()
        for at in range(len(WHOLE)):
            exchange.chunk(WHOLE[at : at + 1])
        exchange.chunk(b"")

    with erp(answer) as server:
        client = server.client(clock=steps(1), reply_seconds=100_000)
        assert pulled(client) == ["A", "B"]
        client.close()


def test_a_refusal_that_drips_is_left_too_though_the_login_reads_it() -> None:
    drip = Drip(b"wait")

    def answer(exchange: Exchange, body: bytes) -> None:
        exchange.begin(401, headers={"WWW-Authenticate": 'Digest realm="erp", qop="auth", nonce="abc"', "Transfer-Encoding": "chunked"})
        drip(exchange, body)

    with erp(answer) as server:
        client = server.client(clock=steps(1), reply_seconds=50, auth={"digest": {"user": "reader", "password": "correct-horse"}})
        with pytest.raises(SourceUnavailable) as caught:
            pulled(client)
        client.close()
        assert caught.value.code == "soap.too_slow" and drip.left.wait(30)


def test_a_contract_that_drips_is_left_too() -> None:
    drip = Drip(b"<w:definitions")

    def special(exchange: Exchange, body: bytes) -> None:
        exchange.begin()
        drip(exchange, body)

    with erp(lambda exchange, body: exchange.say(EMPTY)) as server:
        server.on_get = special
        client = server.client(clock=steps(1), reply_seconds=50)
        with pytest.raises(SourceUnavailable) as caught:
            client.contract()
        client.close()
        assert caught.value.code == "soap.too_slow" and drip.left.wait(30) and caught.value.params["operation"] == "/ws/Parts?wsdl"


@pytest.mark.parametrize("begun", [False, True])
def test_a_silence_that_goes_on_too_long_names_the_setting_that_would_have_waited(begun: bool) -> None:
    heard = threading.Event()

    def answer(exchange: Exchange, body: bytes) -> None:
        if begun:
            exchange.begin()
            exchange.chunk(WHOLE[:100])
        heard.wait(60)

    with erp(answer) as server:
        client = server.client(wait_seconds=0.2)
        with pytest.raises(SourceUnavailable, match="wait_seconds") as caught:
            pulled(client)
        heard.set()
        client.close()
        assert caught.value.code == "soap.silent" and caught.value.params["seconds"] == "0.2"


@pytest.mark.parametrize("setting", ["wait_seconds", "reply_seconds"])
def test_no_time_at_all_is_no_setting(setting: str) -> None:
    with pytest.raises(ValueError, match=setting):
        Config.model_validate({"wsdl": "https://erp.example/ws?wsdl", setting: 0})


def test_other_connectors_are_not_timed_unless_they_ask() -> None:
    assert TransportOptions().reply_time is None
