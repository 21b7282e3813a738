"""Who a token says is asking: Entra's access tokens, and development tokens where nothing is production. Nothing else ever says who asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from connectors.access import principal
from connectors.messages import told
from pipelines.serving.callers.identity import GroupsNow, person_id
from pipelines.serving.callers.keys import Keys
from pipelines.serving.reasons import AnswerWithheld, Reason

#: How far clocks may differ, either way.
SKEW = timedelta(seconds=60)
#: Longer than any token of Entra's: 200 groups make about 9 kB.
LONGEST = 16_384
DEVELOPMENT = "fortnight-dev+jwt"
LONGEST_DEVELOPMENT = timedelta(hours=24)
_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Caller:
    """Who asks, as proven. A person by ``mail`` (development) or by ``user``, their principal in the tenant; or an app without a person.

    ``key`` is what budgets are counted by, ``client`` the program in between, ``now_in`` the newest word on the person's groups, if there is one.
    """

    key: str
    client: str
    mail: str = ""
    user: str = ""
    app_only: bool = False
    now_in: GroupsNow | None = None


class Verifier(Protocol):
    """Turns a bearer token into who asks. Raises AnswerWithheld for a token that proves nothing, or that cannot be judged now."""

    def verify(self, token: str, now: datetime) -> Caller: ...


def refused(why: str) -> AnswerWithheld:
    return AnswerWithheld(Reason.BAD_TOKEN, why=why)


@dataclass(frozen=True)
class EntraTokens:
    """Access tokens of one tenant for this service (Entra: access token claims reference).

    A person is ``tid`` and ``oid``: mail and principal name can be edited, ``sub`` differs by app. ``groups_of`` asks the directory for the
    groups of an object id, where the token says only that there are too many; None leaves groups to what pulls have read.
    """

    tenant: str
    audiences: tuple[str, ...]
    issuer: str
    scope: str
    keys: Keys
    groups_of: Callable[[str, datetime], frozenset[str]] | None = None

    def verify(self, token: str, now: datetime) -> Caller:
        claims = self._claims(token, now)
        client = str(claims.get("azp") or claims.get("appid") or "")
        oid, tenant = str(claims["oid"]).lower(), str(claims["tid"]).lower()
        if tenant != self.tenant.lower():
            raise refused("tid")
        if not _GUID.fullmatch(oid):
            raise refused("oid")
        scopes = str(claims.get("scp") or "").split()
        # Delegated tokens carry scp; a token without one is an app's own, whatever else it says of itself.
        if not scopes or claims.get("idtyp") == "app":
            return Caller(key=f"app:{client or oid}", client=client, app_only=True)
        if self.scope and self.scope not in scopes:
            raise refused("scp")
        user = principal("user", "entra", f"{tenant}/{oid}")
        return Caller(key=user, client=client, user=user, now_in=self._groups(claims, user, oid, now))

    def _claims(self, token: str, now: datetime) -> Mapping[str, Any]:
        import jwt

        header = header_of(token)
        # Never what the header proposes: "none", and HS256 with the public key as secret, end here.
        if header.get("alg") != "RS256":
            raise refused("alg")
        kid = header.get("kid")
        if not isinstance(kid, str) or not kid:
            raise refused("kid")
        key = self.keys.get(kid, now)
        # Times are held against the clock that was handed down, not the library's.
        options: Any = {"require": ["exp", "iss", "aud", "tid", "oid"], "verify_exp": False, "verify_nbf": False, "verify_iat": False}
        try:
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=["RS256"], audience=list(self.audiences), issuer=self.issuer, options=options
            )
        except jwt.InvalidTokenError as error:
            raise refused(type(error).__name__.removesuffix("Error")) from None
        in_time(claims, now)
        return claims

    def _groups(self, claims: Mapping[str, Any], user: str, oid: str, now: datetime) -> GroupsNow | None:
        if self.groups_of is None:
            return None
        named: object = claims.get("groups")
        pointed: object = claims.get("_claim_names")
        too_many = str(claims.get("hasgroups", "")).lower() in ("true", "1") or (isinstance(pointed, dict) and "groups" in pointed)
        if too_many:
            return GroupsNow(user, self.groups_of(oid, now))
        if named is None:
            return None
        if not isinstance(named, list) or not all(isinstance(one, str) and _GUID.fullmatch(one.lower()) for one in named):
            raise refused("groups")
        return GroupsNow(user, frozenset(principal("group", "entra", f"{self.tenant}/{one}") for one in named))


@dataclass(frozen=True)
class DevelopmentTokens:
    """Tokens this project signs itself, for sandbox and staging: made by ``fortnight serve token``, with a key in the project's home."""

    key: bytes
    audience: str

    def issue(self, mail: str, now: datetime, lasting: timedelta) -> str:
        """A token for the person with this mail address. Raises ValueError beyond a day."""
        import jwt

        if not timedelta() < lasting <= LONGEST_DEVELOPMENT:
            raise ValueError("a development token lasts a day at most")
        claims = {"iss": self.audience, "aud": self.audience, "sub": person_id(mail), "iat": now, "exp": now + lasting}
        return jwt.encode(claims, self.key, algorithm="HS256", headers={"typ": DEVELOPMENT})

    def verify(self, token: str, now: datetime) -> Caller:
        import jwt

        if header_of(token).get("alg") != "HS256":
            raise refused("alg")
        options: Any = {"require": ["exp", "iat", "iss", "aud", "sub"], "verify_exp": False, "verify_iat": False}
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self.key, algorithms=["HS256"], audience=self.audience, issuer=self.audience, options=options
            )
        except jwt.InvalidTokenError as error:
            raise refused(type(error).__name__.removesuffix("Error")) from None
        in_time(claims, now)
        return Caller(key=claims["sub"], client="development", mail=claims["sub"])


@dataclass(frozen=True)
class Tokens:
    """Both kinds. A token says which it claims to be; each verifier then believes its own keys only."""

    entra: EntraTokens | None
    development: DevelopmentTokens | None

    def verify(self, token: str, now: datetime) -> Caller:
        if not token:
            raise AnswerWithheld(Reason.NO_TOKEN)
        if len(token) > LONGEST:
            raise refused("length")
        chosen: Verifier | None = self.development if header_of(token).get("typ") == DEVELOPMENT else self.entra
        if chosen is None:
            raise refused("iss")
        return chosen.verify(token, now)


def bearer(header: str) -> str:
    """The token in an Authorization header (RFC 6750, section 2.1), the only place it is looked for: addresses stand in logs. "" for none."""
    found = _BEARER.fullmatch(header)
    return found[1] if found else ""


def header_of(token: str) -> Mapping[str, Any]:
    import jwt

    try:
        return jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        raise refused("no JWT") from None


def in_time(claims: Mapping[str, Any], now: datetime) -> None:
    """exp, nbf and iat against ``now`` (aware UTC), with a little skew (RFC 7519, 4.1)."""

    def instant(name: str) -> datetime | None:
        value: object = claims.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refused(name)
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, ValueError, OSError):
            raise refused(name) from None

    expires = instant("exp")
    if expires is None or expires + SKEW <= now:
        raise refused(told("serving.expired"))
    for name in ("nbf", "iat"):
        begins = instant(name)
        if begins is not None and begins - SKEW > now:
            raise refused(name)
