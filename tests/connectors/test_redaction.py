"""Redaction: known secrets in every form they travel in, and whatever is shaped like a credential."""

from __future__ import annotations

import base64
import io
import json
import logging
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import FixConfiguration
from connectors.messages import catalogue
from connectors.redaction import MASK, RedactingFilter, Redactor

SECRET = 'pä55 w/ör+d"&='
printable = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=8, max_size=40)


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        escape(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_known_secret_is_masked_in_each_form_it_travels_in(form: str) -> None:
    shown = Redactor([SECRET])(f"sent {form} to the source")
    assert MASK in shown and form not in shown and SECRET not in shown


def test_a_secret_that_is_learned_later_is_masked_from_then_on_beside_the_others() -> None:
    redact = Redactor([SECRET])
    assert redact("session-7-abcdef") == "session-7-abcdef"
    redact.learn(["session-7-abcdef"])
    assert redact(f"{SECRET} session-7-abcdef") == f"{MASK} {MASK}"


@given(user=printable, secret=printable, after=printable)
def test_a_secret_within_a_longer_base64_text_leaves_no_readable_part(user: str, secret: str, after: str) -> None:
    whole = base64.b64encode(f"{user}:{secret}{after}".encode()).decode()
    shown = Redactor([secret])(f"sent {whole}")
    assert MASK in shown
    left = shown.removeprefix("sent ")
    for part in left.split(MASK):
        usable = part[: len(part) - len(part) % 4]
        assert secret.encode() not in base64.b64decode(usable + "==" if usable else "", validate=False)


@given(secret=printable, around=printable)
def test_masking_twice_is_masking_once(secret: str, around: str) -> None:
    redact = Redactor([secret])
    once = redact(f"{around}{secret}{around}")
    assert secret not in once.replace(MASK, "") or secret in MASK
    assert redact(once).count(secret) == once.count(secret)


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("{'authorization': 'Bearer abc.DEF-123456', 'accept': '*/*'}", "abc.DEF-123456"),
        ("[(b'X-Cybozu-API-Token', b'AbCd1234')]", "AbCd1234"),
        ("X-Cybozu-Authorization: dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("Set-Cookie: JSESSIONID=0123456789", "0123456789"),
        ("GET https://src.example/f?x=1&access_token=abcdef12345&y=2", "abcdef12345"),
        ("https://src.example/f?tempauth=v1.xyz", "v1.xyz"),
        ("https://src.example/f?sig=AAAA%2F&se=2027", "AAAA%2F"),
        ("body client_id=1&client_secret=Zz8Q~x&grant_type=c", "Zz8Q~x"),
        ('{"client_secret": "Zz8Q~x", "a": 1}', "Zz8Q~x"),
        ("https://user:hunter2222@src.example/", "hunter2222"),
        ("ftp://user:hunter2222@src.example/", "hunter2222"),
        ("<wsse:Password Type='x'>hunter2222</wsse:Password>", "hunter2222"),
        ("WWW-Authenticate: NTLM TlRMTVNTUAACAAAADAAMADgAAAAVgoriMTIzNDU2Nzg", "TUAACAAAADAAMADgAAAAVgoriMTIzNDU2Nzg"),
        ("Negotiate oYIBdzCCAXOgAwoBAaKCAVQEggFQTlRMTVNTUAADAAAAGAAYAH==", "oYIBdzCCAXOgAwoBAaKCAVQEggFQTlRMTVNTUAADAAAAGAAYAH"),
        ("step input: TlRMTVNTUAADAAAAGAAYAIgAAAA=", "UAADAAAAGAAYAIgAAAA"),
        ("token eyJ0eXAiOiJKV1QiLCJhbGciOi.eyJhdWQiOiJodHRwcz.c2lnbmF0dXJl", "eyJhdWQiOiJodHRwcz"),
    ],
)
def test_what_is_shaped_like_a_credential_is_masked_without_being_known(said: str, hidden: str) -> None:
    shown = Redactor()(said)
    assert hidden not in shown and MASK in shown


@pytest.mark.parametrize(
    "said",
    [
        "kintone/orders: 20000 live rows; key=record_id, token of app 12",
        "受注番号 SO-000137 の金額が合いません",
        "HTTP 401 from src.example:8443; Basic authentication was refused",
        "https://src.example/k/v1/records.json?query=limit+500&fields[0]=%24id",
        "the field 'password_policy' was added",
        "HTTP 401: it offers Negotiate, NTLM and Basic; negotiate internationalization",
    ],
)
def test_an_ordinary_sentence_is_left_as_it_is(said: str) -> None:
    assert Redactor(["other-secret"])(said) == said


def test_a_secret_of_three_letters_is_not_masked_because_it_would_destroy_every_text() -> None:
    assert Redactor(["abc", ""])("abc") == "abc"


def test_a_log_record_is_masked_with_its_arguments_and_its_traceback() -> None:
    logger = logging.getLogger("fortnight.test_redaction")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter(Redactor([SECRET])))
    logger.addHandler(handler)
    try:
        try:
            raise ValueError(f"bad {SECRET}")
        except ValueError:
            logger.exception("tried %s and %d", SECRET, 3)
    finally:
        logger.removeHandler(handler)
    assert "ValueError: bad ***" in stream.getvalue() and "tried *** and 3" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_an_error_says_nothing_shaped_like_a_credential_whatever_its_parameters_hold() -> None:
    error = FixConfiguration("transport.bad_url", url="https://user:hunter2222@src.example?access_token=abcdef123")
    for text in (str(error), error.say("ja"), error.say("en")):
        assert "hunter2222" not in text and "abcdef123" not in text and "src.example" in text


def test_no_sentence_of_the_catalogue_is_taken_for_a_secret() -> None:
    masked = Redactor()
    texts = [text for sentences in catalogue().values() for text in sentences.values()]
    assert [text for text in texts if masked(text) != text] == []
