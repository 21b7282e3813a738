"""The Entra authority: one tenant, one app with a secret and a certificate, tokens signed with its own key. Times here are wall time.

Error codes are Entra's AADSTS numbers; the certificate assertion is checked as Entra documents it (PS256 + x5t#S256 or RS256 + x5t).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from starlette.responses import JSONResponse, Response

from infra.sandbox.company.people import DOMAIN, TENANT_ID, Person, stable_id
from infra.sandbox.settings import Settings
from infra.sandbox.sharepoint.consent import ROLES

CLIENT_ID = stable_id("app", "fortnight")
#: The identity of the machine it runs on, where that has one.
MANAGED_ID = stable_id("app", "fortnight-managed")
GRAPH_AUDIENCES = ("https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000")
LIFETIME = timedelta(minutes=60)
#: The program people sign in at, and the most groups that a JWT names (Entra: groups overage claim).
USER_CLIENT = stable_id("app", "assistant")
MOST_GROUPS = 200
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LIFETIME = timedelta(minutes=11)


@dataclass(frozen=True)
class Credentials:
    """What the authority keeps in its state folder. ``certificate`` is one PEM file with the client's private key and certificate."""

    client_secret: str
    certificate: Path
    identity_header: str
    signing_key: rsa.RSAPrivateKey

    def __repr__(self) -> str:
        return f"Credentials(certificate={self.certificate.name!r})"


class Refused(Exception):
    """The token endpoint's refusal: HTTP status, OAuth error, AADSTS number and sentence."""

    def __init__(self, status: int, error: str, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.error, self.code, self.sentence = status, error, code, sentence


def credentials(state: Path) -> Credentials:
    """The authority's keys and the app's credentials, made at first use and then read."""
    state.mkdir(parents=True, exist_ok=True)
    secret_file, client_file, key_file = state / "client.secret", state / "client.pem", state / "authority.key"
    header_file = state / "identity.header"
    if not header_file.exists():
        _write(header_file, secrets.token_hex(16).encode())
    if not secret_file.exists():
        _write(secret_file, secrets.token_urlsafe(30).encode())
    if not client_file.exists():
        _write(client_file, _client_pem())
    if not key_file.exists():
        _write(key_file, _key_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    signing = serialization.load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(signing, rsa.RSAPrivateKey)
    return Credentials(secret_file.read_text(), client_file, header_file.read_text(), signing)


def _write(path: Path, data: bytes) -> None:
    fresh = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    fresh.touch(mode=0o600)
    fresh.write_bytes(data)
    # Whoever comes first wins, so that a describer and a server starting together hold the same secret.
    with contextlib.suppress(FileExistsError):
        os.link(fresh, path)
    fresh.unlink()


def _key_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _client_pem() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fortnight-sandbox-client")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    return _key_pem(key) + made.public_bytes(serialization.Encoding.PEM)


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Authority:
    """Issues and checks tokens. ``secret_expired`` and ``certificate_expired`` make the right credential answer as an expired one.

    ``roles`` are what tokens issued from now on say the app may do.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept = credentials(settings.state)
        self._client = x509.load_pem_x509_certificate(self._kept.certificate.read_bytes())
        self.secret_expired = False
        self.certificate_expired = False
        self.roles: list[str] = list(ROLES)
        #: Roles by audience, where an administrator consented to others at one resource than elsewhere.
        self.roles_at: dict[str, list[str]] = {}
        #: How often the token endpoint was asked, and the header of the last assertion it was shown.
        self.asked = 0
        self.assertion: dict[str, Any] = {}
        self._challenge, self._in_vain = "", False
        self._given: set[str] = set()
        self._revoked: set[str] = set()

    def revoke(self) -> None:
        """Take back every token issued so far."""
        self._revoked |= self._given

    def challenge(self, nonce: str, *, in_vain: bool = False) -> None:
        """Take back every token, and those of tomorrow too that were asked for without the claims of this challenge (empty: none).

        ``in_vain``: those that were asked for with them are not taken either.
        """
        self.revoke()
        self._challenge, self._in_vain = nonce, in_vain

    @property
    def challenged(self) -> str:
        """What a 401 says then in its ``claims``: base64 of the JSON to be sent with the next request for a token."""
        if not self._challenge:
            return ""
        asked = {"access_token": {"nbf": {"essential": True, "value": self._challenge}}}
        return base64.b64encode(json.dumps(asked).encode()).decode()

    @property
    def identity_header(self) -> str:
        """What an App Service's own token endpoint wants to hear."""
        return self._kept.identity_header

    @property
    def given(self) -> int:
        """How many tokens were issued."""
        return len(self._given)

    def openid_configuration(self, base: str, tenant: str) -> dict[str, Any]:
        """The discovery document for a tenant, every address on the host the client used."""
        root = f"{base}/{tenant}"
        return {
            "issuer": f"{base}/{TENANT_ID}/v2.0",
            "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
            "token_endpoint": f"{root}/oauth2/v2.0/token",
            "jwks_uri": f"{root}/discovery/v2.0/keys",
            "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
            "response_types_supported": ["code"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "tenant_region_scope": "AS",
        }

    def instance_discovery(self, base: str) -> dict[str, Any]:
        host = base.split("//")[1]
        return {
            "tenant_discovery_endpoint": f"{base}/{TENANT_ID}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }

    def keys(self) -> dict[str, Any]:
        numbers = self._kept.signing_key.public_key().public_numbers()
        modulus, exponent = (_b64(n.to_bytes((n.bit_length() + 7) // 8, "big")) for n in (numbers.n, numbers.e))
        return {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self._kid, "n": modulus, "e": exponent}]}

    @property
    def _kid(self) -> str:
        public = self._kept.signing_key.public_key()
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        digest = hashes.Hash(hashes.SHA256())
        digest.update(der)
        return _b64(digest.finalize())[:20]

    def token(self, tenant: str, form: dict[str, str], authorization: str, endpoint: str, *, version: int = 2) -> Response:
        """Answer a token request; ``endpoint`` is the address it came to, which an assertion must name as its audience."""
        self.asked += 1
        try:
            return JSONResponse(self._grant(tenant, form, authorization, endpoint, version), headers={"Cache-Control": "no-store"})
        except Refused as refused:
            trace = str(uuid.uuid4())
            stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
            return JSONResponse(
                {
                    "error": refused.error,
                    "error_codes": [refused.code],
                    "timestamp": stamp,
                    "trace_id": trace,
                    "correlation_id": trace,
                    "error_description": f"AADSTS{refused.code}: {refused.sentence} Trace ID: {trace} Correlation ID: {trace} Timestamp: {stamp}",
                },
                status_code=refused.status,
            )

    def _grant(self, tenant: str, form: dict[str, str], authorization: str, endpoint: str, version: int) -> dict[str, Any]:
        if tenant.lower() not in (TENANT_ID, DOMAIN):
            raise Refused(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
        if form.get("grant_type") != "client_credentials":
            raise Refused(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        if authorization.lower().startswith("basic "):
            try:
                client, _, secret = (unquote(part) for part in base64.b64decode(authorization[6:]).decode().partition(":"))
            except ValueError:
                raise Refused(401, "invalid_client", 7000216, "The Basic credentials cannot be read.") from None
        assertion = form.get("client_assertion", "")
        if client != CLIENT_ID:
            raise Refused(400, "unauthorized_client", 700016, f"Application with identifier '{client}' was not found in the directory.")
        if assertion:
            if form.get("client_assertion_type") != _ASSERTION_TYPE:
                raise Refused(400, "invalid_request", 900144, "The request body must contain the parameter 'client_assertion_type'.")
            self._check_assertion(assertion, endpoint)
        elif secret:
            self._check_secret(secret)
        else:
            raise Refused(401, "invalid_client", 7000218, "The request body must contain 'client_assertion' or 'client_secret'.")
        audience = self._audience(form, version)
        seconds = int(LIFETIME.total_seconds())
        token = self.issue(CLIENT_ID, audience, certificate=bool(assertion))
        if self._challenge and (self._in_vain or self._challenge not in form.get("claims", "")):
            self._revoked.add(token)
        return {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}

    def _check_secret(self, secret: str) -> None:
        right = secrets.compare_digest(secret.encode(), self._kept.client_secret.encode())
        old = secrets.compare_digest(secret.encode(), f"{self._kept.client_secret}-expired".encode())
        if old or (right and self.secret_expired):
            raise Refused(401, "invalid_client", 7000222, f"The provided client secret keys for app '{CLIENT_ID}' are expired.")
        if not right:
            raise Refused(
                401, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent is the secret value."
            )

    def _check_assertion(self, assertion: str, endpoint: str) -> None:
        try:
            header = jwt.get_unverified_header(assertion)
        except jwt.InvalidTokenError:
            raise Refused(401, "invalid_client", 50027, "JWT token is invalid or malformed.") from None
        self.assertion = header
        thumbprints = {"PS256": ("x5t#S256", hashes.SHA256()), "RS256": ("x5t", hashes.SHA1())}
        algorithm = str(header.get("alg"))
        if algorithm not in thumbprints:
            raise Refused(401, "invalid_client", 5002723, f"Invalid JWT token. Unsupported signing algorithm '{algorithm}'.")
        name, digest = thumbprints[algorithm]
        # msal writes the thumbprint with base64 padding, other libraries without.
        if str(header.get(name)).rstrip("=") != _b64(self._client.fingerprint(digest)):
            raise Refused(401, "invalid_client", 700027, "The certificate with this identifier is not registered on the application.")
        if self.certificate_expired:
            raise Refused(401, "invalid_client", 700027, "The certificate used to sign the client assertion is expired on application.")
        public = self._client.public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        try:
            claims = jwt.decode(
                assertion,
                public,
                algorithms=[algorithm],
                audience=[endpoint, endpoint.rsplit("/oauth2/", 1)[0] + "/v2.0"],
                issuer=CLIENT_ID,
                options={"require": ["aud", "exp", "iss", "sub", "jti"]},
                leeway=300,
            )
        except jwt.InvalidSignatureError:
            raise Refused(401, "invalid_client", 700027, "Client assertion failed signature validation.") from None
        except jwt.ExpiredSignatureError:
            raise Refused(401, "invalid_client", 700024, "Client assertion is not within its valid time range.") from None
        except jwt.InvalidAudienceError:
            raise Refused(401, "invalid_client", 700023, "Client assertion audience claim does not match the token endpoint.") from None
        except jwt.InvalidTokenError:
            raise Refused(401, "invalid_client", 700021, "Client assertion application identifier does not match the client.") from None
        if claims["sub"] != CLIENT_ID:
            raise Refused(401, "invalid_client", 700021, "Client assertion application identifier does not match the client.")
        if datetime.fromtimestamp(claims["exp"], UTC) > datetime.now(UTC) + _ASSERTION_LIFETIME:
            raise Refused(401, "invalid_client", 700024, "Client assertion is not within its valid time range.")

    def _audience(self, form: dict[str, str], version: int) -> str:
        if version == 1:
            return form.get("resource", GRAPH_AUDIENCES[0]).rstrip("/")
        scope = form.get("scope", "")
        if scope == ".default":
            return GRAPH_AUDIENCES[0]
        if not scope.endswith("/.default") or " " in scope:
            raise Refused(400, "invalid_scope", 1002012, f"The provided value for scope {scope} is not valid: it must end in /.default.")
        return scope.removesuffix("/.default").rstrip("/")

    def issue(self, client: str, audience: str, *, certificate: bool) -> str:
        """An access token; ``certificate``: how the client proved itself."""
        now = datetime.now(UTC)
        claims = {
            "aud": audience,
            "iss": f"{self._settings.https_url}/{TENANT_ID}/v2.0",
            "iat": now,
            "nbf": now - timedelta(minutes=5),
            "exp": now + LIFETIME,
            "tid": TENANT_ID,
            "appid": client,
            "azp": client,
            "app_displayname": "Fortnight",
            "idtyp": "app",
            "appidacr": "2" if certificate else "1",
            "roles": self.roles_at.get(audience, self.roles),
            "oid": stable_id("service principal", "fortnight"),
            "ver": "1.0",
            "sub": stable_id("service principal", "fortnight"),
            "uti": uuid.uuid4().hex[:22],
        }
        token = jwt.encode(claims, self._kept.signing_key, algorithm="RS256", headers={"kid": self._kid})
        self._given.add(token)
        return token

    def sign_in(
        self, someone: Person, *, audience: str, scope: str, groups: list[str] | None, graph: str, client: str = USER_CLIENT
    ) -> str:
        """A delegated access token (version 2.0), as a person's own sign-in at a client would end in, for an API of the tenant.

        ``groups``: their object ids for the groups claim, in whose place beyond 200 only a pointer is given; None: the API asks for none.
        """
        now = datetime.now(UTC)
        claims: dict[str, Any] = {
            "aud": audience,
            "iss": f"{self._settings.https_url}/{TENANT_ID}/v2.0",
            "iat": now,
            "nbf": now - timedelta(minutes=5),
            "exp": now + LIFETIME,
            "tid": TENANT_ID,
            "oid": someone.entra_id,
            "sub": stable_id("pairwise", f"{audience}:{someone.login}"),
            "name": someone.name,
            "preferred_username": someone.login,
            "azp": client,
            "azpacr": "0",
            "scp": scope,
            "ver": "2.0",
            "uti": uuid.uuid4().hex[:22],
        }
        if groups is not None and len(groups) <= MOST_GROUPS:
            claims["groups"] = groups
        elif groups is not None:
            claims["_claim_names"] = {"groups": "src1"}
            claims["_claim_sources"] = {"src1": {"endpoint": f"{graph}/v1.0/users/{someone.entra_id}/getMemberObjects"}}
        return jwt.encode(claims, self._kept.signing_key, algorithm="RS256", headers={"kid": self._kid})

    def claims(self, authorization: str, audiences: tuple[str, ...]) -> dict[str, Any] | None:
        """Claims of a bearer token for one of ``audiences``; None when it is missing, foreign, spoilt, revoked or over."""
        if not authorization.lower().startswith("bearer ") or authorization[7:] in self._revoked:
            return None
        try:
            return jwt.decode(authorization[7:], self._kept.signing_key.public_key(), algorithms=["RS256"], audience=audiences)
        except jwt.InvalidTokenError:
            return None
