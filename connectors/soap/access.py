"""Who may read a stream: from the roles operation that the contract declares, or from nobody's word, and then nobody may.

An entity is one scope; its principals are the roles that name it; logins are members of roles. Principal forms: DESIGN, shared interfaces.
"""

from __future__ import annotations

from connectors.access import Access, Account, Member, Scope, principal
from connectors.errors import BrokenReply
from connectors.protocol import Stream, Window
from connectors.soap.client import SoapClient
from connectors.soap.config import SourceSpec
from connectors.soap.guess import entity_of, guess_source
from connectors.soap.pull import pages, text_columns
from connectors.soap.schema import operation
from connectors.soap.sources import AccessSpec


def scope_of(system: str, spec: SourceSpec) -> str:
    """The scope every row of the stream points at. It stays the same when an access block is declared later: no row lands again."""
    service = f"{spec.service}/" if spec.service else ""
    return f"soap:{system}:{service}{_entity(spec)}"


def _entity(spec: SourceSpec) -> str:
    return (spec.access and spec.access.is_) or entity_of(spec.operation)


def access(client: SoapClient, stream: Stream, spec: SourceSpec, service: str = "") -> Access:
    """The scope with its roles, the roles' members, and their accounts. ``client`` is that of the ``service`` which lists them, and one
    list is that of many streams: a run shares it.

    Raises BrokenReply for a row of the list that is not whole.
    """
    scope = scope_of(stream.system, spec)
    if spec.access is None:
        return Access((Scope(scope, stream.name, (), resolved=False, reason="the contract's source declares no access operation"),), (), ())
    entity = _entity(spec)
    roles: dict[str, set[str]] = {}
    listed = spec.access.model_copy(update={"is_": None, "service": None})
    for role, of, login in client.readings.once(("roles", service, listed), lambda: _rows(client, stream, listed)):
        if (of == entity) if spec.access.is_ else (entity_of(of) == entity):
            roles.setdefault(role, set()).add(login)
    if not roles:
        reason = f"{spec.access.operation} names no role for {entity}"
        return Access((Scope(scope, stream.name, (), resolved=False, reason=reason),), (), ())
    tokens = {role: principal("role", stream.system, role) for role in sorted(roles)}
    logins = sorted(set().union(*roles.values()))
    return Access(
        (Scope(scope, stream.name, tuple(tokens.values())),),
        tuple(Member(tokens[role], principal("user", stream.system, login)) for role in tokens for login in sorted(roles[role])),
        tuple(Account(principal("user", stream.system, login), login, login if "@" in login else "", login) for login in logins),
    )


def _rows(client: SoapClient, stream: Stream, spec: AccessSpec) -> list[tuple[str, str, str]]:
    contract = client.latest()
    guess = guess_source(contract, operation(contract, spec.operation, client.config.wsdl))
    source = dict(guess or {"operation": spec.operation, "rows": ""})
    if spec.rows:
        source["rows"] = spec.rows
    listing = SourceSpec.model_validate(
        {key: value for key, value in source.items() if key in ("operation", "rows", "ok", "message", "row_count", "paging")}
    )
    roles = Stream(stream.system, f"{stream.name}.access", {}, (), text_columns(spec.role, spec.entity, spec.login))
    found: list[tuple[str, str, str]] = []
    for page in pages(client, roles, listing, Window(), None, ""):
        if page.rejects:
            raise BrokenReply("soap.bad_access", operation=spec.operation, reason=page.rejects[0].reason)
        columns = [page.rows.column(name).to_pylist() for name in (spec.role, spec.entity, spec.login)]
        found += [(str(role), str(entity), str(login)) for role, entity, login in zip(*columns, strict=True)]
    return found
