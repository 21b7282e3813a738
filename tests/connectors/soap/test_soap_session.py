"""Systems where a session is begun first: when it is, how every request carries it, when it is begun anew, and where its token never shows.

Over real sockets: the server below believes nobody without a session that it gave.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.sax.saxutils import escape, unescape

import pytest
from soap_fake import EMPTY, NS, SCHEMA, WSDL, envelope, part, reply, stream
from soap_wire import SCHEMA_PATH, WSDL_PATH, Erp, Exchange, erp

from connectors.errors import AccessRefused, BrokenReply, FixConfiguration, FortnightError
from connectors.protocol import Page, Window
from connectors.soap.auth import Auth
from connectors.soap.client import SoapClient
from connectors.soap.config import Config, source_spec
from connectors.soap.pull import pages
from connectors.soap.services import Services
from connectors.transport import TransportOptions

USER, PASSWORD = "integration-user", "correct-horse-電池"
STRING = 'type="xs:string" minOccurs="0"'
DOCUMENTS = {
    SCHEMA_PATH: SCHEMA.replace(
        '<xs:element name="ReadParts">',
        f'<xs:element name="Login"><xs:complexType><xs:sequence><xs:element name="who" {STRING}/><xs:element name="word" {STRING}/>'
        "</xs:sequence></xs:complexType></xs:element>"
        f'<xs:element name="LoginResult"><xs:complexType><xs:sequence><xs:element name="sid" {STRING}/><xs:element name="url" {STRING}/>'
        f'<xs:element name="code" {STRING}/></xs:sequence></xs:complexType></xs:element><xs:element name="ReadParts">',
    ).replace('<xs:element name="setSize"', f'<xs:element name="sessionId" {STRING}/><xs:element name="setSize"'),
    WSDL_PATH: WSDL.replace(
        "<w:portType",
        '<w:message name="LoginIn"><w:part name="parameters" element="p:Login"/></w:message>'
        '<w:message name="LoginOut"><w:part name="parameters" element="p:LoginResult"/></w:message><w:portType',
    )
    .replace(
        "</w:portType>",
        '<w:operation name="Login"><w:input message="t:LoginIn"/><w:output message="t:LoginOut"/></w:operation></w:portType>',
    )
    .replace(
        "</w:binding>",
        '<w:operation name="Login"><s:operation soapAction="" style="document"/><w:input><s:body use="literal"/></w:input>'
        '<w:output><s:body use="literal"/></w:output></w:operation></w:binding>',
    ),
}
LOGIN: dict[str, Any] = {"operation": "Login", "arguments": {"who": USER, "word": PASSWORD}, "token": "sid", "expired": ["INVALID_SESSION"]}
HEADER = {**LOGIN, "as": "header", "name": "SessionHeader/sessionId", "namespace": "urn:session"}
BODY = {**LOGIN, "as": "body", "at": "sessionId"}
COOKIE = {**LOGIN, "as": "cookie", "name": "ASP.NET_SessionId"}


def in_header(exchange: Exchange, body: str) -> str | None:
    found = re.search(r"<\w+:SessionHeader xmlns:(\w+)=\"urn:session\"><\1:sessionId>([^<]+)<", body)
    return unescape(found[2]) if found and body.index("SessionHeader") < body.index(":Body") else None


def in_body(exchange: Exchange, body: str) -> str | None:
    found = re.findall(r"<(?:\w+:)?sessionId>([^<]+)<", body)
    return unescape(found[0]) if len(found) == 1 else None


def in_cookie(exchange: Exchange, body: str) -> str | None:
    found = re.findall(r"ASP\.NET_SessionId=([^;]+)", exchange.headers.get("Cookie", ""))
    return found[0] if len(found) == 1 else None


CARRIED = [(HEADER, in_header), (BODY, in_body), (COOKIE, in_cookie)]


class Sessions:
    """Answers to whoever carries the newest session. ``lasts`` is how many answers a session is good for; ``refuse`` says so otherwise than
    by a fault."""

    def __init__(
        self,
        found: Callable[[Exchange, str], str | None],
        lasts: int = 1000,
        address: str = "",
        sets_cookie: bool = False,
        refuse: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._found, self._lasts, self.address, self._sets_cookie, self._refuse = found, lasts, address, sets_cookie, refuse
        self.tokens: list[str] = []
        self.left = 0
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange, body: bytes) -> None:
        with self._lock:
            text = body.decode()
            if ":Login>" in text or "<Login" in text:
                self._login(exchange, text)
            elif self.tokens and self.left and self._found(exchange, text) == self.tokens[-1]:
                self.left -= 1
                exchange.say(EMPTY if ">k-B<" in text else reply(part("A"), part("B")))
            elif self._refuse is not None:
                self._refuse(exchange)
            else:
                self._fault(exchange, "INVALID_SESSION", f"no session {self._found(exchange, text)}")

    def _login(self, exchange: Exchange, text: str) -> None:
        if f">{USER}<" not in text or f">{PASSWORD}<" not in text:
            self._fault(exchange, "INVALID_LOGIN", f"{PASSWORD} is wrong")
            return
        self.tokens.append(f"session-{len(self.tokens) + 1}-secret/+&")
        self.left = self._lasts
        sid = "" if self._sets_cookie else f"<sid>{escape(self.tokens[-1])}</sid>"
        url = f"<url>{self.address}</url>" if self.address else ""
        # What goes into a cookie has no markup, and no separator of cookies.
        cookie = {"Set-Cookie": f"ASP.NET_SessionId={self.tokens[-1]}; path=/; HttpOnly"} if self._sets_cookie else {}
        exchange.say(envelope(f'<LoginResult xmlns="{NS}">{sid}{url}<code>OK</code></LoginResult>'), headers=cookie)

    def _fault(self, exchange: Exchange, code: str, text: str) -> None:
        exchange.say(envelope(f"<e:Fault><faultcode>s:{code}</faultcode><faultstring>{escape(text)}</faultstring></e:Fault>"), status=500)


def pulled(client: SoapClient, **source: Any) -> list[Page]:
    given: dict[str, Any] = {"paging": {"kind": "none"}, "arguments": {"setSize": 1}}
    one = stream(**{**given, **source})
    return list(pages(client, one, source_spec(one.id, one.source), Window(), None, "s"))


def codes(found: list[Page]) -> list[str]:
    return [code for page in found for code in page.rows.column("code").to_pylist()]


def logins(server: Erp) -> int:
    return sum("Login" in body for _, body in server.asked)


@pytest.mark.parametrize(("login", "found"), CARRIED)
def test_a_session_is_begun_when_it_is_first_needed_and_carried_by_every_request_after(login: dict[str, Any], found: Any) -> None:
    with erp(Sessions(found), DOCUMENTS) as server:
        client = server.client(auth={"login": login})
        client.contract()
        assert not server.asked
        assert codes(pulled(client)) == ["A", "B"] and codes(pulled(client)) == ["A", "B"]
        client.close()
        assert logins(server) == 1 and len(server.asked) == 3


@pytest.mark.parametrize(("login", "found"), CARRIED)
def test_a_session_that_is_over_is_begun_anew_once_and_the_request_sent_once_more(login: dict[str, Any], found: Any) -> None:
    with erp(Sessions(found, lasts=1), DOCUMENTS) as server:
        client = server.client(auth={"login": login})
        assert codes(pulled(client)) == ["A", "B"] and codes(pulled(client)) == ["A", "B"]
        client.close()
        assert logins(server) == 2 and len(server.asked) == 5


def test_a_session_that_is_over_at_once_is_an_error_and_no_loop() -> None:
    with erp(Sessions(in_header, lasts=0), DOCUMENTS) as server:
        client = server.client(auth={"login": HEADER})
        with pytest.raises(AccessRefused, match="INVALID_SESSION"):
            pulled(client)
        client.close()
        assert logins(server) == 2 and len(server.asked) == 4


def test_a_fault_that_is_not_named_as_the_end_of_a_session_begins_none() -> None:
    with erp(Sessions(in_header, lasts=0), DOCUMENTS) as server:
        client = server.client(auth={"login": {**HEADER, "expired": ["OTHER"]}})
        with pytest.raises(AccessRefused):
            pulled(client)
        client.close()
        assert logins(server) == 1


OK = {"path": "ResultCode", "values": ["OK"], "session": ["NOT_LOGGED_IN"]}
#: How a session's end is said where no fault says it.
OVER: list[Callable[[Exchange], None]] = [
    lambda exchange: exchange.say(b"who are you?", status=401, kind="text/plain"),
    lambda exchange: exchange.say(reply(code="NOT_LOGGED_IN")),
]


@pytest.mark.parametrize("refuse", OVER, ids=["by a 401", "by a result code"])
@pytest.mark.parametrize(("login", "found"), CARRIED)
def test_the_end_of_a_session_may_be_said_by_a_401_or_by_a_result_code(login: dict[str, Any], found: Any, refuse: Any) -> None:
    with erp(Sessions(found, lasts=1, refuse=refuse), DOCUMENTS) as server:
        client = server.client(auth={"login": login})
        assert codes(pulled(client, ok=OK)) == ["A", "B"] and codes(pulled(client, ok=OK)) == ["A", "B"]
        client.close()
        assert logins(server) == 2 and len(server.asked) == 5


@pytest.mark.parametrize("refuse", OVER, ids=["by a 401", "by a result code"])
def test_who_is_not_known_in_a_new_session_either_is_refused_and_asked_no_more(refuse: Any) -> None:
    with erp(Sessions(in_header, lasts=0, refuse=refuse), DOCUMENTS) as server:
        client = server.client(auth={"login": HEADER})
        with pytest.raises(AccessRefused, match="401|NOT_LOGGED_IN"):
            pulled(client, ok=OK)
        client.close()
        assert logins(server) == 2 and len(server.asked) == 4


def test_a_right_that_is_missing_and_a_bad_credential_end_no_session() -> None:
    refused = {"path": "ResultCode", "values": ["OK"], "refused": ["NOT_LOGGED_IN"], "session": ["OTHER"]}
    for ok, refuse in ((OK, lambda exchange: exchange.say(b"not you", status=403, kind="text/plain")), (refused, OVER[1])):
        with erp(Sessions(in_header, lasts=0, refuse=refuse), DOCUMENTS) as server:
            client = server.client(auth={"login": HEADER})
            with pytest.raises(AccessRefused):
                pulled(client, ok=ok)
            client.close()
            assert logins(server) == 1 and len(server.asked) == 2


def test_without_a_login_a_code_that_a_session_is_over_is_a_refusal() -> None:
    with erp(lambda exchange, body: exchange.say(reply(code="NOT_LOGGED_IN")), DOCUMENTS) as server:
        client = server.client()
        with pytest.raises(AccessRefused, match="NOT_LOGGED_IN"):
            pulled(client, ok=OK)
        client.close()
        assert len(server.asked) == 1


def test_threads_share_one_session_and_its_renewal() -> None:
    sessions = Sessions(in_body)
    with erp(sessions, DOCUMENTS) as server:
        client = server.client(auth={"login": BODY})
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: codes(pulled(client)), range(8)))
            assert found == [["A", "B"]] * 8 and logins(server) == 1
            sessions.left = 0
            found = list(pool.map(lambda _: codes(pulled(client)), range(8)))
        client.close()
        assert found == [["A", "B"]] * 8 and logins(server) == 2


def test_the_token_goes_where_arguments_or_a_body_have_its_place() -> None:
    with erp(Sessions(in_body), DOCUMENTS) as server:
        login = {key: value for key, value in BODY.items() if key != "at"}
        client = server.client(auth={"login": login})
        assert codes(pulled(client, arguments={"setSize": 1, "sessionId": "{session}"})) == ["A", "B"]
        body = f'<ReadParts xmlns="{NS}"><sessionId>{{session}}</sessionId><setSize>1</setSize></ReadParts>'
        assert codes(pulled(client, body=body, arguments={})) == ["A", "B"]
        client.close()
        assert logins(server) == 1


def test_the_login_itself_may_be_written_by_hand() -> None:
    with erp(Sessions(in_header), DOCUMENTS) as server:
        body = f'<p:Login xmlns:p="{NS}"><p:who>{{user}}</p:who><p:word>{{word}}</p:word></p:Login>'
        client = server.client(auth={"login": {**HEADER, "body": body, "arguments": {"a/user": USER, "a/word": PASSWORD}}})
        assert codes(pulled(client)) == ["A", "B"]
        client.close()


def test_a_cookie_that_the_login_sets_itself_is_the_session() -> None:
    with erp(Sessions(in_cookie, lasts=1, sets_cookie=True), DOCUMENTS) as server:
        client = server.client(auth={"login": {key: value for key, value in COOKIE.items() if key != "token"}})
        assert codes(pulled(client)) == ["A", "B"] and codes(pulled(client)) == ["A", "B"]
        client.close()
        assert logins(server) == 2


def test_an_address_on_the_systems_own_origin_is_followed() -> None:
    sessions = Sessions(in_header)
    with erp(sessions, DOCUMENTS) as server:
        sessions.address = f"{server.url}/pod/7"
        client = server.client(auth={"login": {**HEADER, "endpoint": "url"}})
        assert codes(pulled(client)) == ["A", "B"]
        assert client.endpoint(client.contract().operations["ReadParts"]) == f"{server.url}/ws/Parts", "and it is no drift"
        client.close()
        assert [path for path, _ in server.asked] == ["/ws/Parts", "/pod/7"]


def test_an_address_on_another_host_is_followed_only_where_a_person_listed_it() -> None:
    sessions = Sessions(in_header)
    seen: list[str | None] = []

    def elsewhere(exchange: Exchange, body: bytes) -> None:
        seen.append(exchange.headers.get("Authorization"))
        sessions(exchange, body)

    with erp(sessions, DOCUMENTS) as server, erp(elsewhere, DOCUMENTS) as pod:
        sessions.address = f"{pod.url}/pod/7"
        host = pod.url.removeprefix("http://")
        basic = {"user": "reader", "password": "basic-secret"}
        listed = server.client(auth={"basic": basic, "login": {**HEADER, "endpoint": "url", "hosts": [host]}})
        assert codes(pulled(listed)) == ["A", "B"]
        listed.close()
        assert [path for path, _ in pod.asked] == ["/pod/7"] and seen[0] is not None
        strict = server.client(auth={"login": {**HEADER, "endpoint": "url"}})
        with pytest.raises(FixConfiguration, match="hosts") as caught:
            pulled(strict)
        strict.close()
        assert caught.value.code == "soap.session_elsewhere" and host in str(caught.value) and len(pod.asked) == 1


@pytest.mark.parametrize("address", ["https://127.0.0.1/x", "file:///etc/passwd", "http://[broken", "http://a:b@127.0.0.1/"])
def test_an_address_that_is_no_better_is_not_followed(address: str) -> None:
    with erp(Sessions(in_header, address=address), DOCUMENTS) as server:
        client = server.client(auth={"login": {**HEADER, "endpoint": "url", "hosts": ["127.0.0.1"]}})
        with pytest.raises(FixConfiguration) as caught:
            pulled(client)
        client.close()
        assert caught.value.code == "soap.session_elsewhere" and "a:b" not in str(caught.value)


def test_a_login_without_a_token_is_refused_by_name() -> None:
    with erp(Sessions(in_header, sets_cookie=True), DOCUMENTS) as server:
        client = server.client(auth={"login": HEADER})
        with pytest.raises(AccessRefused, match="sid") as caught:
            pulled(client)
        client.close()
        assert caught.value.code == "soap.no_session"


def test_a_login_that_says_no_inside_its_answer_is_believed() -> None:
    with erp(Sessions(in_header), DOCUMENTS) as server:
        client = server.client(auth={"login": {**HEADER, "ok": {"path": "code", "values": ["YES"], "refused": ["OK"]}}})
        with pytest.raises(AccessRefused) as caught:
            pulled(client)
        client.close()
        assert caught.value.code == "soap.refused_inside" and caught.value.params["operation"] == "Login"


def test_a_wrong_password_is_tried_once_and_said_without_it() -> None:
    with erp(Sessions(in_header), DOCUMENTS) as server:
        client = server.client(auth={"login": {**HEADER, "arguments": {"who": "somebody", "word": PASSWORD}}})
        with pytest.raises(AccessRefused) as caught:
            pulled(client)
        client.close()
        assert len(server.asked) == 1 and PASSWORD not in f"{caught.value} {caught.value.params}"


@pytest.mark.parametrize(("login", "found"), CARRIED)
def test_the_token_shows_in_no_log_no_error_no_cursor_and_no_repr(
    login: dict[str, Any], found: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sessions = Sessions(found)
    with erp(sessions, DOCUMENTS) as server, caplog.at_level("DEBUG"):
        client = server.client(auth={"login": {**login, "expired": []}})
        got = pulled(
            client, paging={"kind": "bookmark", "request": "bookmarkKey", "size": "setSize", "page": 3, "from": "Key"}, arguments={}
        )
        token = sessions.tokens[0]
        said = json.dumps([page.cursor.state for page in got]) + repr([page.rejects for page in got])
        sessions.left = 0
        with pytest.raises((AccessRefused, BrokenReply)) as caught:
            pulled(client)
        error: FortnightError = caught.value
        said += f"{error} {error.say('ja')} {error.params} {client.config!r}"
        client.close()
        assert "no session ***" in said
        for secret in (token, PASSWORD):
            assert secret not in said and secret not in caplog.text
        assert "ReadParts" in caplog.text


def test_the_doctor_proves_credentials_by_beginning_a_session() -> None:
    with erp(Sessions(in_header), DOCUMENTS) as server:
        config = Config.model_validate(
            {"wsdl": server.url + WSDL_PATH, "auth": {"login": {**HEADER, "endpoint": "url", "hosts": ["pod.example"]}}}
        )
        services = Services(config, TransportOptions(attempts=1))
        good, probes = services.check()
        services.close()
        assert good and ("a session began") in [str(text) for _, _, text in probes]
        assert services.endpoint == f"{server.url} http://pod.example"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"token": ""}, "needs `token`"),
        ({"name": ""}, "needs `name`"),
        ({"as": "body"}, "and only there"),
        ({"at": "x"}, "as: body"),
        ({"as": "cookie"}, "as: header"),
        ({"hosts": ["pod.example"]}, "endpoint"),
        ({"endpoint": "url", "hosts": ["https://pod.example"]}, "no host name"),
        ({"body": "no xml"}, "no XML element"),
        ({"as": "query"}, "header"),
        ({"ok": OK}, "begins a session"),
    ],
)
def test_a_login_that_contradicts_itself_is_refused(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Auth.model_validate({"login": {**HEADER, **changed}})
