"""How a system proves who asks: the ``auth:`` block of a SOAP system in project.yaml. Every credential is a reference there, resolved before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.certificate import ProjectPath
from connectors.soap.address import Host, HttpUrl
from connectors.soap.sayable import ElementName, Namespace, element_name, is_text
from connectors.soap.sources import Ok
from connectors.soap.template import Body


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Basic(_Strict):
    """A login and its password."""

    user: SecretStr
    password: SecretStr


class Ntlm(Basic):
    """A Windows login. ``user`` may say its domain itself, as ``DOMAIN\\user`` or ``user@domain.example``; else ``domain`` does, if any."""

    domain: str = ""

    @model_validator(mode="after")
    def _one_domain(self) -> Self:
        if self.domain and any(sign in self.user.get_secret_value() for sign in "\\@"):
            raise ValueError("user names its domain itself; leave `domain` out")
        return self

    @property
    def account(self) -> str:
        """User and domain as Windows writes them."""
        user = self.user.get_secret_value()
        return f"{self.domain}\\{user}" if self.domain else user


class OAuth2(_Strict):
    """Client credentials, for a bearer token of ``token_url`` (RFC 6749 §4.4). ``secret_in``: most servers take the client's secret in the
    form's body, some only in a Basic header.
    """

    token_url: HttpUrl
    client_id: str
    client_secret: SecretStr
    scope: str = ""
    secret_in: Literal["body", "header"] = "body"


class Pfx(_Strict):
    """A certificate with its private key, as a PFX file (PKCS #12)."""

    file: ProjectPath
    password: SecretStr


class UsernameToken(_Strict):
    """WS-Security UsernameToken. ``digest`` sends Base64(SHA-1(nonce + created + password)) instead of the password's text."""

    user: SecretStr
    password: SecretStr
    digest: bool = False


class TokenPassport(_Strict):
    """NetSuite's token-based authentication. ``version`` is the endpoint's, as in its namespaces: ``2025_2``."""

    account: str
    version: str = Field(pattern=r"^\d{4}_\d$")
    consumer_key: SecretStr
    consumer_secret: SecretStr
    token: SecretStr
    token_secret: SecretStr


class SoapHeader(_Strict):
    """A header of the envelope that the application asks for (Oracle's SOAHeader, a session's id): children by name, in order, in the header's
    namespace; ``{}name`` is in none, ``{namespace}name`` in another."""

    name: ElementName
    namespace: Namespace = ""
    values: Mapping[ElementName, SecretStr] = Field(default_factory=dict[ElementName, SecretStr])


class Login(_Strict):
    """An operation that begins a session, and how every other one shows that it belongs to it.

    ``arguments`` are credentials by their paths in the login's request; ``body`` writes that request by hand, with each under its last
    step. ``token`` is the path of the session's token in the reply. It is sent ``as`` a SOAP header (``name`` is the path of element names
    that holds it, in ``namespace``), in the ``body`` of each request (``at`` is its path there, for every operation that has it; arguments
    and bodies written by hand have a place ``{session}``), or as the ``cookie`` of this ``name``, which the login may also set itself:
    then there is no ``token``.

    ``endpoint`` is the path of an address in the reply where the session goes on. It is followed to the system's own origin, and to those
    ``hosts`` (``name`` or ``name:port``): the credentials go along. ``expired`` are the names of faults that say that the session is over:
    then one is begun anew and the request sent once more. So it is after HTTP 401, and after a result code that a contract's ``ok`` has
    under ``session``. ``ok`` and ``message`` are as in a contract.
    """

    operation: str
    as_: Literal["header", "body", "cookie"] = Field(alias="as")
    arguments: Mapping[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    body: Body | None = None
    token: str = ""
    name: str = ""
    namespace: Namespace = ""
    at: str = ""
    endpoint: str = ""
    hosts: tuple[Host, ...] = ()
    expired: tuple[str, ...] = ()
    ok: Ok | None = None
    message: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.token and self.as_ != "cookie":
            raise ValueError("login needs `token`, the path of the session's token in its reply")
        if (self.as_ == "body") is bool(self.name):
            raise ValueError("login needs `name` where the session is sent as a header or a cookie, and only there")
        if self.at and self.as_ != "body":
            raise ValueError("`at` is where the body of a request takes the session; write it with `as: body`")
        if self.namespace and self.as_ != "header":
            raise ValueError("`namespace` is a header's; write it with `as: header`")
        if self.hosts and not self.endpoint:
            raise ValueError("`hosts` are where `endpoint` may lead to; name its path")
        for step in self.name.split("/") if self.as_ == "header" else ():
            element_name(step)
        if self.ok is not None and self.ok.session:
            raise ValueError("a login begins a session, so none of its codes says that one is over; write it under `refused`")
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        """Where a reply of the login is looked at."""
        stated = (self.token, self.endpoint, self.message, *(self.ok.paths if self.ok else ()))
        return tuple(dict.fromkeys(path for path in stated if path))


class Auth(_Strict):
    """At most one of ``basic``, ``digest``, ``bearer``, ``oauth2`` and ``ntlm`` (they share one HTTP header); everything else may stand together.

    ``certificate`` is shown in TLS; ``signature`` signs the envelope (X.509, RSA). ``body`` maps paths inside the request (local names
    from the Body's child down, without it) to credentials that the application wants there; a body template names them by their last step.
    ``login`` is for systems where a session is begun first.
    """

    basic: Basic | None = None
    digest: Basic | None = None
    bearer: SecretStr | None = None
    oauth2: OAuth2 | None = None
    ntlm: Ntlm | None = None
    certificate: Pfx | None = None
    username_token: UsernameToken | None = None
    signature: Pfx | None = None
    token_passport: TokenPassport | None = None
    headers: tuple[SoapHeader, ...] = ()
    body: Mapping[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    login: Login | None = None

    @model_validator(mode="after")
    def _one_scheme(self) -> Self:
        if sum(one is not None for one in (self.basic, self.digest, self.bearer, self.oauth2, self.ntlm)) > 1:
            raise ValueError("basic, digest, bearer, oauth2 and ntlm exclude each other: they are sent in the same header")
        return self

    @model_validator(mode="after")
    def _can_be_sent(self) -> Self:
        for place, text in self._in_envelopes():
            if not is_text(text):
                # Whatever it is, it is not shown.
                raise ValueError(f"{place} has characters that XML does not have; look for a control character in what it is read from")
        return self

    def _in_envelopes(self) -> Iterator[tuple[str, str]]:
        if self.username_token is not None:
            yield "username_token.user", self.username_token.user.get_secret_value()
            yield "username_token.password", self.username_token.password.get_secret_value()
        if self.token_passport is not None:
            yield "token_passport.account", self.token_passport.account
            yield "token_passport.consumer_key", self.token_passport.consumer_key.get_secret_value()
            yield "token_passport.token", self.token_passport.token.get_secret_value()
        for header in self.headers:
            yield from ((f"headers.{header.name}.{name}", value.get_secret_value()) for name, value in header.values.items())
        yield from ((f"body.{path}", value.get_secret_value()) for path, value in self.body.items())
        if self.login is not None:
            yield from ((f"login.arguments.{path}", value.get_secret_value()) for path, value in self.login.arguments.items())

    def secrets(self) -> Iterator[str]:
        """Every value that must never be shown. Logins are shown by many servers themselves and stay."""
        for login in (self.basic, self.digest, self.ntlm, self.username_token):
            if login is not None:
                yield login.password.get_secret_value()
        for pfx in (self.certificate, self.signature):
            if pfx is not None:
                yield pfx.password.get_secret_value()
        if self.bearer is not None:
            yield self.bearer.get_secret_value()
        if self.oauth2 is not None:
            yield self.oauth2.client_secret.get_secret_value()
        if self.token_passport is not None:
            passport = self.token_passport
            for secret in (passport.consumer_key, passport.consumer_secret, passport.token, passport.token_secret):
                yield secret.get_secret_value()
        for header in self.headers:
            yield from (value.get_secret_value() for value in header.values.values())
        yield from (value.get_secret_value() for value in self.body.values())
        if self.login is not None:
            yield from (value.get_secret_value() for value in self.login.arguments.values())

    def paths(self) -> Iterator[str]:
        """Where credentials stand in requests, as paths of local names that end there."""
        yield from self.body
        if self.login is not None:
            yield from self.login.arguments
            yield from filter(None, (self.login.at, self.login.name if self.login.as_ == "header" else ""))
