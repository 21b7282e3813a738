"""How callers of a project prove who they are: what project.yaml says of it, as verifiers. Fails closed where nothing is said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from connectors.capabilities import KnowsMemberships
from connectors.errors import FixConfiguration
from connectors.transport import TransportOptions
from pipelines.project import Project
from pipelines.serving.callers.groups import Groups
from pipelines.serving.callers.keys import Keys, from_authority
from pipelines.serving.callers.tokens import DevelopmentTokens, EntraTokens, Tokens
from pipelines.serving.secret import secret_file


def tokens_of(project: Project) -> Tokens:
    """The verifiers of a project. Raises FixConfiguration in production without Entra: nobody could prove anything there."""
    entra = entra_tokens(project)
    if project.environment == "production":
        if entra is None:
            raise FixConfiguration("serving.no_identity")
        return Tokens(entra, None)
    return Tokens(entra, development_tokens(project))


def development_tokens(project: Project) -> DevelopmentTokens:
    """Raises FixConfiguration in production, where there are none, neither made nor accepted."""
    if project.environment == "production":
        raise FixConfiguration("serving.dev_token_in_production")
    key = secret_file(project.home / "serving" / "development.key")
    return DevelopmentTokens(key, f"fortnight:{project.name}:{project.environment}")


def entra_tokens(project: Project) -> EntraTokens | None:
    block = project.file.serving.entra
    if block is None:
        return None
    tenant = str(project.resolve(block.tenant, "serving.entra.tenant"))
    authority = str(project.resolve(block.authority, "serving.entra.authority")).rstrip("/").removesuffix(f"/{tenant}")
    issuer = block.issuer or f"{authority}/{tenant}/v2.0"
    audiences = tuple(str(one) for one in project.resolve(list(block.audience), "serving.entra.audience"))
    ca_file = project.resolve(project.file.ca_file, "ca_file") if project.file.ca_file else None
    # A person waits: the keys are there within seconds, or the answer is that they are not.
    options = TransportOptions(
        ca_file=project.folder / Path(str(ca_file)) if ca_file else None, connect_timeout=3.0, read_timeout=8.0, attempts=2, max_wait=2.0
    )
    keys = Keys(from_authority(authority, tenant, issuer, options))
    groups_of = _groups_of(project, block.system) if block.groups == "token" else None
    return EntraTokens(tenant, audiences, issuer, block.scope, keys, groups_of)


def _groups_of(project: Project, system: str) -> Callable[[str, datetime], frozenset[str]]:
    """Asks the tenant's directory with the credentials of the project's SharePoint system, opened when the first person needs it."""
    opened: list[KnowsMemberships] = []

    def ask(oid: str) -> frozenset[str]:
        if not opened:
            connector = project.connect(system, hurried=True)
            if not isinstance(connector, KnowsMemberships):
                raise FixConfiguration("serving.no_memberships", system=system)
            opened.append(connector)
        return opened[0].memberships(oid)

    return Groups(ask).of
