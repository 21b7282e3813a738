"""The HTTP stack: what is tried again, how long it waits, when it gives up, and what it never lets out. Over real sockets where that matters."""

from __future__ import annotations

import base64
import gzip
import http.server
import logging
import random
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import AccessRefused, BrokenReply, FixConfiguration, FortnightError, SourceUnavailable
from connectors.transport import Again, Transport, TransportOptions, retry_after
from connectors.trust import trust

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
TOKEN = "s3kr3t-tōken/+9Xq"
Answer = httpx.Response | httpx.TransportError | Callable[[], httpx.Response]


class Line:
    """A source that gives these answers one after another, the last one for ever, and the sleeps the transport took in between."""

    def __init__(self, *answers: Answer, **options: object) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []
        self.transport = Transport(
            "https://src.example",
            handler=httpx.MockTransport(self._answer),
            sleep=self.slept.append,
            rng=random.Random(7),
            **options,  # type: ignore[arg-type]
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, httpx.TransportError):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer()


def busy(status: int = 503, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def fine() -> httpx.Response:
    return httpx.Response(200, text="ok")


# --- how long it waits --------------------------------------------------------------------------------------------------------


def test_retry_after_in_seconds_is_waited_exactly() -> None:
    line = Line(busy(429, Retry_After="7"), fine())
    assert line.transport.send("GET", "/a").text == "ok"
    assert line.slept == [7.0]


def test_retry_after_as_a_date_is_measured_against_the_sources_own_clock() -> None:
    line = Line(busy(Retry_After="Fri, 20 Nov 2026 03:00:12 GMT", Date="Fri, 20 Nov 2026 03:00:00 GMT"), fine())
    line.transport.send("GET", "/a")
    assert line.slept == [12.0]


def test_retry_after_as_a_date_without_a_date_header_is_measured_against_ours() -> None:
    assert retry_after(busy(Retry_After="Sat, 21 Nov 2026 03:00:30 GMT"), now=NOW) == 30.0
    assert retry_after(busy(Retry_After="Sat, 21 Nov 2026 02:00:00 GMT"), now=NOW) == 0.0, "a date that is over means now"
    assert retry_after(busy(Retry_After="Sat, 21 Nov 2026 03:00:30 -0000"), now=NOW) == 30.0, "a zone of -0000 is still UTC"


def test_the_longer_of_retry_after_and_ratelimit_reset_is_waited() -> None:
    line = Line(busy(429, Retry_After="2", RateLimit_Reset="9"), fine())
    line.transport.send("GET", "/a")
    assert line.slept == [9.0]


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40))
def test_no_retry_after_however_mad_breaks_the_client(said: str) -> None:
    wait = retry_after(
        httpx.Response(503, headers=[(b"Retry-After", said.encode("latin-1")), (b"RateLimit-Reset", said.encode("latin-1"))]), now=NOW
    )
    assert wait is None or 0 <= wait <= 1e9


def test_without_a_named_wait_the_backoff_doubles_with_full_jitter_and_is_capped() -> None:
    line = Line(busy(), options=TransportOptions(attempts=12, max_wait=5.0))
    with pytest.raises(SourceUnavailable):
        line.transport.send("GET", "/a")
    ceilings = [min(5.0, 0.25 * 2**attempt) for attempt in range(1, 12)]
    assert len(line.slept) == 11, "no sleep after the last attempt"
    assert all(0 <= pause <= ceiling for pause, ceiling in zip(line.slept, ceilings, strict=True))
    assert len(set(line.slept)) == 11, "jittered, so that many clients do not come back together"


def test_a_wait_longer_than_the_cap_gives_up_at_once_and_says_how_long_the_source_asked_for() -> None:
    line = Line(busy(429, Retry_After="3600"), fine())
    with pytest.raises(SourceUnavailable) as caught:
        line.transport.send("GET", "/a")
    assert caught.value.retry_after == 3600.0
    assert line.slept == [] and len(line.requests) == 1


# --- a gate that several transports share ------------------------------------------------------------------------------------------


class Told:
    """A gate that lets everything through and keeps what it was told, in order."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def enter(self, method: str, url: str) -> None:
        self.said.append(f"enter {method} {httpx.URL(url).path}")

    def heard(self, response: httpx.Response) -> None:
        self.said.append(f"heard {response.status_code}")

    def hold(self, seconds: float) -> None:
        self.said.append(f"hold {seconds:g}")


@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_that_is_everybodys_goes_to_the_gate_and_is_not_slept_by_one_alone(status: int) -> None:
    gate = Told()
    line = Line(busy(status, Retry_After="7", RateLimit_Reset="12"), fine(), gate=gate)
    assert line.transport.send("GET", "/a").text == "ok"
    assert gate.said == ["enter GET /a", f"heard {status}", "hold 12", "enter GET /a", "heard 200"]
    assert line.slept == []


def test_a_pause_nobody_named_is_held_with_backoff_and_jitter() -> None:
    gate = Told()
    line = Line(busy(429), gate=gate, options=TransportOptions(attempts=12, max_wait=5.0))
    with pytest.raises(SourceUnavailable):
        line.transport.send("GET", "/a")
    held = [float(one.removeprefix("hold ")) for one in gate.said if one.startswith("hold")]
    assert len(held) == 12 and len(set(held)) == 12, "the last failure, after which we give up, holds the others, too"
    assert all(0 <= pause <= min(5.0, 0.25 * 2**attempt) for attempt, pause in enumerate(held, start=1))


def test_a_pause_too_long_to_wait_for_is_held_before_we_give_up() -> None:
    gate = Told()
    line = Line(busy(429, Retry_After="3600"), gate=gate)
    with pytest.raises(SourceUnavailable):
        line.transport.send("GET", "/a")
    assert gate.said[-1] == "hold 3600"


def test_a_gateway_that_failed_once_holds_nobody_else() -> None:
    gate = Told()
    line = Line(busy(502, Retry_After="2"), httpx.ConnectError("refused"), fine(), gate=gate)
    line.transport.send("GET", "/a")
    assert line.slept[0] == 2.0 and len(line.slept) == 2
    assert [one for one in gate.said if one.startswith("hold")] == []


def test_a_stream_passes_the_gate_before_each_attempt_and_a_redirect_passes_it_again() -> None:
    gate = Told()
    line = Line(busy(503, Retry_After="3"), httpx.Response(302, headers={"Location": "/there"}), fine(), gate=gate)
    with line.transport.stream("GET", "/file", follow=True) as response:
        assert response.read() == b"ok"
    assert gate.said == ["enter GET /file", "heard 503", "hold 3", "enter GET /file", "heard 302", "enter GET /there", "heard 200"]


def test_nothing_that_was_let_through_waits_for_a_slot_behind_a_reply_that_would_have_stopped_it() -> None:
    gate, asked = Told(), threading.Event()

    def slow() -> httpx.Response:
        asked.set()
        threading.Event().wait(0.1)  # time for the second request to come to the slot
        return busy(429, Retry_After="9")

    line = Line(slow, fine(), gate=gate, options=TransportOptions(concurrency=1, attempts=1))

    def second() -> None:
        asked.wait()
        line.transport.send("GET", "/second")

    thread = threading.Thread(target=second)
    thread.start()
    with pytest.raises(SourceUnavailable):
        line.transport.send("GET", "/first")
    thread.join()
    assert gate.said == ["enter GET /first", "heard 429", "hold 9", "enter GET /second", "heard 200"]


def test_a_gate_that_says_no_gives_the_slot_back() -> None:
    class Shut(Told):
        def enter(self, method: str, url: str) -> None:
            raise SourceUnavailable("source.unavailable", host="h", reason="r", attempts=0)

    line = Line(fine(), gate=Shut(), options=TransportOptions(concurrency=1))
    for _ in range(3):
        with pytest.raises(SourceUnavailable):
            line.transport.send("GET", "/a")
        with pytest.raises(SourceUnavailable), line.transport.stream("GET", "/a"):
            pass
    assert line.requests == []


# --- what is tried again ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_a_busy_source_is_asked_again(status: int) -> None:
    line = Line(busy(status), fine())
    assert line.transport.send("GET", "/a").status_code == 200
    assert line.transport.calls == 2


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 403, 404, 500, 501])
def test_every_other_status_is_the_callers_to_read(status: int) -> None:
    line = Line(busy(status))
    assert line.transport.send("GET", "/a").status_code == status
    assert len(line.requests) == 1


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut"), httpx.PoolTimeout("")]
)
def test_a_connection_that_fails_is_tried_again(error: httpx.TransportError) -> None:
    line = Line(error, fine())
    assert line.transport.send("GET", "/a").text == "ok"


def test_a_post_is_sent_once_unless_its_caller_says_that_repeating_it_does_no_harm() -> None:
    for failure in (busy(503), httpx.ReadTimeout("slow")):
        line = Line(failure, fine())
        with pytest.raises(SourceUnavailable):
            line.transport.send("POST", "/orders", json={})
        assert len(line.requests) == 1
    line = Line(busy(503), fine())
    assert line.transport.send("POST", "/query", json={}, idempotent=True).text == "ok"


def test_after_the_last_attempt_the_error_names_host_reason_and_attempts() -> None:
    line = Line(busy(503), options=TransportOptions(attempts=3))
    with pytest.raises(SourceUnavailable) as caught:
        line.transport.send("GET", "/a")
    assert len(line.requests) == 3
    assert caught.value.params | {} == {"host": "src.example", "reason": "HTTP 503", "attempts": 3}
    assert "src.example" in caught.value.say("ja") and "503" in caught.value.say("ja")
    assert caught.value.exit_code == 3


def test_what_a_verdict_raises_passes_through_and_gives_the_slot_back() -> None:
    def refuse(_: httpx.Response) -> Again | None:
        raise AccessRefused("kintone.login_refused", host="h")

    line = Line(busy(401), options=TransportOptions(concurrency=1))
    for _ in range(3):
        with pytest.raises(AccessRefused):
            line.transport.send("GET", "/a", classify=refuse)
        with pytest.raises(AccessRefused), line.transport.stream("GET", "/a", classify=refuse):
            pass


def test_a_reply_that_cannot_be_unpacked_is_a_source_error_and_no_crash() -> None:
    def garbled() -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"not gzip at all"))

    line = Line(garbled)
    with pytest.raises(SourceUnavailable):
        line.transport.send("GET", "/a")
    assert len(line.requests) == line.transport.options.attempts


def test_redirects_are_not_followed_by_send() -> None:
    line = Line(httpx.Response(302, headers={"Location": "https://elsewhere.example/"}))
    assert line.transport.send("GET", "/a").status_code == 302
    assert len(line.requests) == 1


# --- what cannot work ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "",
        "kintone",
        "ftp://src.example",
        "https://",
        "http://[::1",
        "https://src.example:port",
        "https://src\n.example",
        "file:///etc/passwd",
    ],
)
def test_an_unusable_url_is_a_configuration_error_that_shows_it(url: str) -> None:
    with pytest.raises(FixConfiguration) as caught:
        Transport(url)
    assert caught.value.code == "transport.bad_url" and caught.value.exit_code == 2


def test_credentials_in_a_url_show_neither_in_errors_nor_in_the_endpoint() -> None:
    with pytest.raises(FixConfiguration) as caught:
        Transport("ftp://user:hunter2222@src.example")
    assert "hunter2222" not in str(caught.value)
    transport = Transport("https://user:hunter2222@src.example:8443")
    assert (transport.host, transport.endpoint) == ("src.example:8443", "https://src.example:8443")


@pytest.mark.parametrize("credential", ["ｔｏｋｅｎ", "tok\nen", "tok\ren"])
def test_a_credential_that_no_header_can_carry_is_a_configuration_error_without_its_text(credential: str) -> None:
    with serving(lambda handler: reply(handler, b"ok")) as url, pytest.raises(FixConfiguration) as caught:
        Transport(url, secrets=[credential], options=TransportOptions(attempts=1)).send(
            "GET", "/a", headers={"X-Cybozu-API-Token": credential}
        )
    assert caught.value.code == "transport.bad_header"
    assert credential not in str(caught.value) and repr(credential)[1:-1] not in str(caught.value)


def test_a_missing_ca_file_is_a_configuration_error(tmp_path: Path) -> None:
    for content in (None, b"not a certificate"):
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(FixConfiguration) as caught:
            Transport("https://src.example", options=TransportOptions(ca_file=path))
        assert caught.value.code == "transport.ca_file" and str(path) in str(caught.value)


def test_a_certificate_nobody_here_trusts_is_a_configuration_error_and_is_not_tried_again(tmp_path: Path) -> None:
    with serving(lambda handler: reply(handler, b"ok"), certificate=self_signed(tmp_path)) as url:
        transport = Transport(url, sleep=never)
        with pytest.raises(FixConfiguration) as caught:
            transport.send("GET", "/a")
        with pytest.raises(FixConfiguration), transport.stream("GET", "/a"):
            pass
        assert caught.value.code == "transport.tls"
        trusted = Transport(url, options=TransportOptions(ca_file=tmp_path / "cert.pem"))
        assert trusted.send("GET", "/a").text == "ok"


def test_whom_tls_trusts_is_read_once_and_anew_when_the_ca_file_is_another(tmp_path: Path) -> None:
    with serving(lambda handler: reply(handler, b"ok"), certificate=self_signed(tmp_path)) as url:
        right, given = tmp_path / "cert.pem", tmp_path / "given.pem"
        options = TransportOptions(ca_file=given)
        (tmp_path / "other").mkdir()
        given.write_bytes(self_signed(tmp_path / "other")[0].read_bytes())
        with pytest.raises(FixConfiguration):
            Transport(url, options=options, sleep=never).send("GET", "/a")
        right.replace(given)
        assert Transport(url, options=options).send("GET", "/a").text == "ok"
        assert trust(given, None) is trust(given, None)
        given.unlink()
        with pytest.raises(FixConfiguration):
            Transport(url, options=options)


def test_https_to_a_port_that_speaks_plain_http_is_a_configuration_error() -> None:
    with serving(lambda handler: reply(handler, b"ok")) as url, pytest.raises(FixConfiguration) as caught:
        Transport(url.replace("http://", "https://"), sleep=never).send("GET", "/a")
    assert caught.value.code == "transport.tls"


def test_a_port_where_nobody_listens_is_unavailable_after_all_attempts() -> None:
    slept: list[float] = []
    with pytest.raises(SourceUnavailable) as caught:
        Transport(f"http://127.0.0.1:{free_port()}", sleep=slept.append, options=TransportOptions(attempts=3)).send("GET", "/a")
    assert caught.value.params["attempts"] == 3 and len(slept) == 2


# --- streams ------------------------------------------------------------------------------------------------------------------


def test_a_stream_is_asked_again_until_its_first_good_answer() -> None:
    line = Line(busy(503, Retry_After="3"), httpx.ReadTimeout("slow"), fine())
    with line.transport.stream("GET", "/file") as response:
        assert response.read() == b"ok"
    assert line.slept[0] == 3.0 and len(line.requests) == 3


def test_a_body_that_breaks_off_is_said_to_have_broken_off_and_is_not_begun_again() -> None:
    asked: list[str] = []

    def cut(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        handler.wfile.write(b"x" * 5000)

    with serving(cut) as url:
        transport = Transport(url, sleep=never)
        with pytest.raises(SourceUnavailable) as caught, transport.stream("GET", "/file") as response:
            for _ in response.iter_bytes():
                pass
        assert caught.value.code == "source.cut"
        assert asked == ["/file"]
        with pytest.raises(SourceUnavailable) as whole:
            Transport(url, sleep=lambda _: None, options=TransportOptions(attempts=2)).send("GET", "/page")
        assert whole.value.code == "source.unavailable", "send keeps nothing of a half reply and asks again"
        assert asked.count("/page") == 2


def test_a_packed_body_that_breaks_inside_is_said_to_have_broken_off() -> None:
    packed = gzip.compress(b"y" * 10_000)[:10] + b"\xff" * 50
    line = Line(httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(packed)))
    with pytest.raises(SourceUnavailable) as caught, line.transport.stream("GET", "/file") as response:
        response.read()
    assert caught.value.code == "source.cut"


def test_a_verdict_that_reads_an_error_body_which_breaks_off_leads_to_another_attempt() -> None:
    class Broken(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b'{"code": '
            raise httpx.ReadError("cut")

    def explain(response: httpx.Response) -> Again | None:
        if response.status_code == 500:
            response.read()
        return None

    line = Line(httpx.Response(500, stream=Broken()), fine())
    with line.transport.stream("GET", "/file", classify=explain) as response:
        assert response.read() == b"ok"


def test_an_error_of_the_reader_passes_through_and_gives_the_slot_back() -> None:
    line = Line(fine(), options=TransportOptions(concurrency=1))
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), line.transport.stream("GET", "/file"):
            raise ZeroDivisionError
    assert line.transport.send("GET", "/a").text == "ok"


def test_following_a_redirect_to_another_origin_takes_no_authorization_along() -> None:
    seen: list[tuple[str, str | None]] = []

    def far(handler: http.server.BaseHTTPRequestHandler) -> None:
        seen.append(("far", handler.headers.get("Authorization")))
        reply(handler, b"bytes")

    with serving(far) as elsewhere:

        def near(handler: http.server.BaseHTTPRequestHandler) -> None:
            seen.append(("near", handler.headers.get("Authorization")))
            handler.send_response(302)
            # By name, not by number: another host as well as another port.
            handler.send_header("Location", elsewhere.replace("127.0.0.1", "localhost") + "/content?tempauth=abc")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        with serving(near) as url:
            transport = Transport(url, headers={"Authorization": f"Bearer {TOKEN.encode('ascii', 'replace').decode()}"})
            with transport.stream("GET", "/item/content", follow=True) as response:
                assert response.read() == b"bytes"
    assert [place for place, _ in seen] == ["near", "far"]
    assert seen[0][1] is not None and seen[1][1] is None


def test_redirects_without_an_end_are_a_source_error() -> None:
    line = Line(httpx.Response(302, headers={"Location": "/again"}), options=TransportOptions(attempts=1))
    with pytest.raises(SourceUnavailable), line.transport.stream("GET", "/a", follow=True):
        pass


# --- concurrency --------------------------------------------------------------------------------------------------------------


def test_never_more_requests_are_under_way_than_the_cap_allows() -> None:
    under_way, most, lock = 0, 0, threading.Lock()
    together = threading.Event()

    def count(handler: http.server.BaseHTTPRequestHandler) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
            if under_way == 3:
                together.set()
        together.wait(5)
        with lock:
            under_way -= 1
        reply(handler, b"ok")

    with serving(count) as url:
        transport = Transport(url, options=TransportOptions(concurrency=3))

        def ask(number: int) -> None:
            if number % 2:
                transport.send("GET", f"/{number}")
            else:
                with transport.stream("GET", f"/{number}") as response:
                    response.read()

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(15)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        transport.close()
    assert transport.calls == 15
    assert most == 3


def test_a_walk_without_an_end_ends_at_the_budget_retries_included() -> None:
    line = Line(busy(), fine(), options=TransportOptions(budget=4))
    for _ in range(3):
        assert line.transport.send("GET", "/page").status_code == 200
    with pytest.raises(SourceUnavailable) as caught:
        line.transport.send("GET", "/page")
    assert caught.value.code == "transport.budget" and len(line.requests) == 4
    assert "calls_per_run" in caught.value.say("en") and "src.example" in caught.value.say("ja")
    with pytest.raises(SourceUnavailable), line.transport.stream("GET", "/file"):
        pass


def test_a_reply_without_measure_is_broken_off_and_a_packed_one_is_measured_unpacked() -> None:
    bomb = httpx.Response(200, content=gzip.compress(b"0" * 3_000_000), headers={"Content-Encoding": "gzip"})
    with pytest.raises(BrokenReply) as caught:
        Line(lambda: bomb, options=TransportOptions(largest_reply=1_000_000)).transport.send("GET", "/page")
    assert caught.value.code == "transport.too_large"
    small = httpx.Response(200, content=gzip.compress("受注".encode()), headers={"Content-Encoding": "gzip", "X-Kept": "1"})
    reply = Line(small).transport.send("GET", "/page")
    assert (reply.text, reply.headers["X-Kept"], "content-encoding" in reply.headers) == ("受注", "1", False)


def test_a_waiting_request_does_not_hold_a_slot() -> None:
    line: Line
    inner: list[str] = []

    def meanwhile(_: float) -> None:
        inner.append(line.transport.send("GET", "/other").text)

    line = Line(busy(503), fine(), options=TransportOptions(concurrency=1))
    line.transport._sleep = meanwhile
    assert line.transport.send("GET", "/a").text == "ok"
    assert inner == ["ok"]


# --- what it learns and what it never says --------------------------------------------------------------------------------------


def test_the_sandbox_header_and_the_sources_clock_are_remembered() -> None:
    line = Line(httpx.Response(200, headers={"Date": "Sat, 21 Nov 2026 03:00:00 GMT", "X-Fortnight-Sandbox": "1"}), fine())
    assert not line.transport.sandbox and line.transport.server_time is None
    line.transport.send("GET", "/a")
    line.transport.send("GET", "/a")
    assert line.transport.sandbox and line.transport.server_time == NOW


@pytest.mark.parametrize("said", ["yesterday", "Sat, 99 Nov 2026 03:00:00 GMT", ""])
def test_a_date_header_that_is_no_date_is_passed_over(said: str) -> None:
    line = Line(httpx.Response(200, headers={"Date": said}))
    line.transport.send("GET", "/a")
    assert line.transport.server_time is None


def test_a_date_header_without_a_zone_is_utc_and_not_this_machines_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        line = Line(httpx.Response(200, headers={"Date": "Sat, 21 Nov 2026 03:00:00 -0000"}))
        line.transport.send("GET", "/a")
        assert line.transport.server_time == NOW
    finally:
        monkeypatch.undo()
        time.tzset()


def test_every_request_has_an_id_of_its_own() -> None:
    line = Line(busy(503), fine())
    line.transport.send("GET", "/a")
    ids = [request.headers["client-request-id"] for request in line.requests]
    assert len(set(ids)) == 2


def test_no_secret_shows_in_log_lines_or_errors(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    forms = [
        TOKEN,
        base64.b64encode(TOKEN.encode()).decode(),
        base64.b64encode(f"user:{TOKEN}".encode()).decode(),
        str(httpx.QueryParams({"t": TOKEN}))[2:],
    ]
    for form in forms:
        line = Line(httpx.ConnectError(f"cannot reach https://src.example/a?token={form} with {form}"), secrets=[TOKEN])
        with pytest.raises(FortnightError) as caught:
            line.transport.send("GET", f"/files/{form}", params={"access_token": form}, headers={"X-Note": "x"})
        shown = "\n".join([str(caught.value), caught.value.say("ja"), repr(caught.value.params), repr(line.transport), caplog.text])
        assert "waiting" in caplog.text, "the retries were logged"
        for hidden in (form, TOKEN):
            assert hidden not in shown
        assert middle_of(form) not in shown
        caplog.clear()


def test_the_http_librarys_own_log_line_shows_no_download_credential(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="httpx")
    Line(fine()).transport.send("GET", "/content?tempauth=v1.eyJzaXRlaWQiOiJ4&x=1")
    assert "HTTP Request" in caplog.text
    assert "eyJzaXRlaWQiOiJ4" not in caplog.text


# --- servers ------------------------------------------------------------------------------------------------------------------


def middle_of(text: str) -> str:
    return text[len(text) // 2 - 4 : len(text) // 2 + 4]


def never(seconds: float) -> None:
    raise AssertionError(f"slept {seconds} s where nothing should be tried again")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def reply(handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def serving(answer: Callable[[http.server.BaseHTTPRequestHandler], None], certificate: tuple[Path, Path] | None = None) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that turns away from a certificate is what these tests are about."""

    server = Quiet(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def self_signed(folder: Path) -> tuple[Path, Path]:
    import ipaddress
    from datetime import timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return cert_file, key_file
