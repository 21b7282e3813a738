"""Users, organisations and groups as the kintone domain knows them, their passwords, and who is calling."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from infra.sandbox.clock import JST
from infra.sandbox.company.people import GROUPS, ORGANISATIONS, PEOPLE, Person, flat_members

#: The user that an API token acts as. It is in no list of the User API.
ADMINISTRATOR = "Administrator"
EVERYONE = "everyone"
_PARENTS = {one.code: one.parent for one in ORGANISATIONS}


def user_code(person: Person) -> str:
    """The code under which kintone knows a person: the login, with ``guest/`` before it for guests."""
    return f"guest/{person.login}" if person.guest else person.login


USERS: tuple[Person, ...] = tuple(one for one in PEOPLE if not one.guest)
NAMES: dict[str, str] = {ADMINISTRATOR: ADMINISTRATOR} | {user_code(one): one.name for one in PEOPLE}
ORGANISATION_NAMES: dict[str, str] = {one.code: one.name for one in ORGANISATIONS}
GROUP_NAMES: dict[str, str] = {EVERYONE: "Everyone"} | {one.code: one.name for one in GROUPS}


@dataclass
class Register:
    """What administrators changed since the directory was made. One per server process; codes in records and rules never change."""

    #: Code → the login name that the wire shows from now on.
    renamed: dict[str, str] = field(default_factory=dict)
    #: Codes of users who were deleted.
    gone: set[str] = field(default_factory=set)
    #: Code → (time zone, display language or "auto" for the browser's).
    preferences: dict[str, tuple[str, str]] = field(default_factory=dict)

    def clear(self) -> None:
        self.renamed.clear()
        self.gone.clear()
        self.preferences.clear()

    def shown(self, code: str) -> str:
        """The login name of a user as it is now."""
        return self.renamed.get(code, code)

    def stable(self, shown: str) -> str:
        """The code under which records know the user who is called so now. A login name that was given up is nobody's."""
        for code, now in self.renamed.items():
            if shown == now:
                return code
            if shown == code:
                return f"{code} (renamed)"
        return f"{shown} (deleted)" if shown in self.gone else shown

    def zone(self, code: str) -> ZoneInfo:
        return ZoneInfo(self.preferences[code][0]) if code in self.preferences else JST

    def language(self, code: str) -> str:
        return self.preferences.get(code, ("", "auto"))[1]


REGISTER = Register()


@dataclass(frozen=True)
class Caller:
    """Who a request acts as. ``tokens`` is set for API tokens, which see every record of their apps."""

    code: str
    groups: frozenset[str] = frozenset()
    organisations: frozenset[str] = frozenset()
    tokens: tuple[str, ...] = field(default=(), repr=False)
    guest: bool = False
    #: Scopes of an OAuth token; None for a password, which may do everything.
    scopes: frozenset[str] | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the user's own settings, in which TODAY() and its kin count days."""
        return REGISTER.zone(self.code)

    @property
    def by_token(self) -> bool:
        return bool(self.tokens)

    def within(self, organisation: str, include_subs: bool) -> bool:
        """Whether the caller belongs to the organisation, or with ``include_subs`` to one below it."""
        if organisation in self.organisations:
            return True
        return include_subs and any(organisation in _above(own) for own in self.organisations)


def caller_of(person: Person) -> Caller:
    """The person with all groups (nested ones flattened, as kintone has no nesting) and the organisation."""
    groups = frozenset(one.code for one in GROUPS if person.login in flat_members(one.code))
    return Caller(
        code=user_code(person),
        groups=groups if person.guest else groups | {EVERYONE},
        organisations=frozenset() if person.guest else frozenset({person.organisation}),
        guest=person.guest,
    )


def password(seed: int, person: Person) -> str:
    """A sandbox password, the same for the same seed."""
    return hashlib.sha256(f"kintone-password:{seed}:{person.login}".encode()).hexdigest()[:16]


def api_token(seed: int, app_code: str) -> str:
    """A sandbox API token of an app, 40 characters as kintone's are, the same for the same seed."""
    return hashlib.sha256(f"kintone-token:{seed}:{app_code}".encode()).hexdigest()[:40]


def authenticate(seed: int, login: str, given: str) -> Caller | None:
    """The caller with this login and password, or None."""
    for one in PEOPLE:
        code = user_code(one)
        now = REGISTER.shown(code)
        if (
            code not in REGISTER.gone
            and login in (now, now.removeprefix("guest/"))
            and hmac.compare_digest(password(seed, one).encode(), given.encode())
        ):
            return caller_of(one)
    return None


def _above(code: str) -> set[str]:
    found: set[str] = set()
    while code := _PARENTS.get(code, ""):
        found.add(code)
    return found
